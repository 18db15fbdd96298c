"""A checkpoint carries its base's own files and weight names, and training is not lost when writing it fails."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from stages.core import vlm
from stages.core.errors import InputError, VzError
from stages.core.vlm.saving import local_folder, own_files, set_dtype
from stages.train import export, run
from stages.train.training import Training
from tests.train.world import World, change, make_world, recipe

INDEX = "model.safetensors.index.json"


@pytest.fixture
def base(played: World, tmp_path: Path) -> Path:
    """The model that played, as a folder that a test may change."""
    shutil.copytree(played.model, tmp_path / "base")
    return tmp_path / "base"


def bf16(folder: Path) -> None:
    change(folder / "config.json", lambda config: config.update(dtype="bfloat16"))
    for part in ("text_config", "vision_config"):
        change(folder / "config.json", lambda config, part=part: config[part].update(dtype="bfloat16"))


def test_all_files_except_weights_keep_their_bytes(played: World, base: Path, tmp_path: Path) -> None:
    bf16(base)
    (base / "LICENSE").write_text("a licence")
    (base / "merges.txt").write_text("#version: 0.2\n")
    (base / "additional_chat_templates").mkdir()
    (base / "additional_chat_templates" / "tools.jinja").write_text("{{ tools }}")
    (base / "generation_config.json").write_text('{"temperature": 0.6, "top_p": 0.9}')  # without do_sample
    (base / "trainer_state.json").write_text("{}")
    (base / "figure.png").write_bytes(b"")
    out = run(recipe(base), played.kept, tmp_path / "out", model=base).out
    kept = {path.relative_to(base) for path in own_files(base)}
    assert {str(path) for path in kept} >= {
        "config.json", "generation_config.json", "processor_config.json", "tokenizer.json", "tokenizer_config.json",
        "chat_template.jinja", "LICENSE", "merges.txt", "additional_chat_templates/tools.jinja",
    }  # fmt: skip
    assert all((out / path).read_bytes() == (base / path).read_bytes() for path in kept)
    assert not {"trainer_state.json", "figure.png"} & {path.name for path in out.iterdir()}


def test_the_config_differs_from_the_bases_only_in_the_precision(played: World, tmp_path: Path) -> None:
    out = run(recipe(played.model), played.kept, tmp_path / "out").out
    before, after = (json.loads((folder / "config.json").read_text()) for folder in (played.model, out))
    assert (before.pop("dtype"), after.pop("dtype")) == ("float32", "bfloat16")
    assert after == before


def test_the_precision_is_set_under_the_names_that_the_config_uses(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(
        '{"torch_dtype": "float16", "text_config": {"torch_dtype": "float16"}, "vision_config": {"depth": 2}}'
    )
    set_dtype(path, "bfloat16")
    expected = {"torch_dtype": "bfloat16", "text_config": {"torch_dtype": "bfloat16"}, "vision_config": {"depth": 2}}
    assert json.loads(path.read_text()) == expected


def long(name: str) -> str:
    return name.replace("vision_tower.", "vision_tower.vision_model.")


def as_transformers_4(base: Path) -> None:
    """Configs as transformers 4 writes them: positions, precision and picture settings under its names."""

    def edit(config: dict[str, Any]) -> None:
        config["torch_dtype"] = "bfloat16"
        del config["dtype"], config["text_config"]["rope_parameters"]
        config["text_config"] |= {"rope_theta": 1e6, "rope_scaling": None}

    change(base / "config.json", edit)
    processor = json.loads((base / "processor_config.json").read_text())
    (base / "preprocessor_config.json").write_text(json.dumps(processor.pop("image_processor")))
    (base / "processor_config.json").write_text(json.dumps(processor))
    change(base / "tokenizer_config.json", lambda config: config.update(extra_special_tokens={}))


def test_a_base_of_transformers_4_stays_readable_by_it(base: Path, pictures: Path, tmp_path: Path) -> None:
    from transformers import AutoConfig

    as_transformers_4(base)
    rows = make_world(tmp_path / "rows", base, pictures, 4)
    out = run(recipe(base), rows.kept, tmp_path / "out").out
    names = {path.name for path in base.iterdir()} - {"model.safetensors"}
    assert "preprocessor_config.json" in names
    assert all((out / name).read_bytes() == (base / name).read_bytes() for name in names)
    assert AutoConfig.from_pretrained(out).text_config.rope_parameters["rope_theta"] == 1e6


def test_weights_are_in_the_bases_files_and_unloaded_ones_are_copied(played: World, base: Path, tmp_path: Path) -> None:
    weights = load_file(base / "model.safetensors")
    (base / "model.safetensors").unlink()
    weights["mtp.layers.0.weight"] = torch.arange(6.0)
    files = {
        "model-00001-of-00002.safetensors": sorted(weights)[:20],
        "model-00002-of-00002.safetensors": sorted(weights)[20:],
    }
    for file, names in files.items():
        save_file({name: weights[name] for name in names}, base / file, metadata={"format": "pt"})
    places = {name: file for file, names in files.items() for name in names}
    (base / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    out = run(recipe(base), played.kept, tmp_path / "out", model=base).out
    index = json.loads((out / INDEX).read_text())
    assert index["weight_map"] == {long(name): file for name, file in places.items()}
    written = {file: load_file(out / file) for file in files}
    assert {name: file for file, held in written.items() for name in held} == index["weight_map"]
    assert index["metadata"]["total_size"] == sum(w.nbytes for held in written.values() for w in held.values())
    assert torch.equal(written[places["mtp.layers.0.weight"]]["mtp.layers.0.weight"], torch.arange(6.0))
    vlm.load_model(out, recipe(base).model)


def lacks_a_weight(base: Path) -> None:
    weights = load_file(base / "model.safetensors")
    del weights[next(name for name in weights if "projector" in name)]
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})


def is_pickled(base: Path) -> None:
    torch.save(load_file(base / "model.safetensors"), base / "pytorch_model.bin")
    (base / "model.safetensors").unlink()


def is_quantized(base: Path) -> None:
    change(base / "config.json", lambda config: config.update(quantization_config={"quant_method": "awq"}))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lacks_a_weight, "its files lack the weight '.*projector"),
        (is_pickled, "pickled weights can contain code, so vz does not read them"),
        (is_quantized, "its weights are quantized"),
    ],
)
def test_a_base_without_a_possible_checkpoint_is_refused_before_training(
    played: World,
    base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], None],
    message: str,
) -> None:
    spoil(base)
    monkeypatch.setattr(Training, "train", lambda *_: pytest.fail("trained"))
    with pytest.raises(InputError, match=message):
        run(recipe(base), played.kept, tmp_path / "out", model=base)
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_a_failed_export_is_repeated_without_training_again(
    played: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    whole = run(recipe(played.model), played.kept, tmp_path / "whole" / "out")
    with (
        monkeypatch.context() as broken,
        pytest.raises(VzError, match="repeat the command: finished work is kept"),
    ):
        broken.setattr(export, "save_like", full)
        run(recipe(played.model), played.kept, tmp_path / "out")
    assert not (tmp_path / "out").exists() and (tmp_path / "out-state").exists()
    monkeypatch.setattr(Training, "_update", lambda *_: pytest.fail("trained again"))
    after = run(recipe(played.model), played.kept, tmp_path / "out")
    assert after.counts == whole.counts
    for name in ("model.safetensors", "training.json"):
        assert (after.out / name).read_bytes() == (whole.out / name).read_bytes()
    assert (tmp_path / "out-state" / "state.json").is_file()


def test_a_state_that_waits_for_export_is_not_used_for_another_recipe(
    played: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken, pytest.raises(RuntimeError):
        broken.setattr(export, "save_like", lambda *_: (_ for _ in ()).throw(RuntimeError()))
        run(recipe(played.model), played.kept, tmp_path / "out")
    other = run(recipe(played.model, learning_rate=3e-3), played.kept, tmp_path / "out")
    assert other.counts["learning_rate"] == 3e-3


def test_files_of_a_hub_model_come_from_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    cached = tmp_path / "models--owner--name"
    (cached / "snapshots" / "abc").mkdir(parents=True)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc")
    (cached / "snapshots" / "abc" / "model.safetensors").write_text("")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_CACHE", str(tmp_path))
    assert local_folder("owner/name", None) == cached / "snapshots" / "abc"
    with pytest.raises(InputError, match="owner/other: cannot be downloaded from the hub"):
        local_folder("owner/other", None)
