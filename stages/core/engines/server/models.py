"""The models on a server, and which of them plays a policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from stages.core.errors import InputError

LONGEST_LIST = 12  # models that a message names


@dataclass(frozen=True)
class Dialect:
    """What a type of server understands beyond the OpenAI protocol."""

    neutral: dict[str, Any] = field(default_factory=dict)
    repetition_penalty: str = "repetition_penalty"


# A field that a request leaves out is not neutral everywhere. vLLM and SGLang take it from the model's
# generation_config.json (Qwen2.5-VL's has a repetition penalty); llama.cpp has its own defaults (top_k 40, min_p 0.05).
# A server that identifies itself gets the values that leave the model's distribution unchanged.
_PENALTIES = {"presence_penalty": 0.0, "frequency_penalty": 0.0}
_LIKE_VLLM = Dialect({"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, **_PENALTIES})
DIALECTS = {
    "vllm": _LIKE_VLLM,
    "sglang": _LIKE_VLLM,
    "llamacpp": Dialect({"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0, **_PENALTIES}, "repeat_penalty"),
}


class Card(BaseModel):
    """A model in a server's list."""

    id: str
    owned_by: str | None = None  # vllm, sglang and llamacpp identify themselves here
    root: str | None = None  # in vLLM: the folder or hub name of its weights

    @property
    def dialect(self) -> Dialect:
        return DIALECTS.get(self.owned_by or "", Dialect())


class _Listing(BaseModel):
    data: list[Card]


_LISTINGS: TypeAdapter[_Listing | list[Card]] = TypeAdapter(_Listing | list[Card])


def read_models(content: bytes) -> list[Card]:
    """The answer to `GET /models`. A few servers send a bare list."""
    found = _LISTINGS.validate_json(content)
    return found if isinstance(found, list) else found.data


def choose_model(url: str, wanted: str | None, place: str, cards: Sequence[Card] | None) -> Card:
    """The model that plays: `wanted`, else the one whose name or weights match `place`, else the only one.

    `cards` is None if the server does not list models. `InputError` names the server's models.
    """
    if cards is None:
        if wanted is None:
            raise InputError(
                f"{url}: does not list its models: set rollout.server.model, or name the model as {url}#<name>"
            )
        return Card(id=wanted)
    known = {card.id: card for card in cards}
    if wanted is not None:
        if wanted not in known:
            raise InputError(f"{url}: has no model '{wanted}'; it has {name_models(cards)}")
        return known[wanted]
    named = [card for card in cards if is_named(card, place)]
    found = named or list(cards)
    if len(found) != 1:
        raise InputError(
            f"{url}: which of its models is '{place}'? It has {name_models(cards)}: set rollout.server.model, "
            f"or name the model as {url}#<name>"
        )
    return found[0]


def is_named(card: Card, place: str) -> bool:
    """Whether a folder or hub name is the model's, according to the server."""
    return place in {card.id, card.root} or Path(place).name == card.id


def name_models(cards: Sequence[Card]) -> str:
    """The models' names, or the first of them."""
    names = [f"'{card.id}'" for card in cards]
    more = f" and {len(names) - LONGEST_LIST} more" if len(names) > LONGEST_LIST else ""
    return (", ".join(names[:LONGEST_LIST]) or "none") + more
