"""Games in which other policies than the current one played: whose rewards move what. β = λ = 0.1."""

from pathlib import Path

import polars as pl
import pytest

from stages import score
from stages.core import tables
from stages.core.folder.artifact import Report
from stages.core.recipe import load
from tests.helpers import write_rollouts

EXACT = {"rel": 0, "abs": 1e-12}


def with_policies(folder: Path, policies: dict[tuple[str, str], str]) -> Path:
    """Rollouts by hand whose rows of (game, role) were another policy's."""
    part = folder / "part-00000.parquet"
    rows = [
        row | {"policy": policies.get((row["game_id"], row["role"]), row["policy"])}
        for row in tables.read(part, tables.ROLLOUTS).iter_rows(named=True)
    ]
    tables.write(tables.from_rows(rows, tables.ROLLOUTS), part, tables.ROLLOUTS)
    return folder


# r_s = −.1 (v_s − v̄_c): a −.2; b −.1 (0 − 2/3) = .0666…; c −.1 (1 − 1/3) = −.0666…; r_c mean = −r_s / 3
VOTES = {"a": (2, ["2", "2"]), "b": (2, ["1", "1"]), "c": (2, ["2", "1"])}
R_S = {"a": -0.2, "b": 0.2 / 3, "c": -0.2 / 3}
OLD_SPY = {("b", "spy"): "round-0001"}
OLD_CIVILIANS = {("c", "civilian"): "round-0001", ("c", "analyst"): "round-0001"}


def scored(tmp_path: Path, policies: dict[tuple[str, str], str], *overrides: str) -> tuple[pl.DataFrame, Report]:
    rollouts = with_policies(write_rollouts(tmp_path / "rollouts", VOTES), policies)
    recipe = load("tiny", ["score.clue_scale=none", "score.votes_worth=null", "score.alpha=0.9", *overrides])
    report = score.run(recipe, rollouts, tmp_path / "scored", phase="clue")
    return tables.read(report.out / "scored.parquet", tables.SCORED), report


def clue_baselines(rows: pl.DataFrame, role: str) -> list[float]:
    return rows.filter(pl.col("role") == role).group_by("game_id").first().sort("game_id")["baseline"].to_list()


def test_a_baseline_moves_with_the_current_policys_rewards_only(tmp_path: Path):
    rows, report = scored(tmp_path, OLD_SPY | OLD_CIVILIANS)
    spy_a = 0.1 * R_S["a"]
    spy_c = 0.9 * spy_a + 0.1 * R_S["c"]  # b's spy was another's: nothing moves
    assert clue_baselines(rows, "spy") == pytest.approx([spy_a, spy_a, spy_c], **EXACT)
    civilian_a = 0.1 * -R_S["a"] / 3
    civilian_b = 0.9 * civilian_a + 0.1 * -R_S["b"] / 3
    assert clue_baselines(rows, "civilian") == pytest.approx([civilian_a, civilian_b, civilian_b], **EXACT)
    assert report.counts["baselines"] == pytest.approx({"spy": spy_c, "civilian": civilian_b}, **EXACT)


def test_groups_of_games_move_a_baseline_with_the_mean_of_the_current_policys(tmp_path: Path):
    rows, _ = scored(tmp_path, OLD_SPY, "score.baseline_games=2")
    first = 0.1 * R_S["a"]  # of a and b only a counts
    expected = [first, first, 0.9 * first + 0.1 * R_S["c"]]
    assert clue_baselines(rows, "spy") == pytest.approx(expected, **EXACT)


def test_the_baseline_of_a_role_that_another_policy_always_plays_stays(tmp_path: Path):
    rows, report = scored(tmp_path, {(game, "spy"): "base" for game in VOTES})
    assert clue_baselines(rows, "spy") == [0.0] * 3 and report.counts["baselines"]["spy"] == 0.0
    assert report.counts["reward_spy"] == pytest.approx(sum(R_S.values()) / 3, **EXACT)  # shown all the same


def test_rewards_do_not_depend_on_who_plays(tmp_path: Path):
    own, _ = scored(tmp_path / "own", {})
    others, _ = scored(tmp_path / "others", OLD_SPY | OLD_CIVILIANS)
    assert own.select(*tables.KEY, "reward").equals(others.select(*tables.KEY, "reward"))


def test_the_schedules_signal_is_of_games_in_which_the_current_policy_votes(tmp_path: Path):
    # b, whose voters are another policy, is left out: the spy is found in a and not in c; votes 2, 2 and 2, 1
    _, report = scored(tmp_path, {("b", "civilian"): "base", ("b", "analyst"): "base", ("a", "spy"): "base"})
    counts = report.counts
    assert (counts["games"], counts["acc"], counts["vote_accuracy"], counts["reward_decision"]) == (3, 0.5, 0.75, 0.5)
    assert counts["reward_spy"] == pytest.approx((R_S["b"] + R_S["c"]) / 2, **EXACT)
    _, report = scored(tmp_path / "judge", {(game, "analyst"): "judge" for game in VOTES})
    assert (report.counts["acc"], report.counts["vote_accuracy"]) == (pytest.approx(1 / 3), 0.5)


def test_clue_advantages_are_scaled_by_the_spread_of_the_current_policy(tmp_path: Path):
    plain, _ = scored(tmp_path / "plain", OLD_SPY)
    rows, _ = scored(tmp_path / "scaled", OLD_SPY, "score.clue_scale=role")
    before, after = (
        part.filter(pl.col("role") == "spy").sort("game_id")["advantage"].to_list() for part in (plain, rows)
    )
    spread = abs(before[0] - before[2]) / 2  # of the two that are its own
    assert after == pytest.approx([value / (spread + 1e-6) for value in before], **EXACT)


def test_clue_advantages_of_a_role_that_another_policy_always_plays_are_not_scaled(tmp_path: Path):
    rows, _ = scored(tmp_path, {(game, "spy"): "base" for game in VOTES}, "score.clue_scale=role")
    spies = rows.filter(pl.col("role") == "spy").sort("game_id")
    assert spies["advantage"].to_list() == pytest.approx(list(R_S.values()), **EXACT)


def test_the_control_shuffles_the_current_policys_advantages_among_its_own_rows(tmp_path: Path):
    plain, _ = scored(tmp_path / "plain", OLD_SPY | OLD_CIVILIANS)
    mixed, _ = scored(tmp_path / "mixed", OLD_SPY | OLD_CIVILIANS, "score.shuffle=true")
    others = [("b", "spy"), *(("c", role) for role in ("civilian", "analyst"))]
    is_other = pl.any_horizontal([(pl.col("game_id") == game) & (pl.col("role") == role) for game, role in others])
    for phase in ("clue", "decision"):
        for part in (is_other, ~is_other):
            before, after = (rows.filter(pl.col("phase") == phase, part)["advantage"] for rows in (plain, mixed))
            assert before.sort().to_list() == after.sort().to_list()
