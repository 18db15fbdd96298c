"""make-games from genuine scenes and from ready pairs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from stages.core import tables
from stages.core.clevr.scene_json import from_json
from stages.core.errors import InputError
from stages.core.recipe import Recipe, load
from stages.make_games import Sources, run
from stages.make_games.ready.pictures import rgb_png


def recipe(*overrides: str) -> Recipe:
    return load("tiny", ["games.samples=1", *overrides])


def only_pair(out: Path) -> dict[str, Any]:
    return tables.read(out / "pairs.parquet", tables.PAIRS).row(0, named=True)


def write_pair(folder: Path, base: str = "one", mode: str = "RGB", modified: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (8, 6), "red").save(folder / f"{base}_original.png")
    if modified:
        Image.new(mode, (8, 6), "blue").save(folder / f"{base}_modified.png")


def test_a_genuine_scene_becomes_a_pair(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    pytest.importorskip("mitsuba", reason="extra 'render' is not installed")
    file = shared_data("clevr_v1_scene_literal/CLEVR_val_000000.json")
    row = only_pair(
        run(recipe("games.denoise=false"), tmp_path / "games", sources=Sources(scenes=file), processes=1).out
    )
    assert (row["pair_id"], row["source"]) == ("CLEVR_val_000000", "scenes:CLEVR_val_000000.json")
    genuine = json.loads(file.read_text())
    scene = json.loads(row["scene"])
    key = sorted(genuine["objects"][0])
    assert [[item[k] for k in key if k != "pixel_coords"] for item in scene["objects"]] == [
        [item[k] for k in key if k != "pixel_coords"] for item in genuine["objects"]
    ]
    assert len({change["object"] for change in row["changes"]}) == 2
    with Image.open(tmp_path / "games" / row["modified"]) as image:
        assert image.size == (480, 320)
    # one draw of the lamps for both pictures
    assert from_json(scene, "a").lights == from_json(json.loads(row["modified_scene"]), "b").lights


def test_scenes_with_one_object_are_refused_by_name(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    file = shared_data("clevr_parser_1obj_2obj/1obj/scenes/CLEVR_val_scenes.json")
    with pytest.raises(InputError, match=r"CLEVR_val_scenes\.json: scene CLEVR_val_000000: objects in the scene: 1"):
        run(recipe(), tmp_path / "games", sources=Sources(scenes=file))


def test_a_missing_scene_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere.json: no such file"):
        run(recipe(), tmp_path / "games", sources=Sources(scenes=tmp_path / "nowhere.json"))


def test_scenes_and_folder_exclude_one_another(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give only one of scenes and ready"):
        run(recipe(), tmp_path / "games", sources=Sources(scenes=tmp_path, ready=str(tmp_path)))


def test_ready_pairs_are_taken_as_they_are(tmp_path: Path) -> None:
    write_pair(tmp_path / "in")
    out = run(recipe("games.domain=chart"), tmp_path / "games", sources=Sources(ready=str(tmp_path / "in"))).out
    row = only_pair(out)
    assert (row["pair_id"], row["domain"], row["changes"]) == ("one", "chart", [])
    assert (out / row["original"]).read_bytes() == (tmp_path / "in" / "one_original.png").read_bytes()


def test_the_published_layout_brings_its_changes(tmp_path: Path) -> None:
    write_pair(tmp_path / "in" / "replacement_images")
    cube = {"shape": "cube", "color": "red", "size": "large", "material": "metal"}
    ball = {**cube, "shape": "sphere", "color": "blue"}
    note = {
        "original_scene": {"objects": [cube, cube]},
        "modification": {"replaced_objects": [{"index": 1, "original": cube, "replacement": ball}]},
    }
    (tmp_path / "in" / "replacement_scenes").mkdir()
    (tmp_path / "in" / "replacement_scenes" / "one_comparison.json").write_text(json.dumps(note))
    row = only_pair(run(recipe(), tmp_path / "games", sources=Sources(ready=str(tmp_path / "in"))).out)
    assert row["changes"] == [
        {"object": 1, "attribute": "shape", "before": "cube", "after": "sphere"},
        {"object": 1, "attribute": "color", "before": "red", "after": "blue"},
    ]
    assert json.loads(row["modified_scene"])["objects"] == [cube, ball]


def test_a_broken_note_is_named(tmp_path: Path) -> None:
    write_pair(tmp_path / "in" / "replacement_images")
    (tmp_path / "in" / "replacement_scenes").mkdir()
    (tmp_path / "in" / "replacement_scenes" / "one_comparison.json").write_text('{"original_scene": {}}')
    with pytest.raises(InputError, match=r"one_comparison\.json: 'modification' is missing"):
        run(recipe(), tmp_path / "games", sources=Sources(ready=str(tmp_path / "in")))


@pytest.mark.parametrize("gone", ["original", "modified"])
def test_a_missing_counterpart_is_named(tmp_path: Path, gone: str) -> None:
    write_pair(tmp_path / "in", "one")
    write_pair(tmp_path / "in", "two")
    (tmp_path / "in" / f"two_{gone}.png").unlink()
    with pytest.raises(InputError, match=rf"counterpart two_{gone}\.png is missing"):
        run(recipe(), tmp_path / "games", sources=Sources(ready=str(tmp_path / "in")))


def test_blank_games_take_single_pictures(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (8, 6), "red").save(tmp_path / "in" / "beach.jpg")
    out = run(
        recipe("game.spy_view=blank", "games.domain=photo"),
        tmp_path / "games",
        sources=Sources(ready=str(tmp_path / "in")),
    ).out
    row = only_pair(out)
    assert (row["pair_id"], row["original"], row["modified"]) == ("beach", "images/beach_original.png", None)


def test_equal_pictures_are_refused(tmp_path: Path) -> None:
    write_pair(tmp_path / "in")
    (tmp_path / "in" / "one_modified.png").write_bytes((tmp_path / "in" / "one_original.png").read_bytes())
    with pytest.raises(InputError, match="same picture"):
        run(recipe(), tmp_path / "games", sources=Sources(ready=str(tmp_path / "in")))


def test_an_unreadable_picture_is_named(tmp_path: Path) -> None:
    write_pair(tmp_path / "in")
    (tmp_path / "in" / "one_original.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"one_original\.png: not a readable picture"):
        run(recipe(), tmp_path / "games", sources=Sources(ready=str(tmp_path / "in")))


def test_a_changed_picture_is_not_up_to_date(tmp_path: Path) -> None:
    write_pair(tmp_path / "in")
    run(recipe(), tmp_path / "games", sources=Sources(ready=str(tmp_path / "in")))
    Image.new("RGB", (8, 6), "green").save(tmp_path / "in" / "one_modified.png")
    with pytest.raises(InputError, match="other inputs"):
        run(recipe(), tmp_path / "games", sources=Sources(ready=str(tmp_path / "in")))


def test_clear_parts_of_a_picture_turn_white(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    (tmp_path / "flat.png").write_bytes(rgb_png(tmp_path / "clear.png"))
    with Image.open(tmp_path / "flat.png") as image:
        assert (image.mode, image.getpixel((0, 0))) == ("RGB", (255, 255, 255))


def test_genuine_photo_pairs_are_taken(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    source = shared_data("real_pairs_odiff")
    files = sorted(file for file in source.iterdir() if file.suffix == ".jpg")
    (tmp_path / "in").mkdir()
    for name, file in zip(("modified", "original"), files, strict=True):
        (tmp_path / "in" / f"tiger_{name}.jpg").write_bytes(file.read_bytes())
    out = run(recipe("games.domain=photo"), tmp_path / "games", sources=Sources(ready=str(tmp_path / "in"))).out
    with Image.open(out / only_pair(out)["original"]) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
