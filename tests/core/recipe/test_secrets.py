"""Recipes hold no secrets, name no code of strangers, and no message shows a secret."""

import pytest

from stages.core.errors import InputError
from stages.core.printing.secret_values import secret_in, shown_without_secrets, without_secrets
from stages.core.recipe.load import load

SECRETS = {
    "rollout.server.extra_body={api_key: abc}": "'api_key' looks like a key",
    "rollout.server.extra_body={headers: {Authorization: Bearer abcdefgh12345}}": "'headers.Authorization'",
    "rollout.server.extra_body={user: sk-proj-abcdefgh12345}": "'user' looks like a key",
    "rollout.vllm.options={hf_token: hf_abcdefghijklmnopqr}": "'hf_token' looks like",
    "model.processor={token: hf_abcdefghijklmnopqr}": "'token' looks like",
    "rollout.server.url=http://user:abcdefgh12345@host/v1": "must not contain a user",
    "rollout.server.url=http://user:abcdefgh/12345@host/v1": "must not contain a user",
    "rollout.server.url=user:abcdefgh12345@host/v1": "must not contain a user",
}
CODE = (
    "rollout.vllm.options={trust_remote_code: true}",
    "rollout.vllm.options={hf_overrides: {auto_map: {AutoConfig: a.B}}}",
    "rollout.vllm.options={worker_extension_cls: a.B}",
    "model.processor={trust_remote_code: true}",
    "model.attention=owner/kernel",
    "model.attention={vision_config: owner/kernel}",
)


@pytest.mark.parametrize("override", SECRETS)
def test_a_secret_in_a_recipe_is_refused_without_showing_it(override: str):
    with pytest.raises(InputError, match=SECRETS[override]) as failed:
        load(overrides=[override])
    assert not any(part in str(failed.value) for part in ("abc", "12345"))


@pytest.mark.parametrize("override", CODE)
def test_a_recipe_cannot_have_a_library_run_code(override: str):
    with pytest.raises(InputError, match="vz does not run|vz does not allow"):
        load(overrides=[override])


def test_options_that_only_look_similar_are_kept():
    load(overrides=["model.processor={image_token: <image>, max_tokens: 3}", "model.attention=flash_attention_2"])
    load(overrides=["rollout.server.extra_body={prompt_cache_key: games, top_k: null}"])
    load(overrides=["rollout.vllm.options={trust_remote_code: false, hf_overrides: {rope_scaling: {type: yarn}}}"])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at https://me:pass@host/v1 now", "at https://…@host/v1 now"),
        ("key sk-abcdefgh12345678 refused", "key … refused"),
        ("Authorization: Bearer abcdefgh.12345", "Authorization: …"),
        ("http://localhost:8000/v1#Qwen/Qwen2.5-VL-7B and desk-ornament", None),
    ],
)
def test_secrets_are_cut_out_of_text(text: str, shown: str | None):
    assert without_secrets(text) == (shown or text)


def test_secrets_are_found_in_nested_data():
    assert secret_in({"a": [{"b": {"password": "x"}}]}) == "a.0.b.password"
    assert secret_in({"password": "", "eos_token": "</s>", "n": 3}) is None
    assert shown_without_secrets({"password": "x", "a": [1, "b"]}) == "{'password': '…', 'a': [1, 'b']}"
