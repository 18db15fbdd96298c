"""Requests to a server, and completions from its answers."""

import base64
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from stages.core.errors import InputError
from stages.core.folder.files import sha256_file
from stages.core.pictures import Picture
from stages.core.vlm import prompt_hash
from tests.core.engines.server.asking import BLANK, ask, engine_for, request
from tests.core.engines.server.chat_server import Call, ChatServer, Reply, as_json, completion, good, models
from tests.helpers import fake_recipe


def with_ids(call: Call) -> Reply:
    return models("played") if call.path.endswith("/models") else as_json(completion(call, ids=True))


def shown(server: ChatServer) -> list[str]:
    """The URLs of the pictures in the last request."""
    content = server.asked()[-1]["messages"][0]["content"]
    return [part["image_url"]["url"] for part in content if part["type"] == "image_url"]


def decoded(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def test_each_sample_is_a_request_with_its_own_seed():
    with ChatServer() as server:
        completions = ask(server, n=3)
    assert sorted(body["seed"] for body in server.asked()) == [70, 71, 72]
    assert not any("n" in body for body in server.asked())
    by_seed = {body["seed"]: body for body in server.asked()}
    texts = [completion(Call("POST", "", {}, json.dumps(by_seed[seed]).encode(), 1)) for seed in (70, 71, 72)]
    assert [made.text for made in completions] == [text["choices"][0]["message"]["content"] for text in texts]


def test_the_sampling_of_the_recipe_is_sent():
    with ChatServer() as server:
        ask(server, temperature=0.7, top_p=0.9, max_tokens=33)
    (body,) = server.asked()
    assert (body["temperature"], body["top_p"], body["max_tokens"], body["model"]) == (0.7, 0.9, 33, "played")
    assert not {"min_tokens", "repetition_penalty", "top_k"} & body.keys()  # no part of the protocol
    with ChatServer() as server:
        ask(server, min_tokens=5, repetition_penalty=1.1)
    assert (server.asked()[0]["min_tokens"], server.asked()[0]["repetition_penalty"]) == (5, 1.1)


@pytest.mark.parametrize(
    ("owner", "extra"),
    [
        ("vllm", {"top_k": -1, "min_p": 0, "repetition_penalty": 1.0}),
        ("sglang", {"top_k": -1, "min_p": 0, "repetition_penalty": 1.0}),
        ("llamacpp", {"top_k": 0, "min_p": 0, "repeat_penalty": 1.0}),
    ],
)
def test_servers_with_their_own_defaults_are_sent_neutral_values(owner: str, extra: dict[str, float]):
    def reply(call: Call) -> Reply:
        return models("played", owner=owner) if call.path.endswith("/models") else good(call)

    with ChatServer(reply) as server:
        ask(server)
    assert {name: server.asked()[0].get(name) for name in extra} == extra


def test_fields_can_be_renamed_added_and_left_out():
    with ChatServer() as server:
        ask(
            server,
            "rollout.server.limit_field=max_completion_tokens",
            "rollout.server.extra_body={top_p: null, user: me}",
        )
    (body,) = server.asked()
    assert (body["max_completion_tokens"], body["user"]) == (9, "me")
    assert not {"max_tokens", "top_p"} & body.keys()


@pytest.mark.parametrize("setting", ["extra_body={seed: 5}", "url=http://me:secret@host/v1", "url=localhost:8000"])
def test_invalid_settings_are_refused(setting: str):
    with ChatServer() as server, pytest.raises(InputError, match=f"rollout.server.{setting.partition('=')[0]}"):
        ask(server, f"rollout.server.{setting}")


def test_text_and_pictures_keep_their_order():
    with ChatServer() as server:
        ask(server, pictures=(BLANK,), text="then")
    kinds = [part["type"] for part in server.asked()[0]["messages"][0]["content"]]
    assert kinds == ["text", "image_url", "text"]
    (url,) = shown(server)
    assert url.startswith("data:image/png;base64,")
    assert decoded(url).size == (4, 3)
    assert decoded(url).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_plain_picture_is_sent_as_the_bytes_of_its_file(tmp_path: Path, kind: str):
    path = tmp_path / f"a.{kind}"
    Image.new("RGB", (5, 5), (1, 2, 3)).save(path)
    with ChatServer() as server:
        ask(server, pictures=(Picture(tmp_path, path.name, sha256_file(path)),))
    (url,) = shown(server)
    assert url.startswith(f"data:image/{kind};base64,")
    assert base64.b64decode(url.partition(",")[2]) == path.read_bytes()


def test_a_transparent_or_rotated_picture_is_sent_as_vz_sees_it(tmp_path: Path):
    turned, clear = Image.new("RGB", (6, 4), (9, 9, 9)), Image.new("RGBA", (4, 4), (200, 0, 0, 0))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    clear.save(tmp_path / "clear.png")
    for name in ("turned.jpg", "clear.png"):
        picture = Picture(tmp_path, name, sha256_file(tmp_path / name))
        with ChatServer() as server:
            ask(server, pictures=(picture,))
        assert list(decoded(shown(server)[0]).get_flattened_data()) == list(picture.load().get_flattened_data())
        assert decoded(shown(server)[0]).mode == "RGB"


def test_a_picture_is_read_once_and_a_changed_file_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.png"
    Image.new("RGB", (5, 5)).save(path)
    picture = Picture(tmp_path, "a.png", sha256_file(path))
    read: list[Picture] = []
    real = Picture.load
    monkeypatch.setattr(Picture, "load", lambda self: read.append(self) or real(self))
    with ChatServer() as server, engine_for(server) as engine:
        for _ in range(3):
            engine.run(engine.generate(request(n=2, pictures=(picture,))))
        assert read == [picture]
        other = Picture(tmp_path, "a.png", "0" * 64)
        with pytest.raises(InputError, match="not the one in pairs.parquet"):
            engine.run(engine.generate(request(pictures=(other,))))


def test_an_answer_without_ids_has_empty_lists():
    with ChatServer() as server:
        (made,) = ask(server)
    assert (made.token_ids, made.logprobs, made.prompt_sha256) == ([], [], None)
    assert made.prompt_tokens == len("look <picture> who")
    assert made.finish_reason == "stop"


def test_an_answer_with_ids_keeps_them_with_the_stop_token():
    with ChatServer(with_ids) as server:
        (made,) = ask(server)
    assert made.token_ids == [*made.text.encode(), 0]
    assert made.logprobs == [-0.5] * len(made.token_ids)
    assert made.prompt_sha256 == prompt_hash(b"look <picture> who")
    assert server.asked()[0]["return_token_ids"] and server.asked()[0]["logprobs"]


def test_ids_of_a_choice_are_read_too():
    def reply(call: Call) -> Reply:
        if call.path.endswith("/models"):
            return models("played", owner="sglang")
        body = completion(call, ids=True)
        body["choices"][0]["prompt_token_ids"] = body.pop("prompt_token_ids")
        return as_json(body)

    with ChatServer(reply) as server:
        assert ask(server)[0].prompt_sha256 == prompt_hash(b"look <picture> who")


def test_unwanted_ids_are_not_requested():
    with ChatServer(with_ids) as server:
        (made,) = ask(server, "rollout.server.token_ids=never")
    assert not {"return_token_ids", "logprobs"} & server.asked()[0].keys()
    assert made.token_ids == []


def test_missing_ids_end_the_stage_if_they_are_required():
    with (
        ChatServer() as server,
        pytest.raises(
            InputError, match="returns no log-probs and no prompt token ids and no token ids.*token_ids=auto"
        ),
    ):
        ask(server, "rollout.server.token_ids=require")


def test_ids_that_do_not_fit_their_logprobs_are_an_error():
    def reply(call: Call) -> Reply:
        if call.path.endswith("/models"):
            return good(call)
        body = completion(call, ids=True)
        body["choices"][0]["token_ids"].pop()
        return as_json(body)

    with ChatServer(reply) as server, pytest.raises(InputError, match="token ids with .* log-probs"):
        ask(server)


def at_temperature(processed: bool):
    """A server whose likeliest token has probability 0.3 at temperature 1. By default vLLM's log-probs are always those."""

    def reply(call: Call) -> Reply:
        if call.path.endswith("/models"):
            return models("played", owner="vllm")
        cold = call.body["temperature"] < 0.1
        return as_json(completion(call, ids=True, logprob=-0.01 if cold and processed else -1.2))

    return reply


@pytest.mark.parametrize(
    ("processed", "temperature", "usable"), [(True, 0.8, True), (False, 0.8, False), (False, 1.0, True)]
)
def test_logprobs_at_another_temperature_are_left_out(processed: bool, temperature: float, usable: bool):
    with ChatServer(at_temperature(processed)) as server, engine_for(server) as engine:
        for _ in range(2):
            (made,) = engine.run(engine.generate(request(temperature=temperature)))
            assert bool(made.token_ids) == usable
        assert len(server.asked()) == (2 if temperature == 1 else 4)  # looked at once
    if not usable:
        with ChatServer(at_temperature(processed)) as server, pytest.raises(InputError, match="--logprobs-mode"):
            ask(server, "rollout.server.token_ids=require", temperature=temperature)


@pytest.mark.parametrize(
    ("message", "reason", "text", "finish"),
    [
        ({"content": "cut"}, "length", "cut", "length"),
        ({"content": None, "reasoning": "hm"}, "length", "<think>hm", "length"),
        ({"content": "red", "reasoning_content": "hm"}, "stop", "<think>hm</think>red", "stop"),
        ({"content": "red", "reasoning_content": None}, "stop", "red", "stop"),
        ({"content": None, "refusal": "I will not"}, "stop", "I will not", "stop"),
        ({"content": None}, "content_filter", "", "stop"),
    ],
)
def test_unusual_answers_become_completions(message: dict[str, str], reason: str, text: str, finish: str):
    def reply(call: Call) -> Reply:
        if call.path.endswith("/models"):
            return good(call)
        return as_json({"choices": [{"message": message, "finish_reason": reason}]})

    with ChatServer(reply) as server:
        (made,) = ask(server)
    assert (made.text, made.finish_reason, made.prompt_tokens) == (text, finish, 0)


def test_options_of_the_chat_template_are_sent_and_can_be_left_out():
    with ChatServer() as server:
        ask(server)
        ask(server, "model.chat_template_options={enable_thinking: false}")
        ask(
            server,
            "model.chat_template_options={enable_thinking: false}",
            "rollout.server.extra_body={chat_template_kwargs: null}",
        )
        sent = [call.body.get("chat_template_kwargs") for call in server.calls if call.path.endswith("/completions")]
    assert sent == [None, {"enable_thinking": False}, None]
    with pytest.raises(InputError, match="the recipe sets 'chat_template_kwargs'"):
        fake_recipe("rollout.server.extra_body={chat_template_kwargs: {enable_thinking: false}}")


def test_a_prompt_beyond_the_limit_is_an_error():
    with (
        ChatServer() as server,
        pytest.raises(
            InputError,
            match="game number 3, turn 1, picture blank:4x3: the prompt has 18 tokens, .*max_prompt_tokens is 16",
        ),
    ):
        ask(server, "rollout.max_prompt_tokens=16")


def test_the_tally_uses_the_servers_own_counts():
    with ChatServer() as server, engine_for(server) as engine:
        completions = engine.run(engine.generate(request(n=2)))
        tally = engine.tally
    assert (tally.completions, tally.tokens_in) == (2, len("look <picture> who"))
    assert tally.tokens_out == sum(len(made.text) + 1 for made in completions)
