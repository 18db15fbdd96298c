"""Inputs for everything that reads a user's or a stranger's file, and the commands that read them."""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tests.torture import mutate
from tests.torture.child import Command
from tests.torture.kinds import copy
from tests.torture.world import ANY_POLICY, ROOT, SCRIPTED

Reader = Callable[[Random, Path, Path], list[Command]]  # fills the folder; gets the world's folder, too
RUNS = "open('code-was-run', 'w').close()"  # what no stranger's file may bring us to do
OUT = ["--out", "out"]


def recipes(dice: Random, folder: Path, world: Path) -> list[Command]:
    source = dice.choice(sorted((ROOT / "recipes").glob("*.yaml")))
    (folder / "run.yaml").write_bytes(mutate.yaml_text(source.read_text(), dice))
    if dice.random() < 0.15:
        return [["rollout", str(world / "games"), "--recipe", "run.yaml", "--dry-run", *OUT]]
    return [["recipe", dice.choice(["check", "check", "show"]), "run.yaml"]]


def settings(dice: Random, folder: Path, world: Path) -> list[Command]:
    import yaml

    body = yaml.safe_load((ROOT / "recipes/tiny.yaml").read_text())
    keys = [f"{section}.{key}" for section, fields in body.items() if isinstance(fields, dict) for key in fields]
    keys += [
        *body,
        "",
        ".",
        "a.b.c.d",
        "model.lora",
        "rollout.vllm.options",
        "rollout.server.key_variable",
        "evaluate.opponent",
    ]
    command = ["recipe", "check", "tiny"]
    for _ in range(dice.choice([1, 1, 2])):
        value = dice.choice(
            [json.dumps(dice.choice(mutate.EVIL)), mutate.yaml_text("a b", dice).decode(errors="replace")]
        )
        word = f"{dice.choice(keys)}{dice.choice(['=', '=', '=', '', '==', ': '])}{value}"
        command += ["--set", word.replace("\x00", "0").encode("utf-8", "replace").decode()]
    return [command]


def manifests(dice: Random, folder: Path, world: Path) -> list[Command]:
    name = dice.choice(["rollouts", "scored", "kept", "evaluation", "scripted", "games", "checkpoint"])
    place = copy(world / name, folder / name)
    files = [
        file
        for file in place.rglob("*.json")
        if file.name in {"manifest.json", "baselines.json", "round.json", "evaluation.json"}
    ]
    file = dice.choice(files)
    file.write_bytes(mutate.json_text(file.read_text(), dice))
    return [dice.choice(_commands_on(name, world))]


def tables(dice: Random, folder: Path, world: Path) -> list[Command]:
    name = dice.choice(["rollouts", "scored", "kept", "evaluation", "games"])
    place = copy(world / name, folder / name)
    mutate.parquet(dice.choice(sorted(place.rglob("*.parquet"))), dice)
    return [dice.choice(_commands_on(name, world))]


def _commands_on(name: str, world: Path) -> list[Command]:
    """The commands that read a folder of this kind."""
    look: list[Command] = [["inspect", name], ["inspect", name, "--json"], ["inspect", name, "--verify"]]
    more: dict[str, list[Command]] = {
        "rollouts": [["score", name, *OUT], ["score", name, *OUT], ["inspect", name, "--game", "1"],
                     ["train", str(world / "kept"), "--rollouts", name, "--games", str(world / "games"), *OUT, *SCRIPTED],
                     ["filter", str(world / "scored"), "--rollouts", name, *OUT]],
        "scored": [["filter", name, "--rollouts", str(world / "rollouts"), *OUT]] * 3,
        "kept": [["train", name, "--rollouts", str(world / "rollouts"), "--games", str(world / "games"), *OUT, *SCRIPTED]] * 3,
        "scripted": [["report", name, "--out", "r.html"]] * 3,
        "games": [["rollout", name, *OUT, *SCRIPTED], ["inspect", name, "--gallery", "g.html"], ["export", name, *OUT]],
        "checkpoint": [["export", name, "--to", "model", *OUT]],
        "evaluation": [],
    }  # fmt: skip
    return look + more[name]


def jsonl(dice: Random, folder: Path, world: Path) -> list[Command]:
    run = copy(world / "scripted", folder / "scripted")
    file = run / dice.choice(["metrics.jsonl", "metrics.jsonl", "timings.jsonl", "state.json"])
    lines = file.read_text().splitlines()
    place = dice.randrange(len(lines))
    if file.suffix == ".json":
        file.write_bytes(mutate.json_text(file.read_text(), dice))
    else:
        with file.open("wb") as out:
            for number, line in enumerate(lines):
                out.write(
                    (mutate.json_text(line, dice).replace(b"\n", b"") if number == place else line.encode()) + b"\n"
                )
    return [dice.choice([["report", "scripted", "--out", "r.html"], ["inspect", "scripted"],
                         ["iterate", "--out", "scripted", "--games", str(world / "games"), "--rounds", "3", *SCRIPTED,
                          "--set", "iterate.games=4"]])]  # fmt: skip


