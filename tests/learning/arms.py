"""What the learning proof compares: the tiny recipe, and the same with one thing changed."""

from __future__ import annotations

PROOF = ("iterative-spo", "shuffled")
"""The claim and its control: `make prove-learning`."""

ARMS: dict[str, tuple[str, ...]] = {
    "iterative-spo": (),
    "shuffled": ("score.shuffle=true",),
    "play ahead": ("iterate.play_ahead=true",),
    "pure decision": ("iterate.switching=decision",),
    "pure clue": ("iterate.switching=clue",),
    "no RAE": ("score.role_baselines=false",),
    "blank spy": ("game.spy_view=blank",),
    "group std": ("score.divide_by_std=true",),
    "no anchor": ("filter.inactive_phase=drop",),
    "3 players": ("game.players=3",),
    "5 players": ("game.players=5",),
    "1 clue round": ("game.clue_rounds=1",),
    "3 clue rounds": ("game.clue_rounds=3",),
}
"""Name → overrides of recipes/tiny.yaml. Every arm starts from the same model and has the same rounds and games, and
every arm is judged in the same games: those of the unchanged recipe."""

ABLATIONS = tuple(name for name in ARMS if name not in PROOF)
