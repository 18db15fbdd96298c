"""The `score` and `filter` sections: rewards, baselines, advantages, and which rows train."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, field_validator

from stages.core.recipe.base import Section
from stages.core.user_code import is_user_file


class Score(Section):
    """Constants in the equations, and choices where paper, code and literature differ."""

    beta: float = Field(0.1, description="Weight β of the zero-sum clue reward (eq. 1; paper and code: 0.1).")
    lambda_: float = Field(
        0.1, alias="lambda", description="Weight λ of the votes that a civilian receives (eq. 1; paper and code: 0.1)."
    )
    alpha: float = Field(0.95, ge=0, lt=1, description="Decay α of the role baselines (eq. 2; paper: 0.95, code: 0.9).")
    role_baselines: bool = Field(
        True,
        description="Subtract the role's baseline from clue rewards (RAE, eq. 2; Table 13 shows the effect of "
        "omitting it).",
    )
    baseline_phases: Literal["clue", "both"] = Field(
        "clue",
        description="Rounds that update the baselines. clue: only rounds that train clues (algorithm 1). both: all "
        "rounds (code).",
    )
    baseline_games: int = Field(
        1,
        ge=1,
        description="Number of games, in game_id order, whose mean makes one baseline update (paper: 1; code: 8).",
    )
    baseline_subtracted: Literal["after", "before"] = Field(
        "after",
        description="When the baseline is subtracted. after: after its update (as printed). before: before its "
        "update, which is unbiased.",
    )
    rewards: str = Field(
        "paper",
        description="Where rewards come from. paper: eq. 1 and 4. released-code: votes earn 1.2 × eq. 4 + 0.3 × "
        "format + 0.99 if right. Or your own Python file next to the recipe, which vz runs (docs/doors).",
    )
    vote_right: float = Field(1.0, description="Reward of a vote for the spy (eq. 4).")
    vote_na: float = Field(-0.5, description="Reward of N/A (eq. 4).")
    vote_wrong: float = Field(-1.0, description="Reward of every other vote, including unreadable ones (eq. 4).")
    divide_by_std: bool = Field(
        True, description="Divide the advantages of a group of votes by their population standard deviation (eq. 5)."
    )
    abstention: Literal["reward", "chance", "neutral"] = Field(
        "reward",
        description="What N/A earns. reward: vote_na (eq. 4). chance: what a random vote earns on average, minus "
        "na_cost. neutral: nothing; N/A has no advantage and does not count in its group's mean and deviation.",
    )
    na_cost: float = Field(
        0.1, ge=0, description="With abstention: chance, how much less N/A earns than a random vote (vz: 0.1)."
    )
    clue_scale: Literal["none", "role"] = Field(
        "none",
        description="Scale of clue advantages. none: unchanged (eq. 2). role: divided by their standard deviation "
        "over the round's clues of the same role, since β makes them ten times smaller than those of votes, and "
        "smaller for civilians than for spies.",
    )
    votes_worth: int | None = Field(
        None,
        ge=1,
        description="Scale clue rewards (eq. 1) as if this many votes had been cast; for rounds with more votes "
        "(iterate.clue_votes). null: as cast.",
    )
    shuffle: bool = Field(
        False,
        description="Shuffle the advantages among the rows of their phase: a control, which must teach nothing.",
    )

    model_config = ConfigDict(populate_by_name=True)

    @field_validator("rewards")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in ("paper", "released-code") and not is_user_file(value):
            raise ValueError("must be paper, released-code or the path of a Python file (.py)")
        return value


class Filter(Section):
    """Which rows do not train. `rejected.parquet` lists them with the reason."""

    inactive_phase: Literal["drop", "anchor", "train"] = Field(
        "drop",
        description="Rows of the phase that does not train in this round. drop: none train (paper). anchor: some stay "
        "as anchors, which hold that phase in place with a KL term alone (train.anchor_kl). train: all train (what "
        "the code does).",
    )
    anchor_rows: int = Field(1, ge=1, description="With inactive_phase: anchor, number of rows kept per game (vz: 1).")
    no_variance: Literal["keep", "drop", "renormalise"] = Field(
        "keep",
        description="Groups of votes with equal rewards; their advantage is 0, so only their KL term trains. keep: "
        "they train (paper and code). drop: they do not train; the policy term stays a mean over all votes, so "
        "train.kl keeps its weight. renormalise: as if these votes did not exist; the policy term is a mean over the "
        "others, so train.kl weighs less the better the policy votes (DAPO; recipe tiny).",
    )
    truncated: bool = Field(False, description="Drop truncated answers. false: they train with their reward (code).")
    unreadable: bool = Field(
        False, description="Drop unreadable clues and votes. false: they train with their reward (code)."
    )
    min_abs_advantage: float = Field(
        0.0,
        ge=0,
        description="Drop rows whose advantage is closer to 0 than this; they still count in the mean of the policy "
        "term. 0: drop none.",
    )
