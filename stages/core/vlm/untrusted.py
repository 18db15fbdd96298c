"""Checks the files of untrusted or damaged models, and turns any library's error into one line that names the folder.

A model's own code never runs: transformers loads with trust_remote_code=False, and vz reads neither pickled weights nor
kernels from the hub.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from stages.core.errors import InputError, VzError, first_line, shortened
from stages.core.folder.files import read_json

INDEXES = ("model.safetensors.index.json",)
# JSON files whose content is one object, and which libraries read.
_OBJECTS = {
    "config.json", "generation_config.json", "processor_config.json", "preprocessor_config.json",
    "video_preprocessor_config.json", "image_processor_config.json", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json",
    "chat_template.json", "adapter_config.json", "tokenizer.json", "manifest.json", *INDEXES,
}  # fmt: skip
_READ = (".json", ".jinja", ".safetensors", ".txt", ".model")  # suffixes of files that libraries read
_LARGEST_TEXT = 256 * 2**20  # bytes; the largest tokenizers have 40 MiB
# The largest numbers in a configuration: for anything, and for things that are built one by one or need a buffer.
_LARGEST_NUMBER = 2.0**63
_MOST = {
    "layers": 2_000, "depth": 2_000, "experts": 20_000, "heads": 20_000, "channels": 10_000, "image_size": 20_000,
    "patch_size": 2_000, "size": 10**7, "embeddings": 10**8,
}  # fmt: skip
_EDGES, _LONGEST_EDGE = ("longest_edge", "shortest_edge", "height", "width"), 50_000  # pixels of a picture's side
_KERNELS = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal", "experts_implementation")
AGAIN = "get the model again, or repair the file"


def check_files(place: str | Path) -> None:
    """`InputError` for the first file in a model's folder that is damaged, or would make a library run code.

    Hub names are not checked, since their files come from the hub's cache.
    """
    folder = Path(place)
    if not folder.is_dir():
        return
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix in _READ:
            if not path.is_file():
                raise InputError(f"{path}: not a regular file, or a link to nothing; {AGAIN}")
            status = path.stat()
            found.append((path.name, status.st_size, status.st_mtime_ns))
    _check(folder, tuple(found))


@lru_cache(maxsize=256)
def _check(folder: Path, files: tuple[tuple[str, int, int], ...]) -> None:
    """The same for regular files, identified by name, size and time, so that each is read once."""
    bodies: dict[str, dict[str, Any]] = {}
    for name, size, _ in files:
        path = folder / name
        if size > _LARGEST_TEXT and path.suffix != ".safetensors":
            raise InputError(f"{path}: has {size / 2**20:.0f} MiB, more than any file of this kind; {AGAIN}")
        if name in _OBJECTS:
            body = read_json(path)
            if not isinstance(body, dict):
                raise InputError(f"{path}: is a {type(body).__name__}, not an object; {AGAIN}")
            bodies[name] = body
            _check_code(path, body)
    _check_config(folder / "config.json", bodies.get("config.json", {}))
    _check_tokens(folder / "tokenizer.json", bodies.get("tokenizer.json", {}))
    for name in ("processor_config.json", "preprocessor_config.json"):
        _check_edges(folder / name, bodies.get(name, {}))
    for name in INDEXES:
        if name in bodies:
            _check_index(folder, name, bodies[name])
    pickled = sorted(path for kind in ("*.bin", "*.pt", "*.pth") for path in folder.glob(kind))
    if pickled and "config.json" in bodies and not any(name.endswith(".safetensors") for name, _, _ in files):
        raise InputError(
            f"{pickled[0]}: pickled weights can contain code, so vz does not read them; if you trust the model, load "
            "it once with transformers and save it to another folder with save_pretrained"
        )


def _check_code(path: Path, body: Mapping[str, Any]) -> None:
    """Refuse files that name code. config.json may name some for a class that transformers has, which vz then uses."""
    if path.name in ("config.json", "tokenizer.json"):
        return  # `refuse_own_code` checks whether transformers knows the model; tokenizer.json is only a vocabulary
    for key, _ in _values(body):
        if not {"auto_map", "custom_pipelines"}.isdisjoint(key.split(".")):
            raise InputError(
                f"{path}: names code in the model's own repository ({key}), which vz does not run; remove the key if "
                "transformers has this class itself, or use a model that it supports natively"
            )


def _check_config(path: Path, config: Mapping[str, Any]) -> None:
    for key, value in _values(config):
        name = key.rpartition(".")[2]
        if name in _KERNELS and isinstance(value, str) and "/" in value:
            raise InputError(f"{path}: {key} names code on the hub ({value}), which vz does not run; remove the key")
        if isinstance(value, int | float):
            most = next((most for end, most in _MOST.items() if name.endswith(end)), _LARGEST_NUMBER)
            least = 0 if name.endswith(("layers", "heads", "depth")) else -_LARGEST_NUMBER
            if not least <= value <= most:
                raise InputError(f"{path}: {key} is {_short(value)}, which no model has; {AGAIN}")


def _check_tokens(path: Path, body: Mapping[str, Any]) -> None:
    """Libraries make a table as long as the highest id, and crash without a message if it does not fit in memory."""
    model, added = body.get("model"), body.get("added_tokens")
    words = model.get("vocab") if isinstance(model, dict) else None
    ids = dict(words) if isinstance(words, dict) else {}
    ids |= {str(each.get("content")): each.get("id") for each in added or () if isinstance(each, dict)}
    for token, number in ids.items():
        if isinstance(number, int | float) and not 0 <= number <= _MOST["size"]:
            name = shortened(repr(token))
            raise InputError(f"{path}: the token {name} has the id {_short(number)}, which no model has; {AGAIN}")


def _check_edges(path: Path, config: Mapping[str, Any]) -> None:
    """Limit picture sizes to what fits in memory. If pictures are measured in merged patches, edges are areas."""
    if "merge_size" in str(config):
        return
    for key, value in _values(config):
        if key.endswith(_EDGES) and isinstance(value, int | float) and value > _LONGEST_EDGE:
            raise InputError(f"{path}: {key} is {_short(value)} pixels, which no picture has; {AGAIN}")


def _check_index(folder: Path, index: str, body: Mapping[str, Any]) -> None:
    """Check that all weight files are in the folder itself, and exist."""
    path, places = folder / index, body.get("weight_map")
    if not isinstance(places, dict) or not places:
        raise InputError(f"{path}: has no weight_map from names to files; {AGAIN}")
    for name in {str(place): None for place in places.values()}:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise InputError(
                f"{path}: names the file {name!r}, which is not a safetensors file in this folder; {AGAIN}"
            )
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: missing, but {index} names it; {AGAIN}")


def _values(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted key and value of every leaf in nested data."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _values(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _values(inner, f"{key}.{number}")
    else:
        yield key, value


def _short(value: float) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:20]}… ({len(text)} characters)"


@contextmanager
def library_errors(place: str | Path, what: str, remedy: Any = lambda error: "") -> Iterator[None]:
    """Turn any error that a library raises in the block into an `InputError` that names the model.

    Bad values make libraries fail in all kinds of ways, including Rust panics, which are not an `Exception`.
    """
    try:
        yield
    except (VzError, KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError):
        raise
    except MemoryError as error:
        raise InputError(f"{place}: {what}: not enough memory") from error
    except BaseException as error:
        if "OutOfMemory" in type(error).__name__:  # on a GPU; the model may be fine
            raise
        reason = _own_code(place) if "trust_remote_code" in str(error) else _reason(error)
        raise InputError(f"{place}: {what}: {reason}{remedy(error)}") from error


def _reason(error: BaseException) -> str:
    """The first line of a message, without transformers' general advice, which would be cut off."""
    if "ignore_mismatched_sizes" in str(error):  # transformers' message only refers to a table in its log
        return "a weight's shape differs from config.json; get the model again"
    text = first_line(error).partition(" Check out ")[0].rstrip(".")
    if isinstance(error, OSError | ValueError | ImportError | RuntimeError):
        return text
    return f"{type(error).__name__}: {text}"  # a KeyError's message is only the key


def _own_code(place: str | Path) -> str:
    """A reason that names the model's file with code."""
    for path in sorted(Path(place).glob("*.json")) if Path(place).is_dir() else ():
        if path.name in _OBJECTS and "auto_map" in read_json(path):
            return f"{path.name} names code in the model's own repository (auto_map), which vz does not run"
    return "it is code in its own repository, which vz does not run"
