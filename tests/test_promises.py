"""The page on what vz promises: every test that it names exists."""

import re

import pytest

from tests.test_architecture import ROOT

PAGE = (ROOT / "docs/promises.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_promise_names_a_test_that_exists(file: str, name: str):
    assert f"\ndef {name}(" in (ROOT / file).read_text(encoding="utf-8")


def test_every_promise_names_a_test():
    rows = [line for part in PAGE.split("| promise | test |")[1:] for line in part.split("\n\n")[0].splitlines()[2:]]
    assert len(rows) > 15 and all("::" in row for row in rows)
