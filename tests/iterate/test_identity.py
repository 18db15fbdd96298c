"""A run is identified by contents, not paths, and only by what changes a finished game."""

import json
import shutil
from pathlib import Path

import pytest

from stages import iterate, rollout
from stages.core.engines.fake import FakeEngine
from stages.core.errors import InputError, VzError
from stages.core.recipe import Recipe, load, prompt_folder, shared_folder
from tests.helpers import fake_recipe, write_games

SMALL = ["iterate.games=4", "rollout.concurrent_games=2", "train.total_updates=9"]


def rounds(number: int, *more: str) -> Recipe:
    return fake_recipe(*SMALL, f"iterate.rounds={number}", *more)


def rows(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    return Path(shutil.copytree(prompt_folder("standard"), tmp_path / "prompts"))


def edit(prompts: Path) -> None:
    (prompts / "vote.j2").write_text((prompts / "vote.j2").read_text() + "\nThink twice.\n")


def test_a_model_that_was_moved_is_the_same_model(games: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(shared_folder("data") / "tiny-model", tmp_path / "model")
    (tmp_path / "link").symlink_to(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    names = [str(tmp_path / "model"), "model", "./model", "link", f"{tmp_path}/games/../model"]
    for number, name in enumerate(names, start=1):
        iterate.run(rounds(number, f"model.path={name}"), tmp_path / "run", games=games)
    (tmp_path / "model").rename(tmp_path / "moved")
    report = iterate.run(rounds(6, "model.path=moved"), tmp_path / "run", games=games)
    assert report.counts["rounds"] == 6
    (tmp_path / "moved" / "chat_template.jinja").write_text("another")
    with pytest.raises(InputError, match="other base"):
        iterate.run(rounds(7, "model.path=moved"), tmp_path / "run", games=games)


def test_the_policy_of_a_seat_may_be_moved(games: Path, tmp_path: Path):
    shutil.copytree(shared_folder("data") / "tiny-model", tmp_path / "rival")
    (tmp_path / "rival/config.json").write_text("{}")
    iterate.run(rounds(1, f"rollout.seats.spy={tmp_path / 'rival'}"), tmp_path / "run", games=games)
    (tmp_path / "rival").rename(tmp_path / "moved")
    moved = rounds(2, f"rollout.seats.spy={tmp_path / 'moved'}")
    assert iterate.run(moved, tmp_path / "run", games=games).counts["rounds"] == 2
    with pytest.raises(InputError, match="other policy of the spy"):
        iterate.run(rounds(3), tmp_path / "run", games=games)


@pytest.mark.parametrize(
    "setting",
    ["rollout.max_prompt_tokens=300", "train.logprob_gap_limit=9", "rollout.save_seconds=1", "rollout.server.attempts=9", "iterate.keep_checkpoints=5", "evaluate.games=50", "games.processes=1"],
)  # fmt: skip
def test_settings_that_change_no_finished_game_may_change(games: Path, tmp_path: Path, setting: str):
    iterate.run(rounds(1), tmp_path / "run", games=games)
    assert iterate.run(rounds(2, setting), tmp_path / "run", games=games).counts["rounds"] == 2


def fails_in_round_2(request, sample):
    raise VzError("killed")


def test_edited_prompts_need_the_option_new_prompts(games: Path, prompts: Path, tmp_path: Path):
    run, path = tmp_path / "run", f"game.prompts={prompts}"
    iterate.run(rounds(1, path), run, games=games)
    with pytest.raises(VzError, match="killed"):
        iterate.run(rounds(2, path), run, games=games, engine=FakeEngine(fails_in_round_2))
    edit(prompts)
    with pytest.raises(InputError, match=r"\(other prompts\); .* --new-prompts, .* --overwrite"):
        iterate.run(rounds(2, path), run, games=games)
    engine = FakeEngine()
    report = iterate.run(rounds(2, path), run, games=games, engine=engine, new_prompts=True)
    assert engine.tally.completions == 4 * 12  # all of the round, none with the old ones
    first, second = (row["prompts"] for row in rows(run))
    assert first != second
    assert f"from round 2 on, other prompts were used ({first} before, {second} since)" in report.warnings
    assert iterate.run(rounds(2, path), run, games=games).status == "up to date"  # asked for once is enough


def test_the_other_remedies_for_edited_prompts_work(games: Path, prompts: Path, tmp_path: Path):
    run, path, before = tmp_path / "run", f"game.prompts={prompts}", (prompts / "vote.j2").read_text()
    iterate.run(rounds(1, path), run, games=games)
    edit(prompts)
    with pytest.raises(InputError, match="use those again, .* choose another --out, or discard the run"):
        iterate.run(rounds(2, path), run, games=games)
    assert iterate.run(rounds(1, path), tmp_path / "another", games=games).status == "done"
    (prompts / "vote.j2").write_text(before)
    assert iterate.run(rounds(2, path), run, games=games).counts["rounds"] == 2
    edit(prompts)
    report = iterate.run(rounds(1, path), run, games=games, overwrite=True)
    assert report.status == "done" and report.counts["rounds"] == len(rows(run)) == 1


def test_prompts_that_are_edited_during_a_run_stop_it(games: Path, prompts: Path, tmp_path: Path):
    path, run = f"game.prompts={prompts}", tmp_path / "run"
    with pytest.raises(
        InputError, match="prompts: edited while .* was running .prompts.; undo the edit .* --new-prompts"
    ):
        iterate.run(rounds(2, path), run, games=games, on_round=lambda metrics, timings: edit(prompts))
    assert iterate.run(rounds(2, path), run, games=games, new_prompts=True).counts["rounds"] == 2


def test_rollout_has_the_same_rule(games: Path, prompts: Path, tmp_path: Path):
    recipe = fake_recipe("rollout.concurrent_games=2", f"game.prompts={prompts}")
    answers = 0

    def ends(request, sample):
        nonlocal answers
        answers += 1
        if answers > 30:
            raise VzError("killed")
        return FakeEngine().script(request, sample)

    with pytest.raises(VzError, match="killed"):
        rollout.run(recipe, games, tmp_path / "out", engine=FakeEngine(ends))
    edit(prompts)
    with pytest.raises(
        InputError, match="unfinished work from different inputs or settings .other prompts.; .* --overwrite"
    ):
        rollout.run(recipe, games, tmp_path / "out")
    assert rollout.run(recipe, games, tmp_path / "out", overwrite=True).counts["finished_before"] == 0
    edit(prompts)
    with pytest.raises(InputError, match="other prompts.; use --overwrite"):
        rollout.run(recipe, games, tmp_path / "out")
    assert rollout.run(recipe, games, tmp_path / "out", overwrite=True).status == "done"


def test_a_prompt_that_was_too_long_fits_once_the_limit_is_raised(tmp_path: Path):
    small = [
        "iterate.games=2",
        "iterate.rounds=1",
        "iterate.preflight=0",
        "evaluate.every=0",
        "train.tokens_per_batch=2048",
    ]
    games = write_games(tmp_path / "games", load("tiny"), count=4, side=72)
    short = load("tiny", [*small, "rollout.max_prompt_tokens=20"])
    with pytest.raises(InputError, match="Remedies: set rollout.max_prompt_tokens=114, enough"):
        iterate.run(short, tmp_path / "run", games=games)
    enough = load("tiny", [*small, "rollout.max_prompt_tokens=114"])
    assert iterate.run(enough, tmp_path / "run", games=games).counts["rounds"] == 1
