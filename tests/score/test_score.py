"""Vote tables worked by hand from the equations of arXiv 2509.25541, β = λ = 0.1."""

import time
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest

from stages import score
from stages.core import tables
from stages.core.errors import InputError
from stages.core.folder.files import write_json
from stages.core.recipe import load
from stages.score.released_code import is_well_formed
from tests.helpers import write_rollouts

EXACT = {"rel": 0, "abs": 1e-12}
AS_PRINTED = ["score.clue_scale=none", "score.votes_worth=null"]  # the paper's equations, without tiny's remedies


def scored(tmp_path: Path, games, *overrides: str, players: int = 4, clue_rounds: int = 1, **options):
    rollouts = write_rollouts(tmp_path / "rollouts", games, players, clue_rounds, options.pop("game", None))
    recipe = load("tiny", [*AS_PRINTED, *overrides])
    out = score.run(recipe, rollouts, tmp_path / "scored", **options).out
    return (
        tables.read(out / "scored.parquet", tables.SCORED),
        tables.read(out / "games.parquet", tables.SCORED_GAMES),
        out,
    )


def clue_rewards(rows: pl.DataFrame, game_id: str) -> list[float]:
    clues = rows.filter(pl.col("game_id") == game_id, pl.col("phase") == "clue").sort("turn")
    return clues["reward"].to_list()


# (players, spy, votes, rewards by seat). Eq. 1 with v the votes by seat and v̄_c the civilians' mean:
#   4 players, spy 2, votes 2,2,2,2,2,1,3,3 → v = (1, 5, 2, 0), v̄_c = 1:
#     r_s = −.1 (5 − 1) = −.4;  r_cj = .1/3 · 4 − .1 (v_cj − 1) = .1333… − 0, .1333… − .1, .1333… + .1
#   5 players, spy 5, votes 1,1,1,4,na,unreadable,5,1 → v = (4, 0, 0, 1, 1), v̄_c = 5/4:
#     r_s = −.1 (1 − 1.25) = .025;  share = .025 · −.25 = −.00625;  −.1 (4 − 1.25) = −.275, +.125, +.125, +.025
#   3 players, spy 1, nobody votes for a seat → all 0
#   4 players, spy 1, a tie 1,1,2,2 → v = (2, 2, 0, 0), v̄_c = 2/3: r_s = −.1 · 4/3; share = .1/3 · 4/3
TABLE = [
    (
        4,
        2,
        "2 2 2 2 2 1 3 3",
        [Fraction(4, 30), Fraction(-4, 10), Fraction(4, 30) - Fraction(1, 10), Fraction(4, 30) + Fraction(1, 10)],
    ),
    (
        5,
        5,
        "1 1 1 4 na unreadable 5 1",
        [
            Fraction(-28125, 10**5),
            Fraction(11875, 10**5),
            Fraction(11875, 10**5),
            Fraction(1875, 10**5),
            Fraction(25, 1000),
        ],
    ),
    (3, 1, "na na unreadable na na na na na", [Fraction(0), Fraction(0), Fraction(0)]),
    (
        4,
        1,
        "1 1 2 2",
        [
            Fraction(-4, 30),
            Fraction(4, 90) - Fraction(4, 30),
            Fraction(4, 90) + Fraction(2, 30),
            Fraction(4, 90) + Fraction(2, 30),
        ],
    ),
]


@pytest.mark.parametrize(("players", "spy", "votes", "expected"), TABLE)
def test_clue_rewards_are_those_worked_by_hand(
    tmp_path: Path, players: int, spy: int, votes: str, expected: list[Fraction]
):
    rows, _, _ = scored(tmp_path, {"g": (spy, votes.split())}, players=players)
    got = clue_rewards(rows, "g")
    assert got == pytest.approx([float(reward) for reward in expected], **EXACT)
    assert sum(expected) == 0 and abs(sum(got)) < 1e-12


def test_every_clue_of_a_player_carries_its_advantage(tmp_path: Path):
    rows, _, _ = scored(tmp_path, {"g": (2, ["2", "1"])}, clue_rounds=2)
    clues = rows.filter(pl.col("phase") == "clue").sort("turn")
    assert clues["advantage"][:4].to_list() == clues["advantage"][4:].to_list()


