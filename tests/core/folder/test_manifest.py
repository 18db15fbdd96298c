"""A manifest that is not as vz writes it gives one error that names the file and the part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import InputError
from stages.core.folder.manifest import KEYS, manifest_of, settings_of
from tests.helpers import write_rollouts


@pytest.fixture
def rollouts(tmp_path: Path) -> Path:
    return write_rollouts(tmp_path / "rollouts", {"g": (1, ["1"])})


def edit(folder: Path, **changes: Any) -> None:
    file = folder / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize("name", KEYS)
def test_a_part_that_is_missing_is_named(rollouts: Path, name: str):
    edit(rollouts, **{name: None})
    with pytest.raises(InputError, match="manifest.json"):
        manifest_of(rollouts)


@pytest.mark.parametrize(
    "changes",
    [{"settings": {"filter": "x"}}, {"inputs": {"games": "x"}}, {"outputs": {"part-00000.parquet": {"bytes": "x"}}}],
)
def test_parts_of_another_shape_are_named(rollouts: Path, changes: dict[str, Any]):
    edit(rollouts, **changes)
    with pytest.raises(InputError, match=f"'{next(iter(changes))}'.*delete the folder"):
        manifest_of(rollouts)


def test_settings_that_are_missing_are_named(rollouts: Path):
    assert settings_of(rollouts, "game")["players"] == 4
    edit(rollouts, settings={"game": 3})
    with pytest.raises(InputError, match="'game'"):
        settings_of(rollouts, "game")
