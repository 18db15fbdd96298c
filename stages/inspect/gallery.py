"""The gallery: the pairs of a games folder on one self-contained page, with filters."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment
from PIL import Image

from stages.core import pages, tables
from stages.core.folder import artifact
from stages.core.folder.artifact import Report
from stages.core.pictures import picture_of
from stages.inspect.pairs import Chosen, Seen, look_at, warnings

TEMPLATES, COMMAND = Path(__file__).parent / "template", "vz inspect --gallery"
EXACT_BYTES = 160_000  # largest picture file to embed as it is; larger ones become WebP copies …
QUALITY, LONGEST_SIDE = 90, 1600  # … of this quality, with at most this many pixels per side
SKIPPED, COUNTED = 200, 5  # most skipped pairs that the page lists; most values that its head counts


@dataclass(frozen=True)
class Shown:
    """A picture on the page, with the size of the picture in its file."""

    url: str
    width: int
    height: int


Card = dict[str, Any]  # a pair, as the template shows it


def make(chosen: Chosen, out: Path) -> Report:
    """Write the page with the chosen pairs. Equal folders give equal bytes.

    `InputError` names a picture that is missing or differs from the one in the table, or a file at `out` that is not a
    gallery.
    """
    pages.refuse_foreign(out, pages.mark_of(COMMAND), "--gallery")
    cards, equal = [], []
    for seen in look_at(chosen):
        cards.append(_card(seen, chosen.folder))
        equal += [str(seen.row["pair_id"])] if seen.looks_equal else []
    path = chosen.folder / "skipped.parquet"
    skipped = tables.read(path, tables.SKIPPED).to_dicts() if path.is_file() else []
    values = {
        "name": chosen.folder.name,
        "facts": _facts(chosen, len(skipped)),
        "share": chosen.share,
        "cards": cards,
        "choices": _choices(cards),
        "exact_bytes": EXACT_BYTES,
        "longest_side": LONGEST_SIDE,
        "skipped": skipped[:SKIPPED],
        "skipped_more": len(skipped[SKIPPED:]),
    }
    data = pages.fill(_templates(), "gallery.html.j2", values, command=COMMAND).encode()
    pictures = sum(1 + (card["modified"] is not None) for card in cards)
    counts = {"pairs": len(cards), "of": chosen.total, "pictures": pictures, "bytes": len(data)}
    return Report("inspect", out, pages.publish(out, data), counts, warnings(equal), {})


@cache
def _templates() -> Environment:
    return pages.environment(TEMPLATES, {})


def _card(seen: Seen, folder: Path) -> Card:
    """`kind` says how the pictures compare; `notes` say what the pictures do not show."""
    return {
        "pair": seen.row,
        "original": _shown(folder, seen.row, "original", seen.original),
        "modified": None if seen.modified is None else _shown(folder, seen.row, "modified", seen.modified),
        "boxes": seen.difference.boxes if seen.difference else [],
        "places": seen.places,
        "lines": seen.lines,
        "kind": "one is empty" if seen.is_empty else "look the same" if seen.looks_equal else "differ",
        "notes": _notes(seen),
        "attributes": sorted({str(change["attribute"]) for change in seen.row["changes"] or ()}),
    }


def _shown(folder: Path, row: Mapping[str, Any], kind: str, picture: Image.Image) -> Shown:
    """The file's own bytes, or a smaller copy of a large file."""
    file = picture_of(folder, row, kind)
    assert file is not None
    data = file.file()
    if len(data) > EXACT_BYTES:
        copy, buffer = picture.copy(), io.BytesIO()
        copy.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        copy.save(buffer, "webp", quality=QUALITY)
        data = min(data, buffer.getvalue(), key=len)
    return Shown(pages.picture_url(data), *picture.size)


def _notes(seen: Seen) -> list[str]:
    if seen.modified is None:
        return []
    if seen.is_empty:
        return ["The modified picture is empty."]
    if seen.looks_equal:
        return ["The two pictures look the same."]
    notes = [] if seen.lines else ["The change log does not say what was changed."]
    if seen.difference is None:
        notes.append("The pictures have different sizes, so the page cannot outline changes.")
    elif count := seen.difference.left_out:
        notes.append(f"Not outlined: {count} more small changed region{'s' if count > 1 else ''}.")
    return notes


def _facts(chosen: Chosen, skipped: int) -> dict[str, str]:
    """What the page's head says about the folder."""
    manifest = artifact.manifest_of(chosen.folder)
    pairs = tables.read(chosen.folder / "pairs.parquet", tables.PAIRS, ["domain", "split", "source", "modified"])
    facts = {"pairs": f"{chosen.total:,}"}
    for name in ("domain", "split", "source"):
        counts = Counter(pairs[name])
        named = [f"{value} ({count:,})" for value, count in counts.most_common(COUNTED)]
        facts[name] = ", ".join([*named, "…"] if len(counts) > COUNTED else named)
    facts["seed"] = str(manifest["settings"].get("seed", "–"))
    if blank := pairs["modified"].null_count():
        facts["empty picture for the spy"] = f"{blank:,}"
    if skipped:
        facts["skipped"] = f"{skipped:,}, listed below"
    return facts


def _choices(cards: Sequence[Card]) -> dict[str, list[str]]:
    """The options of each filter: the values that occur."""
    found = {name: sorted({card["pair"][name] for card in cards}) for name in ("domain", "split", "source")}
    found["attribute"] = sorted({name for card in cards for name in card["attributes"]})
    found["kind"] = sorted({card["kind"] for card in cards})
    return {**found, "objects": [str(count) for count in sorted({len(card["lines"]) for card in cards})]}
