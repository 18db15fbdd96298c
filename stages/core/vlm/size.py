"""A model's size: its weights by part, and the widths that memory and time depend on. Reads no weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError, require
from stages.core.recipe.load import resolve_model
from stages.core.recipe.model import Lora
from stages.core.recipe.model import Model as ModelRecipe
from stages.core.vlm.adapters import base_of_adapter, is_adapter
from stages.core.vlm.loading import BUILDING, build_options, refuse_own_code, remedy, revision_of
from stages.core.vlm.untrusted import library_errors

if TYPE_CHECKING:
    from torch.nn import Linear, Module


TILES = 17  # per picture in Idefics3 and SmolVLM: 4 × 4, and the whole picture once


@dataclass(frozen=True)
class Stack:
    """A stack of equal layers: the language model's, or the vision tower's."""

    layers: int
    weights: int  # of all layers
    active: int  # the weights that one token meets; fewer only in a mixture of experts
    hidden: int  # width between layers
    inner: int  # width inside the MLP, over all experts that one token visits
    queries: int  # heads × head width
    keys: int  # the same for keys, and for values
    gated: bool  # whether the MLP has a gate next to its inner layer
    largest: int  # weights in the largest matrix
    linear: int  # weights in the linear layers, which a 4-bit base packs

    @property
    def per_layer(self) -> int:
        """Weights in one layer."""
        return self.weights // self.layers


@dataclass(frozen=True)
class Adapter:
    """The LoRA layers that `model.lora` adds to the language model."""

    weights: int  # rank × (inputs + outputs), over all targets
    inputs: int  # sum of the input widths of one layer's targets
    largest: int  # weights in its largest matrix


@dataclass(frozen=True)
class Grid:
    """How pictures become tokens, according to the configuration."""

    patch: int  # pixels per side
    merge: int  # patches per side that become one token of the language model
    side: int | None  # size in pixels to which every picture or tile is resized; None: its own size
    tiles: int  # maximum per picture


@dataclass(frozen=True)
class ModelSize:
    """A model's parts. All figures are numbers of weights or widths."""

    kind: str  # the model class
    language: Stack
    vision: Stack | None
    grid: Grid
    patch: int  # values in one picture patch, which becomes one token of the vision tower
    embeddings: int
    head: int  # 0 if it shares the embeddings' weights
    others: int  # projector, norms and everything else outside layers
    vocabulary: int
    adapter: Adapter | None
    frozen: int  # weights frozen by train.freeze
    sees_frozen: bool  # whether tower and projector are frozen

    @property
    def weights(self) -> int:
        """All weights, counting tied ones once."""
        vision = self.vision.weights if self.vision else 0
        return self.language.weights + vision + self.embeddings + self.head + self.others

    @property
    def largest(self) -> int:
        """Weights in the largest matrix."""
        return max(self.language.largest, self.embeddings, self.head, self.vision.largest if self.vision else 0)


def size_of(path: str | Path, recipe: ModelRecipe, freeze: Sequence[str] = ()) -> ModelSize:
    """The size of the model at `path`, from its configuration alone. `InputError` if that cannot be read.

    `freeze` names parts that do not train, like `train.freeze`.
    """
    place = resolve_model(str(path))
    if is_adapter(place):
        place = base_of_adapter(place, recipe)
    model = _skeleton(place, recipe)
    decoder: Any = model.get_decoder()
    inside = {id(weight) for weight in decoder.parameters()}
    embeddings = model.get_input_embeddings().weight
    output = model.get_output_embeddings()
    head = 0 if output is None or output.weight is embeddings else output.weight.numel()
    config = model.config.get_text_config()
    language = _language(decoder, config)
    vision = _vision(model, decoder)
    every = {name: weight.numel() for name, weight in model.named_parameters()}
    outside = {name for name, weight in model.named_parameters() if id(weight) not in inside} - _names_of(model, output)
    frozen = {name for name in every if any(f".{part}." in f".{name}" for part in freeze)}
    known = language.weights + (vision.weights if vision else 0) + embeddings.numel() + head
    return ModelSize(
        kind=type(model).__name__,
        language=language,
        vision=vision,
        grid=_grid(model.config),
        patch=_patch(model, inside),
        embeddings=embeddings.numel(),
        head=head,
        others=sum(every.values()) - known,
        vocabulary=embeddings.shape[0],
        adapter=_adapter(model, decoder, language.layers, recipe.lora) if recipe.lora else None,
        frozen=sum(every[name] for name in frozen),
        sees_frozen=recipe.lora is not None or outside <= frozen,
    )


def _names_of(model: Module, part: Module | None) -> set[str]:
    """The names of the weights of `part` in `model`."""
    own = {id(weight) for weight in part.parameters()} if part is not None else set()
    return {name for name, weight in model.named_parameters() if id(weight) in own}


def _skeleton(place: str, recipe: ModelRecipe) -> Any:
    """The model with weights that have shapes but no values, and take no memory."""
    transformers, torch = require("transformers", "train"), require("torch", "train")
    refuse_own_code(place, recipe)
    advice = "" if Path(place).exists() else "; if the hub cannot be reached, give a folder with its config.json"
    what = "memory and time cannot be estimated, because its configuration cannot be read"
    with library_errors(place, what, lambda error: remedy(error) or advice), BUILDING, torch.device("meta"):
        config = transformers.AutoConfig.from_pretrained(
            place, revision=revision_of(place, recipe), trust_remote_code=False
        )
        model = transformers.AutoModelForImageTextToText.from_config(config, **build_options(recipe))
        model.tie_weights()
    if not _layers(model.get_decoder()):
        raise InputError(f"{place}: {type(model).__name__} marks no layers, so memory and time cannot be estimated")
    return model


