"""The manifest of an output folder: what made it, from what and when, and how it differs from another."""

from __future__ import annotations

import functools
import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.folder.content import MANIFEST, outputs
from stages.core.folder.files import read_json, to_json
from stages.core.old_settings import ONCE_STORED, modernised

FORMAT = 2  # 1 counted package versions and model paths as settings
REPORTED_PACKAGES = (
    "vz-selfplay", "polars", "pillow", "torch", "transformers", "trl", "accelerate", "peft", "mitsuba", "pyoidn",
    "vllm", "datasets", "matplotlib",
)  # fmt: skip
MOST_NAMED, LONGEST_VALUE = 4, 60  # settings that a message names, and characters it shows of a value
HASH = re.compile("[0-9a-f]{64}")
# The keys of a manifest. A `vz iterate` run's manifest never lists outputs; a manifest of weights handed over to an
# engine lists little else.
KEYS: dict[str, type] = {
    "format": int, "stage": str, "settings": dict, "inputs": dict, "counts": dict, "warnings": list, "timings": dict,
    "finished": str, "outputs": dict,
}  # fmt: skip
SECTIONS = ("model", "game", "games", "rollout", "score", "filter", "train")  # of the settings that other stages read
AGAIN = "delete the folder and repeat the command that made it"
KEYS_OF_A_RUN, KEYS_HANDED_OVER = ("format", "stage", "inputs"), {"stage", "identity", "outputs"}


def manifest_of(folder: Path, stage: str | None = None) -> dict[str, Any]:
    """The manifest of an output folder. `InputError` if the folder has none, or is an output of another stage."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    if not (folder / MANIFEST).is_file():
        inside = sorted(path.parent.name for path in folder.glob(f"*/{MANIFEST}"))
        hint = f"; it holds outputs named {', '.join(inside)}" if inside else ""
        raise InputError(f"{folder}: has no {MANIFEST}, so it is not a finished output of a stage{hint}")
    manifest = read_manifest(folder)
    if stage is not None and manifest["stage"] != stage:
        raise InputError(f"{folder}: is an output of '{manifest['stage']}', but an output of '{stage}' is needed here")
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest in the folder. `InputError` if a part is missing, or is not what vz writes there."""
    path = folder / MANIFEST
    manifest = read_json(path)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("stage"), str):
        raise InputError(f"{path}: not a vz manifest; {AGAIN}")
    is_run = manifest["stage"] == "iterate"
    needed = KEYS_OF_A_RUN if is_run else ("outputs",) if manifest.keys() == KEYS_HANDED_OVER else KEYS
    for name in needed:
        if not isinstance(manifest.get(name), KEYS[name]):
            raise InputError(f"{path}: '{name}' is missing or not as vz writes it, so the file was changed; {AGAIN}")
    settings: Any = manifest.get("settings")  # a run's manifest has none
    for name in SECTIONS if isinstance(settings, dict) else ():
        if not isinstance(settings.get(name, {}), dict):
            raise InputError(f"{path}: '{name}' in 'settings' is not as vz writes it; {AGAIN}")
    inner: dict[str, dict[str, type]] = {"outputs": {"bytes": int}}
    if not is_run:
        inner["inputs"] = {"path": str, "sha256": str}
    for name, kinds in inner.items():
        for key, value in manifest.get(name, {}).items():
            if any(not isinstance(value, dict) or not isinstance(value.get(part), kinds[part]) for part in kinds):
                raise InputError(f"{path}: '{key}' in '{name}' is not as vz writes it; {AGAIN}")
    return manifest


def settings_of(folder: Path, section: str, stage: str | None = None) -> dict[str, Any]:
    """A section of the settings that an output was made with. `InputError` if the manifest has none."""
    found = manifest_of(folder, stage)["settings"].get(section)
    if not isinstance(found, dict):
        raise InputError(f"{folder / MANIFEST}: contains no settings of '{section}'; {AGAIN}")
    return found