def test_civilians_votes_are_divided_by_the_votes_of_each(tmp_path: Path):
    rules = {"voters": "civilians", "votes_per_civilian": 2}  # as played; the recipe's own are the analyst's
    rows, games, _ = scored(tmp_path, {"g": (2, ["2", "2", "2", "2", "1", "1"])}, game=rules)
    # v = (1, 2, 0, 0): r_s = −.1 (2 − 1/3)
    assert clue_rewards(rows, "g")[1] == pytest.approx(-1 / 6, **EXACT)
    assert games["votes"][0].to_list() == [1.0, 2.0, 0.0, 0.0]


def test_vote_rewards_and_group_norm_are_those_worked_by_hand(tmp_path: Path):
    # spy 2; rewards 1, 1, −1, −.5, −1: mean −.1; squares 1.21, 1.21, .81, .16, .81 → population std √.84
    rows, _, _ = scored(tmp_path, {"g": (2, ["2", "2", "1", "na", "unreadable"])}, "score.divide_by_std=true")
    votes = rows.filter(pl.col("phase") == "decision").sort("sample")
    assert votes["reward"].to_list() == [1.0, 1.0, -1.0, -0.5, -1.0]
    expected = [(reward + 0.1) / (0.84**0.5 + 1e-6) for reward in votes["reward"]]
    assert votes["advantage"].to_list() == pytest.approx(expected, **EXACT)
    assert abs(votes["advantage"].sum()) < 1e-12
    assert votes["correct"].to_list() == [True, True, False, False, False]


def test_without_the_std_the_advantage_is_only_centred(tmp_path: Path):
    rows, _, _ = scored(tmp_path, {"g": (2, ["2", "1"])}, "score.divide_by_std=false")
    assert rows.filter(pl.col("phase") == "decision").sort("sample")["advantage"].to_list() == [1.0, -1.0]


def test_equal_votes_have_advantage_zero(tmp_path: Path):
    rows, _, _ = scored(tmp_path, {"g": (2, ["1", "3", "4"])}, "score.divide_by_std=true")
    assert rows.filter(pl.col("phase") == "decision")["advantage"].to_list() == [0.0, 0.0, 0.0]


def votes_of(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("phase") == "decision").sort("sample")


def test_abstaining_may_earn_as_much_as_a_random_vote(tmp_path: Path):
    rows, _, _ = scored(tmp_path, {"g": (2, ["2", "na"])}, "score.abstention=chance", "score.na_cost=0.1")
    # 4 players: (1 + 3 · −1) / 4 − .1
    assert votes_of(rows)["reward"].to_list() == pytest.approx([1.0, -0.6], **EXACT)


def test_abstaining_may_count_for_nothing(tmp_path: Path):
    rows, _, _ = scored(tmp_path, {"g": (2, ["2", "1", "na"])}, "score.abstention=neutral", "score.divide_by_std=false")
    assert votes_of(rows)["advantage"].to_list() == [1.0, -1.0, 0.0]


def test_equal_votes_beside_neutral_abstentions_have_advantage_zero(tmp_path: Path):
    rows, _, _ = scored(tmp_path, {"g": (2, ["2", "2", "na"]), "h": (2, ["na", "na"])}, "score.abstention=neutral")
    assert rows.filter(pl.col("phase") == "decision")["advantage"].to_list() == [0.0] * 5


def test_clue_advantages_may_be_divided_by_their_roles_std(tmp_path: Path):
    plain, _, _ = scored(tmp_path / "plain", GAMES, phase="clue")
    divided, _, _ = scored(tmp_path / "divided", GAMES, "score.clue_scale=role", phase="clue")
    for role in ("spy", "civilian"):
        before, after = (rows.filter(pl.col("role") == role)["advantage"] for rows in (plain, divided))
        spread = before.std(ddof=0)
        assert after.to_list() == pytest.approx([value / (spread + 1e-6) for value in before], **EXACT)
        assert after.std(ddof=0) == pytest.approx(1.0, abs=1e-4)


