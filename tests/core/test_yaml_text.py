"""What a settings file may not hold is named with its line and a remedy; the rest is plain data."""

import time
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.core.yaml_text import MOST_BYTES, parse_yaml, read_yaml
from tests.cli import vz

LAUGHS = "x0: &x0 [x, x]\n" + "".join(f"x{i}: &x{i} [*x{i - 1}, *x{i - 1}]\n" for i in range(1, 40))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: {}\nscore: {}\n'train': {kl: 0}", "line 3: 'train' is given twice; merge the two"),
        ("train:\n  kl: 0\n  kl: 1", "line 3: 'kl' is given twice"),
        (LAUGHS, "line 1: anchors (&name) and aliases (*name) are not supported; write the value out, or quote it"),
        ("a: 1\nb: *a", "line 2: anchors"),
        ("a: &a {x: *a}", "line 1: anchors"),
        ("a: !!python/name:os.system", "line 1: tags (!name) are not supported; write a plain value, or quote it"),
        ("a:\n  - !!set {b}", "line 2: tags"),
        ("a: " + "[" * 5000, "line 1: lists or mappings are nested more than 50 deep; flatten them"),
        ("a: 1\nb: " + "9" * 5000, "line 2: the number needs more than 64 bits; write a smaller one, or quote it"),
        (f"a: {2**63}", "line 1: the number needs more than 64 bits"),
        ("a: 0x_", "line 1: not a number"),
        ("a: 1\nyes: 2", "line 2: a key must be text; put it in quotation marks"),
        ("[a]: 2", "line 1: a key must be text"),
        ('a: "\\ud800"', "line 1: the text contains a control character or half a character; remove it"),
        ('a: "\\e[2J"', "line 1: the text contains a control character"),
        ('a: "\\U00110000"', "line 1: not YAML"),
        ("a: 1\nb: [", "line 2: not YAML (expected the node content"),
        ("a: 1\nb: \0", "line 2: not YAML (unacceptable character #x0000"),
        (b"a: 1\nb: \xff", "line 2 is not UTF-8; save the file as UTF-8 text"),
        ("a: 1\n---\nb: 1", "line 2: not YAML (but found another document"),
        ("a: 1\n" * MOST_BYTES, "is longer than 64 KiB; is it the right file?"),
    ],
)
def test_what_has_no_place_in_settings_is_one_line(text: str | bytes, message: str):
    start = time.process_time()
    with pytest.raises(InputError) as found:
        parse_yaml(text, "my.yaml")
    assert str(found.value).startswith(f"my.yaml: {message}")
    assert len(str(found.value)) < 300 and "\n" not in str(found.value)
    assert time.process_time() - start < 5


def test_the_rest_is_plain_data():
    text = "a: 2001-02-30\nb: [1, 1.5, .inf, null, yes, '1']\nc: {d: 2024-01-01T00:00:00Z, =: <<}\n"
    assert parse_yaml(text, "my.yaml") == {
        "a": "2001-02-30",
        "b": [1, 1.5, float("inf"), None, True, "1"],
        "c": {"d": "2024-01-01T00:00:00Z", "=": "<<"},
    }
    assert parse_yaml(f"- {2**63 - 1}\n- {-(2**63) + 1}", "my.yaml") == [2**63 - 1, -(2**63) + 1]


def test_the_largest_file_is_read_in_seconds(tmp_path: Path):
    path = tmp_path / "my.yaml"
    path.write_text("".join(f"k{number}: {{a: [1]}}\n" for number in range(MOST_BYTES // 20)))
    start = time.process_time()
    assert len(read_yaml(path)) == MOST_BYTES // 20
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("- a\n", "must contain keys with values, such as 'seed: 1', but contains a list"),
        ("false", "but contains a bool"),
    ],
)
def test_a_file_of_settings_is_a_mapping(data: str, message: str, tmp_path: Path):
    path = tmp_path / "my.yaml"
    path.write_text(data)
    with pytest.raises(InputError, match=message):
        read_yaml(path)
    with pytest.raises(InputError, match=r"cannot be read \(No such file or directory\)"):
        read_yaml(tmp_path / "none.yaml")


def test_options_are_read_as_strictly():
    done = vz("recipe", "check", "tiny", "--set", "train={kl: 0, kl: 1}")
    assert done.returncode == 2
    assert "--set train={kl: 0, kl: 1}: line 1: 'kl' is given twice" in done.stderr
