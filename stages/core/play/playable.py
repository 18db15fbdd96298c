"""Which pairs cannot be played: known from pictures' sizes and the policies' processors, before weights are loaded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from stages.core import tables
from stages.core.errors import InputError
from stages.core.game.prompting import Message, render_prompt
from stages.core.game.rules import Clue, Deal, Transcript, Turn, next_turns
from stages.core.game.subject import Subject
from stages.core.pictures import Picture, picture_of
from stages.core.progress import progress_bar
from stages.core.recipe import Recipe
from stages.core.recipe.served import is_served

if TYPE_CHECKING:
    from stages.core.vlm.lengths import PromptLengths

LISTED = "unplayable.parquet"
NAMED = 5  # pairs in a message
Row = dict[str, Any]


@dataclass(frozen=True)
class Longest:
    """A prompt of one role at its longest: the messages around clues of one letter, and the tokens that clues of full
    length add."""

    role: str
    messages: list[Message]
    clues: int


def settle(
    folder: Path, recipe: Recipe, games: Path, pairs: pl.DataFrame, places: Iterable[str | Path]
) -> frozenset[str]:
    """The ids of the pairs to leave out of the work in `folder`, which are listed there; see `find`.

    The list is made once: work that goes on after a kill leaves out the same pairs, whatever the limits are now.
    """
    known = listed(folder)
    return record(folder, recipe, find(recipe, games, pairs, places, known), known)


def record(folder: Path, recipe: Recipe, found: pl.DataFrame, known: frozenset[str] | None) -> frozenset[str]:
    """List in `folder` what `find` found, unless that was done before. Returns the ids of all that are left out."""
    if recipe.rollout.unplayable == "skip" and known is None:
        tables.write(found, folder / LISTED, tables.UNPLAYABLE)
    return frozenset(found["pair_id"]) | (known or frozenset())


def listed(folder: Path) -> frozenset[str] | None:
    """The ids that an earlier call of `settle` left out of this folder; None where it made no list."""
    path = folder / LISTED
    return frozenset(tables.read(path, tables.UNPLAYABLE, ["pair_id"])["pair_id"]) if path.is_file() else None


def find(
    recipe: Recipe,
    games: Path,
    pairs: pl.DataFrame,
    places: Iterable[str | Path],
    known: Collection[str] | None = None,
) -> pl.DataFrame:
    """The pairs that policies at `places` cannot play (`tables.UNPLAYABLE`), for `rollout.unplayable: skip`.

    `pairs` has the columns of `play_folder.PAIR`; those in `known` are left out already. `InputError` names the others
    where the recipe refuses them, where the list was settled before, and where none can be played.
    """
    checked = pairs.filter(~pl.col("pair_id").is_in(list(known or ())))
    found = tables.from_rows(_unplayable(recipe, games, checked, places), tables.UNPLAYABLE)
    if len(found) and (recipe.rollout.unplayable == "refuse" or known is not None or len(found) == len(checked)):
        may_skip = recipe.rollout.unplayable == "refuse" and known is None and len(found) < len(checked)
        raise InputError(_refusal(recipe, games, found, len(checked), may_skip))
    return found


def warning(left_out: Collection[str], folder: Path) -> list[str]:
    """The warning about pairs that are left out."""
    return [f"{len(left_out)} pair(s) cannot be played and are left out: see {folder / LISTED}"] if left_out else []


def longest_prompts(recipe: Recipe, pair: Row) -> Iterator[Longest]:
    """The longest prompts that games on a pair can have: the last seat's clue, as civilian and as spy, and a vote.

    A clue counts as `game.clue_chars` tokens, one a character, or as all tokens that an answer may have, if these are
    fewer; own thoughts likewise. Only scripts that take more tokens than characters, such as emoji, go beyond.
    """
    rules, most = recipe.game, recipe.rollout.longest("clue")
    clue, thoughts = min(most, rules.clue_chars), min(most, rules.own_thoughts_chars)
    subject = Subject.of(pair)
    for spy in (1, rules.players):
        deal = Deal("", pair["pair_id"], 0, rules.players, rules.clue_rounds, spy, rules.spy_view, 0)
        for turn, transcript in _last_turns(deal, recipe):
            own = rules.clue_rounds - 1 if turn.phase == "clue" and rules.own_thoughts else 0
            messages = render_prompt(deal, subject, rules, turn, transcript)
            yield Longest(turn.role, messages, len(transcript.clues) * clue + own * thoughts)


def _last_turns(deal: Deal, recipe: Recipe) -> Iterator[tuple[Turn, Transcript]]:
    """The last clue and the last vote of a game, with what was said before."""
    said = [Clue(seat, number, "x", "x") for number in range(1, deal.clue_rounds + 1) for seat in deal.seats]
    for transcript in (Transcript(said[:-1]), Transcript(said)):
        yield next_turns(deal, recipe.game, transcript)[-1], transcript


def _unplayable(recipe: Recipe, games: Path, pairs: pl.DataFrame, places: Iterable[str | Path]) -> list[Row]:
    """A row for each pair that some policy cannot play. A server tells nothing of its processor before it answers."""
    here = sorted({str(place) for place in places if not is_served(place)})
    if recipe.rollout.engine in ("server", "fake") or not here or pairs.is_empty():
        return []
    from stages.core import vlm
    from stages.core.vlm.lengths import PromptLengths

    lengths = [PromptLengths(vlm.load_processor(place, recipe.model)) for place in here]
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
    """What is wrong with a pair for one processor: pictures that it cannot take, prompts that are too long."""
    limit = recipe.rollout.max_prompt_tokens
    for prompt in longest_prompts(recipe, pair):
        modified = prompt.role == "spy" and recipe.game.spy_view == "modified"
        picture = picture_of(games, pair, "modified" if modified else "original")
        if picture is None:
            continue  # a game that needs this picture is refused where it is dealt
        row: Row = {"pair_id": pair["pair_id"], "picture": picture.ref, "tokens": None}
        width, height = size_of(picture)
        try:
            shown = lengths.picture(prompt.messages, (width, height))
        except InputError as error:
            yield row | {"reason": "picture refused", "detail": str(error)}
            continue
        text = lengths.text(prompt.messages)
        if text + shown + prompt.clues > limit:
            tokens = text + shown + prompt.clues
            detail = (
                f"up to {tokens} tokens: {shown} of the picture ({width}×{height} pixels), {text} of the text, "
                f"{prompt.clues} of what players say"
            )
            yield row | {"tokens": tokens, "reason": "prompt too long", "detail": detail}


def _refusal(recipe: Recipe, games: Path, found: pl.DataFrame, checked: int, may_skip: bool) -> str:
    lines = [
        f"pair '{row['pair_id']}', picture {row['picture']}: {row['reason']}, {row['detail']}"
        for row in found.sort("tokens", descending=True, nulls_last=False).head(NAMED).iter_rows(named=True)
    ]
    if len(found) > NAMED:
        lines.append(f"and {len(found) - NAMED} more")
    remedies = []
    lengths = found["tokens"].drop_nulls().to_list()
    if lengths:
        limit = recipe.rollout.max_prompt_tokens
        remedies.append(
            f"set rollout.max_prompt_tokens={max(lengths)}, enough for all that are too long (it is {limit})"
        )
    if may_skip:
        remedies.append("leave such pairs out from the start, with rollout.unplayable=skip")
    remedies.append("make the games again with other pictures")
    return (
        f"{games}: {len(found)} of {checked} pairs cannot be played with this model:\n  "
        + "\n  ".join(lines)
        + f"\nRemedies: {'; '.join(remedies)}"
    )