def scenes(dice: Random, folder: Path, world: Path) -> list[Command]:
    body = json.loads((ROOT / "data/clevr_scenes.json").read_text())
    body["scenes"] = body["scenes"][: dice.randint(1, 3)]
    (folder / "scenes.json").write_bytes(mutate.json_text(json.dumps(body, indent=1), dice))
    return [["make-games", "--scenes", "scenes.json", "--dry-run", *OUT]]


def csv_tables(dice: Random, folder: Path, world: Path) -> list[Command]:
    source = dice.choice(sorted((ROOT / "data/tables").glob("*.csv")))
    (folder / "table.csv").write_bytes(mutate.csv_text(source.read_text(), dice))
    return [["make-games", "--recipe", "paper-v1", "--tables", "table.csv", "--dry-run", *OUT]]


def ready(dice: Random, folder: Path, world: Path) -> list[Command]:
    """A table of pictures: CSV, JSON, JSONL or Parquet."""
    import polars as pl

    pictures = sorted((world / "games/images").glob("*.png"))[:6]
    (folder / "p").mkdir()
    for picture in pictures:
        os.link(picture, folder / "p" / picture.name)
    names = [f"p/{picture.name}" for picture in pictures]
    rows = [
        {"original": a, "modified": b, "id": f"n{n}", "split": "train"}
        for n, (b, a) in enumerate(zip(names[::2], names[1::2], strict=True))
    ]
    kind = dice.choice(["csv", "json", "jsonl", "parquet"])
    file = folder / f"pairs.{kind}"
    if kind == "json":
        file.write_bytes(mutate.json_text(json.dumps(rows, indent=1), dice))
    elif kind == "jsonl":
        file.write_bytes(b"\n".join(mutate.json_text(json.dumps(row), dice) for row in rows))
    elif kind == "csv":
        file.write_bytes(
            mutate.csv_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]), dice)
        )
    else:
        pl.DataFrame(rows).write_parquet(file)
        mutate.parquet(file, dice)
    return [["make-games", "--from", file.name, "--processes", "1", *OUT]]


def pictures(dice: Random, folder: Path, world: Path) -> list[Command]:
    place = folder / "photos"
    place.mkdir()
    source = sorted((world / "games/images").glob("*.png"))
    (place / "a_original.png").write_bytes(source[0].read_bytes())
    data = source[1].read_bytes()
    data = dice.choice([
        lambda: mutate.spoil(data, dice)[1],
        lambda: png(dice.choice([1, 20_000, 60_000, 2**31 - 1]), dice.choice([1, 30_000, 2**31 - 1])),
        lambda: dice.choice([b"GIF89a", b"II*\x00", b"BM", b"RIFF\x00\x00\x00\x00WEBP", b"\xff\xd8\xff\xe0"]) + dice.randbytes(300),
    ])()  # fmt: skip
    (place / f"a_modified.{dice.choice(['png', 'png', 'jpg', 'webp', 'tiff', 'gif'])}").write_bytes(data)
    return [["make-games", "--from", "photos", "--processes", "1", *OUT]]


def png(width: int, height: int) -> bytes:
    """A picture that says it is this large, of few bytes."""

    def part(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1 << 20), 9)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", body) + part(b"IEND", b"")


def models(dice: Random, folder: Path, world: Path) -> list[Command]:
    model = folder / "model"
    model.mkdir()
    for file in (world / "checkpoint").iterdir():
        if file.name != "manifest.json":
            (model / file.name).symlink_to(file)
    if dice.random() < 0.25:
        _trap(model, dice)
    else:
        names = ["config.json", "config.json", "processor_config.json", "tokenizer_config.json", "tokenizer.json",
                 "generation_config.json", "chat_template.jinja", "model.safetensors"]  # fmt: skip
        _spoil_model_file(model / dice.choice(names), dice)
    export = ["export", "model", "--to", "model", *OUT]
    plan = ["rollout", str(world / "games"), "--model", "model", "--split", "dev", "--dry-run", *OUT]
    play = ["rollout", str(world / "games"), "--model", "model", "--split", "dev", *OUT]
    own = ["--set", "model.path=model"]
    train = ["train", str(world / "kept"), *own, *OUT, *ANY_POLICY]
    return [dice.choice([export, export, plan, play, train, ["doctor", *own]])]


