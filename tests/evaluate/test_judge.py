import json
from pathlib import Path

import polars as pl
import pytest

from stages import evaluate
from stages.core import tables
from stages.core.engines.base import Request
from stages.core.engines.fake import FakeEngine, plausible
from stages.core.errors import InputError
from stages.core.folder.artifact import Report
from stages.core.recipe import load
from stages.evaluate.judge import ask_for, read_reply
from tests.evaluate.checker.test_checker import SCENE
from tests.helpers import fake_recipe, write_games

SMALL = ("evaluate.split=train", "evaluate.transcripts=0", "evaluate.questions=0", "evaluate.judge=base")
CHART = {
    "kind": "bar", "title": "Harvest", "chart": {},
    "table": {"name": "t", "labels": ["2019", "2020"], "series": {"apples": [3, 5], "pears": [4, None]}, "ordered": True},
}  # fmt: skip


def prompt(request: Request) -> str:
    return "".join(part["text"] for message in request.messages for part in message["content"] if part["text"])


def judged(reply: str, folder: Path, *overrides: str) -> tuple[Report, list[str]]:
    """An evaluation of games with scenes, whose judge always says `reply`; and the judge's prompts."""
    recipe = fake_recipe("evaluate.games=4", *SMALL, *overrides)
    games = write_games(folder / "games", recipe, count=10, scenes=True)
    prompts: list[str] = []

    def script(request: Request, sample: int) -> str:
        if request.policy != "judge":
            return plausible(request, sample)
        prompts.append(prompt(request))
        assert request.sampling.temperature == 0 and not request.pictures
        return reply

    return evaluate.run(recipe, games, folder / "out", engine=FakeEngine(script)), prompts


def test_the_judge_is_asked_once_about_each_clue_and_picture(tmp_path: Path):
    report, prompts = judged("It is. \\boxed{True}", tmp_path)
    assert len(prompts) == len(set(prompts)) == report.counts["judge"]["completions"]
    assert report.counts["judge"]["tokens_out"] > 0 and report.timings["judge"] > 0
    assert all("red cube" in text or "object 1:" in text for text in prompts)
    clues = pl.read_parquet(tmp_path / "out/clues.parquet").filter(pl.col("readable"))
    assert clues["judge_civilians"].all() and clues["judge_own"].all() and set(clues["judge_reply"]) == {"true"}
    assert report.counts["judge"]["spy"]["true_of_civilians_picture"] == 1.0


def test_agreement_counts_the_clues_that_both_decide(tmp_path: Path):
    counts = judged("\\boxed{true}", tmp_path)[0].counts
    clues = pl.read_parquet(tmp_path / "out/clues.parquet")
    assert counts["judge"]["decided_by_both"] == clues["civilians"].count()
    assert counts["judge"]["agreement"] == pytest.approx(clues["civilians"].mean())


@pytest.mark.parametrize(("reply", "kind"), [("\\boxed{can't tell}", "cannot_tell"), ("true", "unreadable")])
def test_replies_that_do_not_decide_are_counted(reply: str, kind: str, tmp_path: Path):
    counts = judged(reply, tmp_path)[0].counts["judge"]
    assert counts["civilian"][kind] == counts["spy"][kind] == 1.0
    assert counts["decided_by_both"] == 0 and "true" not in counts["civilian"] and "agreement" not in counts


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("So \\boxed{True}", "true"),
        ("\\boxed{false}", "false"),
        ("\\boxed{Can't  tell}", "cannot tell"),
        ("\\boxed{\\text{true}}", "true"),
        ("\\boxed{probably true}", "unreadable"),
        ("true", "unreadable"),
        ("", "unreadable"),
    ],
)
def test_only_a_plain_answer_in_the_last_box_is_read(text: str, read: str):
    assert read_reply(text) == read


def test_an_answer_that_was_cut_off_is_unreadable():
    assert read_reply("\\boxed{true} But let me", truncated=True) == "unreadable"


def facts(domain: str, scene: object) -> str:
    return ask_for(load("paper-v1"), (domain, json.dumps(scene), "a red cube"))


def test_the_prompt_says_what_a_scene_shows():
    text = facts("clevr", SCENE)
    assert "object 1: large red metal cube\n" in text and "From left to right: 1, 2, 3, 4, 5.\n" in text
    assert "to back: 2, 4, 3, 1, 5.\n" in text and "“a red cube”" in text


def test_the_prompt_says_what_a_chart_shows():
    text = facts("chart", CHART)
    assert 'A bar chart with the title "Harvest"' in text
    assert "|  | apples | pears |\n| 2019 | 3 | 4 |\n| 2020 | 5 |  |\n" in text


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ clue.__class__.__mro__ }}", "access to attribute '__class__' of 'str' object is unsafe"),
        ("{{ seat }}", "'seat' is undefined"),
        ("{% if %}", "Expected an expression"),
    ],
)
def test_a_judge_prompt_of_ones_own_is_rendered_like_other_prompts(tmp_path: Path, template: str, message: str):
    for name in ("clue.j2", "vote.j2"):
        (tmp_path / name).write_text("{{ image }}")
    (tmp_path / "judge.j2").write_text(template)
    recipe = load("paper-v1", [f"game.prompts={tmp_path}"])
    with pytest.raises(InputError, match=f"judge.j2: {message}"):
        ask_for(recipe, ("clevr", json.dumps(SCENE), "a red cube"))


def test_clues_about_charts_are_judged_by_the_judge_alone(tmp_path: Path):
    recipe = fake_recipe("evaluate.games=4", *SMALL)
    games = write_games(tmp_path / "games", recipe, count=10)
    pairs = tables.read(games / "pairs.parquet", tables.PAIRS)
    charts = pairs.with_columns(
        domain=pl.lit("chart"), scene=pl.lit(json.dumps(CHART)), modified_scene=pl.lit(json.dumps(CHART)),
        changes=pl.lit([], pairs.schema["changes"]),
    )  # fmt: skip
    tables.write(charts, games / "pairs.parquet", tables.PAIRS)

    def script(request: Request, sample: int) -> str:
        return "\\boxed{false}" if request.policy == "judge" else plausible(request, sample)

    counts = evaluate.run(recipe, games, tmp_path / "out", engine=FakeEngine(script)).counts
    assert counts["judge"]["civilian"]["true"] == 0.0 and counts["clues"]["civilian"]["cannot_tell"] == 1.0


def test_another_judge_is_another_evaluation(tmp_path: Path):
    recipe = fake_recipe("evaluate.games=2", "evaluate.split=train", "evaluate.transcripts=0")
    games = write_games(tmp_path / "games", recipe, count=10)
    evaluate.run(recipe, games, tmp_path / "out")
    with pytest.raises(InputError, match="judge"):
        evaluate.run(fake_recipe("evaluate.games=2", *SMALL), games, tmp_path / "out")


def test_a_real_model_can_be_the_judge(tmp_path: Path):
    """The tiny model does not understand the question, so its replies are counted as unreadable."""
    recipe = load("tiny", ["evaluate.games=4", "evaluate.judge_tokens=4", *SMALL, "rollout.max_prompt_tokens=1000"])
    games = write_games(tmp_path / "games", recipe, count=10, side=72, scenes=True)
    judged = evaluate.run(recipe, games, tmp_path / "out").counts["judge"]
    assert judged["completions"] > 0 and judged["tokens_out"] <= 4 * judged["completions"] < judged["tokens_in"]
    assert judged["civilian"]["clues"] > 0 and judged["civilian"]["unreadable"] == 1.0
