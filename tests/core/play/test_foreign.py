"""Where the tiny model plays pictures that it knows nothing of."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from stages.core.folder.files import write_json
from stages.core.play.playable import foreign
from tests.helpers import manifest_of_stage


@pytest.mark.parametrize(
    ("domain", "width", "stage", "told"),
    [("clevr", 72, "init-model", False), ("photo", 72, "init-model", True), ("clevr", 480, "init-model", True),
     ("photo", 72, "train", False)],
)  # fmt: skip
def test_the_tiny_model_is_named_where_pictures_are_not_like_its_own(
    tmp_path: Path, domain: str, width: int, stage: str, told: bool
) -> None:
    small = {"layout": "grid", "width": 72, "height": 72}
    for name, body in (("games", {"games": small | {"width": width}}), ("model", {"games": small})):
        (tmp_path / name).mkdir()
        write_json(tmp_path / name / "manifest.json", manifest_of_stage(stage, settings=body))
    found = foreign(tmp_path / "games", pl.DataFrame({"domain": [domain]}), ["hub/model", tmp_path / "model"])
    assert bool(found) is told
    assert all("knows only small drawn scenes" in text and "--model" in text for text in found)
