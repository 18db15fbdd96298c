"""The stub trainer, and what the stage guarantees about states, without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.train import run
from stages.train import stage as train_stage
from tests.train.world import World, recipe, write_kept


def stub(played: World, **train: Any) -> Recipe:
    return recipe(played.model, trainer="stub", **train)


def test_it_counts_updates_and_rows(played: World, tmp_path: Path) -> None:
    first = run(stub(played, rows_per_update=4), played.kept, tmp_path / "one")
    assert first.counts["updates"] == 3
    second = run(stub(played), played.kept, tmp_path / "two", model=first.out, state_in=tmp_path / "one-state")
    assert json.loads((second.out / "weights.json").read_text()) == {"updates": 4, "rows": 22}
    assert second.counts["run_updates"] == 4


def test_continuing_from_a_state_warns_about_rows_of_an_earlier_policy(played: World, tmp_path: Path) -> None:
    first = run(stub(played), played.kept, tmp_path / "one")
    assert first.counts["off_policy_rows"] == 0 and not first.warnings
    second = run(stub(played), played.kept, tmp_path / "two", state_in=tmp_path / "one-state")
    assert second.counts["off_policy_rows"] == second.counts["rows"] > 0
    assert "rows were played by policy version" in second.warnings[0]


def test_a_state_without_its_checkpoint_beside_it_needs_model(played: World, tmp_path: Path) -> None:
    run(stub(played), played.kept, tmp_path / "one", state_out=tmp_path / "elsewhere")
    with pytest.raises(InputError, match="elsewhere: the checkpoint that belongs to this state .* --model"):
        run(stub(played), played.kept, tmp_path / "two", state_in=tmp_path / "elsewhere")


def test_importing_the_stage_imports_no_torch() -> None:
    code = "import stages.train, sys; sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'trl')))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2])


def test_the_state_before_is_not_overwritten(played: World, tmp_path: Path) -> None:
    run(stub(played), played.kept, tmp_path / "one")
    with pytest.raises(InputError, match="give another --state-out"):
        run(
            stub(played),
            played.kept,
            tmp_path / "two",
            state_in=tmp_path / "one-state",
            state_out=tmp_path / "one-state",
        )


def test_a_folder_that_is_not_a_state_is_not_replaced(played: World, tmp_path: Path) -> None:
    (tmp_path / "one-state").mkdir()
    with pytest.raises(InputError, match="is not a training state"):
        run(stub(played), played.kept, tmp_path / "one")


def test_an_older_state_is_replaced(played: World, tmp_path: Path) -> None:
    slots = tmp_path / "a", tmp_path / "b"
    state = None
    for number in range(4):
        model, out = (tmp_path / f"c{number - 1}" if number else None), tmp_path / f"c{number}"
        run(stub(played), played.kept, out, model=model, state_in=state, state_out=slots[number % 2])
        state = slots[number % 2]
    updates = [json.loads((slot / "state.json").read_text())["updates"] for slot in slots]
    assert updates == [3, 4]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_the_same_call_recovers_from_a_kill_between_state_and_checkpoint(
    played: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(stub(played), played.kept, tmp_path / "one")
    again = {"state_in": tmp_path / "one-state", "model": tmp_path / "one"}

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train_stage, "_counts", killed)  # the state is published, the checkpoint is not
        with pytest.raises(KeyboardInterrupt):
            run(stub(played), played.kept, tmp_path / "two", **again)
    assert (tmp_path / "two-state").is_dir() and not (tmp_path / "two").exists()
    half = (tmp_path / "two-state" / "state.json").read_bytes()
    report = run(stub(played), played.kept, tmp_path / "two", **again)
    assert report.counts["run_updates"] == 2
    assert (tmp_path / "two-state" / "state.json").read_bytes() == half


def test_no_rows_make_no_update_and_no_error(played: World, tmp_path: Path) -> None:
    empty = write_kept(tmp_path / "kept", [], played.scored)
    report = run(stub(played), empty, tmp_path / "out")
    assert (report.counts["rows"], report.counts["updates"], report.counts["learning_rate"]) == (0, 0, None)


def test_updates_beyond_a_falling_schedule(played: World, tmp_path: Path) -> None:
    fixed = stub(played, schedule="cosine", total_updates=1)
    run(fixed, played.kept, tmp_path / "one")
    with pytest.raises(InputError, match=r"1 updates are done and 1 more .* raise train\.total_updates"):
        run(fixed, played.kept, tmp_path / "two", state_in=tmp_path / "one-state")
    longer = stub(played, schedule="cosine", total_updates=4)
    report = run(longer, played.kept, tmp_path / "two", state_in=tmp_path / "one-state")
    assert (report.counts["run_updates"], report.counts["schedule_updates"]) == (2, 4)


def test_beyond_the_planned_updates_the_rate_is_held_with_a_warning(played: World, tmp_path: Path) -> None:
    falling = stub(played, schedule="linear", rows_per_update=4)
    report = run(falling, played.kept, tmp_path / "out", planned_updates=2)
    assert "beyond the 2 planned" in report.warnings[0]
    assert report.counts["learning_rate"] == pytest.approx(0.5e-3)
