"""The `vz` command as a user meets it: exit codes, one-line errors, --json, --dry-run, speed of --help."""

import json
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages.rollout import summary
from tests.cli import vz
from tests.helpers import FAKE

FAST = [option for override in FAKE for option in ("--set", override)]

COMMANDS = ["make-games", "rollout", "score", "filter", "outside", "train", "iterate", "evaluate", "benchmark", "inspect", "export",
            "report", "view", "recipe", "init-model", "doctor", "join"]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_subcommand_has_help(command: str):
    done = vz(command, "--help")
    assert done.returncode == 0 and "Usage" in done.stdout


BARE = """
from pathlib import Path
from typing import Annotated
import typer
app = typer.Typer(rich_markup_mode="rich")
Folder, Settings = Annotated[Path, typer.Option(help="A folder.")], Annotated[list[str], typer.Option(help="Settings.")]
Number, Switch = Annotated[int, typer.Option(help="A number.")], Annotated[bool, typer.Option(help="Whether.")]
def one(
    a: Folder, b: Folder = Path("x"), c: Settings = [], d: Settings = [], e: Number = 1, f: Number = 1,
    g: Switch = True, h: Switch = False,
) -> None: "Do one."
for number in range(COMMANDS):
    app.command(f"one-{number}")(one)
app()
"""


@pytest.mark.parametrize("command", [[], ["report"], ["make-games"]])
def test_help_is_quick(command: list[str]):
    """Beside a bare app of typer with as many commands of 8 options: most of the time is typer's own."""
    bare = BARE.replace("COMMANDS", str(len(COMMANDS)))
    vz_took, bare_took = [], []
    for _ in range(8):  # in turns, and again where something else slows one of them
        vz_took.append(cpu_seconds("-m", "vzcli", *command, "--help"))
        bare_took.append(cpu_seconds("-c", bare, *(["one-1"] if command else []), "--help"))
        if min(vz_took) < 1.5 * min(bare_took):
            return
    pytest.fail(f"vz took {vz_took} CPU-seconds, the bare app {bare_took}")


