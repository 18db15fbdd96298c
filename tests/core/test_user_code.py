"""Python files that a recipe names: how they are found, loaded and blamed."""

from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.core.user_code import load_user_object, user_errors


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_loads_a_function_of_a_file(tmp_path: Path):
    file = write(tmp_path / "mine.py", "def double(x):\n    return 2 * x\n")
    assert load_user_object(file, "double", "score.rewards")(4) == 8


def test_loads_an_edited_file_anew(tmp_path: Path):
    write(tmp_path / "mine.py", "def answer():\n    return 1\n")
    assert load_user_object(tmp_path / "mine.py", "answer", "score.rewards")() == 1
    write(tmp_path / "mine.py", "def answer():\n    return 2\n")
    assert load_user_object(tmp_path / "mine.py", "answer", "score.rewards")() == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def other():\n    pass\n", r"mine.py: defines no 'reward', which score.rewards needs"),
        ("reward = 3\n", r"mine.py: defines no 'reward'"),
        ("import no_such_package\n", r"mine.py, line 1: ModuleNotFoundError: No module named 'no_such_package'"),
        ("x = 1\ny = x / 0\n", r"mine.py, line 2: ZeroDivisionError: division by zero"),
        ("def reward(:\n", r"mine.py, line 1: SyntaxError: invalid syntax$"),
    ],
)
def test_a_wrong_file_is_one_clear_error(tmp_path: Path, text: str, message: str):
    file = write(tmp_path / "mine.py", text)
    with pytest.raises(InputError, match=message):
        load_user_object(file, "reward", "score.rewards")


def test_a_missing_file_is_named_with_its_key(tmp_path: Path):
    with pytest.raises(InputError, match=r"score.rewards: no such file: .*mine.py"):
        load_user_object(tmp_path / "mine.py", "reward", "score.rewards")


def test_an_error_in_a_call_names_the_line(tmp_path: Path):
    file = write(tmp_path / "mine.py", "def reward():\n    return {}['score']\n")
    reward = load_user_object(file, "reward", "score.rewards")
    with pytest.raises(InputError, match=r"mine.py, line 2: KeyError: 'score'"), user_errors(file):
        reward()
