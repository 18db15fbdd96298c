"""A model's folder on disk. Writes weights so that any program that reads the base can read them too.

Readers are transformers 4 and 5, and vLLM. A model's other files are copied byte by byte. Weights must be in
safetensors files; vz refuses pickled weights, and says how to convert them.
"""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError, first_line, require
from stages.core.folder.content import MANIFEST, PICTURES
from stages.core.folder.files import read_json, write_json, write_text
from stages.core.vlm.untrusted import check_files

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

CONFIG = "config.json"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"  # one file, or the index of several
_TEMPLATES = "additional_chat_templates"
_AGAIN = "load this model once, save it to another folder with save_pretrained, and train from there"
_OTHER_FORMATS = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack", "*.onnx", "*.gguf")
_NOT_COPIED = (
    "*.safetensors",
    *_OTHER_FORMATS,
    "*.index.json",
    *(f"*{suffix}" for suffix in PICTURES),
    "README.md",
    "adapter_config.json",
    "trainer_state.json",
    "training.json",
    "timings.json",
    MANIFEST,
)
SHORT, LONG = "vision_tower.", "vision_tower.vision_model."


def save_model(model: PreTrainedModel, folder: Path) -> None:
    """`save_pretrained` for a small model without a base, with weight names that vLLM also knows."""
    from safetensors.torch import load_file, save_file

    model.save_pretrained(folder)
    path = folder / WEIGHTS
    save_file(
        {name_for_all(model, name): weight for name, weight in load_file(path).items()}, path, metadata={"format": "pt"}
    )
    path.chmod(0o644)  # by default, only the owner can read safetensors files


def save_like(model: PreTrainedModel, base: Path, out: Path, weights: Mapping[str, torch.Tensor] | None = None) -> None:
    """Write the weights of `model` to `out`, with the names and files of `base`, a model of the same kind.

    `weights` replaces its state dictionary. Weights of `base` that transformers does not load are copied.
    """
    tensors = as_stored(model, base, weights)
    write_files(base, out, lambda file, names: _tensors_of(model, tensors, file, names))


def write_files(base: Path, out: Path, tensors_of: Callable[[Path, list[str]], Mapping[str, torch.Tensor]]) -> None:
    """Write `tensors_of(file, names)` for each weights file of `base` to the same name in `out`, and the index."""
    from safetensors.torch import save_file

    by_file: dict[str, list[str]] = defaultdict(list)
    for name, file in weight_map(base).items():
        by_file[file].append(name)
    total = 0
    places: dict[str, str] = {}
    for file, names in by_file.items():
        held = tensors_of(base / file, names)
        save_file(dict(held), out / file, metadata={"format": "pt"})
        (out / file).chmod(0o644)  # by default, only the owner can read safetensors files
        total += sum(weight.nbytes for weight in held.values())
        places |= dict.fromkeys(held, file)
    if len(by_file) > 1:
        write_json(out / INDEX, {"metadata": {"total_size": total}, "weight_map": places})


def check_savable(model: PreTrainedModel, base: Path) -> None:
    """`InputError` if `save_like` would have no place for a weight. `model` may be on the meta device."""
    as_stored(model, base)


def stored_shapes(model: PreTrainedModel, base: Path) -> dict[str, tuple[int, ...]]:
    """The shape of each weight in the files of `base`, by the name that all readers know."""
    return {
        name_for_all(model, name): shape
        for file in set(weight_map(base).values())
        for name, shape in _shapes(base / file).items()
    }


def as_stored(
    model: PreTrainedModel,
    base: Path,
    weights: Mapping[str, torch.Tensor] | None = None,
    stored: Mapping[str, tuple[int, ...]] | None = None,
) -> dict[str, torch.Tensor]:
    """The model's weights, with their names and shapes in the files of `base` (`stored`).

    `weights` may be some of them, or other values with the same names and shapes.
    """
    from transformers.core_model_loading import revert_weight_conversion

    stored = stored_shapes(model, base) if stored is None else stored
    reverted = revert_weight_conversion(model, dict(weights or model.state_dict(keep_vars=True)))
    tensors: dict[str, torch.Tensor] = {name_for_all(model, name): weight for name, weight in reverted.items()}
    placed = {id(weight) for name, weight in tensors.items() if name in stored}  # a tied weight needs only one place
    lost = [name for name, weight in tensors.items() if id(weight) not in placed]
    tensors = {name: _turned(weight, stored[name]) for name, weight in tensors.items() if name in stored}
    reshaped = [name for name, weight in tensors.items() if tuple(weight.shape) != stored[name]]
    if lost and stored.keys() <= tensors.keys():
        raise InputError(
            f"{base}: its files lack the weight '{lost[0]}', which transformers would fill with random values; use a "
            "complete model folder"
        )
    if lost or reshaped:
        raise InputError(
            f"{base}: transformers stores the weight '{(lost or reshaped)[0]}' under a different name or in a "
            f"different shape than these files, so a checkpoint would not load everywhere that they do; {_AGAIN}"
        )
    return tensors


