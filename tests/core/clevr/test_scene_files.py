"""Scene files: scenes one by one, whatever the file's size and however it is cut into blocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stages.core.clevr import scene_files
from stages.core.clevr.scene_files import scenes_of
from stages.core.errors import InputError

SCENES: list[dict[str, Any]] = [
    {
        "image_filename": f"CLEVR_val_{number:06d}.png",
        "objects": [{"3d_coords": [0.5, -1.25e-3, 7]}] * number,
        "n": number,
    }
    for number in range(30)
]


def write(folder: Path, body: Any, name: str = "scenes.json", **style: Any) -> Path:
    file = folder / name
    file.write_text(json.dumps(body, **style), encoding="utf-8")
    return file


@pytest.mark.parametrize("block", [7, 64, 1 << 20])
@pytest.mark.parametrize("body", [{"info": {"split": "val"}, "scenes": SCENES}, {"scenes": SCENES, "info": [1, {}]}])
@pytest.mark.parametrize("indent", [None, 2])
def test_every_scene_is_found_and_can_be_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, body: Any, indent: int | None
) -> None:
    monkeypatch.setattr(scene_files, "BLOCK", block)
    file = write(tmp_path, body, indent=indent)
    found = list(scenes_of(file))
    assert [scene for scene, _ in found] == SCENES
    assert [place.read() for _, place in found] == SCENES


def test_text_beyond_ascii_is_utf8(tmp_path: Path) -> None:
    scenes = [{"name": "Zürich 東京"}, {"name": "plain"}]
    file = write(tmp_path, {"scenes": scenes}, ensure_ascii=False)
    assert [scene for scene, _ in scenes_of(file)] == scenes
    assert [place.read() for _, place in scenes_of(file)] == scenes


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "scenes.json"
    file.write_bytes('{"scenes": [{"name": "Zürich"}]}'.encode("latin-1"))
    with pytest.raises(InputError, match=r"scenes\.json: not UTF-8 from byte 12"):
        list(scenes_of(file))


def test_a_single_scene_is_its_whole_file(tmp_path: Path) -> None:
    file = write(tmp_path, SCENES[3])
    [(scene, place)] = scenes_of(file)
    assert scene == SCENES[3] == place.read()


def test_scenes_before_a_fault_are_read_without_looking_further(tmp_path: Path) -> None:
    file = tmp_path / "scenes.json"
    file.write_text(json.dumps({"scenes": SCENES})[:-40])
    found = scenes_of(file)
    assert [next(found)[0] for _ in range(5)] == SCENES[:5]


@pytest.mark.parametrize(
    ("text", "byte", "what"),
    [
        (json.dumps({"scenes": SCENES})[:-1], None, "it ends too early"),
        (json.dumps({"scenes": SCENES})[:200], None, "cut off"),
        ('{"scenes": [{"a": 1} {"b": 2}]}', 21, "',' is missing"),
        ('{"info" 3, "scenes": []}', 8, "':' is missing"),
        ('{"scenes": [{"a": nope}]}', 18, "Expecting value"),
        ("[1, 2]", 0, "'{' is missing"),
        ("", 0, "it ends too early"),
    ],
)
def test_broken_files_are_named_with_the_byte(tmp_path: Path, text: str, byte: int | None, what: str) -> None:
    file = tmp_path / "scenes.json"
    file.write_text(text)
    place = "" if byte is None else f"at byte {byte} "
    with pytest.raises(InputError, match=rf"scenes\.json: not valid JSON {place}.*{what}"):
        list(scenes_of(file))


def test_a_file_that_changed_meanwhile_is_noticed(tmp_path: Path) -> None:
    file = write(tmp_path, {"scenes": SCENES})
    *_, (_, place) = scenes_of(file)
    write(tmp_path, {"scenes": SCENES}, indent=4)
    with pytest.raises(InputError, match="was changed while it was read"):
        place.read()
