import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from stages import evaluate, rollout
from stages.core.engines.base import Request
from stages.core.engines.fake import FakeEngine, plausible
from stages.core.errors import InputError
from stages.evaluate.transfer import plain
from tests.helpers import fake_recipe, write_games

TRAIN = ("evaluate.split=train",)


def words(request: Request) -> str:
    return str(request.messages)


def spy_named_by_current(request: Request, sample: int) -> str:
    """Votes of `current` are split, so that it finds nobody; votes of `opponent` all go to seat 1."""
    if "Find the spy" not in words(request):
        return "\\boxed{a red cube}"
    return "\\boxed{1}" if request.policy == "opponent" else f"\\boxed{{{sample % 4 + 1}}}"


def test_both_sides_play_the_same_deals_and_wins_add_up(games: Path, tmp_path: Path):
    recipe = fake_recipe("evaluate.games=16", *TRAIN)
    report = evaluate.run(recipe, games, tmp_path / "out", engine=FakeEngine(spy_named_by_current))
    arena = report.counts["arena"]
    one, other = (pl.read_parquet(tmp_path / f"out/{side}/games.parquet") for side in ("civilians", "spy"))
    assert one.drop("seed").equals(other.drop("seed")) and not set(one["seed"]) & set(other["seed"])
    assert arena["games"] == 16 and arena["as_civilians"]["wins"] == 0
    assert arena["as_spy"]["wins"] == (other["spy"] != 1).sum() == arena["wins"]  # the opponent always accuses seat 1
    assert json.loads((tmp_path / "out/evaluation.json").read_text()) == report.counts
    table = pl.read_parquet(tmp_path / "out/arena.parquet")
    assert table["won"].sum() == arena["wins"] and len(table) == 16


def test_a_policy_against_itself_wins_half_of_the_games(tmp_path: Path):
    recipe = fake_recipe("evaluate.games=400", "evaluate.transcripts=0", *TRAIN)
    games = write_games(tmp_path / "games", recipe, count=200)
    arena = evaluate.run(recipe, games, tmp_path / "out", engine=FakeEngine()).counts["arena"]
    low, high = arena["win_rate_interval"]
    assert low <= 0.5 <= high and 0.02 < (high - low) / 2 < 0.06
    assert 0 < arena["as_civilians"]["wins"] < 200  # both roles win some


def test_the_same_evaluation_gives_the_same_files(games: Path, tmp_path: Path):
    recipe = fake_recipe("evaluate.games=10", *TRAIN)
    for name in ("a", "b"):
        evaluate.run(recipe, games, tmp_path / name)
    for table in ("arena", "votes", "clues"):
        assert (tmp_path / f"a/{table}.parquet").read_bytes() == (tmp_path / f"b/{table}.parquet").read_bytes()
    assert (tmp_path / "a/evaluation.json").read_text() == (tmp_path / "b/evaluation.json").read_text()


def truth_by_policy(spies: dict[str, int]) -> Callable[[Request, int], str]:
    """`current` finds the spy in three sampled votes of four and always greedily; `opponent` never does."""

    def script(request: Request, sample: int) -> str:
        if "Find the spy" not in words(request):
            return f"\\boxed{{{request.policy} says something}}"
        spy = next(seat for pair, seat in spies.items() if pair in request.pictures[0].ref)
        wrong = spy % 4 + 1
        if request.policy == "opponent":
            return f"\\boxed{{{wrong}}}"
        right = request.sampling.temperature == 0 or sample % 4
        return f"\\boxed{{{spy if right else wrong}}}"

    return script


def test_votes_are_compared_on_the_same_transcripts(tmp_path: Path):
    recipe = fake_recipe("evaluate.games=2", "evaluate.transcripts=6", *TRAIN)
    games = write_games(tmp_path / "games", recipe, count=7)
    first = evaluate.run(recipe, games, tmp_path / "deal", engine=FakeEngine()).out
    dealt = pl.read_parquet(first / "transcripts/games.parquet")
    spies = dict(zip(dealt["pair_id"], dealt["spy"], strict=True))
    out = evaluate.run(recipe, games, tmp_path / "out", engine=FakeEngine(truth_by_policy(spies)))
    decision = out.counts["decision"]
    assert decision["transcripts"] == 6
    assert (decision["current"]["sampled"], decision["current"]["greedy"]) == (0.75, 1.0)
    assert (decision["opponent"]["sampled"], decision["opponent"]["greedy"]) == (0.0, 0.0)
    assert (decision["change"]["sampled"], decision["change"]["greedy"]) == (0.75, 1.0)
    said = pl.read_parquet(tmp_path / "out/transcripts/part-*.parquet")
    assert set(said.filter(pl.col("phase") == "clue")["clue"]) == {"opponent says something"}
    assert len(said.filter(pl.col("phase") == "decision")) == 6  # the prompt of each is enough
    votes = pl.read_parquet(tmp_path / "out/votes.parquet")
    assert len(votes) == 6 * 2 * (8 + 1)


