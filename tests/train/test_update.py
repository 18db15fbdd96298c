"""One update against the equations in plain torch, from weights that differ from the base."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from stages.core.errors import InputError
from stages.core.folder.artifact import Report
from stages.train import run
from stages.train.accelerate_file import WHOLE, Spread
from stages.train.policy import (
    adapter_replaced,
    fits_adapter_of,
    load_adapter_beside,
    load_policy,
    load_reference,
)
from tests.train import world
from tests.train.world import Rules, World, change, hand, logprobs, make_world, recipe

CLOSE = 1e-5


class Start:
    """A policy after one update, as checkpoint (in fp32, so that it is exact) and as training state."""

    def __init__(self, folder: Path, base: World, *, lora: bool) -> None:
        from transformers import AutoModelForImageTextToText, AutoProcessor

        self.base, self.lora = base.model, lora
        # A large step, so that the KL to the base is far from 0.
        made = run(self.recipe(kl=0.0, learning_rate=0.02), base.kept, folder / "checkpoint")
        self.checkpoint, self.state = made.out, folder / "checkpoint-state"
        self.processor = AutoProcessor.from_pretrained(self.checkpoint)
        self.reference = AutoModelForImageTextToText.from_pretrained(base.model, dtype=torch.float32).eval()

    def recipe(self, **train: Any) -> Any:
        made = recipe(self.base, lora=self.lora, **{"loss": "grpo", **train})
        return made.model_copy(update={"model": made.model.model_copy(update={"dtype": "float32"})})

    def policy(self) -> Any:
        from transformers import AutoModelForImageTextToText

        if not self.lora:
            return AutoModelForImageTextToText.from_pretrained(self.checkpoint, dtype=torch.float32).eval()
        from peft import PeftModel

        base = AutoModelForImageTextToText.from_pretrained(self.base, dtype=torch.float32)
        return PeftModel.from_pretrained(base, str(self.checkpoint), is_trainable=True).eval()

    def train(self, rows: World, out: Path, **train: Any) -> Report:
        return run(self.recipe(**train), rows.kept, out, model=self.checkpoint, base=self.base, state_in=self.state)

    def by_hand(self, rows: World, **options: Any) -> world.Hand:
        def reference(row: dict[str, Any]) -> torch.Tensor:
            return logprobs(self.reference, self.processor, row, rows.games).detach()

        return hand(self.policy(), reference, self.processor, rows.rows, rows.games, **options)


@pytest.fixture(scope="module", params=["full", "lora"])
def start(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, played: World) -> Start:
    return Start(tmp_path_factory.mktemp(request.param), played, lora=request.param == "lora")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory, start: Start) -> World:
    """Seven clues and votes played by the start: not a multiple of the micro-batch of 3."""
    folder = tmp_path_factory.mktemp("rows")
    games = world.make_games(folder / "games")
    return make_world(folder, start.base, games, 7, seed=5, policy=start.checkpoint)


@pytest.mark.parametrize("kl", [0.0, 0.04])
def test_loss_gradient_norm_and_kl_follow_the_equations(start: Start, rows: World, kl: float, tmp_path: Path) -> None:
    counts = start.train(rows, tmp_path / "out", kl=kl).counts
    expected = start.by_hand(rows, kl=kl)
    assert counts["loss"] == pytest.approx(expected.loss, rel=CLOSE)
    assert counts["grad_norm"] == pytest.approx(expected.grad_norm, rel=CLOSE)
    assert counts["off_policy_rows"] == 0
    assert counts["logprob_gap_max"] < 1e-5
    assert expected.kl > 1e-3  # this is a second round: the policy has left the base
    assert counts["kl"] == pytest.approx(expected.kl if kl else 0.0, rel=CLOSE)


@pytest.mark.parametrize(("kl", "hold_to"), [(0.04, "base"), (0.0, "base"), (0.04, "itself")])
def test_anchors_add_their_kl_and_nothing_else(start: Start, kl: float, hold_to: str, tmp_path: Path) -> None:
    """Clues and votes mixed, votes train: loss and gradient norm are those of the votes plus the clues' KL term."""
    games = world.make_games(tmp_path / "games")
    mixed = make_world(tmp_path, start.base, games, 11, seed=7, policy=start.checkpoint)
    settings = {"phase": "decision", "filter": {"inactive_phase": "anchor"}}
    kept = world.write_kept(tmp_path / "anchored", mixed.rows, mixed.scored, settings)
    anchor = start.base if hold_to == "base" else start.checkpoint
    recipe = start.recipe(kl=kl, anchor_kl=0.7)
    counts = run(
        recipe, kept, tmp_path / "out", model=start.checkpoint, base=start.base, anchor=anchor, state_in=start.state
    ).counts
    votes = [row for row in mixed.rows if row["phase"] == "decision"]
    clues = [row for row in mixed.rows if row["phase"] == "clue"]
    only_votes = World(mixed.model, games, mixed.rollouts, mixed.scored, kept, votes)
    if hold_to == "base":
        expected = start.by_hand(only_votes, kl=kl, anchors=clues, anchor_kl=0.7)
        assert counts["anchor_kl"] > 1e-3
    else:  # to itself there is no KL, and no gradient of it
        expected = start.by_hand(only_votes, kl=kl)
        assert counts["anchor_kl"] == pytest.approx(0.0, abs=1e-9)
    assert counts["loss"] == pytest.approx(expected.loss, rel=CLOSE)
    assert counts["grad_norm"] == pytest.approx(expected.grad_norm, rel=CLOSE)
    assert counts["kl"] == pytest.approx(expected.kl if kl or hold_to == "base" else 0.0, rel=CLOSE)
    assert (counts["rows"], counts["anchor_rows"]) == (len(votes), len(clues))


