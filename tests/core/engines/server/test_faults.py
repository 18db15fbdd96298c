"""Failures of a server: retried if that may help, else a clear error."""

import asyncio
import time

import httpx2
import pytest

from stages.core.engines.base import Queue
from stages.core.engines.server import ServerEngine
from stages.core.engines.server.advice import own_words
from stages.core.errors import InputError, VzError
from tests.core.engines.server.asking import ask, engine_for, request
from tests.core.engines.server.chat_server import Answer, Call, ChatServer, Reply, as_json, error, good

KEY = "sk-very-secret"


def first_fails(reply: Reply) -> Answer:
    """Each request gets `reply` the first time, and an answer from then on."""
    return lambda call: reply if call.attempt == 1 and call.method == "POST" else good(call)


def always(reply: Reply) -> Answer:
    return lambda call: reply if call.method == "POST" else good(call)


WHOLE = b'{"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}'
UNREADY = {
    "request time-out": error(408, "too slow"),
    "conflict": error(409, "in use"),
    "too many requests": error(429, "slow down"),
    "server error": error(500, "broke"),
    "bad gateway": Reply(502, b"<html>bad gateway</html>"),
    "unavailable": error(503, "loading the model"),
    "cut before": Reply(content=WHOLE, cut=0),
    "cut inside": Reply(content=WHOLE, cut=90),
    "late": Reply(content=WHOLE, delay=1.0),
    "half": Reply(content=WHOLE[:30]),
    "no JSON": Reply(content=b"sorry"),
    "no object": as_json([1, 2]),
    "no choices": as_json({"object": "error"}),
    "empty choices": as_json({"choices": []}),
    "no message": as_json({"choices": [{"finish_reason": "stop"}]}),
    "no content": as_json({"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}),
    "given up": as_json({"choices": [{"message": {"content": "hal"}, "finish_reason": "abort"}]}),
}


@pytest.mark.parametrize("fault", UNREADY)
def test_a_passing_fault_is_retried_with_the_same_request(fault: str):
    with ChatServer() as server:
        (wanted,) = ask(server)
    with ChatServer(first_fails(UNREADY[fault])) as server, engine_for(server, "rollout.server.timeout=0.5") as engine:
        (made,) = engine.run(engine.generate(request()))
        assert engine.tally.retries == 1
    assert made == wanted
    first, second = (call.content for call in server.calls if call.method == "POST")
    assert first == second


def test_the_list_of_models_is_retried_too():
    def reply(call: Call) -> Reply:
        return error(503, "loading") if call.method == "GET" and call.attempt < 3 else good(call)

    with ChatServer(reply) as server, engine_for(server) as engine:
        engine.run(engine.generate(request()))
        assert engine.tally.retries == 2


def test_a_retry_waits_as_long_as_the_server_asks():
    def reply(call: Call) -> Reply:
        return (
            error(429, "later", **{"Retry-After": "0.4"}) if call.attempt == 1 and call.method == "POST" else good(call)
        )

    with ChatServer(reply) as server, engine_for(server) as engine:
        began = time.monotonic()
        engine.run(engine.generate(request()))
        assert 0.4 <= time.monotonic() - began < 5


def test_the_error_after_the_last_try_says_why():
    with ChatServer(always(error(500, "CUDA out of memory"))) as server:
        with pytest.raises(
            VzError,
            match="game number 3, turn 1, picture blank:4x3: no answer in 4 tries; the last error: 500: CUDA out of memory",
        ) as failed:
            ask(server, "rollout.server.attempts=4")
        assert server.url in str(failed.value)
        assert failed.value.exit_code == 1
    assert len(server.asked()) == 4


def test_a_failed_sample_cancels_the_others():
    def reply(call: Call) -> Reply:
        if call.method == "POST" and call.body["seed"] == 71:
            return error(400, "no")
        return good(call) if call.method == "GET" else Reply(content=WHOLE, delay=20)

    began = time.monotonic()
    with ChatServer(reply) as server, pytest.raises(InputError, match="no"):
        ask(server, n=3)
    assert time.monotonic() - began < 10


def test_a_missing_server_is_an_error():
    with ChatServer() as server:
        url = server.url
    gone = ChatServer()
    gone._port = int(url.split(":")[2].removesuffix("/v1"))
    with pytest.raises(VzError, match="nothing answers there .*: start the server, or correct the address"):
        ask(gone)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (
            error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
            "limit_field=max_completion_tokens",
        ),
        (
            error(400, "Unrecognized request argument supplied: return_token_ids"),
            r"sent return_token_ids \(left out by rollout.server.token_ids=never\); to leave out any",
        ),
        (
            as_json({"detail": [{"loc": ["min_tokens"], "msg": "extra inputs"}]}, 422),
            r"sent min_tokens \(left out by rollout.min_clue_tokens=0",
        ),
        (error(400, "seed is too large"), r"min_tokens \(.*extra_body=\{<name>: null\}"),
        (error(404, "no route"), "correct the model's name, or the address"),
        (error(413, "picture too large"), "picture too large \\(413\\)"),
        (Reply(307, b"", {"Location": "https://elsewhere"}), "redirects to https://elsewhere"),
    ],
)
def test_a_refusal_is_not_retried_and_names_a_remedy(reply: Reply, said: str):
    with ChatServer(always(reply)) as server, pytest.raises(InputError, match=said):
        ask(server, min_tokens=3)
    assert len(server.asked()) == 1


def allow(monkeypatch: pytest.MonkeyPatch, server: ChatServer, key: str = KEY) -> None:
    """Let the key in MY_KEY go to `server`."""
    monkeypatch.setenv("MY_KEY", key)
    monkeypatch.setenv("VZ_KEYS", f"OTHER_KEY=models.example.com, MY_KEY={server.url}")


