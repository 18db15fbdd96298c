"""Model folders with something wrong, made from a good one, and what vz says of them.

`python -m tests.core.vlm.spoilt --random 250` tries many, each in a process of its own with limits on time and memory.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
GOOD = ROOT / "data/tiny-model"
SECONDS, MEMORY = 5, 2 * 2**30  # limits: of processor time, and of bytes beyond those that the libraries take

Spoil = Callable[[Path], None]


def copy_of_good(folder: Path) -> Path:
    """A good model without a manifest, as a stranger's is, beside code that notes that it ran."""
    shutil.copytree(GOOD, folder, ignore=shutil.ignore_patterns("manifest.json", "README.md"))
    (folder / "code.py").write_bytes(CODE)
    return folder


def setting(file: str, *keys: str, value: Any) -> Spoil:
    """Set a value in a JSON file."""

    def spoil(folder: Path) -> None:
        path = folder / file
        body = inner = json.loads(path.read_text()) if path.exists() else {}
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
        inner[keys[-1]] = value
        path.write_text(json.dumps(body))

    return spoil


def content(file: str, data: bytes) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / file).write_bytes(data)

    return spoil


def link(file: str, target: str) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / file).unlink(missing_ok=True)
        (folder / file).symlink_to(target)

    return spoil


def pipe(file: str) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / file).unlink(missing_ok=True)
        os.mkfifo(folder / file)

    return spoil


def removed(file: str) -> Spoil:
    return lambda folder: (folder / file).unlink()


def directory(file: str) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / file).unlink()
        (folder / file).mkdir()

    return spoil


def sharded(weight_map: Any) -> Spoil:
    """An index in place of the weights file, with `weight_map`, or the good map's names all in the file it names."""

    def spoil(folder: Path) -> None:
        names = _header(folder / "model.safetensors")
        found = dict.fromkeys(names, weight_map) if isinstance(weight_map, str) else weight_map
        (folder / "model.safetensors").rename(folder / "part.safetensors")
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": found}))

    return spoil


def header(change: Callable[[dict[str, Any]], None]) -> Spoil:
    """Change the header of the weights file."""

    def spoil(folder: Path) -> None:
        path = folder / "model.safetensors"
        data = path.read_bytes()
        (size,) = struct.unpack("<Q", data[:8])
        body = json.loads(data[8 : 8 + size])
        change(body)
        text = json.dumps(body).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])

    return spoil


def _header(path: Path) -> list[str]:
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    return [name for name in json.loads(data[8 : 8 + size]) if name != "__metadata__"]


def _first_shape(body: dict[str, Any], shape: list[int]) -> None:
    next(value for name, value in body.items() if name != "__metadata__")["shape"] = shape


