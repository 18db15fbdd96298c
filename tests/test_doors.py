"""The examples on the pages of docs/doors work as they stand there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest

from stages import iterate, rollout, score
from stages.core import tables
from stages.core.engines import open_engine
from stages.core.errors import InputError
from stages.core.recipe import load
from stages.score.interface import Rewards
from tests.cli import vz
from tests.docs.blocks import blocks, commands
from tests.families.gap import gaps
from tests.helpers import FAKE, fake_recipe, write_games, write_rollouts

DOORS = Path(__file__).resolve().parents[1] / "docs/doors"
VOTES = {"a": (2, ["2", "2", "na"]), "b": (1, ["1", "3", "unreadable"])}


def write_files(page: str, folder: Path) -> None:
    """Write the files that a page shows: blocks with a title."""
    for block in blocks(DOORS / page):
        if block.title:
            (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.title).write_text(block.code)


def run_commands(page: str, folder: Path, more: Mapping[str, Sequence[str]] | None = None) -> str:
    """Run the commands of a page in `folder`, with `more` options by command. Returns what they printed."""
    said = []
    shell = [block.code for block in blocks(DOORS / page) if block.language == "bash"]
    for program, *arguments in (words for code in shell for words in commands(code)):
        assert program == "vz"
        done = vz(*arguments, *(more or {}).get(arguments[0], ()), cwd=folder)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout + done.stderr)
    return "\n".join(said)


def options(settings: Sequence[str]) -> list[str]:
    return [option for setting in settings for option in ("--set", setting)]


def read(page: str) -> str:
    return (DOORS / page).read_text(encoding="utf-8")


def scored(folder: Path, *overrides: str) -> pl.DataFrame:
    out = score.run(load("paper", overrides), folder / "rollouts", folder / "expected").out
    return tables.read(out / "scored.parquet", tables.SCORED)


def test_the_page_on_rewards(tmp_path: Path):
    write_rollouts(tmp_path / "rollouts", VOTES)  # all clues have three words
    write_files("rewards.md", tmp_path)
    run_commands("rewards.md", tmp_path)
    mine, paper = tables.read(tmp_path / "scored/scored.parquet", tables.SCORED), scored(tmp_path)
    penalty = pl.when(pl.col("phase") == "clue").then(0.2).otherwise(0.0)
    expected = paper.select(*tables.KEY, reward=pl.col("reward") - penalty)
    assert mine.select(*tables.KEY, "reward").equals(expected)


def test_the_page_on_rewards_lists_the_columns(tmp_path: Path):
    write_rollouts(tmp_path / "rollouts", VOTES)
    (tmp_path / "mine.py").write_text(
        "from stages.score import rewards\n"
        "def clue_rewards(seats, settings):\n"
        f"    open('{tmp_path}/seats', 'w').write(' '.join(seats.columns))\n"
        "    return rewards.clue_rewards(seats, settings)\n"
        "def vote_rewards(votes, settings):\n"
        f"    open('{tmp_path}/votes', 'w').write(' '.join(votes.columns))\n"
        "    return rewards.vote_rewards(votes, settings)\n"
    )
    scored(tmp_path, f"score.rewards={tmp_path}/mine.py")
    for frame in ("seats", "votes"):
        table = re.search(rf"^\| column of `{frame}` .*?\n\n", read("rewards.md"), re.MULTILINE | re.DOTALL)
        assert table
        rows = table[0].strip().splitlines()[2:]
        named = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]
        assert sorted(named) == sorted((tmp_path / frame).read_text().split())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return seats", "returned no column 'reward'"),
        ("return None", "returned a NoneType, not a Polars DataFrame"),
        ("return seats.head(3).with_columns(reward=0.0)", "returned 3 rows instead of 8"),
        (
            "return seats.reverse().with_columns(reward=0.0)",
            r"returned the rows in a different order \(game_id, seat\)",
        ),
        (
            "return seats.select(reward=pl.lit(1.0).repeat_by(1).explode())",
            "returned no column 'game_id'|rows instead of 8",
        ),
        ("return seats.with_columns(reward=pl.lit('high'))", "returned a column 'reward' of type String, not numbers"),
        (
            "return seats.with_columns(reward=pl.when(pl.col('seat') > 1).then(1.0))",
            "returned the reward None for {'game_id': 'a', 'seat': 1}",
        ),
        ("return seats.with_columns(reward=1 / (pl.col('seat') - 1))", "returned the reward inf for"),
        ("return seats.with_columns(reward=pl.col('vote'))", r"line 3: ColumnNotFoundError"),
    ],
)
def test_wrong_rewards_are_one_clear_error(tmp_path: Path, body: str, message: str):
    write_rollouts(tmp_path / "rollouts", VOTES)
    (tmp_path / "mine.py").write_text(
        f"import polars as pl\ndef clue_rewards(seats, settings):\n    {body}\n"
        "from stages.score.rewards import vote_rewards\n"
    )
    with pytest.raises(InputError, match=message) as error:
        scored(tmp_path, f"score.rewards={tmp_path}/mine.py")
    assert str(error.value).startswith(f"{tmp_path}/mine.py") and not (tmp_path / "expected").exists()


def test_a_file_without_one_of_the_functions_is_refused(tmp_path: Path):
    (tmp_path / "mine.py").write_text("from stages.score.rewards import clue_rewards\n")
    with pytest.raises(InputError, match="defines no 'vote_rewards', which score.rewards needs"):
        Rewards.of(load("paper", [f"score.rewards={tmp_path}/mine.py"]).score)


def test_rewards_that_nobody_knows_are_refused():
    with pytest.raises(InputError, match="must be paper, released-code or the path of a Python file"):
        load("paper", ["score.rewards=mine"])


def test_an_edited_file_makes_other_results(tmp_path: Path):
    write_rollouts(tmp_path / "rollouts", VOTES)
    mine = tmp_path / "mine.py"
    mine.write_text("from stages.score.rewards import clue_rewards, vote_rewards\n")
    setting = f"score.rewards={mine}"
    before = scored(tmp_path, setting)
    mine.rename(tmp_path / "moved.py")  # the content counts, not the place
    assert scored(tmp_path, f"score.rewards={tmp_path}/moved.py").equals(before)
    mine.write_text("from stages.score.released_code import clue_rewards, vote_rewards\n")
    with pytest.raises(InputError, match=r"different inputs or settings \(other score.rewards\)"):
        scored(tmp_path, setting)


def test_the_page_on_engines(tmp_path: Path):
    recipe = load("tiny", ["game.players=3", "game.votes=2"])
    write_games(tmp_path / "games", recipe, count=2)
    write_files("engine.md", tmp_path)
    small = ["--split", "all", "--set", "game.players=3", "--set", "game.votes=2"]
    run_commands("engine.md", tmp_path, {"rollout": small})
    rows = tables.read_parts(tmp_path / "rollouts", tables.ROLLOUTS)
    assert len(rows) == 2 * (3 * recipe.game.clue_rounds + 2) and rows["sampler"].unique().to_list() == [
        "transformers float32"
    ]
    # Each log-prob is that of a forward pass, and each prompt has the ids of the engine that comes with vz.
    model = Path(recipe.model.path)
    assert gaps(model, tmp_path / "rollouts", tmp_path / "games", recipe.rollout.temperature).max() < 1e-3
    own = rollout.run(recipe, tmp_path / "games", tmp_path / "own", split=None).out
    first = pl.col("turn") == 0  # later prompts hold other clues
    prompts = [
        tables.read_parts(out, tables.ROLLOUTS).filter(first)["prompt_sha256"] for out in (own, tmp_path / "rollouts")
    ]
    assert prompts[0].to_list() == prompts[1].to_list()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def open_engine(recipe):\n    return 3\n", "open_engine returned a int, not a stages.core.engines.Engine"),
        ("def open_engine(recipe):\n    return 1 / 0\n", "line 2: ZeroDivisionError"),
        ("", "defines no 'open_engine', which rollout.engine needs"),
    ],
)
def test_a_wrong_engine_is_one_clear_error(tmp_path: Path, body: str, message: str):
    (tmp_path / "mine.py").write_text(body)
    with pytest.raises(InputError, match=message) as error:
        open_engine(fake_recipe(f"rollout.engine={tmp_path}/mine.py"))
    assert str(error.value).startswith(f"{tmp_path}/mine.py")


ENGINE = """from stages.core.engines import Engine
from stages.core.engines.fake import FakeEngine

