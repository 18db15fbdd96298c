"""The rules of "Who is the spy?": who sits where, and whose turn it is. They are only in this file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from stages.core.recipe.game import Game as GameRules
from stages.core.seeds import derive, rng

Role = Literal["civilian", "spy", "analyst"]
Phase = Literal["clue", "decision"]
ActivePhase = Literal["clue", "decision", "both"]  # what trains in a round


@dataclass(frozen=True)
class Deal:
    """A game before it is played: a pair, and the spy's seat. A row of `games.parquet`."""

    game_id: str
    pair_id: str
    iteration: int
    players: int
    clue_rounds: int
    spy: int  # seat, from 1
    spy_view: str
    seed: int

    def role(self, player: int) -> Role:
        return "spy" if player == self.spy else "civilian"

    @property
    def civilians(self) -> list[int]:
        return [seat for seat in self.seats if seat != self.spy]

    @property
    def seats(self) -> range:
        return range(1, self.players + 1)


@dataclass(frozen=True)
class Turn:
    """One request to a policy: a clue of one seat, or the votes of one voter."""

    index: int  # from 0 within the game; the key of its rows
    phase: Phase
    role: Role
    player: int | None  # seat; None for the analyst
    clue_round: int | None  # from 1; None for votes
    samples: int


@dataclass(frozen=True)
class Clue:
    """What a player said. Only that player may see its `thoughts` again."""

    player: int
    clue_round: int
    text: str
    thoughts: str = ""


def deal(
    pair_ids: Sequence[str], count: int, rules: GameRules, *, seed: int, iteration: int, plays: int = 1
) -> list[Deal]:
    """Draw `count` games. A pair repeats only after all were drawn, and each seat is equally likely to be the spy's.

    With `plays` above 1, each deal is played that many times, each under its own game id. The result depends only on
    `seed`, `iteration` and the set of pairs.
    """
    if not pair_ids:
        return []
    draw = rng(seed, "deal", iteration)
    deck: list[str] = []
    deals = []
    for index in range(count):
        if index % plays == 0:
            if not deck:
                deck = sorted(pair_ids)
                draw.shuffle(deck)
            pair_id, spy = deck.pop(), draw.randint(1, rules.players)
        game_id = f"{pair_id}.i{iteration:04d}.{index:06d}"
        game_seed = derive(seed, game_id)
        deals.append(
            Deal(game_id, pair_id, iteration, rules.players, rules.clue_rounds, spy, rules.spy_view, game_seed)
        )
    return deals


def next_turns(game: Deal, rules: GameRules, said: int) -> list[Turn]:
    """The turns after `said` clues: the next clue, or all votes at once. After the votes, the game is over.

    Players speak in the order of their seats, round by round. The spy never votes.
    """
    if said < game.players * game.clue_rounds:
        player = said % game.players + 1
        return [Turn(said, "clue", game.role(player), player, said // game.players + 1, 1)]
    if rules.voters == "analyst":
        return [Turn(said, "decision", "analyst", None, None, rules.votes)]
    return [
        Turn(said + number, "decision", "civilian", seat, None, rules.votes_per_civilian)
        for number, seat in enumerate(game.civilians)
    ]
