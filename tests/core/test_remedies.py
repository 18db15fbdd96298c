"""Each remedy that output folders and deals name is carried out, and works."""

from pathlib import Path

import pytest

from stages import rollout
from stages.core.errors import InputError
from stages.core.folder.artifact import Outcome, produce
from tests.helpers import fake_recipe, write_games


def make(out: Path, stage: str = "test", value: int = 1, source: Path | None = None, **options: bool) -> str:
    def write(work: Path) -> Outcome:
        (work / "data").write_text("data")
        return Outcome()

    inputs = {} if source is None else {"source": source}
    return produce(out, stage=stage, settings={"value": value}, inputs=inputs, make=write, **options).status


def test_a_strangers_folder_is_left_or_moved_away(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="choose another --out or move it away"):
        make(tmp_path / "out")
    assert make(tmp_path / "another") == "done"
    (tmp_path / "out").rename(tmp_path / "away")
    assert make(tmp_path / "out") == "done"


def test_another_place_is_always_free(tmp_path: Path):
    make(tmp_path / "in")
    for out in ("in", ".", "in/deep"):
        with pytest.raises(InputError, match="choose another --out"):
            make(tmp_path / out, source=tmp_path / "in")
    with pytest.raises(InputError, match="which 'other' will not replace; choose another --out"):
        make(tmp_path / "in", stage="other")
    with pytest.raises(InputError, match="choose a folder inside it with --out"):
        make(Path("/"))
    assert make(tmp_path / "another", stage="other", source=tmp_path / "in") == "done"


def test_unfinished_work_is_finished_or_discarded(tmp_path: Path):
    def stopped(work: Path) -> Outcome:
        (work / "half").write_text("half")
        raise KeyboardInterrupt

    for out, overwrite, value in (("one", False, 1), ("two", True, 2)):
        with pytest.raises(KeyboardInterrupt):
            produce(tmp_path / out, stage="test", settings={"value": 1}, inputs={}, make=stopped, resumable=True)
        with pytest.raises(InputError, match="repeat that command to finish it, or use --overwrite to discard it"):
            make(tmp_path / out, value=2, resumable=True)
        assert make(tmp_path / out, value=value, resumable=True, overwrite=overwrite) == "done"
        assert (tmp_path / out / "half").exists() != overwrite


def test_a_deal_for_other_rules(tmp_path: Path):
    recipe = fake_recipe("rollout.concurrent_games=2")
    games = write_games(tmp_path / "games", recipe, count=3)
    other = ["rollout.concurrent_games=2", "game.players=5"]
    with pytest.raises(
        InputError, match="add --set game.players=4 --set game.clue_rounds=1, or give the games' recipe"
    ):
        rollout.run(fake_recipe(*other), games, tmp_path / "out")
    matching = fake_recipe(*other, "game.players=4", "game.clue_rounds=1")
    assert rollout.run(matching, games, tmp_path / "out").status == "done"


def test_another_split_is_chosen(tmp_path: Path):
    recipe = fake_recipe("rollout.concurrent_games=2")
    games = write_games(tmp_path / "games", recipe, count=3)
    with pytest.raises(InputError, match="choose another with --split"):
        rollout.run(recipe, games, tmp_path / "out", split="dev")
    assert rollout.run(recipe, games, tmp_path / "out", split="train").status == "done"
