"""The `score` and `filter` sections: rewards, baselines, advantages, and which rows train."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, field_validator

from stages.core.recipe.base import Section
from stages.core.user_code import is_user_file


class Score(Section):
    """The equations' constants, and the points where paper, code and literature differ."""

    beta: float = Field(0.1, description="Weight β of the zero-sum clue reward (eq. 1; paper and code: 0.1).")
    lambda_: float = Field(0.1, alias="lambda", description="Weight λ of a civilian's own votes (eq. 1; 0.1).")
    alpha: float = Field(0.95, ge=0, lt=1, description="Memory α of the role baselines (eq. 2; paper 0.95, code 0.9).")
    role_baselines: bool = Field(True, description="Subtract the role's baseline (RAE, eq. 2; Table 13 has it off).")
    baseline_phases: Literal["clue", "both"] = Field(
        "clue", description="Iterations that move the baselines: clue only (algorithm 1), or both (released code)."
    )
    baseline_games: int = Field(
        1, ge=1, description="Games averaged into one baseline update, in game_id order (paper 1; released code 8)."
    )
    baseline_subtracted: Literal["after", "before"] = Field(
        "after", description="Subtract the baseline after its update (as printed) or before (unbiased)."
    )
    rewards: str = Field(
        "paper",
        description="Where rewards come from: paper (eq. 1 and 4); released-code (votes earn 1.2 × eq. 4 + 0.3 × "
        "format + 0.99 when right); or a Python file of yours beside the recipe, which vz runs (docs/doors).",
    )
    vote_right: float = Field(1.0, description="Reward of a vote for the spy (eq. 4).")
    vote_na: float = Field(-0.5, description="Reward of N/A (eq. 4).")
    vote_wrong: float = Field(-1.0, description="Reward of any other vote, unreadable ones too (eq. 4).")
    divide_by_std: bool = Field(True, description="Divide a group's advantages by its population std (eq. 5).")
    abstention: Literal["reward", "chance", "neutral"] = Field(
        "reward",
        description="N/A earns vote_na (eq. 4); or what a vote at random earns on average, less na_cost; or counts for "
        "nothing: no advantage, and left out of its group's mean and std.",
    )
    na_cost: float = Field(
        0.1, ge=0, description="With abstention: chance, how much less than a random vote N/A earns."
    )
    clue_scale: Literal["none", "role"] = Field(
        "none",
        description="Clue advantages as they are (eq. 2), or divided by their standard deviation over the round's "
        "clues of the same role: β makes them ten times smaller than votes', and civilians' smaller than spies'.",
    )
    votes_worth: int | None = Field(
        None,
        ge=1,
        description="Clue rewards (eq. 1) as if this many votes had been cast, each vote counting a share; null: as "
        "cast. For rounds with more votes than train, see iterate.clue_votes.",
    )
    shuffle: bool = Field(
        False,
        description="A control: advantages are dealt out at random among the rows of their phase. Must teach nothing.",
    )

    model_config = ConfigDict(populate_by_name=True)

    @field_validator("rewards")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in ("paper", "released-code") and not is_user_file(value):
            raise ValueError("must be paper, released-code or the path of a Python file (.py)")
        return value


class Filter(Section):
    """What is kept out of training, each with a reason in `rejected.parquet`."""

    inactive_phase: Literal["drop", "anchor", "train"] = Field(
        "drop",
        description="Rows of the phase that does not train now: none is kept (paper); some are, as anchors that hold "
        "that phase by a KL term alone (train.anchor_kl); all train too.",
    )
    anchor_rows: int = Field(1, ge=1, description="With inactive_phase: anchor, the rows a game that are kept.")
    no_variance: Literal["keep", "drop", "renormalise"] = Field(
        "keep",
        description="Groups of votes whose rewards are all equal have advantage 0 and carry the KL term alone. keep: "
        "they train (paper and code). drop: they do not; the policy term stays a mean over all votes, so that "
        "train.kl keeps its weight. renormalise: as if these votes did not exist; the policy term is a mean over "
        "the others, so train.kl weighs less the better the policy votes (vz's tiny recipe; DAPO).",
    )
    truncated: bool = Field(False, description="Drop truncated answers. Off: their reward of −1 is the penalty.")
    unreadable: bool = Field(
        False, description="Drop unreadable clues and votes. Off: their reward of −1 is the penalty."
    )
    min_abs_advantage: float = Field(
        0.0,
        ge=0,
        description="Drop rows with a smaller |advantage|; the policy term stays a mean over them too. 0 drops none.",
    )
