"""Making one pair: its pictures, then a small note that it is done. Runs in the render processes."""

from __future__ import annotations

import hashlib
import io
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from stages.core.clevr import Scene, change_objects, render, sample_scene
from stages.core.clevr.change import Change
from stages.core.clevr.scene_json import to_json
from stages.core.clevr.visibility import visible_pixels
from stages.core.errors import InputError
from stages.core.files import read_json, write_json
from stages.core.recipe.games import Games
from stages.core.seeds import derive, rng
from stages.make_games.comparison import read_comparison
from stages.make_games.tasks import DrawnPair, Pair, ReadyPair, ScenePair, Task

IMAGES, NOTES = "images", ".pairs"  # the notes serve resuming only and do not stay

Row = dict[str, Any]


def make_pair(task: Task, work: Path) -> None:
    """Write the pictures of a pair and its row of `pairs.parquet` (as a note) under `work`.

    The note comes last, so that a pair with a note is whole.
    """
    if isinstance(task, ReadyPair):
        row = _copy(task, work)
    elif isinstance(task, DrawnPair):
        row = _render(task, *draw_pair(task), work)
    else:
        scene, changes = _changed(task.scene, task, 0)
        row = _render(task, task.scene, scene, changes, work)
    write_json(_note(work, task.pair_id), row)


def finished(work: Path, task: Pair) -> bool:
    """Whether the pair was made before the run was interrupted."""
    return _note(work, task.pair_id).is_file()


def row_of(work: Path, task: Pair) -> Row:
    """The finished pair's row."""
    row: Row = read_json(_note(work, task.pair_id))
    return row


def draw_pair(task: DrawnPair) -> tuple[Scene, Scene | None, list[Change]]:
    """A scene by the recipe's rules and its changed twin, both with every object in sight.

    A change of shape can hide what stands behind, so that now and then another change or scene is drawn.
    """
    games = task.games
    for attempt in range(games.placement.restarts):
        scene = sample_scene(games, rng(task.seed, "scene", attempt), name=task.pair_id, index=task.index)
        modified, changes = _changed(scene, task, attempt)
        if modified is None or games.layout == "grid" or _in_sight(modified, games):
            return scene, modified, changes
    raise InputError(
        f"{task.pair_id}: no change keeps every object in sight; lower games.min_pixels or games.objects_max"
    )


def _in_sight(scene: Scene, games: Games) -> bool:
    return min(visible_pixels(scene)) >= games.min_pixels


def _changed(scene: Scene, task: Pair, attempt: int) -> tuple[Scene | None, list[Change]]:
    if task.blank:
        return None, []
    choices = {"shape": task.games.shapes, "color": task.games.colors, "material": task.games.materials}
    draw = rng(task.seed, "change", attempt)
    return change_objects(scene, task.games.changes, task.games.change_attributes, draw, choices)


def _render(
    task: DrawnPair | ScenePair, scene: Scene, modified: Scene | None, changes: list[Change], work: Path
) -> Row:
    names = {"original": scene} | ({} if modified is None else {"modified": modified})
    row = _empty_row(task, changes)
    for role, named in names.items():
        named = replace(named, name=f"{task.pair_id}_{role}", split=task.split)
        # One seed for both pictures: what did not change looks the same to the last speck.
        picture = render(
            named, samples=task.games.samples, seed=derive(task.seed, "render"), denoise=task.games.denoise
        )
        _add_picture(row, role, task.pair_id, _png(picture), work)
        row["scene" if role == "original" else "modified_scene"] = json.dumps(to_json(named))
    return row


def _copy(task: ReadyPair, work: Path) -> Row:
    row = _empty_row(task, [])
    _add_picture(row, "original", task.pair_id, rgb_png(task.original), work)
    if task.modified is not None:
        _add_picture(row, "modified", task.pair_id, rgb_png(task.modified), work)
        if row["original_sha256"] == row["modified_sha256"]:
            raise InputError(f"{task.modified}: is the same picture as {task.original.name}; leave the pair out")
    if task.comparison_file is not None:
        changes, scene, modified = read_comparison(task.comparison, task.comparison_file)
        row |= {
            "changes": [asdict(change) for change in changes],
            "scene": json.dumps(scene),
            "modified_scene": json.dumps(modified),
        }
    return row


def rgb_png(file: Path) -> bytes:
    """The picture as the bytes of an RGB PNG: the file's own where it is one, else converted; clear parts in white."""
    try:
        data = file.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            if image.format == "PNG" and image.mode == "RGB" and "transparency" not in image.info:
                image.load()
                return data
            flat = image.convert("RGBA")
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"{file}: not a readable picture ({error}); replace it or leave the pair out") from error
    white = Image.new("RGBA", flat.size, (255, 255, 255, 255))
    return _png(np.asarray(Image.alpha_composite(white, flat).convert("RGB")))


def _png(picture: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "png")
    return buffer.getvalue()


def _empty_row(task: Pair, changes: list[Change]) -> Row:
    return {
        "pair_id": task.pair_id,
        "domain": task.games.domain,
        "original": None,
        "modified": None,
        "original_sha256": None,
        "modified_sha256": None,
        "changes": [asdict(change) for change in changes],
        "scene": None,
        "modified_scene": None,
        "source": task.source,
        "seed": task.seed,
        "split": task.split,
    }


def _add_picture(row: Row, role: str, pair_id: str, data: bytes, work: Path) -> None:
    ref = f"{IMAGES}/{pair_id}_{role}.png"
    temporary = work / f"{IMAGES}/.{pair_id}_{role}.{os.getpid()}.tmp"
    temporary.write_bytes(data)
    temporary.replace(work / ref)
    row[role] = ref
    row[f"{role}_sha256"] = hashlib.sha256(data).hexdigest()


def _note(work: Path, pair_id: str) -> Path:
    return work / NOTES / f"{pair_id}.json"