def input_of(folder: Path, name: str, option: str | None = None) -> Path:
    """The path of the input `name` of the stage that made `folder`, from its manifest.

    Errors mention `option`, which names another path.
    """
    manifest, remedy = manifest_of(folder), f", or give its place with {option}" if option else ""
    if name not in manifest["inputs"]:
        raise InputError(f"{folder}: its manifest lists no input '{name}'; make the folder again{remedy}")
    path = Path(os.path.normpath(folder.resolve() / manifest["inputs"][name]["path"]))
    if not path.exists():
        raise InputError(f"{path}: the input '{name}' of {folder} is missing; put it back{remedy}")
    return path


def describe(
    claim: Mapping[str, Any], inputs: Mapping[str, Path | str], out: Path, work: Path, outcome: Mapping[str, Any]
) -> dict[str, Any]:
    """The manifest of the finished folder `work`, which becomes `out`. Paths of inputs are relative to `out`."""
    hashes = claim["inputs"]
    return {
        **claim,
        "inputs": {name: {"path": _relative(source, out), "sha256": hashes[name]} for name, source in inputs.items()},
        **outcome,
        **_made_by(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "outputs": outputs(work),  # last, since they may be many
    }


@functools.cache
def _made_by() -> dict[str, Any]:
    """The versions and the commit of the running code. Read once, since a process keeps what it loaded."""
    return {
        "versions": {"python": platform.python_version(), **versions(REPORTED_PACKAGES)},
        "git": _git_state(),
    }


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of the installed packages."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def differences(made: Mapping[str, Any], claim: Mapping[str, Any]) -> str:
    """How two results differ, such as `games.pairs was 60, is now 100; other scenes`; empty if they are the same.

    `made` is a manifest or a stored claim.
    """
    claim = json.loads(to_json(dict(claim)))  # as it would be stored: without tuples
    found = [*_in_settings(made["settings"], claim["settings"]), *_in_inputs(input_hashes(made), claim["inputs"])]
    if made["format"] != claim["format"]:
        found.append("another version of vz made it")
    return "; ".join(found)


def input_hashes(made: Mapping[str, Any]) -> dict[str, str]:
    """The hashes of the inputs by name, from a manifest, which also has their paths, or from a claim."""
    return {name: value["sha256"] if isinstance(value, dict) else value for name, value in made["inputs"].items()}


def flat_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Stored settings by dotted key, as this version would write them."""
    return dict(leaves(modernised(settings)))


def changed_settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The dotted keys of the settings that differ. A null field equals one that did not exist yet.

    Ignores parts that earlier versions always stored, and that have no effect here (`ONCE_STORED`).
    """
    before, after = flat_settings(old), flat_settings(new)
    for part in ONCE_STORED:
        if not any(key.startswith(part) for key in after):
            before = {key: value for key, value in before.items() if not key.startswith(part)}
    return [key for key in {**before, **after} if before.get(key) != after.get(key)]


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested mappings by dotted key."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _in_settings(made: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    old, new, changed = flat_settings(made), flat_settings(now), changed_settings(made, now)
    for key in changed[:MOST_NAMED]:
        is_hash = HASH.fullmatch(str(new.get(key, old.get(key))))  # its digits mean nothing to a reader
        yield f"other {key}" if is_hash else f"{key} was {_shown(old, key)}, is now {_shown(new, key)}"
    if len(changed) > MOST_NAMED:
        yield f"{len(changed) - MOST_NAMED} more"


def _in_inputs(old: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in {**old, **now}:
        if old.get(name) != now.get(name):
            yield f"{'no' if name not in now else 'other' if name in old else 'now'} {name}"


def _shown(settings: Mapping[str, Any], key: str) -> str:
    text = str(settings.get(key, "absent"))
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _relative(source: Path | str, out: Path) -> str:
    if isinstance(source, str) and not Path(source).exists():
        return source
    return os.path.relpath(Path(source).resolve(), out)


def _git_state() -> str | None:
    """The commit of the checkout that vz runs from; None for an installed wheel."""
    here = Path(__file__).resolve().parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
