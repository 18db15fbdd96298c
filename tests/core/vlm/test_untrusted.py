"""Spoilt models and those of strangers: one line that names the folder, no code, no wait, little memory."""

import warnings
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.core.vlm.untrusted import check_files, library_errors
from tests.core.vlm import spoilt

# Checked without loading anything: the kinds of files, JSON, code, numbers, indexes.
BEFORE = [name for name in spoilt.TRAPS if name not in spoilt.GOOD_TRAPS | spoilt.FOUND_BY_LOADING]
LOADED = ("a huge shape", "a patch size in words", "config.json is missing", "an endless template", "the index has a strange weight",
          "tokenizer_config.json is missing", "the index is good")  # fmt: skip


@pytest.mark.parametrize("name", BEFORE)
def test_a_spoilt_file_is_named_before_a_library_reads_it(name: str, tmp_path: Path):
    folder = spoilt.copy_of_good(tmp_path / "model")
    spoilt.TRAPS[name](folder)
    with pytest.raises(InputError) as failed:
        check_files(folder)
    assert str(failed.value).startswith(f"{folder}/") and "\n" not in str(failed.value)


@pytest.mark.parametrize("name", ["the index is good", "config.json with auto_map", "a manifest without a stage"])
def test_sound_files_are_left_alone(name: str, tmp_path: Path):
    folder = spoilt.copy_of_good(tmp_path / "model")
    spoilt.TRAPS[name](folder)
    check_files(folder)


@pytest.mark.parametrize(
    "error", [KeyError("a"), RecursionError("deep"), AssertionError(), RuntimeError("a\nb"), BaseException("panic")]
)
def test_whatever_a_library_raises_becomes_one_line(error: BaseException):
    with (
        pytest.raises(InputError, match="folder: cannot be loaded: ") as failed,
        library_errors("folder", "cannot be loaded"),
    ):
        raise error
    assert "\n" not in str(failed.value)


def test_an_interrupt_is_not_taken_for_a_spoilt_model():
    with pytest.raises(KeyboardInterrupt), library_errors("folder", "cannot be loaded"):
        raise KeyboardInterrupt


def test_each_trap_ends_in_one_line_in_time_and_memory(tmp_path: Path):
    spoilt.use(spoilt.GOOD)  # imports what is needed, before the processes fork
    found = {}
    with warnings.catch_warnings(action="ignore"):  # of a fork beside threads
        for name in LOADED:
            folder = spoilt.copy_of_good(tmp_path / name)
            spoilt.TRAPS[name](folder)
            kind, said = spoilt.outcome(folder)
            assert kind in ("refused", "good"), f"{name}: {kind}: {said}"
            assert kind == "good" or (str(folder) in said and "\n" not in said)
            assert not (folder / "ran").exists()
            found[name] = kind
    # The file that the second index names holds all weights.
    good = {"the index is good", "the index has a strange weight"}
    assert {name for name in LOADED if found[name] == "good"} == good
