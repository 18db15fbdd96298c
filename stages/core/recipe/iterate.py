"""The `iterate` section: the rounds of Iterative-SPO."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stages.core.recipe.alarms import Alarms
from stages.core.recipe.base import RuntimeField, Section
from stages.core.recipe.guard import Guard
from stages.core.recipe.opponents import Opponents


class Iterate(Section):
    """Which phase trains in each round (eq. 7–10, algorithm 1), and what a run keeps."""

    rounds: int = RuntimeField(
        100, ge=1, description="Number of rounds; each plays, scores, filters and trains once (paper: 100)."
    )
    games: int = Field(128, ge=1, description="Games per round (our reading of the paper's batch size: 128).")
    plays_per_game: int = Field(1, ge=1, description="Number of times each deal is played in a round (code: 8).")
    clue_votes: int | None = Field(
        None,
        ge=2,
        description="Number of analyst votes in rounds that train clues. There, votes only measure the clues, and "
        "more votes mean less noise in eq. 1. Set score.votes_worth to keep the size of rewards. null: game.votes "
        "(paper).",
    )
    switching: Literal["adaptive", "cycle", "clue", "decision"] = Field(
        "adaptive",
        description="How vz chooses the phase to train. adaptive: by the thresholds of eq. 10. cycle: in a fixed "
        "cycle (code). clue, decision: always the same phase (Figure 8).",
    )
    cycle_length: int = Field(1, ge=1, description="With switching: cycle, rounds per phase (code: 1).")
    start: Literal["decision", "clue"] = Field(
        "decision", description="Phase that trains first (algorithm 1: decision)."
    )
    rho: float = Field(
        0.95, ge=0, lt=1, description="Decay ρ of the moving averages, which start at 0 (eq. 8–9; paper: 0.95)."
    )
    acc_high: float = Field(
        0.9,
        ge=0,
        le=1,
        description="τ_acc↑: decision → clue if the average accuracy is at least this (eq. 10; paper: 0.9) …",
    )
    na_low: float = Field(
        0.1, ge=0, le=1, description="τ_na↓: … and the average share of N/A is at most this (eq. 10; paper: 0.1)."
    )
    err_high: float = Field(
        0.4,
        ge=0,
        le=1,
        description="τ_err↑: clue → decision if 1 − average accuracy is at least this (eq. 10; paper: 0.4) …",
    )
    na_high: float = Field(
        0.5, ge=0, le=1, description="τ_na↑: … or the average share of N/A is at least this (eq. 10; paper: 0.5)."
    )
    dwell: int = Field(5, ge=1, description="K_min: minimum rounds in a phase before it may change (paper: 5).")
    patience: int | None = Field(
        20, ge=1, description="P: rounds in a phase after which it always changes (paper: 20). null: never."
    )
    signal: Literal["batch", "heldout"] = Field(
        "batch",
        description="Games whose accuracy and share of N/A decide the phase. batch: the round's games (algorithm 1). "
        "heldout: separate games on pairs of split dev (the paper's text).",
    )
    signal_games: int = Field(
        32, ge=1, description="With signal: heldout, number of separate games per round (vz: 32)."
    )
    preflight: int = RuntimeField(
        8,
        ge=0,
        description="Number of games played before round 1, to check that answers are readable and to estimate the "
        "run's cost (vz: 8). 0: none.",
    )
    save_every: int = RuntimeField(
        1,
        ge=1,
        description="Rounds between saves of the training state and the full-weight checkpoint (vz: 1). A kill loses "
        "at most the training since the last save; vz repeats it on the stored rows and never replays games. vz "
        "always saves the last round, and rounds whose policy is needed later.",
    )
    play_ahead: bool = Field(
        False,
        description="Play the next round's games while this round trains, with the weights from before that training: "
        "one step off-policy (paper and code: false). Engine and trainer need a device each.",
    )
    keep_checkpoints: int = RuntimeField(
        2, ge=1, description="Number of latest checkpoints to keep (vz: 2). Older ones are deleted …"
    )
    keep_every: int = RuntimeField(
        0, ge=0, description="… except the best one, and one every this many rounds. 0: only the best."
    )
    callbacks: tuple[str, ...] = RuntimeField(
        (),
        description="Your own Python files next to the recipe, which vz runs: their function after_round gets the "
        "metrics and some games of each finished round (docs/doors/callbacks.md).",
    )
    guard: Guard = Field(
        default_factory=Guard, description="Held-out questions that show which skills self-play costs."
    )
    alarms: Alarms = Field(default_factory=Alarms, description="What a run watches, and how it reacts.")
    opponents: Opponents = Field(
        default_factory=Opponents, description="Earlier checkpoints that the current policy plays against."
    )
