"""Pictures that a table names, whoever wrote the table."""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from stages.core.errors import InputError
from stages.core.pictures import Picture, picture_of, picture_size


@pytest.fixture
def games(tmp_path: Path) -> Path:
    (tmp_path / "games/images").mkdir(parents=True)
    for place in ("games/images/a.png", "secret.png"):
        Image.new("RGB", (4, 3), "red").save(tmp_path / place)
    return tmp_path / "games"


def test_a_picture_in_the_folder_is_read(games: Path) -> None:
    digest = hashlib.sha256((games / "images/a.png").read_bytes()).hexdigest()
    assert Picture(games, "images/a.png", digest).load().size == (4, 3) == picture_size(games, "images/a.png")


@pytest.mark.parametrize("way", ["absolute", "up", "link", "zero byte"])
def test_a_path_out_of_the_folder_is_refused(games: Path, way: str) -> None:
    secret = games.parent / "secret.png"
    (games / "images/link.png").symlink_to(secret)
    ref = {"absolute": str(secret), "up": "images/../../secret.png", "link": "images/link.png", "zero byte": "a\0.png"}
    for read in (Picture(games, ref[way], None).load, Picture(games, ref[way], None).file):
        with pytest.raises(InputError, match="is the path of a picture outside the folder"):
            read()
    with pytest.raises(InputError, match="outside the folder"):
        picture_size(games, ref[way])


def test_a_row_without_a_hash_is_refused(games: Path) -> None:
    row = {
        "pair_id": "x",
        "original": "images/a.png",
        "original_sha256": None,
        "modified": None,
        "modified_sha256": None,
    }
    with pytest.raises(InputError, match=r"pairs\.parquet: pair 'x' names no sha256 of 'images/a\.png'"):
        picture_of(games, row, "original")
    assert picture_of(games, row, "modified") is None


def test_an_empty_picture_has_a_largest_size() -> None:
    assert Picture(Path(), "blank:480x320", None).load().size == (480, 320)
    with pytest.raises(InputError, match="has more than 170,000,000 pixels"):
        Picture(Path(), "blank:99999x99999", None).load()


def test_a_file_that_unpacks_to_gigabytes_is_refused(games: Path) -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    (games / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    with pytest.raises(InputError, match=r"bomb\.png: not a readable picture"):
        Picture(games, "bomb.png", None).load()
