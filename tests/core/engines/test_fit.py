"""What is tried when a model is loaded: that it and its processor fit, and how the engine may compute with them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from stages.core import vlm
from stages.core.engines.base import Completion, Request, Sampling
from stages.core.engines.fit import Fit, check_fit
from stages.core.engines.transformers import TransformersEngine
from stages.core.errors import InputError
from stages.core.folder.files import sha256_file
from stages.core.pictures import Picture
from stages.core.recipe import load
from tests.families.builders import build_gemma3
from tests.families.tiled import build_idefics3

RECIPE = load("tiny", ["model.device=cpu", "model.dtype=float32"])


def parts(folder: Path) -> tuple[Any, Any]:
    return vlm.load_model(folder, RECIPE.model), vlm.load_processor(folder, RECIPE.model)


def test_a_model_and_its_own_processor_fit(random_model: Path):
    assert check_fit(*parts(random_model), "here") == Fit(joins=True, shares=True)


def test_a_processor_with_another_number_of_picture_tokens_is_refused(random_model: Path):
    model, processor = parts(random_model)
    processor.num_additional_image_tokens = 1
    with pytest.raises(InputError, match=r"here: LlavaProcessor and Llava\w+ do not fit .* 10 placeholder.*features"):
        check_fit(model, processor, "here")


def test_left_padding_that_changes_answers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model, processor = parts(build_gemma3(tmp_path / "gemma3"))
    forward = model.model.language_model.forward

    def unmasked(*args: Any, attention_mask: Any = None, **options: Any) -> Any:
        return forward(*args, attention_mask=None, **options)  # as if padding were text

    monkeypatch.setattr(model.model.language_model, "forward", unmasked)
    with pytest.raises(InputError, match=r"here: left padding changes the answers of Gemma3For\w+:.*differs by 0\.\d+"):
        check_fit(model, processor, "here")


def test_a_state_that_cannot_be_split_by_rows_is_noticed(random_model: Path, monkeypatch: pytest.MonkeyPatch):
    from transformers import DynamicCache

    monkeypatch.setattr(DynamicCache, "reorder_cache", lambda *_: None)  # the rows keep other rows' keys
    fit = check_fit(*parts(random_model), "here")
    assert (fit.joins, fit.shares) == (True, False) and "each sample computes its prompt again" in fit.notes[0]


def test_inputs_that_cannot_be_joined_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model, processor = parts(build_idefics3(tmp_path / "idefics3"))
    monkeypatch.setattr(vlm.prompts, "_filled_up", lambda part, shape: part[:, :1])  # one tile a picture
    fit = check_fit(model, processor, "here")
    assert (fit.joins, fit.shares) == (False, True) and "again for every batch" in fit.notes[0]


@pytest.mark.parametrize("fit", [Fit(True, False), Fit(False, True), Fit(False, False)], ids=str)
def test_completions_do_not_depend_on_the_shortcuts(random_model: Path, tmp_path: Path, fit: Fit):
    assert ask(random_model, tmp_path, fit) == ask(random_model, tmp_path, Fit(True, True))


def ask(model: Path, folder: Path, fit: Fit) -> list[list[int]]:
    Image.new("RGB", (72, 72), (200, 40, 90)).save(folder / "p.png")
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=8, min_tokens=0, repetition_penalty=1.0)
    asked = []
    for number in range(3):
        parts = [{"type": "image", "text": None}, {"type": "text", "text": "1 : red cube . " * number + "who"}]
        message = {"role": "user", "content": parts}
        asked.append(
            Request(
                (number, 0),
                [message],
                [Picture(folder, "p.png", sha256_file(folder / "p.png"))],
                3,
                number,
                sampling,
                "current",
            )
        )

    async def together(engine: TransformersEngine) -> list[list[Completion]]:
        return list(await asyncio.gather(*(engine.generate(one) for one in asked)))

    with TransformersEngine(RECIPE) as engine:
        engine.load("current", model, "v")
        engine._policies["current"].fit = fit
        return [one.token_ids for given in engine.run(together(engine)) for one in given]


def test_the_check_is_made_once_for_each_kind_of_model(
    random_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from stages.core.engines import transformers as engine_module

    calls = []

    def tried(model: object, processor: object, place: str) -> Fit:
        calls.append(place)
        return Fit(True, False, ("that costs time",))

    monkeypatch.setattr(engine_module, "check_fit", tried)
    vlm.load_model(random_model, RECIPE.model).save_pretrained(tmp_path)
    vlm.load_processor(random_model, RECIPE.model).save_pretrained(tmp_path)
    with TransformersEngine(RECIPE) as engine:
        engine.load("current", random_model, "v1")
        engine.load("base", tmp_path, "v2")
    assert calls == [str(random_model)]
    assert capsys.readouterr().err.count("that costs time") == 1


def test_half_precision_passes_the_check(random_model: Path):
    recipe = RECIPE.model.model_copy(update={"dtype": "bfloat16"})
    model = vlm.load_model(random_model, recipe)
    assert model.dtype == torch.bfloat16
    assert check_fit(model, vlm.load_processor(random_model, recipe), "here").shares
