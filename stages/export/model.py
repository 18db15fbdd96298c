"""From a checkpoint to a model folder that anybody can load: weights merged, files of the base, a card."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stages.core import vlm
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.artifact import MANIFEST, Outcome, Report
from stages.core.folder.files import read_json, write_text
from stages.core.pages.results import read_results
from stages.core.pages.run_files import flat
from stages.core.recipe.load import resolve_model
from stages.core.recipe.model import Model as ModelRecipe
from stages.core.vlm.adapters import adapter_config
from stages.core.vlm.merging import check_mergeable, save_merged
from stages.core.vlm.saving import INDEX, copy_own_files, local_folder, own_files, weight_map
from stages.export.history import History, read_history
from stages.export.model_card import About, license_of, model_card
from stages.export.stage import LICENSE

CARD = "README.md"


@dataclass(frozen=True)
class Source:
    """What is exported: a folder of full weights, or of an adapter, whose `base` then gives all other files."""

    checkpoint: Path
    base: Path | None
    named: str  # the base as the checkpoint names it
    recipe: ModelRecipe

    @property
    def like(self) -> Path:
        """The folder from which the export takes all files but the weights."""
        return self.base or self.checkpoint

    @cached_property
    def files(self) -> dict[str, int]:
        """The export's files, without its card, with their sizes in bytes."""
        weights = {file: (self.like / file).stat().st_size for file in set(weight_map(self.like).values())}
        if (self.like / INDEX).is_file():
            weights[INDEX] = (self.like / INDEX).stat().st_size
        own = {str(path.relative_to(self.like)): path.stat().st_size for path in own_files(self.like)}
        return {**own, **weights}


def find_source(checkpoint: str, base: str | None = None) -> Source:
    """The checkpoint's folder, and its base's if it is an adapter. Both are downloaded if they are on the hub."""
    folder = local_folder(resolve_model(checkpoint), None)
    if not vlm.is_adapter(folder):
        if base is not None:
            raise InputError(f"{folder}: holds full weights, so there is nothing to merge; leave out --base")
        weight_map(folder)  # an error without weights
        return Source(folder, None, _base_of_full(folder), ModelRecipe(path=str(folder)))
    config = adapter_config(folder)
    named = str(base or config.get("base_model_name_or_path") or "")
    recipe = ModelRecipe(path=named or str(folder), revision=config.get("revision"), device="cpu")
    place = local_folder(resolve_model(base) if base else vlm.base_of_adapter(folder, recipe), config.get("revision"))
    check_mergeable(folder, place)
    return Source(folder, place, named, recipe)


def export_model(
    checkpoint: str,
    out: Path,
    *,
    base: str | None = None,
    results: Sequence[Path] = (),
    license: str | None = None,
    overwrite: bool = False,
) -> Report:
    """Write the checkpoint to `out` as a plain model folder with a card, an adapter merged into its base.

    `results` are folders of `vz evaluate` and `vz benchmark`, whose figures the card shows. Whatever loads the base
    also loads the result, without vz. `license` is the hub's identifier; by default it is the base's.
    """
    if license is not None and not LICENSE.fullmatch(license):
        raise InputError(f"--license {license}: give the hub's identifier, like apache-2.0, mit or other")
    source = find_source(checkpoint, base)
    measured = [read_results(folder) for folder in results]

    def make(work: Path) -> Outcome:
        history = read_history(source.checkpoint)
        _write_weights(source, work)
        found = license or license_of(source.like)
        about = About(source.named, source.base is not None, history, measured, found, (work / "LICENSE").is_file())
        write_text(work / CARD, model_card(about))
        return _outcome(source, work, history, found)

    inputs: dict[str, Path | str] = {"checkpoint": source.checkpoint}
    inputs |= {"base": source.base} if source.base else {}
    return artifact.produce(
        out,
        stage="export",
        settings={"to": "model", "license": license},
        inputs=inputs | {f"results {number}": folder for number, folder in enumerate(results, start=1)},
        make=make,
        overwrite=overwrite,
    )


def _write_weights(source: Source, work: Path) -> None:
    copy_own_files(source.like, work, config=True)
    if source.base is not None:
        save_merged(source.checkpoint, source.base, source.recipe, work)
        return
    for name in {*weight_map(source.checkpoint).values(), INDEX}:
        if (source.checkpoint / name).is_file():
            shutil.copyfile(source.checkpoint / name, work / name)


def _outcome(source: Source, work: Path, history: History | None, license: str | None) -> Outcome:
    counts = {
        "form": "adapter merged into its base" if source.base else "full weights",
        "base": source.named or None,
        "weights": len(weight_map(work)),
        "files": len(source.files) + 1,
        "bytes": sum(path.stat().st_size for path in work.iterdir() if path.is_file()),
        "license": license,
    }
    warnings = [] if license else ["the base states no license, so the card says that it is unknown; give --license"]
    quantized = source.base and history and flat(history.settings).get("model.quantization") == "4bit"
    if quantized:
        warnings.append(
            "the adapter trained and played on its base in 4 bits; merged into the base in full precision it computes "
            "slightly different values, so evaluate the exported model again"
        )
    return Outcome(counts, warnings)


def _base_of_full(folder: Path) -> str:
    """The base of full weights that vz trained, as the training named it. Empty for other weights."""
    made: Mapping[str, Any] = read_json(folder / MANIFEST) if (folder / MANIFEST).is_file() else {}
    recorded = made.get("inputs", {}).get("base", {}) if made.get("stage") == "train" else {}
    named = str(recorded.get("path", "")) if isinstance(recorded, dict) else ""
    place = (folder / named).resolve()  # as recorded, relative to the folder
    return str(place) if named and place.exists() else named
