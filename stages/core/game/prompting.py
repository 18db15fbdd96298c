"""Prompts from the templates of a prompt set: by role, by domain, by what differs, and by what the spy sees.

A template gives one user message; `{{ image }}` marks the place of the picture. What all prompts of a game share comes
first, then the picture, then the clues, and last what this turn alone needs: with equal beginnings an engine's prefix
cache helps. What players wrote reaches a template only as lines that `quoting.py` made safe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError

from stages.core.clock import clock
from stages.core.errors import InputError, shortened
from stages.core.game.quoting import bare, quoted
from stages.core.game.readers import UNREADABLE_CLUE
from stages.core.game.rules import Clue, Deal, Turn
from stages.core.game.sandbox import Sandbox, rendered
from stages.core.game.subject import Subject
from stages.core.recipe.game import Game as GameRules
from stages.core.recipe.load import prompt_folder
from stages.core.yaml_text import read_yaml

Message = dict[str, Any]  # {"role": str, "content": [{"type": "text" | "image", "text": str | None}]}

_IMAGE = "\x00image\x00"  # cannot occur in a clue: control characters are removed when it is read


@dataclass(frozen=True)
class SafeClue:
    """A clue as templates may write it: `quoted`, in quotation marks, or `text`, which is safe without them."""

    player: int
    clue_round: int
    text: str
    quoted: str

    @classmethod
    @lru_cache(maxsize=4096)
    def of(cls, clue: Clue) -> SafeClue:
        """Made once, though each later turn shows it."""
        quote = clue.text if clue.text == UNREADABLE_CLUE else quoted(clue.text)
        return cls(clue.player, clue.clue_round, bare(clue.text), quote)


@clock.part("rendering prompts")
def render_prompt(game: Deal, subject: Subject, rules: GameRules, turn: Turn, clues: Sequence[Clue]) -> list[Message]:
    """The messages of one turn: a list with one user message of text and image parts. docs/doors/prompts.md lists what
    a template may use."""
    return render(
        rules.prompts,
        "clue" if turn.phase == "clue" else "vote",
        game=game,
        subject=subject,
        domain=subject.domain,
        words=_words(rules.prompts, subject.domain, subject.kind),
        role=turn.role,
        player=turn.player,
        clue_round=turn.clue_round,
        clues=[SafeClue.of(clue) for clue in clues],
        spy_view=game.spy_view,
        voters=rules.voters,
        own_thoughts=_own_thoughts(rules, turn, clues),
    )


def render(prompt_set: str, name: str, **values: Any) -> list[Message]:
    """The template `name` of a prompt set as one user message. Some are no turn of the game, such as `question`."""
    text = fill(prompt_folder(prompt_set) / f"{name}.j2", **values, image=_IMAGE)
    before, mark, after = text.partition(_IMAGE)
    if not mark or _IMAGE in after:
        raise InputError(f"{prompt_folder(prompt_set)}: each template must hold {{{{ image }}}} exactly once")
    texts = [[{"type": "text", "text": part.strip()}] if part.strip() else [] for part in (before, after)]
    return [{"role": "user", "content": [*texts[0], {"type": "image", "text": None}, *texts[1]]}]


def fill(template: Path, **values: Any) -> str:
    """The text of a template, which runs in a sandbox. `InputError` says what is wrong with it."""
    try:
        return rendered(_environment(template.parent).get_template(template.name), values)
    except Exception as error:  # a template may do anything that an expression can
        kind = "" if isinstance(error, TemplateError) else f"{type(error).__name__}: "
        raise InputError(f"{template}: {kind}{shortened(str(error))} (docs/doors/prompts.md)") from error


@cache
def _environment(folder: Path) -> Sandbox:
    return Sandbox(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,  # of a template that another one includes
        autoescape=False,
        auto_reload=False,  # a stage plays with the templates that it began with
    )


@cache
def _words(prompt_set: str, domain: str, kind: str | None) -> dict[str, Any]:
    """How the set's `domains.yaml` speaks of a domain and of a kind of chart; nothing for a set without that file."""
    path = prompt_folder(prompt_set) / "domains.yaml"
    if not path.is_file():
        return {}
    words = read_yaml(path)
    known = words.get(domain, {})
    if not isinstance(known, dict) or not isinstance(known.get("kinds", {}), dict):
        raise InputError(f"{path}: '{domain}' and its 'kinds' must hold keys with values (docs/doors/prompts.md)")
    if not known:
        raise InputError(
            f"{path}: has no words for the domain '{domain}', only for {sorted(words)}. Add it there, or make the "
            "games with --set games.domain=…"
        )
    return {**known, **known.get("kinds", {}).get(kind, {})}


def _own_thoughts(rules: GameRules, turn: Turn, clues: Sequence[Clue]) -> list[tuple[int, str]]:
    """(clue round, quoted reasoning) of the player's earlier turns; never another player's."""
    if not rules.own_thoughts:
        return []
    path = prompt_folder(rules.prompts) / "clue.j2"
    if not _mentions_thoughts(path):
        raise InputError(f"{path}: has no place for a player's own thoughts; set game.own_thoughts=false")
    own = [clue for clue in clues if clue.player == turn.player and clue.thoughts]
    return [(clue.clue_round, quoted(clue.thoughts[: rules.own_thoughts_chars])) for clue in own]


@cache
def _mentions_thoughts(template: Path) -> bool:
    return "own_thoughts" in template.read_text(encoding="utf-8")
