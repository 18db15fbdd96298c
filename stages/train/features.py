"""A model's features of pictures, computed once for all rows that show them.

If the parts that look at pictures are frozen, features have no gradient. They are kept, up to `LIMIT` bytes, for policy
and reference alike. If those parts train, the forward pass of a micro-batch looks at each picture once. Families return
features as a tensor, as one tensor for each picture, or as lists of these for several layers. All become tensors of all
pictures [..., width], in the order of the placeholders in the text.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import is_peft_model

from stages.core.errors import VzError
from stages.core.pictures import Picture
from stages.core.vlm.prompts import joined_pictures

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LIMIT = 2 << 30  # bytes of kept features; a 480×320 picture takes 1.3 MB with Qwen2.5-VL-7B in bf16
Key = tuple[str, ...]  # the pictures of a prompt, by their content
Inputs = dict[str, torch.Tensor]
_UNUSED = ("last_hidden_state", "hidden_states", "attentions")  # of the tower; no language model takes them


def key_of(pictures: Sequence[Picture]) -> Key:
    """The key of a prompt's pictures."""
    return tuple(picture.sha256 or picture.ref for picture in pictures)


@dataclass(frozen=True)
class Shown:
    """The pictures of a batch."""

    inputs: dict[Key, Inputs]  # what the processor made of them, on the CPU
    tokens: dict[Key, int]  # the placeholders that they fill
    order: tuple[Key, ...]  # as the flat sequences show them, one after another

    def joined(self, device: torch.device) -> Inputs:
        """The inputs of all pictures, each once."""
        return {name: value.to(device) for name, value in joined_pictures([*self.inputs.values()]).items()}

    def first(self, device: torch.device) -> Inputs:
        return {name: value.to(device) for name, value in next(iter(self.inputs.values())).items()}


class Sight:
    """Sits between a model and its vision tower: returns kept features, and looks at each picture once."""

    def __init__(self, model: PreTrainedModel) -> None:
        base: Any = model.base_model
        self._look: Callable[..., Any] = base.get_image_features
        self._width = int(model.config.get_text_config().hidden_size)
        self._shown: Shown | None = None
        self.frozen = not _trains_outside_the_language_model(model)
        self.kept: OrderedDict[Key, Any] = OrderedDict()  # the one used last at the end
        base.get_image_features = self._features

    def missing(self, shown: Shown) -> list[Key]:
        """The pictures whose features are needed and not kept."""
        return [key for key in shown.inputs if key not in self.kept] if self.frozen else []

    def look(self, key: Key, shown: Shown, device: torch.device) -> None:
        """Compute and keep the features of a prompt's pictures. Drops the oldest ones that are not shown now."""
        inputs = {name: value.to(device) for name, value in shown.inputs[key].items()}
        with torch.enable_grad():  # so that a gradient shows
            found = _flattened(self._look(**inputs, return_dict=True), self._width)
        if any(tensor.requires_grad for tensor in _tensors(found)):
            raise VzError("the features of pictures depend on weights that train, but vz took them for frozen")
        self.kept[key] = found
        held = sum(tensor.nbytes for each in self.kept.values() for tensor in _tensors(each))
        for old in [each for each in self.kept if each not in shown.inputs]:
            if held <= LIMIT:
                break
            held -= sum(tensor.nbytes for tensor in _tensors(self.kept.pop(old)))

    @contextmanager
    def showing(self, shown: Shown) -> Iterator[None]:
        """Within this context, the model's forward pass gets the features of these pictures, in their order."""
        self._shown = shown
        try:
            yield
        finally:
            self._shown = None

    def inputs(self, shown: Shown, device: torch.device) -> Inputs:
        """What the forward pass gets: the pictures to look at, or any of them where features are kept."""
        return shown.first(device) if self.frozen else shown.joined(device)

    def _features(self, *inputs: Any, **options: Any) -> Any:
        shown = self._shown
        if shown is None:
            return self._look(*inputs, **options)
        if self.frozen:
            for key in shown.inputs:
                self.kept.move_to_end(key)
            parts = [self.kept[key] for key in shown.order]
            return _combined(parts, [shown.tokens[key] for key in shown.order])
        found = _flattened(self._look(*inputs, **options), self._width)
        return _reordered(found, shown)


