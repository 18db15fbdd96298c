"""A run that lost files repeats what it needs, from rows that were played once, and says what it lost."""

import json
import shutil
from pathlib import Path

import pytest

from stages import iterate
from stages.core.engines.fake import FakeEngine
from stages.core.errors import InputError
from stages.core.folder import locking
from stages.core.recipe import Recipe
from tests.helpers import fake_recipe, write_games
from tests.iterate.test_kills import fingerprint

RECIPE = ["iterate.games=4", "iterate.rounds=3", "rollout.concurrent_games=2", "iterate.switching=cycle"]
A_ROUND = 4 * (4 + 8)  # completions: each game has 4 clues and 8 votes


def recipe(*more: str) -> Recipe:
    return fake_recipe(*RECIPE, *more)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    iterate.run(recipe(), folder / "run", games=write_games(folder / "games", recipe(), count=10))
    return folder


@pytest.fixture
def games(world: Path) -> Path:
    return world / "games"


@pytest.fixture
def run(world: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(world / "run", tmp_path / "run"))


def emptied(path: Path) -> None:
    """As a power cut leaves a file of which only the size was on disk."""
    path.write_bytes(bytes(path.stat().st_size))


RUNS_AGAIN = "resumes after round 2; finished rounds that run again: 1"
TRAINS_AGAIN = "repeats the training of round 3 on its kept rows"
SPOIL = {
    "a checkpoint": ("round-0003/checkpoint/weights.json", TRAINS_AGAIN),
    "a training state": ("training-state/round-0003/weights.json", TRAINS_AGAIN),
    "the state of a training state": ("training-state/round-0003/state.json", TRAINS_AGAIN),
    "baselines": ("round-0003/scored/baselines.json", RUNS_AGAIN),
    "a manifest": ("round-0003/checkpoint/manifest.json", RUNS_AGAIN),
}


@pytest.mark.parametrize(
    "lost", [emptied, Path.unlink, lambda path: path.write_bytes(b"")], ids=["zeros", "gone", "empty"]
)
@pytest.mark.parametrize(("name", "what"), SPOIL.values(), ids=SPOIL.keys())
def test_a_run_makes_again_what_was_lost(run: Path, games: Path, name: str, what: str, lost, capsys):
    expected = fingerprint(run)
    lost(run / name)
    engine = FakeEngine()
    report = iterate.run(recipe(), run, games=games, engine=engine)
    assert report.status == "done" and fingerprint(run) == expected
    assert engine.tally.completions == 0  # what was played is there
    said = capsys.readouterr().err
    for text in [str((run / name).parent), what]:
        assert text in said and any(text in warning for warning in report.warnings)
    assert "missing" not in " ".join(iterate.run(recipe(), run, games=games).warnings)


@pytest.mark.parametrize("name", ["state.json", "metrics.jsonl"])
def test_lost_state_and_metrics_are_restored(run: Path, games: Path, name: str):
    expected = fingerprint(run)
    emptied(run / name)
    engine = FakeEngine()
    iterate.run(recipe(), run, games=games, engine=engine)
    assert fingerprint(run) == expected and engine.tally.completions == 0


def test_rows_of_metrics_without_what_they_always_have_are_restored(run: Path, games: Path):
    expected = fingerprint(run)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    del rows[0]["warnings"]
    rows[1]["phase"] = 3
    lines = [json.dumps(row) for row in rows[:2]] + ["[" * 100_000]
    (run / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines))
    iterate.run(recipe(), run, games=games)
    assert fingerprint(run) == expected


def test_an_unfinished_round_makes_lost_outputs_again(run: Path, games: Path, tmp_path: Path):
    expected = fingerprint(run)
    (run / "state.json").write_text(json.dumps(json.loads((run / "round-0002/round.json").read_text())["state"]))
    (run / "round-0003/round.json").unlink()
    emptied(next((run / "round-0003/rollouts").glob("part-*")))
    engine = FakeEngine()
    report = iterate.run(recipe(), run, games=games, engine=engine)
    assert fingerprint(run) == expected and engine.tally.completions == A_ROUND
    assert "part-00000.parquet: missing or changed since it was written; rollouts is made again" in report.warnings[0]


