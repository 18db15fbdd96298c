"""The `game` section: the rules of "Who is the spy?" that a run plays by."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stages.core.recipe.base import BY_CONTENT, Section


class Game(Section):
    """Players, clue rounds, voters and what the spy sees."""

    players: int = Field(5, ge=3, le=99, description="Seats, the one spy included. Paper: 4 civilians + 1 spy.")
    clue_rounds: int = Field(2, ge=1, le=9, description="Clues that every seat gives (R; paper and code: 2).")
    voters: Literal["analyst", "civilians"] = Field(
        "analyst",
        description="Who votes: one neutral analyst (the prompt in the paper's A.2.1; the code), or each civilian.",
    )
    votes: int = Field(8, ge=1, le=256, description="Votes sampled from the analyst (G; paper and code: 8).")
    votes_per_civilian: int = Field(
        1, ge=1, le=64, description="Votes sampled from each civilian, with voters: civilians."
    )
    spy_view: Literal["modified", "blank"] = Field(
        "modified",
        description="What the spy sees: the pair's modified picture (paper v1, its code) or a blank one (paper v2). "
        "The recipe that plays decides: games with modified pictures can be played either way. With blank, make-games "
        "makes no modified pictures.",
    )
    own_thoughts: bool = Field(True, description="A player sees its own earlier reasoning again (released code: yes).")
    own_thoughts_chars: int = Field(
        2000, ge=0, description="Length in characters to which own earlier reasoning is cut."
    )
    prompts: str = Field(
        "standard",
        json_schema_extra=BY_CONTENT,
        description="Prompt set: a name (standard, compact) or a folder of templates.",
    )
    clue_chars: int = Field(
        400, ge=20, description="Length in characters to which a clue is cut before others read it."
    )
