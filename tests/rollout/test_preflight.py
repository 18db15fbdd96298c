"""A few games before the many: what they show, when they stop, what they leave behind."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from stages.core.engines.base import Request
from stages.core.engines.fake import FakeEngine
from stages.core.errors import InputError, VzError
from stages.core.folder import artifact
from stages.inspect.look import transcript
from stages.rollout import preflight
from tests.cli import vz
from tests.helpers import fake_recipe, write_games
from tests.vzcli.test_command import FAST


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    return place


def test_a_preflight_plays_eight_games_of_the_split(games: Path, tmp_path: Path):
    report = preflight.run(fake_recipe(), games, tmp_path / "preflight")
    manifest = artifact.manifest_of(tmp_path / "preflight", "rollout")
    played = pl.read_parquet(tmp_path / "preflight/games.parquet")
    assert report.counts["games"] == len(played) == 8 and manifest["counts"] == report.counts
    assert {f"pair-{number:03d}" for number in range(8)} >= set(played["pair_id"])  # 8 is dev, 9 is test


def test_a_preflight_is_not_repeated(games: Path, tmp_path: Path):
    preflight.run(fake_recipe(), games, tmp_path / "preflight")
    engine = FakeEngine()
    again = preflight.run(fake_recipe(), games, tmp_path / "preflight", engine=engine)
    assert again.status == "up to date" and engine.tally.completions == 0


def test_lengths_and_shares_are_those_of_the_rows(games: Path, tmp_path: Path):
    counts = preflight.run(fake_recipe("rollout.max_vote_tokens=8"), games, tmp_path / "out").counts
    rows = pl.read_parquet(tmp_path / "out/part-00000.parquet")
    clues, votes = rows.filter(pl.col("phase") == "clue"), rows.filter(pl.col("phase") == "decision")
    assert counts["tokens"]["prompt"]["longest"] == rows["prompt_tokens"].max()
    assert counts["tokens"]["clue"]["mean"] == pytest.approx(clues["completion_ids"].list.len().mean(), abs=0.05)
    assert (counts["tokens"]["vote"]["longest"], counts["tokens"]["vote"]["limit"]) == (8, 8)
    assert counts["shares"]["truncated_votes"] == (votes["finish_reason"] == "length").mean() > 0
    assert counts["shares"]["unreadable_votes"] == (votes["vote_kind"] == "unreadable").mean() > 0
    assert counts["shares"]["truncated_clues"] == counts["shares"]["unreadable_clues"] == 0


def test_the_cost_ahead_is_that_of_these_games_scaled(games: Path, tmp_path: Path):
    recipe = fake_recipe("iterate.games=40", "iterate.rounds=10", "iterate.clue_votes=20")
    timings = preflight.run(recipe, games, tmp_path / "out", deal=games).timings
    a_game = timings["play_seconds"] / 8
    assert timings["deal_seconds_at_most"] == pytest.approx(8 * a_game, abs=0.1)  # 8 of the 10 games are on train pairs
    a_round = a_game * 40 * (4 + 20) / (4 + 8)
    assert timings["round_seconds_at_most"] == pytest.approx(a_round, abs=0.2)
    assert timings["run_seconds_at_most"] == pytest.approx(10 * a_round, abs=2)
    assert timings["memory_gib"] > 0.05 and timings["games_per_minute"] > 0


def test_games_are_spread_over_the_deal(tmp_path: Path):
    recipe = fake_recipe()
    games = write_games(tmp_path / "games", recipe, count=40)
    preflight.run(recipe, games, tmp_path / "out", deal=games, split=None)
    assert sorted(pl.read_parquet(tmp_path / "out/games.parquet")["pair_id"]) == [
        f"pair-{n:03d}" for n in range(0, 40, 5)
    ]


def test_a_preflight_without_readable_answers_is_an_error_and_keeps_its_games(games: Path, tmp_path: Path):
    for _ in range(2):  # the second time it is known without playing
        with pytest.raises(InputError, match=r"no clue or vote is readable.*vz inspect .*max_clue_tokens") as error:
            preflight.run(fake_recipe(), games, tmp_path / "out", engine=FakeEngine(lambda *_: "no box"))
    assert str(tmp_path / "out") in str(error.value)
    assert transcript(tmp_path / "out", "1").facts["players"] == 4


def test_a_preflight_with_only_truncated_answers_is_an_error(games: Path, tmp_path: Path):
    recipe = fake_recipe("rollout.max_clue_tokens=9", "rollout.max_vote_tokens=9")
    with pytest.raises(InputError, match=r"every answer is cut off.*96 of 96"):
        preflight.run(recipe, games, tmp_path / "out", engine=FakeEngine(lambda *_: "\\boxed{2} and on"))


def test_readable_votes_are_enough(games: Path, tmp_path: Path):
    def dumb(request: Request, sample: int) -> str:
        return "\\boxed{2}" if request.n > 1 else "no box"

    report = preflight.run(fake_recipe(), games, tmp_path / "out", engine=FakeEngine(dumb))
    assert any("unreadable clues" in warning for warning in report.warnings)


def test_a_temporary_preflight_leaves_nothing(games: Path, temporary: Path):
    report = preflight.run_temporarily(fake_recipe(), games)
    assert report.counts["games"] == 8 and list(temporary.iterdir()) == []


def test_a_temporary_preflight_keeps_unreadable_games(games: Path, temporary: Path):
    with pytest.raises(InputError) as error:
        preflight.run_temporarily(fake_recipe(), games, engine=FakeEngine(lambda *_: "no box"))
    (folder,) = temporary.iterdir()
    assert str(folder) in str(error.value) and (folder / "rollouts/part-00000.parquet").is_file()


def test_a_failed_temporary_preflight_leaves_nothing(games: Path, temporary: Path):
    def fail(request: Request, sample: int) -> str:
        raise VzError("the engine is gone")

    with pytest.raises(VzError, match="the engine is gone"):
        preflight.run_temporarily(fake_recipe(), games, engine=FakeEngine(fail))
    assert list(temporary.iterdir()) == []


def test_the_facts_of_a_preflight_in_words(games: Path, tmp_path: Path):
    recipe = fake_recipe("iterate.games=96", "iterate.rounds=48")
    report = preflight.run(recipe, games, tmp_path / "out", deal=games)
    report.timings.update(round_seconds_at_most=60.0, run_seconds_at_most=3600.4)
    told = preflight.facts(report, recipe)
    assert told["playing the run"] == "at most 1:00:00 (48 rounds)" and "upper bound" in told["assumed"]
    assert told["clue tokens"].endswith("of at most 100") and told["memory"].endswith("GiB")
    assert told["entropy"] == "clues 0.50, votes 0.50 nats per token"


def test_the_command_prints_facts_or_one_object(games: Path, tmp_path: Path):
    done = vz("rollout", games, "--preflight", *FAST, cwd=tmp_path)
    assert done.returncode == 0 and "prompt tokens" in done.stdout and "playing the run" in done.stdout
    found = json.loads(vz("rollout", games, "--preflight", "--json", *FAST, cwd=tmp_path).stdout)
    assert found["stage"] == "preflight" and found["out"] is None and found["counts"]["games"] == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["games"]
