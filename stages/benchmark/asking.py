"""Presents a policy to lmms-eval as a model: vz's engine answers the questions of a task, block by block."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from lmms_eval.api.instance import GenerationResult, Instance, TokenCounts
from lmms_eval.api.model import lmms
from PIL import Image

from stages.core.engines import Engine, Request, Sampling
from stages.core.engines.together import together
from stages.core.errors import InputError, VzError
from stages.core.folder.files import write_text
from stages.core.game.prompting import Message
from stages.core.pictures import Picture
from stages.core.progress import progress_bar
from stages.core.recipe import Recipe
from stages.core.seeds import derive

DEFAULT_TOKENS = 4096  # lmms-eval's, for tasks that set no limit
ENGINE_NAMES = {"base": "opponent", "model": "current"}  # of policies in the engine: the same as in an evaluation
PLACEHOLDER = "<image>"  # some tasks' texts have it, for models that need it; chat templates write the model's own


@dataclass(frozen=True)
class Shown(Picture):
    """A picture of a question, in memory. Its `ref` is a hash of its pixels."""

    image: Image.Image = field(compare=False, repr=False)

    @classmethod
    def of(cls, image: Image.Image) -> Shown:
        plain = image.convert("RGB")
        digest = hashlib.sha256(f"{plain.size}".encode() + plain.tobytes()).hexdigest()
        return cls(Path(), digest, None, plain)

    def load(self) -> Image.Image:
        return self.image.copy()

    def size(self) -> tuple[int, int]:
        return self.image.size


class Given(NamedTuple):
    """An answer: its text, its length, and whether it was cut off at the maximum length."""

    text: str
    tokens: int
    cut: bool


class Unsupported(VzError):
    """A task asks for something other than answers to text and pictures."""


class Asked(lmms):  # type: ignore[misc]
    """Answers with `policy`, for which `engine_with` returns an engine. The file `journal` has the answers of finished
    blocks, which are not asked again."""

    is_simple = False

    def __init__(self, engine_with: Callable[[str], Engine], policy: str, recipe: Recipe, journal: Path) -> None:
        super().__init__()
        self._engine_with, self._policy, self._recipe, self._journal = engine_with, policy, recipe, journal
        self.given: dict[int, Given] = {}  # by the number of the question in its task
        self.failure: VzError | None = None  # of the engine; lmms-eval may hide it

    def generate_until(self, requests: Sequence[Instance]) -> list[GenerationResult]:
        answers = _read_journal(self._journal)[: len(requests)]
        size, title = self._recipe.rollout.concurrent_games, f"{requests[0].task_name}, {self._policy}"
        with progress_bar(title, len(requests), len(answers)) as progress, self._journal.open("a") as journal:
            for start in range(len(answers), len(requests), size):
                block = requests[start : start + size]
                answers += (given := self._answer(block, start))
                print(*map(json.dumps, given), sep="\n", file=journal, flush=True)
                progress.advance(len(block))
        self.given = {request.doc_id: answer for request, answer in zip(requests, answers, strict=True)}
        return [GenerationResult(answer.text, TokenCounts(output_tokens=answer.tokens)) for answer in answers]

    def _answer(self, block: Sequence[Instance], start: int) -> list[Given]:
        asks = [self._request(one, start + place) for place, one in enumerate(block)]
        try:
            engine = self._engine_with(self._policy)
            answers = engine.run(together(engine.generate(ask) for ask in asks))
        except VzError as error:
            self.failure = error
            raise
        return [Given(answer.text, len(answer.token_ids), answer.truncated) for (answer,) in answers]

    def _request(self, instance: Instance, place: int) -> Request:
        _, to_messages, options, question, task, split = instance.args
        messages, pictures = plain(to_messages(self.task_dict[task][split][question]), f"{task}, question {question}")
        return Request(
            order=(place, 0),
            messages=messages,
            pictures=pictures,
            n=1,
            seed=derive(self._recipe.seed, "benchmark", task, place),
            sampling=sampling(options, self._recipe.benchmark.max_new_tokens),
            policy=ENGINE_NAMES[self._policy],
            about=f"{task}, question {question}",
        )

    def loglikelihood(self, requests: Sequence[Instance]) -> list[Any]:
        raise Unsupported("it asks for log-likelihoods; vz benchmark runs only tasks that ask for an answer")

    def generate_until_multi_round(self, requests: Sequence[Instance]) -> list[Any]:
        raise Unsupported("it asks in several rounds; vz benchmark runs only tasks that ask once")

    def clean(self) -> None:
        """lmms-eval calls this to free a model. The engine stays open."""


def sampling(options: Mapping[str, Any], most: int) -> Sampling:
    """A task's `generation_kwargs` as lmms-eval's chat models read them, with at most `most` tokens. Only the model's
    own stop strings apply."""
    warm = float(options.get("temperature") or 0.0) if options.get("do_sample", True) else 0.0
    return Sampling(
        temperature=warm,
        top_p=float(options.get("top_p") or 1.0) if warm else 1.0,
        max_tokens=min(int(options.get("max_new_tokens") or DEFAULT_TOKENS), most),
        min_tokens=0,
        repetition_penalty=1.0,
    )


def plain(messages: Sequence[Mapping[str, Any]], where: str) -> tuple[list[Message], list[Picture]]:
    """lmms-eval's messages in vz's form, and their pictures in order."""
    pictures: list[Picture] = []
    made: list[Message] = []
    for message in messages:
        parts: list[dict[str, str | None]] = []
        for part in message["content"]:
            if part["type"] == "text":
                parts.append({"type": "text", "text": without_placeholder(part["text"])})
            elif part["type"] == "image":
                pictures.append(Shown.of(_opened(part["url"], where)))
                parts.append({"type": "image", "text": None})
            else:
                raise Unsupported(
                    f"shows {part['type']} ({where}); vz benchmark runs only tasks with pictures and text"
                )
        made.append({"role": message["role"], "content": parts})
    return made, pictures


def without_placeholder(text: str) -> str:
    """A question's text without picture placeholders. With them, the model would see too many."""
    return text.replace(PLACEHOLDER, "").strip() if PLACEHOLDER in text else text


def _opened(source: Any, where: str) -> Image.Image:
    if isinstance(source, Image.Image):
        return source
    try:
        return Image.open(source)
    except (OSError, AttributeError) as error:
        raise InputError(f"{where}: its picture {source!r} cannot be opened: {error}") from error


def _read_journal(path: Path) -> list[Given]:
    """The answers of finished blocks. A kill may leave half a line, which is removed."""
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0] if path.is_file() else ""
    lines = whole.splitlines()
    write_text(path, "".join(f"{line}\n" for line in lines))
    return [Given(*json.loads(line)) for line in lines]