def test_many_votes_may_count_as_few(tmp_path: Path):
    """Sixteen votes, each counting half: the rewards of eight."""
    eight, _, _ = scored(tmp_path / "eight", {"g": (2, ["2", "2", "2", "1", "1", "3", "na", "na"])})
    doubled = {"g": (2, ["2", "2", "2", "1", "1", "3", "na", "na"] * 2)}
    sixteen, games, _ = scored(tmp_path / "sixteen", doubled, "score.votes_worth=8")
    assert clue_rewards(sixteen, "g") == pytest.approx(clue_rewards(eight, "g"), **EXACT)
    assert games["votes"][0].to_list() == [4.0, 6.0, 2.0, 0.0]  # as cast


def test_the_control_shuffles_the_advantages(tmp_path: Path):
    votes = {f"g{number}": (1 + number % 4, ["1", "1", "2", "4", "na"]) for number in range(12)}
    plain, _, _ = scored(tmp_path / "plain", votes, phase="clue")
    mixed, _, _ = scored(tmp_path / "mixed", votes, "score.shuffle=true", phase="clue")
    again, _, _ = scored(tmp_path / "again", votes, "score.shuffle=true", phase="clue")
    other, _, _ = scored(tmp_path / "other", votes, "score.shuffle=true", "seed=5", phase="clue")
    assert mixed.equals(again) and not mixed.equals(other)
    assert mixed.drop("advantage").equals(plain.drop("advantage"))
    for phase in ("clue", "decision"):
        before, after = (rows.filter(pl.col("phase") == phase)["advantage"] for rows in (plain, mixed))
        assert before.sort().to_list() == after.sort().to_list() and before.to_list() != after.to_list()


def test_the_released_codes_decision_reward(tmp_path: Path):
    rows, _, _ = scored(tmp_path, {"g": (2, ["2", "1", "na", "unreadable"])}, "score.rewards=released-code")
    votes = rows.filter(pl.col("phase") == "decision").sort("sample")
    # 1.2 · (1, −1, −.5, −1) + .3 · 1 + .99 when right: a box with anything in it is good form
    assert votes["reward"].to_list() == pytest.approx([2.49, -0.9, -0.3, -0.9], **EXACT)


@pytest.mark.parametrize(
    ("completion", "good"),
    [
        (r"The clues differ. \boxed{2}", True),
        (r"The clues differ. \boxed{who knows}", True),
        (r"The clues differ. \boxed{\text{2}}", True),
        (r"The clues differ. \\boxed{2}", True),
        (r"The clues differ. \boxed{}", False),
        (r"The clues differ. \boxed{ }, no: \boxed{2}", False),
        ("The clues differ.", False),
        ("The clues differ. \\boxed{2", False),
        (r"Eleven char\boxed{2}", True),
        (r"Ten chars.\boxed{2}", False),
        (r"\boxed{2}", False),
        ("\\boxed{2}\nThe clues of player 2 differ.", True),
        (r"<think>The clues differ.</think>\boxed{2}", True),
        (r"<think></think>The clues differ. \boxed{2}", False),
    ],
)
def test_the_released_code_rewards_any_box_after_some_reasoning(completion: str, good: bool):
    assert is_well_formed(completion) is good


