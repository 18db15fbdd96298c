"""Who plays what, game by game: the `seats.parquet` of a deal."""

from pathlib import Path

import pytest

from stages import rollout
from stages.core import tables
from stages.core.errors import InputError
from tests.helpers import fake_recipe


def policies_by_game(folder: Path) -> dict[str, dict[str, str]]:
    rows = tables.read_parts(folder, tables.ROLLOUTS, ["game_id", "role", "policy"]).unique()
    found: dict[str, dict[str, str]] = {}
    for game, role, policy in rows.iter_rows():
        assert role not in found.setdefault(game, {})
        found[game][role] = policy
    return found


def write_seats(deal_folder: Path, seats: list[dict[str, str | None]]) -> None:
    tables.write(tables.from_rows(seats, tables.SEATS), deal_folder / "seats.parquet", tables.SEATS)


def test_a_deals_seats_override_the_recipes(games: Path, tmp_path: Path):
    dealt = tables.read(games / "games.parquet", tables.GAMES)["game_id"].sort().to_list()
    who = [{"game_id": game, "civilian": "current", "spy": f"old-{place % 2}", "analyst": "judge"}
           for place, game in enumerate(dealt)]  # fmt: skip
    write_seats(games, who)
    recipe = fake_recipe("rollout.seats.spy=nobody")
    models = {name: name for name in ("old-0", "old-1", "judge")}
    report = rollout.run(recipe, games, tmp_path / "out", split=None, models=models)
    assert policies_by_game(report.out) == {row.pop("game_id"): row for row in who}
    (games / "seats.parquet").unlink()
    with pytest.raises(InputError, match="nobody: neither an existing folder nor a hub name"):
        rollout.run(recipe, games, tmp_path / "again", split=None)


@pytest.mark.parametrize(("spy", "missing", "message"), [("base", 1, "is not in both"), (None, 0, "a seat is null")])
def test_seats_that_do_not_fit_the_deal_are_refused(games: Path, tmp_path: Path, spy, missing: int, message: str):
    dealt = tables.read(games / "games.parquet", tables.GAMES)["game_id"].to_list()[missing:]
    write_seats(games, [{"game_id": game, "civilian": "current", "spy": spy, "analyst": "current"} for game in dealt])
    with pytest.raises(InputError, match=message):
        rollout.run(fake_recipe(), games, tmp_path / "out")
