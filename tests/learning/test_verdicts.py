"""Verdicts are read from the reasons of a vote, and compared with the vote and with the spy."""

import polars as pl

from tests.learning.verdicts import shares


def test_votes_without_a_verdict_count_neither_as_right_nor_as_followed():
    said = [
        ("Player 1: the cube is missing, so player 1 is wrong. So player 1 is wrong.", 1),  # right and followed
        ("So player 1 is wrong.", 2),  # right
        ("So player 3 is wrong.", 3),  # followed
        ("So player 1 is wrong.", None),  # right, but abstains
        ("So players 1 and 2 are wrong.", 1),
    ]
    votes = pl.DataFrame({"completion": [text for text, _ in said], "vote": [vote for _, vote in said], "spy": 1})
    (row,) = shares(votes).rows(named=True)
    assert row == {"votes": 5, "right": 0.4, "with a verdict": 0.8, "verdict right": 0.75, "vote follows": 0.5}
