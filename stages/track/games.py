"""A few games of a round with their pictures, as trackers show them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from stages.core import tables
from stages.core.pages import games as pages
from stages.core.pages.run_files import round_folder
from stages.core.pictures import side_by_side

GAMES = 4  # of a round
GAP = 8  # pixels between two pictures


@dataclass(frozen=True)
class Game:
    """A game. `text` is Markdown: every clue with its reward, and the votes."""

    game_id: str
    spy: int  # seat
    winner: str
    votes: int
    votes_right: int
    civilians_see: Image.Image
    spy_sees: Image.Image
    text: str

    def side_by_side(self) -> Image.Image:
        """The civilians' picture on the left, the spy's on the right."""
        return side_by_side(self.civilians_see, self.spy_sees, GAP)


def read_games(run: Path, number: int) -> list[Game]:
    """A few games of a round, the same ones each time. `InputError` names a missing table or picture."""
    folder = round_folder(run, number)
    deals = tables.read(folder / "rollouts/games.parquet", tables.GAMES).sort("seed", "game_id").head(GAMES)
    found = []
    for deal in deals.iter_rows(named=True):
        game = pages.read_game(folder, deal)
        found.append(
            Game(
                game_id=deal["game_id"],
                spy=deal["spy"],
                winner=game["winner"],
                votes=len(game["votes"]),
                votes_right=sum(vote["vote"] == deal["spy"] for vote in game["votes"]),
                civilians_see=game["civilians_see"][0].load(),
                spy_sees=game["spy_sees"][0].load(),
                text=_text(game),
            )
        )
    return found


def _text(game: pages.Game) -> str:
    lines = [f"**{game['game_id']}** · seat {game['spy']} is the spy", ""]
    for row in game["clues"]:
        spy = " (spy)" if row["role"] == "spy" else ""
        lines.append(f"- seat {row['player']}{spy}: {_plain(row['clue'])} · reward {_figure(row['reward'])}")
    cast = ", ".join(f"{one['name'].replace('Seat', 'seat')} {one['votes']}" for one in game["choices"] if one["votes"])
    return "\n".join([*lines, f"- votes: {cast} · mean reward {_figure(game['vote_reward'])}"])


def _plain(text: str | None) -> str:
    """A clue on one line, with the characters that mean something in Markdown escaped."""
    words = " ".join((text or "–").split())
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>#|!" else sign for sign in words)


def _figure(value: Any) -> str:
    return "–" if value is None else f"{value:+.2f}"
