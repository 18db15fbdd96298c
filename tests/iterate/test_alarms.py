"""What a run watches, and what it does when a limit is passed."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from stages import iterate
from stages.core.errors import InputError, VzError
from stages.core.recipe import load
from stages.core.recipe.alarms import Alarms
from stages.iterate.alarms import adapting, factors_after, raised, stop_if_alarmed
from tests.helpers import fake_recipe
from tests.iterate.test_kills import NEVER, fingerprint
from tests.processes import forked, kill_at_change

SMALL = ["iterate.games=4", "rollout.concurrent_games=2", "train.total_updates=9", "train.schedule=constant"]
SMALL += ["train.warmup=0", "train.clue_rate=1"]


def names(rounds: list[dict[str, Any]], **alarms: Any) -> list[str]:
    return [alarm.name for alarm in raised(rounds, Alarms.model_validate(alarms))]


def entropies(*values: float | None) -> list[dict[str, Any]]:
    return [{"clue_entropy": value, "vote_entropy": 1.0} for value in values]


def test_entropy_that_falls_below_the_limit_raises_an_alarm():
    (alarm,) = raised(entropies(2.0, 1.0, 3.0, 0.5, 0.4, 0.6), Alarms())  # 0.5 of 2.0
    assert alarm.name == "entropy" and "clues" in alarm.warning and "25%" in alarm.warning


def test_entropy_that_falls_less_raises_none():
    assert not names(entropies(2.0, 1.0, 3.0, 0.7, 0.7, 0.7))


def test_the_first_rounds_alone_raise_none():
    assert not names(entropies(2.0, 0.1, 0.1))


def test_rounds_without_log_probs_are_ignored():
    assert not names(entropies(None, None, None, None)) and not names([{}] * 9)
    assert names(entropies(2.0, 2.0, None, 2.0, 0.1, None, 0.1, 0.1)) == ["entropy"]


FAULTS = {
    "na": ({"batch_na": 0.4}, {"batch_na": 0.6}),
    "truncated": ({"truncated": 1, "rows": 10}, {"truncated": 3, "rows": 10}),
    "unreadable": ({"unreadable_clues": 1, "clues": 10}, {"unreadable_clues": 3, "clues": 10}),
    "repeated": ({"repeated_clues": 7, "clues": 10}, {"repeated_clues": 9, "clues": 10}),
    "length": ({"completion_tokens": 90, "rows": 10}, {"completion_tokens": 190, "rows": 10}),
    "kl": ({"train": {"kl": 0.5}}, {"train": {"kl": 1.5}}),
    "outside_kl": ({"train": {"outside_kl": 0.1}}, {"train": {"outside_kl": 0.3}}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_mean_of_the_last_three_rounds_decides(name: str):
    good, bad = FAULTS[name]
    assert names([good] * 6) == [] and names([*[good] * 5, bad]) == []
    assert names([*[good] * 3, *[bad] * 3]) == [name]
    assert names([*[good] * 3, *[bad] * 3], **{name: {"action": "off"}}) == []
    assert names([*[good] * 3, *[bad] * 3], **{name: {"limit": 1000}}) == []


def test_an_alarm_adapts_once_in_three_rounds_and_never_without_bound():
    alarms = Alarms.model_validate({"na": {"action": "adapt", "weight": "kl", "factor": 3}})
    rounds: list[dict[str, Any]] = []
    factors: dict[str, float] = {}
    seen = []
    for _ in range(15):
        row: dict[str, Any] = {"batch_na": 0.9}
        changes = adapting(raised([*rounds, row], alarms), rounds, alarms)
        factors = factors_after(factors, changes, alarms)
        rounds.append({**row, "adapted": changes})
        seen.append(factors.get("kl", 1.0))
    assert seen == [1, 1, 3, 3, 3, 9, 9, 9, 16, 16, 16, 16, 16, 16, 16]


def test_a_rate_is_divided():
    alarms = Alarms.model_validate({"kl": {"action": "adapt", "weight": "learning_rate"}})
    assert factors_after({"kl": 2.0}, ["kl"], alarms) == {"kl": 2.0, "learning_rate": 0.5}


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def na(*settings: str) -> list[str]:
    """The fake engine's N/A is about a sixth."""
    return [*SMALL, "iterate.alarms.na.limit=0.01", *(f"iterate.alarms.na.{setting}" for setting in settings)]


