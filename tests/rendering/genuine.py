"""Genuine CLEVR pictures beside ours: every scene of a folder of samples that has its picture.

    python -m tests.rendering.genuine ../shared/data --out runs/genuine

Writes `genuine.json`, a table and `genuine.png`: genuine, ours, and their difference four times enlarged. The jitter of
the genuine lamps is not stored in the scenes, so that light falls off a little differently.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from stages.core.clevr import Lights, render
from stages.core.clevr.effort import PRESETS, Effort, renderer_of
from stages.core.clevr.given import GivenScene, read_scene, scenes_in
from stages.core.errors import InputError
from stages.core.folder.files import write_json
from stages.core.recipe.games import Games
from tests.rendering.likeness import Picture, edge_correlation, mean_colour_apart, psnr

SHOWN = 16  # rows of the sheet


@dataclass(frozen=True)
class Likeness:
    """A genuine picture and ours of the same scene."""

    name: str
    colour: float
    edges: float
    psnr: float


def genuine_pairs(samples: Path) -> Iterator[tuple[GivenScene, Path]]:
    """Single scene files with the picture of the same name under a folder `images` beside `scenes`."""
    for file in sorted(samples.rglob("scenes/**/*.json")):
        above = next(parent for parent in file.parents if parent.name == "scenes")
        picture = above.with_name("images") / file.relative_to(above).with_suffix(".png")
        if picture.is_file():
            [given] = scenes_in(file)
            yield given, picture


def compare(given: GivenScene, file: Path, effort: Effort) -> tuple[Likeness, Picture, Picture]:
    """`InputError` where the scene is not one of CLEVR's camera."""
    with Image.open(file) as image:
        theirs = np.asarray(image.convert("RGB"))
    scene = read_scene(given, (theirs.shape[1], theirs.shape[0]), Lights())
    ours = render(scene, effort, seed=0)
    likeness = Likeness(
        f"{given.file.parent.name}/{given.name}",
        mean_colour_apart(theirs, ours),
        edge_correlation(theirs, ours),
        psnr(theirs, ours),
    )
    return likeness, theirs, ours


def sheet(rows: list[tuple[Picture, Picture]]) -> Image.Image:
    """Genuine, ours and the difference, a row a scene; pictures of other sizes are left out."""
    alike = [row for row in rows if row[0].shape == rows[0][0].shape][:SHOWN]
    lines = [
        np.concatenate([one, two, np.clip(128 + 4 * (two.astype(int) - one), 0, 255).astype(np.uint8)], axis=1)
        for one, two in alike
    ]
    return Image.fromarray(np.concatenate(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/genuine"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    effort = PRESETS[renderer_of(Games())]["standard"]
    found, pictures, refused = [], [], []
    for scene, file in genuine_pairs(given.samples):
        try:
            likeness, theirs, ours = compare(scene, file, effort)
        except InputError as error:
            refused.append(str(error))
            continue
        found.append(likeness)
        pictures.append((theirs, ours))
    for name in ("colour", "edges", "psnr"):
        values = [getattr(one, name) for one in found]
        print(f"{name}: median {statistics.median(values):.3f}, worst {min(values):.3f} … {max(values):.3f}")
    print(f"{len(found)} scenes with {effort}; refused: {len(refused)}", *refused, sep="\n  ")
    write_json(given.out / "genuine.json", {"scenes": [asdict(one) for one in found], "refused": refused})
    sheet(pictures).save(given.out / "genuine.png")


if __name__ == "__main__":
    main()
