"""A model's folder on disk: which file holds which weight, and the files that lie beside the weights."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError, first_line, require
from stages.core.folder.content import MANIFEST, PICTURES
from stages.core.folder.files import read_json, write_json

if TYPE_CHECKING:
    import torch

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
# In the order in which transformers looks for them.
_SAFE, _BIN, _BIN_INDEX = "model.safetensors", "pytorch_model.bin", "pytorch_model.bin.index.json"
_TEMPLATES = "additional_chat_templates"
_OTHER_FORMATS = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack", "*.onnx", "*.gguf", "*.index.json")
_NOT_COPIED = (
    "*.safetensors",
    *_OTHER_FORMATS,
    *(f"*{suffix}" for suffix in PICTURES),
    "README.md",
    "adapter_config.json",
    "trainer_state.json",
    "training.json",
    "timings.json",
    MANIFEST,
)


def local_folder(place: str, revision: str | None) -> Path:
    """The folder of a model: the place itself, or where the hub's files are cached (downloaded if need be)."""
    if Path(place).exists():
        return Path(place)
    hub = require("huggingface_hub", "train")
    others = [pattern for pattern in _OTHER_FORMATS if pattern != "*.index.json"]
    try:
        folder = Path(hub.snapshot_download(place, revision=revision, ignore_patterns=others))
        if not any(folder.glob("*.safetensors")):
            hub.snapshot_download(place, revision=revision, allow_patterns=[_BIN, _BIN_INDEX, "pytorch_model-*.bin"])
    except (OSError, ValueError) as error:
        raise InputError(f"{place}: cannot be fetched from the hub: {first_line(error)}") from error
    return folder


def own_files(folder: Path) -> list[Path]:
    """What a model needs besides its weights, and its licence: configs, tokenizer, processor, chat templates."""
    beside = [path for path in folder.iterdir() if not any(fnmatch(path.name, kind) for kind in _NOT_COPIED)]
    files = [path for path in beside if path.is_file() and not path.name.startswith(".")]
    return sorted([*files, *(path for path in (folder / _TEMPLATES).glob("*") if path.is_file())])


def copy_own_files(folder: Path, out: Path, *, config: bool) -> None:
    """Copy `own_files` to `out`, byte by byte; without `config`, all but `config.json`."""
    for path in own_files(folder):
        if path.name == CONFIG and not config:
            continue
        target = out / path.relative_to(folder)
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, target)


def set_dtype(path: Path, dtype: str) -> None:
    """Make a config name `dtype` wherever it names one; a config that does so already keeps its bytes."""
    config = read_json(path)
    if _name_dtype(config, dtype):
        write_json(path, config)


def _name_dtype(part: dict[str, Any], dtype: str) -> bool:
    changed = False
    for key, value in part.items():
        if isinstance(value, dict) and key.endswith("_config"):
            changed |= _name_dtype(value, dtype)
        elif key in {"dtype", "torch_dtype"} and isinstance(value, str) and value != dtype:
            part[key] = dtype
            changed = True
    return changed


def weight_map(folder: Path) -> dict[str, str]:
    """The file of every weight in `folder`, by the weight's name, from the files that transformers would load."""
    for single, index in ((_SAFE, INDEX), (_BIN, _BIN_INDEX)):
        if (folder / single).is_file():
            return dict.fromkeys(_names(folder / single), single)
        if (folder / index).is_file():
            found: dict[str, str] = read_json(folder / index)["weight_map"]
            return found
    raise InputError(f"{folder}: holds no weights: neither {_SAFE} nor {_BIN}, nor an index of several such files")


def shapes(folder: Path, file: str) -> dict[str, tuple[int, ...]]:
    """The shape of every weight in one of a folder's files, without reading the weights."""
    if file.endswith(".safetensors"):
        with _opened(folder / file) as weights:
            return {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
    return {name: tuple(weight.shape) for name, weight in _pickled(folder / file).items()}


def read_weights(folder: Path, file: str, names: list[str]) -> Iterator[tuple[str, torch.Tensor]]:
    """Some weights of one of a folder's files."""
    if file.endswith(".safetensors"):
        with _opened(folder / file) as weights:
            yield from ((name, weights.get_tensor(name)) for name in names)
    elif names:
        held = _pickled(folder / file)
        yield from ((name, held[name]) for name in names)


def safe_name(file: str) -> str:
    """The name of the safetensors file that takes the place of a weight file."""
    return (
        file.removesuffix(".bin").replace("pytorch_model", "model") + ".safetensors" if file.endswith(".bin") else file
    )


def write_index(folder: Path, places: dict[str, str], total_bytes: int) -> None:
    """The index of a model in several files."""
    write_json(folder / INDEX, {"metadata": {"total_size": total_bytes}, "weight_map": places})


def _names(file: Path) -> list[str]:
    return list(shapes(file.parent, file.name))


def _opened(file: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(file, framework="pt")
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file}: not a readable safetensors file ({error})") from error


def _pickled(file: Path) -> dict[str, torch.Tensor]:
    import torch

    held: dict[str, torch.Tensor] = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    return held


def is_quantized(folder: Path) -> bool:
    """Whether the folder's weights are of a quantized form (GPTQ, AWQ, FP8, …)."""
    return bool(read_json(folder / CONFIG).get("quantization_config"))
