"""A page of whole games by lot, with pictures and thoughts, from a folder that holds `rollouts/` and `scored/`.

    python -m tests.learning.printed_games --played runs/english/played --out docs/english-games.md

Pictures go into a folder beside the page that has its name. The page's introduction stays as it is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from PIL import Image

from stages.core import tables
from stages.core.folder.files import write_text
from stages.core.pages.games import Game, Row, read_game
from stages.core.pictures import side_by_side
from stages.core.seeds import rng

BEGIN = "<!-- games -->"  # what follows on the page is written anew
SIDE, GAP = 192, 16  # of a picture, and between two, in pixels


def main(arguments: Sequence[str] | None = None) -> int:
    given = _arguments(arguments)
    deals = tables.read(given.played / "rollouts/games.parquet", tables.GAMES).sort("game_id").to_dicts()
    chosen = rng(given.seed, "printed games").sample(deals, given.number)
    pictures = given.out.with_suffix("")
    pictures.mkdir(exist_ok=True)
    sections = []
    for number, deal in enumerate(chosen, 1):
        game = read_game(given.played, deal, ["completion"])
        picture = pictures / f"{number:02}.png"
        _side_by_side(game).save(picture, optimize=True)
        sections.append(_section(number, game, f"{pictures.name}/{picture.name}"))
    page = given.out.read_text(encoding="utf-8") if given.out.is_file() else "# Games in English\n\n"
    write_text(given.out, "\n\n".join([page.split(BEGIN)[0].rstrip(), BEGIN, *sections]) + "\n")
    print(given.out)
    return 0


def _side_by_side(game: Game) -> Image.Image:
    """What the civilians see, and what the spy sees."""
    left, right = (
        game[name][0].load().resize((SIDE, SIDE), Image.Resampling.LANCZOS) for name in ("civilians_see", "spy_sees")
    )
    return side_by_side(left, right, GAP)


def _section(number: int, game: Game, picture: str) -> str:
    clues = [
        f"| {row['player']}{' (spy)' * (row['role'] == 'spy')} | {_thought(row)} | {row['clue']} |"
        for row in game["clues"]
    ]
    return "\n".join([
        f"## Game {number}: the {_outcome(game)}",
        "",
        f"![left: the civilians' picture; right: the spy's]({picture})",
        "",
        "| seat | thought | clue |",
        "|---|---|---|",
        *clues,
        "",
        *_votes(game["votes"]),
    ])  # fmt: skip


def _thought(row: Row) -> str:
    """What a player says before its answer."""
    return str(row["completion"]).split("\\boxed")[0].strip()


def _outcome(game: Game) -> str:
    against = sum(row["vote"] == game["spy"] for row in game["votes"])
    return f"spy, seat {game['spy']}, gets {against} of {len(game['votes'])} votes"


def _votes(votes: Sequence[Row]) -> list[str]:
    """Different votes with how often they were cast."""
    said = sorted(row["completion"].removesuffix("<|im_end|>").strip() for row in votes)
    return [f"- {f'{len(list(same))} ×'} `{text}`" for text, same in groupby(said)]


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="printed_games", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--played", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--number", type=int, default=20, help="games on the page")
    parser.add_argument("--seed", type=int, default=1, help="of the lot")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
