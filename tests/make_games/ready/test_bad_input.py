"""Everything that can be wrong with ready pictures: one clear message that names the thing, and nothing written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from stages.core.errors import InputError
from tests.make_games.ready.bad import (
    CELL,
    CHANGE,
    HEAD,
    PAIR,
    Bad,
    a_dangling_link,
    a_folder_of_broken_parquet,
    a_link_outside,
    a_loop,
    a_manifest,
    a_note,
    a_picture,
    a_table,
    archive,
    both_couples,
    broken_pages,
    files,
    frames,
    heic,
    huge_png,
    latin,
    null_path,
    two_empty,
    two_files_with_the_same_ids,
)
from tests.make_games.ready.samples import (
    encoded,
    made_from,
    photo,
    png,
    struct,
)

PICTURES = {
    "zero bytes": Bad(
        a_picture(b""), r"one_original\.png: is empty \(0 bytes\); fix or remove it, or leave out --strict"
    ),
    "text named .png": Bad(a_picture(b"no picture"), r"one_original\.png: is not a picture \(PNG, JPEG"),
    "truncated PNG": Bad(a_picture(png(photo())[:400]), r"one_original\.png: cannot be decoded"),
    "truncated JPEG": Bad(
        a_picture(encoded(photo(), "jpeg")[:500], "one_original.jpg"), r"one_original\.jpg: cannot be decoded"
    ),
    "PNG of broken chunks": Bad(a_picture(png(photo())[:60] + b"\0" * 500), r"one_original\.png: cannot be decoded"),
    "animated GIF": Bad(a_picture(frames("gif")), r"one_original\.png: has 2 frames; save the one you mean"),
    "animated WebP": Bad(a_picture(frames("webp")), "has 2 frames"),
    "animated PNG": Bad(a_picture(frames("png")), "has 2 frames"),
    "TIFF of several pages": Bad(a_picture(frames("tiff")), "has 2 frames"),
    "one pixel": Bad(a_picture(png(photo(size=(4, 4)).resize((1, 1)))), r"1x1, below 28 pixels per side"),
    "100 megapixels": Bad(a_picture(huge_png()), r"10000x10000 is 100,000,000 pixels, over games\.ready\.max_pixels"),
    "32 bits a pixel": Bad(a_picture(encoded(Image.new("F", (32, 32)), "tiff")), "pixels of kind F have no defined"),
    "L*a*b*": Bad(a_picture(encoded(Image.new("LAB", (32, 32)), "tiff")), "pixels of kind LAB have no defined"),
    "PostScript": Bad(a_picture(encoded(photo(), "eps")), "is not a picture"),
}
FOLDERS = {
    "nothing": Bad(lambda _: "", "--from is empty; give a folder"),
    "no such place": Bad(lambda folder: folder / "nowhere", r"nowhere: no such file or folder of pairs"),
    "a hub name without hf:": Bad(lambda _: "Qinsi1/Vision-Zero", r"write hf:Qinsi1/Vision-Zero"),
    "empty folder": Bad(lambda folder: folder, r"bad: holds no pictures; give a folder that does"),
    "only archives": Bad(archive, r"bad: holds no pictures; unpack pairs\.zip"),
    "only other files": Bad(a_manifest("readme.txt"), r"'\.txt' is not a known kind of table"),
    "unknown kind of file": Bad(a_manifest("m.xlsx"), r"m\.xlsx: '\.xlsx' is not a known kind of table"),
    "no pairs by name": Bad(files("a.png", "b.png"), r"none of its 2 pictures is named <base>_original"),
    "modified missing": Bad(files("a_original.png"), r"a_original\.png: its counterpart .*/a_modified\.png is missing"),
    "original missing": Bad(
        files("a_original.png", "a_modified.png", "b_modified.png"),
        r"b_modified\.png: its counterpart .*/b_original\.png is missing",
    ),
    "unmatched in two folders": Bad(
        files("before/a.png", "after/b.png"), r"before/a\.png: its counterpart .*/after/a\.\* is missing"
    ),
    "one of two folders empty": Bad(lambda folder: two_empty(folder), r"before: holds no pictures"),
    "two couples of folders": Bad(both_couples, "keep only one of these pairs of folders"),
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
    "HEIC": Bad(heic, r"a_original\.heic: is not a picture"),
    "a dangling link": Bad(a_dangling_link, r"two_original\.png: its counterpart .*two_modified\.png is missing"),
    "published twice": Bad(
        files("a/replacement_images/x.png", "b/replacement_images/x.png"),
        r"both .*/a and .*/b have replacement_images; give one",
    ),
    "one picture, no blank spy": Bad(
        lambda folder: files("a.png")(folder) / "a.png", r"one picture is a game only with --set game\.spy_view=blank"
    ),
    "broken note": Bad(a_note('{"original_scene": {}}'), r"one_comparison\.json: 'modification' is missing or wrong"),
    "note that is no JSON": Bad(a_note("{"), r"one_comparison\.json: not valid JSON"),
}
MANIFESTS = {
    "no rows": Bad(a_manifest("m.csv", HEAD), r"m\.csv: holds no rows"),
    "empty CSV": Bad(a_manifest("m.csv"), r"m\.csv: the first line must name every column"),
    "column twice": Bad(
        a_manifest("m.csv", "original,original", "a.png,b.png"), "must name every column, without repeats"
    ),
    "missing column": Bad(
        a_manifest("m.csv", "original,caption", "a.png,b"),
        r"m\.csv: no columns have known names for a pair's pictures, of the columns 'original', 'caption'; name them",
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
    "short CSV row": Bad(
        a_manifest("m.csv", HEAD, "a.png"), r"m\.csv: line 2: has 1 cells, but the table has 2 columns"
    ),
    "open quote": Bad(a_manifest("m.csv", HEAD, 'a.png,"b.png'), r"m\.csv: not a readable CSV file"),
    "not UTF-8": Bad(lambda folder: latin(folder), r"m\.csv: not a readable CSV file in UTF-8"),
    "empty cell": Bad(a_manifest("m.csv", HEAD, "a.png,"), r"m\.csv: line 2: 'modified' is '', not the path"),
    "broken JSON line": Bad(
        a_manifest("m.jsonl", '{"original": "a.png", "modified": "b.png"}', "{"), r"line 2: not valid"
    ),
    "line that is no object": Bad(a_manifest("m.jsonl", "[1]"), r"m\.jsonl: line 1: is not a JSON object"),
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
        a_table(input_images=[["a.png", "b.png"]], output_images=[["c.png"]]),
        r"row 1: 'input_images' holds 2 pictures instead of one",
    ),
    "missing picture": Bad(a_manifest("m.csv", HEAD, "a.png,d.png"), r"d\.png: no such picture"),
    "path too long": Bad(
        a_manifest("m.csv", HEAD, f"a.png,{'c' * 300}"), r"ccc: cannot be read \(File name too long\)"
    ),
    "link to itself": Bad(a_loop, r"a\.png: cannot be read \(Too many levels|a\.png: no such picture"),
    "path outside": Bad(
        a_manifest("m.csv", HEAD, "a.png,../../etc/passwd"),
        r"line 2: '\.\./\.\./etc/passwd' is a path outside the folder",
    ),
    "absolute path": Bad(a_manifest("m.csv", HEAD, "/etc/passwd,b.png"), r"'/etc/passwd' is a path outside the folder"),
    "link outside": Bad(a_link_outside, r"line 2: 'a\.png' links out of the folder"),
    "duplicate pair": Bad(
        a_manifest("m.csv", f"{HEAD},pair_id", "a.png,b.png,x", "a.png,b.png,x"),
        r"line 3: the pair 'x' exists already, at .*m\.csv: line 2",
    ),
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
        r"m\.jsonl: line 1: 'changes' is neither text nor a list of changes with object \(0 to 2,147,483,647\)",
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
        r"m\.csv: line 4: is in split 'test', but .*m\.csv: line 2, with the same picture or group, is in 'train'",
    ),
    "one group in two splits": Bad(
        a_manifest("m.csv", f"{HEAD},split,group", "a.png,b.png,train,x", "b.png,a.png,test,x"),
        r"line 3: is in split 'test', but .*line 2, with the same picture or group, is in 'train'",
    ),
    "one picture modified in one split, original in another": Bad(
        a_manifest("m.csv", f"{HEAD},split", "a.png,b.png,train", "b.png,c.png,test"),
        r"line 3: is in split 'test', but .*line 2, with the same picture or group, is in 'train'",
    ),
    "text for a picture": Bad(a_manifest("m.csv", HEAD, "a.png,m.csv"), r"m\.csv: is not a picture"),
}
PARQUET = {
    "no Parquet": Bad(a_manifest("m.parquet", "text"), r"m\.parquet: not a readable Parquet file"),
    "one of several broken": Bad(a_folder_of_broken_parquet, r"b\.parquet: not a readable Parquet file"),
    "broken pages": Bad(broken_pages, r"p\.parquet: not a readable Parquet file"),
    "null picture": Bad(
        a_table(source_img=[CELL, None], target_img=[CELL, CELL], id=["a", "b"]),
        r"p\.parquet: row 2, 'source_img': holds no picture",
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
        a_table(original=[b"text"], edited=[b"text"]), r"p\.parquet: row 1, 'original': is not a picture"
    ),
    "unknown columns of pictures": Bad(
        a_table(left=[CELL], right=[CELL]),
        r"p\.parquet: no columns have known names .* columns 'left', 'right'; name them",
    ),
    "ambiguous single column": Bad(
        a_table(left=[CELL], right=[CELL]), "unclear which column holds the pictures", ("game.spy_view=blank",)
    ),
    "no column of pictures": Bad(a_table(label=[1]), "since no column can hold pictures or paths"),
    "the same ids in two files": Bad(two_files_with_the_same_ids, r"b\.parquet: row 1: the pair '7' exists already"),
    "unknown split": Bad(
        a_table(original=[CELL], edited=[CELL], split=["all"]), r"row 1: 'split' is 'all'; it must be train"
    ),
}
ALL = {
    f"{group}: {name}": bad
    for group, cases in (("picture", PICTURES), ("folder", FOLDERS), ("manifest", MANIFESTS), ("parquet", PARQUET))
    for name, bad in cases.items()
}


@pytest.mark.parametrize("bad", ALL.values(), ids=ALL)
def test_bad_input_is_one_message_and_writes_nothing(bad: Bad, tmp_path: Path) -> None:
    if bad in PARQUET.values():
        pytest.importorskip("pyarrow", reason="extra 'hub' is not installed")
    (tmp_path / "bad").mkdir()
    place = bad.write(tmp_path / "bad")
    with pytest.raises(InputError, match=bad.message) as caught:
        made_from(place, tmp_path / "out", "games.strict=true", *bad.overrides)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "games").exists()
    assert not list((tmp_path / "out").rglob("*.tmp"))
