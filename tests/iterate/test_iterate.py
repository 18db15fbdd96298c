import json
from pathlib import Path

import pytest

from stages import iterate
from stages.core.engines.fake import FakeEngine
from stages.core.errors import InputError
from stages.core.recipe import load
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


def test_the_same_command_is_up_to_date_and_more_rounds_continue_the_run(games: Path, tmp_path: Path):
    run = tmp_path / "run"
    recipe = fake_recipe(*SMALL, "iterate.rounds=2", "train.total_updates=9")
    iterate.run(recipe, run, games=games)
    assert iterate.run(recipe, run, games=games).status == "up to date"
    engine = FakeEngine()
    longer = fake_recipe(*SMALL, "iterate.rounds=3", "train.total_updates=9")
    assert iterate.run(longer, run, games=games, engine=engine).counts["rounds"] == 3
    assert engine.tally.completions == 4 * (4 + 8)  # one round of 4 games: 4 clues and 8 votes each
    iterate.run(longer, tmp_path / "other", games=games)
    assert metrics(run) == metrics(tmp_path / "other")


def test_another_recipe_is_refused_and_names_the_key(games: Path, tmp_path: Path):
    iterate.run(fake_recipe(*SMALL, "iterate.rounds=1"), tmp_path / "run", games=games)
    with pytest.raises(InputError, match=r"score.beta was 0.1, is now 0.2"):
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


def test_a_held_out_signal_without_dev_pairs_is_an_error(tmp_path: Path):
    recipe = fake_recipe(*SMALL)
    games = write_games(tmp_path / "games", recipe, count=1)
    with pytest.raises(InputError, match="no pairs in the split 'dev'"):
        iterate.run(fake_recipe(*SMALL, "iterate.signal=heldout"), tmp_path / "run", games=games)


def test_every_game_of_a_round_is_accounted_for(games: Path, tmp_path: Path):
    iterate.run(fake_recipe(*SMALL, "iterate.rounds=2"), tmp_path / "run", games=games)
    for number in (1, 2):
        folder = tmp_path / f"run/round-{number:04d}"
        counts = [json.loads((folder / name / "manifest.json").read_text())["counts"] for name in
                  ("games", "rollouts", "scored", "kept")]  # fmt: skip
        assert counts[0]["games"] == counts[1]["games"] == counts[2]["games"] == 4
        assert counts[1]["rows"] == counts[2]["rows"] == counts[3]["rows"]


VARIANTS = [
    ["game.voters=civilians", "game.votes_per_civilian=2"],
    ["game.spy_view=blank"],
    ["game.clue_rounds=3", "game.own_thoughts=true"],
    ["iterate.plays_per_game=2", "score.baseline_games=2", "score.baseline_phases=both"],
    ["rollout.seats.spy=base"],
    ["deterministic=false"],
    ["score.rewards=released-code", "score.divide_by_std=true"],
]


@pytest.mark.parametrize("variant", VARIANTS, ids=" ".join)
def test_every_variant_of_the_game_is_played_and_trained(games: Path, tmp_path: Path, variant: list[str]):
    recipe = fake_recipe("iterate.games=4", "iterate.rounds=2", "iterate.switching=cycle", *variant)
    report = iterate.run(recipe, tmp_path / "run", games=games)
    assert report.counts["phases"] == {"decision": 1, "clue": 1} and report.counts["updates"] == 2


def test_overwrite_replays_nothing_if_nothing_differs(games: Path, tmp_path: Path):
    recipe = fake_recipe(*SMALL, "iterate.rounds=2")
    iterate.run(recipe, tmp_path / "run", games=games)
    engine = FakeEngine()
    assert iterate.run(recipe, tmp_path / "run", games=games, engine=engine, overwrite=True).status == "up to date"
    assert engine.tally.completions == 0


def test_a_folder_that_is_no_run_is_never_discarded(games: Path, tmp_path: Path):
    (tmp_path / "run").mkdir()
    for name in ("recipe.yaml", "thesis.txt"):
        (tmp_path / "run" / name).write_text("years: of work")
    with pytest.raises(InputError, match="is not a run of vz iterate"):
        iterate.run(fake_recipe(*SMALL), tmp_path / "run", games=games, overwrite=True)
    assert (tmp_path / "run/thesis.txt").is_file()


