"""Prompts from a prompt set's templates: by role, by domain, by what differs, and by what the spy sees.

A template makes one user message; `{{ image }}` marks where the picture goes. First comes the text that all prompts of
a game share, then the picture, then the clues, and last what only this turn needs, so that an engine's prefix cache can
reuse the shared beginning. Players' text reaches a template only as lines that `quoting.py` made safe.
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

_IMAGE = "\x00image\x00"  # cannot occur in a clue, since reading removes control characters


@dataclass(frozen=True)
class SafeClue:
    """A clue as templates may show it: `quoted`, in quotation marks, or `text`, which is safe without them."""

    player: int
    clue_round: int
    text: str
    quoted: str

    @classmethod
    @lru_cache(maxsize=4096)
    def of(cls, clue: Clue) -> SafeClue:
        """The safe form of a clue, cached because each later turn shows it."""
        quote = clue.text if clue.text == UNREADABLE_CLUE else quoted(clue.text)
        return cls(clue.player, clue.clue_round, bare(clue.text), quote)


@clock.part("rendering prompts")
def render_prompt(game: Deal, subject: Subject, rules: GameRules, turn: Turn, clues: Sequence[Clue]) -> list[Message]:
    """One user message of text and image parts for a turn. docs/doors/prompts.md lists what a template may use."""
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
    """The template `name` of a prompt set as one user message. Some, such as `question`, are not turns of the game."""
    text = fill(prompt_folder(prompt_set) / f"{name}.j2", **values, image=_IMAGE)
    before, mark, after = text.partition(_IMAGE)
    if not mark or _IMAGE in after:
        raise InputError(f"{prompt_folder(prompt_set)}: each template must contain {{{{ image }}}} exactly once")
    texts = [[{"type": "text", "text": part.strip()}] if part.strip() else [] for part in (before, after)]
    return [{"role": "user", "content": [*texts[0], {"type": "image", "text": None}, *texts[1]]}]


def fill(template: Path, **values: Any) -> str:
    """The text of a template, which runs in a sandbox. `InputError` says what is wrong with the template."""
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
        keep_trailing_newline=True,  # in a template that another one includes
        autoescape=False,
        auto_reload=False,  # a stage keeps the templates that it started with
    )


@cache
def _words(prompt_set: str, domain: str, kind: str | None) -> dict[str, Any]:
    """The words for a domain and a kind of chart in the set's `domains.yaml`; empty for a set without that file."""
    path = prompt_folder(prompt_set) / "domains.yaml"
    if not path.is_file():
        return {}
    words = read_yaml(path)
    known = words.get(domain, {})
    if not isinstance(known, dict) or not isinstance(known.get("kinds", {}), dict):
        raise InputError(f"{path}: '{domain}' and its 'kinds' must contain keys with values (docs/doors/prompts.md)")
    if not known:
        raise InputError(
            f"{path}: has no words for the domain '{domain}', only for {sorted(words)}. Add it there, or make the "
            "games with --set games.domain=…"
        )
    return {**known, **known.get("kinds", {}).get(kind, {})}


def _own_thoughts(rules: GameRules, turn: Turn, clues: Sequence[Clue]) -> list[tuple[int, str]]:
    """The clue round and quoted reasoning of the player's own earlier turns, never another player's."""
    if not rules.own_thoughts:
        return []
    path = prompt_folder(rules.prompts) / "clue.j2"
    if not _mentions_thoughts(path):
        raise InputError(f"{path}: does not show a player's own thoughts; set game.own_thoughts=false")
    own = [clue for clue in clues if clue.player == turn.player and clue.thoughts]
    return [(clue.clue_round, quoted(clue.thoughts[: rules.own_thoughts_chars])) for clue in own]


@cache
def _mentions_thoughts(template: Path) -> bool:
    return "own_thoughts" in template.read_text(encoding="utf-8")
