"""Everything that can be wrong with ready pictures: one clear message that names the thing, and nothing written."""

from __future__ import annotations

import errno
import json
import os
import struct as binary
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from PIL import Image

from stages.core.errors import InputError, VzError
from stages.make_games import Sources, run
from stages.make_games.ready.pictures import open_picture
from tests.make_games.ready.samples import (
    edited,
    encoded,
    made_from,
    photo,
    png,
    recipe,
    rows,
    skipped,
    struct,
    write_cells,
    write_pair,
)


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


CELL = struct(png(photo()))
PICTURES = {
    "zero bytes": Bad(a_picture(b""), r"one_original\.png: is empty \(0 bytes\); go on without such pairs by"),
    "text named .png": Bad(a_picture(b"no picture"), r"one_original\.png: is no picture \(PNG, JPEG"),
    "truncated PNG": Bad(a_picture(png(photo())[:400]), r"one_original\.png: cannot be decoded"),
    "truncated JPEG": Bad(
        a_picture(encoded(photo(), "jpeg")[:500], "one_original.jpg"), r"one_original\.jpg: cannot be decoded"
    ),
    "PNG of broken chunks": Bad(a_picture(png(photo())[:60] + b"\0" * 500), r"one_original\.png: cannot be decoded"),
    "animated GIF": Bad(a_picture(frames("gif")), r"one_original\.png: has 2 frames; save the one that is meant"),
    "animated WebP": Bad(a_picture(frames("webp")), "has 2 frames"),
    "animated PNG": Bad(a_picture(frames("png")), "has 2 frames"),
    "TIFF of several pages": Bad(a_picture(frames("tiff")), "has 2 frames"),
    "one pixel": Bad(a_picture(png(photo(size=(4, 4)).resize((1, 1)))), r"1x1, below games\.ready\.min_side \(28\)"),
    "100 megapixels": Bad(a_picture(huge_png()), r"10000x10000 is 100,000,000 pixels, over games\.ready\.max_pixels"),
    "32 bits a pixel": Bad(a_picture(encoded(Image.new("F", (32, 32)), "tiff")), "pixels of kind F have no defined"),
    "L*a*b*": Bad(a_picture(encoded(Image.new("LAB", (32, 32)), "tiff")), "pixels of kind LAB have no defined"),
    "PostScript": Bad(a_picture(encoded(photo(), "eps")), "is no picture"),
}
FOLDERS = {
    "nothing": Bad(lambda _: "", "--from is empty; give a folder"),
    "no such place": Bad(lambda folder: folder / "nowhere", r"nowhere: no such file or folder of pairs"),
    "a hub name without hf:": Bad(lambda _: "Qinsi1/Vision-Zero", r"write hf:Qinsi1/Vision-Zero"),
    "empty folder": Bad(lambda folder: folder, r"bad: holds no pictures; give a folder that does"),
    "only archives": Bad(archive, r"bad: holds no pictures; unpack pairs\.zip"),
    "only other files": Bad(a_manifest("readme.txt"), r"'\.txt' is no kind of manifest that is known"),
    "unknown kind of file": Bad(a_manifest("m.xlsx"), r"m\.xlsx: '\.xlsx' is no kind of manifest"),
    "no pairs by name": Bad(files("a.png", "b.png"), r"none of its 2 pictures is named <base>_original"),
    "modified missing": Bad(files("a_original.png"), r"a_original\.png: its counterpart a_modified\.png is missing"),
    "original missing": Bad(
        files("a_original.png", "a_modified.png", "b_modified.png"),
        r"b_modified\.png: its counterpart b_original\.png is missing",
    ),
    "unmatched in two folders": Bad(
        files("before/a.png", "after/b.png"), r"after/b\.png: its counterpart b in before/ is missing"
    ),
    "one of two folders empty": Bad(lambda folder: two_empty(folder), r"before: holds no pictures"),
    "two couples of folders": Bad(both_couples, "keep one of these couples of folders"),
    "duplicate names": Bad(
        files("a_original.png", "a_original.jpg", "a_modified.png"), r"gives the same name, 'a_original'"
    ),
    "duplicate names at two depths": Bad(files("a/b.png", "a-b.png"), "gives the same name", ("game.spy_view=blank",)),
    "one number twice in CLEVR-Change": Bad(
        files(
            "images/CLEVR_default_000001.png", "images/CLEVR_semantic_000001.png", "sc_images/CLEVR_semantic_000001.png"
        ),
        r"CLEVR_semantic_000001\.png: .*CLEVR_default_000001\.png gives the same name, 'CLEVR_000001'",
    ),
    "HEIC": Bad(files("a_original.heic", "a_modified.heic"), r"\.heic pictures cannot be read; save it as PNG"),
    "a dangling link": Bad(a_dangling_link, r"two_original\.png: is a link to a file that is gone"),
    "published twice": Bad(
        files("a/replacement_images/x.png", "b/replacement_images/x.png"),
        r"replacement_images lies in .*/a and in .*/b; give one",
    ),
    "one picture, no blank spy": Bad(
        lambda folder: files("a.png")(folder) / "a.png", r"one picture is a game only with --set game\.spy_view=blank"
    ),
    "name too long": Bad(files(f"{'n' * 230}.png"), "cannot name a pair", ("game.spy_view=blank",)),
    "broken note": Bad(a_note('{"original_scene": {}}'), r"one_comparison\.json: 'modification' is missing"),
    "note that is no JSON": Bad(a_note("{"), r"one_comparison\.json: not valid JSON"),
}
HEAD = "original,modified"
PAIR = {"original": "a.png", "modified": "b.png"}
CHANGE = {"attribute": "color", "before": "red", "after": "blue"}
MANIFESTS = {
    "no rows": Bad(a_manifest("m.csv", HEAD), r"m\.csv: holds no rows"),
    "empty CSV": Bad(a_manifest("m.csv"), r"m\.csv: the first line must name the columns"),
    "column twice": Bad(a_manifest("m.csv", "original,original", "a.png,b.png"), "must name the columns, each once"),
    "missing column": Bad(
        a_manifest("m.csv", "original,caption", "a.png,b"),
        r"m\.csv: no two columns are known as original and modified, of the columns 'original', 'caption'; name them",
    ),
    "ambiguous columns": Bad(
        a_manifest("m.csv", "source,target,before,after", "a.png,b.png,a.png,b.png"),
        r"both source with target and before with after could be the pairs",
    ),
    "a column that is not there": Bad(
        a_manifest("m.csv", HEAD, "a.png,b.png"),
        r"games\.ready\.original is 'left', of",
        ("games.ready.original=left",),
    ),
    "short CSV row": Bad(a_manifest("m.csv", HEAD, "a.png"), r"m\.csv: line 2: has 1 cells, but there are 2 columns"),
    "open quote": Bad(a_manifest("m.csv", HEAD, 'a.png,"b.png'), r"m\.csv: not a readable CSV file"),
    "not UTF-8": Bad(lambda folder: latin(folder), r"m\.csv: not a readable CSV file in UTF-8"),
    "empty cell": Bad(a_manifest("m.csv", HEAD, "a.png,"), r"m\.csv: line 2: 'modified' is '', not the path"),
    "broken JSON line": Bad(
        a_manifest("m.jsonl", '{"original": "a.png", "modified": "b.png"}', "{"), r"line 2: not valid"
    ),
    "line that is no object": Bad(a_manifest("m.jsonl", "[1]"), r"m\.jsonl: line 1: is no JSON object"),
    "empty JSON lines": Bad(a_manifest("m.jsonl"), r"m\.jsonl: holds no rows"),
    "key missing in one line": Bad(
        a_manifest("m.jsonl", '{"original": "a.png", "modified": "b.png"}', '{"original": "a.png"}'),
        r"m\.jsonl: line 2: 'modified' is None, not the path",
    ),
    "a number for a path": Bad(
        a_manifest("m.jsonl", '{"original": 1, "modified": 2}'), r"'original' is 1, not the path"
    ),
    "null cell": Bad(null_path, r"p\.parquet: row 2: 'original' is None, not the path of a picture; fill it in"),
    "several pictures in a cell": Bad(
        a_table(input_images=[["a.png", "b.png"]], output_images=[["c.png"]]), r"row 1: 'input_images' holds 2 pictures"
    ),
    "missing picture": Bad(a_manifest("m.csv", HEAD, "a.png,d.png"), r"m\.csv: line 2: .*d\.png: no such picture"),
    "path too long": Bad(a_manifest("m.csv", HEAD, f"a.png,{'c' * 300}"), r"line 2: .*ccc: no such picture"),
    "link to itself": Bad(a_loop, r"line 2: .*a\.png: no such picture"),
    "path outside": Bad(
        a_manifest("m.csv", HEAD, "a.png,../../etc/passwd"),
        r"line 2: '\.\./\.\./etc/passwd' is a path outside the folder",
    ),
    "absolute path": Bad(a_manifest("m.csv", HEAD, "/etc/passwd,b.png"), r"'/etc/passwd' is a path outside the folder"),
    "link outside": Bad(a_link_outside, r"line 2: 'a\.png' is a path outside the folder"),
    "duplicate pair": Bad(
        a_manifest("m.csv", f"{HEAD},pair_id", "a.png,b.png,x", "a.png,b.png,x"),
        r"line 3: the pair 'x' is there already, at .*m\.csv: line 2",
    ),
    "id with a colon": Bad(a_manifest("m.csv", f"{HEAD},id", "a.png,b.png,a:b"), r"line 2: 'a:b' cannot name a pair"),
    "id that goes up": Bad(a_manifest("m.csv", f"{HEAD},id", "a.png,b.png,.."), r"'\.\.' cannot name a pair"),
    "empty id": Bad(a_manifest("m.csv", f"{HEAD},id", "a.png,b.png,"), r"line 2: 'id' is empty; give the pair a name"),
    "unknown split": Bad(
        a_manifest("m.csv", f"{HEAD},split", "a.png,b.png,all"), r"line 2: 'split' is 'all'; it must be train"
    ),
    "changes of another kind": Bad(
        a_manifest("m.jsonl", json.dumps({"original": "a.png", "modified": "b.png", "changes": [1]})),
        r"line 1: 'changes' is neither text nor a list of",
    ),
    "an object beyond the table": Bad(
        a_manifest("m.jsonl", json.dumps({**PAIR, "changes": [{"object": 3_000_000_000, **CHANGE}]})),
        r"m\.jsonl: line 1: 'changes' is neither text nor a list of object \(0 to 2,147,483,647\)",
    ),
    "an object below nought": Bad(
        a_manifest("m.jsonl", json.dumps({**PAIR, "changes": [{"object": -1, **CHANGE}]})),
        "line 1: 'changes' is neither",
    ),
    "an infinite object": Bad(
        a_manifest("m.jsonl", json.dumps({**PAIR, "changes": [{"object": 1e999, **CHANGE}]})),
        "line 1: 'changes' is neither",
    ),
    "half a character": Bad(
        a_manifest("m.jsonl", json.dumps({**PAIR, "changes": "make it \ud800 red"})),
        r"line 1: not valid JSON .*surrogates",
    ),
    "half a character as a group": Bad(
        a_manifest("m.jsonl", json.dumps({**PAIR, "group": "\ud800"})), "line 1: not valid"
    ),
    "nested too deep": Bad(
        a_manifest("m.jsonl", '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"), r"m\.jsonl: line 1: not valid JSON"
    ),
    "a number too long": Bad(a_manifest("m.jsonl", '{"a": ' + "9" * 5000 + "}"), r"m\.jsonl: line 1: not valid JSON"),
    "a broken scene": Bad(
        a_manifest("m.jsonl", json.dumps({**PAIR, "scene": '{"objects": '})), r"line 1: 'scene': not valid JSON"
    ),
    "one original in two splits": Bad(
        a_manifest("m.csv", f"{HEAD},split", "a.png,b.png,train", "a.png,c.png,", "a.png,b.png,test"),
        r"m\.csv: line 4: is in split 'test', but .*m\.csv: line 2, of the same picture or group, is in 'train'",
    ),
    "one group in two splits": Bad(
        a_manifest("m.csv", f"{HEAD},split,group", "a.png,b.png,train,x", "b.png,a.png,test,x"),
        r"line 3: is in split 'test', but .*line 2, of the same picture or group, is in 'train'",
    ),
    "one picture modified in one split, original in another": Bad(
        a_manifest("m.csv", f"{HEAD},split", "a.png,b.png,train", "b.png,c.png,test"),
        r"line 3: is in split 'test', but .*line 2, of the same picture or group, is in 'train'",
    ),
    "text for a picture": Bad(a_manifest("m.csv", HEAD, "a.png,m.csv"), r"m\.csv: is no picture"),
}
PARQUET = {
    "no Parquet": Bad(a_manifest("m.parquet", "text"), r"m\.parquet: not a readable Parquet file"),
    "one of several broken": Bad(a_folder_of_broken_parquet, r"b\.parquet: not a readable Parquet file"),
    "broken pages": Bad(broken_pages, r"p\.parquet: 'source_img' cannot be read in row group 0"),
    "null picture": Bad(
        a_table(source_img=[CELL, None], target_img=[CELL, CELL], id=["a", "b"]),
        r"p\.parquet: row 2, 'source_img': holds no picture; go on without such pairs by",
        ("games.ready.identical=keep",),
    ),
    "path in place of a picture": Bad(
        a_table(source_img=[struct(None, "a.png"), CELL], target_img=[CELL, CELL]),
        r"row 1, 'source_img': holds only a path \('a\.png'\)",
    ),
    "several pictures in a cell": Bad(
        a_table(source_img=[[CELL, CELL]], target_img=[[CELL]]), r"row 1, 'source_img': 'source_img' holds 2 pictures"
    ),
    "text in a cell of pictures": Bad(
        a_table(original=[b"text"], edited=[b"text"]), r"p\.parquet: row 1, 'original': is no picture"
    ),
    "a row group of too many bytes": Bad(
        lambda folder: write_cells(folder / "p.parquet", count=4),
        r"row group 0 holds [\d,]+ bytes of pictures.*ready\.most_group_bytes \(20,000\).*sink_parquet\(.*row_group_size=\d+\)",
        ("games.ready.most_group_bytes=20000",),
    ),
    "unknown columns of pictures": Bad(
        a_table(left=[CELL], right=[CELL]),
        r"p\.parquet: no two columns are known .* columns 'left', 'right'; name them",
    ),
    "ambiguous single column": Bad(
        a_table(left=[CELL], right=[CELL]), "the column of the pictures cannot be told", ("game.spy_view=blank",)
    ),
    "no column of pictures": Bad(a_table(label=[1]), "since no column can hold pictures or paths"),
    "the same ids in two files": Bad(two_files_with_the_same_ids, r"b\.parquet: row 1: the pair '7' is there already"),
    "unknown split": Bad(
        a_table(original=[CELL], edited=[CELL], split=["all"]), r"row 1: 'split' is 'all'; it must be train"
    ),
}
ALL = {
    f"{group}: {name}": bad
    for group, cases in (("picture", PICTURES), ("folder", FOLDERS), ("manifest", MANIFESTS), ("parquet", PARQUET))
    for name, bad in cases.items()
}


def two_empty(folder: Path) -> Path:
    for name in ("before", "after"):
        (folder / name).mkdir()
    return folder


def latin(folder: Path) -> Path:
    (folder / "m.csv").write_bytes("original,modified\nstraße.png,b.png\n".encode("latin-1"))
    return folder / "m.csv"


@pytest.mark.parametrize("bad", ALL.values(), ids=ALL)
def test_bad_input_is_one_message_and_writes_nothing(bad: Bad, tmp_path: Path) -> None:
    if bad in PARQUET.values():
        pytest.importorskip("pyarrow", reason="extra 'hub' is not installed")
    (tmp_path / "bad").mkdir()
    place = bad.write(tmp_path / "bad")
    with pytest.raises(InputError, match=bad.message) as caught:
        made_from(place, tmp_path / "out", *bad.overrides)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "games").exists()
    assert not list((tmp_path / "out").rglob("*.tmp"))


