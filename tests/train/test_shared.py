"""Training from prefix trees: the same gradients as row by row, with each prompt and each picture computed once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stages import train
from stages.train.layout import Layout
from stages.train.tree import FORMS, Form
from tests.train import world
from tests.train.gradients import Update, apart


@pytest.fixture(scope="module")
def votes(tmp_path_factory: pytest.TempPathFactory, model: Path, pictures: Path) -> world.World:
    return world.make_world(tmp_path_factory.mktemp("votes"), model, pictures, 8, phase="decision")


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("rows", ["votes", "played"])
def test_gradients_of_trees_equal_those_of_single_rows(rows: str, lora: bool, request: pytest.FixtureRequest):
    """With KL and with anchors; padded and unpadded."""
    given: world.World = request.getfixturevalue(rows)
    update = Update(given, world.recipe(given.model, lora=lora), None if lora else given.model)
    if lora:  # so that A has a gradient, too
        torch.manual_seed(1)
        for name, weight in update.policy.named_parameters():
            if "lora_B" in name:
                weight.data.normal_(0, 0.1)
    alone = update.gradients("rows", 1)
    for form in FORMS:
        for budget in (64, 4096):
            assert apart(alone, update.gradients(form, budget)) < 1e-5
    assert update.trial("sequence") is update.trial("batch") is None
    if rows == "votes":
        assert update.sharing("sequence") < 0.45


def test_a_model_that_computes_something_else_from_trees_trains_row_by_row_with_a_warning(
    votes: world.World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    apart = train.run(world.recipe(votes.model, share_prefixes=False), votes.kept, tmp_path / "apart")
    assert apart.warnings == []
    shared = train.run(world.recipe(votes.model), votes.kept, tmp_path / "shared")
    assert shared.warnings == []
    assert shared.counts["tree_tokens"] < 0.6 * shared.counts["row_tokens"] == 0.6 * apart.counts["tree_tokens"]
    monkeypatch.setattr(Layout, "positions", lambda _, prompt, answer: torch.zeros(len(prompt.ids) + answer).long())
    wrong = train.run(world.recipe(votes.model), votes.kept, tmp_path / "wrong")
    assert len(wrong.warnings) == 1
    assert (
        "rows were computed one by one, without sharing prompts: LlavaForConditionalGeneration: " in wrong.warnings[0]
    )
    assert "log-probs of trees and of plain rows differ by" in wrong.warnings[0]
    for name in ("loss", "grad_norm", "row_tokens", "tree_tokens"):
        assert wrong.counts[name] == apart.counts[name]
        assert name == "tree_tokens" or shared.counts[name] == pytest.approx(apart.counts[name], rel=1e-4)


@pytest.mark.parametrize("form", ["sequence", "batch"])
def test_layers_that_compute_over_whole_sequences_are_named(form: Form, votes: world.World):
    update = Update(votes, world.recipe(votes.model))
    update.policy.config.get_text_config().layer_types = ["linear_attention", "full_attention"]
    update.layouts[form] = Layout(update.policy, form)
    assert update.trial(form) == "its layers of the kind linear_attention compute over whole sequences"
