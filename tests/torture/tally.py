"""What a try found, and the table of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.torture.child import End

RAN = "code-was-run"  # the file that code in a stranger's file makes, if anything runs it
LONGEST = 2000  # characters of a message
COLUMNS = ("lost", "doubled", "different", "unclear", "hangs", "leftovers", "code run")
HEADS = (
    "kind",
    "tries",
    "lost rows",
    "doubled",
    "different",
    "tracebacks",
    "hangs over 5 s",
    "leftovers",
    "code run",
    "peak memory",
)


@dataclass
class Found:
    """What was wrong in a try, by column, each with words that say what; and the most memory of its processes."""

    faults: dict[str, list[str]] = field(default_factory=dict)
    peak: int = 0
    tries: int = 1  # kills, inputs, files: what the kind counts

    def add(self, column: str, what: str) -> None:
        assert column in COLUMNS, column
        self.faults.setdefault(column, []).append(what)

    def judge(self, end: End, *, codes: Sequence[int] = (0, 1, 2), names: Iterable[str] = ()) -> None:
        """Note if a command hung, or did not end clearly: with one of these codes, and in one line that names a file."""
        self.peak = max(self.peak, end.peak)
        command = f"vz {' '.join(end.command)}"
        if end.hung:
            self.add("hangs", f"{command}: no end after {end.seconds:.1f} s")
        elif words := unclear(end, codes, names):
            self.add("unclear", f"{command}: {words}")

    def look_for_code(self, *folders: Path) -> None:
        """Note if code of a stranger's file was run."""
        if any((folder / RAN).exists() for folder in folders):
            self.add("code run", f"{RAN} was made")


def unclear(end: End, codes: Sequence[int], names: Iterable[str] = ()) -> str:
    """In words why a command's end is not clear; empty if it is."""
    said = end.out + end.err
    for sign in ("Traceback (most recent call last)", "an error inside vz", "panicked at", "Fatal Python error"):
        if sign in said:
            return f"{sign}: {end.err[-600:]}"
    if end.code not in codes:
        return f"exit code {end.code}: {end.err[-600:]}"
    if "\x1b" in said:
        return f"an escape character in the output: {said[max(0, said.index(chr(27)) - 80) :][:160]!r}"
    if end.code == 1 and end.command[0] == "doctor":
        return ""  # its findings are on standard output
    if end.code in (1, 2) and "Usage: " not in end.err:
        return _message_at_fault(end.err, list(names))
    return ""


def _message_at_fault(err: str, names: list[str]) -> str:
    lines = err.rstrip("\n").split("\n")
    if not lines[-1].startswith("vz: ") or sum(line.startswith("vz: ") for line in lines) != 1:
        return f"the error is not one last line: {err[-600:]!r}"
    if len(lines[-1]) > LONGEST:
        return f"a message of {len(lines[-1])} characters: {lines[-1][:200]!r}"
    if names and not any(name in lines[-1] for name in names):
        return f"names no file: {lines[-1]}"
    return ""


def table(found: dict[str, list[Found]]) -> str:
    """A row per kind, in Markdown."""
    rows = [HEADS, ["---"] * len(HEADS)]
    for kind, tries in [*found.items(), ("all", [each for some in found.values() for each in some])]:
        counts = [sum(len(each.faults.get(column, ())) for each in tries) for column in COLUMNS]
        peak = max((each.peak for each in tries), default=0) / 2**30
        rows.append([kind, f"{sum(each.tries for each in tries):,}", *map(str, counts), f"{peak:.2f} GiB"])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
