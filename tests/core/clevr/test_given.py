"""Scene files: the scenes of a merged file one by one, and single ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stages.core.clevr.given import scenes_in
from stages.core.errors import InputError

SCENES: list[dict[str, Any]] = [
    {"image_filename": f"CLEVR_val_{number:06d}.png", "objects": [{"3d_coords": [0.5, -1.25e-3, 7]}] * number}
    for number in range(30)
]


def write(folder: Path, body: Any, name: str = "scenes.json", **style: Any) -> Path:
    (folder / name).write_text(json.dumps(body, **style), encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("body", [{"info": {"split": "val"}, "scenes": SCENES}, {"scenes": SCENES, "info": [1, {}]}])
@pytest.mark.parametrize("indent", [None, 2])
def test_every_scene_of_a_merged_file_is_found(tmp_path: Path, body: Any, indent: int | None) -> None:
    found = list(scenes_in(write(tmp_path, body, indent=indent)))
    assert [scene.body for scene in found] == SCENES
    assert [scene.name for scene in found] == [f"CLEVR_val_{number:06d}" for number in range(30)]


def test_text_beyond_ascii_is_utf8(tmp_path: Path) -> None:
    scenes = [{"name": "Zürich 東京"}, {"name": "plain"}]
    file = write(tmp_path, {"scenes": scenes}, ensure_ascii=False)
    assert [scene.body for scene in scenes_in(file)] == scenes


def test_a_single_scene_is_its_whole_file(tmp_path: Path) -> None:
    [scene] = scenes_in(write(tmp_path, SCENES[3], "scene-3.json"))
    assert (scene.name, scene.body) == ("scene-3", SCENES[3])


def test_scenes_before_a_fault_are_found(tmp_path: Path) -> None:
    file = tmp_path / "scenes.json"
    file.write_text(json.dumps({"scenes": SCENES})[:-40])
    found = scenes_in(file)
    assert [next(found).body for _ in range(5)] == SCENES[:5]
    with pytest.raises(InputError, match=r"scenes\.json: not valid JSON at character \d+"):
        list(found)
