"""Pairs spoilt on purpose, from any source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from stages.core.errors import InputError
from stages.core.folder.artifact import manifest_of
from stages.core.recipe import load
from stages.make_games import run
from stages.make_games.noise import kind_of
from stages.make_games.pair import Pair, common
from tests.make_games.ready.samples import made_from, photo, rows, write_pair


class NoPair(Pair):
    def make(self) -> None:  # type: ignore[override]
        raise NotImplementedError


def drawn(count: int, *overrides: str) -> list[str | None]:
    rules = load("tiny", list(overrides))
    return [kind_of(NoPair(**common(rules, f"pair-{number}", "test", "photo"))) for number in range(count)]


def test_the_shares_are_the_recipes() -> None:
    kinds = drawn(4000, "games.noise.blank=0.1", "games.noise.identical=0.3")
    assert kinds.count("blank") == pytest.approx(400, abs=60)
    assert kinds.count("identical") == pytest.approx(1200, abs=90)


def test_nothing_is_spoilt_unless_asked() -> None:
    assert set(drawn(200)) == {None}


def test_what_is_spoilt_depends_on_the_pair_alone() -> None:
    assert drawn(50, "games.noise.blank=0.5") == drawn(100, "games.noise.blank=0.5")[:50]


def test_a_blank_pair_shows_the_spy_an_empty_picture_of_its_size(tmp_path: Path) -> None:
    write_pair(tmp_path / "in")
    out = made_from(tmp_path / "in", tmp_path, "games.noise.blank=1")
    (row,) = rows(out)
    assert manifest_of(out)["counts"]["noise"] == {"blank": 1, "identical": 0}
    with Image.open(out / row["modified"]) as image:
        assert (image.size, image.getcolors()) == (photo().size, [(photo().width * photo().height, (255, 255, 255))])


def test_an_identical_pair_shows_the_spy_the_original(tmp_path: Path) -> None:
    write_pair(tmp_path / "in")
    out = made_from(tmp_path / "in", tmp_path, "games.noise.identical=1")
    (row,) = rows(out)
    assert manifest_of(out)["counts"]["noise"] == {"blank": 0, "identical": 1}
    assert row["original_sha256"] == row["modified_sha256"]


@pytest.mark.parametrize("kind", ["blank", "identical"])
def test_spoilt_scenes_have_no_changes(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("mitsuba", reason="extra 'render' is not installed")
    small = ["games.width=36", "games.height=36", "games.samples=1", "games.denoise=false", "games.pairs=1"]
    out = run(load("tiny", [*small, f"games.noise.{kind}=1"]), tmp_path / "games", processes=1).out
    (row,) = rows(out)
    assert row["changes"] == []
    if kind == "blank":
        assert row["modified_scene"] is None
    else:
        assert json.loads(row["modified_scene"]) == json.loads(row["scene"])


def test_noise_is_counted_only_if_it_is_asked_for(tmp_path: Path) -> None:
    write_pair(tmp_path / "in")
    assert "noise" not in manifest_of(made_from(tmp_path / "in", tmp_path))["counts"]


def test_noise_for_a_blank_spy_is_refused(tmp_path: Path) -> None:
    write_pair(tmp_path / "in")
    with pytest.raises(InputError, match=r"game\.spy_view=blank makes none"):
        made_from(tmp_path / "in", tmp_path, "games.noise.blank=0.1", "game.spy_view=blank")


def test_shares_above_the_whole_are_refused() -> None:
    with pytest.raises(InputError, match="together they must be at most 1"):
        load("tiny", ["games.noise.blank=0.6", "games.noise.identical=0.6"])
