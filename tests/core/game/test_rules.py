from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from stages.core.game.rules import deal, next_turns
from stages.core.recipe.game import Game


def game_of(players: int = 4, clue_rounds: int = 2, **rules: object):
    recipe = Game(players=players, clue_rounds=clue_rounds, **rules)
    return deal(["a"], 1, recipe, seed=1, iteration=1)[0], recipe


@given(players=st.integers(3, 12), clue_rounds=st.integers(1, 4), seed=st.integers(0, 99))
def test_players_speak_in_order_round_by_round_and_then_vote(players: int, clue_rounds: int, seed: int):
    rules = Game(players=players, clue_rounds=clue_rounds, votes=3)
    game = deal(["a", "b"], 1, rules, seed=seed, iteration=1)[0]
    spoken = []
    while (turns := next_turns(game, rules, len(spoken)))[0].phase == "clue":
        (turn,) = turns
        assert turn.index == len(spoken) and turn.samples == 1
        assert (turn.role == "spy") == (turn.player == game.spy)
        spoken.append((turn.clue_round, turn.player))
    assert spoken == [(r, p) for r in range(1, clue_rounds + 1) for p in range(1, players + 1)]
    assert [(turn.role, turn.player, turn.samples) for turn in turns] == [("analyst", None, 3)]


def test_civilians_vote_and_the_spy_does_not():
    game, rules = game_of(voters="civilians", votes_per_civilian=2)
    turns = next_turns(game, rules, said=2 * game.players)
    assert [turn.player for turn in turns] == game.civilians
    assert game.spy not in game.civilians
    assert [turn.index for turn in turns] == [8, 9, 10] and {turn.samples for turn in turns} == {2}


def test_a_deal_depends_on_seed_and_iteration_only():
    rules = Game()
    assert deal(["a", "b", "c"], 9, rules, seed=1, iteration=2) == deal(["c", "a", "b"], 9, rules, seed=1, iteration=2)
    assert deal(["a", "b"], 9, rules, seed=1, iteration=2) != deal(["a", "b"], 9, rules, seed=1, iteration=3)


def test_every_pair_is_played_before_one_is_played_again():
    games = deal([str(number) for number in range(7)], 14, Game(), seed=1, iteration=1)
    assert set(Counter(game.pair_id for game in games).values()) == {2}
    assert len({game.game_id for game in games}) == 14


def test_the_spy_may_have_any_seat():
    seats = Counter(game.spy for game in deal(["a"], 4000, Game(players=4), seed=1, iteration=1))
    assert set(seats) == {1, 2, 3, 4} and min(seats.values()) > 850


def test_plays_of_one_deal_share_pair_and_spy():
    games = deal(["a", "b", "c"], 8, Game(), seed=1, iteration=1, plays=4)
    assert len({(game.pair_id, game.spy) for game in games[:4]}) == 1
    assert len({game.seed for game in games}) == 8
