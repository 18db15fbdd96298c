"""Collects a start model's answers to prompts outside the game (`tables.OUTSIDE`)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from stages.core import tables
from stages.core.engines import Completion, Engine, Sampling, open_engine
from stages.core.engines.asking import Ask, ask_all
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, Report
from stages.core.folder.content import version_of
from stages.core.pictures import Picture, picture_hashes
from stages.core.play.playable import pairs_of
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of, prompt_files
from stages.core.seeds import derive
from stages.core.vlm.needs import check_models
from stages.outside.prompts import OutsidePrompt, draw_prompts, texts_of

POLICY = "current"  # the engine's name for the start model, which is the policy that plays first
TABLE = "outside.parquet"
_SEEDS = "outside"


def run(
    recipe: Recipe,
    games: Path,
    out: Path,
    *,
    model: str | Path | None = None,
    engine: Engine | None = None,
    left_out: Collection[str] = (),
    overwrite: bool = False,
) -> Report:
    """Ask `model` (default: the recipe's) `outside.prompts` prompts, once each, about training pictures of `games`.

    Samples answers at `rollout.temperature`, from the whole distribution: training compares log-probs at this
    temperature. `left_out`: unplayable pairs. Raises `InputError` for prompts that the model cannot take, or answers
    that cannot train.
    """
    artifact.manifest_of(games, "make-games")
    if recipe.rollout.temperature == 0:
        raise InputError("rollout.temperature is 0, so answers would not be samples from the model; raise it")
    place = place_of(model or recipe.model.path)
    inputs: dict[str, str | Path] = {"games": games, "model": place, **prompt_files(recipe), "texts": texts_of(recipe)}

    def make(work: Path) -> Outcome:
        pairs = pairs_of(games, "train", left_out)
        if pairs.is_empty():
            raise InputError(f"{games}: has no pairs in the split 'train'; make more")
        prompts, version = draw_prompts(recipe, pairs), version_of(place)
        with ExitStack() as stack:
            if engine is None:
                check_models(recipe, [place])
            live = engine or stack.enter_context(open_engine(recipe))
            live.load(POLICY, place, version)
            answers = _ask(prompts, recipe, games, live)
        rows = [_row(*each, version, recipe) for each in zip(prompts, answers, strict=True)]
        tables.write(tables.from_rows(rows, tables.OUTSIDE), work / TABLE, tables.OUTSIDE)
        return Outcome(_counts(rows, version), _warnings(recipe, prompts))

    return artifact.produce(
        out,
        stage="outside",
        settings=recipe.settings("model", "rollout", "outside"),
        inputs=inputs,
        make=make,
        overwrite=overwrite,
    )


def _ask(prompts: Sequence[OutsidePrompt], recipe: Recipe, games: Path, engine: Engine) -> list[Completion]:
    hashes = picture_hashes(games)
    asks = [
        Ask(
            prompt.id,
            prompt.messages,
            [] if prompt.picture is None else [Picture(games, prompt.picture, hashes[prompt.picture])],
        )
        for prompt in prompts
    ]
    sampling = Sampling(recipe.rollout.temperature, 1.0, recipe.outside.max_tokens, 0, 1.0)
    found = ask_all(asks, POLICY, recipe, engine, sampling, title="prompts outside the game", purpose=_SEEDS)
    answers = [answer for (answer,) in found]
    if any(answer.prompt_sha256 is None or not answer.token_ids for answer in answers):
        raise InputError(
            "the server returned no token ids, so these answers cannot train; use rollout.engine vllm or transformers, "
            "or a server that returns them (rollout.server.token_ids=require)"
        )
    return answers


def _row(prompt: OutsidePrompt, answer: Completion, version: str, recipe: Recipe) -> dict[str, object]:
    return {
        "prompt_id": prompt.id,
        "kind": prompt.kind,
        "policy_version": version,
        "prompt": prompt.messages,
        "images": [] if prompt.picture is None else [prompt.picture],
        "prompt_tokens": answer.prompt_tokens,
        "prompt_sha256": answer.prompt_sha256,
        "completion": answer.text,
        "completion_ids": answer.token_ids,
        "completion_logprobs": answer.logprobs,
        "finish_reason": answer.finish_reason,
        "seed": derive(recipe.seed, _SEEDS, prompt.id),
        "sampler": answer.sampler,
    }


def _counts(rows: Sequence[dict[str, Any]], version: str) -> dict[str, Any]:
    return {
        "answers": len(rows),
        "questions": sum(row["kind"] == "question" for row in rows),
        "texts": sum(row["kind"] == "text" for row in rows),
        "with_picture": sum(bool(row["images"]) for row in rows),
        "tokens": sum(len(row["completion_ids"]) for row in rows),
        "truncated": sum(row["finish_reason"] == "length" for row in rows) / len(rows),
        "policy_version": version,
    }


def _warnings(recipe: Recipe, prompts: Sequence[OutsidePrompt]) -> list[str]:
    wanted = round(recipe.outside.prompts * recipe.outside.questions)
    found = sum(prompt.kind == "question" for prompt in prompts)
    if found == wanted:
        return []
    return [f"the training pictures allow only {found} of {wanted} questions; the other prompts are texts"]
