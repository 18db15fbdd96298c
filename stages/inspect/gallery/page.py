"""The page of cards: what stands at its head, what its filters offer, and the file itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment

from stages.core import pages, tables
from stages.core.folder import artifact
from stages.core.folder.artifact import Report
from stages.core.progress import progress_bar
from stages.inspect.gallery.cards import LONGEST_SIDE, PAGE_BYTES, QUALITY, Card, card
from stages.inspect.pairs import Chosen, look_at, warned

TEMPLATES = Path(__file__).parent / "template"
COMMAND = "vz inspect --gallery"
SKIPPED, COUNTED = 200, 5  # skipped pairs that the page lists; values that its head counts


def make(chosen: Chosen, out: Path) -> Report:
    """Write the page of the chosen pairs. Equal folders give equal bytes.

    `InputError` names a picture that is missing or not the one in the table, or a stranger's file at `out`.
    """
    pages.refuse_foreign(out, COMMAND, "--gallery", "gallery.html")
    pictures = sum(1 + (row["modified"] is not None) for row in chosen.rows)
    shown: list[Card] = []
    equal: list[str] = []
    with progress_bar("reading pairs", len(chosen.rows)) as progress:
        for seen in look_at(chosen):
            shown.append(card(seen, chosen.folder, pictures))
            equal += [str(seen.row["pair_id"])] if seen.looks_equal else []
            progress.advance()
    encoded = sum(one.encoded for pair in shown for one in (pair.original, pair.modified) if one is not None)
    text = _render(chosen, shown, pictures, encoded)
    counts = {"pairs": len(shown), "of": chosen.total, "pictures": pictures, "as_webp": encoded}
    return Report("inspect", out, pages.publish(out, text), {**counts, "bytes": len(text.encode())}, warned(equal), {})


def _render(chosen: Chosen, shown: list[Card], pictures: int, encoded: int) -> str:
    skipped = _skipped(chosen.folder)
    values = {
        "name": chosen.folder.name,
        "facts": _facts(chosen, len(skipped)),
        "share": chosen.share,
        "cards": shown,
        "choices": _choices(shown),
        "encoded": encoded,
        "pictures": pictures,
        "encoding": {"quality": QUALITY, "side": LONGEST_SIDE, "room": f"{PAGE_BYTES // 2**20} MB"},
        "skipped": skipped[:SKIPPED],
        "skipped_more": len(skipped[SKIPPED:]),
    }
    style, script = _file("gallery.css"), _file("gallery.js")
    return pages.fill(_environment(), "gallery.html.j2", values, command=COMMAND, style=style, script=script)


def _facts(chosen: Chosen, skipped: int) -> dict[str, str]:
    """What the head of the page says of the folder."""
    manifest = artifact.manifest_of(chosen.folder)
    pairs = tables.read(chosen.folder / "pairs.parquet", tables.PAIRS, ["domain", "source", "split", "modified"])
    facts = {
        "pairs": f"{chosen.total:,}",
        "domain": _counted(pairs["domain"]),
        "split": _counted(pairs["split"]),
        "source": _counted(pairs["source"]),
        "seed": str(manifest["settings"].get("seed", "–")),
    }
    if pairs["modified"].null_count():
        facts["empty picture for the spy"] = f"{pairs['modified'].null_count():,} of {chosen.total:,}"
    if skipped:
        facts["skipped"] = f"{skipped:,}, listed below"
    return facts


def _counted(values: pl.Series) -> str:
    """Each value with how often it occurs; a single one alone."""
    counts = Counter(str(value) for value in values)
    if len(counts) == 1:
        return next(iter(counts))
    named = [f"{name} {count:,}" for name, count in counts.most_common(COUNTED)]
    return ", ".join([*named, "…"] if len(counts) > COUNTED else named)


def _skipped(folder: Path) -> list[dict[str, Any]]:
    path = folder / "skipped.parquet"
    return tables.read(path, tables.SKIPPED).to_dicts() if path.is_file() else []


def _choices(shown: Sequence[Card]) -> dict[str, list[str]]:
    """What the filters offer: the values that occur, where they differ."""
    values: dict[str, set[str]] = {
        "domain": {pair.pair["domain"] for pair in shown},
        "split": {pair.pair["split"] for pair in shown},
        "source": {pair.pair["source"] for pair in shown},
        "attribute": {name for pair in shown for name in pair.attributes},
        "kind": {pair.kind for pair in shown},
    }
    counts = {len(pair.lines) for pair in shown}
    return {**{name: sorted(found) for name, found in values.items()}, "objects": [str(n) for n in sorted(counts)]}


@cache
def _environment() -> Environment:
    return pages.environment(TEMPLATES, {})


def _file(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