def cpu_seconds(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_nothing_heavy_is_imported_at_the_top():
    code = (
        "import sys, vzcli.main; "
        "print(sorted({'torch', 'transformers', 'trl', 'polars', 'pydantic', 'numpy', 'mitsuba', 'yaml', 'PIL', 'jinja2'}"
        " & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_the_pipeline_stage_by_stage(games: Path, tmp_path: Path):
    for command in (
        ["rollout", games, "--out", tmp_path / "rollouts", *FAST],
        ["score", tmp_path / "rollouts", "--out", tmp_path / "scored"],
        ["filter", tmp_path / "scored", "--out", tmp_path / "kept", "--phase", "decision"],
        ["train", tmp_path / "kept", "--out", tmp_path / "checkpoint", *FAST],
        ["inspect", tmp_path / "kept", "--game", "1"],
    ):
        done = vz(*command)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "checkpoint/manifest.json").is_file()


def test_json_is_one_object_on_stdout_and_the_same_again_is_up_to_date(games: Path, tmp_path: Path):
    command = ["iterate", "--games", games, "--out", tmp_path / "run", "--rounds", "2", "--json", *FAST]
    first, second = (json.loads(vz(*command).stdout) for _ in range(2))
    assert (first["status"], second["status"]) == ("done", "up to date")
    assert first["counts"]["rounds"] == 2


def test_a_round_is_a_line_and_the_end_says_where_to_look(games: Path, tmp_path: Path):
    done = vz("iterate", "--games", games, "--out", tmp_path / "run", "--rounds", "2", *FAST)
    lines = done.stdout.splitlines()
    assert lines[0].split()[:4] == ["round", "phase", "spy", "found"] and lines[1].split()[:2] == ["1", "decision"]
    assert "vz inspect" in lines[-1] and "Traceback" not in done.stderr


def test_a_run_prints_a_warning_of_its_preflight_once_and_names_it_again_when_it_continues(
    games: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(summary, "MOST_UNREADABLE", 0)
    command = ["iterate", "--games", games, "--out", tmp_path / "run", *FAST, "--set", "iterate.preflight=3"]
    first, again = (vz(*command, "--rounds", "1").stderr for _ in range(2))
    assert first.count("of 24 unreadable votes") == again.count("of 24 unreadable votes") == 1, first + again


@pytest.mark.parametrize(
    "command", ["make-games", "rollout", "score", "filter", "outside", "train", "iterate", "evaluate", "init-model"]
)
def test_a_dry_run_starts_nothing(command: str, tmp_path: Path):
    done = vz(command, "--out", tmp_path / "out", "--dry-run", "--json", cwd=tmp_path)
    plan = json.loads(done.stdout)
    assert plan["dry_run"] and plan["writes"] == str(tmp_path / "out") and plan["recipe"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rollout", "nothing"], "nothing: no such folder"),
        (["score", "nothing"], "nothing: no such folder"),
        (["filter", ".", "--phase", "third"], "'third' is not one of"),
        (["train", "nothing"], "nothing: no such folder"),
        (["inspect", "nothing"], "nothing: no such folder"),
        (["iterate", "--recipe", "tinny"], "did you mean 'tiny'"),
        (["iterate", "--set", "game.player=3"], "did you mean 'players'"),
        (["iterate", "--set", "model.path=no/such-model", "--games", "nothing"], "nothing"),
        (["recipe", "show", "nope"], "no recipe 'nope'"),
        (["make-games", "--recipe", "my.yaml"], "my.yaml: no such file"),
        (["make-games", "--set", "width=300"], "did you mean 'games.width'"),
        (["make-games", "--set", "games.change_attributes=color"], "must be a list, such as [color]"),
        (["make-games", "--from", "x", "--tables", "y"], "give only one of --tables and --from"),
        (["make-games", "--tables", "nothing"], "nothing: no such file or folder of tables"),
        (["make-games", "--scenes", "nothing.json"], "nothing.json"),
        (["rollout", "--nonsense"], "No such option"),
        (["nonsense"], "No such command"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: list[str], message: str, tmp_path: Path):
    done = vz(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr and "Traceback" not in done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(("more", "code"), [([], 2), (["--debug"], 1)])
def test_debug_shows_the_traceback_of_a_failure_inside(more: list[str], code: int, tmp_path: Path):
    command = [sys.executable, "-m", "vzcli", "inspect", "nothing", *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == code and ("Traceback" in done.stderr) == bool(more)


def test_recipes_are_listed_shown_and_checked():
    listed = vz("recipe", "list").stdout
    assert {line.split()[0] for line in listed.splitlines()} >= {"tiny", "paper", "released-code"}
    assert "temperature: 0.5" in vz("recipe", "show", "tiny", "--set", "rollout.temperature=0.5").stdout
    assert "eq. 1" in vz("recipe", "show", "paper", "--describe").stdout
    assert vz("recipe", "check", "tiny", "paper", "released-code").returncode == 0


def test_doctor_judges_what_a_recipe_needs(tmp_path: Path):
    done = vz("doctor", "--json", "--recipe", "tiny")
    body = json.loads(done.stdout)
    found = {finding["what"]: finding["verdict"] for finding in body["findings"]}
    assert found["processor"] == found["architecture"] == found["training"] == "ok"
    assert body["estimate"]["fits"] and body["estimate"]["weights"] == 846272
    other = vz("doctor", "--recipe", "tiny", "--set", "train.accelerate_config=nowhere")
    assert other.returncode == 1 and "nowhere: no such file" in " ".join(other.stdout.split())


def test_doctor_judges_this_set_up():
    done = vz("doctor", "--json", "--need", "train")
    findings = json.loads(done.stdout)["findings"]
    assert done.returncode == 0, [finding for finding in findings if finding["verdict"] == "fail"]
    assert {"Python", "torch (train)", "polars (core)"} <= {finding["what"] for finding in findings}
    missing = vz("doctor", "--need", "nonsense")
    assert missing.returncode == 1 and "unknown" in missing.stdout


def test_an_interrupt_ends_with_130_and_says_how_to_go_on(games: Path, tmp_path: Path):
    command = [sys.executable, "-m", "vzcli", "iterate", "--games", games, "--out", tmp_path / "run"]
    running = subprocess.Popen([*command, "--rounds", "2000", *FAST], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    while not (tmp_path / "run/state.json").is_file():
        assert running.poll() is None, running.stderr.read()
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    errors = running.communicate(timeout=60)[1].decode()
    assert running.returncode == 130, errors
    assert "repeat the command to continue" in errors and "Traceback" not in errors


def test_the_version_is_printed():
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?\n", vz("--version").stdout)
