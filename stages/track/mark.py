"""What a run remembers about its trackers: the run's id, and the last round that each tracker has."""

from __future__ import annotations

import secrets
from pathlib import Path

from stages.core.errors import InputError
from stages.core.folder.files import read_json, write_json

FOLDER = "tracking"  # in the run's folder
NOTHING = -1  # not even round 0, which is what comes before round 1


def run_id(run: Path) -> str:
    """The id by which trackers know the run, made once. It moves with the folder. A new run there gets a new id."""
    file = run / FOLDER / "run.json"
    if not file.is_file():
        file.parent.mkdir(exist_ok=True)
        write_json(file, {"id": secrets.token_hex(4)})
    return str(read_json(file)["id"])


def sent(run: Path, tracker: str) -> int:
    """The last round that the tracker has. If the mark cannot be read, all rounds are sent again."""
    try:
        return int(read_json(_file(run, tracker))["sent"])
    except (InputError, KeyError, TypeError, ValueError):
        return NOTHING


def mark_sent(run: Path, tracker: str, number: int) -> None:
    write_json(_file(run, tracker), {"sent": number})


def _file(run: Path, tracker: str) -> Path:
    return run / FOLDER / f"{tracker}.json"
