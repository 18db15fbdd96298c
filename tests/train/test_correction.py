"""Rows that another implementation sampled: importance weights, limits and refusals."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from stages.core import tables
from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.train import run
from tests.train import world
from tests.train.world import World, hand, make_world, recipe

CAP, CLOSE = 1.2, 1e-5
MODES = ["token_truncate", "sequence_mask"]  # all four are compared with their definition in test_loss.py
FOREIGN, OWN = "vllm bfloat16", "transformers float32"


def models(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    return model, AutoProcessor.from_pretrained(folder)


def weigh(mode: str, cap: float, own: bool = False) -> Any:
    """The weights of a row by the definition, token by token."""

    def weights(row: dict[str, Any], old: torch.Tensor) -> torch.Tensor:
        if row["sampler"] == OWN and not own:
            return torch.ones_like(old)
        ratios = [math.exp(a - b) for a, b in zip(old.tolist(), row["completion_logprobs"], strict=True)]
        if mode.startswith("sequence"):
            ratios = [math.prod(ratios)] * len(ratios)
        over = cap if mode.endswith("truncate") else 0.0
        return torch.tensor([over if ratio > cap else ratio for ratio in ratios])

    return weights


def spread(folder: Path, of: World, noise: float = 0.3, sampler: str = FOREIGN, every: int = 1) -> World:
    """`of` with noise on the stored log-probs of every so many rows, and `sampler` as what computed them."""
    draw, rows = random.Random(3), []
    for number, row in enumerate(of.rows):
        off = [draw.gauss(0, noise) for _ in row["completion_ids"]] if number % every == 0 else []
        moved = [a + b for a, b in zip(row["completion_logprobs"], off, strict=True)] if off else None
        rows.append({**row, **({"completion_logprobs": moved, "sampler": sampler} if off else {})})
    world.write_rollouts(folder / "rollouts", rows, of.games)
    scored = world.write_scored(folder / "scored", folder / "rollouts")
    return World(of.model, of.games, folder / "rollouts", scored, world.write_kept(folder / "kept", rows, scored), rows)


@pytest.fixture(scope="module")
def vllm_rows(tmp_path_factory: pytest.TempPathFactory, played: World) -> World:
    folder = tmp_path_factory.mktemp("vllm")
    rows = make_world(folder, played.model, world.make_games(folder / "games"), 7, seed=4)
    return spread(folder / "spread", rows)


def free(of: World, **train: Any) -> Recipe:
    return recipe(of.model, **{**world.LIMITLESS, "kl": 0.0, "loss": "grpo", "correction_cap": CAP, **train})


@pytest.mark.parametrize("mode", MODES)
def test_importance_weights_follow_their_definition(mode: str, vllm_rows: World, tmp_path: Path) -> None:
    counts = run(free(vllm_rows, correction=mode, kl=0.04), vllm_rows.kept, tmp_path / "out").counts
    model, processor = models(vllm_rows.model)

    def reference(row: dict[str, Any]) -> torch.Tensor:
        return world.logprobs(model, processor, row, vllm_rows.games).detach()

    by_hand = hand(model, reference, processor, vllm_rows.rows, vllm_rows.games, kl=0.04, weigh=weigh(mode, CAP))
    assert counts["loss"] == pytest.approx(by_hand.loss, rel=CLOSE, abs=1e-6)
    assert counts["grad_norm"] == pytest.approx(by_hand.grad_norm, rel=CLOSE)
    assert counts["clip_ratio"] == 0  # one update: the ratio is 1
    plain = hand(model, reference, processor, vllm_rows.rows, vllm_rows.games, kl=0.04)
    assert plain.grad_norm != pytest.approx(by_hand.grad_norm, rel=1e-2)


def test_by_default_only_rows_of_other_implementations_are_weighted(vllm_rows: World, tmp_path: Path) -> None:
    mixed = spread(tmp_path, vllm_rows, noise=0.0, every=2, sampler=OWN)
    assert {row["sampler"] for row in mixed.rows} == {FOREIGN, OWN}
    counts = run(free(mixed), mixed.kept, tmp_path / "out").counts
    model, processor = models(mixed.model)
    expected = hand(
        model, lambda _: torch.zeros(()), processor, mixed.rows, mixed.games, kl=0.0, weigh=weigh(MODES[0], CAP)
    )
    assert counts["grad_norm"] == pytest.approx(expected.grad_norm, rel=CLOSE)


def test_by_default_rows_of_this_implementation_are_not_weighted(played: World, tmp_path: Path) -> None:
    own = spread(tmp_path, played, sampler=OWN)
    one, other = (
        run(free(own, correction=mode), own.kept, tmp_path / mode).counts["grad_norm"] for mode in ("auto", "off")
    )
    assert one == other


@pytest.mark.parametrize("mode", ["auto", "sequence_mask"])
def test_in_later_updates_ratio_and_weight_use_log_probs_of_the_start(
    mode: str, vllm_rows: World, tmp_path: Path
) -> None:
    settings = free(vllm_rows, rows_per_update=4, correction=mode, learning_rate=0.01)
    folder = run(settings, vllm_rows.kept, tmp_path / "both").out
    second = json.loads((folder / "training.json").read_text())["updates"][1]
    # The first update alone, whose checkpoint is where the second starts.
    exact = settings.model_copy(update={"model": settings.model.model_copy(update={"dtype": "float32"})})
    first = run(exact, vllm_rows.choose(vllm_rows.rows[:4], tmp_path / "kept"), tmp_path / "first").out
    before, processor = models(vllm_rows.model)

    def start(row: dict[str, Any]) -> torch.Tensor:
        return world.logprobs(before, processor, row, vllm_rows.games).detach()

    expected = hand(
        models(first)[0],
        start,
        processor,
        vllm_rows.rows[4:],
        vllm_rows.games,
        kl=0.0,
        start=start,
        weigh=weigh(MODES[0] if mode == "auto" else mode, CAP),
    )
    assert second["loss"] == pytest.approx(expected.loss, rel=1e-4)
    assert second["grad_norm"] == pytest.approx(expected.grad_norm, rel=1e-4)
    assert second["clip_ratio"] > 0  # the policy has moved


def test_the_manifest_reports_the_log_prob_gap(vllm_rows: World, tmp_path: Path) -> None:
    counts = run(free(vllm_rows), vllm_rows.kept, tmp_path / "out").counts
    model, processor = models(vllm_rows.model)
    excess = [
        (world.logprobs(model, processor, row, vllm_rows.games).detach() - torch.tensor(row["completion_logprobs"]))
        for row in vllm_rows.rows
    ]
    tokens, answers = torch.cat(excess), torch.stack([row.sum() for row in excess])
    assert counts["logprob_gap_mean"] == pytest.approx(tokens.abs().mean().item(), rel=1e-4)
    assert counts["logprob_gap_max"] == pytest.approx(tokens.abs().max().item(), rel=1e-4)
    assert counts["logprob_gap_tail"] == pytest.approx(
        tokens.abs().quantile(0.999, interpolation="higher").item(), rel=0.05
    )
    assert counts["capped_tokens"] == pytest.approx((tokens.exp() > CAP).float().mean().item())
    for name, logs in (("effective_tokens", tokens), ("effective_rows", answers)):
        weights = logs.double().exp()
        assert counts[name] == pytest.approx(
            (weights.sum() ** 2 / weights.square().sum() / len(weights)).item(), rel=1e-4
        )


def test_few_effective_tokens_are_refused_even_if_the_mean_gap_is_small(played: World, tmp_path: Path) -> None:
    rows = spread(tmp_path, played, noise=0.0)
    rows.rows[0]["completion_logprobs"][0] -= 6.0
    world.write_rollouts(rows.rollouts, rows.rows, rows.games)
    with pytest.raises(InputError, match=r"only a share of 0\.\d+ of the tokens.*effective_tokens_limit is 0\.8"):
        run(recipe(played.model, logprob_gap_limit=9.0), rows.kept, tmp_path / "out")


@pytest.mark.parametrize(
    ("sampler", "said"),
    [
        (FOREIGN, "computed by vllm bfloat16.*rollout.engine=transformers and model.dtype=float32"),
        ("transformers bfloat16", "computed by transformers bfloat16.*model.dtype=float32"),
        ("server", "--logprobs-mode processed_logprobs"),
        (OWN, "their sampling rules were not those in their manifest"),
    ],
)
def test_a_refusal_names_differences(sampler: str, said: str, played: World, tmp_path: Path) -> None:
    rows = spread(tmp_path, played, sampler=sampler)
    with pytest.raises(InputError, match=rf"differ by 0\.\d+ nats per token.*{said}.*Nothing was trained"):
        run(recipe(played.model), rows.kept, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_refusal_names_rows_of_other_weights_and_a_higher_limit_trains_on_them(played: World, tmp_path: Path) -> None:
    rows = spread(tmp_path, played, sampler=OWN)
    for row in rows.rows[:4]:
        row["policy_version"] = "another"
    world.write_rollouts(rows.rollouts, rows.rows, rows.games)
    with pytest.raises(InputError, match=r"4 of 11 rows were played by weights other than.*or raise the limit"):
        run(recipe(played.model), rows.kept, tmp_path / "out")
    assert run(recipe(played.model, logprob_gap_limit=1.0), rows.kept, tmp_path / "out").counts["off_policy_rows"] == 4


def test_a_refusal_names_dropout(played: World, tmp_path: Path) -> None:
    noisy = recipe(played.model, lora=True, logprob_gap_limit=1e-9)
    assert noisy.model.lora is not None
    lora = noisy.model.lora.model_copy(update={"dropout": 0.5})
    with pytest.raises(InputError, match=r"set model\.lora\.dropout=0"):
        run(
            noisy.model_copy(update={"model": noisy.model.model_copy(update={"lora": lora})}),
            played.kept,
            tmp_path / "o",
        )


def test_rollouts_without_the_sampler_column_use_their_recipes_engine(played: World, tmp_path: Path) -> None:
    from stages.train.rows import read_rows

    rows = spread(tmp_path, played, noise=0.0)
    for part in rows.rollouts.glob("part-*.parquet"):
        pl.read_parquet(part).drop("sampler").write_parquet(part)
    assert tables.read_parts(rows.rollouts, tables.ROLLOUTS)["sampler"].null_count() == len(rows.rows)
    world.change(
        rows.rollouts / "manifest.json",
        lambda body: body["settings"].update(
            rollout={**body["settings"]["rollout"], "engine": "vllm"}, model={"dtype": "bfloat16"}
        ),
    )
    assert {row.sampler for row in read_rows(rows.kept, rows.rollouts, rows.games, "grpo")} == {FOREIGN}


def test_a_second_correction_beside_ratio_sampled_is_refused() -> None:
    with pytest.raises(ValueError, match="ratio: sampled already divides by the stored log-probs"):
        recipe(Path("tiny"), ratio="sampled", correction="token_mask")
