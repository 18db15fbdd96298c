"""Genuine CLEVR v1.0 scenes: finds them in files and folders, and recovers their cameras."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stages.core.clevr.recover import recover_camera
from stages.core.clevr.scene import Lights, Scene
from stages.core.clevr.scene_json import read_json_scene
from stages.core.errors import InputError
from stages.core.folder.files import parse_json

KNOWN_SIZES = ((480, 320), (320, 240))  # CLEVR v1.0, and the default of clevr-dataset-gen
SIZE_SCENES = 5  # scenes that decide the size for a file or folder; one would nearly always be enough
MOST_RESIDUAL = 0.51  # pixels; CLEVR rounds to whole pixels, and the fit is not exact to the last hundredth
SPACE = re.compile(r"\s*")


class NoCamera(InputError):
    """No CLEVR camera matches a scene's coordinates. Raised only on rendering, since the search takes long."""


@dataclass(frozen=True)
class GivenScene:
    """A scene as found: its name, its location for messages, its file and its JSON text."""

    name: str
    where: str
    file: Path
    text: str
    merged: bool  # one of several in its file

    @property
    def body(self) -> Any:
        return parse_json(self.text, self.where, "the file may be cut off: get it again")


def scene_files(path: Path) -> list[Path]:
    """The file, or all `.json` files of a folder, by name."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder of scenes")
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path}: contains no .json file; give a scene file or a folder of scene files")
    return files


def scenes_in(file: Path) -> Iterator[GivenScene]:
    """The scenes in a merged file (key `scenes`), or a file's single scene.

    `InputError` names the file and, in a merged file, the position where it stops being JSON.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read as UTF-8 text ({error})") from error
    start = re.search(r'"scenes"\s*:\s*\[', text)
    if start is None:
        # Single scenes take their file's name, since `image_filename` inside is not always up to date.
        yield GivenScene(file.stem, str(file), file, text, merged=False)
        return
    at, number = _after_space(text, start.end()), 0
    while not text.startswith("]", at):
        body, end = _item(text, at, file)
        default = f"{file.stem}_{number:06d}"
        name = Path(str(body.get("image_filename") or default)).stem if isinstance(body, dict) else default
        yield GivenScene(name, f"{file}: scene {name}", file, text[at:end], merged=True)
        at, number = _after_space(text, end), number + 1
        if text.startswith(",", at):
            at = _after_space(text, at + 1)
    if not number:
        raise InputError(f"{file}: 'scenes' is empty")


def _item(text: str, at: int, file: Path) -> tuple[Any, int]:
    try:
        body, end = json.JSONDecoder().raw_decode(text, at)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: not valid JSON at character {at} ({error}); get the file again") from error
    return body, end


def _after_space(text: str, at: int) -> int:
    match = SPACE.match(text, at)
    return match.end() if match else at


def picture_sizes(scenes: Sequence[GivenScene], more: Sequence[tuple[int, int]] = ()) -> dict[Path, tuple[int, int]]:
    """Width and height of each file's pictures: the known or given size that best fits a few scenes' `pixel_coords`.

    All single scenes in a folder share one picture size, as do all scenes in a merged file.
    """
    together: dict[Path, list[GivenScene]] = {}
    for scene in scenes:
        together.setdefault(scene.file if scene.merged else scene.file.parent, []).append(scene)
    sizes = tuple(dict.fromkeys((*KNOWN_SIZES, *more)))
    found: dict[Path, tuple[int, int]] = {}
    for group in together.values():
        size = _best_size(group[:: -(-len(group) // SIZE_SCENES)], sizes)
        found |= {scene.file: size for scene in group}
    return found


def _best_size(scenes: Sequence[GivenScene], sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The size that most of the scenes fit best, so that a scene that fits none does not decide."""
    votes: Counter[tuple[int, int]] = Counter()
    for scene in scenes:
        read, seen = read_json_scene(scene.body, scene.where)
        if read.width:
            continue
        coords = [item.coords for item in read.objects]
        costs = {size: recover_camera(coords, seen, size).cost for size in sizes}
        votes[min(costs, key=costs.__getitem__)] += 1
    return votes.most_common(1)[0][0] if votes else sizes[0]


def read_scene(given: GivenScene, size: tuple[int, int], lights: Lights) -> Scene:
    """The scene with its camera recovered. A scene that vz wrote keeps its own camera and lights.

    Genuine scenes store no lights, and get `lights`. `NoCamera` if no CLEVR camera fits.
    """
    scene, seen = read_json_scene(given.body, given.where)
    if scene.width:
        return scene
    found = recover_camera([item.coords for item in scene.objects], seen, size)
    if found.residual > MOST_RESIDUAL:
        raise NoCamera(
            f"{given.where}: no CLEVR camera sees the objects at their 'pixel_coords' in a {size[0]}x{size[1]} picture "
            f"(off by {found.residual:.1f} pixels); set games.width and games.height to the picture's size, or leave "
            "the scene out"
        )
    return replace(scene, width=size[0], height=size[1], camera=found.camera, lights=lights, name=given.name)
