"""Given CLEVR v1.0 scenes: finding them in files and folders, and their cameras."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core.clevr.recover import recover_camera
from stages.core.clevr.scene import Lights, Scene
from stages.core.clevr.scene_files import Place, scenes_of
from stages.core.clevr.scene_json import from_json, index_from_json, objects_from_json, pixels_from_json
from stages.core.errors import InputError

KNOWN_SIZES = ((480, 320), (320, 240))  # CLEVR v1.0, and the default of clevr-dataset-gen
SIZE_SCENES = 5  # scenes of a file or folder that are asked for the size of all; one would nearly always do
MOST_RESIDUAL = 0.51  # pixels: CLEVR rounds to whole ones, and the fit is not exact to the last hundredth


class NoCamera(InputError):
    """No camera of CLEVR's sees a scene as it says. Only found where it is rendered, since looking takes long."""


@dataclass(frozen=True)
class GivenScene:
    """A scene as it was found: its name, where it is, for messages, and the place of its text."""

    name: str
    where: str
    place: Place

    @property
    def file(self) -> Path:
        return self.place.file

    @property
    def body(self) -> Any:
        """The scene's value, read from its file."""
        return self.place.read()


def find_scenes(path: Path) -> Iterator[tuple[GivenScene, Any]]:
    """The scenes of a file (one scene, or merged under `scenes`) or of all `.json` files of a folder, by name.

    Each comes with its value, which is not kept: files may be of any size. A merged file in a folder that also holds
    its scenes one by one gives the same names twice: that is an `InputError`, as is a file without scenes.
    """
    files = [path]
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        if not files:
            raise InputError(f"{path}: holds no .json file; give a scene file or a folder of them")
    seen: dict[str, str] = {}
    for file in files:
        count = 0
        for count, (body, place) in enumerate(scenes_of(file), start=1):
            scene = _named(body, place, count - 1)
            if scene.name in seen:
                raise InputError(f"{scene.where}: has the same name as {seen[scene.name]}; give only one of them")
            seen[scene.name] = scene.where
            yield scene, body
        if not count:
            raise InputError(f"{file}: 'scenes' is empty")


def _named(body: Any, place: Place, number: int) -> GivenScene:
    if place.start == 0:
        # Single files are told apart by their own names: `image_filename` inside is not always kept up.
        return GivenScene(place.file.stem, f"{place.file}", place)
    default = f"{place.file.stem}_{number:06d}"
    name = Path(str(body.get("image_filename") or default)).stem if isinstance(body, Mapping) else default
    return GivenScene(name, f"{place.file}: scene {name}", place)


def picture_sizes(scenes: Sequence[GivenScene], more: Sequence[tuple[int, int]] = ()) -> dict[Path, tuple[int, int]]:
    """Width and height of the pictures of each file: the known or given size that `pixel_coords` of some fit best.

    Single scenes in one folder have pictures of one size, as those of one merged file have.
    """
    together: dict[Path, list[GivenScene]] = {}
    for scene in scenes:
        together.setdefault(scene.file if scene.place.start else scene.file.parent, []).append(scene)
    sizes = tuple(dict.fromkeys((*KNOWN_SIZES, *more)))
    found: dict[Path, tuple[int, int]] = {}
    for group in together.values():
        size = _best_size(group[:: -(-len(group) // SIZE_SCENES)], sizes)
        found |= {scene.file: size for scene in group}
    return found


def _best_size(scenes: Sequence[GivenScene], sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The size that most of the scenes fit best; so one that fits none does not decide."""
    votes: Counter[tuple[int, int]] = Counter()
    for scene in scenes:
        body = scene.body
        coords = [item.coords for item in objects_from_json(body, scene.where)]
        seen = pixels_from_json(body, scene.where)
        costs = {size: recover_camera(coords, seen, size).cost for size in sizes}
        votes[min(costs, key=costs.__getitem__)] += 1
    return votes.most_common(1)[0][0]


def has_camera(body: Any) -> bool:
    """Whether a scene names its camera, as vz's own do."""
    return isinstance(body, Mapping) and body.get("camera") is not None


def read_scene(given: GivenScene, size: tuple[int, int], lights: Lights) -> Scene:
    """The scene with its camera recovered. A scene that vz wrote itself keeps the camera and lamps it names.

    `lights` are taken for genuine scenes, which do not store them. `NoCamera` if none of CLEVR's fits.
    """
    body = given.body
    if has_camera(body):
        return from_json(body, given.where)
    objects = objects_from_json(body, given.where)
    found = recover_camera([item.coords for item in objects], pixels_from_json(body, given.where), size)
    if found.residual > MOST_RESIDUAL:
        raise NoCamera(
            f"{given.where}: no camera of CLEVR's sees the objects at their 'pixel_coords' in a {size[0]}x{size[1]} "
            f"picture (off by {found.residual:.1f} pixels); set games.width and games.height to the picture's size, "
            "or leave the scene out"
        )
    return Scene(
        objects=objects,
        width=size[0],
        height=size[1],
        camera=found.camera,
        lights=lights,
        name=given.name,
        index=index_from_json(body, given.where),
        split=str(body.get("split", "new")),
    )
