"""How bad input is written, for the tests of it."""

from __future__ import annotations

import struct as binary
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from tests.make_games.ready.samples import (
    edited,
    encoded,
    photo,
    png,
    struct,
    write_cells,
    write_pair,
)

CELL = struct(png(photo()))
HEAD = "original,modified"
PAIR = {"original": "a.png", "modified": "b.png"}
CHANGE = {"attribute": "color", "before": "red", "after": "blue"}


class Bad(NamedTuple):
    """How to write it into a folder (returns what is given to --from), what the message must say, and the recipe."""

    write: Callable[[Path], object]
    message: str
    overrides: tuple[str, ...] = ()


def chunk(name: bytes, body: bytes) -> bytes:
    return binary.pack(">I", len(body)) + name + body + binary.pack(">I", zlib.crc32(name + body))


def huge_png() -> bytes:
    """A few hundred bytes that claim 100 megapixels."""
    header = chunk(b"IHDR", binary.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def a_picture(data: bytes, name: str = "one_original.png") -> Callable[[Path], Path]:
    """A pair whose original is these bytes."""

    def write(folder: Path) -> Path:
        original, _ = write_pair(folder)
        original.unlink()
        (folder / name).write_bytes(data)
        return folder

    return write


def frames(kind: str) -> bytes:
    return encoded(photo(), kind, save_all=True, append_images=[photo(1)])


def a_manifest(name: str, *lines: str) -> Callable[[Path], Path]:
    """Pictures a.png and b.png with a manifest of these lines."""

    def write(folder: Path) -> Path:
        photo().save(folder / "a.png")
        edited(photo()).save(folder / "b.png")
        edited(photo()).save(folder / "c.png")
        (folder / name).write_text("\n".join(lines) + "\n")
        return folder / name

    return write


def a_table(**cells: list[Any]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        pl.DataFrame(cells).write_parquet(folder / "p.parquet")
        return folder / "p.parquet"

    return write


def files(*names: str) -> Callable[[Path], Path]:
    """A folder of the same picture under these names."""

    def write(folder: Path) -> Path:
        for number, name in enumerate(names):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(png(photo(number)))
        return folder

    return write


def a_note(text: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        write_pair(folder / "replacement_images")
        (folder / "replacement_scenes").mkdir()
        (folder / "replacement_scenes" / "one_comparison.json").write_text(text)
        return folder

    return write


def heic(folder: Path) -> Path:
    for role in ("original", "modified"):
        (folder / f"a_{role}.heic").write_bytes(b"\0\0\0 ftypheic")
    return folder


def a_dangling_link(folder: Path) -> Path:
    write_pair(folder)
    (folder / "two_original.png").symlink_to(folder / "gone.png")
    return folder


def a_link_outside(folder: Path) -> Path:
    photo().save(folder.parent / "secret.png")
    (folder / "a.png").symlink_to(folder.parent / "secret.png")
    (folder / "m.csv").write_text("original,modified\na.png,a.png\n")
    return folder / "m.csv"


def null_path(folder: Path) -> Path:
    a_manifest("m.csv")(folder)
    return a_table(original=["a.png", None], modified=["b.png", "b.png"])(folder)


def archive(folder: Path) -> Path:
    (folder / "pairs.zip").write_bytes(b"")
    return folder


def a_loop(folder: Path) -> Path:
    (folder / "a.png").symlink_to(folder / "a.png")
    (folder / "m.csv").write_text("original,modified\na.png,a.png\n")
    return folder / "m.csv"


def a_folder_of_broken_parquet(folder: Path) -> Path:
    write_cells(folder / "a.parquet")
    (folder / "b.parquet").write_bytes((folder / "a.parquet").read_bytes()[:200])
    return folder


def two_files_with_the_same_ids(folder: Path) -> Path:
    for name in ("a", "b"):
        write_cells(folder / f"{name}.parquet", count=1, id=["7"])
    return folder


def broken_pages(folder: Path) -> Path:
    file = write_cells(folder / "p.parquet")
    data = bytearray(file.read_bytes())
    data[4:2000] = bytes(1996)
    file.write_bytes(bytes(data))
    return file


def both_couples(folder: Path) -> Path:
    return files("original/a.png", "modified/a.png", "source/a.png", "target/a.png")(folder)


def two_empty(folder: Path) -> Path:
    for name in ("before", "after"):
        (folder / name).mkdir()
    return folder


def latin(folder: Path) -> Path:
    (folder / "m.csv").write_bytes("original,modified\nstraße.png,b.png\n".encode("latin-1"))
    return folder / "m.csv"
