"""Writes training states to a hidden sibling, then syncs and renames it, so that half a state never counts."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stages.core.errors import VzError
from stages.core.folder.content import write_recorded
from stages.core.folder.faults import disk_full_is_an_error
from stages.core.folder.files import replace_folder, to_json
from stages.train.state import STATE, UPDATES, Trained

if TYPE_CHECKING:
    import torch

    Tensors = Iterable[tuple[str, torch.Tensor]]

PART_BYTES = 1 << 30  # bounds the memory that writing takes


class Writer:
    """Writes one state at a time, at once or in the background."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "vz-state")
        self._writing: Future[None] | None = None

    def write(self, folder: Path, trained: Trained, tensors: Tensors, *, in_background: bool) -> None:
        """Write a state to `folder`, replacing an existing one. Writes from a copy in RAM if `in_background`."""
        self.wait()
        if in_background:
            copies = deque([(name, _copy(tensor)) for name, tensor in tensors])
            self._writing = self._thread.submit(write_state, folder, trained, _taken_from(copies))
        else:
            write_state(folder, trained, tensors)

    def wait(self) -> None:
        """Wait until the last state is on disk. Raises the error if that failed."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()


def write_state(folder: Path, trained: Trained, tensors: Tensors) -> None:
    """Write a state to `folder`, replacing an existing one. Files are hashed from memory, before they are written.

    `training.json` has the measures of the updates. `state.json` comes last and records all other files.
    """
    from safetensors.torch import save

    work = folder.with_name(f".{folder.name}.partial")
    updates = to_json({"updates": trained.updates}).encode()
    try:
        with disk_full_is_an_error(folder):
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            files = {}
            for number, part in enumerate(_parts(tensors), start=1):
                name = f"part-{number:05d}.safetensors"
                files[name] = write_recorded(work / name, save(part))
            files[UPDATES] = write_recorded(work / UPDATES, updates)
            write_recorded(work / STATE, to_json(asdict(replace(trained.info, files=files))).encode())
            replace_folder(work, folder)
    except OSError as error:
        raise VzError(f"{folder}: the training state cannot be written ({error.strerror or error})") from error


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    """A copy in RAM."""
    return tensor.clone() if tensor.device.type == "cpu" else tensor.cpu()


def _taken_from(copies: deque[tuple[str, torch.Tensor]]) -> Iterator[tuple[str, torch.Tensor]]:
    """Each copy once. Frees the memory of those already taken."""
    while copies:
        yield copies.popleft()


def _parts(tensors: Tensors) -> Iterator[dict[str, torch.Tensor]]:
    """The tensors on the CPU, in parts of about `PART_BYTES`."""
    part: dict[str, torch.Tensor] = {}
    size = 0
    for name, tensor in tensors:
        part[name] = tensor.cpu().contiguous()
        size += part[name].nbytes
        if size >= PART_BYTES:
            yield part
            part, size = {}, 0
    if part:
        yield part