def _layers(module: Module, without: Module | None = None) -> list[Module]:
    """The outermost layers of `module`, as transformers marks them, except those inside `without`."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    apart = {id(inner) for inner in without.modules()} if without is not None else set()
    found: dict[str, Module] = {}
    for name, inner in module.named_modules():
        nested = any(name.startswith(f"{outer}.") for outer in found)
        if isinstance(inner, GradientCheckpointingLayer) and id(inner) not in apart and not nested:
            found[name] = inner
    return list(found.values())


def _language(decoder: Module, config: Any) -> Stack:
    layers = _layers(decoder)
    experts = getattr(config, "num_experts", None) or getattr(config, "num_local_experts", None) or 0
    visits = getattr(config, "num_experts_per_tok", None) or 1
    in_experts = sum(weight.numel() for layer in layers for weight in layer.parameters() if weight.dim() > 2)
    inner = getattr(config, "intermediate_size", None) or 0  # models with only experts have none
    if experts:
        inner = visits * (getattr(config, "moe_intermediate_size", None) or inner)
        inner += getattr(config, "shared_expert_intermediate_size", None) or 0
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    stack = _stack(layers, config.hidden_size, inner, config.num_attention_heads * width, heads * width)
    unused = in_experts - in_experts * visits // experts if experts else 0
    return Stack(**{**vars(stack), "active": stack.weights - unused, "gated": True})


def _vision(model: Module, decoder: Module) -> Stack | None:
    layers = _layers(model, without=decoder)
    if not layers:
        return None
    linear = _linear(layers[0])
    hidden = linear[0].in_features
    return _stack(layers, hidden, max(each.in_features for each in linear), hidden, hidden)


def _stack(layers: list[Module], hidden: int, inner: int, queries: int, keys: int) -> Stack:
    weights = [weight for layer in layers for weight in layer.parameters()]
    total, linear = sum(weight.numel() for weight in weights), _linear(layers[0])
    return Stack(
        layers=len(layers),
        weights=total,
        active=total,
        hidden=hidden,
        inner=inner,
        queries=queries,
        keys=keys,
        gated=sum(each.out_features == inner for each in linear) > 1,
        largest=max(weight.numel() for weight in weights),
        linear=sum(each.weight.numel() for layer in layers for each in _linear(layer)),
    )


def _linear(module: Module) -> list[Linear]:
    return [inner for inner in module.modules() if isinstance(inner, _linear_class())]


def _linear_class() -> type[Linear]:
    from torch.nn import Linear

    return Linear


def _patch(model: Module, in_language: set[int]) -> int:
    """Values in one patch: the inputs of the tower's first convolution."""
    for weight in model.parameters():
        if weight.dim() >= 4 and id(weight) not in in_language:
            return int(weight[0].numel())
    return 0


def _grid(config: Any) -> Grid:
    """How many patches per side become one token, from each family's own field, its tokens per picture, or else 1."""
    vision = getattr(config, "vision_config", config)
    patch = _first(getattr(vision, "patch_size", 14))
    side = getattr(vision, "image_size", None)
    # Qwen-VL's field, then that of Idefics3 and SmolVLM; InternVL has the inverse.
    merge = getattr(vision, "spatial_merge_size", None) or getattr(config, "scale_factor", None)
    if ratio := getattr(config, "downsample_ratio", None):
        merge = round(1 / ratio)
    if side is None or (getattr(vision, "spatial_merge_size", None) and not getattr(config, "image_seq_length", None)):
        return Grid(patch, merge or 1, None, 1)
    tokens = getattr(config, "mm_tokens_per_image", None) or getattr(config, "image_seq_length", None)
    if not merge and tokens:
        merge = max(1, round((_first(side) / patch) / math.sqrt(tokens)))
    return Grid(patch, merge or 1, _first(side), TILES if getattr(config, "scale_factor", None) else 1)


def _first(value: Any) -> int:
    return int(value[0] if isinstance(value, list | tuple) else value)


def _adapter(model: Module, decoder: Module, layers: int, lora: Lora) -> Adapter:
    """`all-linear` targets the language model's layers; names target every module that ends with them."""
    named = lora.target_modules
    parts = _layers(decoder) if isinstance(named, str) else [model]
    found = [pair for part in parts for pair in part.named_modules()]
    ends = None if isinstance(named, str) else tuple(f".{each}" for each in named)
    targets = [
        (inner.in_features, inner.out_features, 1)
        for name, inner in found
        if isinstance(inner, _linear_class()) and (ends is None or f".{name}".endswith(ends))
    ]
    for name, weight in decoder.named_parameters():
        if weight.dim() == 3 and name.endswith(tuple(lora.target_parameters) or "\0"):
            targets.append((weight.shape[1], weight.shape[2], weight.shape[0]))
    weights = sum(lora.rank * copies * (before + after) for before, after, copies in targets)
    largest = max((lora.rank * copies * max(before, after) for before, after, copies in targets), default=0)
    return Adapter(weights, sum(before for before, _, _ in targets) // layers, largest)
