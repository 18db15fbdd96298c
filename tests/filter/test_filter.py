from pathlib import Path

import polars as pl
import pytest

from stages import filter as stage
from stages import rollout, score
from stages.core import tables
from stages.core.recipe import load
from stages.core.recipe.scoring import Filter
from tests.helpers import fake_recipe, write_rollouts

GAMES = {"a": (2, ["2", "1", "na"]), "b": (2, ["1", "1", "3"]), "c": (3, ["3", "unreadable", "na"])}


def filtered(tmp_path: Path, *overrides: str, phase: str = "decision"):
    recipe = load("tiny", ["filter.inactive_phase=drop", *overrides])
    rollouts = write_rollouts(tmp_path / "rollouts", GAMES)
    scored = score.run(recipe, rollouts, tmp_path / "scored").out
    report = stage.run(recipe, scored, tmp_path / "kept", phase=phase)
    kept = tables.read(report.out / "kept.parquet", tables.KEPT)
    rejected = tables.read(report.out / "rejected.parquet", tables.REJECTED)
    both = pl.concat([kept, rejected.drop("reason")]).sort(tables.KEY)
    assert both.equals(tables.read(scored / "scored.parquet", tables.SCORED).sort(tables.KEY))
    return report, kept, rejected


def test_kept_and_rejected_are_exactly_scored_and_counts_add_up(tmp_path: Path):
    report, kept, rejected = filtered(tmp_path)
    assert report.counts["rows"] == 21 == len(kept) + len(rejected)
    assert report.counts["reasons"] == {"inactive phase": 12, "group without variance not counted": 3}
    assert set(kept["game_id"]) == {"a", "c"} and set(kept["phase"]) == {"decision"}


def test_some_rows_of_the_other_phase_may_be_kept_as_anchors(tmp_path: Path):
    report, kept, _ = filtered(tmp_path, "filter.inactive_phase=anchor", "filter.anchor_rows=2")
    anchors = kept.filter(pl.col("phase") == "clue")
    assert anchors.group_by("game_id").len()["len"].to_list() == [2, 2, 2]
    assert report.counts["kept_clues"] == 6 and report.counts["reasons"]["inactive phase"] == 6
    again, kept_again, _ = filtered(tmp_path / "again", "filter.inactive_phase=anchor", "filter.anchor_rows=2")
    assert kept_again.equals(kept) and again.counts == report.counts


def test_no_anchors_are_kept_if_nothing_trains(tmp_path: Path):
    rollouts = write_rollouts(tmp_path / "rollouts", {"a": (2, ["1", "1"]), "b": (1, ["2", "2"])})
    recipe = load("tiny", ["filter.inactive_phase=anchor"])
    scored = score.run(recipe, rollouts, tmp_path / "scored").out
    assert stage.run(recipe, scored, tmp_path / "kept", phase="decision").counts["kept"] == 0


def test_groups_without_variance_train_by_default(tmp_path: Path):
    _, kept, _ = filtered(tmp_path, "filter.no_variance=keep")
    assert set(kept["game_id"]) == {"a", "b", "c"} and Filter().no_variance == "keep"


def test_both_phases_may_train(tmp_path: Path):
    report, kept, _ = filtered(tmp_path, "filter.inactive_phase=train", phase="clue")
    assert set(kept["phase"]) == {"clue", "decision"} and "inactive phase" not in report.counts["reasons"]


def test_unreadable_votes_keep_their_penalty_by_default(tmp_path: Path):
    _, kept, _ = filtered(tmp_path)
    assert kept.filter(pl.col("game_id") == "c")["reward"].sort().to_list() == [-1.0, -0.5, 1.0]


def test_unreadable_votes_can_be_dropped(tmp_path: Path):
    report, _, _ = filtered(tmp_path, "filter.unreadable=true")
    assert report.counts["reasons"]["unreadable"] == 1


def test_clues_train_in_the_clue_phase_whatever_their_variance(tmp_path: Path):
    report, kept, _ = filtered(tmp_path, phase="clue")
    assert report.counts["kept_clues"] == 12 and set(kept["phase"]) == {"clue"}


def test_what_another_policy_said_never_trains(games: Path, tmp_path: Path):
    recipe = fake_recipe("rollout.seats.spy=base")
    rollouts = rollout.run(recipe, games, tmp_path / "rollouts").out
    scored = score.run(recipe, rollouts, tmp_path / "scored").out
    report = stage.run(recipe, scored, tmp_path / "kept", phase="clue")
    kept = tables.read(report.out / "kept.parquet", tables.KEPT)
    assert report.counts["reasons"]["another policy"] == 8 and set(kept["role"]) == {"civilian"}


@pytest.mark.parametrize("phase", ["clue", "decision", "both"])
def test_each_row_has_one_reason_or_none(tmp_path: Path, phase: str):
    _, _, rejected = filtered(tmp_path, "filter.min_abs_advantage=0.2", "filter.truncated=true", phase=phase)
    assert rejected["reason"].null_count() == 0
