"""JSON from anybody, and walking through folders with links."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from stages.core.errors import InputError, MissingExtra
from stages.core.folder.files import forget_replaced, parse_json, read_json, walk


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000 + "]" * 100_000, "9" * 5000, '{"a": "\\ud800"}', '"\\uDfff"', b"\xff", b'{"a": 1'],
    ids=["empty", "cut", "deep", "long number", "half a character", "the other half", "no UTF-8", "bytes cut"],
)
def test_what_is_no_use_as_json_is_named(text: str | bytes) -> None:
    with pytest.raises(InputError, match=r"row 7: not valid JSON \(.*\); mend it"):
        parse_json(text, "row 7", "mend it")


def test_whole_characters_may_be_written_as_two_halves() -> None:
    assert parse_json('"\\ud83d\\ude00"', "here", "") == "\N{GRINNING FACE}"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_json(tmp_path)


def test_each_folder_is_walked_once_and_by_its_own_name_first(tmp_path: Path) -> None:
    (tmp_path / "b/deep").mkdir(parents=True)
    (tmp_path / "b/file").touch()
    (tmp_path / "b/deep/file").touch()
    (tmp_path / "b/.hidden").touch()
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "c").symlink_to("b/deep")
    (tmp_path / "b/loop").symlink_to(tmp_path)
    found = [os.path.relpath(place / name, tmp_path) for place, names in walk(tmp_path) for name in names]
    assert sorted(found) == ["b/file", "c/file"]


def test_a_missing_extra_comes_home_from_a_process() -> None:
    error = pickle.loads(pickle.dumps(MissingExtra("charts", "matplotlib")))
    assert isinstance(error, MissingExtra) and str(error) == str(MissingExtra("charts", "matplotlib"))


def test_what_a_kill_left_of_a_replaced_folder_is_forgotten(tmp_path: Path):
    old = tmp_path / ".out.old"
    old.mkdir()
    (old / "file").write_text("before")
    forget_replaced(tmp_path / "out")
    assert not old.exists()
