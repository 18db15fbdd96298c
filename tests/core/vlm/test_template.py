"""A chat template that cannot write vz's prompts is refused when the processor is loaded, with a remedy that works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages import rollout
from stages.core import vlm
from stages.core.errors import InputError
from stages.core.recipe import Recipe, load
from stages.core.recipe.load import parse
from stages.core.recipe.model import Model
from stages.core.vlm.prompts import prompt_text
from stages.core.vlm.template import opened_thought
from tests.core.vlm.processors import IMAGE, PLAIN, TEXT_ONLY, build_processor, saved

WANTS_SYSTEM = "{% if messages[0].role != 'system' %}{{ raise_exception('A system message is needed.') }}{% endif %}"
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('No system message.') }}{% endif %}"
ALTERNATES = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate.') }}{% endif %}{% endfor %}"
)
THINKS = (
    f"{PLAIN}{{% if add_generation_prompt and enable_thinking | default(true) %}}<think>\n"
    "{% elif add_generation_prompt %}<think>\n\n</think>\n\n{% endif %}"
)
TAGS = [("<think>", "</think>")]


def recipe(**fields: Any) -> Model:
    return load("tiny", ["model.device=cpu"]).model.model_copy(update=fields)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (TEXT_ONLY, "is for text only: it leaves out the picture"),
        ("{% for m in messages %}{{ 'USER: ' + m.content }}{% endfor %}", "refuses a prompt of the game"),
        (WANTS_SYSTEM + PLAIN, "refuses a prompt of the game: A system message is needed."),
        (PLAIN.replace("part.text", "part.text[:4]"), "leaves out part of a prompt's text"),
        (PLAIN.replace(IMAGE, ""), "is for text only"),
        ("{% for %}", "refuses a prompt of the game"),
    ],
)
def test_a_template_that_cannot_write_prompts_is_refused_and_the_remedy_works(template: str, said: str, tmp_path: Path):
    place = saved(build_processor(template), tmp_path / "model")
    with pytest.raises(InputError, match=f"{place}: its chat template {said}.* set model.chat_template to a file"):
        vlm.load_processor(place, recipe())
    remedy = tmp_path / "template.jinja"
    remedy.write_text(PLAIN)
    processor = vlm.load_processor(place, recipe(chat_template=str(remedy)))
    said_now = prompt_text(processor, [{"role": "user", "content": [{"type": "image", "text": None}]}])
    assert said_now.startswith(f"USER:{IMAGE}")


@pytest.mark.parametrize("rule", [NO_SYSTEM, ALTERNATES])
def test_a_strict_template_that_accepts_prompts_works(rule: str, tmp_path: Path):
    vlm.load_processor(saved(build_processor(rule + PLAIN), tmp_path / "model"), recipe())


def test_a_bad_template_of_the_recipe_is_named_by_its_file(tmp_path: Path):
    place = saved(build_processor(), tmp_path / "model")
    (tmp_path / "mine.jinja").write_text(TEXT_ONLY)
    with pytest.raises(InputError, match=r"mine.jinja: this template is for text only"):
        vlm.load_processor(place, recipe(chat_template=str(tmp_path / "mine.jinja")))
    with pytest.raises(InputError, match=r"model.chat_template: .*none.jinja: cannot be read"):
        vlm.load_processor(place, recipe(chat_template=str(tmp_path / "none.jinja")))


def test_a_text_only_template_ends_a_rollout_before_weights_are_loaded_or_anything_is_written(
    random_model: Path, games: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(vlm, "load_model", lambda *_, **__: pytest.fail("weights were loaded"))
    (tmp_path / "mine.jinja").write_text(TEXT_ONLY)
    chosen = [f"model.path={random_model}", "model.device=cpu", f"model.chat_template={tmp_path / 'mine.jinja'}"]
    with pytest.raises(InputError, match="is for text only"):
        rollout.run(load("tiny", [*chosen, "game.clue_rounds=1"]), games, tmp_path / "out", split=None)
    assert not (tmp_path / "out").exists()


def test_options_reach_the_template_and_one_that_it_does_not_use_is_refused(tmp_path: Path):
    place = saved(build_processor(THINKS), tmp_path / "model")
    prompt = [{"role": "user", "content": [{"type": "image", "text": None}]}]
    ends = {}
    for thinks in (True, False):
        processor = vlm.load_processor(place, recipe(chat_template_options={"enable_thinking": thinks}))
        ends[thinks] = prompt_text(processor, prompt).partition("ASSISTANT:")[2]
    assert ends == {True: "<think>\n", False: "<think>\n\n</think>\n\n"}
    with pytest.raises(InputError, match="does not use 'enable_thoughts', .* the template uses .*enable_thinking"):
        vlm.load_processor(place, recipe(chat_template_options={"enable_thoughts": True}))


def test_options_that_vz_sets_are_refused():
    with pytest.raises(InputError, match="'add_generation_prompt' cannot be set here"):
        load("tiny", ["model.chat_template_options={add_generation_prompt: false}"])


def test_template_options_are_part_of_a_results_identity():
    def settings(*overrides: str) -> dict[str, Any]:
        return load("tiny", list(overrides)).settings("model")

    assert settings("model.chat_template_options={enable_thinking: false}") != settings()
    again: Recipe = parse(
        load("tiny", ["model.thinking_tags=[<a>, </a>]"]).model_dump(mode="json", by_alias=True), "job"
    )
    assert again.model.thinking_tags == ("<a>", "</a>")


@pytest.mark.parametrize(
    ("template", "options", "opened"),
    [(PLAIN, {}, ""), (THINKS, {}, "<think>\n"), (THINKS, {"enable_thinking": False}, "")],
)
def test_a_thought_opened_by_the_template_is_detected(
    template: str, options: dict[str, bool], opened: str, tmp_path: Path
):
    place = saved(build_processor(template), tmp_path / "model")
    assert opened_thought(vlm.load_processor(place, recipe(chat_template_options=options)), TAGS) == opened


def test_answers_include_the_opened_thought_and_special_tag_tokens(tmp_path: Path):
    tags = ("<|begin|>", "<|end|>")
    template = PLAIN.replace("ASSISTANT:{% endif", "ASSISTANT:<|begin|>{% endif")
    processor = vlm.load_processor(saved(build_processor(template, more=tags), tmp_path / "model"), recipe())
    ids = processor.tokenizer.convert_tokens_to_ids(["red", "<|end|>", "cube", "</s>"])
    assert vlm.AnswerText(processor, [tags]).of(ids) == "<|begin|>red <|end|> cube"
    assert vlm.AnswerText(processor, TAGS).of(ids) == "red cube"
