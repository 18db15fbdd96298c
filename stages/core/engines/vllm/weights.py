"""The weights that a policy needs: full weights, or an adapter on a base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.core import vlm
from stages.core.errors import InputError
from stages.core.folder.content import version_of
from stages.core.recipe.load import place_of
from stages.core.recipe.model import Model
from stages.core.vlm.adapters import adapter_config


@dataclass(frozen=True)
class Weights:
    """Full weights by place and version; with `adapter`, a PEFT folder on top of them."""

    path: str
    version: str  # content of `path`, so that equal weights are loaded once
    revision: str | None = None  # of a hub name
    adapter: str | None = None
    rank: int = 0  # of the adapter

    @property
    def full(self) -> tuple[str, str]:
        """Identifies a set of full weights."""
        return self.path, self.version


def weights_of(model: str | Path, version: str, recipe: Model) -> Weights:
    """The weights for a model that `Engine.load` gets."""
    place = str(place_of(model))
    if not vlm.is_adapter(place):
        return Weights(place, version, vlm.revision_of(place, recipe))
    _check_servable(place)
    full, config = place_of(vlm.base_of_adapter(place, recipe)), adapter_config(place)
    rank = max([int(config["r"]), *(config.get("rank_pattern") or {}).values()])
    return Weights(str(full), version_of(full), vlm.revision_of(full, recipe), place, rank)


def check_experts(target_parameters: Sequence[str]) -> None:
    """`ValueError` for adapters of fused experts that crash vLLM 0.32: any on a CPU, and those on half an expert."""
    from vllm.platforms import current_platform

    if not target_parameters:
        return
    if current_platform.is_cpu():
        raise ValueError("it computes adapters of fused experts (target_parameters) only on GPUs")
    ends = {name.rpartition(".")[2] for name in target_parameters}
    if ends != {"gate_up_proj", "down_proj"}:
        raise ValueError(
            f"it accepts adapters of experts only on gate_up_proj and down_proj together, not on {sorted(ends)}"
        )


def _check_servable(adapter: str) -> None:
    """`InputError` for an adapter that vLLM cannot serve, before an engine starts with it."""
    from vllm.config.lora import LoRAConfig
    from vllm.lora.peft_helper import PEFTHelper

    try:
        kind = adapter_config(adapter).get("peft_type")
        if kind != "LORA":
            raise ValueError(f"it is of type {kind}, not LORA")
        check_experts(adapter_config(adapter).get("target_parameters") or [])
        PEFTHelper.from_local_dir(adapter, None).validate_legal(LoRAConfig(max_lora_rank=512))
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{adapter}: vLLM cannot serve this adapter: {error}; set rollout.engine=transformers"
        ) from error
