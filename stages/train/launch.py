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
from stages.core.files import read_json
from stages.core.recipe import Recipe
from stages.train.job import Job, Trained
from stages.train.worker import ERROR, RESULT

_PACKAGES = ("torch", "transformers", "trl", "accelerate", "peft", "datasets")


def launch(job: Job) -> Trained:
    """Run the job where it belongs. What a training process raises as `VzError` is raised here again."""
    for package in _PACKAGES:
        if find_spec(package) is None:
            raise MissingExtra("train", package)
    train = job.recipe.train
    if train.processes == 1 and train.accelerate_config is None:
        from stages.train.training import train as train_here

        return train_here(job)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job.json"
        job.save(path)
        code = _watch(command(job.recipe, path), environment(job.recipe), path.with_name(ERROR))
        if path.with_name(ERROR).is_file():
            error = read_json(path.with_name(ERROR))
            raise (InputError if error["exit_code"] == InputError.exit_code else VzError)(error["message"])
        if code != 0:
            raise VzError(f"a training process ended with exit code {code}; its own words are above")
        return Trained.load(path.with_name(RESULT))


def command(recipe: Recipe, job: Path) -> list[str]:
    """How accelerate is called. `--cpu` would silently run one process only; `--multi_gpu` is right on a CPU too."""
    train = recipe.train
    start = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", str(train.processes)]
    if train.accelerate_config is not None:
        if not Path(train.accelerate_config).is_file():
            raise InputError(f"train.accelerate_config: {train.accelerate_config}: no such file")
        start += ["--config_file", os.path.abspath(train.accelerate_config)]
    else:
        start += ["--multi_gpu", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    return [*start, "--main_process_port", "0", "-m", "stages.train.worker", str(job)]


def environment(recipe: Recipe) -> dict[str, str]:
    """This process' environment, in which the workers find these packages from any folder."""
    root = str(Path(stages.__file__).resolve().parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    if recipe.model.device == "cpu" or not _cuda():
        found["ACCELERATE_USE_CPU"] = "true"
    found.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # a hint about unused weights, which some models do have
    if recipe.threads is not None:
        found["OMP_NUM_THREADS"] = str(recipe.threads)
    return found


def _watch(call: list[str], variables: dict[str, str], error: Path) -> int:
    """Run to the end; what the processes say goes to stderr, but not the launcher's lament over an error told here."""
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


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()
