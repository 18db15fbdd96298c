"""A processor with its cached output for pictures and prompts. An engine and a trainer in one process share it."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from stages.core import vlm
from stages.core.engines.fit import joins
from stages.core.engines.picture_cache import PictureCache
from stages.core.folder.content import MANIFEST, content_hash
from stages.core.folder.files import sha256_text
from stages.core.game.prompting import Message
from stages.core.pictures import Picture
from stages.core.recipe.model import Model as ModelRecipe
from stages.core.vlm.loading import processor_place
from stages.core.vlm.prompts import Prompt

if TYPE_CHECKING:
    from transformers import ProcessorMixin

LIMIT = 1 << 22  # tokens of kept prompts: 16 MiB

Key = tuple[str, tuple[Picture, ...]]
_shared: WeakValueDictionary[str, Processing] = WeakValueDictionary()


class Processing:
    """A processor that encodes each picture once, and each prompt once while its pictures are cached."""

    def __init__(self, model: str | Path, recipe: ModelRecipe) -> None:
        self.processor: ProcessorMixin = vlm.load_processor(model, recipe)
        self.settings = self.processor.to_json_string()
        self._joins = joins(self.processor)
        self.pictures = PictureCache(self.processor.image_processor)
        self.processor.image_processor = self.pictures
        self._prompts: OrderedDict[Key, tuple[array[int], dict[str, array[int]]]] = OrderedDict()
        self._tokens = 0  # of all kept prompts

    @staticmethod
    def of(model: str | Path, recipe: ModelRecipe) -> Processing:
        """The instance that this process has for this kind of model, or a new one.

        Models share one if their folders have the same files, apart from weights and files that vz writes.
        """
        folder, settings = Path(processor_place(model, recipe)), recipe.model_dump_json()
        files = sorted(file for file in folder.iterdir() if file.is_file()) if folder.is_dir() else []
        parts = [f"{file.name} {content_hash(file)}" for file in files if not _is_of_weights(file)]
        key = "\n".join([settings, *parts] if files else [settings, str(model)])
        if (found := _shared.get(key)) is None:
            found = _shared[key] = Processing(model, recipe)
        return found

    def prompt(self, messages: list[Message], pictures: Sequence[Picture]) -> Prompt:
        """The model's inputs for a prompt."""
        key = sha256_text(repr(messages)), tuple(pictures)
        kept, inputs = self._prompts.get(key), self.pictures.kept(pictures)
        if kept is not None and inputs is not None:
            ids, types = kept
            return Prompt(ids.tolist(), {name: values.tolist() for name, values in types.items()}, inputs)
        prompt = vlm.encode_one(self.processor, messages, self.pictures.load(pictures))
        if self._joins:
            self.pictures.keep(pictures, prompt.pictures)
            self._keep(key, prompt)
        return prompt

    def _keep(self, key: Key, prompt: Prompt) -> None:
        """Keep a prompt, and drop others, oldest first, down to the limit."""
        if key not in self._prompts:
            self._tokens += len(prompt.ids)
        self._prompts[key] = array("i", prompt.ids), {name: array("i", kind) for name, kind in prompt.types.items()}
        while self._tokens > LIMIT:
            self._tokens -= len(self._prompts.popitem(last=False)[1][0])


def _is_of_weights(file: Path) -> bool:
    """Whether a file in a model's folder does not affect its processor."""
    return "safetensors" in file.name or file.suffix in (".bin", ".md") or file.name in (MANIFEST, "training.json")
