"""Finds unplayable pairs from picture sizes and the policies' processors, before any weights are loaded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from stages.core import tables
from stages.core.errors import InputError
from stages.core.folder.content import MANIFEST
from stages.core.folder.files import read_json
from stages.core.folder.manifest import read_manifest
from stages.core.game.prompting import Message, render_prompt
from stages.core.game.rules import Clue, Deal, next_turns
from stages.core.game.subject import Subject
from stages.core.pictures import Picture, picture_of
from stages.core.progress import progress_bar
from stages.core.recipe import Recipe
from stages.core.recipe.served import is_served

if TYPE_CHECKING:
    from stages.core.vlm.prompts import PromptLengths

LIST = "unplayable.parquet"
NAMED = 5  # pairs that a message names
Row = dict[str, Any]


def pairs_of(games: Path, split: str, left_out: Collection[str] = ()) -> pl.DataFrame:
    """The pairs (`tables.PAIRS`) of a split that are not left out."""
    pairs = tables.read(games / "pairs.parquet", tables.PAIRS)
    return pairs.filter(pl.col("split") == split, ~pl.col("pair_id").is_in(list(left_out)))


def check_spy_view(pairs: pl.DataFrame, view: str) -> None:
    """`InputError` unless every pair (`pair_id`, `modified`) has the picture that the spy needs."""
    without = pairs.filter(pl.col("modified").is_null()) if view == "modified" else pairs.clear()
    for pair in without.head(1).iter_rows(named=True):
        raise InputError(
            f"pair '{pair['pair_id']}' has no modified picture, so the spy can only see a blank one: add "
            "--set game.spy_view=blank, or make the games again with --set game.spy_view=modified"
        )


def foreign(games: Path, pairs: pl.DataFrame, models: Iterable[str | Path]) -> list[str]:
    """A warning if an init-model model will play pictures (`pairs`, with `domain`) unlike those it learned from."""
    played = read_manifest(games)["settings"].get("games", {})
    for model in models:
        manifest = Path(model) / MANIFEST
        taught = read_json(manifest) if manifest.is_file() else {}
        if taught.get("stage") != "init-model":
            continue
        alike = all(played.get(key) == taught["settings"]["games"][key] for key in ("layout", "width", "height"))
        if set(pairs["domain"]) != {"clevr"} or not alike:
            return [
                f"{model}: this model knows only small drawn scenes, because vz init-model made it. On these pictures, "
                "its clues and votes mean nothing; they only show that everything works. Name a pretrained model with "
                "--model"
            ]
    return []


def leave_out(
    folder: Path, recipe: Recipe, games: Path, pairs: pl.DataFrame, models: Iterable[str | Path]
) -> frozenset[str]:
    """The ids of the pairs that the work in `folder` leaves out and lists there; see `find_unplayable`.

    The list is made once, so work that resumes after a kill leaves out the same pairs, even if limits have changed.
    """
    left_out = read_list(folder)
    return write_list(folder, recipe, find_unplayable(recipe, games, pairs, models, left_out), left_out)


def write_list(folder: Path, recipe: Recipe, found: pl.DataFrame, left_out: frozenset[str] | None) -> frozenset[str]:
    """List the `found` pairs in `folder`, unless it already has a list. Returns the ids of all pairs left out."""
    if recipe.rollout.unplayable == "skip" and left_out is None:
        tables.write(found, folder / LIST, tables.UNPLAYABLE)
    return frozenset(found["pair_id"]) | (left_out or frozenset())


def read_list(folder: Path) -> frozenset[str] | None:
    """The ids that this folder left out before; None if it has no list."""
    path = folder / LIST
    return frozenset(tables.read(path, tables.UNPLAYABLE, ["pair_id"])["pair_id"]) if path.is_file() else None


def find_unplayable(
    recipe: Recipe,
    games: Path,
    pairs: pl.DataFrame,
    models: Iterable[str | Path],
    left_out: Collection[str] | None = None,
) -> pl.DataFrame:
    """The `pairs` (columns `PAIR`) that a model cannot play, in the form that `rollout.unplayable: skip` lists.

    `left_out` are the pairs in an earlier list. If the recipe refuses unplayable pairs, if there is an earlier list, or
    if nothing else is left to play, an `InputError` names them.
    """
    checked = pairs.filter(~pl.col("pair_id").is_in(list(left_out or ())))
    found = tables.from_rows(_unplayable(recipe, games, checked, models), tables.UNPLAYABLE)
    if len(found) and (recipe.rollout.unplayable == "refuse" or left_out is not None or len(found) == len(checked)):
        may_skip = left_out is None and recipe.rollout.unplayable == "refuse" and len(found) < len(checked)
        raise InputError(_refusal(recipe, games, found, len(checked), may_skip))
    return found


def warning(left_out: Collection[str], folder: Path) -> list[str]:
    """The warning about left-out pairs."""
    return [f"{len(left_out)} pair(s) cannot be played and are left out: see {folder / LIST}"] if left_out else []


@dataclass(frozen=True)
class LongestPrompt:
    """A role's longest prompt: its messages with one-letter clues, and the tokens that full clues add."""

    role: str
    messages: list[Message]
    clues: int


