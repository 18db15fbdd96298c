"""Estimates at the command line: `vz doctor --recipe` for a machine elsewhere, and plans."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.core.errors import InputError
from tests.core.estimate.configs import qwen_7b
from vzcli.main import app


@pytest.fixture(scope="module")
def seven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return qwen_7b(tmp_path_factory.mktemp("seven"))


def test_doctor_says_what_a_recipe_needs_elsewhere(seven: Path, capsys: pytest.CaptureFixture[str]):
    words = ["doctor", "--recipe", "lora", "--set", f"model.path={seven}", "--gpu-memory", "80"]
    assert not app(words, standalone_mode=False)
    shown = capsys.readouterr().out
    assert "8.29 billion weights, on 1 × 80 GB, as fast as H100" in shown
    assert "at the peak" in shown and "100 rounds: " in shown and "estimate" in shown and "torch (train)" not in shown


def test_doctor_refuses_what_cannot_fit_and_prints_one_object(seven: Path, capsys: pytest.CaptureFixture[str]):
    words = ["doctor", "--recipe", "paper", "--set", f"model.path={seven}", "--gpu", "L40S", "--gpus", "2", "--json"]
    assert app(words, standalone_mode=False) == 1
    body = json.loads(capsys.readouterr().out)
    (finding,) = body["findings"]
    assert finding["verdict"] == "fail" and "there are 2 GPUs" in finding["found"] and "--set" in finding["remedy"]
    assert not body["estimate"]["fits"] and body["estimate"]["training_gib"]["weights"] > 3


def test_doctor_without_a_configuration_says_so_once(capsys: pytest.CaptureFixture[str]):
    words = ["doctor", "--recipe", "lora", "--set", "model.path=nobody/nothing", "--gpu", "H100", "--json"]
    assert app(words, standalone_mode=False) == 1
    body = json.loads(capsys.readouterr().out)
    assert body["estimate"] is None and "give a folder with its config.json" in body["findings"][0]["found"]


def test_a_plan_to_train_has_an_estimate(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert not app(["train", "kept", "--out", str(tmp_path / "out"), "--dry-run", "--json"], standalone_mode=False)
    estimate = json.loads(capsys.readouterr().out)["estimate"]
    assert estimate["fits"] and "playing_gib" not in estimate and 0 < estimate["training_total_gib"] < 2


def test_a_plan_that_cannot_fit_is_shown_and_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from stages.core.estimate.machine import Machine

    small = Machine("a watch", 0, 1 << 20, 1e9, 1e9)
    monkeypatch.setattr("stages.core.estimate.machine.found_here", lambda recipe: small)
    with pytest.raises(InputError, match="a watch: training needs"):
        app(["train", "kept", "--out", str(tmp_path / "out"), "--dry-run"], standalone_mode=False)
    assert "writes: " in capsys.readouterr().out


def test_a_plan_for_a_model_that_is_not_at_hand_says_why_it_has_no_estimate(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    words = ["train", "kept", "--model", "nobody/nothing", "--out", str(tmp_path / "out"), "--dry-run", "--json"]
    assert not app(words, standalone_mode=False)
    assert "cannot be estimated" in json.loads(capsys.readouterr().out)["estimate"]["unknown"]
