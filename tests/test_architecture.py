"""The design's rules about who may import whom, and what may stand at the top of the tree."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STAGES = sorted(
    path.name
    for path in (ROOT / "stages").iterdir()
    if path.is_dir() and path.name not in {"core", "__pycache__", "_share"}
)
TOP = {"vzcli", "stages", "recipes", "data", "tests", "docs", "pyproject.toml", "README.md", "Makefile", "LICENSE",
       "CONTRIBUTING.md", "CHANGELOG.md"}  # fmt: skip


def imported_by(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def source(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_no_other_stage(stage: str):
    others = [f"stages.{other}" for other in STAGES if other != stage]
    found = {name for file in source(f"stages/{stage}") for name in imported_by(file)}
    crossing = {name for name in found if any(name == other or name.startswith(f"{other}.") for other in others)}
    assert stage == "iterate" or not crossing
    assert not {name for name in found if name.startswith("vzcli")}


def test_the_ground_imports_no_stage():
    found = {name for file in source("stages/core") for name in imported_by(file)}
    assert not {name for name in found for stage in STAGES if f"{name}.".startswith(f"stages.{stage}.")}


# The packages of `stages/core`, one layer per line. A package imports only from layers below its own.
LAYERS = [
    {"estimate", "play"},
    {"engines"},
    {"pages", "vlm"},
    {"clevr", "game", "large_tables", "pictures"},
    {"recipe", "tables", "processes"},
    {"folder", "user_code", "yaml_text"},
    {"changes", "clock", "errors", "old_settings", "panics", "progress", "seeds"},
    {"printing"},
]


def packages_imported_by(package: str) -> set[str]:
    place = ROOT / "stages/core" / package
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    found = {name.split(".")[2] for file in files for name in imported_by(file) if name.startswith("stages.core.")}
    return found - {package}


def test_every_package_of_core_belongs_to_a_layer():
    there = {path.stem for path in (ROOT / "stages/core").iterdir() if not path.name.startswith("_")}
    assert there == set().union(*LAYERS)


def test_the_page_on_architecture_shows_every_package_of_core():
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    shown = page.split("```text\n")[2].split("```")[0].split()
    assert set().union(*LAYERS) <= set(shown)


@pytest.mark.parametrize("layer", range(len(LAYERS)))
def test_packages_import_only_from_lower_layers(layer: int):
    lower = set().union(*LAYERS[layer + 1 :])
    for package in LAYERS[layer]:
        assert packages_imported_by(package) <= lower, f"{package} imports from its own layer or above"


def test_the_game_is_pure():
    found = {name.split(".")[0] for file in source("stages/core/game") for name in imported_by(file)}
    assert not found & {"torch", "transformers", "polars", "asyncio"}


def test_tests_of_vllm_stand_where_make_looks_for_them():
    found = [path for path in source("tests") if f"mark.{'vllm'}" in path.read_text(encoding="utf-8")]
    folders = [ROOT / "tests" / "core" / "engines", ROOT / "tests" / "families"]
    assert found and all(any(path.is_relative_to(folder) for folder in folders) for path in found)


def test_the_top_level_is_what_the_design_says():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    top = {name.split("/")[0] for name in listed if name}
    assert {name for name in top if not name.startswith(".")} <= TOP
