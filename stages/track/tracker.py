"""The interface of a tracker, what it receives about a run, and the trackers that vz knows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from stages.track.record import Record

PATIENCE = 60.0  # seconds that a tracker has at the end of a run to send what is left
PROJECT = "vz"  # unless the tracker's own variable names another


@dataclass(frozen=True)
class Run:
    """A run as trackers know it. `id` stays the same as long as the run's folder exists, even if the folder moves."""

    folder: Path
    id: str
    recipe: str  # as YAML, resolved
    settings: Mapping[str, Any]  # the same by dotted key
    sent: int  # the last round that the tracker already has; −1: none

    @property
    def name(self) -> str:
        return self.folder.name


class Tracker(Protocol):
    """One run in one tracker. Any exception means: not sent, try again later."""

    where: str  # how to see the run: an address, or a command that shows it

    def log(self, record: Record) -> None:
        """Send a round. Rounds come in order and once each, except those that a kill cut short."""

    def close(self) -> None:
        """Send what is still buffered."""


# By name: the package that the tracker needs, and the extra that installs it. The adapter is the module `to_<name>`.
PACKAGES = {
    "wandb": ("wandb", "wandb"),
    "trackio": ("trackio", "trackio"),
    "tensorboard": ("tensorboard", "tensorboard"),
    "mlflow": ("mlflow", "mlflow"),
}


def open_tracker(name: str, run: Run) -> Tracker:
    """Begin the run in the tracker, or continue it there."""
    tracker: Tracker = import_module(f"stages.track.to_{name}").open_tracker(run)
    return tracker


def project(variable: str) -> str:
    """The project that the tracker's environment variable names."""
    return os.environ.get(variable) or PROJECT
