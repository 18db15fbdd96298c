"""Writing a policy's weights so that transformers and vLLM both load the folder as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stages.core.files import read_json, write_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel

INDEX = "model.safetensors.index.json"
SHORT, LONG = "vision_tower.", "vision_tower.vision_model."


def save_model(model: PreTrainedModel, folder: Path) -> None:
    """`save_pretrained`, readable by everybody, and under the weights' names that vLLM knows too."""
    model.save_pretrained(folder)
    renames = _has_short_names(model)
    for path in folder.glob("*.safetensors"):
        if renames:
            _rename_vision_tower(path)
        path.chmod(0o644)  # safetensors writes files that only their owner can read
    if renames and (folder / INDEX).is_file():
        index = read_json(folder / INDEX)
        index["weight_map"] = {_long_name(name): file for name, file in index["weight_map"].items()}
        write_json(folder / INDEX, index)


def _has_short_names(model: PreTrainedModel) -> bool:
    """LLaVA, Gemma 3 and others whose picture encoder is CLIP's or SigLIP's."""
    vision = getattr(model.config, "vision_config", None)
    return getattr(vision, "model_type", None) in {"clip_vision_model", "siglip_vision_model"}


def _rename_vision_tower(path: Path) -> None:
    """transformers saves the vision tower's weights under a shorter form of their names; it loads either."""
    from safetensors.torch import load_file, save_file

    save_file({_long_name(name): weight for name, weight in load_file(path).items()}, path, metadata={"format": "pt"})


def _long_name(name: str) -> str:
    return name if name.startswith(LONG) or not name.startswith(SHORT) else LONG + name.removeprefix(SHORT)
