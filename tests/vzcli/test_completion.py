"""What the shell offers after `vz --install-completion`."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from stages.core.recipe import Recipe


def offered(words: str, shell: str = "bash") -> list[str]:
    """What bash or fish offers at the end of these words."""
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    asked |= {"_TYPER_COMPLETE_ARGS": words, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv = ['vz']; from vzcli.main import main; main()"],
        env={**os.environ, "_VZ_COMPLETE": f"complete_{shell}", **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.split("\n")[:-1]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("vz eval", ["evaluate"]),
        ("vz iterate --over", ["--overwrite"]),
        ("vz iterate --recipe tin", ["tiny"]),
        ("vz recipe show released", ["released-code"]),
        ("vz train --set iterate.play_a", ["iterate.play_ahead="]),
        ("vz iterate --recipe ./mine", [""]),  # so the shell offers files
    ],
)
def test_the_shell_offers(words: str, found: list[str]) -> None:
    assert offered(words) == found


def test_settings_come_with_their_meaning() -> None:
    meaning = Recipe.model_fields["seed"].description
    assert meaning is not None and any(meaning[:30] in line for line in offered("vz iterate --set see", "fish"))
