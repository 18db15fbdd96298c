"""What the processes that `vz` starts take from where it was started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from vzcli import REPEAT

ROOT = Path(__file__).resolve().parents[2]


def test_no_process_imports_modules_from_the_current_folder(tmp_path: Path) -> None:
    here, script = tmp_path / "here", tmp_path / "bin" / "vz"
    for folder in (here, script.parent):
        folder.mkdir()
    script.write_text("from vzcli.__main__ import main\n\nif __name__ == '__main__':\n    main()\n")
    for name in ("socket", "pickle", "fractions"):  # a new process needs the first two at its very start
        (here / f"{name}.py").write_text("open('imported', 'w').close()\n")
    command = [sys.executable, str(script), "make-games", "--pairs", "2", "--processes", "2", "--out", "games"]
    quick = ["--set", "games.width=48", "--set", "games.height=48"]
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    done = subprocess.run(
        [*command, *quick], cwd=here, env={**variables, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not (here / "imported").exists()


def test_ctrl_c_while_vz_is_imported_is_no_traceback(tmp_path: Path):
    (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "vzcli", "recipe", "list"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, f"vz: {REPEAT}\n")
