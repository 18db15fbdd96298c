"""The `game` section: the rules of "Who is the spy?"."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stages.core.recipe.base import ContentField, Section


class Game(Section):
    """Players, clue rounds, voters, and what the spy sees."""

    players: int = Field(5, ge=3, le=99, description="Number of players, including the one spy (paper: 4 + 1).")
    clue_rounds: int = Field(2, ge=1, le=9, description="Clues that each player gives (R; paper and code: 2).")
    voters: Literal["analyst", "civilians"] = Field(
        "analyst",
        description="Who votes. analyst: one neutral prompt (as printed in the paper's A.2.1, and the code). "
        "civilians: each civilian (as in the paper's text).",
    )
    votes: int = Field(8, ge=1, le=256, description="Number of votes sampled from the analyst (G; paper and code: 8).")
    votes_per_civilian: int = Field(
        1, ge=1, le=64, description="With voters: civilians, number of votes sampled from each civilian (paper: one)."
    )
    spy_view: Literal["modified", "blank"] = Field(
        "modified",
        description="What the spy sees. modified: the pair's modified picture (paper v1 and code). blank: an empty "
        "picture (paper v2). The recipe used for playing decides; you can play games with modified pictures either "
        "way. With blank, make-games makes no modified pictures.",
    )
    own_thoughts: bool = Field(True, description="Show players their own earlier reasoning (code: yes).")
    own_thoughts_chars: int = Field(
        2000,
        ge=0,
        description="Longest own reasoning shown, in characters; the rest is cut, so that prompts have a bounded "
        "length (code: no limit).",
    )
    prompts: str = ContentField(
        "standard", description="Prompt set: standard, short, compact, or a folder with your own templates."
    )
    clue_chars: int = Field(
        400, ge=20, description="Longest clue shown to the other players, in characters; the rest is cut (vz: 400)."
    )
