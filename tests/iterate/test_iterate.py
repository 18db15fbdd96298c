import json
from pathlib import Path

import pytest

from stages import iterate
from stages.core.engines.fake import FakeEngine
from stages.core.errors import InputError
from tests.helpers import fake_recipe, write_games

SMALL = ["iterate.games=4", "iterate.rounds=6", "rollout.concurrent_games=2"]


def metrics(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_run_trains_both_phases_and_only_the_active_rows(games: Path, tmp_path: Path):
    recipe = fake_recipe(*SMALL, "iterate.switching=cycle")
    report = iterate.run(recipe, tmp_path / "run", games=games)
    assert report.counts["rounds"] == 6 and report.counts["phases"] == {"decision": 3, "clue": 3}
    for row in metrics(tmp_path / "run"):
        assert row["train"]["clue_rows" if row["phase"] == "decision" else "decision_rows"] == 0
        assert row["rows"] == row["kept"] + sum(row["rejected"].values())


def test_emas_are_those_of_the_batch(games: Path, tmp_path: Path):
    recipe = fake_recipe(*SMALL, "iterate.rho=0.5")
    iterate.run(recipe, tmp_path / "run", games=games)
    acc_ema = na_ema = 0.0
    for row in metrics(tmp_path / "run"):
        acc_ema, na_ema = (acc_ema + row["acc"]) / 2, (na_ema + row["na"]) / 2
        assert (row["acc_ema"], row["na_ema"]) == (pytest.approx(acc_ema), pytest.approx(na_ema))


def test_baselines_are_carried_from_round_to_round(games: Path, tmp_path: Path):
    iterate.run(fake_recipe(*SMALL, "score.baseline_phases=both"), tmp_path / "run", games=games)
    rows = metrics(tmp_path / "run")
    assert len({json.dumps(row["baselines"]) for row in rows}) == 6
    state = json.loads((tmp_path / "run/state.json").read_text())
    assert state["baselines"] == rows[-1]["baselines"]


def test_a_held_out_signal_is_played_on_dev_pairs(games: Path, tmp_path: Path):
    recipe = fake_recipe(*SMALL, "iterate.signal=heldout", "iterate.signal_games=3", "iterate.rounds=1")
    iterate.run(recipe, tmp_path / "run", games=games)
    scored = json.loads((tmp_path / "run/round-0001/signal/scored/manifest.json").read_text())
    assert scored["counts"]["games"] == 3
    assert metrics(tmp_path / "run")[0]["acc"] == scored["counts"]["acc"]


def test_the_same_again_is_up_to_date_and_more_rounds_go_on(games: Path, tmp_path: Path):
    run = tmp_path / "run"
    recipe = fake_recipe(*SMALL, "iterate.rounds=2", "train.total_updates=9")
    iterate.run(recipe, run, games=games)
    assert iterate.run(recipe, run, games=games).status == "up to date"
    engine = FakeEngine()
    longer = fake_recipe(*SMALL, "iterate.rounds=3", "train.total_updates=9")
    assert iterate.run(longer, run, games=games, engine=engine).counts["rounds"] == 3
    assert engine.calls == 4 * (4 + 8)  # one round of 4 games: 4 clues and 8 votes each
    iterate.run(longer, tmp_path / "other", games=games)
    assert metrics(run) == metrics(tmp_path / "other")


def test_another_recipe_is_refused_and_names_the_key(games: Path, tmp_path: Path):
    iterate.run(fake_recipe(*SMALL, "iterate.rounds=1"), tmp_path / "run", games=games)
    with pytest.raises(InputError, match=r"another value of 'score.beta'"):
        iterate.run(fake_recipe(*SMALL, "iterate.rounds=1", "score.beta=0.2"), tmp_path / "run", games=games)
    report = iterate.run(
        fake_recipe(*SMALL, "iterate.rounds=1", "score.beta=0.2"), tmp_path / "run", games=games, overwrite=True
    )
    assert report.status == "done"


def test_old_checkpoints_are_pruned_but_not_the_best_nor_every_nth(games: Path, tmp_path: Path):
    iterate.run(
        fake_recipe(*SMALL, "iterate.keep_checkpoints=1", "iterate.keep_every=3"), tmp_path / "run", games=games
    )
    kept = {int(path.parent.name[-4:]) for path in (tmp_path / "run").glob("round-*/checkpoint")}
    best = json.loads((tmp_path / "run/state.json").read_text())["best"]["iteration"]
    assert kept == {3, 6} | ({best} - {0})


def test_games_without_train_pairs_are_an_error(tmp_path: Path):
    recipe = fake_recipe(*SMALL)
    games = write_games(tmp_path / "games", recipe, count=1)
    with pytest.raises(InputError, match="no pairs of the split 'dev'"):
        iterate.run(fake_recipe(*SMALL, "iterate.signal=heldout"), tmp_path / "run", games=games)


def test_every_game_of_a_round_is_accounted_for(games: Path, tmp_path: Path):
    iterate.run(fake_recipe(*SMALL, "iterate.rounds=2"), tmp_path / "run", games=games)
    for number in (1, 2):
        folder = tmp_path / f"run/round-{number:04d}"
        counts = [json.loads((folder / name / "manifest.json").read_text())["counts"] for name in
                  ("games", "rollouts", "scored", "kept")]  # fmt: skip
        assert counts[0]["games"] == counts[1]["games"] == counts[2]["games"] == 4
        assert counts[1]["rows"] == counts[2]["rows"] == counts[3]["rows"]
