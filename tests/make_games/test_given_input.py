"""make-games from genuine scenes."""

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

ROOT = Path(__file__).resolve().parents[2]


def recipe(*overrides: str) -> Recipe:
    return load("tiny", ["games.samples=1", *overrides])


def only_pair(out: Path) -> dict[str, Any]:
    return tables.read(out / "pairs.parquet", tables.PAIRS).row(0, named=True)


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
    with pytest.raises(InputError, match=r"CLEVR_val_scenes\.json: scene CLEVR_val_000000: has 1 objects"):
        run(recipe(), tmp_path / "games", sources=Sources(scenes=file))


def test_a_missing_scene_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere.json: no such file"):
        run(recipe(), tmp_path / "games", sources=Sources(scenes=tmp_path / "nowhere.json"))


def test_scenes_and_folder_exclude_one_another(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give only one of --scenes and --from"):
        run(recipe(), tmp_path / "games", sources=Sources(scenes=tmp_path, ready=str(tmp_path)))


def test_scenes_are_not_silently_left_for_charts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="games.domain is 'chart', but scenes are of clevr"):
        run(recipe("games.domain=chart"), tmp_path / "games", sources=Sources(scenes=tmp_path))


def test_a_folder_of_single_scenes_is_planned_from_a_few_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stages.core.clevr import given as core
    from stages.make_games.clevr import given

    scenes = json.loads((ROOT / "data" / "clevr_scenes.json").read_text())["scenes"]
    for number in range(40):
        (tmp_path / f"scene-{number:03d}.json").write_text(json.dumps(scenes[number % len(scenes)]))
    asked: list[tuple[int, int]] = []
    real = core.recover_camera
    monkeypatch.setattr(core, "recover_camera", lambda *more: asked.append(more[2]) or real(*more))
    planned = given.plan(
        recipe("games.renderer=scalar", "games.pairs=100", "games.width=480", "games.height=320"), tmp_path
    )
    assert {pair.size for pair in planned.pairs} == {(480, 320)} and len(planned.pairs) == 40
    assert len(asked) == core.SIZE_SCENES * len(core.KNOWN_SIZES)


def test_a_scene_that_fits_no_size_does_not_decide(tmp_path: Path) -> None:
    from stages.core.clevr.given import picture_sizes, scenes_in

    scenes = json.loads((ROOT / "data" / "clevr_scenes.json").read_text())["scenes"][:3]
    scenes[0]["objects"][0]["pixel_coords"][0] = -90_000  # nearer to the middle of smaller pictures
    (tmp_path / "scenes.json").write_text(json.dumps({"scenes": scenes}))
    found = list(scenes_in(tmp_path / "scenes.json"))
    assert list(picture_sizes(found).values()) == [(480, 320)]
