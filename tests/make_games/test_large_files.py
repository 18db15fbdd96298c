"""A merged file of CLEVR's size is planned in seconds, and needs little more memory than its text."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCENES = 15_000  # as CLEVR's validation set

DRIVER = """
import resource, sys
from pathlib import Path
from stages.core.recipe import load
from stages.make_games.clevr import given
file, count = Path(sys.argv[1]), sys.argv[2]
recipe = load("paper-v1", [f"games.pairs={count}", "games.renderer=scalar"])
before = resource.getrusage(resource.RUSAGE_SELF)
planned = given.plan(recipe, file)
after = resource.getrusage(resource.RUSAGE_SELF)
print(len(planned.pairs), after.ru_maxrss - before.ru_maxrss, after.ru_utime - before.ru_utime)
"""


def write(file: Path, count: int) -> Path:
    """The scenes that come with vz, again and again under new names."""
    scenes = json.loads((ROOT / "data" / "clevr_scenes.json").read_text())["scenes"]
    with file.open("w") as out:
        out.write('{"info": {}, "scenes": [')
        for number in range(count):
            renamed = {**scenes[number % len(scenes)], "image_filename": f"CLEVR_val_{number:06d}.png"}
            out.write((", " if number else "") + json.dumps(renamed))
        out.write("]}")
    return file


def test_scenes_by_the_thousand_are_planned_in_seconds(tmp_path: Path) -> None:
    file = write(tmp_path / "CLEVR_val_scenes.json", SCENES)
    command = [sys.executable, "-c", DRIVER, str(file), str(SCENES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    pairs, kibibytes, seconds = done.stdout.split()
    assert int(pairs) == SCENES
    # The file's text and that of each scene, but not their values, which take ten times as much.
    assert int(kibibytes) * 1024 < file.stat().st_size * 3
    assert float(seconds) < 20
