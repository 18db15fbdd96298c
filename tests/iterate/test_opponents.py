"""The pool of opponents: who joins, who is drawn, who sits where, what counts, what trains and what is kept on disk."""

import json
import signal
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from stages import iterate
from stages.core import tables
from stages.core.engines.fake import FakeEngine
from stages.core.errors import InputError
from stages.core.game.rules import deal
from stages.core.recipe import Recipe, load
from stages.core.recipe.opponents import Opponents
from stages.core.recipe.rollout import Seats
from stages.iterate.opponents import Record, assign_seats, draw, next_pool, weights, with_results
from stages.iterate.state import read_state
from tests.helpers import fake_recipe, write_games
from tests.iterate.test_kills import NEVER, drive, fingerprint, writes
from tests.rollout.test_seats import policies_by_game

EXACT = {"rel": 0, "abs": 1e-12}
POOL = {"base": Record(8, 6), "round-0002": Record(), "round-0004": Record(2, 0)}  # win rates 7/10, 1/2, 1/4
RUN = ["iterate.games=8", "iterate.rounds=6", "iterate.switching=cycle", "iterate.opponents.share=0.5",
       "iterate.opponents.every=1", "iterate.opponents.size=2", "iterate.keep_checkpoints=1"]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (Opponents(weighting="uniform"), [1 / 3, 1 / 3, 1 / 3]),
        (Opponents(weighting="latest"), [0, 0, 1]),
        (Opponents(weighting="prioritised"), [0.09 / 0.9025, 0.25 / 0.9025, 0.5625 / 0.9025]),
    ],
    ids=lambda value: value.weighting if isinstance(value, Opponents) else "",
)
def test_weights_are_those_worked_by_hand(rules: Opponents, expected: list[float]):
    found = weights(POOL, rules)
    assert list(found) == list(POOL) and list(found.values()) == pytest.approx(expected, **EXACT)


def test_the_newest_member_has_the_largest_number():
    pool = {"base": Record(), "round-9999": Record(), "round-10000": Record()}
    assert weights(pool, Opponents(weighting="latest"))["round-10000"] == 1


def test_older_results_count_less_and_the_win_rate_without_games_is_a_half():
    found = with_results({"base": Record(10, 6), "round-0002": Record(4, 1)}, {"base": Record(4, 1)})
    assert found == {"base": Record(13, 6.4), "round-0002": Record(3.6, 0.9)}
    assert (found["base"].win_rate, Record().win_rate) == (pytest.approx(7.4 / 15, **EXACT), 0.5)


def test_the_policy_of_a_round_joins_after_it_and_the_oldest_leaves():
    rules, pool, members = Opponents(share=0.5, every=3, size=2), {}, {}
    for number in range(1, 11):
        pool = next_pool(pool, rules, number - 1)
        members[number] = list(pool)
    assert members[1] == members[3] == ["base"]  # the third round's checkpoint still is the current policy
    assert members[4] == ["base", "round-0003"]
    assert members[7] == ["base", "round-0003", "round-0006"]
    assert members[10] == ["base", "round-0006", "round-0009"]


def test_draws_follow_the_weights_and_depend_on_seed_and_round_only():
    recipe = fake_recipe("iterate.opponents.share=0.5", "iterate.opponents.weighting=prioritised",
                         "iterate.opponents.at_once=2")  # fmt: skip
    drawn = [draw(POOL, recipe, number) for number in range(4000)]
    assert drawn[7] == draw(POOL, recipe, 7) != draw(POOL, fake_recipe(*["seed=1"]), 7)
    shares = Counter(name for lineup in drawn for name in lineup)
    for name, weight in weights(POOL, recipe.iterate.opponents).items():  # 5 standard errors of 8000 draws
        assert shares[name] / 8000 == pytest.approx(weight, abs=5 * (weight * (1 - weight) / 8000) ** 0.5)
    assert draw({}, recipe, 1) == [] == draw(POOL, fake_recipe(), 1)


@pytest.mark.parametrize(("share", "lineup"), [(0.3, ["base"]), (0.45, ["base", "round-0002"]), (0.02, ["base"])])
def test_shares_and_sides_are_right_over_many_rounds(share: float, lineup: list[str]):
    recipe = fake_recipe(f"iterate.opponents.share={share}", "iterate.plays_per_game=2")
    with_opponent, by_side, by_name = 0, Counter(), Counter()
    for number in range(600):
        deals = deal(["p", "q"], 26, recipe.game, seed=1, iteration=number, plays=2)
        seats = assign_seats(deals, lineup, recipe, number)
        who = [seats[game.game_id] for game in deals] if seats else []
        assert who[::2] == who[1::2]  # both plays of a deal
        own = [one for one in who[::2] if one != Seats()]
        as_spy = [one for one in own if one.spy != "current"]
        assert all(
            one == Seats(spy=one.spy) or one == Seats(civilian=one.civilian, analyst=one.civilian) for one in own
        )
        assert abs(2 * len(as_spy) - len(own)) <= 1
        with_opponent += len(own)
        by_side.update(spy=len(as_spy), civilians=len(own) - len(as_spy))
        by_name.update(one.spy if one.spy != "current" else one.civilian for one in own)
    # 5 standard errors of coins: rounding up or down in each round, and at most one coin a game for side and name
    assert with_opponent / (600 * 13) == pytest.approx(share, abs=5 * (0.25 / 600) ** 0.5 / 13)
    noise = 5 * (0.25 / with_opponent) ** 0.5
    assert by_side["spy"] / with_opponent == pytest.approx(0.5, abs=noise)
    for name in lineup:
        assert by_name[name] / with_opponent == pytest.approx(1 / len(lineup), abs=noise)