@pytest.mark.parametrize("bad", PICTURES.values(), ids=PICTURES)
def test_unusable_pictures_can_be_dropped(bad: Bad, tmp_path: Path) -> None:
    bad.write(tmp_path / "in")
    write_pair(tmp_path / "in", "good", seed=1)
    out = made_from(tmp_path / "in", tmp_path, "games.ready.unusable=drop")
    assert [row["pair_id"] for row in rows(out)] == ["good"]
    assert set(skipped(out)) == {"one"}


@pytest.mark.parametrize("kind", ["a picture", "a note", "a cell"])
def test_after_one_bad_pair_the_same_command_goes_on_without_it(tmp_path: Path, kind: str) -> None:
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
    with pytest.raises(InputError, match=r"with --set games\.ready\.unusable=drop"):
        made_from(place, tmp_path)
    report = run(
        recipe("games.ready.unusable=drop"), tmp_path / "games", sources=Sources(ready=str(place)), processes=1
    )
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
def test_a_full_disk_is_one_message_and_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    for number in range(3):
        write_pair(tmp_path / "in", f"pair{number}", seed=number)
    with monkeypatch.context() as patch:
        fill_the_disk(patch, where)
        with pytest.raises(
            VzError, match=r"games: the disk is full; free some space and give the same command"
        ) as caught:
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
    with pytest.raises(InputError, match=r"one_original\.png: is empty \(0 bytes\); go on without such pairs"):
        made_from(tmp_path / "in", tmp_path, processes=2)


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
