"""The result of training: a plain Hugging Face folder, and the state beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from stages.core.errors import InputError
from stages.core.folder.artifact import Report
from stages.train import run
from tests.train.world import World, recipe, tensors


@pytest.fixture(scope="module")
def full(played: World, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return run(recipe(played.model), played.kept, tmp_path_factory.mktemp("full") / "checkpoint")


@pytest.fixture(scope="module")
def adapter(played: World, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return run(recipe(played.model, lora=True), played.kept, tmp_path_factory.mktemp("lora") / "checkpoint")


def state_of(report: Report) -> Path:
    return report.out.with_name(f"{report.out.name}-state")


def test_all_weights_load_in_bf16_and_are_the_master_weights_rounded(full: Report) -> None:
    from transformers import AutoModelForImageTextToText, GenerationConfig

    policy = AutoModelForImageTextToText.from_pretrained(full.out)
    assert {weight.dtype for weight in policy.parameters()} == {torch.bfloat16}
    master = tensors(state_of(full))
    for name, weight in policy.named_parameters():
        assert master[f"weight/{name}"].dtype == torch.float32
        assert torch.equal(master[f"weight/{name}"].bfloat16(), weight), name
    assert GenerationConfig.from_pretrained(full.out).eos_token_id == 5


def test_weights_have_the_names_that_vllm_loads(full: Report) -> None:
    from safetensors import safe_open

    with safe_open(full.out / "model.safetensors", "pt") as weights:
        towers = [name for name in weights.keys() if name.startswith("vision_tower.")]  # noqa: SIM118
    assert towers and all(name.startswith("vision_tower.vision_model.") for name in towers)


def test_the_processor_makes_the_same_tokens_as_the_base(full: Report, adapter: Report, played: World) -> None:
    from transformers import AutoProcessor

    before, *after = (AutoProcessor.from_pretrained(place) for place in (played.model, full.out, adapter.out))
    for processor in after:
        assert processor.chat_template == before.chat_template
        assert processor.tokenizer.get_vocab() == before.tokenizer.get_vocab()


def test_an_adapter_loads_on_its_base_in_bf16(adapter: Report, played: World) -> None:
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    base = AutoModelForImageTextToText.from_pretrained(played.model, dtype=torch.bfloat16)
    policy = PeftModel.from_pretrained(base, str(adapter.out), autocast_adapter_dtype=False)
    weights = {name: weight for name, weight in policy.named_parameters() if "lora_" in name}
    master = tensors(state_of(adapter))
    assert {f"weight/{name}" for name in weights} == {name for name in master if name.startswith("weight/")}
    for name, weight in weights.items():
        assert weight.dtype == torch.bfloat16
        assert torch.equal(master[f"weight/{name}"].bfloat16(), weight), name
    assert any(weight.abs().max() > 0 for name, weight in weights.items() if "lora_B" in name)


def test_an_adapter_covers_only_the_language_model_and_names_its_base(adapter: Report, played: World) -> None:
    config = json.loads((adapter.out / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(played.model)
    names = [name for name in tensors(state_of(adapter)) if name.startswith("weight/")]
    assert names and all("language_model" in name for name in names)


def test_vz_loads_an_exported_checkpoint(adapter: Report, played: World) -> None:
    from stages.core import vlm

    policy = vlm.load_model(adapter.out, recipe(played.model).model)
    vlm.load_processor(adapter.out, recipe(played.model).model)
    assert vlm.stop_tokens(policy, vlm.load_processor(adapter.out, recipe(played.model).model)) == [5]


def test_a_checkpoint_has_a_card_and_the_updates_and_no_trainer_files(full: Report) -> None:
    names = {path.name for path in full.out.iterdir()}
    assert {"README.md", "training.json", "manifest.json", "model.safetensors", "processor_config.json"} <= names
    assert not {"training_args.bin", "trainer_state.json", "optimizer.pt"} & names
    (update,) = json.loads((full.out / "training.json").read_text())["updates"]
    assert update["grad_norm"] == full.counts["grad_norm"]
    assert "after 1 optimizer\nsteps" in (full.out / "README.md").read_text()


def test_the_gradient_norm_is_recorded_before_clipping(full: Report) -> None:
    assert full.counts["grad_norm"] > 1.0  # train.max_grad_norm


def test_the_state_holds_fp32_weights_and_both_moments(full: Report) -> None:
    state = tensors(state_of(full))
    weights = {name.removeprefix("weight/") for name in state if name.startswith("weight/")}
    for kind in ("exp_avg", "exp_avg_sq", "step"):
        assert {name.removeprefix(f"{kind}/") for name in state if name.startswith(f"{kind}/")} == weights
    assert {value.dtype for value in state.values()} == {torch.float32}


def test_the_same_call_again_is_up_to_date(full: Report, played: World) -> None:
    assert run(recipe(played.model), played.kept, full.out).status == "up to date"


def test_a_checkpoint_whose_state_is_gone_trains_again_when_overwritten(
    full: Report, played: World, tmp_path: Path
) -> None:
    out = tmp_path / "checkpoint"
    shutil.copytree(full.out, out)
    with pytest.raises(InputError, match="no longer whole; use --overwrite"):
        run(recipe(played.model), played.kept, out)
    again = run(recipe(played.model), played.kept, out, overwrite=True)
    assert again.status == "done" and again.counts["state"] == full.counts["state"]
    (part,) = state_of(again).glob("part-*.safetensors")
    part.write_bytes(bytes(part.stat().st_size))  # what a power cut leaves of a file that was not synced
    with pytest.raises(InputError, match="no longer whole; use --overwrite"):
        run(recipe(played.model), played.kept, out)


def test_nothing_is_printed_to_stdout(played: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(recipe(played.model), played.kept, tmp_path / "out")
    assert capfd.readouterr().out == ""
