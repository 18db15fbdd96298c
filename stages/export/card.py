"""The data set's card: YAML that the hub reads, then what a reader should know before using the pairs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stages.core.errors import require
from stages.export.markdown import template
from stages.export.shards import Row, Written, features

LONGEST = 80  # characters of a text in the example
DRAWN = ("drawn", "scenes:")  # sources whose pictures vz rendered
SIZES = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
FIELDS = {
    "pair_id": "unique name of the pair",
    "domain": "what the pictures show: clevr, chart, photo, or picture if unknown",
    "original": "the civilians' picture",
    "modified": "the spy's picture; null for an empty picture",
    "original_sha256": "hash of the original picture's bytes",
    "modified_sha256": "hash of the modified picture's bytes",
    "changes": "what was changed: number of the object (or of the table's row) from 0, attribute, before, after",
    "scene": "what the original shows, as JSON: a scene with the keys of CLEVR v1.0, or a table; null if unknown",
    "modified_scene": "the same for the modified picture",
    "source": "what the pair was made from",
    "seed": "the pair's own seed, derived from the data set's seed",
    "split": "vz's name of the split: train, dev or test",
}


@dataclass(frozen=True)
class About:
    """What the card describes: the rows without pictures, their manifest, and what was written of each split."""

    rows: Sequence[Row]
    manifest: Mapping[str, Any]
    splits: Mapping[str, Written]  # by the hub's names
    license: str | None
    skipped: Sequence[Row]

    @property
    def title(self) -> str:
        return f"Who is the spy? {len(self.rows):,} pairs of pictures"

    @property
    def domains(self) -> list[str]:
        return sorted({row["domain"] for row in self.rows})


def card(about: About) -> str:
    """Front matter and Markdown."""
    rows = about.rows
    text = template("card.md.j2").render(
        about=about,
        manifest=about.manifest,
        settings=yaml.safe_dump(about.manifest.get("settings"), sort_keys=False, allow_unicode=True),
        blank=sum(row["modified"] is None for row in rows),
        rendered=any(row["source"].startswith(DRAWN) for row in rows),
        unchanged=sum(not row["changes"] and row["modified"] is not None for row in rows),
        counts=Counter((row["split"], row["domain"]) for row in rows),
        sources=Counter(row["source"] for row in rows).most_common(),
        attributes=Counter(change["attribute"] for row in rows for change in row["changes"] or ()).most_common(),
        reasons=Counter(row["reason"] for row in about.skipped).most_common(),
        fields=FIELDS,
        example=_example(rows[0]),
    )
    return f"---\n{_front_matter(about)}---\n{text}"


def _front_matter(about: About) -> str:
    synthetic = ["synthetic"] if all(row["source"].startswith(DRAWN) for row in about.rows) else []
    files = [{"split": name, "path": f"data/{name}-*"} for name in about.splits]
    body = {
        "pretty_name": about.title,
        "license": about.license or "unknown",
        "task_categories": ["image-text-to-text"],
        "tags": ["vision-zero", "self-play", "image-pairs", "spot-the-difference", *about.domains, *synthetic],
        "size_categories": [next((name for limit, name in SIZES if len(about.rows) < limit), "n>1M")],
        "configs": [{"config_name": "default", "data_files": files}],
        "dataset_info": _dataset_info(about.splits),
    }
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True)


def _dataset_info(written: Mapping[str, Written]) -> Any:
    """Columns and sizes in the form that the hub and `datasets` read; `datasets` checks the rows against them."""
    datasets, hub = require("datasets", "train"), require("huggingface_hub", "train")
    splits = datasets.SplitDict()
    for name, made in written.items():
        splits.add(datasets.SplitInfo(name=name, num_bytes=made.row_bytes, num_examples=made.rows))
    info = datasets.DatasetInfo(
        features=features(),
        splits=splits,
        download_size=sum(made.file_bytes for made in written.values()),
        dataset_size=sum(made.row_bytes for made in written.values()),
    )
    data = hub.DatasetCardData()
    require("datasets.info", "train").DatasetInfosDict({"default": info}).to_dataset_card_data(data)
    return data["dataset_info"]


def _example(row: Row) -> str:
    """A row as JSON, with the pictures' names and with long texts cut."""
    shown = {name: row[name] for name in FIELDS}
    for name in ("original", "modified"):
        shown[name] = None if row[name] is None else f"<picture {Path(row[name]).name}>"
    for name in ("scene", "modified_scene"):
        text = row[name]
        shown[name] = f"{text[:LONGEST]} …" if text and len(text) > LONGEST else text
    return json.dumps(shown, indent=2, ensure_ascii=False)
