"""A small OpenAI-compatible server in a thread: scripted answers, and failures on purpose."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

from stages.core.seeds import rng

STOP = 0  # the token id that ends an answer; the others are the text's bytes


@dataclass(frozen=True)
class Call:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    content: bytes
    attempt: int  # 1 for the first time that these bytes come

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.content)
        return found

    @property
    def prompt(self) -> str:
        return " ".join(part.get("text", "<picture>") for m in self.body["messages"] for part in _parts(m["content"]))


@dataclass(frozen=True)
class Reply:
    status: int = 200
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0  # seconds
    cut: int | None = None  # close the connection after so many bytes of the response
    fault: bool = False


Answer = Callable[[Call], Reply]


def as_json(value: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status, json.dumps(value).encode(), headers)


def error(status: int, words: str, **headers: str) -> Reply:
    return as_json({"error": {"message": words, "type": "error", "code": status}}, status, **headers)


def models(*names: str, owner: str = "somebody") -> Reply:
    return as_json({"object": "list", "data": [{"id": name, "object": "model", "owned_by": owner} for name in names]})


def plausible(prompt: str, seed: int) -> str:
    """A clue or a vote that the prompt and the seed decide."""
    draw = rng("server", prompt, seed)
    if "Find the spy" in prompt or prompt.endswith("who"):
        return draw.choice(["\\boxed{1}", "\\boxed{2}", "\\boxed{3}", "\\boxed{N/A}", "no idea"])
    return f"I look. \\boxed{{a {draw.choice(['red', 'blue'])} {draw.choice(['cube', 'sphere'])}}}"


def completion(call: Call, *, ids: bool = False, logprob: float = -0.5, text: str | None = None) -> dict[str, Any]:
    """A whole answer in vLLM's form."""
    text = plausible(call.prompt, call.body.get("seed", 0)) if text is None else text
    tokens = [*text.encode(), STOP]
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    made = {
        "id": "chat",
        "object": "chat.completion",
        "model": call.body["model"],
        "choices": [choice],
        "usage": {"prompt_tokens": len(call.prompt), "completion_tokens": len(tokens)},
    }
    if ids:
        choice["token_ids"] = tokens
        choice["logprobs"] = {"content": [{"token": "?", "logprob": logprob, "top_logprobs": []} for _ in tokens]}
        made["prompt_token_ids"] = list(call.prompt.encode())
    return made


def good(call: Call) -> Reply:
    """One model, 'played', and whole answers without ids."""
    return models("played") if call.path.endswith("/models") else as_json(completion(call))


def failing(answer: Answer, share: float, seconds: float) -> Answer:
    """`answer`, but each try fails with probability `share` in one of seven ways; slow ones take `seconds`."""

    def reply(call: Call) -> Reply:
        draw = rng("faults", hashlib.sha256(call.content).hexdigest(), call.attempt)
        if draw.random() >= share:
            return answer(call)
        whole = answer(call)
        fault = draw.choice(
            [
                error(429, "slow down", **{"Retry-After": "0"}),
                error(500, "something broke"),
                Reply(content=whole.content, cut=0),
                Reply(content=whole.content, cut=150),
                Reply(content=whole.content, delay=seconds),
                Reply(content=whole.content[: len(whole.content) // 2]),
                as_json({"choices": [], "data": None}),
            ]
        )
        return replace(fault, fault=True)

    return reply


class ChatServer:
    """Serves `answer` on a free port; `calls` are all requests in the order in which they came."""

    def __init__(self, answer: Answer = good) -> None:
        self.answer = answer
        self.calls: list[Call] = []
        self.delivered: Counter[bytes] = Counter()  # answers without a fault, by request
        self._seen: Counter[bytes] = Counter()
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def asked(self) -> list[dict[str, Any]]:
        """The bodies of the chat requests."""
        return [call.body for call in self.calls if call.method == "POST"]

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, limit=2**24, backlog=1000)
        self._port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has gone, or the test is over
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer a request; whether the connection may be used again."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        content = await reader.readexactly(int(headers.get("content-length", 0)))
        self._seen[content] += 1
        call = Call(method, path, headers, content, self._seen[content])
        self.calls.append(call)
        reply = self.answer(call)
        await asyncio.sleep(reply.delay)
        response = _response(reply)
        writer.write(response if reply.cut is None else response[: reply.cut])
        await writer.drain()
        if not reply.fault:
            self.delivered[content] += 1
        return reply.cut is None


def _response(reply: Reply) -> bytes:
    headers = {"Content-Type": "application/json", "Content-Length": str(len(reply.content)), **reply.headers}
    head = f"HTTP/1.1 {reply.status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return head.encode() + b"\r\n" + reply.content


def _parts(content: Any) -> list[dict[str, Any]]:
    return [{"text": content}] if isinstance(content, str) else content