def _spoil_model_file(file: Path, dice: Random) -> None:
    data = file.read_bytes()
    file.unlink()
    if dice.random() < 0.05:
        return
    if file.suffix == ".json" and dice.random() < 0.8:
        file.write_bytes(mutate.json_text(data.decode(), dice))
    elif file.suffix == ".jinja" and dice.random() < 0.6:
        file.write_text(dice.choice(TEMPLATES))
    else:
        file.write_bytes(mutate.spoil(data, dice)[1])


def _trap(model: Path, dice: Random) -> None:
    """A model whose files ask to run code."""
    import pickle

    (model / "modeling_x.py").write_text(RUNS + "\nclass X: pass\n")
    if dice.random() < 0.3:  # weights that are a pickle

        class Trap:
            def __reduce__(self) -> tuple[Any, ...]:
                return exec, (RUNS,)

        (model / "model.safetensors").unlink()
        (model / dice.choice(["pytorch_model.bin", "model.safetensors", "adapter_model.bin"])).write_bytes(
            pickle.dumps(Trap())
        )
        return
    names = ["config.json", "processor_config.json", "tokenizer_config.json", "preprocessor_config.json", "video_preprocessor_config.json",
             "image_processor_config.json", "generation_config.json", "adapter_config.json"]  # fmt: skip
    file = model / dice.choice(names)
    body = json.loads(file.read_text()) if file.exists() else {}
    kinds = [
        "AutoConfig",
        "AutoModel",
        "AutoModelForImageTextToText",
        "AutoProcessor",
        "AutoTokenizer",
        "AutoImageProcessor",
        "AutoVideoProcessor",
    ]
    body["auto_map"] = dice.choice(
        [dict.fromkeys(kinds, "modeling_x.X"), dict.fromkeys(kinds, "a/b--modeling_x.X"), "modeling_x.X", [1]]
    )
    if dice.random() < 0.5:
        body[
            dice.choice(["model_type", "processor_class", "tokenizer_class", "image_processor_type", "custom_generate"])
        ] = "X"
    file.unlink(missing_ok=True)
    file.write_text(json.dumps(body))


TEMPLATES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.system('touch code-was-run') }}",
    "{{ self.__init__.__globals__.__builtins__.open('code-was-run', 'w').close() }}",
    "{% for i in range(10**9) %}x{% endfor %}{{ image }}",
    "{{ 'x' * 10**10 }}",
    "{{ image }}" * 3,
    "{{ nothing.at.all }} {{ image }}",
    "{% include '/etc/passwd' %}{{ image }}",
    "{{ image",
    "{{ 1 / 0 }} {{ image }}",
    "\x1b[2J {{ image }} {{ clues }}",
    "",
]


def prompts(dice: Random, folder: Path, world: Path) -> list[Command]:
    source = ROOT / "stages/core/game/prompts" / dice.choice(["standard", "compact", "short"])
    place = copy(source, folder / "words")
    file = dice.choice([file for file in sorted(place.iterdir()) if file.is_file()])
    if file.suffix == ".yaml":
        file.write_bytes(mutate.yaml_text(file.read_text(), dice))
    elif dice.random() < 0.6:
        text = file.read_text()
        file.write_text(dice.choice([text + dice.choice(TEMPLATES), dice.choice(TEMPLATES)]))
    else:
        file.write_bytes(mutate.spoil(file.read_bytes(), dice)[1])
    return [["rollout", str(world / "games"), "--split", "dev", *OUT, *SCRIPTED, "--set", "game.prompts=words"]]


def accelerate_files(dice: Random, folder: Path, world: Path) -> list[Command]:
    source = dice.choice(sorted((ROOT / "recipes/accelerate").glob("*.yaml")))
    (folder / "a.yaml").write_bytes(mutate.yaml_text(source.read_text(), dice))
    return [["train", str(world / "kept"), "--set", "train.accelerate_config=a.yaml", "--dry-run", *OUT]]


# With how often each is drawn: cheap ones more often.
READERS: dict[str, tuple[int, Reader]] = {
    "recipes": (30, recipes), "settings": (15, settings), "manifests": (10, manifests), "tables": (10, tables),
    "jsonl": (6, jsonl), "scenes": (6, scenes), "csv tables": (8, csv_tables), "ready": (6, ready),
    "pictures": (5, pictures), "models": (6, models), "prompts": (6, prompts), "accelerate": (4, accelerate_files),
}  # fmt: skip
