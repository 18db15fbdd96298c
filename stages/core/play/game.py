"""A game from first clue to last vote, and many of them at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from stages.core.engines.base import Completion, Engine, Request, Sampling
from stages.core.engines.together import together
from stages.core.game.prompting import render_prompt
from stages.core.game.quoting import one_line
from stages.core.game.readers import UNREADABLE_CLUE, read_clue, read_thoughts, read_vote
from stages.core.game.rules import Clue, Deal, Role, Transcript, Turn, next_turns
from stages.core.game.subject import Subject
from stages.core.game.thinking import Tags, read_answer
from stages.core.pictures import Picture, blank_ref, picture_of
from stages.core.recipe import Recipe
from stages.core.recipe.game import Game as GameRules
from stages.core.recipe.rollout import Rollout, Seats
from stages.core.seeds import derive

Row = dict[str, Any]
OnFinished = Callable[[int, list[Row]], None]


@dataclass(frozen=True)
class Table:
    """A game with what is needed to play it: its place in the order, its pictures and who plays."""

    place: int
    deal: Deal
    subject: Subject
    civilians_view: Picture
    spy_view: Picture
    seats: Seats

    def policy(self, role: Role) -> str:
        return str(getattr(self.seats, role))

    def picture(self, role: Role) -> Picture:
        return self.spy_view if role == "spy" else self.civilians_view


@dataclass(frozen=True)
class Rules:
    """What all games of a run share."""

    game: GameRules
    rollout: Rollout
    tags: Sequence[Tags]  # that mark private thought


def policies(recipe: Recipe, seats: Collection[Seats] = ()) -> list[str]:
    """The policies that play on `seats` (default: the recipe's), each once; the analyst's only where it votes."""
    voter = "analyst" if recipe.game.voters == "analyst" else "civilian"
    roles = ("civilian", "spy", voter)
    return sorted({str(getattr(who, role)) for who in seats or [recipe.rollout.seats] for role in roles})


def set_table(place: int, deal: Deal, pair: Row, folder: Path, seats: Seats) -> Table:
    """A dealt game with the pictures of its pair (a row of `pairs.parquet` in `folder`) and who plays it."""
    original = picture_of(folder, pair, "original")
    spy = picture_of(folder, pair, "modified")
    assert original is not None
    if deal.spy_view == "blank":
        spy = Picture(folder, blank_ref(*original.size()), None)
    assert spy is not None  # `choose_split` refuses a game without the picture that it needs
    return Table(place, deal, Subject.of(pair), original, spy, seats)


async def play_game(table: Table, rules: Rules, engine: Engine) -> list[Row]:
    """Play one game: clues in seat order, then all votes. Returns its rows, in key order."""
    transcript = Transcript()
    rows: list[Row] = []
    while True:
        turns = next_turns(table.deal, rules.game, transcript)
        if turns[0].phase == "decision":
            votes = await together(_ask(table, turn, transcript, rules, engine) for turn in turns)
            return rows + [row for cast in votes for row in cast]
        (row,) = await _ask(table, turns[0], transcript, rules, engine)
        rows.append(row)
        transcript.clues.append(_heard(turns[0], row, rules))


async def play_games(
    places: Sequence[int],
    set_up: Callable[[int], Table],
    rules: Rules,
    engine: Engine,
    on_finished: OnFinished,
    *,
    deterministic: bool,
) -> None:
    """Play the games at `places` in the whole deal, `rollout.concurrent_games` at once on each lane of the engine.

    `set_up(place)` is asked for a game when it begins, so that games that wait take no memory, and
    `on_finished(place, rows)` is called game by game. Deterministic: games go in fixed blocks of that size, so
    that what is batched together does not depend on which games were finished before a kill, and a block's games are
    reported together, in order. Otherwise a new game starts as soon as one ends.
    """
    size = rules.rollout.concurrent_games

    def of_lane(lane: int) -> Iterator[int]:
        return (place for place in places if engine.lane(place) == lane)

    async def play_blocks(waiting: Iterator[int]) -> None:
        for block in blocks(waiting, size):
            played = await together(play_game(set_up(place), rules, engine) for place in block)
            for place, rows in zip(block, played, strict=True):
                on_finished(place, rows)

    async def chair(waiting: Iterator[int]) -> None:
        for place in waiting:
            on_finished(place, await play_game(set_up(place), rules, engine))

    try:
        async with asyncio.TaskGroup() as room:
            for lane in range(engine.lanes):
                waiting = of_lane(lane)
                if deterministic:
                    room.create_task(play_blocks(waiting))
                else:
                    for _ in range(min(size, len(places))):
                        room.create_task(chair(waiting))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None  # the first says why; what fails beside it fails for the same reason


def blocks(places: Iterable[int], size: int) -> Iterator[list[int]]:
    """Places block by block, `size` places of the whole deal each; those that are finished are simply absent."""
    return (list(block) for _, block in groupby(places, key=lambda place: place // size))


async def _ask(table: Table, turn: Turn, transcript: Transcript, rules: Rules, engine: Engine) -> list[Row]:
    prompt = render_prompt(table.deal, table.subject, rules.game, turn, transcript)
    picture = table.picture(turn.role)
    request = Request(
        order=(table.place, turn.index),
        messages=prompt,
        pictures=[picture],
        n=turn.samples,
        seed=derive(table.deal.seed, turn.index),
        sampling=Sampling.of(rules.rollout, turn.phase),
        policy=table.policy(turn.role),
        about=f"game '{table.deal.game_id}' (pair '{table.deal.pair_id}')",
    )
    completions = await engine.generate(request)
    version = engine.version(request.policy)
    return [
        _row(table, turn, request, version, sample, completion, rules) for sample, completion in enumerate(completions)
    ]


def _row(
    table: Table, turn: Turn, request: Request, version: str, sample: int, completion: Completion, rules: Rules
) -> Row:
    clue = vote = kind = None
    answer = read_answer(completion.text, rules.tags)
    if turn.phase == "clue":
        clue = read_clue(answer.said, rules.game.clue_chars, completion.truncated) or UNREADABLE_CLUE
    else:
        read = read_vote(answer.said, table.deal.players, completion.truncated)
        vote, kind = read.seat, read.kind
    return {
        "game_id": table.deal.game_id,
        "turn": turn.index,
        "sample": sample,
        "phase": turn.phase,
        "clue_round": turn.clue_round,
        "player": turn.player,
        "role": turn.role,
        "policy": request.policy,
        "policy_version": version,
        "prompt": request.messages,
        "images": [picture.ref for picture in request.pictures],
        "prompt_tokens": completion.prompt_tokens,
        "prompt_sha256": completion.prompt_sha256,
        "completion": completion.text.encode(errors="replace").decode(),  # a server may send halves of characters
        "completion_ids": completion.token_ids,
        "completion_logprobs": completion.logprobs,
        "finish_reason": completion.finish_reason,
        "thought": answer.state,
        "clue": clue,
        "vote": vote,
        "vote_kind": kind,
        "seed": request.seed + sample,
        "sampler": completion.sampler,
    }


def _heard(turn: Turn, row: Row, rules: Rules) -> Clue:
    assert turn.player is not None and turn.clue_round is not None  # clue turns have both
    if not rules.game.own_thoughts:
        return Clue(turn.player, turn.clue_round, row["clue"], "")
    answer = read_answer(row["completion"], rules.tags)
    thoughts = f"{one_line(answer.thought)} {read_thoughts(answer.said, row['finish_reason'] == 'length')}".strip()
    return Clue(turn.player, turn.clue_round, row["clue"], thoughts)
