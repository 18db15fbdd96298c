"""Games folders of small pictures for the tests of inspect and export: every kind of pair, and hostile texts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image, ImageDraw

from stages.core import tables
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome
from stages.core.game.rules import deal
from stages.core.recipe.game import Game

SIZE = (120, 80)
EVIL = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "\" onmouseover='alert(3)' x=\"",
    "{{ 7 * 7 }} </article>]]> &lt;b&gt; \u2028 \u202e x | ` \n# y",
]

Row = dict[str, Any]


def change(number: int, attribute: str, before: str, after: str) -> Row:
    return {"object": number, "attribute": attribute, "before": before, "after": after}


def squares(*changed: tuple[int, int], size: tuple[int, int] = SIZE, colour: str = "blue") -> Image.Image:
    """Grey, with red squares of 16 pixels at x = 20 and 80, and squares of `colour` around the `changed` centres."""
    picture = Image.new("RGB", size, "#808080")
    draw = ImageDraw.Draw(picture)
    for x, y, fill in [(20, 40, "red"), (80, 40, "red"), *((x, y, colour) for x, y in changed)]:
        draw.rectangle((x - 8, y - 8, x + 7, y + 7), fill=fill)
    return picture


def scene() -> str:
    """A scene of the two squares as CLEVR writes it."""
    about = {"size": "large", "color": "red", "material": "rubber", "shape": "cube"}
    objects = [{**about, "pixel_coords": [x, 40, 9.0]} for x in (20, 80)]
    return json.dumps({"objects": objects})


def table(title: str, labels: Sequence[str]) -> str:
    body = {"kind": "bar", "title": title, "table": {"labels": list(labels), "series": {"Sales": [1.0, 2.0]}}}
    return json.dumps(body)


def pair(name: str, original: Image.Image, modified: Image.Image | None, **more: Any) -> Row:
    """A row for `write_pairs`, with pictures instead of their paths."""
    usual = {"pair_id": name, "domain": "clevr", "changes": [], "scene": None, "source": "drawn", "split": "train"}
    return {**usual, **more, "pictures": (original, modified)}


def all_kinds() -> list[Row]:
    """A pair of every kind."""
    red_to_blue, cube = change(0, "color", "red", "blue"), change(1, "shape", "cube", "sphere")
    return [
        pair("one", squares(), squares((20, 40)), changes=[red_to_blue], scene=scene()),
        pair("two", squares(), squares((20, 40), (80, 40)), changes=[red_to_blue, cube], scene=scene(), split="dev"),
        pair("chart", squares(), squares((80, 40)), domain="chart", source="tables:sales.csv", split="test",
             changes=[change(1, "Sales", "2", "5")], scene=table("Sales", ["2019", "2020"])),
        pair("photo", squares(), squares((50, 20)), domain="photo", source="folder:photos"),
        pair("blank", squares(), None, domain="photo", source="folder:photos"),
        pair("equal", squares(), squares(), changes=[red_to_blue], scene=scene()),
        pair("sizes", squares(), squares(size=(60, 40)), domain="photo", source="folder:photos"),
    ]  # fmt: skip


def evil_pairs() -> list[Row]:
    """A pair for each hostile text, with that text in every field that takes one."""
    return [
        pair(text, squares(), squares((80, 40)), domain="chart", source=text, scene=table(text, ["2019", text]),
             changes=[change(1, text, text, text)])
        for text in EVIL
    ]  # fmt: skip


def write_pairs(folder: Path, pairs: Sequence[Row], skipped: Sequence[Row] = ()) -> Path:
    """Write the folder as make-games does."""

    def make(work: Path) -> Outcome:
        (work / "images").mkdir()
        rows = [_written(row, number, work) for number, row in enumerate(pairs)]
        tables.write(tables.from_rows(rows, tables.PAIRS), work / "pairs.parquet", tables.PAIRS)
        games = [vars(game) for game in deal([row["pair_id"] for row in rows], len(rows), Game(), seed=1, iteration=0)]
        tables.write(tables.from_rows(games, tables.GAMES), work / "games.parquet", tables.GAMES)
        if skipped:
            table = tables.from_rows(list(skipped), tables.SKIPPED)
            tables.write(table, work / "skipped.parquet", tables.SKIPPED)
        reasons = {str(row["reason"]): sum(one["reason"] == row["reason"] for one in skipped) for row in skipped}
        return Outcome({"pairs": len(rows), "skipped": reasons})

    settings = {"seed": 1, "games": {"samples": 4, "denoise": True}, "pairs": [row["pair_id"] for row in pairs]}
    return artifact.produce(folder, stage="make-games", settings=settings, inputs={}, make=make).out


def _written(row: Row, number: int, work: Path) -> Row:
    kept = {name: row[name] for name in ("pair_id", "domain", "changes", "scene", "source", "split")}
    named: Row = {}
    for kind, picture in zip(("original", "modified"), row["pictures"], strict=True):
        path = f"images/{number:03d}_{kind}.png"
        if picture is not None:
            picture.save(work / path)
        named[kind] = None if picture is None else path
        named[f"{kind}_sha256"] = None if picture is None else hashlib.sha256((work / path).read_bytes()).hexdigest()
    return {**kept, **named, "modified_scene": row["scene"], "seed": number}


def replace_in_pairs(folder: Path, **values: pl.Expr) -> None:
    """Replace columns of a folder's pairs behind vz's back."""
    pl.read_parquet(folder / "pairs.parquet").with_columns(**values).write_parquet(folder / "pairs.parquet")
