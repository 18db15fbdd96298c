"""Prompts from the templates of a prompt set: by role, domain, what the pair's change log says, and the spy's view.

A template is rendered to one user message; `{{ image }}` marks where the voter's or player's picture stands. The fixed
part comes first, then the picture, then the transcript, then what this turn alone needs, so that the beginnings of a
game's prompts are equal and an engine's prefix cache hits. What players wrote reaches a template only as lines that
`quoting.py` made safe.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stages.core.errors import InputError
from stages.core.game.quoting import bare, quoted
from stages.core.game.readers import UNREADABLE_CLUE
from stages.core.game.rules import Clue, Deal, Transcript, Turn
from stages.core.game.subject import Subject
from stages.core.recipe.game import Game as GameRules
from stages.core.recipe.load import prompt_folder

Message = dict[str, Any]  # {"role": str, "content": [{"type": "text" | "image", "text": str | None}]}

_IMAGE = "\x00image\x00"  # cannot occur in a clue: control characters are removed when it is read


@cache
def _environment(prompt_set: str) -> Environment:
    loader = FileSystemLoader(prompt_folder(prompt_set))
    return Environment(
        loader=loader,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,  # of a template that another one includes
        autoescape=False,
        auto_reload=False,  # a stage plays with the templates that it began with
    )


@dataclass(frozen=True)
class Heard:
    """A clue as templates may write it: `quoted`, in quotation marks, or as `text`, which is safe without them."""

    player: int
    clue_round: int
    text: str
    quoted: str

    @classmethod
    def of(cls, clue: Clue) -> Heard:
        quote = clue.text if clue.text == UNREADABLE_CLUE else quoted(clue.text)
        return cls(clue.player, clue.clue_round, bare(clue.text), quote)


@cache
def _words(prompt_set: str, domain: str, kind: str | None, spy_view: str) -> dict[str, Any]:
    """How the set's `domains.yaml` speaks of a domain, a kind of chart and an empty picture; a set may do without."""
    path = prompt_folder(prompt_set) / "domains.yaml"
    if not path.is_file():
        return {}
    words = yaml.safe_load(path.read_text(encoding="utf-8"))
    if domain not in words:
        raise InputError(
            f"{path}: has no words for the domain '{domain}', only for {sorted(words)}. Add it there, or make the "
            "games with --set games.domain=…"
        )
    of_kind = words[domain].get("kinds", {}).get(kind, {})
    return {**words[domain], **of_kind, **(words.get("blank", {}) if spy_view == "blank" else {})}


def render_prompt(game: Deal, subject: Subject, rules: GameRules, turn: Turn, transcript: Transcript) -> list[Message]:
    """The messages of one turn: a list with one user message of text and image parts."""
    environment = _environment(rules.prompts)
    if rules.own_thoughts:
        _check_has_place_for_thoughts(rules.prompts)
    template = environment.get_template("clue.j2" if turn.phase == "clue" else "vote.j2")
    text = template.render(
        game=game,
        subject=subject,
        domain=subject.domain,
        words=_words(rules.prompts, subject.domain, subject.kind, game.spy_view),
        role=turn.role,
        player=turn.player,
        clue_round=turn.clue_round,
        clues=[Heard.of(clue) for clue in transcript.clues],
        spy_view=game.spy_view,
        voters=rules.voters,
        own_thoughts=_own_thoughts(rules, turn, transcript),
        image=_IMAGE,
    )
    return [{"role": "user", "content": _parts(text, rules.prompts)}]


def render_aside(prompt_set: str, name: str, **values: Any) -> list[Message]:
    """The messages of a prompt of the set that is no turn of the game, e.g. `question`: one user message."""
    text = _environment(prompt_set).get_template(f"{name}.j2").render(**values, image=_IMAGE)
    return [{"role": "user", "content": _parts(text, prompt_set)}]


@cache
def _check_has_place_for_thoughts(prompt_set: str) -> None:
    path = prompt_folder(prompt_set) / "clue.j2"
    if "own_thoughts" not in path.read_text(encoding="utf-8"):
        raise InputError(f"{path}: has no place for a player's own thoughts; set game.own_thoughts=false")


def _own_thoughts(rules: GameRules, turn: Turn, transcript: Transcript) -> list[tuple[int, str]]:
    """(clue round, quoted reasoning) of the player's earlier turns; never another seat's."""
    if not rules.own_thoughts or turn.player is None:
        return []
    own = [clue for clue in transcript.clues if clue.player == turn.player and clue.thoughts]
    return [(clue.clue_round, quoted(clue.thoughts[: rules.own_thoughts_chars])) for clue in own]


def _parts(text: str, prompt_set: str) -> list[dict[str, str | None]]:
    before, mark, after = text.partition(_IMAGE)
    if not mark or _IMAGE in after:
        raise InputError(f"{prompt_folder(prompt_set)}: each template must hold {{{{ image }}}} exactly once")
    texts: list[dict[str, str | None]] = [{"type": "text", "text": part.strip()} for part in (before, after)]
    parts: list[dict[str, str | None]] = [texts[0], {"type": "image", "text": None}, texts[1]]
    return [part for part in parts if part["type"] == "image" or part["text"]]
