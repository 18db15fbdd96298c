"""A sandbox for users' and strangers' templates: no code, no files of their choice, limited time and memory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

from jinja2 import Template, TemplateRuntimeError
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

LONGEST = (
    10**6
)  # characters in a prompt, or in any product that a template computes; also the largest number so computed
OURS = Path(__file__).parent / "prompts"  # templates that come with vz; counting their steps would only cost time
STEPS = 2 * 10**6  # lines and calls that a template may run; a prompt takes a few hundred


class Sandbox(SandboxedEnvironment):
    """Jinja's sandbox, with limits on products and powers."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        sizes = [abs(each) if isinstance(each, int | float) else len(each) for each in (left, right)]
        if sizes[0] ** min(sizes[1], 99) > LONGEST if operator == "**" else sizes[0] * sizes[1] > LONGEST:
            raise TemplateRuntimeError(f"a result of '{operator}' is larger than {LONGEST:,}")
        return super().call_binop(context, operator, left, right)


def rendered(template: Template, values: dict[str, Any]) -> str:
    """The template's text. `TemplateRuntimeError` if it is too long, or takes too many steps."""
    parts, length, folder = [], 0, Path(template.filename or "").parent
    with nullcontext() if OURS in folder.parents else _in_few_steps(str(folder)):
        for part in template.generate(**values):
            parts.append(part)
            length += len(part)
            if length > LONGEST:
                raise TemplateRuntimeError(f"its text has more than {LONGEST:,} characters")
    return "".join(parts)


@contextmanager
def _in_few_steps(folder: str) -> Iterator[None]:
    """Count the lines that this folder's templates run in the block, except under a debugger, which traces them."""
    left = STEPS

    def look(frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
        nonlocal left
        left -= 1
        if left < 0:
            raise TemplateRuntimeError(f"it takes more than {STEPS:,} steps")
        return look if frame.f_code.co_filename.startswith(folder) else None

    if sys.gettrace() is not None:
        yield
        return
    sys.settrace(look)
    try:
        yield
    finally:
        sys.settrace(None)
