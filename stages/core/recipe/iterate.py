"""The `iterate` section: Iterative-SPO's rounds."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stages.core.recipe.base import RuntimeField, Section
from stages.core.recipe.opponents import Opponents


class Iterate(Section):
    """Which phase trains when (eq. 7–10, algorithm 1), and what a run keeps."""

    rounds: int = RuntimeField(100, ge=1, description="Iterations of play, score, filter, train (paper: 100).")
    games: int = Field(128, ge=1, description="Games an iteration (our reading of the paper's batch size 128).")
    plays_per_game: int = Field(1, ge=1, description="Plays of each deal (released code: 8).")
    clue_votes: int | None = Field(
        None,
        ge=2,
        description="Votes of the analyst in clue rounds, where they only measure the clues: more votes, less noise in "
        "eq. 1 (set score.votes_worth to keep its size); null: game.votes, as in every round (paper: 8).",
    )
    switching: Literal["adaptive", "cycle", "clue", "decision"] = Field(
        "adaptive", description="Thresholds of eq. 10; a fixed cycle (released code); pure clue; pure decision."
    )
    cycle_length: int = Field(1, ge=1, description="Rounds a phase lasts with switching: cycle (released code: 1).")
    start: Literal["decision", "clue"] = Field("decision", description="First phase (algorithm 1: decision).")
    rho: float = Field(0.95, ge=0, lt=1, description="Memory ρ of the EMAs, which start at 0 (eq. 8–9; 0.95).")
    acc_high: float = Field(0.9, ge=0, le=1, description="τ_acc↑: decision → clue when the accuracy EMA reaches it …")
    na_low: float = Field(0.1, ge=0, le=1, description="τ_na↓: … and the N/A EMA is at most this.")
    err_high: float = Field(0.4, ge=0, le=1, description="τ_err↑: clue → decision when 1 − accuracy EMA reaches it …")
    na_high: float = Field(0.5, ge=0, le=1, description="τ_na↑: … or the N/A EMA does.")
    dwell: int = Field(5, ge=1, description="K_min: least iterations in a phase before it may change (5).")
    patience: int | None = Field(
        20, ge=1, description="P: iterations in a phase after which it must change (20); null: never."
    )
    signal: Literal["batch", "heldout"] = Field(
        "batch", description="acc and na of the batch itself (algorithm 1) or of games on dev pairs (the text)."
    )
    signal_games: int = Field(32, ge=1, description="Games of the held-out signal, with signal: heldout.")
    preflight: int = RuntimeField(
        8,
        ge=0,
        description="Games played before round 1, to see that answers can be read and what the run costs; 0: none.",
    )
    keep_checkpoints: int = RuntimeField(2, ge=1, description="Latest checkpoints kept; older ones are pruned …")
    keep_every: int = RuntimeField(0, ge=0, description="… except every this many rounds (0: none) and the best one.")
    opponents: Opponents = Field(
        default_factory=Opponents, description="Earlier checkpoints that the current policy plays against."
    )
