"""Small pictures and pairs for tests of ready pictures: drawn from seeds, so that they can be told apart."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from stages.core import tables
from stages.core.recipe import Recipe, load
from stages.make_games import Sources, run

SIZE = (64, 48)


def recipe(*overrides: str) -> Recipe:
    return load("tiny", list(overrides))


def photo(seed: int = 0, size: tuple[int, int] = SIZE) -> Image.Image:
    """Coloured clouds: detailed, smooth, and like no other seed's."""
    coarse = np.random.default_rng(seed).integers(0, 256, (size[1] // 4, size[0] // 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def edited(image: Image.Image) -> Image.Image:
    """The same with one thing painted over."""
    copy = image.copy()
    copy.paste((250, 20, 20), (4, 4, 20, 16))
    return copy


def png(image: Image.Image, **options: Any) -> bytes:
    return encoded(image, "png", **options)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def write_pair(folder: Path, base: str = "one", seed: int = 0) -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / f"{base}_original.png", folder / f"{base}_modified.png"
    for file, image in zip(files, (photo(seed), edited(photo(seed))), strict=True):
        image.save(file)
    return files


def struct(data: bytes | None, path: str | None = "x.png") -> dict[str, Any]:
    """A cell as `datasets` writes pictures."""
    return {"bytes": data, "path": path}


def write_cells(file: Path, count: int = 3, row_group_size: int | None = None, **columns: list[Any]) -> Path:
    """A Parquet file in the form of MagicBrush: pictures in the cells."""
    pairs = [(png(photo(number)), png(edited(photo(number)))) for number in range(count)]
    frame = pl.DataFrame(
        {
            "source_img": [struct(one) for one, _ in pairs],
            "target_img": [struct(other) for _, other in pairs],
            **columns,
        }
    )
    frame.write_parquet(file, row_group_size=row_group_size)
    return file


def made_from(place: object, out: Path, *overrides: str, processes: int = 1) -> Path:
    """The games folder of a place."""
    return run(recipe(*overrides), out / "games", sources=Sources(ready=str(place)), processes=processes).out


def rows(out: Path) -> list[dict[str, Any]]:
    return tables.read(out / "pairs.parquet", tables.PAIRS).to_dicts()


def skipped(out: Path) -> dict[str, str]:
    """Reasons by pair."""
    frame = tables.read(out / "skipped.parquet", tables.SKIPPED)
    return dict(zip(frame["pair_id"], frame["reason"], strict=True))
