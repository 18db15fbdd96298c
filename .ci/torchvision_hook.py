"""Lets a CUDA build of torchvision be imported under a CPU build of torch, in every process of an environment.

Without CUDA such a torchvision cannot load its compiled operators, and its import then fails, because it describes two
of them, `nms` and `qnms`, to torch. They are declared here just before; nobody here calls them.

To install it, copy this file beside the environment's packages and write a `.pth` file there that imports the copy:
then every Python process of the environment runs it at its start. It costs nothing until torchvision is imported, and
does nothing where torch has CUDA or torchvision is built for the CPU.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path

OPERATORS = ("nms", "qnms")
DECLARED: list[object] = []  # torch forgets what was declared when the library object goes


class Declare(MetaPathFinder):
    """Declares the operators when torchvision is looked for, and leaves the finding to others."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name == "torchvision":
            sys.meta_path.remove(self)
            if _is_needed():
                _declare()
        return None


def _is_needed() -> bool:
    import torch

    built_for_cpu = any(any(Path(folder).glob("torchvision-*+cpu.dist-info")) for folder in sys.path)
    return torch.version.cuda is None and not built_for_cpu


def _declare() -> None:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for operator in OPERATORS:
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    DECLARED.append(library)


sys.meta_path.insert(0, Declare())
