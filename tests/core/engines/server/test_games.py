"""Whole games through a server, with and without failures."""

from pathlib import Path

import polars as pl
import pytest

from stages import evaluate, rollout, score, train
from stages import filter as filter_stage
from stages.core import tables
from stages.core.engines.fake import FakeEngine
from stages.core.engines.routing import RoutingEngine
from stages.core.errors import InputError, VzError
from stages.core.recipe import Recipe
from tests.core.engines.server.asking import server_recipe
from tests.core.engines.server.chat_server import (
    Call,
    ChatServer,
    Reply,
    as_json,
    completion,
    error,
    failing,
    good,
    models,
)
from tests.helpers import fake_recipe, write_games

KEY = "sk-very-secret"
# 3 clues and 2 votes a game. The tiny recipe's limit is of its own tokens; the server counts letters.
SMALL = ["game.players=3", "game.votes=2", "rollout.max_prompt_tokens=8000"]


def with_ids(call: Call) -> Reply:
    return models("played") if call.path.endswith("/models") else as_json(completion(call, ids=True))


def play(server: ChatServer, games: Path, out: Path, *overrides: str) -> Path:
    recipe = server_recipe(server, *SMALL, *overrides)
    return rollout.run(recipe, games, out, split=None).out


def bytes_of(out: Path) -> bytes:
    return (out / "part-00000.parquet").read_bytes()


def check_nothing_is_lost_or_doubled(count: int, tmp_path: Path) -> None:
    """`count` games at a server of which 30 % of the tries fail, beside the same games at one that never does."""
    games = write_games(tmp_path / "games", fake_recipe(*SMALL), count=count)
    patient = ["rollout.server.attempts=30", "rollout.server.timeout=1"]
    with ChatServer() as sound:
        whole = play(sound, games, tmp_path / "whole", *patient)
    with ChatServer(failing(good, 0.3, seconds=2)) as faulty:
        out = play(faulty, games, tmp_path / "out", *patient)
    assert bytes_of(out) == bytes_of(whole)
    rows = tables.read_parts(out, tables.ROLLOUTS)
    assert rows["game_id"].n_unique() == count
    assert len(rows) == 5 * count == rows.select(tables.KEY).n_unique()
    asked, tried = {call.content for call in sound.calls}, [call.content for call in faulty.calls]
    assert set(tried) == asked == set(faulty.delivered)  # a try that failed is repeated to the byte
    assert 1 - len(asked) / len(tried) > 0.25  # failed; a busy machine adds time-outs of its own


def test_a_failing_server_gives_the_same_games_as_a_sound_one(tmp_path: Path):
    check_nothing_is_lost_or_doubled(40, tmp_path)


@pytest.mark.slow
def test_a_thousand_games_at_a_failing_server(tmp_path: Path):
    check_nothing_is_lost_or_doubled(1000, tmp_path)


def test_games_finished_before_a_server_died_are_not_played_again(tmp_path: Path):
    games = write_games(tmp_path / "games", fake_recipe(*SMALL), count=10)
    few = ["rollout.concurrent_games=2", "rollout.save_seconds=0", "rollout.server.attempts=2"]
    with ChatServer() as server:
        whole = play(server, games, tmp_path / "whole", *few)
        server.answer = lambda call: good(call) if len(server.calls) < 80 else error(503, "going down")
        with pytest.raises((VzError, ExceptionGroup)):
            play(server, games, tmp_path / "out", *few)
        tried = len(server.calls)
        server.answer = good
        out = play(server, games, tmp_path / "out", *few, "rollout.server.attempts=9")  # patience may change
        again = len(server.calls) - tried - 1  # the list of models
    assert bytes_of(out) == bytes_of(whole)
    assert 25 <= again < 50 and again % 5 == 0  # whole games only; 27 of the 50 completions were there already


def test_rows_without_ids_are_refused_by_training(tmp_path: Path):
    games = write_games(tmp_path / "games", fake_recipe(*SMALL), count=10)
    with ChatServer() as server:
        played = play(server, games, tmp_path / "rollouts")
    rows = tables.read_parts(played, tables.ROLLOUTS)
    assert rows["prompt_sha256"].null_count() == len(rows) == 50
    assert rows["completion_ids"].list.len().sum() == rows["completion_logprobs"].list.len().sum() == 0
    assert rows["prompt_tokens"].min() > 0
    with pytest.raises(InputError, match="through a server that gave no token ids, so it cannot train: play with"):
        trained(tmp_path, played)


