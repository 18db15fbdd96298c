"""Which of a server's models plays a policy."""

from pathlib import Path

import pytest

from stages.core.engines.server.models import Card, choose_model, name_models, read_models
from stages.core.errors import InputError
from tests.core.engines.server.asking import ask, engine_for, request
from tests.core.engines.server.chat_server import Answer, Call, ChatServer, Reply, as_json, error, good, models


def having(*names: str) -> Answer:
    return lambda call: models(*names) if call.path.endswith("/models") else good(call)


def asked_model(server: ChatServer) -> str:
    return str(server.asked()[-1]["model"])


def test_the_only_model_plays_under_any_name_and_a_note_says_so(capsys: pytest.CaptureFixture[str]):
    with ChatServer(having("served-name")) as server:
        ask(server)
    assert asked_model(server) == "served-name"
    assert "'served-name', answers for owner/policy" in capsys.readouterr().err


def test_a_policy_plays_under_its_own_name(capsys: pytest.CaptureFixture[str]):
    with ChatServer(having("other", "owner/policy")) as server:
        ask(server)
    assert asked_model(server) == "owner/policy"
    assert capsys.readouterr().err == ""


def test_a_folder_plays_under_its_name_or_its_place(tmp_path: Path):
    with ChatServer(having("other", tmp_path.name)) as server:
        ask(server, model=str(tmp_path))
    assert asked_model(server) == tmp_path.name
    cards = [Card(id="a", root="/x"), Card(id="b", root=str(tmp_path))]
    assert choose_model("u", None, str(tmp_path), cards).id == "b"


def test_the_recipe_names_the_model():
    with ChatServer(having("a", "b", "owner/policy")) as server:
        ask(server, "rollout.server.model=b")
    assert asked_model(server) == "b"


def test_an_address_names_the_model():
    with ChatServer(having("a", "b")) as server:
        ask(server, "rollout.server.model=b", model=f"{server.url}#a")
    assert asked_model(server) == "a"


@pytest.mark.parametrize("setting", ["rollout.server.model=qwen-8b", None])
def test_an_unknown_model_is_an_error_that_lists_the_known_ones(setting: str | None):
    with ChatServer(having("qwen-7b", "llama")) as server, pytest.raises(InputError, match="'qwen-7b', 'llama'"):
        ask(server, *([setting] if setting else []))
    assert not server.asked()


def test_of_many_models_the_first_are_named():
    cards = [Card(id=f"model-{number}") for number in range(100)]
    assert name_models(cards).startswith("'model-0', 'model-1'")
    assert name_models(cards).endswith("'model-11' and 88 more")
    assert name_models([]) == "none"


def test_a_server_without_a_list_needs_a_name():
    def reply(call: Call) -> Reply:
        return error(404, "no such route") if call.method == "GET" else good(call)

    with ChatServer(reply) as server:
        ask(server, "rollout.server.model=mine")
        assert asked_model(server) == "mine"
        with pytest.raises(InputError, match="does not list its models: set rollout.server.model"):
            ask(server)


def test_a_bare_list_is_a_list():
    assert [card.id for card in read_models(as_json([{"id": "a", "owned_by": None}]).content)] == ["a"]


def test_one_model_cannot_play_two_policies():
    with ChatServer() as server, engine_for(server) as engine:
        engine.run(engine.generate(request()))
        engine.load("current", "runs/demo/round-0001/checkpoint", "v2")
        with pytest.raises(InputError, match="a server keeps its weights.*rollout.engine vllm or transformers"):
            engine.run(engine.generate(request()))
        engine.load("current", f"{server.url}#played", "v3")  # the user named it
        engine.run(engine.generate(request()))


def test_the_list_is_asked_for_once():
    with ChatServer(having("a", "b")) as server, engine_for(server, model=f"{server.url}#a") as engine:
        engine.run(engine.generate(request()))
        engine.load("current", f"{server.url}#b", "v2")
        engine.run(engine.generate(request()))
        assert [call.method for call in server.calls].count("GET") == 1


def test_a_policy_that_was_not_loaded_is_named():
    with ChatServer() as server, engine_for(server) as engine:
        engine.unload("current")
        with pytest.raises(InputError, match="needs the policy 'current'"):
            engine.run(engine.generate(request()))
