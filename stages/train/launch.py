"""Training on several processes, which torchrun starts (`stages.train.worker` is what it runs)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import stages
from stages.core.errors import InputError, MissingExtra, VzError
from stages.core.folder.files import read_json
from stages.core.processes.inherited import forget_launcher
from stages.core.recipe import Recipe
from stages.train.accelerate_file import Spread, spread_of
from stages.train.job import Job
from stages.train.policy import check_precision, is_on_gpu

PACKAGES = ("torch", "transformers", "trl", "accelerate", "peft", "datasets")
ERROR = "error.json"  # what a failed process leaves beside its job file


def check_ready(recipe: Recipe) -> None:
    """`InputError` if training lacks a package or the accelerate file. A run checks this before its first game."""
    if recipe.train.trainer == "stub":
        return
    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingExtra("train", package)
    check_precision(recipe, spread_of(recipe))


def launch(job: Job) -> None:
    """Run the job on `train.processes` processes. A `VzError` of one of them is raised here again."""
    spread = spread_of(job.recipe)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job.json"
        job.save(path)
        error = path.with_name(ERROR)
        code = _watch(command(job.recipe, path), environment(job.recipe, spread), error)
        if error.is_file():
            body = read_json(error)
            raise (InputError if body["exit_code"] == InputError.exit_code else VzError)(body["message"])
        if code != 0:
            raise VzError(f"a training process ended with exit code {code}; its own words are above")


def command(recipe: Recipe, job: Path) -> list[str]:
    """How the processes are started. None of them imports modules from the current folder (`-P`)."""
    torchrun = [sys.executable, "-P", "-m", "stages.train.worker", "launch", str(os.getpid())]
    torchrun += ["--standalone", "--nproc_per_node", str(recipe.train.processes)]
    return [*torchrun, "-m", "stages.train.worker", str(job)]


def environment(recipe: Recipe, spread: Spread) -> dict[str, str]:
    """This process' environment without another launcher's variables, in which processes find these packages."""
    root = str(Path(stages.__file__).resolve().parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}
    forget_launcher(found)
    if not is_on_gpu(recipe):
        found["ACCELERATE_USE_CPU"] = "true"
    if spread.gpu_ids != "all":
        found["CUDA_VISIBLE_DEVICES"] = spread.gpu_ids
    found.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # a hint about unused weights, which some models have
    if recipe.threads is not None:
        found["OMP_NUM_THREADS"] = str(recipe.threads)
    return found


def _watch(call: list[str], variables: dict[str, str], error: Path) -> int:
    """Run to the end. What the processes print goes to stderr until one of them reports a `VzError`."""
    with subprocess.Popen(
        call, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if not error.is_file():
                    sys.stderr.write(line)
        except BaseException:
            process.terminate()
            raise
    return process.returncode