def test_a_run_continues_only_with_the_games_it_began_with(games: Path, tmp_path: Path):
    iterate.run(fake_recipe(*SMALL, "iterate.rounds=1"), tmp_path / "run", games=games)
    others = write_games(tmp_path / "others", fake_recipe(), count=9)
    with pytest.raises(InputError, match="other games"):
        iterate.run(fake_recipe(*SMALL, "iterate.rounds=2"), tmp_path / "run", games=others)


def test_a_model_that_cannot_be_loaded_leaves_no_run_behind(games: Path, tmp_path: Path):
    (tmp_path / "model").mkdir()
    recipe = fake_recipe(*SMALL, "rollout.engine=transformers", f"model.path={tmp_path / 'model'}")
    with pytest.raises(InputError, match="cannot be loaded"):
        iterate.run(recipe, tmp_path / "run", games=games)
    assert not (tmp_path / "run").exists()
    assert iterate.run(fake_recipe(*SMALL, "iterate.rounds=1"), tmp_path / "run", games=games).status == "done"


def test_a_finished_training_is_not_thrown_away(games: Path, tmp_path: Path):
    run, recipe = tmp_path / "run", fake_recipe(*SMALL, "iterate.rounds=1", "train.total_updates=9")
    iterate.run(recipe, run, games=games)
    before = (run / "state.json").read_text()
    longer = fake_recipe(*SMALL, "iterate.rounds=2", "train.total_updates=9")
    iterate.run(longer, run, games=games)
    made = (run / "round-0002/checkpoint/manifest.json").read_text()
    (run / "state.json").write_text(before)  # as if killed just before the second round was recorded
    iterate.run(longer, run, games=games)
    assert (run / "round-0002/checkpoint/manifest.json").read_text() == made


def test_nothing_is_learned_at_temperature_zero(games: Path, tmp_path: Path):
    with pytest.raises(InputError, match="temperature is 0"):
        iterate.run(fake_recipe("rollout.temperature=0"), tmp_path / "run", games=games)


@pytest.mark.parametrize("lora", [[], ["model.lora.rank=4", "model.lora.alpha=8"]], ids=["full", "lora"])
def test_the_real_engine_and_trainer_play_two_rounds(tmp_path: Path, lora: list[str]):
    recipe = load("tiny", ["iterate.games=6", "iterate.rounds=2", "iterate.switching=cycle", "rollout.seats.spy=base",
                           "train.tokens_per_batch=2048", "evaluate.every=2", "evaluate.games=4", "evaluate.transcripts=4",
                           *lora])  # fmt: skip
    games = write_games(tmp_path / "games", recipe, count=10, side=72)
    iterate.run(recipe, tmp_path / "run", games=games)
    first, second = metrics(tmp_path / "run")
    assert first["train"]["updates"] == second["train"]["updates"] == 1
    assert first["train"]["kl"] == pytest.approx(0, abs=1e-6) and second["train"]["kl"] > 0
    assert second["train"]["off_policy_rows"] == 0 and second["train"]["logprob_gap_mean"] < 1e-3
    assert second["rejected"]["another policy"] == 6 * 2
    assert (first["train"]["anchor_rows"], second["train"]["anchor_rows"]) == (6 * 2, 6 * 2)
    judged = [json.loads(line) for line in (tmp_path / "run/evaluations.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in judged] == [0, 2]
    assert judged[0]["decision"]["change"]["sampled"] == 0.0  # the base beside itself


def test_a_run_never_discards_what_it_reads(tmp_path: Path):
    recipe = fake_recipe(*SMALL, "iterate.rounds=1")
    run = tmp_path / "run"
    games = write_games(run / "games", recipe, count=10)
    with pytest.raises(InputError, match="is or contains .*, the input 'games'"):
        iterate.run(recipe, run, games=games, overwrite=True)
    assert (games / "pairs.parquet").is_file()


def test_an_accelerate_file_that_cannot_be_followed_is_refused_before_a_game_is_played(tmp_path: Path):
    file = tmp_path / "deepspeed.yaml"
    file.write_text("distributed_type: DEEPSPEED\n")
    recipe = fake_recipe(*SMALL, f"train.accelerate_config={file}", "train.processes=2")
    with pytest.raises(InputError, match="DeepSpeed flattens the weights"):
        iterate.run(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()
