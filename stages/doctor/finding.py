"""One thing that `vz doctor` looked at."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Verdict = Literal["ok", "warn", "fail", "absent"]


@dataclass(frozen=True)
class Finding:
    """What was examined, what was found, and the remedy where something is wrong."""

    verdict: Verdict
    what: str
    found: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        return asdict(self)