class Mine(FakeEngine):
    async def generate(self, request):
        BODY

def open_engine(recipe):
    return Mine()
"""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 1 / 0", r"mine\.py, line 6: ZeroDivisionError: division by zero"),
        (
            "return (await super().generate(request))[:-1]",
            r"mine\.py: generate returned 0 completions for a request of 1",
        ),
    ],
)
def test_a_fault_of_an_engine_while_it_plays_names_its_file(tmp_path: Path, body: str, message: str):
    (tmp_path / "mine.py").write_text(ENGINE.replace("BODY", body))
    recipe = fake_recipe(f"rollout.engine={tmp_path}/mine.py")
    write_games(tmp_path / "games", recipe)
    with pytest.raises(InputError, match=message):
        rollout.run(recipe, tmp_path / "games", tmp_path / "rollouts")


def test_a_missing_engine_is_named_with_its_whole_key(tmp_path: Path):
    with pytest.raises(InputError, match=r"rollout\.engine: no such file: .*mine\.py"):
        fake_recipe(f"rollout.engine={tmp_path}/mine.py").settings("rollout")


def test_engines_that_nobody_knows_are_refused():
    with pytest.raises(InputError, match="must be transformers, vllm, server, fake or the path of a Python file"):
        load("tiny", ["rollout.engine=mine"])


def test_the_page_on_prompts(games: Path, tmp_path: Path):
    write_files("prompts.md", tmp_path)
    fake = [setting for setting in FAKE if not setting.startswith("game.prompts")]
    said = run_commands("prompts.md", tmp_path, {"rollout": [*options(fake), "--recipe", "tiny"]})
    rows = tables.read_parts(tmp_path / "rollouts", tables.ROLLOUTS)
    texts = [" ".join(part["text"] or "" for part in row[0]["content"]) for row in rows["prompt"]]
    assert all("players look at pictures" in text or "saw another picture" in text for text in texts)
    assert any(re.search(r"Player 1 said “.+”\.", text) for text in texts) and "players look at pictures" in said


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ image }} {{ seat }}", r"clue.j2: 'seat' is undefined"),
        ("{{ image }} {% if %}", r"clue.j2: Expected an expression"),
        (
            "{{ image }} {{ ''.__class__.__mro__ }}",
            r"clue.j2: access to attribute '__class__' of 'str' object is unsafe",
        ),
        ("no picture", "each template must contain {{ image }} exactly once"),
    ],
)
def test_a_wrong_template_is_one_clear_error(games: Path, tmp_path: Path, template: str, message: str):
    (tmp_path / "mine").mkdir()
    for name in ("clue.j2", "vote.j2"):
        (tmp_path / "mine" / name).write_text(template)
    recipe = fake_recipe(f"game.prompts={tmp_path}/mine")
    with pytest.raises(InputError, match=message):
        rollout.run(recipe, games, tmp_path / "out")


def test_a_recipe_may_name_a_folder_of_prompts_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_files("prompts.md", tmp_path / "project")
    (tmp_path / "project/run.yaml").write_text("game:\n  prompts: my_prompts\n")
    monkeypatch.chdir(tmp_path)
    assert load("project/run.yaml").game.prompts == str(tmp_path / "project/my_prompts")


def test_the_page_on_callbacks(games: Path, tmp_path: Path):
    write_files("callbacks.md", tmp_path)
    run_commands("callbacks.md", tmp_path, {"iterate": options([*FAKE, "iterate.games=6"])})
    run = tmp_path / "runs/mine"
    table = (run / "progress.csv").read_text().splitlines()
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert table[0] == "iteration,phase,acc,na,vote_accuracy"
    assert [line.split(",")[:2] for line in table[1:]] == [[str(row["iteration"]), row["phase"]] for row in metrics]
    clues = (run / "round-0002/clues.txt").read_text().splitlines()
    assert clues[0].startswith("round 2, game pair-") and len(clues) == 1 + 4
    assert re.fullmatch(r"player 1 \((spy|civilian), reward -?\d\.\d\d\): .+", clues[1])


def test_a_callback_that_fails_loses_no_round(games: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "mine.py").write_text("def after_round(finished):\n    print(finished.metrics['no such figure'])\n")
    recipe = fake_recipe("iterate.rounds=2", "iterate.games=4", f"iterate.callbacks=[{tmp_path}/mine.py]")
    report = iterate.run(recipe, tmp_path / "run", games=games)
    failed = f"round 1: the callback failed: {tmp_path}/mine.py, line 2: KeyError: 'no such figure'"
    assert report.counts["rounds"] == 2 and failed in report.warnings
    assert f"warning: {failed}" in capsys.readouterr().err


def test_a_callback_that_cannot_be_loaded_stops_the_run_before_it_begins(games: Path, tmp_path: Path):
    (tmp_path / "mine.py").write_text("def before_round(finished):\n    pass\n")
    recipe = fake_recipe(f"iterate.callbacks=[{tmp_path}/mine.py]")
    with pytest.raises(InputError, match="defines no 'after_round', which iterate.callbacks needs"):
        iterate.run(recipe, tmp_path / "run", games=games)
    assert not (tmp_path / "run").exists()


def test_rewards_that_are_edited_during_a_run_stop_it(games: Path, tmp_path: Path):
    mine = tmp_path / "mine.py"
    mine.write_text("from stages.score.rewards import clue_rewards, vote_rewards\n")
    recipe = fake_recipe("iterate.rounds=2", "iterate.games=4", f"score.rewards={mine}")
    with pytest.raises(
        InputError, match=r"mine.py: edited while .* was running .score.rewards.; undo the edit and repeat the command$"
    ):
        iterate.run(recipe, tmp_path / "run", games=games, on_round=lambda *_: mine.write_text(mine.read_text() + "#"))
    with pytest.raises(InputError, match=r"began with other settings or inputs \(other score.rewards\)"):
        iterate.run(recipe, tmp_path / "run", games=games)