def recompute_activations(model: PreTrainedModel) -> None:
    """Gradient checkpointing, without transformers' hook that makes the output of every embedding need a gradient.

    Only reentrant checkpoints need the hook. It would make a frozen vision tower recompute and back-propagate.
    """
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.disable_input_require_grads()


def forget_features(model: PreTrainedModel) -> None:
    """Free the memory of kept features."""
    inner: Any = model.get_base_model() if is_peft_model(model) else model
    if getattr(inner, "vz_sight", None) is not None:
        inner.vz_sight.kept.clear()


def sight_of(model: PreTrainedModel) -> Sight | None:
    """None for a model whose interface to its vision tower is unknown."""
    known = hasattr(model.base_model, "get_image_features") and hasattr(model.config, "image_token_id")
    return Sight(model) if known else None


def _trains_outside_the_language_model(model: PreTrainedModel) -> bool:
    """Whether features may depend on a weight that trains: any weight outside the language model and the head."""
    inside = {
        id(weight) for part in (model.get_decoder(), model.get_output_embeddings()) for weight in part.parameters()
    }
    return any(weight.requires_grad and id(weight) not in inside for weight in model.parameters())


def _flattened(found: Any, width: int) -> Any:
    """The output of a vision tower, with one tensor of all pictures for each value that a language model takes."""
    if not hasattr(found, "items"):
        return _joined(found, width, None)
    main = _joined(found["pooler_output"], width, None)
    rows = _rows(main, width)
    others = {
        name: _joined(value, width, rows)
        for name, value in found.items()
        if name not in (*_UNUSED, "pooler_output") and value is not None
    }
    return type(found)(pooler_output=main, **others)


def _joined(value: Any, width: int, rows: int | None) -> Any:
    """`value`, with each list of pictures as a list of one tensor. Entries of lists of layers have `rows` features."""
    if isinstance(value, torch.Tensor):
        return value
    if rows is not None and any(_rows(each, width) == rows for each in value):
        return [_joined(each, width, rows) for each in value]
    return [torch.cat([each.reshape(-1, width) for each in value])]


def _rows(value: Any, width: int) -> int:
    """The number of features of this width."""
    if isinstance(value, torch.Tensor):
        return value.numel() // width
    return sum(_rows(each, width) for each in value)


def _mapped(change: Callable[..., torch.Tensor], first: Any, *others: Any) -> Any:
    """Outputs with the same structure, combined tensor by tensor."""
    if isinstance(first, torch.Tensor):
        return change(first, *others)
    if hasattr(first, "items"):
        return type(first)(**{name: _mapped(change, value, *(other[name] for other in others))
                              for name, value in first.items()})  # fmt: skip
    return [_mapped(change, *each) for each in zip(first, *others, strict=True)]


def _combined(parts: Sequence[Any], tokens: Sequence[int]) -> Any:
    def join(*tensors: torch.Tensor) -> torch.Tensor:
        _check([tensor.numel() // tensor.shape[-1] for tensor in tensors], list(tokens))
        return torch.cat(tensors)

    return _mapped(join, *parts)


def _reordered(found: Any, shown: Shown) -> Any:
    """The features of pictures, given once each, in the order in which the flat sequences show them."""
    starts, total = {}, 0
    for key, tokens in shown.tokens.items():
        starts[key] = total
        total += tokens
    if shown.order == tuple(shown.tokens):
        return found
    places = torch.cat([torch.arange(starts[key], starts[key] + shown.tokens[key]) for key in shown.order])

    def take(tensor: torch.Tensor) -> torch.Tensor:
        flat = tensor.reshape(-1, tensor.shape[-1])
        _check([len(flat)], [total])
        return flat[places.to(flat.device)].reshape(-1, *tensor.shape[1:])

    return _mapped(take, found)


def _check(found: list[int], wanted: list[int]) -> None:
    if found != wanted:
        raise VzError(f"pictures have features for {sum(found)} tokens, but fill {sum(wanted)} placeholders")


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
        return
    for each in value.values() if hasattr(value, "items") else value:
        yield from _tensors(each)