def test_lost_outputs_of_earlier_rounds_are_only_named(run: Path, games: Path):
    emptied(next((run / "round-0001/rollouts").glob("part-*")))
    report = iterate.run(recipe(), run, games=games)
    assert report.status == "up to date"
    assert (
        "part-00000.parquet: missing or changed since it was written; the run goes on without it" in report.warnings[0]
    )


def test_several_rounds_begin_anew_only_with_overwrite(run: Path, games: Path):
    expected = fingerprint(run)
    for state in run.glob("training-state/*"):
        emptied(state / "weights.json")
    with pytest.raises(InputError, match="no earlier round has all .* discard the run with --overwrite"):
        iterate.run(recipe(), run, games=games)
    report = iterate.run(recipe(), run, games=games, overwrite=True)
    assert report.status == "done" and fingerprint(run) == expected


def test_after_a_power_cut_every_byte_is_read(run: Path, games: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    expected = fingerprint(run)
    state = run / "training-state/round-0003/state.json"
    body = json.loads(state.read_text())
    middle = body["files"]["weights.json"]
    middle["sha256"] = "0" * 64  # as if a byte in the middle had changed, which sizes and ends do not show
    state.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n")
    assert iterate.run(recipe(), run, games=games).status == "up to date"
    (tmp_path / "boot").write_text("after the power cut")
    monkeypatch.setattr(locking, "BOOT", tmp_path / "boot")
    (tmp_path / ".run.lock").write_text("before it")
    report = iterate.run(recipe(), run, games=games)
    assert report.status == "done" and TRAINS_AGAIN in " ".join(report.warnings)
    assert fingerprint(run) == expected


def test_a_run_draws_its_own_games_again_only_if_they_are_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("mitsuba", reason="extra 'render' is not installed")
    mine = recipe(
        "games.pairs=3", "games.dev_fraction=0", "games.test_fraction=0", "iterate.rounds=1", "train.total_updates=9"
    )
    longer = mine.model_copy(update={"iterate": mine.iterate.model_copy(update={"rounds": 2})})
    iterate.run(mine, tmp_path / "run")
    shutil.copytree(tmp_path / "run", tmp_path / "other")
    picture = next((tmp_path / "run/games/images").glob("*.png"))
    before = picture.read_bytes()
    emptied(picture)
    monkeypatch.setattr("stages.make_games.stage.versions", lambda packages: dict.fromkeys(packages, "99"))
    assert iterate.run(longer, tmp_path / "run").status == "done" and picture.read_bytes() == before
    monkeypatch.setattr("stages.make_games.clevr.drawn.DrawnPair.make", None)  # nothing is drawn any more
    assert iterate.run(longer, tmp_path / "other").status == "done"


def test_a_state_whose_best_policy_has_no_round_is_refused(run: Path, games: Path):
    state = json.loads((run / "state.json").read_text())
    (run / "state.json").write_text(json.dumps({**state, "best": {"vote_accuracy": 0.5}}))
    with pytest.raises(InputError, match=r"state.json: not as this version of vz writes it"):
        iterate.run(recipe(), run, games=games)


def test_a_run_of_another_version_is_refused_and_kept(run: Path, games: Path):
    for path in [run / "state.json", *run.glob("round-*/round.json")]:
        path.write_text('{"written by": "a later version"}')
    before = sorted(run.rglob("*"))
    with pytest.raises(InputError, match=r"json: not as this version of vz writes it \(.*\); continue the run with"):
        iterate.run(recipe("iterate.rounds=4"), run, games=games)
    assert sorted(run.rglob("*")) == before
