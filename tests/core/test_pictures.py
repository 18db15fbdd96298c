"""Pictures that a table names, whoever wrote the table."""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from stages.core.errors import InputError
from stages.core.folder.files import sha256_file
from stages.core.pictures import Picture, picture_of


@pytest.fixture
def games(tmp_path: Path) -> Path:
    (tmp_path / "games/images").mkdir(parents=True)
    for place in ("games/images/a.png", "secret.png"):
        Image.new("RGB", (4, 3), "red").save(tmp_path / place)
    return tmp_path / "games"


def test_a_picture_in_the_folder_is_read(games: Path) -> None:
    digest = hashlib.sha256((games / "images/a.png").read_bytes()).hexdigest()
    picture = Picture(games, "images/a.png", digest)
    assert picture.load().size == picture.size() == (4, 3)


@pytest.mark.parametrize("way", ["absolute", "up", "up and back", "zero byte"])
def test_a_path_out_of_the_folder_is_refused(games: Path, way: str) -> None:
    secret = games.parent / "secret.png"
    ref = {"absolute": str(secret), "up": "images/../../secret.png", "zero byte": "a\0.png"}
    picture = Picture(games, ref.get(way, "images/../images/a.png"), sha256_file(secret))
    for read in (picture.load, picture.file, picture.size):
        with pytest.raises(InputError, match="leads outside the folder"):
            read()


@pytest.mark.parametrize("way", ["link", "hard link", "linked folder"])
def test_a_link_out_of_the_folder_is_read_if_the_hash_is_right(games: Path, way: str) -> None:
    secret = games.parent / "secret.png"
    if way == "link":
        (games / "link.png").symlink_to(secret)
    elif way == "hard link":
        os.link(secret, games / "link.png")
    else:
        (games / "store").symlink_to(games.parent)
    ref = "store/secret.png" if way == "linked folder" else "link.png"
    known = Picture(games, ref, sha256_file(secret))
    assert known.load().size == known.size() == (4, 3) and known.file() == secret.read_bytes()
    for sha256, message in (("0" * 64, "sha256 differs"), (None, r"pairs\.parquet: lists no picture")):
        other = Picture(games, ref, sha256)
        for read in (other.load, other.file, other.size):
            with pytest.raises(InputError, match=message):
                read()


def test_what_never_ends_is_not_read(games: Path) -> None:
    os.mkfifo(games / "pipe.png")
    (games / "link.png").symlink_to("/dev/zero")
    for name in ("pipe.png", "link.png"):
        with pytest.raises(InputError, match=r"cannot be read \(not a regular file\)"):
            Picture(games, name, "0" * 64).size()


def test_a_link_to_nothing_says_where_it_leads(games: Path) -> None:
    (games / "link.png").symlink_to("../store/ab12")
    with pytest.raises(
        InputError, match=r"link\.png: the picture links to \.\./store/ab12, which is gone; fetch it again"
    ):
        Picture(games, "link.png", "0" * 64).load()


def test_a_row_without_a_hash_is_refused(games: Path) -> None:
    row = {
        "pair_id": "x",
        "original": "images/a.png",
        "original_sha256": None,
        "modified": None,
        "modified_sha256": None,
    }
    with pytest.raises(InputError, match=r"pairs\.parquet: pair 'x' has no sha256 of 'images/a\.png'"):
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
        Picture(games, "bomb.png", sha256_file(games / "bomb.png")).load()