def test_a_run_trains_with_the_adapted_rate_from_the_next_round_on(games: Path, tmp_path: Path):
    run = tmp_path / "run"
    report = iterate.run(fake_recipe(*na("action=adapt", "weight=learning_rate"), "iterate.rounds=5"), run, games=games)
    rates = [row["train"]["learning_rate"] for row in rows(run)]
    assert rates == pytest.approx([3e-4, 3e-4, 3e-4, 1.5e-4, 1.5e-4])
    assert [row["adapted"] for row in rows(run)] == [[], [], ["na"], [], []]
    assert [row["alarms"] for row in rows(run)] == [[], [], ["na"], ["na"], ["na"]]
    assert any(
        "round 3: alarm na adapts: from the next round on, train.learning_rate × 0.5" in each
        for each in report.warnings
    )


def test_a_run_that_stops_says_how_to_go_on(games: Path, tmp_path: Path):
    run = tmp_path / "run"
    for _ in range(2):  # it stays stopped
        with pytest.raises(VzError, match=r"stopped after round 3: alarm na: .*action=warn") as stopped:
            iterate.run(fake_recipe(*na("action=stop"), "iterate.rounds=4"), run, games=games)
        assert "\n" not in str(stopped.value) and len(rows(run)) == 3
    report = iterate.run(fake_recipe(*na("action=warn"), "iterate.rounds=4"), run, games=games)
    assert report.counts["rounds"] == 4 and any("round 4: alarm na: " in each for each in report.warnings)


def test_an_alarm_that_adapts_belongs_to_the_run(games: Path, tmp_path: Path):
    run = tmp_path / "run"
    iterate.run(fake_recipe(*na("action=warn"), "iterate.rounds=1"), run, games=games)
    with pytest.raises(InputError, match="iterate.alarms"):
        iterate.run(fake_recipe(*na("action=adapt", "weight=kl"), "iterate.rounds=2"), run, games=games)


def test_a_weight_of_nothing_cannot_adapt():
    for weight, why in (("outside_kl", "outside_rows"), ("anchor_kl", "inactive_phase"), ("kl", "train.kl is 0")):
        with pytest.raises(InputError, match=why):
            load("paper", [f"iterate.alarms.na={{action: adapt, weight: {weight}}}", "train.kl=0"])


def test_a_run_without_rounds_is_not_stopped(tmp_path: Path):
    stop_if_alarmed([], Alarms(), tmp_path)


def rolled(*settings: str) -> list[str]:
    return [*na("action=roll_back", "weight=learning_rate", "factor=16"), "iterate.rounds=5", *settings]


def test_a_run_that_is_rolled_back_goes_on_from_an_earlier_round_with_another_rate(games: Path, tmp_path: Path):
    """In round 3, of three with N/A, the run goes back to round 1; the second time, the rate is as low as may be."""
    run = tmp_path / "run"
    for _ in range(2):
        with pytest.raises(VzError, match=r"stopped after round 3: alarm na is raised again.*by a factor of 16"):
            iterate.run(fake_recipe(*rolled()), run, games=games)
        assert [row["train"]["learning_rate"] for row in rows(run)] == pytest.approx([3e-4, 3e-4 / 16, 3e-4 / 16])
        assert rows(run)[0]["warnings"][-1] == "rolled back from round 3 to here by alarm na"
        assert not (run / "rollback.json").exists() and not (run / "round-0004").exists()


def stopped(out: Path, games: Path, kill_at: int, changes: Path) -> None:
    kill_at_change(kill_at, syncs=False, seen=lambda: changes.write_text(f"{count(changes) + 1}"))
    with pytest.raises(VzError, match="raised again"):
        iterate.run(fake_recipe(*rolled()), out, games=games)


def count(changes: Path) -> int:
    return int(changes.read_text()) if changes.exists() else 0


def test_a_run_that_is_killed_while_it_is_rolled_back_ends_with_the_same_bytes(games: Path, tmp_path: Path):
    whole, rounds = tmp_path / "whole", 3 + 2  # the last two of them twice
    assert forked(stopped, whole, games, NEVER, tmp_path / "all") == 0
    first = count(tmp_path / "all") * 3 // rounds
    for kill_at in (first - 5, first + 1):  # planned; half done
        out, changes = tmp_path / f"killed-{kill_at}", tmp_path / f"{kill_at}"
        assert forked(stopped, out, games, kill_at, changes) == -signal.SIGKILL
        assert (out / "rollback.json").is_file()
        assert forked(stopped, out, games, NEVER, changes) == 0, kill_at
        assert fingerprint(out) == fingerprint(whole), kill_at