def _turned(weight: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """`weight` in its stored shape: transformers 5 transposes some fused experts on loading, but not on saving."""
    turns = weight.dim() == 3 and tuple(weight.shape) != shape == tuple(weight.transpose(1, 2).shape)
    return weight.transpose(1, 2) if turns else weight


def _tensors_of(
    model: PreTrainedModel, tensors: dict[str, torch.Tensor], file: Path, names: list[str]
) -> dict[str, torch.Tensor]:
    """The weights `names` in the base's `file`: the model's, or the base's own if the model has none."""
    with opened(file) as weights:
        held = {name: weights.get_tensor(name) for name in names if name_for_all(model, name) not in tensors}
    seen: set[int] = set()
    for name in (name_for_all(model, name) for name in names if name not in held):
        weight = tensors[name].detach().contiguous()
        held[name] = weight.clone() if weight.data_ptr() in seen else weight  # a tied weight that the base stores twice
        seen.add(weight.data_ptr())
    return held


def _has_short_names(model: PreTrainedModel) -> bool:
    """Whether transformers 5 shortens weight names, as in LLaVA, Gemma 3 and others with CLIP's or SigLIP's encoder."""
    vision = getattr(model.config, "vision_config", None)
    return getattr(vision, "model_type", None) in {"clip_vision_model", "siglip_vision_model"}


def name_for_all(model: PreTrainedModel, name: str) -> str:
    """The name that all readers know. transformers 5 saves short names and loads both."""
    if _has_short_names(model) and name.startswith(SHORT) and not name.startswith(LONG):
        return LONG + name.removeprefix(SHORT)
    return name


def local_folder(place: str, revision: str | None) -> Path:
    """A model's folder: the place itself, or the hub's cache, after downloading missing files."""
    if Path(place).exists():
        return Path(place)
    hub = require("huggingface_hub", "train")
    try:
        return Path(hub.snapshot_download(place, revision=revision, ignore_patterns=list(_OTHER_FORMATS)))
    except (OSError, ValueError) as error:
        raise InputError(f"{place}: cannot be downloaded from the hub: {first_line(error)}") from error


def own_files(folder: Path) -> list[Path]:
    """The files of a model other than its weights: configs, tokenizer, processor, chat templates, licence."""
    files = [path for path in [*folder.glob("[!.]*"), *(folder / _TEMPLATES).glob("*")] if path.is_file()]
    return sorted(path for path in files if not any(fnmatch(path.name, kind) for kind in _NOT_COPIED))


def copy_own_files(folder: Path, out: Path, *, config: bool) -> None:
    """Copy `own_files` to `out`, byte by byte; without `config`, all except `config.json`."""
    for path in own_files(folder):
        if path.name == CONFIG and not config:
            continue
        target = out / path.relative_to(folder)
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, target)


def set_dtype(path: Path, dtype: str) -> None:
    """Replace each dtype in a config with `dtype`. Everything else keeps its bytes."""
    config = path.read_text(encoding="utf-8")
    write_text(path, re.sub(r'("(?:torch_)?dtype"\s*:\s*)"\w+"', rf'\g<1>"{dtype}"', config))


def weight_map(folder: Path) -> dict[str, str]:
    """The file of each weight in `folder`, by weight name."""
    check_files(folder)
    if (folder / WEIGHTS).is_file():
        return dict.fromkeys(_shapes(folder / WEIGHTS), WEIGHTS)
    if (folder / INDEX).is_file():
        found: dict[str, str] = read_json(folder / INDEX)["weight_map"]
        return found
    raise InputError(f"{folder}: has no weights in safetensors files ({WEIGHTS}, or {INDEX}); {_AGAIN}")


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    with opened(file) as weights:
        return {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118


def opened(file: Path) -> Any:
    """A safetensors file, opened to read tensors one by one. `InputError` if it is not readable."""
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(file, framework="pt")
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file}: not a readable safetensors file ({error})") from error


def has_weights(folder: Path) -> bool:
    """Whether `folder` contains full weights."""
    return (folder / WEIGHTS).is_file() or (folder / INDEX).is_file()


def is_quantized(folder: Path) -> bool:
    """Whether the folder's weights are quantized (GPTQ, AWQ, FP8, …)."""
    return bool(read_json(folder / CONFIG).get("quantization_config"))