def test_an_adapter_takes_the_place_of_the_policys_without_a_second_base(played: World, tmp_path: Path) -> None:
    """It computes what the reference loaded from its folder does, and the policy stays as it is."""
    start = Start(tmp_path, played, lora=True)
    lora = start.recipe()
    assert fits_adapter_of(str(start.base), str(start.checkpoint), lora, WHOLE)
    assert not fits_adapter_of(str(start.base), str(start.base), lora, WHOLE)
    assert not fits_adapter_of(str(start.base), str(start.checkpoint), lora, Spread(sharded=True))
    assert not fits_adapter_of(str(start.base), str(start.checkpoint), recipe(start.base), WHOLE)
    cpu, base = torch.device("cpu"), str(start.base)
    policy, reference = (
        load_policy(lora, base, base, WHOLE, cpu).train(),
        load_reference(lora, str(start.checkpoint), WHOLE, cpu),
    )
    inputs: dict[str, Any] = {"input_ids": torch.arange(5, 25).unsqueeze(0)}
    with torch.no_grad():
        before, expected = policy(**inputs).logits, reference(**inputs).logits
        weights = load_adapter_beside(policy, str(start.checkpoint), lora)
        with adapter_replaced(policy, weights):
            assert torch.equal(policy(**inputs).logits, expected) and not policy.training
        assert torch.equal(policy(**inputs).logits, before) and policy.training
    assert not torch.equal(before, expected)


@pytest.mark.parametrize(("phase", "rate"), [("clue", 2.5e-4), ("decision", 1e-3), ("both", 1e-3)])
def test_clue_rate_scales_the_learning_rate_of_clue_rounds(
    played: World, phase: str, rate: float, tmp_path: Path
) -> None:
    kept = world.write_kept(tmp_path / "kept", played.rows, played.scored, {"phase": phase})
    counts = run(recipe(played.model, clue_rate=0.25, schedule="linear"), kept, tmp_path / "out").counts
    assert counts["learning_rate"] == pytest.approx(rate)


def test_the_ratio_can_divide_by_stored_log_probs(start: Start, rows: World, tmp_path: Path) -> None:
    noisy = _with_noise(rows, tmp_path)
    counts = start.train(noisy, tmp_path / "out", kl=0.04, ratio="sampled", loss="dapo", **world.LIMITLESS).counts
    expected = start.by_hand(noisy, kl=0.04, loss="dapo", sampled=True)
    assert counts["loss"] == pytest.approx(expected.loss, rel=CLOSE)
    assert counts["grad_norm"] == pytest.approx(expected.grad_norm, rel=CLOSE)
    assert counts["clip_ratio"] > 0
    gaps = torch.tensor([noise for row in noisy.rows for noise in row["noise"]]).abs()
    assert counts["logprob_gap_mean"] == pytest.approx(gaps.mean().item(), rel=1e-3)
    assert counts["logprob_gap_max"] == pytest.approx(gaps.max().item(), rel=1e-3)


def test_too_large_a_log_prob_gap_is_refused_before_the_update(start: Start, rows: World, tmp_path: Path) -> None:
    from stages.core.errors import InputError

    noisy = _with_noise(rows, tmp_path)
    with pytest.raises(InputError, match=r"logprob_gap_limit is 0\.01.*Nothing was trained"):
        start.train(noisy, tmp_path / "out", logprob_gap_limit=0.01)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out-state").exists()


