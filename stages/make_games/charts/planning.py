"""Plans which tables to draw, how often, and as which kinds of chart."""

from __future__ import annotations

from pathlib import Path

from stages.core.errors import InputError
from stages.core.folder.files import walk
from stages.core.recipe import Recipe
from stages.core.recipe.charts import Kind
from stages.core.recipe.load import shared_folder
from stages.core.seeds import rng
from stages.make_games.charts.chart_pair import NO_SWAP, ChartPair
from stages.make_games.charts.cutting import cut
from stages.make_games.charts.swap import draw_swap
from stages.make_games.charts.tables import read_table
from stages.make_games.pair import Pair, Plan, Skipped, common, safe_id, splits_of

LEAST = (240, 180)  # width and height in pixels; in smaller charts, the words do not fit
TRIES = 6  # parts of a table to try before giving up on a kind
BAD_TABLE = "table skipped"


def plan(recipe: Recipe, path: Path | None) -> Plan:
    """Plans `games.pairs` pairs from a CSV file or a folder of them; without a path, from those in `data/tables`.

    The tables take turns in name order. Pair `chart-<table>-<n>` is the n-th of its table, from 0, and starts with a
    different kind than the one before. All pairs of a table share a split. Tables that make no chart are skipped.
    """
    source = shared_folder("data") / "tables" if path is None else path
    files, bad = _files(source)
    _check_size(recipe)
    kinds: dict[str, tuple[Kind, ...]] = {}
    for name, file in files.items():
        try:
            kinds[name] = _kinds(recipe, name, file)
        except InputError as error:
            bad[name] = str(error)
    if not kinds:
        raise InputError(f"{source}: no table makes a chart; the first: {next(iter(bad.values()))}")
    splits = splits_of(recipe, [_base(name) for name in kinds])
    names = list(kinds)
    pairs: list[Pair] = []
    for number in range(recipe.games.pairs):
        turn, at = divmod(number, len(names))
        name, base = names[at], _base(names[at])
        given = common(recipe, f"{base}-{turn}", f"tables:{source.resolve().name}", "chart", splits[base])
        pairs.append(ChartPair(**given, path=files[name], kinds=rotated(kinds[name], turn)))
    skipped = {_base(name): Skipped(BAD_TABLE, why) for name, why in bad.items()}
    more = len(names) > recipe.games.pairs
    return Plan(
        pairs, {"tables": source}, packages=("matplotlib",), skipped=skipped, more=more, tables=len(kinds) + len(bad)
    )


def rotated(kinds: tuple[Kind, ...], turn: int) -> tuple[Kind, ...]:
    """The kinds, starting with the one whose turn it is."""
    start = turn % len(kinds)
    return kinds[start:] + kinds[:start]


def _check_size(recipe: Recipe) -> None:
    width, height = recipe.games.width, recipe.games.height
    if width < LEAST[0] or height < LEAST[1]:
        raise InputError(
            f"games.width and games.height are {width} and {height}, but the text of a chart needs at least "
            f"{LEAST[0]} by {LEAST[1]} pixels; add --set games.width=480 --set games.height=320"
        )


def _files(source: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """The CSV and TSV files by table name (the path below the folder, joined by `-`), and why others are left out."""
    if source.is_file():
        return {safe_id(source.stem): source}, {}
    if not source.is_dir():
        raise InputError(f"{source}: no such file or folder of tables")
    files: dict[str, Path] = {}
    bad: dict[str, str] = {}
    found = [place / name for place, names in walk(source) for name in names if name.lower().endswith((".csv", ".tsv"))]
    for file in sorted(path for path in found if path.is_file()):
        name = safe_id("-".join(file.relative_to(source).with_suffix("").parts))
        if name in files:
            why = f"{files[name]} would get the same name, '{name}'; rename one of them"
            bad[safe_id(str(file.relative_to(source)))] = f"{file}: {why}"
        else:
            files[name] = file
    if not files:
        raise InputError(f"{source}: holds no file named *.csv or *.tsv")
    return files, bad


def _base(name: str) -> str:
    """The prefix of a table's pair names."""
    return f"chart-{name}"


def _kinds(recipe: Recipe, name: str, file: Path) -> tuple[Kind, ...]:
    """The kinds that fit the table and show a swap, shuffled so that not every table starts with bars."""
    settings = recipe.games.charts
    table = read_table(file, settings)
    fit, some = [], False
    for kind in settings.kinds:
        parts = (cut(table, kind, rng("fits", name, kind, attempt)) for attempt in range(TRIES))
        for part in filter(None, parts):
            some = True
            if recipe.game.spy_view == "blank" or draw_swap(kind, part, settings, False, rng("swaps", name, kind)):
                fit.append(kind)
                break
    if not fit:
        why = NO_SWAP if some else f"lacks the rows, numbers or units for {', '.join(settings.kinds)}"
        raise InputError(f"{file}: {why}")
    return tuple(rng(recipe.seed, "chart kinds", name).sample(fit, len(fit)))
