"""Which tables are drawn, how often, and as what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.folder.files import walk
from stages.core.recipe import Recipe
from stages.core.recipe.charts import Kind
from stages.core.recipe.load import shared_folder
from stages.core.seeds import rng
from stages.make_games.charts.chart_pair import PACKAGE, BadTable, ChartPair, check_installed
from stages.make_games.charts.parts import fitting
from stages.make_games.charts.tables import ChartTable, read_table
from stages.make_games.pair import Pair, Plan, common, safe_id, splits_of

LEAST = (240, 180)  # width and height in pixels, below which a chart has no room beside its words


def plan(recipe: Recipe, path: Path | None) -> Plan:
    """`games.pairs` pairs from the tables of a CSV file or of a folder, without one from those in `data/tables`.

    The tables, in order of their names, are gone through again and again: pair `chart-<table>-<n>` is the n-th, from
    0, of its table, with a style and a swap of its own, and begins with another kind of chart than the one before.
    All pairs of a table are in one split, so that the tables of dev and test are new. Every table is read here.
    `InputError` names the file, line and column that are off; with `games.charts.bad_tables: skip` those tables come
    first, as pairs that are skipped.
    """
    check_installed()
    source = shared_folder("data") / "tables" if path is None else path
    files = _files(source)
    _check_size(recipe)
    tables, bad = _read(files, source, recipe.games.charts.bad_tables == "skip")
    pairs: list[Pair] = [BadTable(**_common(recipe, name, 0, source), error=error) for name, error in bad.items()]
    splits = splits_of(recipe, [_base(name) for name in tables])
    kinds = {name: _kinds(recipe, name, table) for name, table in tables.items()}
    names = list(tables)
    for number in range(recipe.games.pairs):
        turn, at = divmod(number, len(names))
        name = names[at]
        order = rotated(kinds[name], turn)
        fields = _common(recipe, name, turn, source, splits[_base(name)])
        pairs.append(ChartPair(**fields, table=tables[name], kinds=order))
    return Plan(pairs, {"tables": source}, packages=(PACKAGE,), more=len(names) > recipe.games.pairs)


def rotated(kinds: tuple[Kind, ...], turn: int) -> tuple[Kind, ...]:
    """The kinds, beginning with the one whose turn it is."""
    start = turn % len(kinds) if kinds else 0
    return kinds[start:] + kinds[:start]


def _check_size(recipe: Recipe) -> None:
    width, height = recipe.games.width, recipe.games.height
    if width < LEAST[0] or height < LEAST[1]:
        raise InputError(
            f"games.width and games.height are {width} and {height}, but the words of a chart need at least "
            f"{LEAST[0]} by {LEAST[1]} pixels; add --set games.width=480 --set games.height=320"
        )


def _files(source: Path) -> dict[str, Path]:
    """The CSV files by the tables' names: their paths below the folder, with `-` between its parts."""
    if source.is_file():
        return {safe_id(source.stem): source}
    if not source.is_dir():
        raise InputError(f"{source}: no such file or folder of tables")
    files: dict[str, Path] = {}
    found = [place / name for place, names in walk(source) for name in names if name.lower().endswith(".csv")]
    for file in sorted(path for path in found if path.is_file()):
        name = safe_id("-".join(file.relative_to(source).with_suffix("").parts))
        if name in files:
            raise InputError(f"{file}: {files[name]} would have the same name in the games, '{name}'; rename one")
        files[name] = file
    if not files:
        raise InputError(f"{source}: holds no file named *.csv")
    return files


def _base(name: str) -> str:
    """What the names of all pairs of a table begin with."""
    return f"chart-{name}"


def _read(files: dict[str, Path], source: Path, skip: bool) -> tuple[dict[str, ChartTable], dict[str, str]]:
    """The tables by name; and, where such are skipped, what is wrong with those that cannot be read."""
    tables: dict[str, ChartTable] = {}
    bad: dict[str, str] = {}
    for name, file in files.items():
        try:
            tables[name] = read_table(file)
        except InputError as error:
            if not skip:
                rest = "" if source.is_file() else "; or leave such tables out with games.charts.bad_tables=skip"
                raise InputError(f"{error}{rest}") from error
            bad[name] = str(error)
    if not tables:
        raise InputError(f"{source}: no table can be read; the first: {next(iter(bad.values()))}")
    return tables, bad


def _kinds(recipe: Recipe, name: str, table: ChartTable) -> tuple[Kind, ...]:
    """The kinds that fit the table, in an order drawn for it, so that not all tables begin with bars."""
    fit = fitting(table, recipe.games.charts.kinds)
    return tuple(rng(recipe.seed, "chart kinds", name).sample(fit, len(fit)))


def _common(recipe: Recipe, name: str, turn: int, source: Path, split: str | None = None) -> dict[str, Any]:
    """The fields of every pair. The split is the table's."""
    return common(recipe, f"{_base(name)}-{turn}", f"tables:{source.resolve().name}", "chart", split)
