"""An adapter trains as its configuration says, or is refused by name, and finds its base wherever it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.core import vlm
from stages.core.errors import InputError
from stages.core.folder.artifact import Report
from stages.core.recipe import Recipe
from stages.core.recipe.model import Lora
from stages.train import run
from stages.train.adapter import check_adapter
from stages.train.training import Training
from tests.train.world import build_llava, change, make_world, recipe

CONFIG = "adapter_config.json"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """A folder of its own: `base`, the adapter `l1` trained on it, and in `second` rows that `l1` played."""
    folder = tmp_path_factory.mktemp("project") / "here"
    base = build_llava(folder / "base")
    games = Path(shutil.copytree(pictures, folder / "games"))
    first = make_world(folder / "first", base, games, 5)
    adapter = run(recipe(base, lora=True), first.kept, folder / "l1").out
    make_world(folder / "second", base, games, 5, policy=adapter)
    return folder


@pytest.fixture
def trains() -> Callable[..., Report]:
    """Trains on the rows in `second`."""

    def train(folder: Path, out: Path, settings: Recipe, **more: Any) -> Report:
        places = {"rollouts": folder / "second" / "rollouts", "games": folder / "games"}
        return run(settings, folder / "second" / "kept", out, **places, **more)

    return train


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Training, "train", lambda *_: pytest.fail("was not refused before training"))


def lora(base: Path, **changes: Any) -> Recipe:
    made = recipe(base, lora=True)
    assert made.model.lora is not None
    adapter = Lora.model_validate({**made.model.lora.model_dump(), **changes})
    return made.model_copy(update={"model": made.model.model_copy(update={"lora": adapter})})


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alpha": 32}, r"l1: the adapter has alpha 8, but model.lora.alpha is 32; set model.lora.alpha=8"),
        ({"rank": 2}, r"l1: the adapter has rank 4, but model.lora.rank is 2; set model.lora.rank=4"),
        (
            {"target_modules": ["q_proj"]},
            r"l1.* has target_modules all-linear.*\['q_proj'\]|l1: the adapter .*target_modules are '.*', and .* is \['q_proj'\]",
        ),
        ({"target_parameters": ["mlp.up_proj.weight"]}, r"target_parameters None, .* set .*target_parameters=\[\]"),
    ],
)
@pytest.mark.parametrize("start", ["model", "state_in"])
def test_an_adapter_that_differs_from_the_recipe_is_refused_with_both_values(
    project: Path, tmp_path: Path, trains: Callable[..., Report], changes: Any, message: str, start: str
) -> None:
    place = project / {"model": "l1", "state_in": "l1-state"}[start]
    with pytest.raises(InputError, match=message):
        trains(project, tmp_path / "out", lora(project / "base", **changes), **{start: place})


@pytest.mark.usefixtures("untrained")
def test_a_state_records_its_adapter(project: Path, tmp_path: Path, trains: Callable[..., Report]) -> None:
    other = Path(shutil.copytree(project / "l1", tmp_path / "l1"))
    change(other / CONFIG, lambda config: config.update(lora_alpha=32))
    with pytest.raises(InputError, match="l1-state: the state's adapter has alpha 8, but model.lora.alpha is 32"):
        trains(project, tmp_path / "out", lora(project / "base", alpha=32), model=other, state_in=project / "l1-state")


def test_the_named_remedy_works(project: Path, tmp_path: Path, trains: Callable[..., Report]) -> None:
    counts = trains(project, tmp_path / "out", lora(project / "base", alpha=8), model=project / "l1").counts
    assert counts["off_policy_rows"] == 0 and counts["logprob_gap_max"] < 1e-4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("use_rslora", True),
        ("use_dora", True),
        ("bias", "all"),
        ("lora_bias", True),
        ("modules_to_save", ["lm_head"]),
        ("rank_pattern", {"q_proj": 8}),
        ("alpha_pattern", {"q_proj": 8}),
        ("layers_to_transform", [0]),
        ("layers_pattern", "layers"),
        ("layer_replication", [[0, 1]]),
        ("fan_in_fan_out", True),
        ("trainable_token_indices", [5]),
        ("init_lora_weights", "pissa"),
        ("of_a_later_peft", True),
        ("peft_type", "IA3"),
    ],
)
def test_adapter_settings_without_a_recipe_field_are_refused_by_name(
    project: Path, tmp_path: Path, name: str, value: object
) -> None:
    adapter = Path(shutil.copytree(project / "l1", tmp_path / "l1"))
    check_adapter(str(adapter), Lora(rank=4, alpha=8))
    change(adapter / CONFIG, lambda config: config.update({name: value}))
    with pytest.raises(InputError, match=f"{name}=.*merge_and_unload|of type IA3"):
        check_adapter(str(adapter), Lora(rank=4, alpha=8))


def test_an_adapter_merged_into_its_base_works_as_a_base(
    project: Path, tmp_path: Path, trains: Callable[..., Report]
) -> None:
    settings = recipe(project / "base").model.model_copy(update={"dtype": "float32"})
    policy: Any = vlm.load_model(project / "l1", settings)
    merged = Path(shutil.copytree(project / "base", tmp_path / "merged"))
    policy.merge_and_unload().save_pretrained(merged)
    counts = trains(project, tmp_path / "out", lora(merged, alpha=64)).counts
    assert counts["logprob_gap_max"] < 1e-3 and counts["updates"] == 1


@pytest.mark.usefixtures("untrained")
def test_an_adapter_is_refused_as_a_base_and_on_another_base(
    project: Path, tmp_path: Path, trains: Callable[..., Report]
) -> None:
    with pytest.raises(InputError, match=r"l1: is an adapter, .* give its base .*base as model.path"):
        trains(project, tmp_path / "out", lora(project / "l1"), model=project / "l1")
    other = Path(shutil.copytree(project / "base", tmp_path / "other"))
    change(other / "config.json", lambda config: config.update(edited=True))
    with pytest.raises(InputError, match=r"l1: is an adapter of .*base, but the base here is .*other"):
        trains(project, tmp_path / "out", lora(other), model=project / "l1")


def test_a_moved_project_continues(project: Path, tmp_path: Path, trains: Callable[..., Report]) -> None:
    old = Path(shutil.copytree(project, tmp_path / "old"))
    change(old / "l1" / CONFIG, lambda config: config.update(base_model_name_or_path=str(old / "base")))
    there = old.rename(tmp_path / "there")
    change(there / "l1" / "manifest.json", lambda made: made["inputs"]["base"].update(path="../base"))
    assert vlm.base_of_adapter(there / "l1", recipe(Path("gone/base")).model) == str(there / "base")
    counts = trains(there, tmp_path / "out", lora(there / "base"), state_in=there / "l1-state").counts
    assert counts["run_updates"] == 2 and counts["logprob_gap_max"] < 1e-4


def test_a_base_is_found_through_the_recipe_and_verified_by_content(project: Path, tmp_path: Path) -> None:
    adapter = Path(shutil.copytree(project / "l1", tmp_path / "l1"))
    change(adapter / CONFIG, lambda config: config.update(base_model_name_or_path="/gone/base"))
    base = Path(shutil.copytree(project / "base", tmp_path / "elsewhere"))
    settings = recipe(base).model
    assert vlm.base_of_adapter(adapter, settings) == str(base)
    change(base / "config.json", lambda config: config.update(edited=True))
    with pytest.raises(InputError, match=r"l1: was trained on /gone/base, but the files of .*elsewhere differ"):
        vlm.base_of_adapter(adapter, settings)
    with pytest.raises(InputError, match=r"l1: its base model /gone/base is missing; set model.path"):
        vlm.base_of_adapter(adapter, recipe(tmp_path / "nowhere").model)


def test_a_published_adapter_plays_on_the_recipes_model_with_its_processor(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = tmp_path / "published"
    adapter.mkdir()
    for name in (CONFIG, "adapter_model.safetensors"):
        shutil.copy(project / "l1" / name, adapter)
    change(adapter / CONFIG, lambda config: config.update(base_model_name_or_path="/home/others/base"))
    settings = recipe(project / "base").model
    assert vlm.load_processor(adapter, settings).chat_template
    policy = vlm.load_model(adapter, settings)
    assert any(bool(weight.any()) for name, weight in policy.named_parameters() if "lora_B" in name)
    assert "published: its base model /home/others/base is missing" in capsys.readouterr().err


def test_an_adapter_that_does_not_fit_its_base_is_refused(project: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    adapter = Path(shutil.copytree(project / "l1", tmp_path / "l1"))
    weights = load_file(adapter / "adapter_model.safetensors")
    renamed = {name.replace("layers.0", "layers.7"): weight for name, weight in weights.items()}
    save_file(renamed, adapter / "adapter_model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"l1: the adapter lacks '.*layers\.0\..*'; its target_modules are"):
        vlm.load_model(adapter, recipe(project / "base").model)


def test_engines_play_an_adapters_own_scale(project: Path, tmp_path: Path) -> None:
    adapter = Path(shutil.copytree(project / "l1", tmp_path / "l1"))
    change(adapter / CONFIG, lambda config: config.update(lora_alpha=16, use_rslora=True))
    policy: Any = vlm.load_model(adapter, recipe(project / "base").model)
    scales = {module.scaling["default"] for module in policy.modules() if hasattr(module, "lora_A")}
    assert scales == {16 / 4**0.5}
