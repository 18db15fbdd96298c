"""A checkpoint exported as a model: what is in the folder, what the card says, and what goes onto the hub."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub.errors import HTTPError  # of its client for HTTP, whose name changes with the version

from stages import export
from stages.core.errors import InputError, VzError
from stages.core.folder.files import write_json
from stages.core.recipe.load import resolve_model
from stages.core.vlm.saving import own_files
from stages.export import hub
from tests.cli import vz
from tests.families.adapters import adapter_of
from tests.helpers import manifest_of_stage
from tests.train.world import build_llava

CARD = "---\nlicense: llama3\n---\n# A base\n"
ARENA = {"win_rate": 0.7, "win_rate_interval": [0.6, 0.8]}
TASK = {"task": "chartqa", "metric": "relaxed_overall", "samples": 2500, "base": 0.861, "model": 0.872}
TASK |= {"difference": 0.011, "difference_interval": [0.002, 0.02], "wins": 80, "losses": 52}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build_llava(tmp_path_factory.mktemp("models") / "base")
    (folder / "README.md").write_text(CARD)
    (folder / "LICENSE").write_text("the licence")
    return folder


@pytest.fixture(scope="module")
def adapter(base: Path) -> Path:
    return adapter_of(base, base.parent / "adapter")


@pytest.fixture
def checkpoint(base: Path, tmp_path: Path) -> Path:
    """An adapter in the second round of a run that went on to a third."""
    run = tmp_path / "run"
    made = adapter_of(base, run / "round-0002" / "checkpoint")
    write_json(made / "manifest.json", manifest_of_stage("train", counts={"run_updates": 12}))
    write_json(run / "manifest.json", {"format": 2, "stage": "iterate", "inputs": {}})
    (run / "recipe.yaml").write_text("model: {path: some/base, quantization: 4bit}\nseed: 7\n")
    rounds = [{"iteration": number, "acc": number / 4, "train": {"kl": 0.1}} for number in (1, 2, 3)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rounds))
    (run / "evaluations.jsonl").write_text(json.dumps({"iteration": 2, "arena": ARENA}) + "\n")
    (run / "games").mkdir()
    write_json(run / "games" / "manifest.json", manifest_of_stage("make-games", counts={"pairs": 99}))
    return made


def split_card(folder: Path) -> tuple[dict[str, Any], str]:
    _, matter, text = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(matter), text


def test_the_folder_has_the_bases_files_and_the_adapter_merged(base: Path, adapter: Path, tmp_path: Path) -> None:
    report = export.export_model(str(adapter), tmp_path / "model")
    names = {str(path.relative_to(base)) for path in own_files(base)}
    assert "LICENSE" in names and "processor_config.json" in names
    assert {path.name for path in report.out.iterdir()} == {*names, "model.safetensors", "README.md", "manifest.json"}
    assert all((report.out / name).read_bytes() == (base / name).read_bytes() for name in names)
    assert (report.out / "model.safetensors").read_bytes() != (base / "model.safetensors").read_bytes()
    assert export.export_model(str(adapter), tmp_path / "model").status == "up to date"
    assert resolve_model(str(report.out)) == str(report.out)  # other commands take it as a model


def test_full_weights_are_exported_as_they_are(base: Path, tmp_path: Path) -> None:
    report = export.export_model(str(base), tmp_path / "model", license="mit")
    assert (report.out / "model.safetensors").read_bytes() == (base / "model.safetensors").read_bytes()
    assert split_card(report.out)[0]["license"] == "mit" and report.warnings == []


def test_the_card_tells_the_runs_story_up_to_the_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    benchmark = tmp_path / "benchmark"
    benchmark.mkdir()
    write_json(benchmark / "manifest.json", manifest_of_stage("benchmark"))
    write_json(benchmark / "benchmark.json", {"tasks": [TASK]})
    report = export.export_model(str(checkpoint), tmp_path / "model", results=[benchmark])
    matter, text = split_card(report.out)
    assert matter["license"] == "llama3" and "base_model" not in matter  # a folder is no name on the hub
    assert "2 rounds of play and training, 12 optimizer steps" in text and "99 pairs of pictures" in text
    assert "`▁█` | 0.25 | 0.5 |" in text and "seed: 7" in text
    assert "| win rate against the base | 0.700 | 0.600 … 0.800 |" in text
    assert "| 2,500 | 86.1 | 87.2 | +1.1 | +0.2 … +2.0 | 80 / 52 |" in text
    assert "with the base's text in `LICENSE`" in text
    assert ["in 4 bits" in warning for warning in report.warnings] == [True]


def test_a_base_on_the_hub_is_named_in_the_front_matter(base: Path, tmp_path: Path) -> None:
    place = tmp_path / "hub" / "models--owner--name" / "snapshots" / "abc"
    place.parent.mkdir(parents=True)
    place.symlink_to(base)
    adapter = adapter_of(place, tmp_path / "adapter")
    matter, text = split_card(export.export_model(str(adapter), tmp_path / "model").out)
    assert matter["base_model"] == "owner/name" and "# owner/name, trained by self-play" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing", "--to", "model"], "missing: neither an existing folder nor a hub name"),
        (["data/tiny-model", "--to", "model", "--base", "tiny-model"], "full weights, .* leave out --base"),
        (["games", "--base", "tiny-model"], "--base and --results need --to model"),
        (["tiny-model", "--to", "model", "--push", "name"], "--push name: write it as OWNER/NAME"),
        (["tiny-model", "--to", "model", "--push", "me/name"], "HF_HUB_OFFLINE is set"),
        (["tiny-model", "--to", "model", "--results", "data"], "has no manifest.json"),
        (["data/tiny-model"], "for a run or a checkpoint, add --to model"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = vz("export", *arguments, "--out", tmp_path / "out")
    assert done.returncode == 2 and done.stderr.count("\n") == 1

    assert re.search(message, done.stderr), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_lists_what_would_go_up(adapter: Path, base: Path, tmp_path: Path) -> None:
    done = vz("export", adapter, "--to", "model", "--out", tmp_path / "out", "--push", "me/name", "--dry-run", "--json")
    files = json.loads(done.stdout)["finds"]["files"]
    assert files["model.safetensors"] == (base / "model.safetensors").stat().st_size
    assert "README.md" in files and "manifest.json" not in files and not (tmp_path / "out").exists()


class Hub:
    """What of `huggingface_hub` uploads, and what it was asked for."""

    def __init__(self, token: str | None = "token", failure: Exception | None = None) -> None:
        self.asked: list[dict[str, Any]] = []
        self._token, self._failure = token, failure

    def get_token(self) -> str | None:
        return self._token

    def create_repo(self, name: str, **options: Any) -> str:
        self.asked.append({"name": name, **options})
        return f"https://hub/{name}"

    def upload_folder(self, **options: Any) -> None:
        if self._failure:
            raise self._failure
        self.asked.append(options)


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Any:
    import huggingface_hub
    import huggingface_hub.constants

    def pretended(library: Hub) -> Hub:
        monkeypatch.setattr(huggingface_hub.constants, "is_offline_mode", lambda: False)
        for name in ("get_token", "create_repo", "upload_folder"):
            monkeypatch.setattr(huggingface_hub, name, getattr(library, name))
        return library

    return pretended


@pytest.mark.parametrize("public", [False, True])
def test_a_new_repository_is_private_unless_asked(pretend: Any, public: bool, tmp_path: Path) -> None:
    library = pretend(Hub())
    assert hub.push(tmp_path, "me/name", "model", public=public) == "https://hub/me/name"
    created, uploaded = library.asked
    assert created["private"] is not public and created["exist_ok"]
    assert uploaded["folder_path"] == tmp_path and uploaded["ignore_patterns"] == ["manifest.json"]


def test_without_a_token_the_message_says_how_to_log_in(pretend: Any, tmp_path: Path) -> None:
    pretend(Hub(token=None))
    with pytest.raises(InputError, match="needs a token with write access; run `hf auth login`, or set HF_TOKEN"):
        hub.push(tmp_path, "me/name", "model")


@pytest.mark.parametrize("kind", [OSError, HTTPError])
def test_a_failed_upload_is_one_line_that_says_how_to_go_on(
    pretend: Any, kind: Callable[[str], Exception], tmp_path: Path
) -> None:
    pretend(Hub(failure=kind("connection reset\nmore")))
    with pytest.raises(VzError, match="me/name: the upload failed: connection reset; repeat the command"):
        hub.push(tmp_path, "me/name", "model")
