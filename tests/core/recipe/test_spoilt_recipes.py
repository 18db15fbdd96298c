"""Recipes that typing, copying or a stranger spoilt: one line that says what is wrong, never a traceback."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core.folder.manifest import leaves
from stages.core.old_settings import REMOVED
from stages.core.recipe import Recipe, known_recipes
from tests.cli import vz

ODD = ("null", "[]", "{a: 1}", "-1", "1e400", ".nan", "9223372036854775807", "''", "/dev/null", "'http://[::1'",
       "'http://h:99999999'", "'~nobody/x.py'", "2001-02-30", '"\\ud800"', '"\\0"', "{1: 2}", "0x_", "=", "[null]",
       "{a: {b: {c: 1}}}", "a" * 5000, "a/" * 3000 + "x.py")  # fmt: skip
PIECES = st.sampled_from(
    (*ODD, *"[]{}:-#&*!|>%@`\"'\n\t ,?", "\ud800", "\ufeff", "\0", "- ", "<<: ", "train:\n", "9" * 5000, "[" * 999)
)
DEFAULTS = dict(leaves(Recipe().model_dump(mode="json", by_alias=True)))
KEYS = sorted({*DEFAULTS, *(key.rpartition(".")[0] for key in DEFAULTS if "." in key), *dict(leaves(REMOVED))})


def ends_well(*arguments: str | Path) -> None:
    done = vz(*arguments)
    lines = done.stderr.splitlines()
    assert done.returncode in (0, 2) and "inside vz" not in done.stderr, done.stderr
    assert done.returncode == 0 or (len(lines) == 1 and len(lines[0]) < 1000 and lines[0].isprintable()), done.stderr


LINES = "one\ntwo\r\nthree"


@pytest.mark.parametrize(
    "words",
    [
        ("--set", LINES),
        ("--set", f"{LINES}=1"),
        ("--set", f"train.{LINES}=1"),
        ("--set", f"seed={LINES}"),
        ("--set", f"seed='{LINES}'"),
        ("--set", f"seed=[{LINES}"),
        ("--set", f"model.path='{LINES}/x'"),
        ("--set", f"train.loss='{LINES}'"),
        ("--set", f"games.domain='{LINES}'"),
        ("--set", f"game.prompts='{LINES}'"),
        ("--set", f"rollout.engine='{LINES}.py'"),
    ],
)
@pytest.mark.parametrize("command", [("recipe", "check", "tiny"), ("rollout", "games", "--dry-run", "--out", "out")])
def test_a_value_of_several_lines_is_refused_in_one(command: tuple[str, ...], words: tuple[str, str]):
    ends_well(*command, *words)


@settings(max_examples=60, deadline=None)
@given(overrides=st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(ODD)), min_size=1, max_size=3))
def test_any_field_may_hold_anything(overrides: list[tuple[str, str]]):
    ends_well("recipe", "show", "tiny", *(word for key, value in overrides for word in ("--set", f"{key}={value}")))


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], Path]:
    def write(data: bytes) -> Path:
        path.write_bytes(data)
        return path

    path = tmp_path_factory.mktemp("spoilt") / "recipe.yaml"
    return write


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(known_recipes())),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), PIECES), min_size=1, max_size=3),
)
def test_any_text_may_stand_anywhere(name: str, edits: list[tuple[float, int, str]], spoilt: Callable[[bytes], Path]):
    text = known_recipes()[name].read_text()
    for place, lost, piece in edits:
        at = int(place * len(text))
        text = text[:at] + piece + text[at + lost :]
    ends_well("recipe", "check", spoilt(text.encode(errors="surrogatepass")))
