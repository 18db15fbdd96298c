"""Writing a policy's weights so that whatever read its base reads them too: transformers 4 and 5, and vLLM."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from stages.core.errors import InputError
from stages.core.folder.files import read_json, write_json
from stages.core.vlm.model_files import INDEX, read_weights, safe_name, shapes, weight_map, write_index

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

SHORT, LONG = "vision_tower.", "vision_tower.vision_model."


def save_model(model: PreTrainedModel, folder: Path) -> None:
    """`save_pretrained` for a model that has no base, under weight names that vLLM knows too."""
    model.save_pretrained(folder)
    for path in folder.glob("*.safetensors"):
        if _has_short_names(model):
            _rename_vision_tower(path)
        path.chmod(0o644)  # safetensors writes files that only their owner can read
    if _has_short_names(model) and (folder / INDEX).is_file():
        index = read_json(folder / INDEX)
        index["weight_map"] = {_long_name(name): file for name, file in index["weight_map"].items()}
        write_json(folder / INDEX, index)


def save_like(model: PreTrainedModel, base: Path, out: Path) -> None:
    """Write the weights of `model` to `out` under the names, and in the files, that they have in `base`.

    `model` was loaded from `base`. Weights of `base` that transformers does not load are copied.
    """
    tensors, files = _as_stored(model, base), weight_map(base)
    by_file: dict[str, list[str]] = defaultdict(list)
    for name, file in files.items():
        by_file[file].append(name)
    total = 0
    places: dict[str, str] = {}
    for file, names in by_file.items():
        total += _write_file(model, tensors, base, file, names, out / safe_name(file))
        places |= dict.fromkeys((_name(model, name) for name in names), safe_name(file))
    if len(by_file) > 1:
        write_index(out, places, total)


def check_savable(model: PreTrainedModel, base: Path) -> None:
    """`InputError` if `save_like` has no place for a weight; a model on the meta device will do for this."""
    _as_stored(model, base)


def _as_stored(model: PreTrainedModel, base: Path) -> dict[str, torch.Tensor]:
    """The model's weights by the names, and in the shapes, that they have in the files of `base`."""
    from transformers.core_model_loading import revert_weight_conversion

    reverted = revert_weight_conversion(model, model.state_dict(keep_vars=True))
    tensors: dict[str, torch.Tensor] = {_name(model, name): weight for name, weight in reverted.items()}
    stored = {
        _name(model, name): shape
        for file in set(weight_map(base).values())
        for name, shape in shapes(base, file).items()
    }
    placed = {id(weight) for name, weight in tensors.items() if name in stored}  # a tied weight needs one place only
    lost = [name for name, weight in tensors.items() if id(weight) not in placed]
    tensors = {name: _turned(weight, stored[name]) for name, weight in tensors.items() if name in stored}
    reshaped = [name for name, weight in tensors.items() if tuple(weight.shape) != stored[name]]
    if lost and stored.keys() <= tensors.keys():
        raise InputError(
            f"{base}: its files lack the weight '{lost[0]}', which transformers then draws at random; "
            "use a model folder that is complete"
        )
    if lost or reshaped:
        raise InputError(
            f"{base}: transformers stores the weight '{(lost or reshaped)[0]}' under another name or in another shape "
            "than these files do, so a checkpoint would not load where they load; load this model once, save it to "
            "another folder with save_pretrained, and train from there"
        )
    return tensors


def _turned(weight: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """`weight` in its stored shape: transformers 5 transposes some fused experts at loading, and not back at saving."""
    turns = weight.dim() == 3 and tuple(weight.shape) != shape == tuple(weight.transpose(1, 2).shape)
    return weight.transpose(1, 2) if turns else weight


def _write_file(
    model: PreTrainedModel, tensors: dict[str, torch.Tensor], base: Path, file: str, names: list[str], target: Path
) -> int:
    """Write one file with the weights that it holds in `base`; returns their bytes."""
    from safetensors.torch import save_file

    unread = [name for name in names if _name(model, name) not in tensors]
    held = dict(read_weights(base, file, unread))
    seen: set[int] = set()
    for name in (_name(model, name) for name in names if name not in held):
        weight = tensors[name].detach().contiguous()
        held[name] = weight.clone() if weight.data_ptr() in seen else weight  # tied weights, if the base has both
        seen.add(weight.data_ptr())
    save_file(held, target, metadata={"format": "pt"})
    target.chmod(0o644)
    return sum(weight.nbytes for weight in held.values())


def _has_short_names(model: PreTrainedModel) -> bool:
    """LLaVA, Gemma 3 and others whose picture encoder is CLIP's or SigLIP's."""
    vision = getattr(model.config, "vision_config", None)
    return getattr(vision, "model_type", None) in {"clip_vision_model", "siglip_vision_model"}


def _rename_vision_tower(path: Path) -> None:
    """transformers 5 saves the vision tower's weights under a shorter form of their names; it loads either form."""
    from safetensors.torch import load_file, save_file

    save_file({_long_name(name): weight for name, weight in load_file(path).items()}, path, metadata={"format": "pt"})


def _name(model: PreTrainedModel, name: str) -> str:
    """The name that every reader knows: of a vision tower's weights the long form."""
    return _long_name(name) if _has_short_names(model) else name


def _long_name(name: str) -> str:
    return name if name.startswith(LONG) or not name.startswith(SHORT) else LONG + name.removeprefix(SHORT)
