import re
from pathlib import Path

import pytest

from stages import evaluate, iterate, rollout, score
from stages import filter as filter_stage
from stages.core.errors import InputError
from stages.inspect import look
from stages.inspect.overview import overview
from tests.helpers import fake_recipe


@pytest.fixture
def outputs(games: Path, tmp_path: Path) -> dict[str, Path]:
    recipe = fake_recipe()
    rollouts = rollout.run(recipe, games, tmp_path / "rollouts").out
    scored = score.run(recipe, rollouts, tmp_path / "scored").out
    return {"games": games, "rollouts": rollouts, "scored": scored,
            "kept": filter_stage.run(recipe, scored, tmp_path / "kept").out}  # fmt: skip


@pytest.mark.parametrize("name", ["games", "rollouts", "scored", "kept"])
def test_every_output_is_described(outputs: dict[str, Path], name: str):
    view = overview(outputs[name], limit=3)
    assert view.facts["stage"] in view.title and view.tables
    assert all(len(table) <= 3 for table in view.tables.values())


@pytest.mark.parametrize("name", ["rollouts", "scored", "kept"])
def test_a_transcript_has_clues_votes_and_rewards(outputs: dict[str, Path], name: str):
    view = look.transcript(outputs[name], "2")
    assert len(view.tables["clues"]) == 4 and len(view.tables["votes"]) == 8
    assert {"reward", "advantage", "votes_received"} <= set(view.tables["clues"].columns)
    assert view.facts["winner"] in {"civilians", "spy"} and view.facts["changes"] == ["object 0: color red → blue"]


def test_one_row_is_shown_in_full(outputs: dict[str, Path]):
    view = look.one_row(outputs["scored"], "1", 0, 0)
    assert view.facts["role"] in {"civilian", "spy"} and "reward" in view.facts
    assert any("Who is the spy" in text for text in view.text)


def test_a_run_in_its_first_round_and_a_training_state_are_described(games: Path, tmp_path: Path):
    run = iterate.run(fake_recipe("iterate.rounds=1", "iterate.games=3"), tmp_path / "run", games=games).out
    assert "training state" in overview(run / "training-state/round-0001", 5).title
    (run / "state.json").unlink()
    assert "in its first round" in overview(run, 5).title


def test_rows_that_are_not_shown_are_counted(outputs: dict[str, Path]):
    assert overview(outputs["scored"], limit=3).more == {"games.parquet": 5, "scored.parquet": 8 * 12 - 3}


def test_an_evaluation_shows_its_sides(games: Path, tmp_path: Path):
    out = evaluate.run(fake_recipe("evaluate.games=4", "evaluate.split=train"), games, tmp_path / "evaluation").out
    assert "as_spy" in overview(out, 3).facts["arena"]
    assert len(look.transcript(out / "spy", "1").tables["votes"]) == 8
    with pytest.raises(InputError, match="an evaluation has two sides"):
        look.transcript(out, "1")


def test_a_folder_can_be_named_from_inside(outputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(outputs["rollouts"])
    assert "winner" in look.transcript(Path(), "1").facts


def test_a_run_shows_its_rounds(games: Path, tmp_path: Path):
    run = iterate.run(fake_recipe("iterate.rounds=2", "iterate.games=3"), tmp_path / "run", games=games).out
    view = overview(run, limit=10)
    assert view.tables["rounds"]["iteration"].to_list() == [1, 2] and "loss" in view.tables["rounds"].columns
    seconds = view.tables["seconds"].row(1, named=True)
    parts = [seconds[name] for name in ("engine", "optimizer", "overhead")]
    assert seconds["iteration"] == 2 and sum(parts) == pytest.approx(seconds["total"], abs=0.01)
    assert re.fullmatch(r"\w[\w ]* \d+\.\d+(, \w[\w ]* \d+\.\d+){2}", seconds["largest overheads"])
    right = view.tables["rounds"]["vote_accuracy"].to_list()
    played = right.index(max(right)) + 1
    assert view.facts["best"] == f"the policy of round {played - 1}: vote accuracy {max(right):.3f} in round {played}"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda o, tmp: overview(tmp / "nothing", 3), "no such folder"),
        (lambda o, tmp: overview(o["games"] / "pairs.parquet", 3), "is a file; give a folder"),
        (lambda o, tmp: look.transcript(o["rollouts"], "99"), "number from 1 to 8"),
        (lambda o, tmp: look.transcript(o["games"], "1"), "has no played games"),
        (lambda o, tmp: look.one_row(o["scored"], "1", 77, 0), "no row with turn 77"),
    ],
)
def test_missing_input_is_named(outputs: dict[str, Path], tmp_path: Path, call, message: str):
    with pytest.raises(InputError, match=message):
        call(outputs, tmp_path)
