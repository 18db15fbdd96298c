"""Chooses the games of a run that its page replays, and embeds their pictures in the page."""

from __future__ import annotations

from stages.core import pages, tables
from stages.core.pages.games import Game, Row, read_game, tables_of
from stages.core.pages.run_files import RunFiles
from stages.core.pictures import Picture


def choose(run: RunFiles, count: int) -> list[tuple[int, int]]:
    """(round, number within the round) of `count` games, spread evenly from the first round to the last.

    Leaves out rounds whose rollouts or scores are gone. If there are fewer rounds than `count`, a round gives several
    games.
    """
    numbers = [row["iteration"] for row in run.rounds]
    complete = [number for number in numbers if all(file.is_file() for file in tables_of(run.round_folder(number)))]
    if not complete or not count:
        return []
    spread = [complete[round(place * (len(complete) - 1) / max(1, count - 1))] for place in range(count)]
    return [(number, spread[:place].count(number)) for place, number in enumerate(spread)]


def read_replays(run: RunFiles, count: int) -> list[Game]:
    """The chosen games. `InputError` names a missing picture or table."""
    replays = []
    for number, place in choose(run, count):
        folder = run.round_folder(number)
        deals = tables.read(folder / "rollouts" / "games.parquet", tables.GAMES)
        deals = deals.sort("seed", "game_id")  # seeds are hashes: a random order, the same each time
        if place < len(deals):
            game = read_game(folder, deals.row(place, named=True))
            embedded = {name: [_embedded(one) for one in game[name]] for name in ("civilians_see", "spy_sees")}
            replays.append({**game, **embedded, "round": number})
    return replays


def _embedded(picture: Picture) -> Row:
    """The picture as a data URL. `InputError` if the file is missing, unreadable or another picture."""
    return {"size": picture.load().size, "url": pages.picture_url(picture.file()) if picture.sha256 else None}
