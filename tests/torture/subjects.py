"""The commands that are interrupted: every stage, with scripted and real engines, and what each ends with undisturbed."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.iterate.random_kills import ARMS, SMALL
from tests.iterate.test_kills import fingerprint
from tests.processes import kill_at_change
from tests.torture.child import Command, Running, in_copy
from tests.torture.tally import Found
from tests.torture.world import LIMIT, PLAYED, QUIET, ROOT, SCRIPTED

OUT = "out"
NEVER = 10**9


def _sets(settings: list[str]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def commands(world: Path) -> dict[str, Command]:
    """The command of each subject, which writes `out` in the folder where it is given."""
    games, rollouts, scored, kept = (str(world / name) for name in ("games", "rollouts", "scored", "kept"))
    out = ["--out", OUT]
    slowly = ["--set", "rollout.concurrent_games=2", "--split", "all"]
    own = ["--games", games, "--set", f"model.path={ROOT / 'data/tiny-model'}"]
    played = ["iterate", *out, *own, *_sets([each for each in SMALL if not each.startswith("model.path")])]
    scripted = [
        "iterate",
        *out,
        "--games",
        games,
        "--rounds",
        "4",
        *SCRIPTED,
        *QUIET,
        *_sets(["iterate.games=4", "rollout.concurrent_games=2"]),
    ]
    return {
        "make-games": ["make-games", *out, "--pairs", "4", "--processes", "1"],
        "make-games, 2 processes": ["make-games", *out, "--pairs", "6", "--processes", "2"],
        "make-games, charts": ["make-games", *out, "--recipe", "paper-v1", "--tables", str(ROOT / "data/tables"), "--pairs", "4", "--processes", "1"],
        "make-games, pictures": ["make-games", *out, "--from", games, "--processes", "1"],
        "rollout": ["rollout", games, *out, *slowly],
        "rollout, scripted": ["rollout", games, *out, *SCRIPTED, *slowly],
        "score": ["score", rollouts, *out],
        "filter": ["filter", scored, *out],
        "train": ["train", kept, *out, "--state-out", "state"],
        "train, 2 processes": ["train", kept, *out, "--state-out", "state", "--processes", "2"],
        "train, LoRA": ["train", kept, *out, "--state-out", "state", "--set", "model.lora={rank: 4, alpha: 8}"],
        "evaluate, scripted": ["evaluate", games, *out, *PLAYED, *SCRIPTED],
        "evaluate": ["evaluate", games, *out, *PLAYED],
        "export": ["export", games, *out],
        "export, model": ["export", str(world / "checkpoint"), "--to", "model", *out],
        "iterate, scripted": scripted,
        "iterate, scripted, each third round saved": [*scripted, "--set", "iterate.save_every=3"],
        "iterate, scripted, own games": ["iterate", *out, "--rounds", "2", *SCRIPTED, *QUIET, *_sets(["iterate.games=2", "games.pairs=3", "games.processes=1", "games.dev_fraction=0", "games.test_fraction=0"])],
        **{f"iterate: {name}": [*played, "--rounds", "3", *_sets(settings)] for name, settings in ARMS.items()},
    }  # fmt: skip


# Those that take a second, and those that take many.
CHEAP = ["make-games, pictures", "rollout, scripted", "score", "filter", "export", "export, model", "evaluate, scripted",
         "iterate, scripted", "iterate, scripted, each third round saved"]  # fmt: skip
DEAR = 6  # a cheap subject is drawn so many times as often as another


@dataclass(frozen=True)
class Undisturbed:
    """What a command ends with if nothing happens to it."""

    files: dict[str, str]
    seconds: float
    changes: int  # of the disk
    folder: str


def undisturbed(name: str, world: Path) -> Undisturbed:
    """What the subject ends with; it is run once, in whichever lane needs it first."""
    place = world / "undisturbed" / name
    note = place / "note.json"
    if not note.is_file():
        mine = place.with_name(f"{name} of {os.getpid()}")
        mine.mkdir(parents=True)
        changes = mine / "changes"
        running = Running(
            commands(world)[name],
            mine,
            mine / "said",
            before=lambda: kill_at_change(NEVER, seen=lambda: _count(changes)),
        )
        end = running.wait(LIMIT)
        assert end.code == 0 and not end.hung, f"{name}: {end}"
        seen = {"files": files_of(mine), "seconds": end.seconds, "changes": len(changes.read_text())}
        (mine / "note.json").write_text(json.dumps(seen))
        with suppress(OSError):  # another lane, which began at the same time, was faster
            mine.rename(place)
    return Undisturbed(**json.loads(note.read_text()), folder=str(place))


def _count(changes: Path) -> None:
    with changes.open("a") as file:
        file.write(".")


def files_of(place: Path) -> dict[str, str]:
    """Hashes of what a command wrote: its output, and a training state beside it."""
    return {f"{name}/{file}": made for name in (OUT, "state") for file, made in fingerprint(place / name).items()}


def compare(place: Path, wanted: Undisturbed, found: Found) -> None:
    """Note what differs from the undisturbed command's output, in rows where it is a table."""
    have = files_of(place)
    for name in sorted({**have, **wanted.files}):
        if name not in have:
            found.add("lost", f"{name} is missing")
        elif name not in wanted.files:
            found.add("leftovers", f"{name} is too much")
        elif have[name] != wanted.files[name]:
            for column, words in in_copy(rows_that_differ, str(place / name), str(Path(wanted.folder, name))):
                found.add(column, f"{name}: {words}")


def rows_that_differ(mine: str, theirs: str) -> list[tuple[str, str]]:
    """In which columns of the table of counts a file differs, with a few words."""
    import polars as pl

    if not mine.endswith((".parquet", ".jsonl")):
        return [("different", "other bytes")]
    read = pl.read_parquet if mine.endswith(".parquet") else pl.read_ndjson
    one, other = ([str(row) for row in read(file).rows()] for file in (mine, theirs))
    lost, more = set(other) - set(one), len(one) - len(set(one)) - (len(other) - len(set(other)))
    words = [("doubled", f"{more} rows")] if more > 0 else []
    if len(set(one)) < len(set(other)):
        return [*words, ("lost", f"{len(set(other)) - len(set(one))} rows")]
    return [*words, ("different", f"{len(lost)} rows")] if lost or not words else words


def left_behind(place: Path, said: Path) -> list[str]:
    """What a finished command left beside its output, and among temporary files."""
    beside = [each.name for each in place.iterdir() if each.name not in (OUT, "state", "said")]
    inside = [str(each.relative_to(place)) for each in (place / OUT).rglob(".*") if each.name != ".gitattributes"]
    return [*beside, *inside, *(f"tmp/{each.name}" for each in (said / "tmp").iterdir())]
