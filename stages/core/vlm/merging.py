"""Merges an adapter into its base: writes the base's files again, with the adapter's part added to their weights.

vz reads the base's weights one by one, and computes the adapter's part one layer at a time, in fp32. So it needs memory
for one file of the base and one layer, whatever the size of the model.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError, require
from stages.core.folder.files import read_json, write_json
from stages.core.progress import progress_bar
from stages.core.recipe.model import Model as ModelRecipe
from stages.core.vlm.adapters import adapter_config, setting_beyond
from stages.core.vlm.loading import load_skeleton, with_saved_adapter
from stages.core.vlm.saving import (
    CONFIG,
    as_stored,
    is_quantized,
    name_for_all,
    opened,
    stored_shapes,
    weight_map,
    write_files,
)

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    Tensors = dict[str, torch.Tensor]

# Fields of adapter_config.json that merging applies, besides those that do not change what an adapter computes.
FOLLOWED = frozenset(
    {
        "r", "lora_alpha", "target_parameters", "modules_to_save", "rank_pattern", "alpha_pattern", "use_rslora",
        "lora_bias", "fan_in_fan_out", "layers_to_transform", "layers_pattern", "ensure_weight_tying",
    }
)  # fmt: skip
TIE = "tie_word_embeddings"
_LAYER = re.compile(r".*?\.\d+(?=\.)")
_ADAPTER = "default"  # PEFT's name of the only adapter


def check_mergeable(adapter: str | Path, base: Path) -> None:
    """`InputError` for an adapter that cannot be merged exactly, or a base whose weights are quantized."""
    config = adapter_config(adapter)
    if config.get("peft_type") != "LORA":
        raise InputError(
            f"{adapter}: is a PEFT adapter of type {config.get('peft_type')}; vz merges only LoRA adapters"
        )
    if found := setting_beyond(config, FOLLOWED):
        raise InputError(
            f"{adapter}: the adapter has {found[0]}={found[1]!r}, which vz cannot merge; merge it with PEFT's "
            "merge_and_unload, and save the result"
        )
    if is_quantized(base):
        raise InputError(
            f"{base}: its weights are quantized, and rounding them again would lose much of the adapter; name the "
            "full-precision model with --base"
        )


def save_merged(adapter: str | Path, base: Path, recipe: ModelRecipe, out: Path) -> None:
    """Write the weights of `base`, merged with `adapter`, to `out`. Names, files and precision stay the base's.

    If the adapter changes only one of two weights tied in the base, `config.json` in `out` unties them.
    """
    check_mergeable(adapter, base)
    merged = _Merged(base, load_skeleton(str(base), recipe, "float32"), str(adapter))
    with progress_bar("merging weights", len(set(weight_map(base).values()))) as progress:

        def tensors_of(file: Path, names: list[str]) -> Tensors:
            progress.advance(1)
            return dict(merged.tensors(file, names))

        write_files(base, out, tensors_of)
    if merged.unties:
        _untie(out / CONFIG)


class _Merged:
    """The weights of a base with an adapter, by their names in the base's files."""

    def __init__(self, base: Path, model: PreTrainedModel, adapter: str) -> None:
        self._base, self._model = base, model
        weights = dict(model.named_parameters(remove_duplicate=False))
        self._shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
        self._stored = stored_shapes(model, base)
        tied: dict[int, list[str]] = defaultdict(list)
        for name, weight in weights.items():
            tied[id(weight)].append(name)
        carried = _give_room(model, _carried(adapter))
        policy = with_saved_adapter(model, adapter).float()
        self._deltas, self._replaced = dict(_deltas(policy)), dict(_replacements(policy))
        self._check_carried(adapter, carried)
        self.unties: dict[str, list[str]] = {}  # by stored weight: the weights now stored next to it
        for names in tied.values():
            self._resolve_tie(names)
        self._kept = as_stored(model, base, self._replaced, self._stored) if self._replaced else {}
        self._groups = self._changed_groups()
        self._group_of = {
            name: group for group, members in self._groups.items() for name in self._placed(members, _meta)
        }
        self._added = lru_cache(maxsize=1)(lambda group: self._placed(self._groups[group], self._delta))

    def tensors(self, file: Path, names: list[str]) -> Iterator[tuple[str, torch.Tensor]]:
        """The weights `names` in the base's `file`, merged."""
        by_name = {name_for_all(self._model, name): name for name in names}
        with opened(file) as weights:
            for name in sorted(by_name, key=lambda name: self._group_of.get(name, "")):
                weight = weights.get_tensor(by_name[name])
                for each in (name, *self.unties.get(name, ())):
                    merged = self._merged(each, weight)
                    yield each, merged.clone() if merged is weight and each != name else merged

    def _merged(self, name: str, weight: torch.Tensor) -> torch.Tensor:
        """`weight` with the adapter's part, rounded once."""
        if name in self._kept:
            return self._kept[name].to(weight.dtype).contiguous()
        if name not in self._group_of:
            return weight
        return (weight.float() + self._added(self._group_of[name])[name]).to(weight.dtype).contiguous()

    def _check_carried(self, adapter: str, carried: dict[str, torch.Tensor]) -> None:
        """`InputError` if the adapter's copy of a base weight differs from the base's."""
        import torch

        places = weight_map(self._base)
        for name, value in as_stored(self._model, self._base, carried, self._stored).items() if carried else ():
            if name in places:
                with opened(self._base / places[name]) as weights:
                    same = torch.equal(weights.get_tensor(name).to(value.dtype), value)
                if not same:
                    raise InputError(
                        f"{adapter}: brings its own '{name}', which differs from the base's, and which vz cannot "
                        "merge; merge the adapter with PEFT's merge_and_unload, and save the result"
                    )

    def _resolve_tie(self, names: list[str]) -> None:
        """Weights that stay tied get a single change. Weights that are no longer tied are stored separately."""
        changed = [name for name in names if name in self._deltas or name in self._replaced]
        if len(names) == 1 or not changed:
            return
        places = {name: next(iter(self._reverted(name))) for name in names}
        owner = next(name for name in names if places[name] in self._stored)
        if len(changed) == len(names) and self._change_alike(names):
            for name in names:
                if name != owner:
                    self._deltas.pop(name, None)
                    self._replaced.pop(name, None)
            return
        apart = [places[name] for name in names if places[name] not in self._stored]
        self.unties[places[owner]] = apart
        self._stored |= dict.fromkeys(apart, self._stored[places[owner]])

    def _change_alike(self, names: list[str]) -> bool:
        replaced = [self._replaced[name] for name in names if name in self._replaced]
        found = replaced or [self._deltas[name]() for name in names]
        return len(found) == len(names) and all(bool((value == found[0]).all()) for value in found)

    def _reverted(self, name: str) -> Tensors:
        from transformers.core_model_loading import revert_weight_conversion

        found = revert_weight_conversion(self._model, {name: _meta(name, self._shapes[name])})
        return {name_for_all(self._model, stored): weight for stored, weight in found.items()}

    def _changed_groups(self) -> dict[str, list[str]]:
        """The weights of each changed layer, since some are stored in parts or fused with others of their layer."""
        groups: dict[str, list[str]] = defaultdict(list)
        for name in self._shapes:
            match = _LAYER.match(name)
            groups[match.group() if match else name].append(name)
        return {group: names for group, names in groups.items() if any(name in self._deltas for name in names)}

    def _placed(self, names: list[str], value: Callable[[str, tuple[int, ...]], torch.Tensor]) -> Tensors:
        values = {name: value(name, self._shapes[name]) for name in names}
        return as_stored(self._model, self._base, values, self._stored)

    def _delta(self, name: str, shape: tuple[int, ...]) -> torch.Tensor:
        import torch

        return self._deltas[name]().reshape(shape) if name in self._deltas else torch.zeros(()).expand(shape)


