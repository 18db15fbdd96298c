r"""What the released code rewards as good form: anything in its first box, and more than 10 characters of reasoning.

The code judges form apart from the vote. It is content with the first `\boxed{…}`, whatever that holds, where the vote
itself is read by the game's readers.
"""

from __future__ import annotations

import re

REASONING_CHARS = 10

_BOX = re.compile(r"\\\\?boxed\{")
_THOUGHT, _END_OF_THOUGHT = "<think>", "</think>"


def is_well_formed(completion: str) -> bool:
    """Whether the first box is not empty and the reasoning is longer than 10 characters.

    Reasoning is what stands in `<think>…</think>`; without that, what stands before the box; when that is nothing,
    the lines without a box.
    """
    opened = _BOX.search(completion)
    closed = completion.find("}", opened.end()) if opened else -1
    if not opened or closed < 0 or not completion[opened.end() : closed].strip():
        return False
    reasoning = _thought(completion)
    if reasoning is None:
        reasoning = completion[: opened.start()].strip()
        if not reasoning:
            reasoning = "\n".join(line.strip() for line in completion.split("\n") if not _BOX.search(line)).strip()
    return len(reasoning) > REASONING_CHARS


def _thought(completion: str) -> str | None:
    _, opened, rest = completion.partition(_THOUGHT)
    thought, closed, _ = rest.partition(_END_OF_THOUGHT)
    return thought.strip() if opened and closed else None