@pytest.mark.parametrize("updates", [1, 2])
def test_a_rate_that_breaks_the_weights_is_an_error_at_any_update(
    updates: int, start: Start, rows: World, tmp_path: Path
) -> None:
    from stages.core.errors import VzError

    with pytest.raises(VzError, match=rf"update {1 + updates}\b.*not finite.*Lower train\.learning_rate"):
        start.train(rows, tmp_path / "out", learning_rate=1e30, rows_per_update=8 // updates)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out-state").exists()


def test_the_rollouts_temperature_is_used(start: Start, rows: World, tmp_path: Path) -> None:
    def hotter(manifest: dict[str, Any]) -> None:
        manifest["settings"]["rollout"]["temperature"] = 1.4

    path = rows.rollouts / "manifest.json"
    before = path.read_text()
    try:
        change(path, hotter)
        counts = start.train(rows, tmp_path / "out", kl=0.0, **world.LIMITLESS).counts
    finally:
        path.write_text(before)
    policy = start.policy()
    gaps: list[torch.Tensor] = []
    for row in rows.rows:
        with torch.no_grad():
            now = logprobs(policy, start.processor, row, rows.games, temperature=1.4)
        gaps.append((now - torch.tensor(row["completion_logprobs"])).abs())
    assert counts["logprob_gap_mean"] == pytest.approx(torch.cat(gaps).mean().item(), rel=1e-4)


def _with_noise(rows: World, folder: Path) -> World:
    """The same rows with log-probs of a sampler that differs from the trainer."""
    generator = torch.Generator().manual_seed(3)
    noisy = []
    for row in rows.rows:
        noise = (0.3 * torch.randn(len(row["completion_ids"]), generator=generator)).tolist()
        stored = [value + more for value, more in zip(row["completion_logprobs"], noise, strict=True)]
        noisy.append({**row, "completion_logprobs": stored, "noise": noise})
    world.write_rollouts(folder / "rollouts", noisy, rows.games)
    scored = world.write_scored(folder / "scored", folder / "rollouts")
    kept = world.write_kept(folder / "kept", noisy, scored)
    return World(rows.model, rows.games, folder / "rollouts", scored, kept, noisy)


def test_minimum_lengths_and_repetition_penalties_are_part_of_the_trained_distribution(
    start: Start, tmp_path: Path
) -> None:
    rules = {"clue": Rules(min_tokens=3), "decision": Rules(min_tokens=2, penalty=1.4)}
    games = world.make_games(tmp_path / "games")
    rows = make_world(tmp_path, start.base, games, 7, seed=8, policy=start.checkpoint, rules=rules)
    counts = start.train(rows, tmp_path / "out", kl=0.04).counts
    expected = start.by_hand(rows, kl=0.04)
    assert counts["logprob_gap_max"] < 1e-5
    assert counts["loss"] == pytest.approx(expected.loss, rel=CLOSE)
    assert counts["kl"] == pytest.approx(expected.kl, rel=CLOSE)
    assert counts["grad_norm"] == pytest.approx(expected.grad_norm, rel=CLOSE)
    for row in rows.rows:
        row["rules"] = Rules()
    assert start.by_hand(rows, kl=0.04).grad_norm != pytest.approx(expected.grad_norm, rel=0.01)


def test_an_answer_that_ends_too_early_is_refused(start: Start, tmp_path: Path) -> None:
    games = world.make_games(tmp_path / "games")
    rows = make_world(tmp_path, start.base, games, 3, policy=start.checkpoint, rules={"clue": Rules(min_tokens=3)})
    change(rows.rollouts / "manifest.json", lambda body: body["settings"]["rollout"].update(min_clue_tokens=9))
    with pytest.raises(InputError, match="ends before the 9 tokens.*rollout.min_clue_tokens"):
        start.train(rows, tmp_path / "out")


def test_logits_computed_in_parts_give_the_same_gradient(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = {"clue": Rules(min_tokens=2, penalty=1.2), "decision": Rules(penalty=0.8)}
    games = world.make_games(tmp_path / "games")
    rows = make_world(tmp_path, start.base, games, 7, seed=8, policy=start.checkpoint, rules=rules)
    monkeypatch.setattr("stages.train.logprobs.LOGITS_AT_ONCE", 1)  # a token at a time
    counts = start.train(rows, tmp_path / "out", kl=0.04).counts
    assert counts["grad_norm"] == pytest.approx(start.by_hand(rows, kl=0.04).grad_norm, rel=CLOSE)
