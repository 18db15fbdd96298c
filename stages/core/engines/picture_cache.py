"""Pictures as the processor prepares them, made once for all turns and samples that show them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from stages.core.pictures import Picture

LIMIT = 2 << 30  # bytes; a 480×320 picture takes about 4 MB with Qwen2.5-VL's processor


@dataclass
class _Entry:
    images: list[Image.Image]
    made: dict[str, dict[str, Any]] = field(default_factory=dict)  # by the options of the call
    inputs: dict[str, Any] | None = None  # what the model gets of them

    def size(self) -> int:
        """Bytes; the inputs are mostly the very tensors that were made."""
        loaded = sum(image.width * image.height * len(image.getbands()) for image in self.images)
        held = {id(value): value for part in (*self.made.values(), self.inputs or {}) for value in part.values()}
        return loaded + sum(int(getattr(value, "nbytes", 0)) for value in held.values())


class PictureCache:
    """Stands in a processor for its image processor, and keeps what that made of the pictures asked for last.

    A processor calls it with the very images that `load` gave, by which it knows them; others pass through.
    """

    def __init__(self, image_processor: Any, limit: int = LIMIT) -> None:
        self._inner = image_processor
        self._limit = limit
        self._held = 0  # bytes
        self._entries: OrderedDict[tuple[Picture, ...], _Entry] = OrderedDict()
        self._known: dict[tuple[int, ...], tuple[Picture, ...]] = {}  # by identity of the images, which are held
        self.prepared = 0  # times that the image processor had to work

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copying asks for these before there is anything inside
            raise AttributeError(name)
        return getattr(self._inner, name)

    def load(self, pictures: Sequence[Picture]) -> list[Image.Image]:
        """The pictures of one prompt, read from disk unless they are held."""
        key = tuple(pictures)
        if key not in self._entries:
            entry = _Entry([picture.load() for picture in key])
            self._entries[key] = entry
            self._known[_identity(entry.images)] = key
            self._grow(entry.size())
        self._entries.move_to_end(key)
        return self._entries[key].images

    def keep(self, pictures: Sequence[Picture], inputs: dict[str, Any]) -> None:
        """Hold what the model gets of pictures that were loaded."""
        entry = self._entries.get(tuple(pictures))
        if entry is not None and entry.inputs is None:
            before = entry.size()
            entry.inputs = inputs
            self._grow(entry.size() - before)

    def kept(self, pictures: Sequence[Picture]) -> dict[str, Any] | None:
        """What was kept of these pictures, unless they had to go since."""
        entry = self._entries.get(tuple(pictures))
        if entry is None:
            return None
        self._entries.move_to_end(tuple(pictures))
        return entry.inputs

    def __call__(self, images: Any, *args: Any, **options: Any) -> Any:
        key = self._known.get(_identity(images))
        if key is None or args:
            self.prepared += 1
            return self._inner(images, *args, **options)
        entry, call = self._entries[key], repr(sorted(options.items()))
        if call not in entry.made:
            self.prepared += 1
            before = entry.size()
            entry.made[call] = dict(self._inner(images, **options))
            self._grow(entry.size() - before)
        from transformers import BatchFeature

        return BatchFeature(dict(entry.made[call]))  # a copy: processors take out what only they need

    def _grow(self, size: int) -> None:
        """Count what came, and let the oldest go."""
        self._held += size
        while self._held > self._limit and len(self._entries) > 1:
            _, entry = self._entries.popitem(last=False)
            self._held -= entry.size()
            del self._known[_identity(entry.images)]


def _identity(images: Any) -> tuple[int, ...]:
    return tuple(id(image) for image in _flat(images))


def _flat(images: Any) -> Iterator[Any]:
    if isinstance(images, list | tuple):
        for one in images:
            yield from _flat(one)
    else:
        yield images