def longest_prompts(recipe: Recipe, pair: Row) -> Iterator[LongestPrompt]:
    """The longest prompts that a pair's games can have: the last player's clue, as civilian and as spy, and a vote.

    A clue counts as `game.clue_chars` tokens, one per character, or as the longest answer if that is shorter; own
    thoughts count the same way. Only text with more tokens than characters, such as emoji, can exceed this.
    """
    rules, limit = recipe.game, recipe.rollout.longest("clue")
    clue, thoughts = min(limit, rules.clue_chars), min(limit, rules.own_thoughts_chars)
    subject = Subject.of(pair)
    for spy in (1, rules.players):
        deal = Deal("", pair["pair_id"], 0, rules.players, rules.clue_rounds, spy, rules.spy_view, 0)
        said = [Clue(seat, number, "x", "x") for number in range(1, deal.clue_rounds + 1) for seat in deal.seats]
        for clues in (said[:-1], said):
            turn = next_turns(deal, rules, len(clues))[-1]
            own = rules.clue_rounds - 1 if turn.phase == "clue" and rules.own_thoughts else 0
            messages = render_prompt(deal, subject, rules, turn, clues)
            yield LongestPrompt(turn.role, messages, len(clues) * clue + own * thoughts)


def _unplayable(recipe: Recipe, games: Path, pairs: pl.DataFrame, models: Iterable[str | Path]) -> list[Row]:
    """A row for each pair that some model cannot play. Nothing is known about a server's model before it answers."""
    local = sorted({str(model) for model in models if not is_served(model)})
    if not recipe.rollout.reads_prompts_here or not local or pairs.is_empty():
        return []
    from stages.core import vlm
    from stages.core.vlm.prompts import PromptLengths

    lengths = [PromptLengths(vlm.load_processor(model, recipe.model)) for model in local]
    rows, size_of = [], cache(Picture.size)  # several prompts show one picture
    with progress_bar("measuring prompts", len(pairs)) as progress:
        for pair in pairs.iter_rows(named=True):
            faults = [fault for each in lengths for fault in _faults(recipe, games, pair, each, size_of)]
            rows += sorted(faults, key=lambda row: -(row["tokens"] or 0))[:1]
            progress.advance()
    return rows


def _faults(
    recipe: Recipe, games: Path, pair: Row, lengths: PromptLengths, size_of: Callable[[Picture], tuple[int, int]]
) -> Iterator[Row]:
    """A pair's faults for one processor: a picture that it refuses, or prompts that are too long."""
    for prompt in longest_prompts(recipe, pair):
        sees_modified = prompt.role == "spy" and recipe.game.spy_view == "modified"
        picture = picture_of(games, pair, "modified" if sees_modified else "original")
        if picture is None:
            continue  # `check_spy_view` refuses a game that needs it
        row: Row = {"pair_id": pair["pair_id"], "picture": picture.ref, "tokens": None}
        width, height = size_of(picture)
        try:
            shown = lengths.picture(prompt.messages, (width, height))
        except InputError as error:
            yield row | {"reason": "picture refused", "detail": str(error)}
            continue
        text = lengths.text(prompt.messages)
        tokens = text + shown + prompt.clues
        if tokens > recipe.rollout.max_prompt_tokens:
            detail = (
                f"up to {tokens} tokens: {shown} of the picture ({width}×{height} pixels), {text} of the text, "
                f"{prompt.clues} of what players say"
            )
            yield row | {"tokens": tokens, "reason": "prompt too long", "detail": detail}


def _refusal(recipe: Recipe, games: Path, found: pl.DataFrame, checked: int, may_skip: bool) -> str:
    longest_first = found.sort("tokens", descending=True, nulls_last=False)
    lines = [
        f"pair '{row['pair_id']}', picture {row['picture']}: {row['reason']}, {row['detail']}"
        for row in longest_first.head(NAMED).iter_rows(named=True)
    ] + [f"and {len(found) - NAMED} more"] * (len(found) > NAMED)
    remedies = ["make the games again with other pictures"]
    if may_skip:
        remedies.insert(0, "leave these pairs out from the start, with rollout.unplayable=skip")
    if longest := max(found["tokens"].drop_nulls(), default=None):
        limit = recipe.rollout.max_prompt_tokens
        remedies.insert(0, f"set rollout.max_prompt_tokens={longest}, enough for all pairs (it is {limit})")
    return "\n  ".join([f"{games}: {len(found)} of {checked} pairs cannot be played with this model:", *lines]) + (
        f"\nRemedies: {'; '.join(remedies)}"
    )
