"""Checks a set-up: versions against the tested ranges, GPU, memory, extras. Each fault comes with a remedy."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from stages.core.clevr.llvm import REMEDY, usable_llvm
from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of
from stages.core.vlm.needs import Check, Place, checks

DISTRIBUTION = "vz-selfplay"
EXTRAS = ["render", "train", "bitsandbytes", "vision", "vllm", "server", "ray", "charts", "report", "view", "hub"]
EXTRAS += ["wandb", "trackio", "tensorboard", "mlflow"]
MINIMUM_MEMORY_GIB = 4  # the demo needs less
MINIMUM_DISK_GIB = 5
Verdict = Literal["ok", "warn", "fail", "absent"]


@dataclass(frozen=True)
class Finding:
    """What was checked, the result, and the remedy if something is wrong."""

    verdict: Verdict
    what: str
    found: str
    remedy: str = ""


def examine(needed: Iterable[str] = ()) -> list[Finding]:
    """All findings. An extra that is not installed is `absent`, or a failure if it is `needed`."""
    wanted = set(needed)
    findings = [_python(), *_memory()]
    findings += [_package(name, ranges, "core", True) for name, ranges in _requirements(None)]
    for extra in EXTRAS:
        findings += [_package(name, ranges, extra, extra in wanted) for name, ranges in _requirements(extra)]
    unknown = wanted - set(EXTRAS)
    findings += [Finding("fail", f"extra '{name}'", "unknown", f"one of {', '.join(EXTRAS)}") for name in unknown]
    return [*findings, *_torch(), *_torchvision(), *_renderer()]


def _python() -> Finding:
    # pip refuses a Python that is older than pyproject.toml allows.
    found, newest = platform.python_version(), (3, 12)
    if sys.version_info[:2] > newest:
        return Finding("warn", "Python", found, "tested with 3.11 and 3.12; other versions may lack wheels")
    return Finding("ok", "Python", found)


def _memory() -> list[Finding]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    disk = shutil.disk_usage(".").free / 2**30
    return [
        Finding("ok", "memory", f"{memory:.0f} GiB, {os.cpu_count()} cores")
        if memory >= MINIMUM_MEMORY_GIB
        else Finding("warn", "memory", f"{memory:.1f} GiB", f"the recipe tiny needs {MINIMUM_MEMORY_GIB} GiB"),
        Finding("ok", "free disk here", f"{disk:.0f} GiB")
        if disk >= MINIMUM_DISK_GIB
        else Finding("warn", "free disk here", f"{disk:.1f} GiB", "free some space, or work on another disk"),
    ]


def _requirements(extra: str | None) -> list[tuple[str, SpecifierSet]]:
    """The requirements of the core (None) or of one extra."""
    from packaging.requirements import Requirement

    found = []
    for line in metadata.requires(DISTRIBUTION) or []:
        requirement = Requirement(line)
        marker = requirement.marker
        in_core = marker is None or marker.evaluate({"extra": ""})
        in_extra = marker is not None and extra is not None and marker.evaluate({"extra": extra})
        if (extra is None and in_core) or (in_extra and not in_core):
            found.append((requirement.name, requirement.specifier))
    return found


def _package(name: str, tested: SpecifierSet, extra: str, needed: bool) -> Finding:
    install = f"pip install '{DISTRIBUTION}[{extra}]'" if extra != "core" else f"pip install {DISTRIBUTION}"
    label = f"{name} ({extra})"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding("fail" if needed else "absent", label, "not installed", install)
    if not tested.contains(Version(version).base_version, prereleases=True):
        return Finding("fail", label, f"{version}; tested with {tested}", f"pip install '{name}{tested}'")
    return Finding("ok", label, version)


def _loaded(name: str, remedy: str) -> tuple[Any, list[Finding]]:
    """The module `name`, or None if it is not installed or does not load; and the failure in the latter case."""
    try:
        return importlib.import_module(name), []
    except ModuleNotFoundError:
        return None, []
    except (ImportError, RuntimeError, OSError) as error:
        return None, [Finding("fail", name, f"does not load: {error}", remedy)]


def _torch() -> list[Finding]:
    torch, faults = _loaded("torch", "install torch again")
    if torch is None:
        return faults
    if torch.version.cuda is None:
        return [Finding("warn", "GPU", "torch is a CPU build", "if you have a GPU, install PyTorch's CUDA build")]
    if not torch.cuda.is_available():
        remedy = "run nvidia-smi, and check that the driver is new enough for this CUDA version"
        return [Finding("warn", "GPU", f"torch for CUDA {torch.version.cuda} finds no GPU", remedy)]
    found = []
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        found.append(Finding("ok", f"GPU {index}", f"{name}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free"))
    return found


def _torchvision() -> list[Finding]:
    """A torchvision for CUDA with a torch for CPU breaks even transformers' AutoProcessor."""
    remedy = "pip uninstall torchvision, or install the build that matches this torch (extra 'vision')"
    torchvision, faults = _loaded("torchvision", remedy)
    return faults if torchvision is None else [Finding("ok", "torchvision", "loads")]


def _renderer() -> list[Finding]:
    mitsuba, faults = _loaded("mitsuba", "install the extra 'render' again")
    if mitsuba is None:
        return faults
    if "scalar_rgb" not in mitsuba.variants():
        return [Finding("fail", "renderer", "no scalar_rgb variant", "install mitsuba from its wheels")]
    library = usable_llvm()
    return [
        Finding("ok", "renderer", "mitsuba scalar_rgb"),
        Finding("ok", "fast renderer", library)
        if library
        else Finding("warn", "fast renderer", "no LLVM library works here, so rendering is slower", REMEDY),
    ]


def examine_model(recipe: Recipe) -> list[Finding]:
    """A finding for each thing that playing and training the recipe's model needs."""
    try:
        place = place_of(recipe.model.path)
    except InputError as error:
        return [Finding("fail", "model", str(error), "correct model.path")]
    return [_finding(name, check, recipe, place) for name, check in checks(recipe, place, trains=True).items()]


def _finding(name: str, check: Check, recipe: Recipe, place: Place) -> Finding:
    try:
        return Finding("ok", name, check(recipe, place))
    except InputError as error:
        found, _, remedy = str(error).rpartition("; ")
        return Finding("fail", name, found or remedy, remedy if found else "")
