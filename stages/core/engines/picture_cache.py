"""Pictures that the processor prepares once for all turns and samples that show them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from stages.core.pictures import Picture

LIMIT = 2 << 30  # bytes; a 480×320 picture takes about 4 MB with Qwen2.5-VL's processor
KEY = "vz_pictures"  # the attribute of a loaded image that names its entry


@dataclass
class _Entry:
    images: list[Image.Image]
    made: dict[str, dict[str, Any]] = field(default_factory=dict)  # by the options of the call
    inputs: dict[str, Any] | None = None  # the model's inputs for them
    counted: int = 0  # bytes of this entry that the cache has counted

    def size(self) -> int:
        """The size in bytes. A tensor in both `made` and `inputs` counts once."""
        loaded = sum(image.width * image.height * len(image.getbands()) for image in self.images)
        tensors = {id(value): value for part in (*self.made.values(), self.inputs or {}) for value in part.values()}
        return loaded + sum(int(getattr(value, "nbytes", 0)) for value in tensors.values())


class PictureCache:
    """Replaces the image processor inside a processor, and keeps its output for recently used pictures.

    A processor calls it with the image objects that `load` returned. Other images pass through.
    """

    def __init__(self, image_processor: Any, limit: int = LIMIT) -> None:
        self._inner = image_processor
        self._limit = limit
        self._entries: OrderedDict[tuple[Picture, ...], _Entry] = OrderedDict()  # most recently used last
        self._held = 0  # bytes of all entries
        self.prepared = 0  # calls of the image processor

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copying asks for these before `_inner` exists
            raise AttributeError(name)
        return getattr(self._inner, name)

    def load(self, pictures: Sequence[Picture]) -> list[Image.Image]:
        """The pictures of one prompt, read from disk unless the cache holds them."""
        key = tuple(pictures)
        if key not in self._entries:
            images = [picture.load() for picture in key]
            for image in images:
                setattr(image, KEY, key)
            self._entries[key] = entry = _Entry(images)
            self._grow(entry)
        self._entries.move_to_end(key)
        return self._entries[key].images

    def keep(self, pictures: Sequence[Picture], inputs: dict[str, Any]) -> None:
        """Keep the model's inputs for loaded pictures."""
        entry = self._entries.get(tuple(pictures))
        if entry is not None and entry.inputs is None:
            entry.inputs = inputs
            self._grow(entry)

    def kept(self, pictures: Sequence[Picture]) -> dict[str, Any] | None:
        """What `keep` kept for these pictures, unless they have been dropped since."""
        key = tuple(pictures)
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key].inputs

    def __call__(self, images: Any, *args: Any, **options: Any) -> Any:
        entry = self._entry_of(list(_flat(images)))
        if entry is None or args:
            self.prepared += 1
            return self._inner(images, *args, **options)
        call = repr(sorted(options.items()))
        if call not in entry.made:
            self.prepared += 1
            entry.made[call] = dict(self._inner(images, **options))
            self._grow(entry)
        from transformers import BatchFeature

        return BatchFeature(dict(entry.made[call]))  # a copy, since processors remove what only they need

    def _entry_of(self, images: Sequence[Any]) -> _Entry | None:
        """The entry that these images belong to."""
        entry = self._entries.get(getattr(images[0], KEY, ())) if images else None
        if entry is None or list(map(id, entry.images)) != list(map(id, images)):
            return None
        return entry

    def _grow(self, entry: _Entry) -> None:
        """Count the entry's current size. Drop others, least recently used first, down to the limit."""
        self._held -= entry.counted
        entry.counted = entry.size()
        self._held += entry.counted
        while self._held > self._limit and len(self._entries) > 1:
            self._held -= self._entries.popitem(last=False)[1].counted


def _flat(images: Any) -> Iterator[Any]:
    if isinstance(images, list | tuple):
        for image in images:
            yield from _flat(image)
    else:
        yield images
