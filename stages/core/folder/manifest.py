"""The manifest of an output folder: what was made of what, by which versions, and when."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.folder.content import MANIFEST, outputs
from stages.core.folder.files import read_json

FORMAT = 2  # 1 counted versions of packages and places of models among the settings
REPORTED_PACKAGES = (
    "vz-selfplay", "polars", "pillow", "torch", "transformers", "trl", "accelerate", "peft", "mitsuba", "pyoidn",
    "vllm", "datasets", "matplotlib",
)  # fmt: skip


def manifest_of(folder: Path, stage: str | None = None) -> dict[str, Any]:
    """The manifest of a stage's folder; `InputError` if it is none, or another stage's."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    if not (folder / MANIFEST).is_file():
        inside = sorted(path.parent.name for path in folder.glob(f"*/{MANIFEST}"))
        hint = f"; it holds outputs named {', '.join(inside)}" if inside else ""
        raise InputError(f"{folder}: holds no {MANIFEST}, so it is no finished output of a stage{hint}")
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("stage"), str):
        raise InputError(f"{folder / MANIFEST}: is no manifest of vz; make the folder again")
    if stage is not None and manifest["stage"] != stage:
        raise InputError(f"{folder}: is an output of '{manifest['stage']}', but one of '{stage}' is needed here")
    return manifest


def input_of(folder: Path, name: str, option: str | None = None) -> Path:
    """The path of the input `name` of the stage that made `folder`, from its manifest.

    `option` is the one by which a user can name another place.
    """
    manifest, remedy = manifest_of(folder), f", or give its place with {option}" if option else ""
    if name not in manifest["inputs"]:
        raise InputError(f"{folder}: its manifest lists no input '{name}'; make it again{remedy}")
    path = Path(os.path.normpath(folder.resolve() / manifest["inputs"][name]["path"]))
    if not path.exists():
        raise InputError(f"{path}: the {name} that {folder} was made from is missing; put it back{remedy}")
    return path


def describe(
    claim: Mapping[str, Any], inputs: Mapping[str, Path | str], out: Path, work: Path, told: Mapping[str, Any]
) -> dict[str, Any]:
    """The manifest of the finished folder `work`, to be `out`: the `claim` with the places of the inputs, relative to
    `out`; what the maker `told`; versions; the files."""
    hashes = claim["inputs"]
    return {
        **claim,
        "inputs": {name: {"path": _relative(source, out), "sha256": hashes[name]} for name, source in inputs.items()},
        **told,
        "versions": {"python": platform.python_version(), **versions(REPORTED_PACKAGES)},
        "git": _git_state(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "outputs": outputs(work),  # last, since they may be many
    }


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Of those packages that are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _relative(source: Path | str, out: Path) -> str:
    if isinstance(source, str) and not Path(source).exists():
        return source
    return os.path.relpath(Path(source).resolve(), out)


def _git_state() -> str | None:
    """The commit of the working copy that vz runs from, or null for an installed wheel."""
    here = Path(__file__).resolve().parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
