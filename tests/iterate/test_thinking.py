"""A round of a model whose tokenizer appends </s> to every text and whose template opens a thought."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from stages import iterate, rollout, train
from stages.core import tables
from stages.core.errors import InputError
from stages.core.recipe import Recipe, load
from tests.helpers import write_games

OPENS = "{% if add_generation_prompt and enable_thinking | default(true) %}<think>{% endif %}"
SMALL = ["model.device=cpu", "game.clue_rounds=1", "iterate.games=2", "iterate.rounds=1", "iterate.preflight=0"]
SMALL += ["evaluate.every=0", "iterate.switching=clue", "iterate.clue_votes=2"]


@pytest.fixture(scope="module")
def odd_model(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd") / "model"
    shutil.copytree(random_model, folder)
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    end = next(token for token in tokenizer["added_tokens"] if token["content"] == "<end>")
    parts: list[Any] = [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<end>", "type_id": 0}}]
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing",
        "single": parts,
        "pair": [*parts, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<end>": {"id": "<end>", "ids": [end["id"]], "tokens": ["<end>"]}},
    }
    path.write_text(json.dumps(tokenizer))
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text() + OPENS)
    return folder


def recipe_of(model: Path, *overrides: str) -> Recipe:
    return load("tiny", [*SMALL, f"model.path={model}", *overrides])


def test_a_thinking_model_plays_and_trains_on_the_same_tokens(odd_model: Path, random_model: Path, tmp_path: Path):
    games = write_games(tmp_path / "games", recipe_of(odd_model))
    iterate.run(recipe_of(odd_model), tmp_path / "run", games=games)
    (metrics,) = map(json.loads, (tmp_path / "run/metrics.jsonl").read_text().splitlines())
    assert metrics["train"]["rows"] == 8 and metrics["train"]["off_policy_rows"] == 0
    rollouts = tmp_path / "run/round-0001/rollouts"
    rows = tables.read_parts(rollouts, tables.ROLLOUTS)
    assert rows["completion"].str.starts_with("<think>").all()
    assert rows["thought"].unique().to_list() == ["open"]
    assert metrics["truncated_thoughts"] == metrics["truncated"] > 0

    # Without the thought the same prompts are those of the model that neither opens one nor appends anything.
    quiet = recipe_of(odd_model, "model.chat_template_options={enable_thinking: false}")
    first, other = (
        tables.read_parts(rollout.run(recipe, games, tmp_path / name).out, tables.ROLLOUTS).drop("policy_version")
        for name, recipe in {"quiet": quiet, "usual": recipe_of(random_model)}.items()
    )
    assert first.equals(other)

    kept = tmp_path / "run/round-0001/kept"
    with pytest.raises(InputError, match="becomes different tokens here than at sampling"):
        train.run(quiet, kept, tmp_path / "checkpoint")
    with pytest.raises(InputError, match="chat_template_options"):  # the run was begun with others
        iterate.run(quiet, tmp_path / "run", games=games)
