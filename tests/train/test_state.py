"""Reading a training state that a disk has changed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.train.state import FORMAT, STATE, UPDATES, StateInfo, read_info, read_trained

INFO = StateInfo(FORMAT, "id", "trl", "full", 1, 1, 0)


def write(folder: Path, info: dict, training: dict) -> Path:
    (folder / STATE).write_text(json.dumps(info))
    (folder / UPDATES).write_text(json.dumps(training))
    return folder


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = read_trained(write(tmp_path, asdict(INFO), {"updates": [{"loss": 0.5}]}))
    assert (found.info, found.updates) == (INFO, [{"loss": 0.5}])


def test_a_changed_name_is_named_with_its_file(tmp_path: Path) -> None:
    changed = {name.replace("files", "fihes"): value for name, value in asdict(INFO).items()}
    with pytest.raises(InputError, match=r"state\.json: is not as vz wrote it; take another state"):
        read_info(write(tmp_path, changed, {}))
    with pytest.raises(InputError, match=r"training\.json: is not as vz wrote it; take another state"):
        read_trained(write(tmp_path, asdict(INFO), {"uqdates": []}))