def test_rows_with_ids_train(tmp_path: Path):
    games = write_games(tmp_path / "games", fake_recipe(*SMALL), count=10)
    with ChatServer(with_ids) as server:
        played = play(server, games, tmp_path / "rollouts", "rollout.temperature=1", "rollout.server.token_ids=require")
    rows = tables.read_parts(played, tables.ROLLOUTS)
    assert rows["completion_ids"].list.last().to_list() == [0] * 50
    assert rows["prompt_sha256"].null_count() == 0
    assert trained(tmp_path, played) > 0


def trained(folder: Path, played: Path) -> int:
    """Rows that the stub trainer takes of the rollouts, which is after all checks that need no model."""
    recipe = fake_recipe(*SMALL)
    scored = score.run(recipe, played, folder / "scored", phase="decision").out
    kept = filter_stage.run(recipe, scored, folder / "kept", phase="decision").out
    return int(train.run(recipe, kept, folder / "checkpoint").counts["rows"])


def test_the_key_is_in_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    monkeypatch.setenv("MY_KEY", KEY)
    games = write_games(tmp_path / "games", fake_recipe(*SMALL), count=2)
    with ChatServer() as server:
        monkeypatch.setenv("VZ_KEYS", f"MY_KEY={server.url}")
        play(server, games, tmp_path / "out")
    assert server.calls[0].headers["authorization"] == f"Bearer {KEY}"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 4 and not [path for path in files if KEY.encode() in path.read_bytes()]
    # Parquet is compressed, so its text is looked at as text.
    assert not any(KEY in str(row) for row in tables.read_parts(tmp_path / "out", tables.ROLLOUTS).rows())
    shown = capfd.readouterr()
    assert KEY not in shown.out + shown.err


def test_a_seat_may_be_served_while_others_have_weights(tmp_path: Path):
    games = write_games(tmp_path / "games", fake_recipe(*SMALL), count=4)
    with ChatServer() as server:
        place = f"{server.url}#played"
        recipe = fake_recipe(*SMALL, f"rollout.seats.spy={place}")
        played = rollout.run(recipe, games, tmp_path / "out", split=None)
    rows = tables.read_parts(played.out, tables.ROLLOUTS)
    assert set(rows.select("role", "policy").iter_rows()) == {
        ("civilian", "current"), ("spy", place), ("analyst", "current"),
    }  # fmt: skip
    spies = rows.filter(pl.col("role") == "spy")
    assert len(server.asked()) == len(spies) == 4
    assert spies["prompt_sha256"].null_count() == 4
    assert rows.filter(pl.col("role") != "spy")["completion_ids"].list.len().min() > 0
    assert spies["policy_version"].n_unique() == 1


def test_an_opponent_may_be_served(tmp_path: Path):
    recipe = fake_recipe(*SMALL, "evaluate.games=4", "evaluate.transcripts=2", "evaluate.questions=0")
    games = write_games(tmp_path / "games", recipe, count=10)
    with ChatServer() as server:
        place = f"{server.url}#played"
        report = evaluate.run(recipe, games, tmp_path / "out", opponent=place)
        arena, votes = len(server.asked()), report.counts["decision"]["transcripts"]
    # 2 games as spy (a clue), 2 as civilians (2 clues, 2 votes); 2 games with itself (3 clues, a vote); on each of
    # these 2 votes and a greedy one.
    assert arena == 2 * 1 + 2 * 4 + 2 * 4 + 2 * 3 and votes == 2
    assert place in (tmp_path / "out" / "manifest.json").read_text()


def test_the_tally_counts_local_and_served_policies(tmp_path: Path):
    recipe = fake_recipe(*SMALL, "rollout.seats.spy=base")
    games = write_games(tmp_path / "games", recipe, count=4)
    with ChatServer() as server, RoutingEngine(FakeEngine(), recipe) as engine:
        places = {"current": games, "base": f"{server.url}#played"}
        rollout.run(recipe, games, tmp_path / "out", split=None, models=places, engine=engine)
        assert engine.tally.completions == 4 * 5
        with pytest.raises(InputError, match="needs the policy 'nobody'"):
            engine.version("nobody")
        engine.load("base", games, "v2")  # weights take the place of a server
        assert engine.version("base") == "v2"
        engine.unload("base")


def test_an_address_is_not_loaded_as_weights(tmp_path: Path):
    games = write_games(tmp_path / "games", fake_recipe(*SMALL), count=2)
    recipe: Recipe = fake_recipe(*SMALL, "rollout.engine=transformers")
    with ChatServer() as server:
        place = f"{server.url}#played"
        out = rollout.run(recipe, games, tmp_path / "out", split=None, models={"current": place}).out
        assert len(tables.read_parts(out, tables.ROLLOUTS)) == 10
        with pytest.raises(InputError, match="is a server's address, but weights are needed"):
            from stages.core.vlm import load_model

            load_model(place, recipe.model)
