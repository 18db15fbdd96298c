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


# The rooms of `stages/core`, a floor a line: a room imports only from floors below its own.
FLOORS = [
    {"play"},
    {"engines"},
    {"vlm"},
    {"clevr", "game", "pages", "pictures"},
    {"recipe", "tables", "processes"},
    {"folder", "user_code"},
    {"changes", "errors", "old_settings", "progress", "seeds"},
]


def rooms_imported_by(room: str) -> set[str]:
    place = ROOT / "stages/core" / room
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    found = {name.split(".")[2] for file in files for name in imported_by(file) if name.startswith("stages.core.")}
    return found - {room}


def test_every_room_of_the_ground_has_its_floor():
    there = {path.stem for path in (ROOT / "stages/core").iterdir() if not path.name.startswith("_")}
    assert there == set().union(*FLOORS)


@pytest.mark.parametrize("floor", range(len(FLOORS)))
def test_rooms_import_only_from_lower_floors(floor: int):
    lower = set().union(*FLOORS[floor + 1 :])
    for room in FLOORS[floor]:
        assert rooms_imported_by(room) <= lower, f"{room} imports from its own floor or above"


def test_the_game_is_pure():
    found = {name.split(".")[0] for file in source("stages/core/game") for name in imported_by(file)}
    assert not found & {"torch", "transformers", "polars", "asyncio"}


def test_the_top_level_is_what_the_design_says():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    top = {name.split("/")[0] for name in listed if name}
    assert {name for name in top if not name.startswith(".")} <= TOP
