"""Pairs that cannot be played are refused by name or left out and listed, before weights are loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages import evaluate, iterate, rollout
from stages.core import tables, vlm
from stages.core.engines.transformers import TransformersEngine
from stages.core.errors import InputError
from stages.core.folder.files import sha256_file
from stages.core.game.prompting import render_prompt
from stages.core.game.rules import Clue, Deal, next_turns
from stages.core.game.subject import Subject
from stages.core.pictures import Picture
from stages.core.play import playable
from stages.core.play.folder import PAIR
from stages.core.recipe import Recipe, load
from stages.core.vlm import prompts
from stages.core.vlm.prompts import PromptLengths
from stages.make_games import Sources
from stages.make_games import run as make_games
from stages.rollout import preflight
from tests.families.builders import FAMILIES
from tests.helpers import fake_recipe
from tests.make_games.ready.samples import edited, photo

ODD = "p3"  # the one square picture, which becomes more tiles and tokens than the wide ones
TINY = [
    "rollout.engine=transformers", "rollout.max_clue_tokens=6", "rollout.max_vote_tokens=2", "game.votes=2",
    "game.players=3", "games.dev_fraction=0", "games.test_fraction=0", "evaluate.split=train", "evaluate.games=2",
    "evaluate.transcripts=0", "evaluate.questions=0", "iterate.games=6", "iterate.rounds=2", "deterministic=false",
    "rollout.max_prompt_tokens=2000",
]  # fmt: skip
TRAINED = ["train.trainer=trl"]
SKIP = "rollout.unplayable=skip"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (idefics3,) = (family for family in FAMILIES if family.name == "idefics3")
    return idefics3.build(tmp_path_factory.mktemp("idefics3") / "model")


@pytest.fixture(scope="module")
def games(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("playable")
    (folder / "in").mkdir()
    for number in range(6):
        picture = photo(number, (64, 64) if f"p{number}" == ODD else (120, 40))
        picture.save(folder / "in" / f"p{number}_original.png")
        edited(picture).save(folder / "in" / f"p{number}_modified.png")
    return make_games(fake_recipe(*TINY), folder / "games", sources=Sources(ready=str(folder / "in")), processes=1).out


@pytest.fixture(scope="module")
def limits(model: Path, games: Path) -> tuple[int, int]:
    """Tokens of the longest prompt with a wide picture, and with the odd one."""
    everything = ["rollout.max_prompt_tokens=16", SKIP]
    pairs = tables.read(games / "pairs.parquet", tables.PAIRS, PAIR).sort(pl.col("pair_id") == ODD)
    rows = playable._unplayable(recipe(model, *everything), games, pairs, [model])
    assert len(rows) == 6 and rows[-1]["pair_id"] == ODD
    return max(row["tokens"] for row in rows[:-1]), rows[-1]["tokens"]


def recipe(model: Path, *overrides: str) -> Recipe:
    return fake_recipe(*TINY, f"model.path={model}", *overrides)


def tight(limits: tuple[int, int]) -> str:
    return f"rollout.max_prompt_tokens={limits[0]}"


def no_weights(*_: Any) -> Any:
    raise AssertionError("weights were loaded")


STAGES: dict[str, Callable[..., Any]] = {
    "rollout": rollout.run,
    "preflight": preflight.run,
    "evaluate": evaluate.run,
    "iterate": lambda recipe, games, out: iterate.run(recipe, out, games=games),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_pair_that_cannot_be_played_is_named_before_weights_are_loaded(
    stage: str, model: Path, games: Path, limits: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TransformersEngine, "load", no_weights)
    out = tmp_path / "out"
    found = (
        rf"1 of 6 pairs cannot be played.*\n.*pair '{ODD}', picture images/{ODD}_\w+.png: prompt too long, up to "
        rf"{limits[1]} tokens: .*64×64 pixels"
    )
    with pytest.raises(InputError, match=found) as refused:
        STAGES[stage](recipe(model, tight(limits)), games, out)
    assert not out.exists() and [path.name for path in tmp_path.iterdir() if path.is_dir()] == []
    remedies = re.findall(r"rollout\.\w+=\w+", str(refused.value))
    assert remedies == [f"rollout.max_prompt_tokens={limits[1]}", SKIP]
    for remedy in remedies:
        with pytest.raises(AssertionError, match="weights were loaded"):
            STAGES[stage](recipe(model, tight(limits), remedy), games, tmp_path / remedy)


def test_pairs_that_are_left_out_are_counted_and_listed(
    model: Path, games: Path, limits: tuple[int, int], tmp_path: Path
) -> None:
    report = rollout.run(recipe(model, tight(limits), SKIP), games, tmp_path / "out", split=None)
    assert (report.counts["games"], report.counts["unplayable_pairs"]) == (5, 1)
    assert report.warnings[-1].startswith("1 pair(s) cannot be played and are left out: see")
    listed = tables.read(tmp_path / "out" / "unplayable.parquet", tables.UNPLAYABLE)
    assert listed.select("pair_id", "tokens", "reason").rows() == [(ODD, limits[1], "prompt too long")]
    assert ODD not in set(tables.read(tmp_path / "out" / "games.parquet", tables.GAMES)["pair_id"])


def test_a_run_leaves_out_the_same_pairs_until_it_ends(
    model: Path, games: Path, limits: tuple[int, int], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    iterate.run(recipe(model, *TRAINED, tight(limits), SKIP, "iterate.rounds=1"), run, games=games)
    with pytest.raises(InputError, match=r"5 of 5 pairs cannot be played") as refused:  # nor fewer than it began with
        iterate.run(recipe(model, *TRAINED, f"rollout.max_prompt_tokens={limits[0] - 1}", SKIP), run, games=games)
    assert SKIP not in str(refused.value)
    report = iterate.run(recipe(model, *TRAINED, f"rollout.max_prompt_tokens={limits[1]}", SKIP), run, games=games)
    assert report.counts["rounds"] == 2
    played = [tables.read(run / f"round-000{n}/rollouts/games.parquet", tables.GAMES)["pair_id"] for n in (1, 2)]
    assert [ODD in set(each) for each in played] == [False, False]
    assert report.warnings[0].startswith("1 pair(s) cannot be played and are left out")


def test_a_prompt_that_is_still_too_long_loses_no_finished_round(
    model: Path, games: Path, limits: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, few = tmp_path / "run", [*TRAINED, "iterate.games=2", "iterate.rounds=4"]
    with monkeypatch.context() as patch:
        patch.setattr(playable, "_unplayable", lambda *_: [])  # as if players wrote more tokens than any check expects
        with pytest.raises(
            InputError, match=rf"game '{ODD}\S*' \(pair '{ODD}'\), turn \d, picture images/{ODD}_"
        ) as end:
            iterate.run(recipe(model, f"rollout.max_prompt_tokens={limits[0]}", *few), run, games=games)
    finished = json.loads((run / "state.json").read_text())["iteration"] if (run / "state.json").is_file() else 0
    first = (run / "metrics.jsonl").read_text() if finished else ""
    (remedy,) = re.findall(r"--set (rollout.max_prompt_tokens=\d+)", str(end.value))
    assert (
        iterate.run(recipe(model, f"rollout.max_prompt_tokens={limits[1]}", *few), run, games=games).counts["rounds"]
        == 4
    )
    assert int(remedy.partition("=")[2]) <= limits[1]
    assert (run / "metrics.jsonl").read_text().startswith(first)


def test_the_longest_prompts_are_as_long_as_a_game_can_make_them(model: Path, games: Path) -> None:
    rules = recipe(model, "rollout.max_clue_tokens=40", "game.clue_rounds=2", "game.own_thoughts=true",
                   "game.own_thoughts_chars=30", "game.clue_chars=20")  # fmt: skip
    processor = vlm.load_processor(model, rules.model)
    counted = PromptLengths(processor)
    pair = tables.read(games / "pairs.parquet", tables.PAIRS, PAIR).row(0, named=True)
    expected = {
        (longest.role, longest.messages[0]["content"][0]["text"]): counted.text(longest.messages)
        + counted.picture(longest.messages, (120, 40))
        + longest.clues
        for longest in playable.longest_prompts(rules, pair)
    }
    said = [Clue(seat, number, "a " * 10, "b " * 15) for number in (1, 2) for seat in (1, 2, 3)]
    for spy in (1, 3):
        deal = Deal("", "p0", 0, 3, 2, spy, rules.game.spy_view, 0)
        for heard in (said[:-1], said):
            turn = next_turns(deal, rules.game, len(heard))[-1]
            messages = render_prompt(deal, Subject.of(pair), rules.game, turn, heard)
            actual = vlm.encode_one(
                processor, messages, [Picture(games, pair["original"], sha256_file(games / pair["original"])).load()]
            )
            assert len(actual.ids) <= expected[turn.role, messages[0]["content"][0]["text"]]


def test_a_picture_that_the_processor_cannot_take_is_named(
    model: Path, games: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_wide(processor: Any, messages: Any, pictures: Any) -> Any:
        if pictures[0].size == (120, 40):
            raise ValueError("absolute aspect ratio must be smaller than 2, got 3.0")
        return real(processor, messages, pictures)

    real = prompts.encode_one
    monkeypatch.setattr(prompts, "encode_one", refuse_wide)
    told = r"5 of 6 pairs.*\n.*picture images/p0_original.png: picture refused, .* cannot take 120×40 pixels: absolute"
    with pytest.raises(InputError, match=told) as refused:
        rollout.run(recipe(model), games, tmp_path / "out")
    assert "max_prompt_tokens" not in str(refused.value)
    report = rollout.run(recipe(model, SKIP), games, tmp_path / "out", split=None)
    assert (report.counts["games"], report.counts["unplayable_pairs"]) == (1, 5)


def test_each_picture_size_is_measured_once(model: Path, games: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[tuple[int, int]] = []
    real = prompts.encode_one
    monkeypatch.setattr(prompts, "encode_one", lambda *given: (prepared.append(given[2][0].size), real(*given))[1])
    pairs = tables.read(games / "pairs.parquet", tables.PAIRS, PAIR)
    assert playable.find_unplayable(recipe(model), games, pl.concat([pairs] * 50), [model]).is_empty()
    assert sorted(prepared) == [(64, 64), (120, 40)]


@pytest.mark.parametrize("engine", ["fake", "server"])
def test_without_a_processor_nothing_is_refused(engine: str, games: Path, tmp_path: Path) -> None:
    pairs = tables.read(games / "pairs.parquet", tables.PAIRS, PAIR)
    given = load("tiny", [f"rollout.engine={engine}", "rollout.max_prompt_tokens=16"])
    assert playable.find_unplayable(given, games, pairs, [tmp_path / "no model"]).is_empty()
    local = load("tiny", ["rollout.max_prompt_tokens=16"])
    assert playable.find_unplayable(local, games, pairs, ["http://localhost:8000/v1#name"]).is_empty()