def test_the_format_is_judged_in_linear_time():
    def seconds(size: int) -> float:
        began = time.process_time()
        for piece in ("\\boxed{", "<think>", "\\boxed{ ", "a\n", "\\"):
            is_well_formed(piece * (size // len(piece)))
        return time.process_time() - began

    assert seconds(1_000_000) < 30 * seconds(100_000) + 0.02


@pytest.mark.parametrize(
    ("votes", "found"),
    [
        ("2 2 1", True),
        ("2 1", False),
        ("2 na", False),
        ("2 2 na", True),
        ("2 unreadable unreadable", True),
        ("na na", False),
    ],
)
def test_the_spy_is_found_when_it_alone_has_the_most_votes(tmp_path: Path, votes: str, found: bool):
    _, games, _ = scored(tmp_path, {"g": (2, votes.split())})
    assert games["acc"].to_list() == [found]
    assert games["winner"].to_list() == ["civilians" if found else "spy"]


GAMES = {"a": (2, ["2", "2"]), "b": (2, ["1", "1"]), "c": (2, ["2", "1"])}
# r_s = −.1 (v_s − v̄_c): a −.2; b −.1 (0 − 2/3) = .0666…; c −.1 (1 − 1/3) = −.0666…; r_c mean = −r_s / 3
R_S = [-0.2, 0.2 / 3, -0.2 / 3]


def baselines(alpha: float, rewards: list[float], start: float = 0.0) -> list[float]:
    values = [start]
    for reward in rewards:
        values.append(alpha * values[-1] + (1 - alpha) * reward)
    return values


def spy_rows(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("role") == "spy").sort("game_id")


def test_baselines_move_game_by_game_and_are_subtracted_after(tmp_path: Path):
    rows, _, out = scored(tmp_path, GAMES, "score.alpha=0.9", phase="clue")
    expected = baselines(0.9, R_S)
    assert spy_rows(rows)["baseline"].to_list() == pytest.approx(expected[1:], **EXACT)
    assert spy_rows(rows)["advantage"].to_list() == pytest.approx(
        [r - b for r, b in zip(R_S, expected[1:], strict=True)], **EXACT
    )
    assert pl.read_json(out / "baselines.json")["spy"][0] == pytest.approx(expected[-1], **EXACT)
    civilian = rows.filter(pl.col("role") == "civilian", pl.col("game_id") == "a")["baseline"][0]
    assert civilian == pytest.approx(0.1 * 0.2 / 3, **EXACT)


def test_baselines_may_be_subtracted_before_they_move(tmp_path: Path):
    rows, _, _ = scored(tmp_path, GAMES, "score.alpha=0.9", "score.baseline_subtracted=before", phase="clue")
    assert spy_rows(rows)["baseline"].to_list() == pytest.approx(baselines(0.9, R_S)[:-1], **EXACT)


def test_baselines_stand_still_in_decision_iterations_unless_the_recipe_says_both(tmp_path: Path):
    write_json(tmp_path / "before.json", {"spy": -0.3, "civilian": 0.1})
    rows, _, out = scored(tmp_path, GAMES, phase="decision", baselines=tmp_path / "before.json")
    assert spy_rows(rows)["baseline"].to_list() == [-0.3] * 3
    assert pl.read_json(out / "baselines.json").row(0) == (-0.3, 0.1)
    both = ["score.baseline_phases=both", "score.alpha=0.9"]
    rows, _, _ = scored(tmp_path / "two", GAMES, *both, phase="decision", baselines=tmp_path / "before.json")
    assert spy_rows(rows)["baseline"].to_list() == pytest.approx(baselines(0.9, R_S, -0.3)[1:], **EXACT)


def test_baselines_may_move_by_groups_of_games(tmp_path: Path):
    rows, _, _ = scored(tmp_path, GAMES, "score.alpha=0.9", "score.baseline_games=2", phase="clue")
    first = 0.1 * (R_S[0] + R_S[1]) / 2
    assert spy_rows(rows)["baseline"].to_list() == pytest.approx([first, first, 0.9 * first + 0.1 * R_S[2]], **EXACT)


def test_without_role_baselines_nothing_is_subtracted(tmp_path: Path):
    rows, _, _ = scored(tmp_path, GAMES, "score.role_baselines=false", phase="clue")
    assert spy_rows(rows)["advantage"].to_list() == pytest.approx(R_S, **EXACT)


def test_a_game_without_votes_is_an_error(tmp_path: Path):
    with pytest.raises(InputError, match="game 'g' has no vote rows"):
        scored(tmp_path, {"g": (2, []), "h": (1, ["1"])})


def test_a_vote_for_a_seat_that_is_not_there_is_an_error(tmp_path: Path):
    with pytest.raises(InputError, match="does not match games.parquet"):
        scored(tmp_path, {"g": (2, ["9"])})


def test_broken_baselines_are_named(tmp_path: Path):
    write_json(tmp_path / "b.json", {"spy": 1})
    with pytest.raises(InputError, match="b.json: must contain the numbers"):
        scored(tmp_path, GAMES, baselines=tmp_path / "b.json")
