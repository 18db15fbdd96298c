"""One game for its page: what each seat saw, said and thought, and the votes as arrows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from stages.core.pages.games import KINDS, Game, Row, games_of, read_game, read_pair
from stages.core.pages.run_files import round_folder
from stages.core.pictures import Picture
from stages.view.games import deal_of

PRIVATE = ["prompt", "completion", "thought", "finish_reason", "policy", "policy_version", "prompt_tokens", "seed"]
SCORES = ["baseline", "advantage", "votes_received", "correct"]
SIZE, RADIUS, NODE = 360, 128, 24  # pixels: the side of the drawing, and the radii of the circle of seats and of a seat


@dataclass(frozen=True)
class Arrow:
    """One voter's votes for one seat: a line from edge to edge, and the place of its number."""

    x1: float
    y1: float
    x2: float
    y2: float
    at: tuple[float, float]
    votes: int
    width: float
    right: bool  # for the spy


def game_page(run: Path, number: int, game_id: str) -> Game:
    """Everything about a game. `InputError` names what is missing."""
    deal = deal_of(run, number, game_id)
    folder = round_folder(run, number)
    game = read_game(folder, deal, PRIVATE, SCORES)
    games = games_of(folder)
    pair = read_pair(games, deal["pair_id"])
    for row in (*game["clues"], *game["votes"]):
        row["saw"] = [_shown(one, pair) for one in (Picture(games, ref, None) for ref in row["images"])]
    shown = {name: [_shown(one, pair) for one in game[name]] for name in ("civilians_see", "spy_sees")}
    nodes, arrows = drawn_votes(deal, game["votes"])
    return {**game, **shown, "round": number, "players": deal["players"], "nodes": nodes, "arrows": arrows}


def picture_file(run: Path, number: int, pair_id: str, kind: str) -> Picture | None:
    """A picture of a pair that the round played; None if the pair has no such picture."""
    games = games_of(round_folder(run, number))
    pair = read_pair(games, pair_id)
    return Picture(games, pair[kind], pair[f"{kind}_sha256"]) if kind in KINDS and pair[kind] else None


def _shown(picture: Picture, pair: Row) -> Row:
    """`kind` is the picture's name in its pair; None for an empty picture or one of another pair."""
    kind = next((kind for kind in KINDS if pair[kind] == picture.ref), None)
    return {"kind": kind, "blank": picture.ref.startswith("blank:")}


def drawn_votes(deal: Row, votes: list[Row]) -> tuple[list[Row], list[Arrow]]:
    """The seats on a circle, the analyst in the middle, and an arrow from each voter to each seat it voted for."""
    middle = SIZE / 2
    turn = 2 * math.pi / deal["players"]
    nodes = {
        seat: (middle + RADIUS * math.sin(place * turn), middle - RADIUS * math.cos(place * turn))
        for place, seat in enumerate(range(1, deal["players"] + 1))
    }
    if any(vote["player"] is None for vote in votes):
        nodes[0] = middle, middle
    counts: dict[tuple[int, int], int] = {}
    for vote in votes:
        if vote["vote_kind"] == "seat":
            key = vote["player"] or 0, vote["vote"]
            counts[key] = counts.get(key, 0) + 1
    most = max(counts.values(), default=1)
    arrows = [
        _arrow(nodes[voter], nodes[seat], count, 1.5 + 5 * count / most, seat == deal["spy"])
        for (voter, seat), count in counts.items()
        if voter != seat
    ]
    drawn = [{"seat": seat, "x": x, "y": y, "spy": seat == deal["spy"]} for seat, (x, y) in nodes.items()]
    return drawn, arrows


def _arrow(start: tuple[float, float], end: tuple[float, float], votes: int, width: float, right: bool) -> Arrow:
    """An arrow from edge to edge, a little right of centre, so that opposite votes do not cover each other."""
    x, y = end[0] - start[0], end[1] - start[1]
    length = math.hypot(x, y)
    x, y = x / length, y / length
    side = 7
    x1, y1 = start[0] + x * NODE - y * side, start[1] + y * NODE + x * side
    x2, y2 = end[0] - x * (NODE + 9) - y * side, end[1] - y * (NODE + 9) + x * side
    at = x1 + (x2 - x1) * 0.4 - y * 9, y1 + (y2 - y1) * 0.4 + x * 9
    return Arrow(x1, y1, x2, y2, at, votes, width, right)
