"""The harness sees what it looks for. The torture itself is `make torture`."""

from pathlib import Path
from random import Random

import pytest

from tests.torture.child import End
from tests.torture.mutate import json_text, laughs, spoil, yaml_text
from tests.torture.subjects import rows_that_differ
from tests.torture.tally import RAN, Found, table, unclear


def end(code: int, err: str, out: str = "") -> End:
    return End(["inspect", "x"], code, out, err, 0.1, 1 << 30)


@pytest.mark.parametrize(
    ("ended", "wrong"),
    [
        (end(0, ""), ""),
        (end(2, "vz: x/manifest.json: no such file\n"), ""),
        (end(1, "warning: something\nvz: x: the disk is full\n"), ""),
        (end(2, "Usage: vz [OPTIONS]\n\nNo such command\n"), ""),
        (end(1, "Traceback (most recent call last):\n  …\nKeyError: 1\n"), "Traceback"),
        (end(1, "vz: KeyError: 1 (an error inside vz; --debug shows where)\n"), "an error inside vz"),
        (end(2, "thread '<unnamed>' panicked at x.rs\nvz: x\n"), "panicked"),
        (end(2, "vz: x: two\nlines\n"), "not one last line"),
        (end(2, "vz: x: " + "ha" * 5000), "a message of"),
        (end(0, "", "\x1b[2J"), "escape character"),
        (end(-11, ""), "exit code -11"),
        (end(2, "vz: not readable\n"), "names no file"),
    ],
)
def test_an_unclear_end_is_seen(ended: End, wrong: str):
    found = unclear(ended, (0, 1, 2), ["x"])
    assert (wrong in found) if wrong else not found


def test_code_that_ran_is_seen(tmp_path: Path):
    found = Found()
    found.look_for_code(tmp_path)
    assert not found.faults
    (tmp_path / RAN).touch()
    found.look_for_code(tmp_path)
    assert list(found.faults) == ["code run"]


def test_the_table_counts_each_kind_and_all():
    bad = Found({"lost": ["a", "b"], "hangs": ["c"]}, 3 << 30, 5)
    rows = table({"kills": [Found(), bad], "fuzz": [Found(peak=1 << 30)]}).splitlines()
    assert rows[2:] == [
        "| kills | 6 | 2 | 0 | 0 | 0 | 1 | 0 | 0 | 3.00 GiB |",
        "| fuzz | 1 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 1.00 GiB |",
        "| all | 7 | 2 | 0 | 0 | 0 | 1 | 0 | 0 | 3.00 GiB |",
    ]


@pytest.mark.parametrize(("lines", "column"), [("12", "lost"), ("1233", "doubled"), ("124", "different")])
def test_rows_that_are_lost_doubled_or_different_are_told_apart(tmp_path: Path, lines: str, column: str):
    for name, numbers in {"whole.jsonl": "123", "other.jsonl": lines}.items():
        (tmp_path / name).write_text("".join(f'{{"row": {number}}}\n' for number in numbers))
    found = rows_that_differ(str(tmp_path / "other.jsonl"), str(tmp_path / "whole.jsonl"))
    assert [name for name, _ in found] == [column]


def test_what_spoils_a_file_depends_on_the_seed_alone():
    text = '{"a": [1, 2, {"b": "c"}]}'
    for seed in range(30):
        for make in (
            lambda dice: spoil(text.encode(), dice),
            lambda dice: json_text(text, dice),
            lambda dice: yaml_text(text, dice),
        ):
            assert make(Random(seed)) == make(Random(seed))
    assert len(laughs(9)) < 600