def test_both_policies_vote_on_given_transcripts(games: Path, tmp_path: Path):
    recipe = fake_recipe("evaluate.games=2", *TRAIN)
    given = rollout.run(recipe, games, tmp_path / "rollouts").out
    counts = evaluate.run(recipe, games, tmp_path / "out", transcripts=given).counts
    assert counts["decision"]["transcripts"] == pl.read_parquet(given / "games.parquet").height
    assert not (tmp_path / "out/transcripts").exists()


def test_true_and_copied_clues_are_counted_by_role(tmp_path: Path):
    recipe = fake_recipe("evaluate.games=20", "game.clue_rounds=2", *TRAIN)
    games = write_games(tmp_path / "games", recipe, count=10, scenes=True)

    def script(request: Request, sample: int) -> str:
        if "Find the spy" in words(request):
            return "\\boxed{1}"
        first_round = "round 1 of 2" in words(request)
        return "\\boxed{There are fewer than ten objects.}" if first_round else "\\boxed{The weather is fine.}"

    clues = evaluate.run(recipe, games, tmp_path / "out", engine=FakeEngine(script)).counts["clues"]
    for role, per_game in (("civilian", 3), ("spy", 1)):
        assert clues[role]["clues"] == 10 * 2 * per_game
        assert clues[role]["cannot_tell"] == pytest.approx(0.5)
        assert clues[role]["true"] == 1.0 and clues[role]["true_of_civilians_picture"] == 1.0
    table = pl.read_parquet(tmp_path / "out/clues.parquet")
    first = table.sort("turn").group_by("game_id", "role", maintain_order=True).first()
    assert table["copied"].mean() > 0.5 and not first.filter(pl.col("turn") == 0)["copied"].any()


def test_without_scenes_no_clue_is_judged_and_nothing_is_asked(games: Path, tmp_path: Path):
    counts = evaluate.run(fake_recipe("evaluate.games=4", *TRAIN), games, tmp_path / "out").counts
    assert counts["clues"]["civilian"]["cannot_tell"] == 1.0 and "true" not in counts["clues"]["civilian"]
    assert "transfer" not in counts


def test_transfer_compares_answers_to_equal_questions(tmp_path: Path):
    recipe = fake_recipe("evaluate.games=2", "evaluate.transcripts=0", "evaluate.questions=40", *TRAIN)
    games = write_games(tmp_path / "games", recipe, count=10, scenes=True)

    def script(request: Request, sample: int) -> str:
        if "Look at this picture" not in words(request):
            return plausible(request, sample)
        assert request.sampling.temperature == 0
        return "So: \\boxed{Yes.}" if request.policy == "current" else "\\boxed{no}"

    transfer = evaluate.run(recipe, games, tmp_path / "out", engine=FakeEngine(script)).counts["transfer"]
    answers = pl.read_parquet(tmp_path / "out/answers.parquet")
    assert transfer["questions"] == 40 and len(answers) == 80
    assert answers.group_by("kind").len()["len"].to_list() == [20] * 4
    right = answers.filter(pl.col("policy") == "current", pl.col("answer") == "yes").height
    assert transfer["current"]["right"] == right / 40
    noes = answers.filter(pl.col("policy") == "opponent", pl.col("answer") == "no").height
    assert transfer["change"] == pytest.approx((right - noes) / 40)


def test_an_answer_cut_off_in_a_thought_is_unreadable(tmp_path: Path):
    recipe = fake_recipe("evaluate.games=4", "evaluate.questions=8", *TRAIN)
    games = write_games(tmp_path / "games", recipe, count=10, scenes=True)
    cut_off = FakeEngine(lambda request, sample: "Perhaps \\boxed{1}, but let me check again" + " and again" * 100)
    evaluate.run(recipe, games, tmp_path / "out", engine=cut_off)
    votes, answers = (pl.read_parquet(tmp_path / f"out/{table}.parquet") for table in ("votes", "answers"))
    assert set(votes["vote_kind"]) == {"unreadable"} and answers["given"].null_count() == len(answers) > 0


@pytest.mark.parametrize(("given", "read"), [("Yes.", "yes"), ("**two**", "2"), (" 3 ", "3"), ("Red", "red")])
def test_answers_are_compared_without_case_and_punctuation(given: str, read: str):
    assert plain(given) == read


def test_an_odd_number_of_games_is_refused_and_a_greedy_policy_can_be_evaluated(games: Path, tmp_path: Path):
    with pytest.raises(InputError, match="multiple of 2"):
        fake_recipe("evaluate.games=5")
    recipe = fake_recipe("evaluate.games=2", "rollout.temperature=0", *TRAIN)
    assert evaluate.run(recipe, games, tmp_path / "out").counts["arena"]["games"] == 2


def test_a_split_without_pairs_is_an_error(tmp_path: Path):
    recipe = fake_recipe()
    with pytest.raises(InputError, match="no pairs in the split 'test'"):
        evaluate.run(recipe, write_games(tmp_path / "games", recipe, count=3), tmp_path / "out")