@pytest.mark.parametrize("options", [(), ("rollout.server.key_variable=MY_KEY",)])
def test_the_key_that_the_user_allows_is_sent(options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch):
    with ChatServer() as server:
        allow(monkeypatch, server, f" {KEY}\n")
        ask(server, *options)
    assert {call.headers.get("authorization") for call in server.calls} == {f"Bearer {KEY}"}


@pytest.mark.parametrize("status", [401, 403, 500])
def test_the_key_is_cut_out_of_a_servers_words(status: int, monkeypatch: pytest.MonkeyPatch):
    quoting = ChatServer(lambda call: error(status, f"what is {KEY}?"))
    with quoting, pytest.raises(VzError, match="what is …") as failed:
        allow(monkeypatch, quoting)
        ask(quoting, "rollout.server.attempts=1")
    assert KEY not in str(failed.value)


def test_a_missing_key_is_named_and_the_remedy_works(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    locked = lambda call: good(call) if "authorization" in call.headers else error(401, "who are you?")  # noqa: E731
    with ChatServer(locked) as server:
        with pytest.raises(InputError, match=r"such as MY_KEY, and set VZ_KEYS=") as failed:
            ask(server)
        assert not any("authorization" in call.headers for call in server.calls)
        monkeypatch.setenv("VZ_KEYS", str(failed.value).rpartition("VZ_KEYS=")[2])
        with pytest.raises(InputError, match="put it in the environment variable MY_KEY"):
            ask(server)
        monkeypatch.setenv("MY_KEY", KEY)
        ask(server)


def test_a_recipe_alone_sends_no_variable_to_its_server(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("VZ_KEYS", "MY_KEY=https://models.example.com")
    with ChatServer() as server:
        with pytest.raises(InputError, match="the recipe names MY_KEY, but you have not allowed") as failed:
            ask(server, "rollout.server.key_variable=MY_KEY")
        assert not server.calls and KEY not in str(failed.value)
        monkeypatch.setenv("VZ_KEYS", str(failed.value).rpartition("VZ_KEYS=")[2])  # the remedy works
        ask(server, "rollout.server.key_variable=MY_KEY")


def test_each_server_gets_its_own_key_alone(monkeypatch: pytest.MonkeyPatch):
    with ChatServer() as own, ChatServer() as other:
        allow(monkeypatch, own)
        ask(own, model=f"{other.url}#played")
        assert not any("authorization" in call.headers for call in other.calls)
        monkeypatch.setenv("YOUR_KEY", "sk-of-the-other")
        monkeypatch.setenv("VZ_KEYS", f"MY_KEY={own.url} YOUR_KEY={other.url}")
        ask(own, model=f"{other.url}#played")
        assert other.calls[-1].headers["authorization"] == "Bearer sk-of-the-other"


def test_nothing_that_the_client_finds_in_the_environment_reaches_a_server(monkeypatch: pytest.MonkeyPatch):
    for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID", "WEBHOOK_SECRET"):
        monkeypatch.setenv(f"OPENAI_{name}", "sk-of-the-client")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Secret: sk-of-the-client\nAuthorization: Bearer sk-of-the-client")
    with ChatServer() as server:
        ask(server)
        assert server.calls and not any("sk-" in str(call.headers) for call in server.calls)
        allow(monkeypatch, server)
        ask(server)
    assert not any("sk-of-the-client" in str(call.headers) for call in server.calls)


def test_a_redirect_carries_no_key_away(monkeypatch: pytest.MonkeyPatch):
    with ChatServer() as elsewhere:
        away = Reply(307, b"", {"Location": f"{elsewhere.url}/chat/completions"})
        with ChatServer(always(away)) as server, pytest.raises(InputError, match="redirects to"):
            allow(monkeypatch, server)
            ask(server)
    assert not elsewhere.calls


def test_a_key_with_invalid_characters_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch):
    with ChatServer() as server, pytest.raises(InputError, match="MY_KEY contains characters that no key has"):
        allow(monkeypatch, server, "sk-…")
        ask(server)


@pytest.mark.parametrize("entry", ["sk-very-secret", "MY_KEY=", "MY_KEY=ftp://host", "http://host=sk-very-secret"])
def test_a_wrong_entry_of_allowed_keys_is_refused_without_showing_it(entry: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VZ_KEYS", entry)
    with (
        ChatServer() as server,
        pytest.raises(InputError, match="VZ_KEYS: write entry 1 as") as failed,
    ):
        ask(server)
    assert entry not in str(failed.value)


def test_a_servers_message_is_extracted_and_shortened():
    def words(text: str) -> str:
        return own_words(httpx2.Response(500, text=text))

    assert words('{"error": {"message": "a\\n b"}}') == "a b"
    assert words('{"message": "c"}') == "c"
    assert words('{"detail": "Not Found"}') == "Not Found"
    assert words("<html>" + "x" * 2000) == "<html>" + "x" * 494
    assert words("") == "no message"


def test_the_number_of_requests_at_once_is_limited():
    seen: list[Queue] = []

    async def watch(engine: ServerEngine) -> None:
        asking = asyncio.gather(*(engine.generate(request(text=str(number))) for number in range(12)))
        while not asking.done():
            await asyncio.sleep(0.005)
            seen.append(engine.queue())
        await asking

    late = Reply(content=WHOLE, delay=0.02)
    server = ChatServer(lambda call: late if call.method == "POST" else good(call))
    with server, engine_for(server, "rollout.server.requests=3") as engine:
        engine.run(watch(engine))
    assert max(queue.running for queue in seen) == 3
    assert max(queue.waiting for queue in seen) == 9
    assert seen[-1] == Queue(0, 0)
