"""Pairs that cannot be used among others that can: dropped, mended, or an end from which the same command goes on."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from stages.core.errors import InputError, VzError
from stages.make_games import Sources, run
from stages.make_games.ready.pictures import open_picture
from tests.make_games.ready.bad import (
    CELL,
    Bad,
    a_table,
)
from tests.make_games.ready.samples import (
    edited,
    made_from,
    photo,
    png,
    recipe,
    rows,
    skipped,
    struct,
    write_pair,
)
from tests.make_games.ready.test_bad_input import PICTURES


@pytest.mark.parametrize("bad", PICTURES.values(), ids=PICTURES)
def test_unusable_pictures_are_skipped(bad: Bad, tmp_path: Path) -> None:
    bad.write(tmp_path / "in")
    write_pair(tmp_path / "in", "good", seed=1)
    out = made_from(tmp_path / "in", tmp_path)
    assert [row["pair_id"] for row in rows(out)] == ["good"]
    assert set(skipped(out)) == {"one"}


@pytest.mark.parametrize("kind", ["a picture", "a note", "a cell"])
def test_without_strict_the_command_continues_after_a_bad_pair(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "in"
    for name in ("one", "two", "three"):
        write_pair(place / "replacement_images", name)
    if kind == "a picture":
        (place / "replacement_images" / "two_modified.png").write_bytes(b"")
    elif kind == "a note":
        (place / "replacement_scenes").mkdir()
        (place / "replacement_scenes" / "two_comparison.json").write_text("{")
    else:
        pytest.importorskip("pyarrow", reason="extra 'hub' is not installed")
        cells = {"source_img": [CELL, CELL, None], "target_img": [struct(png(edited(photo())))] * 3}
        place = a_table(**cells, id=["one", "three", "two"])(tmp_path)
    with pytest.raises(InputError, match="leave out --strict to skip such pairs"):
        made_from(place, tmp_path, "games.strict=true")
    report = run(recipe(), tmp_path / "games", sources=Sources(ready=str(place)), processes=1)
    assert report.counts["finished_before"] > 0 and report.counts["pairs"] == 2
    assert set(skipped(report.out)) == {"two"}


def test_an_unreadable_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked, real = write_pair(tmp_path / "in" / "locked")[0].parent, os.scandir

    def refuse(path: str) -> Any:
        if Path(path) == locked:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"in/locked: cannot be read \(Permission denied\)"):
        made_from(tmp_path / "in", tmp_path)


def test_an_unreadable_picture_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pair(tmp_path / "in")
    real = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "one_modified.png":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match=r"one_modified\.png: cannot be read \(Permission denied\)"):
        made_from(tmp_path / "in", tmp_path)


@pytest.mark.parametrize("where", ["a picture", "a note", "a table", "the manifest"])
def test_a_full_disk_is_one_message_and_the_same_command_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    for number in range(3):
        write_pair(tmp_path / "in", f"pair{number}", seed=number)
    with monkeypatch.context() as patch:
        fill_the_disk(patch, where)
        with pytest.raises(VzError, match=r"games: the disk is full; free some space and repeat the command") as caught:
            made_from(tmp_path / "in", tmp_path)
    assert caught.value.exit_code == 1
    assert not (tmp_path / "games").exists()
    assert not list(tmp_path.rglob("*original.png.*.tmp"))
    assert [row["pair_id"] for row in rows(made_from(tmp_path / "in", tmp_path))] == ["pair0", "pair1", "pair2"]


def fill_the_disk(patch: pytest.MonkeyPatch, where: str) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    write_bytes, opened, write_parquet = Path.write_bytes, Path.open, pl.DataFrame.write_parquet

    def bytes_(path: Path, data: bytes) -> int:
        if "pair1_original" in path.name:
            write_bytes(path, data[:10])
            raise full
        return write_bytes(path, data)

    def open_(path: Path, mode: str = "r", **options: Any) -> Any:
        if "w" in mode and ("pair1.json" in path.name or "manifest.json" in path.name):
            raise full
        return opened(path, mode, **options)

    def parquet(frame: pl.DataFrame, path: Path, **options: Any) -> None:
        write_parquet(frame, "/dev/full" if path.name == ".games.parquet.tmp" else path, **options)

    if where == "a picture":
        patch.setattr(Path, "write_bytes", bytes_)
    elif where == "a table":
        patch.setattr(pl.DataFrame, "write_parquet", parquet)
    else:
        patch.setattr(Path, "open", lambda path, *args, **more: guard(path, where, open_, opened)(path, *args, **more))


def guard(path: Path, where: str, refuse: Callable[..., Any], allow: Callable[..., Any]) -> Callable[..., Any]:
    return refuse if ("manifest" in path.name) == (where == "the manifest") else allow


def test_an_error_in_a_render_process_is_the_same_message(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_pair(tmp_path / "in", name)
    (tmp_path / "in" / "one_original.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"one_original\.png: is empty \(0 bytes\)"):
        made_from(tmp_path / "in", tmp_path, "games.strict=true", processes=2)


def test_a_cmyk_jpeg_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for role, image in (("original", photo()), ("modified", edited(photo()))):
        image.convert("CMYK").save(tmp_path / "in" / f"a_{role}.jpg", quality=95)
    out = made_from(tmp_path / "in", tmp_path)
    with Image.open(out / rows(out)[0]["original"]) as image:
        assert image.mode == "RGB"


def test_the_limit_of_pixels_is_the_recipes() -> None:
    from stages.core.recipe.ready import ReadySettings
    from stages.make_games.ready.pictures import Fault

    assert open_picture(png(photo()), "x", ReadySettings(max_pixels=64 * 48)).image.size == (64, 48)
    with pytest.raises(Fault, match="3,072 pixels, over"):
        open_picture(png(photo()), "x", ReadySettings(max_pixels=64 * 48 - 1))