def _meta(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    import torch

    return torch.empty(shape, device="meta")


def _give_room(model: PreTrainedModel, real: set[str]) -> dict[str, torch.Tensor]:
    """Replace weights on the meta device, where PEFT cannot load, with zeros. Only the `real` ones take memory."""
    import torch

    weights = dict(model.named_parameters(remove_duplicate=False))
    whole = {id(weights[name]) for name in real & weights.keys()}
    made: dict[int, torch.nn.Parameter] = {}  # a tied weight once
    for name, weight in weights.items():
        if id(weight) not in made:
            zero = torch.zeros(weight.shape if id(weight) in whole else (), dtype=weight.dtype)
            made[id(weight)] = torch.nn.Parameter(zero.expand(weight.shape), requires_grad=False)
        module, _, last = name.rpartition(".")
        setattr(model.get_submodule(module), last, made[id(weight)])
    return {name: made[id(weight)] for name, weight in weights.items() if id(weight) in whole}


def _carried(adapter: str) -> set[str]:
    """The base weights that the adapter's file copies, such as embeddings that PEFT writes into it."""
    saved = adapter_config(adapter).get("modules_to_save") or []
    with opened(Path(adapter) / "adapter_model.safetensors") as weights:
        names = [_path(name) for name in weights.keys() if "lora_" not in name]  # noqa: SIM118
    return {name for name in names if not any(f".{module}." in f".{name}" for module in saved)}


def _deltas(policy: Any) -> Iterator[tuple[str, Callable[[], torch.Tensor]]]:
    """What the adapter adds to each weight, by the weight's name. Each value is computed on demand."""
    layers = require("peft.tuners.lora.layer", "train")
    for path, module in policy.named_modules():
        if not isinstance(module, layers.LoraLayer) or _ADAPTER not in module.scaling:
            continue
        place = _path(path)
        yield f"{place}.{getattr(module, 'parameter_name', 'weight')}", partial(_delta_of, module)
        if module.lora_bias.get(_ADAPTER):
            yield f"{place}.bias", partial(_bias_delta, module)


def _delta_of(module: Any) -> torch.Tensor:
    found: torch.Tensor = module.get_delta_weight(_ADAPTER).detach()
    return found


def _bias_delta(module: Any) -> torch.Tensor:
    found: torch.Tensor = module.lora_B[_ADAPTER].bias.detach() * module.scaling[_ADAPTER]
    return found


def _replacements(policy: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """The whole weights that the adapter contains (`modules_to_save`)."""
    wrapper = require("peft.utils.other", "train").ModulesToSaveWrapper
    for path, module in policy.named_modules():
        if isinstance(module, wrapper):
            for name, weight in module.modules_to_save[_ADAPTER].named_parameters():
                yield f"{_path(path)}.{name}", weight.detach()


def _path(path: str) -> str:
    """A module's name without PEFT's wrappers."""
    return path.removeprefix("base_model.model.").replace(".base_layer", "")


def _untie(path: Path) -> None:
    config = read_json(path)
    for part in (config, *(config[name] for name in ("text_config", "llm_config") if name in config)):
        part[TIE] = False
    write_json(path, config)
