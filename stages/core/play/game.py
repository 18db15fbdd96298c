"""Plays a game from the first clue to the last vote, and many games at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from stages.core.clock import clock
from stages.core.engines.base import Completion, Engine, Request, Sampling
from stages.core.engines.together import together
from stages.core.game.prompting import render_prompt
from stages.core.game.quoting import one_line
from stages.core.game.readers import UNREADABLE_CLUE, read_clue, read_thoughts, read_vote
from stages.core.game.rules import Clue, Deal, Role, Turn, next_turns
from stages.core.game.subject import Subject
from stages.core.game.thinking import read_answer, thinking_tags
from stages.core.pictures import Picture, blank_ref, picture_of
from stages.core.recipe import Recipe
from stages.core.recipe.rollout import Seats
from stages.core.seeds import derive

Row = dict[str, Any]
OnFinished = Callable[[int, list[Row]], None]


@dataclass(frozen=True)
class PreparedGame:
    """A dealt game with all it needs to be played: its number among all dealt games, its pictures and its policies."""

    number: int
    deal: Deal
    subject: Subject
    civilians_picture: Picture
    spy_picture: Picture
    seats: Seats

    def policy(self, role: Role) -> str:
        return str(getattr(self.seats, role))

    def picture(self, role: Role) -> Picture:
        return self.spy_picture if role == "spy" else self.civilians_picture


def prepare(number: int, deal: Deal, pair: Row, folder: Path, seats: Seats) -> PreparedGame:
    """The game `deal` with its pair, a row of `pairs.parquet` in `folder`."""
    original, spy = picture_of(folder, pair, "original"), picture_of(folder, pair, "modified")
    assert original is not None
    if deal.spy_view == "blank":
        spy = Picture(folder, blank_ref(*original.size()), None)
    assert spy is not None  # `choose_split` refuses a game that lacks a picture
    return PreparedGame(number, deal, Subject.of(pair), original, spy, seats)


def policies(recipe: Recipe, seats: Collection[Seats] = ()) -> list[str]:
    """The policies on `seats` (default: the recipe's), each once; the analyst's only if it votes."""
    voter = "analyst" if recipe.game.voters == "analyst" else "civilian"
    roles = ("civilian", "spy", voter)
    return sorted({str(getattr(players, role)) for players in seats or [recipe.rollout.seats] for role in roles})


async def play_game(game: PreparedGame, recipe: Recipe, engine: Engine) -> list[Row]:
    """Play one game: clues in seat order, then all votes. Returns its rows in key order."""
    clues: list[Clue] = []
    rows: list[Row] = []
    while True:
        turns = next_turns(game.deal, recipe.game, len(clues))
        if turns[0].phase == "decision":
            votes = await together(_ask(game, turn, clues, recipe, engine) for turn in turns)
            return rows + [row for cast in votes for row in cast]
        (row,) = await _ask(game, turns[0], clues, recipe, engine)
        rows.append(row)
        clues.append(_clue(turns[0], row, recipe))


async def play_games(
    numbers: Sequence[int],
    prepare_game: Callable[[int], PreparedGame],
    recipe: Recipe,
    engine: Engine,
    on_finished: OnFinished,
) -> None:
    """Play the games with these numbers, `rollout.concurrent_games` at a time on each lane of the engine.

    Calls `prepare_game(number)` when a game begins, so that waiting games take no memory, and `on_finished(number,
    rows)` when it ends; a new game then takes its place. With `deterministic: true`, games are played in fixed blocks
    instead. So the games finished before a kill do not change which requests share a batch, and a block's games are
    reported together, in order.
    """
    size = recipe.rollout.concurrent_games

    async def play_blocks(waiting: Iterator[int]) -> None:
        for block in blocks(waiting, size):
            played = await together(play_game(prepare_game(number), recipe, engine) for number in block)
            for number, rows in zip(block, played, strict=True):
                on_finished(number, rows)

    async def play_in_turn(waiting: Iterator[int]) -> None:
        for number in waiting:
            on_finished(number, await play_game(prepare_game(number), recipe, engine))

    work = []
    for lane in range(engine.lanes):
        waiting = iter([number for number in numbers if engine.lane(number) == lane])
        if recipe.deterministic:
            work.append(play_blocks(waiting))
        else:
            work += [play_in_turn(waiting) for _ in range(min(size, len(numbers)))]
    await together(work)


def blocks(numbers: Iterable[int], size: int) -> Iterator[list[int]]:
    """Game numbers in blocks. A block covers `size` of all dealt games; finished games are simply absent."""
    return (list(block) for _, block in groupby(numbers, key=lambda number: number // size))


async def _ask(game: PreparedGame, turn: Turn, clues: list[Clue], recipe: Recipe, engine: Engine) -> list[Row]:
    request = Request(
        order=(game.number, turn.index),
        messages=render_prompt(game.deal, game.subject, recipe.game, turn, clues),
        pictures=[game.picture(turn.role)],
        n=turn.samples,
        seed=derive(game.deal.seed, turn.index),
        sampling=Sampling.of(recipe.rollout, turn.phase),
        policy=game.policy(turn.role),
        about=f"game '{game.deal.game_id}' (pair '{game.deal.pair_id}')",
    )
    completions = await engine.generate(request)
    common = {
        "game_id": game.deal.game_id,
        "turn": turn.index,
        "phase": turn.phase,
        "clue_round": turn.clue_round,
        "player": turn.player,
        "role": turn.role,
        "policy": request.policy,
        "policy_version": engine.version(request.policy),
        "prompt": request.messages,
        "images": [picture.ref for picture in request.pictures],
    }
    return [
        {**common, "sample": sample, "seed": request.seed + sample, **_answer(game.deal, turn, completion, recipe)}
        for sample, completion in enumerate(completions)
    ]


@clock.part("reading answers")
def _answer(deal: Deal, turn: Turn, completion: Completion, recipe: Recipe) -> Row:
    """A row's columns for a completion and the clue or vote in it."""
    clue = vote = kind = None
    answer = read_answer(completion.text, thinking_tags(recipe.model))
    if turn.phase == "clue":
        clue = read_clue(answer.said, recipe.game.clue_chars, completion.truncated) or UNREADABLE_CLUE
    else:
        read = read_vote(answer.said, deal.players, completion.truncated)
        vote, kind = read.seat, read.kind
    return {
        "prompt_tokens": completion.prompt_tokens,
        "prompt_sha256": completion.prompt_sha256,
        "completion": completion.text.encode(errors="replace").decode(),  # a server may send partial characters
        "completion_ids": completion.token_ids,
        "completion_logprobs": completion.logprobs,
        "finish_reason": completion.finish_reason,
        "thought": answer.state,
        "clue": clue,
        "vote": vote,
        "vote_kind": kind,
        "sampler": completion.sampler,
    }


def _clue(turn: Turn, row: Row, recipe: Recipe) -> Clue:
    """The clue of a row, with the player's reasoning if the player may see it again."""
    assert turn.player is not None and turn.clue_round is not None  # clue turns have both
    thoughts = ""
    if recipe.game.own_thoughts:
        answer = read_answer(row["completion"], thinking_tags(recipe.model))
        said = read_thoughts(answer.said, row["finish_reason"] == "length")
        thoughts = f"{one_line(answer.thought)} {said}".strip()
    return Clue(turn.player, turn.clue_round, row["clue"], thoughts)
