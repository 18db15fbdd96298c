"""A games folder whose files are links into a store, as DVC, git-annex and the hub's cache lay them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from stages import evaluate, export, iterate, make_games, report, rollout
from stages.core import tables
from stages.core.errors import InputError
from stages.core.folder.artifact import content_hash
from stages.core.recipe import load
from stages.inspect.show import show
from stages.inspect.verify import verify
from stages.make_games import Sources
from tests.helpers import fake_recipe, write_games

SIDE = 72  # pixels, as the tiny model takes them
FAST = ["iterate.rounds=1", "iterate.games=2", "iterate.preflight=0", "evaluate.games=2", "evaluate.every=1"]


def into_store(file: Path) -> Path:
    """Moves the file to where its hash says."""
    store = file.parents[1].parent / "store" / hashlib.sha256(file.read_bytes()).hexdigest()
    store.parent.mkdir(exist_ok=True)
    return file.replace(store)


def link_pictures(games: Path) -> None:
    for file in (games / "images").iterdir():
        file.symlink_to(os.path.relpath(into_store(file), file.parent))


def link_everything(games: Path) -> None:
    link_pictures(games)
    for file in [path for path in games.iterdir() if path.is_file()]:
        stored = file.replace(games.parent / "store" / file.name)
        file.symlink_to(stored)


def link_the_folder(games: Path) -> None:
    stored = (games / "images").replace(games.parent / "pictures")
    (games / "images").symlink_to(stored)


def link_hard(games: Path) -> None:
    for file in (games / "images").iterdir():
        stored = into_store(file)
        os.link(stored, file)
        stored.chmod(0o444)


@pytest.fixture(params=[link_pictures, link_everything, link_the_folder, link_hard])
def linked(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    games = write_games(tmp_path / "games", fake_recipe(), count=10, side=SIDE)
    before = content_hash(games)
    request.param(games)
    assert content_hash(games) == before
    return games


def again(games: Path, out: Path, *overrides: str) -> Path:
    recipe = load("tiny", ["games.pairs=10", "games.ready.identical=keep", "games.ready.unrelated=keep", *overrides])
    return make_games.run(recipe, out, sources=Sources(ready=str(games)), processes=1).out


def test_every_stage_reads_them(linked: Path, tmp_path: Path) -> None:
    assert verify(linked).status == "whole"
    recipe = fake_recipe("iterate.rounds=1", "iterate.games=4", "evaluate.every=1", "evaluate.games=2")
    assert rollout.run(recipe, linked, tmp_path / "rollouts").counts["games"] == 8
    assert evaluate.run(recipe, linked, tmp_path / "judged").status == "done"
    run = iterate.run(recipe, tmp_path / "run", games=linked).out
    assert b"data:image/png" in report.run(run, games=1).out.read_bytes()
    assert show(linked, tmp_path / "g.html").counts["pictures"] == 20
    assert show(linked, tmp_path / "s.png", sheet=True).counts["pairs"] == 10
    assert export.run(linked, tmp_path / "set").counts["pairs"] == 10


@pytest.mark.parametrize("place", ["", "pairs.parquet"])
def test_games_made_from_them_hold_the_pictures(linked: Path, tmp_path: Path, place: str) -> None:
    out = again(linked / place, tmp_path / "again")
    assert not [file for file in out.rglob("*") if file.is_symlink()]
    keys = ["original_sha256", "modified_sha256"]
    assert tables.read(out / "pairs.parquet", tables.PAIRS, keys).equals(
        tables.read(linked / "pairs.parquet", tables.PAIRS, keys)
    )


@pytest.mark.slow
def test_a_model_plays_and_trains_on_them(tmp_path: Path) -> None:
    games = write_games(tmp_path / "games", load("tiny"), count=10, side=SIDE)
    link_pictures(games)
    counts = iterate.run(load("tiny", FAST), tmp_path / "run", games=games).counts
    assert counts["rounds"] == counts["updates"] == 1


def sheet(games: Path, out: Path) -> object:
    return show(games, out.with_suffix(".png"), sheet=True)


READERS: dict[str, Callable[[Path, Path], object]] = {
    "rollout": lambda games, out: rollout.run(fake_recipe("rollout.engine=transformers"), games, out),
    "blank spy": lambda games, out: rollout.run(fake_recipe("game.spy_view=blank"), games, out),
    "export": export.run,
    "contact sheet": sheet,
    "make-games": again,
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_link_to_another_picture_is_refused(tmp_path: Path, read: Callable[[Path, Path], object]) -> None:
    rules = fake_recipe("game.spy_view=blank") if read is READERS["blank spy"] else fake_recipe()
    games = write_games(tmp_path / "games", rules, count=1, side=SIDE)
    link_pictures(games)
    link = games / "images/pair-000_original.png"
    target = link.resolve()
    target.chmod(0o644)
    target.write_bytes(b"secret")
    with pytest.raises(InputError, match=r"pair-000_original\.png: .*sha256 differs"):
        read(games, tmp_path / "out")
    target.unlink()
    with pytest.raises(InputError, match=r"links to .*/store/.*fetch it again|no such picture"):
        read(games, tmp_path / "out")


def test_a_skipped_picture_is_not_copied(tmp_path: Path) -> None:
    games = write_games(tmp_path / "games", fake_recipe(), count=4, side=SIDE)
    link_pictures(games)
    (games / "images/pair-000_original.png").resolve().write_bytes(b"secret")
    out = again(games, tmp_path / "again")
    skipped = tables.read(out / "skipped.parquet", tables.SKIPPED)
    assert list(skipped["pair_id"]) == ["pair-000"] and "sha256 differs" in skipped["detail"][0]
    assert not [file for file in (out / "images").iterdir() if file.read_bytes() == b"secret"]


def test_more_pairs_take_over_the_pictures_not_the_links(tmp_path: Path) -> None:
    source = write_games(tmp_path / "source", fake_recipe(), count=4, side=SIDE)
    out = again(source, tmp_path / "games", "games.pairs=2")
    link_pictures(out)
    recipe = load(
        "tiny", ["games.pairs=2", "games.ready.identical=keep", "games.ready.unrelated=keep", "game.players=3"]
    )
    made = make_games.run(recipe, out, sources=Sources(ready=str(source)), overwrite=True, processes=1)
    assert made.counts["taken_over"] == 2
    assert not [file for file in out.rglob("*") if file.is_symlink()]
    assert all(file.stat().st_nlink == 1 for file in (out / "images").iterdir())
