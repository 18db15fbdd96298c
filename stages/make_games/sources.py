"""Where pairs come from: drawn scenes, given scenes, or a folder of ready pictures. Bad input is found here, first."""

from __future__ import annotations

from pathlib import Path

from stages.core.clevr.given import find_scenes, picture_sizes, read_scene
from stages.core.clevr.placement import sample_lights
from stages.core.clevr.scene_json import objects_from_json
from stages.core.errors import InputError
from stages.core.files import read_json
from stages.core.recipe import Recipe
from stages.core.seeds import rng
from stages.make_games.tasks import DrawnPair, ReadyPair, ScenePair, Task, common

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
ORIGINAL, MODIFIED, COMPARISON = "_original", "_modified", "_comparison.json"
PICTURE_FOLDER, SCENE_FOLDER = "replacement_images", "replacement_scenes"  # as in the published data set


def plan(recipe: Recipe, scenes: Path | None, folder: Path | None) -> list[Task]:
    """The pairs to make, in order. `InputError` names what is off with the recipe or the input."""
    if scenes is not None and folder is not None:
        raise InputError("give either scenes or a folder of ready pairs, not both")
    if folder is not None:
        return list(_from_folder(recipe, folder))
    if recipe.games.domain != "clevr":
        raise InputError(
            f"games.domain is '{recipe.games.domain}', but only clevr can be drawn; give ready pairs with --from-folder"
        )
    if scenes is not None:
        return list(_from_scenes(recipe, scenes))
    if recipe.game.spy_view == "modified" and recipe.games.objects_min < recipe.games.changes:
        raise InputError(
            f"games.objects_min is {recipe.games.objects_min}, but {recipe.games.changes} objects are to change; "
            "raise it or lower games.changes"
        )
    ids = [f"clevr-{index:06d}" for index in range(recipe.games.pairs)]
    return [DrawnPair(**common(recipe, pair_id, "drawn"), index=index) for index, pair_id in enumerate(ids)]


def _from_scenes(recipe: Recipe, path: Path) -> list[ScenePair]:
    if not path.exists():
        raise InputError(f"{path}: no such file or folder of scenes")
    found = find_scenes(path)[: recipe.games.pairs]
    if recipe.game.spy_view == "modified":
        for given in found:
            count = len(objects_from_json(given.body, given.where))
            if count < recipe.games.changes:
                raise InputError(
                    f"{given.where}: objects in the scene: {count}, but {recipe.games.changes} are to change; "
                    f"leave it out, or set games.changes={count}"
                )
    sizes = picture_sizes(found, [(recipe.games.width, recipe.games.height)])
    tasks = []
    for given in found:
        pair = common(recipe, given.name, f"scenes:{given.file.name}")
        lights = sample_lights(recipe.games.light_jitter, rng(pair["seed"], "lights"))
        tasks.append(ScenePair(**pair, scene=read_scene(given, sizes[given.file], lights)))
    return tasks


def _from_folder(recipe: Recipe, folder: Path) -> list[ReadyPair]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of pairs")
    pictures = folder / PICTURE_FOLDER if (folder / PICTURE_FOLDER).is_dir() else folder
    files = _pictures_in(pictures)
    blank = recipe.game.spy_view == "blank"
    originals = {stem.removesuffix(ORIGINAL): file for stem, file in files.items() if stem.endswith(ORIGINAL)}
    if blank and not originals:
        originals = files
    if not originals:
        raise InputError(f"{pictures}: holds no picture named <base>{ORIGINAL}.png; name the pairs' pictures so")
    for stem, file in files.items():
        if not blank and stem.endswith(MODIFIED) and stem.removesuffix(MODIFIED) not in originals:
            raise InputError(f"{file}: its counterpart {stem.removesuffix(MODIFIED)}{ORIGINAL}.png is missing")
    chosen = list(originals.items())[: recipe.games.pairs]
    return [
        _ready(recipe, folder, base, file, None if blank else _counterpart(base, file, files)) for base, file in chosen
    ]


def _pictures_in(folder: Path) -> dict[str, Path]:
    """The folder's pictures by name without suffix, in name order."""
    files: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() not in SUFFIXES or file.name.startswith(".") or not file.is_file():
            continue
        if file.stem in files:
            raise InputError(f"{file}: {files[file.stem].name} has the same name but for the suffix; keep one of them")
        files[file.stem] = file
    return files


def _counterpart(base: str, original: Path, files: dict[str, Path]) -> Path:
    if base + MODIFIED not in files:
        raise InputError(
            f"{original}: its counterpart {base}{MODIFIED}.png is missing; add it, or play with game.spy_view=blank"
        )
    return files[base + MODIFIED]


def _ready(recipe: Recipe, folder: Path, base: str, original: Path, modified: Path | None) -> ReadyPair:
    note = folder / SCENE_FOLDER / (base + COMPARISON)
    has_note = modified is not None and note.is_file()
    return ReadyPair(
        **common(recipe, base, f"folder:{folder.resolve().name}"),
        original=original,
        modified=modified,
        comparison=read_json(note) if has_note else None,
        comparison_file=note if has_note else None,
    )