AUTO_MAP = {"AutoConfig": "code.Config", "AutoModel": "code.Model", "AutoProcessor": "code.Processor"}
CODE = b"import pathlib; pathlib.Path(__file__).with_name('ran').touch(); raise SystemExit(0)"
JSON_FILES = (
    "config.json",
    "generation_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000

TRAPS: dict[str, Spoil] = {
    **{f"{file} with auto_map": setting(file, "auto_map", value=AUTO_MAP) for file in JSON_FILES},
    **{
        f"{file} with auto_map": setting(file, "auto_map", value=AUTO_MAP)
        for file in ("preprocessor_config.json", "video_preprocessor_config.json", "image_processor_config.json")
    },
    "auto_map in a part": setting("processor_config.json", "image_processor", "auto_map", value=AUTO_MAP),
    "auto_map of an unknown kind": lambda folder: (
        setting("config.json", "auto_map", value=AUTO_MAP)(folder),
        setting("config.json", "model_type", value="stranger")(folder),
    )[0],
    "custom_pipelines": setting("config.json", "custom_pipelines", value={"x": {"impl": "code.X"}}),
    "a kernel of the hub": setting("config.json", "attn_implementation", value="stranger/kernel"),
    "a kernel of the hub, inside": setting("config.json", "_attn_implementation_internal", value="stranger/kernel"),
    "a patch size in words": setting("processor_config.json", "patch_size", value="x"),
    "a huge id": setting("tokenizer.json", "model", "vocab", "red", value=10**9),
    "a huge id of an added token": setting("tokenizer.json", "added_tokens", value=[{"id": 10**9, "content": "x"}]),
    "custom generate": lambda folder: (folder / "custom_generate").mkdir(),
    **{f"{file} is a pipe": pipe(file) for file in (*JSON_FILES, "model.safetensors", "chat_template.jinja")},
    **{
        f"{file} is endless": link(file, "/dev/zero")
        for file in (*JSON_FILES, "model.safetensors", "chat_template.jinja")
    },
    **{f"{file} is a folder": directory(file) for file in (*JSON_FILES, "model.safetensors", "chat_template.jinja")},
    **{f"{file} leads nowhere": link(file, "nowhere") for file in (*JSON_FILES, "model.safetensors")},
    **{f"{file} leads in a circle": link(file, file) for file in ("config.json", "model.safetensors")},
    **{f"{file} is missing": removed(file) for file in (*JSON_FILES, "model.safetensors", "chat_template.jinja")},
    **{f"{file} is empty": content(file, b"") for file in (*JSON_FILES, "model.safetensors", "chat_template.jinja")},
    **{f"{file} is a list": content(file, b"[1, 2]") for file in JSON_FILES},
    **{f"{file} is null": content(file, b"null") for file in JSON_FILES},
    **{f"{file} is deep": content(file, DEEP) for file in JSON_FILES},
    **{f"{file} is no text": content(file, b"\xff\xfe\x00{") for file in (*JSON_FILES, "chat_template.jinja")},
    **{f"{file} has a huge number": content(file, b'{"a": ' + b"9" * 5000 + b"}") for file in JSON_FILES},
    "the index names a file outside": sharded("../../../etc/passwd"),
    "the index names an absolute path": sharded("/etc/passwd"),
    "the index names a device": sharded("/dev/zero"),
    "the index names a missing file": sharded("missing.safetensors"),
    "the index names a number": sharded({"a": 3}),
    "the index is a list": sharded([1]),
    "the index is good": sharded("part.safetensors"),
    "the index has a strange weight": sharded({"nothing": "part.safetensors"}),
    "too long a header": content("model.safetensors", struct.pack("<Q", 2**62) + b"{}"),
    "a header of 100 GB": content("model.safetensors", struct.pack("<Q", 100 * 2**30) + b"{}"),
    "no header": content("model.safetensors", struct.pack("<Q", 2) + b"{}"),
    "a huge shape": header(lambda body: _first_shape(body, [2**40, 2**40])),
    "another shape": header(lambda body: _first_shape(body, [1])),
    "a negative shape": header(lambda body: _first_shape(body, [-1, 3])),
    "pickled weights only": lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin") and None,
    "an adapter that is a list": content("adapter_config.json", b"[]"),
    "an adapter without a base": content("adapter_config.json", b"{}"),
    "an adapter of a number": content("adapter_config.json", b'{"base_model_name_or_path": 3}'),
    "an adapter of itself": content("adapter_config.json", b'{"base_model_name_or_path": "."}'),
    "a manifest that is a list": content("manifest.json", b"[]"),
    "a manifest without a stage": content("manifest.json", b"{}"),
    "an endless template": content(
        "chat_template.jinja", b"{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    ),
    "a template with a huge text": content("chat_template.jinja", b"{{ 'x' * 10**11 }}"),
    "a template that is cut off": content("chat_template.jinja", b"{% for message in messages %}{{"),
    "a template that breaks out": content(
        "chat_template.jinja", b"{{ messages.__class__.__mro__[1].__subclasses__() }}"
    ),
}
GOOD_TRAPS = {
    "config.json with auto_map", "the index is good", "generation_config.json is missing",
    "a manifest without a stage", "custom generate",
}  # fmt: skip
FOUND_BY_LOADING = {
    "auto_map of an unknown kind", "custom_pipelines", "tokenizer.json with auto_map", "an endless template", "a template with a huge text",
    "a patch size in words", "a template that is cut off", "a template that breaks out", "an adapter without a base", "an adapter of a number",
    "an adapter of itself", "the index has a strange weight", "too long a header", "a header of 100 GB", "no header",
    "a huge shape", "another shape", "a negative shape", "model.safetensors is empty", "chat_template.jinja is empty",
    "chat_template.jinja is no text",
    *(f"{file} is missing" for file in (*JSON_FILES, "model.safetensors", "chat_template.jinja")),
}  # fmt: skip
NUMBERS = (-1, 0, 10**6, 10**9, 10**12, 2**63, 10**40, 1e308, -0.5)
OTHERS = (None, True, "", "x", [], [1, "a"], {}, {"a": 1}, "../../etc/passwd", "\x1b[31m")


def spoil_at_random(folder: Path, seed: int) -> str:
    """Spoil one file in one way; returns what was done."""
    draw = random.Random(seed)
    file = draw.choice(sorted(path.name for path in folder.iterdir() if path.suffix != ".py"))
    path, data = folder / file, (folder / file).read_bytes()
    ways = ["cut", "flip", "zero", "double", "value", "value", "value", "value", "value", "drop", "drop"]
    way = draw.choice(ways if file.endswith(".json") else ways[:4])
    if way in {"value", "drop"}:
        body = json.loads(data)
        places = list(_places(body))
        inner, key = draw.choice(places)
        if way == "drop":
            del inner[key]
        else:
            inner[key] = draw.choice(NUMBERS if draw.random() < 0.6 else OTHERS)
        path.write_text(json.dumps(body))
        return f"{file}: {way} {key!r}{'' if way == 'drop' else f' = {inner[key]!r}'}"
    at = draw.randrange(min(len(data), 6000) if draw.random() < 0.7 else len(data))
    changed = {
        "cut": data[:at],
        "flip": data[:at] + bytes([data[at] ^ (1 << draw.randrange(8))]) + data[at + 1 :],
        "zero": data[:at] + bytes(min(64, len(data) - at)) + data[at + 64 :],
        "double": data[:at] + data,
    }[way]
    path.write_bytes(changed)
    return f"{file}: {way} at {at}"


def _places(body: Any) -> Any:
    """(container, key) of every value."""
    keys = body.keys() if isinstance(body, dict) else range(len(body)) if isinstance(body, list) else ()
    for key in list(keys):
        yield body, key
        yield from _places(body[key])


def use(model: Path) -> None:
    """What commands do with a model: estimate its size, check it, load it, and answer one prompt."""
    from stages.core.engines.transformers import TransformersEngine
    from stages.core.recipe.load import load
    from stages.core.vlm.needs import check_models
    from stages.core.vlm.size import size_of
    from tests.core.engines.server.asking import request

    recipe = load("tiny", [f"model.path={model}", "rollout.max_prompt_tokens=600"])
    size_of(model, recipe.model)
    check_models(recipe, [model], trains=True)
    with TransformersEngine(recipe) as engine:
        engine.load("current", model, "v1")
        engine.run(engine.generate(request()))


def outcome(model: Path, task: Callable[[Path], None] = use) -> tuple[str, str]:
    """("good" | "refused" | "traceback" | "hang" | "memory" | "died", what vz said), from a process of its own."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        _in_child(write, model, task)
    os.close(write)
    with open(read, "rb") as answers:  # noqa: PTH123
        said = answers.read().decode(errors="replace")
    _, status, _used = os.wait4(child, 0)
    if os.WIFSIGNALED(status):
        kind = {signal.SIGXCPU: "hang", signal.SIGALRM: "hang"}.get(os.WTERMSIG(status), "died")
        return kind, f"signal {os.WTERMSIG(status)}"
    kind, _, message = said.partition("\n")
    return (kind or "died"), message


def _in_child(write: int, model: Path, task: Callable[[Path], None]) -> None:
    from stages.core.errors import VzError

    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    limit = int(used + SECONDS) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    signal.alarm(60)  # a wait takes no processor time
    sys.stdin = open("/dev/null")  # noqa: PTH123, SIM115
    try:
        task(model)
        answer = "good\n"
    except VzError as error:
        answer = f"refused\n{error}"
    except MemoryError as error:
        answer = f"memory\n{error}"
    except BaseException:
        answer = f"traceback\n{traceback.format_exc()}"
    os.write(write, answer.encode(errors="replace")[:60_000])
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--random", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        use(GOOD)  # imports what is needed, before the processes fork
        counts: Counter[str] = Counter()
        cases: list[tuple[str, Callable[[Path], str | None]]] = list(TRAPS.items())
        cases += [
            (f"seed {given.seed + n}", lambda f, n=n: spoil_at_random(f, given.seed + n)) for n in range(given.random)
        ]
        for number, (name, spoil) in enumerate(cases):
            if given.only not in name:
                continue
            folder = copy_of_good(place / f"model-{number}")
            what = spoil(folder)
            began = time.monotonic()
            kind, said = outcome(folder)
            one_line = kind != "refused" or len(said.splitlines()) == 1
            named = kind != "refused" or str(folder) in said
            kind = kind if one_line and named else "unclear"
            kind = "code ran" if (folder / "ran").exists() else kind
            counts[kind] += 1
            print(
                f"{kind:10} {time.monotonic() - began:5.1f} s  {name}: {what or ''}\n           {said[-1500:] if kind not in ('refused', 'good') else said[:300]}",
                flush=True,
            )
            shutil.rmtree(folder, ignore_errors=True)
        print(dict(counts))


if __name__ == "__main__":
    main()
