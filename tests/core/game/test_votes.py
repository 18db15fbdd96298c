"""The vote reader on answers as models write them (`answers.py`), and on seats above 9."""

import pytest

from stages.core.game.readers import read_vote
from stages.core.game.thinking import USUAL_TAGS, read_answer
from stages.core.game.votes import Vote
from tests.core.game import answers

PLAYERS = 4


def read(text: str, truncated: bool = False) -> Vote:
    """The vote as the game reads it: private thoughts apart."""
    return read_vote(read_answer(text, USUAL_TAGS).said, PLAYERS, truncated)


@pytest.mark.parametrize(("seat", "text"), answers.SEATS)
def test_an_answer_that_names_one_seat_is_a_vote_for_it(seat: int, text: str):
    assert read(text) == Vote("seat", seat)


@pytest.mark.parametrize("text", answers.LATER_SEATS)
def test_other_phrasings_and_languages_are_read_too(text: str):
    assert read(text) == Vote("seat", 3)


@pytest.mark.parametrize("text", answers.ABSTENTIONS + answers.LATER_ABSTENTIONS)
def test_an_answer_that_abstains_is_no_vote_for_a_seat(text: str):
    assert read(text) == Vote("na")


@pytest.mark.parametrize("text", answers.UNCLEAR + answers.LATER_UNCLEAR)
def test_an_unclear_answer_is_unreadable(text: str):
    assert read(text) == Vote("unreadable")


@pytest.mark.parametrize(("expected", "text"), answers.CUT_OFF)
def test_an_answer_that_was_cut_off_counts_only_if_it_ends_with_its_box(expected: str, text: str):
    vote = read(text, truncated=True)
    assert str(vote.seat or vote.kind) == expected


@pytest.mark.parametrize("answer", ["12", "Player 12", "twelve", "Player twelve", "#12"])
def test_a_game_may_have_more_than_nine_players(answer: str):
    assert read_vote(f"\\boxed{{{answer}}}", 12) == Vote("seat", 12)
    assert read_vote(f"\\boxed{{{answer}}}", 11) == Vote("unreadable")


def test_every_seat_of_the_largest_game_can_be_named():
    for seat in range(1, 100):
        for answer in (f"{seat}", f"Player {seat} is the spy"):
            assert read_vote(f"\\boxed{{{answer}}}", 99) == Vote("seat", seat)
