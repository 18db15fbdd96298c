"""Starting training: here for one process, through accelerate for more."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import stages
from stages.core.errors import InputError, MissingExtra, VzError
from stages.core.folder.files import read_json, write_text
from stages.core.processes.inherited import forget_launcher, without_launcher
from stages.core.recipe import Recipe
from stages.train.accelerate_file import Spread, read_spread
from stages.train.job import ERROR, RESULT, Job, Trained

PACKAGES = ("torch", "transformers", "trl", "accelerate", "peft", "datasets")

# What accelerate is given. Without a file it would read the user's default one. `use_cpu: true` would start one process
# only; MULTI_GPU is right on a CPU too.
_FILE = """compute_environment: LOCAL_MACHINE
distributed_type: MULTI_GPU
num_machines: 1
machine_rank: 0
num_processes: {processes}
gpu_ids: {gpu_ids}
mixed_precision: 'no'
use_cpu: false
"""


def launch(job: Job) -> Trained:
    """Run the job where it belongs. What a training process raises as `VzError` is raised here again."""
    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingExtra("train", package)
    train = job.recipe.train
    if train.processes == 1 and train.accelerate_config is None:
        from stages.train.training import train as train_here

        with without_launcher():
            return train_here(job)
    spread = spread_of(job.recipe)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job.json"
        job.save(path)
        code = _watch(command(job.recipe, spread, path), environment(job.recipe), path.with_name(ERROR))
        if path.with_name(ERROR).is_file():
            error = read_json(path.with_name(ERROR))
            raise (InputError if error["exit_code"] == InputError.exit_code else VzError)(error["message"])
        if code != 0:
            raise VzError(f"a training process ended with exit code {code}; its own words are above")
        return Trained.load(path.with_name(RESULT))


def spread_of(recipe: Recipe) -> Spread:
    """How the recipe's accelerate file spreads weights."""
    from stages.train.policy import uses_bf16

    return read_spread(recipe, bf16=uses_bf16(recipe), cuda=_on_gpu(recipe))


def command(recipe: Recipe, spread: Spread, job: Path) -> list[str]:
    """How accelerate is called. No process that it starts imports modules from the current folder."""
    file = job.with_name("accelerate.yaml")
    write_text(file, _FILE.format(processes=recipe.train.processes, gpu_ids=spread.gpu_ids))
    start = [sys.executable, "-P", "-m", "stages.train.launcher", str(os.getpid()), "--config_file", str(file)]
    return [*start, "--main_process_port", "0", "-m", "stages.train.worker", str(job)]


def environment(recipe: Recipe) -> dict[str, str]:
    """This process' environment, less another launcher's part, in which any folder's workers find these packages."""
    root = str(Path(stages.__file__).resolve().parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}
    forget_launcher(found)
    if not _on_gpu(recipe):
        found["ACCELERATE_USE_CPU"] = "true"
    found.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # a hint about unused weights, which some models do have
    if recipe.threads is not None:
        found["OMP_NUM_THREADS"] = str(recipe.threads)
    return found


def _watch(call: list[str], variables: dict[str, str], error: Path) -> int:
    """Run to the end; what the processes say goes to stderr, until one of them reports an error of vz."""
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


def _on_gpu(recipe: Recipe) -> bool:
    import torch

    return recipe.model.device != "cpu" and torch.cuda.is_available()
