"""The data set's card: YAML that the hub reads, then what a reader should know before using the pairs.

Names and texts of a games folder may hold anything, so all that comes from it stands in code spans or fences, which
grow until nothing inside can end them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stages.core.errors import require
from stages.export.shards import Row, Written, features

HERE = Path(__file__).parent
SHOWN, LONGEST = 6, 80  # values that a list names; letters of a text in the example
DRAWN = ("drawn", "scenes:")  # sources whose pictures vz rendered
SIZES = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
FIELDS = {
    "pair_id": "the pair's name, unique",
    "domain": "what the pictures show: clevr, chart, photo, or picture where nobody knows",
    "original": "the civilians' picture",
    "modified": "the spy's picture; null: an empty one",
    "original_sha256": "of the original's bytes",
    "modified_sha256": "of the modified picture's bytes",
    "changes": "what was changed: number of the object (or of the table's row) from 0, attribute, before, after",
    "scene": "what the original shows, as JSON: a scene in the keys of CLEVR v1.0, or a table; null where nobody knows",
    "modified_scene": "the same of the modified picture",
    "source": "what the pair was made from",
    "seed": "the pair's own seed, derived from the data set's",
    "split": "as vz names it: train, dev, test",
}


@dataclass(frozen=True)
class About:
    """What the card tells of: the rows without pictures, their manifest, and what was written of each split."""

    rows: Sequence[Row]
    manifest: Mapping[str, Any]
    splits: Mapping[str, Written]  # by the name that the data set gives the split
    license: str | None
    skipped: Sequence[Row]


def card(about: About) -> str:
    """Front matter and Markdown."""
    rows, settings, versions = about.rows, _part(about, "settings"), _part(about, "versions")
    domains = sorted({row["domain"] for row in rows})
    text = _template().render(
        title=_title(about),
        rows=len(rows),
        pairs=f"{len(rows):,}",
        blank=sum(row["modified"] is None for row in rows),
        version=versions.get("vz-selfplay", "?"),
        git=about.manifest.get("git"),
        seed=settings.get("seed", "–"),
        ways=_ways(about),
        settings=yaml.safe_dump(settings, sort_keys=False, allow_unicode=True),
        versions=", ".join(code(f"{name} {version}") for name, version in versions.items()),
        domains=domains,
        splits=_splits(about, domains),
        attributes=_listed(Counter(str(change["attribute"]) for row in rows for change in row["changes"] or ())),
        skipped=_listed(Counter(str(row["reason"]) for row in about.skipped)),
        fields=FIELDS,
        example=_example(rows[0]),
        limits=_limits(about),
        license=_license(about.license),
    )
    return f"---\n{_front_matter(about, domains)}---\n{text}"


def _front_matter(about: About, domains: Sequence[str]) -> str:
    made = {"synthetic"} if all(str(row["source"]).startswith(DRAWN) for row in about.rows) else set()
    body = {
        "pretty_name": _title(about),
        "license": about.license or "unknown",
        "task_categories": ["image-text-to-text"],
        "tags": ["vision-zero", "self-play", "image-pairs", "spot-the-difference", *domains, *made],
        "size_categories": [next((name for limit, name in SIZES if len(about.rows) < limit), "n>1M")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": name, "path": f"data/{name}-*"} for name in about.splits],
            }
        ],
        "dataset_info": _dataset_info(about),
    }
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True)


def _dataset_info(about: About) -> Any:
    """Columns and sizes as the hub and `datasets` read them, which count the rows again by them."""
    datasets, hub = require("datasets", "train"), require("huggingface_hub", "train")
    splits = datasets.SplitDict()
    for name, made in about.splits.items():
        splits.add(datasets.SplitInfo(name=name, num_bytes=made.row_bytes, num_examples=made.rows))
    info = datasets.DatasetInfo(
        features=features(),
        splits=splits,
        download_size=sum(made.file_bytes for made in about.splits.values()),
        dataset_size=sum(made.row_bytes for made in about.splits.values()),
    )
    data = hub.DatasetCardData()
    require("datasets.info", "train").DatasetInfosDict({"default": info}).to_dataset_card_data(data)
    return data["dataset_info"]


def _part(about: About, name: str) -> Mapping[str, Any]:
    """A part of the manifest; whose hand it was in is not known, so that it may be anything."""
    return _mapping(about.manifest.get(name))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _title(about: About) -> str:
    return f"Who is the spy? {len(about.rows):,} pairs of pictures"


def _ways(about: About) -> list[str]:
    """How the pairs came about, a sentence a source."""
    said = []
    for source, count in Counter(str(row["source"]) for row in about.rows).most_common(SHOWN):
        kind, _, name = source.partition(":")
        told = {
            "drawn": "scenes drawn by CLEVR's rules and rendered",
            "scenes": f"given CLEVR scenes of {code(name)}, rendered again",
            "tables": f"tables of {code(name)}, drawn as charts",
            "folder": f"ready pictures of the folder {code(name)}",
        }.get(kind, f"from {code(source)}")
        said.append(f"{count:,} {'pair' if count == 1 else 'pairs'}: {told}.")
    rest = len({row["source"] for row in about.rows}) - SHOWN
    return [*said, f"and more from other sources: {rest}, named in `source`."] if rest > 0 else said


def _splits(about: About, domains: Sequence[str]) -> list[dict[str, Any]]:
    counts = Counter((row["split"], row["domain"]) for row in about.rows)
    ours = {"validation": "dev"}
    return [
        {
            "name": name,
            "note": " (vz's dev)" if name in ours else "",
            "rows": f"{made.rows:,}",
            "by_domain": [f"{counts[ours.get(name, name), domain]:,}" for domain in domains],
        }
        for name, made in about.splits.items()
    ]


def _limits(about: About) -> list[str]:
    """What is not as clean as it looks, as far as the folder tells."""
    rows, games = about.rows, _mapping(_part(about, "settings").get("games"))
    said = []
    if any(str(row["source"]).startswith(DRAWN) for row in rows):
        cleaned = "with" if games.get("denoise") else "without"
        said.append(
            f"Rendered pictures have the noise of few light paths, {cleaned} a denoiser after them (see `quality` and "
            "`samples`). Both pictures of a pair have the same seed, but beside the changed objects their shadows, "
            "reflections and coloured light change as well."
        )
    blank = sum(row["modified"] is None for row in rows)
    if blank:
        said.append(f"Pairs in which the spy sees an empty picture, so that there is nothing to compare: {blank:,}.")
    noise = _mapping(_part(about, "counts").get("noise"))
    told = {"blank": "an empty white picture instead of the modified one", "identical": "the original twice"}
    spoilt = {kind: count for kind in told if isinstance(count := noise.get(kind), int) and count > 0}
    said += [f"Pairs spoilt on purpose: {count:,}, {told[kind]}." for kind, count in spoilt.items()]
    unknown = sum(not row["changes"] for row in rows) - blank - sum(spoilt.values())
    if unknown > 0:
        said.append(f"Pairs of which nobody noted what was changed: {unknown:,}; their `changes` are empty.")
    return [
        *said,
        "Nobody has looked at all pairs: some changes are small, and `changes` says what was made, not what is seen.",
        "Only the pairs are here; who is dealt the spy's seat is drawn anew for every game.",
    ]


def _example(row: Row) -> str:
    """A row as JSON, with pictures by name and long texts cut."""
    shown = {name: row[name] for name in FIELDS}
    for name in ("original", "modified"):
        shown[name] = None if row[name] is None else f"<picture {Path(row[name]).name}>"
    for name in ("scene", "modified_scene"):
        text = row[name]
        shown[name] = f"{text[:LONGEST]} …" if text and len(text) > LONGEST else text
    return json.dumps(shown, indent=2, ensure_ascii=False)


def _license(name: str | None) -> str:
    if name is None:
        return "Nobody stated one when this was exported. It depends on whose the pictures are; see the sources above."
    return f"`{name}`, as stated by who exported the data set."


def _listed(counts: Mapping[str, int]) -> str:
    """Values with how often they occur, the most frequent first."""
    named = [f"{code(name)} {count:,}" for name, count in Counter(counts).most_common(SHOWN)]
    return ", ".join([*named, "and others"] if len(counts) > SHOWN else named)


def code(value: object) -> str:
    """Anything as a code span of one line, also in a cell of a table."""
    line = _visible(" ".join(str(value).split())).replace("|", "¦")
    ticks = "`" * (1 + _longest_ticks(line))
    return f"{ticks} {line} {ticks}" if "`" in line else f"`{line}`"


def fenced(text: str, language: str) -> str:
    """Any text as a block of code."""
    lines = [_visible(line) for line in text.rstrip().splitlines()]
    ticks = "`" * max(3, 1 + _longest_ticks(text))
    return "\n".join([f"{ticks}{language}", *lines, ticks])


def _visible(line: str) -> str:
    """Signs that cannot be seen, or that turn the text around, as a question mark."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)


def _longest_ticks(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


@cache
def _template() -> Any:
    made = Environment(  # Markdown, not HTML: texts from outside stand in code spans and fences instead
        loader=FileSystemLoader(HERE),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"cell": code, "code": code, "fenced": fenced}
    return made.get_template("card.md.j2")
