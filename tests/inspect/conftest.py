"""A games folder with a pair of every kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.inspect.folders import all_kinds, write_pairs


@pytest.fixture
def kinds(tmp_path: Path) -> Path:
    skipped = [{"pair_id": "gone", "source": "drawn", "reason": "identical", "detail": "shows the same"}]
    return write_pairs(tmp_path / "games", all_kinds(), skipped)
