"""How passwords and keys look, so that no message shows one and no recipe stores one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

CUT = "…"
# Names of settings that hold secrets. `eos_token`, `max_tokens` and the like do not.
_NAME = re.compile(
    r"(^|[_\-.])(api|secret|private|access|auth|subscription)[_-]?key$|secret$|passw(or)?d$|passphrase$"
    r"|^(proxy[_-]?)?authorization$|^(x[_-])?auth$|credentials?$|cookie$"
    r"|(^|[_-])(hf|api|auth|access|bearer|session|refresh|id)[_-]?token$|^token$",
    re.IGNORECASE,
)
# Keys of OpenAI and others, Hugging Face, GitHub, GitLab, Slack, AWS and Google; and text after "Bearer" or "Basic".
_VALUE = re.compile(
    r"\b(sk-[\w-]{12,}|hf_\w{16,}|gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|xox[abeprs]-[\w-]{10,}"
    r"|AKIA[A-Z0-9]{12,}|AIza[\w-]{30,}|eyJ[\w-]{10,}\.[\w-]+\.[\w-]+)|\b(?:Bearer|Basic)\s+[\w\-.~+/=]{8,}"
)
_IN_ADDRESS = re.compile(r"(?<=://)[^\s'\"<>]*@|\b[\w.-]+:[^\s/'\"<>@]{3,}@(?=\w)")


def without_secrets(text: str) -> str:
    """`text` without anything that looks like a key, or like the user and password in an address."""
    return _VALUE.sub(CUT, _IN_ADDRESS.sub(f"{CUT}@", text))


def shown_without_secrets(value: Any) -> str:
    """The `repr` of plain data without secrets, whether inside text or under a secret's name."""
    return without_secrets(repr(_cut(value)))


def secret_in(value: Any, key: str = "") -> str | None:
    """The dotted key of a secret in nested data, or None. `key` is the key of `value`."""
    return next(_secrets(value, key), None)


def _secrets(value: Any, key: str) -> Iterator[str]:
    for name, inner in _parts(value):
        place = f"{key}.{name}" if key else str(name)
        if _is_secret(name, inner):
            yield place
        else:
            yield from _secrets(inner, place)


def _is_secret(name: Any, value: Any) -> bool:
    if isinstance(value, str):
        return bool(value) and (_NAME.search(str(name)) is not None or without_secrets(value) != value)
    return False


def _cut(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: CUT if _is_secret(name, inner) else _cut(inner) for name, inner in value.items()}
    return [_cut(inner) for inner in value] if isinstance(value, list | tuple) else value


def _parts(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list | tuple) else []
