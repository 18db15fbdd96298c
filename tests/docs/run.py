"""Run one block of a page in the current folder."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml

from stages.core.recipe import Recipe, load
from tests.docs.blocks import Block, commands
from tests.docs.small import NOT_RUN, ROOT, extras, small
from vzcli.main import app

SHOWN = {"text", "json", "jinja", "html", "pyi"}  # output, templates, signatures: nothing to run


def run(block: Block) -> None:
    """Run `block`, or write it to the file that it is the text of. A block that fails raises."""
    if block.title:
        Path(block.title).parent.mkdir(parents=True, exist_ok=True)
        Path(block.title).write_text(block.code, encoding="utf-8")
    elif block.language == "bash":
        for words in commands(block.code):
            run_command(words, block)
    elif block.language == "python":
        subprocess.run([sys.executable, "-c", block.code], check=True, capture_output=True, text=True)
    elif block.language == "sql":
        import duckdb

        assert duckdb.sql(block.code).fetchall(), f"{block}: the query finds nothing"
    elif block.language == "yaml":
        run_yaml(block)
    else:
        assert block.language in SHOWN, f"{block}: name the block's language: bash, python, sql, yaml or text"


def run_command(words: list[str], block: Block) -> None:
    """Run a `vz` command at small size. Check that what other commands name exists."""
    program, *arguments = words
    if program == "vz":
        code = vz(small(arguments))
        assert code == 0 or arguments[0] == "doctor", f"{block}: vz {' '.join(arguments)} ended with {code}"
    elif program == "make":
        targets = [word for word in arguments if "=" not in word]
        subprocess.run(["make", "-n", *targets], cwd=ROOT, check=True, capture_output=True)
    elif program == "pip":
        named = {name for found in re.findall(r"\[([\w,-]+)\]", " ".join(arguments)) for name in found.split(",")}
        assert named <= extras(), f"{block}: no such extra: {named - extras()}"
    else:
        assert program in NOT_RUN, f"{block}: {program} is neither run nor listed in NOT_RUN"


def run_yaml(block: Block) -> None:
    """A piece of a recipe: every section and field exists and takes the value."""
    piece = yaml.safe_load(block.code)
    unknown = set(piece) - set(Recipe.model_fields)
    assert not unknown, f"{block}: no such section: {unknown}"
    file = Path("piece.yaml")
    file.write_text(block.code, encoding="utf-8")
    load(str(file))


def vz(arguments: list[str]) -> int:
    """The exit code of `vz` with these arguments, in this process: torch is imported once."""
    from stages.core.errors import VzError

    try:
        code = app(arguments, standalone_mode=False)
    except SystemExit as end:
        code = end.code
    except VzError as error:
        print(error, file=sys.stderr)
        code = error.exit_code
    return code if isinstance(code, int) else 0
