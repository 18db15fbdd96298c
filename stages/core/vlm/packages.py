"""Packages that only some model families need: what installs those that an error names."""

from __future__ import annotations

from importlib.util import find_spec

from stages.core.errors import require

# As transformers' messages name them, in lower case.
_IN_VISION = ("torchvision", "num2words")
_OTHERS = {
    name: name for name in ("timm", "sentencepiece", "protobuf", "tiktoken", "einops", "mistral-common", "blobfile")
} | {"flashattention2": "flash-attn", "flash_attn": "flash-attn"}


def remedy(error: Exception) -> str:
    """The end of a message that quotes `error`: the command that installs what is missing; empty where nothing is."""
    words = str(error).lower()
    if "torchvision" in words and find_spec("torchvision") is not None:
        return f"; the installed torchvision does not match this torch: {_torchvision_that_fits()}"
    if any(name in words for name in _IN_VISION):
        return f"; this family needs: pip install 'vz-selfplay[vision]'{_caution()}"
    others = sorted({package for name, package in _OTHERS.items() if name in words})
    return f"; this model needs: pip install {' '.join(others)}" if others else ""


def _torchvision_that_fits() -> str:
    return f"pip uninstall torchvision, then pip install 'vz-selfplay[vision]'{_caution()}"


def _caution() -> str:
    """pip's usual torchvision is built for CUDA, and cannot be imported beside a torch that is built for CPUs."""
    if require("torch", "train").version.cuda is not None:
        return ""
    return " with --extra-index-url naming PyTorch's CPU index, since this torch is a CPU build"
