"""What Rust prints of a panic does not reach the user; everything else does."""

import os
from pathlib import Path

import polars as pl
import pytest
from polars.exceptions import PanicException, PolarsError

from stages.core.panics import STDERR, without_panic_text


@pytest.fixture
def spoilt_table(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Path:
    """A table on which Polars panics: there is no saying which zeros do that in a release."""
    table = tmp_path / "spoilt.parquet"
    pl.DataFrame({"a": [f"x{i % 7}" for i in range(200)], "b": [[i, i + 1] for i in range(200)]}).write_parquet(table)
    good = table.read_bytes()
    for place in range(len(good) - 4):
        table.write_bytes(good[:place] + bytes(4) + good[place + 4 :])
        try:
            pl.read_parquet(table)
        except PanicException:
            assert "panicked at" in capfd.readouterr().err
            return table
        except PolarsError:
            continue
    pytest.fail("nothing makes Polars panic any more: stages/core/panics.py can go")


def test_the_text_of_a_panic_is_dropped(spoilt_table: Path, capfd: pytest.CaptureFixture[str]):
    with pytest.raises(PanicException), without_panic_text():
        pl.read_parquet(spoilt_table)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("error", [None, ValueError("not a panic")])
def test_other_text_comes_after_the_block(error: Exception | None, capfd: pytest.CaptureFixture[str]):
    try:
        with without_panic_text(), without_panic_text():
            os.write(STDERR, b"words\n")
            assert capfd.readouterr().err == ""
            if error:
                raise error
    except ValueError:
        pass
    assert capfd.readouterr().err == "words\n"