def test_at_least_one_game_stays_self_play():
    recipe = fake_recipe("iterate.opponents.share=1")
    deals = deal(["p"], 5, recipe.game, seed=1, iteration=1)
    assert Counter(who == Seats() for who in assign_seats(deals, ["base"], recipe, 1).values()) == {True: 1, False: 4}
    assert assign_seats(deals[:1], ["base"], recipe, 1) == {}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six rounds, half of the games with an opponent of a pool of the base and two checkpoints."""
    folder = tmp_path_factory.mktemp("opponents")
    games = write_games(folder / "games", fake_recipe(), count=10)
    iterate.run(fake_recipe(*RUN), folder / "run", games=games)
    return folder / "run"


def test_rows_name_the_policy_of_their_seat(played: Path):
    names, places = set(), set()
    for number in range(2, 7):
        folder = played / f"round-{number:04d}"
        seats = tables.read(folder / "games/seats.parquet", tables.SEATS)
        told = {row.pop("game_id"): row for row in seats.iter_rows(named=True)}
        assert policies_by_game(folder / "rollouts") == told
        against = [row for row in told.values() if set(row.values()) != {"current"}]
        assert len(against) == 4 and sum(row["spy"] == "current" for row in against) == 2
        names |= {name for row in against for name in row.values()} - {"current"}
        places.add(tuple(set(told[game].values()) != {"current"} for game in sorted(told, key=lambda game: game[-6:])))
    assert "base" in names and names - {"base"} <= {f"round-{number:04d}" for number in range(1, 5)}
    assert len(names) > 1 and len(places) > 1


def test_an_opponents_rows_have_its_version_and_never_train(played: Path):
    for number in range(2, 7):
        folder = played / f"round-{number:04d}"
        rows = tables.read_parts(folder / "rollouts", tables.ROLLOUTS, [*tables.KEY, "policy", "policy_version"])
        assert rows.select("policy", "policy_version").n_unique() == rows["policy"].n_unique() > 1
        kept = tables.read(folder / "kept/kept.parquet", tables.KEPT, tables.KEY).join(rows, on=tables.KEY)
        rejected = tables.read(folder / "kept/rejected.parquet", tables.REJECTED, [*tables.KEY, "reason"])
        assert set(kept["policy"]) == {"current"}
        others = rejected.join(rows, on=tables.KEY).filter(pl.col("policy") != "current")
        assert set(others["reason"]) == {"another policy"}
        assert len(others) == len(rows.filter(pl.col("policy") != "current"))


def test_the_first_round_has_no_opponents(played: Path):
    assert not (played / "round-0001/games/seats.parquet").exists()


def test_metrics_have_games_wins_and_win_rates(played: Path):
    lines = [json.loads(line) for line in (played / "metrics.jsonl").read_text().splitlines()]
    counted: dict[str, list[float]] = {}
    for number, line in enumerate(lines, 1):
        seats = policies_by_game(played / f"round-{number:04d}/rollouts")
        judged = tables.read(played / f"round-{number:04d}/scored/games.parquet", tables.SCORED_GAMES)
        new: dict[str, list[int]] = {}
        for game, winner in judged.select("game_id", "winner").iter_rows():
            (opponent,) = set(seats[game].values()) - {"current"} or {None}
            if opponent:
                side = "civilians" if seats[game]["spy"] == opponent else "spy"
                entry = new.setdefault(opponent, [0, 0])
                entry[0], entry[1] = entry[0] + 1, entry[1] + (winner == side)
        for told in line["opponents"]:
            games, wins = new.pop(told["policy"], [0, 0])
            before = counted.get(told["policy"], [0.0, 0.0])
            counted[told["policy"]] = [0.9 * before[0] + games, 0.9 * before[1] + wins]
            after = (counted[told["policy"]][1] + 1) / (counted[told["policy"]][0] + 2)
            assert (told["games"], told["wins"]) == (games, wins)
            assert told["win_rate"] == pytest.approx(after, **EXACT)
        assert not new
    assert [told["policy"] for told in lines[-1]["opponents"]] == ["base", "round-0003", "round-0004"]


def test_checkpoints_are_kept_while_they_are_in_the_pool(played: Path):
    state = json.loads((played / "state.json").read_text())
    assert list(state["opponents"]) == ["base", "round-0004", "round-0005"]
    kept = {int(path.parent.name[-4:]) for path in played.glob("round-*/checkpoint")}
    others = {state["best"]["iteration"], int(state["switched"].split("/")[0][-4:])}
    assert kept == {4, 5, 6} | (others - {0})


def test_a_run_without_opponents_has_the_same_deal_and_no_trace_of_them(games: Path, tmp_path: Path):
    plain = [*RUN, "iterate.rounds=2", "iterate.opponents.share=0"]
    iterate.run(fake_recipe(*plain), tmp_path / "plain", games=games)
    iterate.run(fake_recipe(*RUN, "iterate.rounds=2"), tmp_path / "against", games=games)
    dealt = "round-0002/games/games.parquet"
    assert (tmp_path / "plain" / dealt).read_bytes() == (tmp_path / "against" / dealt).read_bytes()
    assert not list((tmp_path / "plain").rglob("seats.parquet"))
    assert "opponents" not in (tmp_path / "plain/metrics.jsonl").read_text()
    assert json.loads((tmp_path / "plain/state.json").read_text())["opponents"] == {}


def test_a_run_from_before_opponents_existed_continues(games: Path, tmp_path: Path):
    small = ["iterate.games=4", "train.total_updates=9"]
    iterate.run(fake_recipe(*small, "iterate.rounds=1"), tmp_path / "run", games=games)
    state = json.loads((tmp_path / "run/state.json").read_text())
    del state["opponents"]
    (tmp_path / "run/state.json").write_text(json.dumps(state))
    recipe = (tmp_path / "run/recipe.yaml").read_text()
    start = recipe.index("  opponents:\n")
    (tmp_path / "run/recipe.yaml").write_text(recipe[:start] + recipe[recipe.index("evaluate:\n") :])
    assert iterate.run(fake_recipe(*small, "iterate.rounds=2"), tmp_path / "run", games=games).counts["rounds"] == 2


def test_opponents_do_not_stay_in_memory(games: Path, tmp_path: Path):
    engine = FakeEngine()
    iterate.run(fake_recipe(*RUN, "iterate.rounds=3"), tmp_path / "run", games=games, engine=engine)
    assert engine.version("current")
    with pytest.raises(InputError, match=r"only \['current'\] are loaded"):
        engine.version("base")


KILLED = ["iterate.games=4", "iterate.rounds=4", "rollout.concurrent_games=2", "iterate.switching=cycle",
          "iterate.keep_checkpoints=1", "iterate.opponents.share=0.5", "iterate.opponents.every=1",
          "iterate.opponents.size=1", "iterate.opponents.weighting=prioritised"]  # fmt: skip


def test_a_kill_changes_neither_who_plays_nor_what_is_counted(games: Path, tmp_path: Path):
    whole = tmp_path / "whole/run"
    assert drive(NEVER, whole, games, KILLED) == 0
    step, expected = writes(whole) // 5, fingerprint(whole)
    assert any(name.endswith("seats.parquet") for name in expected)
    out = tmp_path / "killed/run"
    kills = 0
    while (code := drive(step, out, games, KILLED)) == -signal.SIGKILL:
        kills += 1
        assert kills < 30
    assert code == 0 and kills >= 3
    assert fingerprint(out) == expected


def recipe_of(*overrides: str) -> Recipe:
    return fake_recipe("iterate.opponents.share=0.5", *overrides)


def test_opponents_need_seats_of_the_current_policy():
    with pytest.raises(InputError, match=r"rollout.seats must be current in every role: leave rollout.seats out"):
        recipe_of("rollout.seats.spy=base")
    assert fake_recipe("rollout.seats.spy=base").iterate.opponents.share == 0


def test_full_weights_on_vllm_need_room_for_the_opponents(games: Path, tmp_path: Path):
    vllm = ["rollout.engine=vllm", "iterate.opponents.at_once=2"]
    with pytest.raises(InputError, match=r"set rollout.vllm.weights_at_once=3"):
        recipe_of(*vllm, "rollout.vllm.weights_at_once=2")
    recipe_of(*vllm, "rollout.vllm.weights_at_once=3")
    recipe_of(*vllm, "model.lora.rank=4")
    recipe_of("iterate.opponents.at_once=2")
    with pytest.raises(InputError, match=r"evaluations in the run .* set rollout.vllm.weights_at_once=2"):
        iterate.run(fake_recipe("rollout.engine=vllm", "evaluate.every=1"), tmp_path / "run", games=games)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("lora", [[], ["model.lora.rank=4", "model.lora.alpha=8"]], ids=["full", "lora"])
def test_the_real_engine_plays_earlier_checkpoints(tmp_path: Path, lora: list[str]):
    recipe = load("tiny", [*RUN, "iterate.rounds=4", "iterate.opponents.weighting=latest", "train.tokens_per_batch=2048",
                           "evaluate.every=0", *lora])  # fmt: skip
    games = write_games(tmp_path / "games", recipe, count=10, side=72)
    iterate.run(recipe, tmp_path / "run", games=games)
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [line["train"]["off_policy_rows"] for line in lines] == [0] * 4
    assert [{told["policy"] for told in line["opponents"] if told["games"]} for line in lines] == [
        set(), {"base"}, {"round-0001"}, {"round-0002"},
    ]  # fmt: skip
    state = read_state(tmp_path / "run")
    assert state is not None and list(state.opponents) == ["base", "round-0002", "round-0003"]
