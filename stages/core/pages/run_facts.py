"""Facts about a run for its pages: the header, and the table of rounds."""

from __future__ import annotations

from typing import Any

from stages.core.pages.curves import figure
from stages.core.pages.run_files import RunFiles

COLUMNS = {
    "round": "iteration",
    "phase": "phase",
    "spy found (acc)": "acc",
    "N/A": "na",
    "vote accuracy": "vote_accuracy",
    "spy reward": "reward_spy",
    "civilian reward": "reward_civilian",
    "vote reward": "reward_decision",
    "loss": "train.loss",
    "KL": "train.kl",
    "gradient norm": "train.grad_norm",
    "entropy": "train.entropy",
    "rows trained": "kept",
    "tokens": "completion_tokens",
}


def rows_of(run: RunFiles) -> list[list[Any]]:
    """A row for each round, with the values of COLUMNS."""
    return [[row.get(at) for at in COLUMNS.values()] for row in run.rounds]


def facts_of(run: RunFiles) -> dict[str, str]:
    """What a page's header says about the run."""
    done, phases = run.state["iteration"], [row.get("phase") for row in run.rounds]
    counted = [f"{phases.count(phase)} {phase}" for phase in dict.fromkeys(phases)]
    facts = {
        "base model": f"{run.recipe.get('model.path')} ({run.base[:12]})",
        "rounds": f"{done} of {run.recipe.get('iterate.rounds') or done}",
        "phases": f"{', '.join(counted)}; next: {run.state.get('schedule.phase', '–')}",
        "updates": str(run.state.get("updates", "–")),
        "seed": str(run.recipe.get("seed")),
        "players": str(run.recipe.get("game.players", "–")),
        "clue rounds": str(run.recipe.get("game.clue_rounds", "–")),
        "voters": "one analyst" if run.recipe.get("game.voters") == "analyst" else "the civilians",
        "the spy sees": "an empty picture" if run.recipe.get("game.spy_view") == "blank" else "the modified picture",
    }
    if time := _time_of_a_round(run):
        facts["time of a round"] = time
    if "best.iteration" in run.state:
        accuracy, made = figure(run.state["best.vote_accuracy"]), run.state["best.iteration"]
        facts["best vote accuracy"] = f"{accuracy} in round {made + 1}, by the policy of round {made}"
    return facts


def _time_of_a_round(run: RunFiles) -> str:
    """The mean time of a timed round, and how it is spent."""
    rows = [row for row in run.timings if row.get("breakdown.total")]
    if not rows:
        return ""
    names = dict.fromkeys(name for row in rows for name in row)
    mean = {name: sum(row.get(name) or 0.0 for row in rows) / len(rows) for name in names}
    total = mean["breakdown.total"]
    shares = ", ".join(
        f"{name} {mean[f'breakdown.{name}'] / total:.0%}" for name in ("engine", "optimizer", "overhead")
    )
    parts = sorted((name for name in mean if name.startswith("overhead.")), key=lambda name: -mean[name])[:3]
    named = ", ".join(f"{name.removeprefix('overhead.')} {mean[name]:.2f} s" for name in parts)
    return f"{total:.1f} s: {shares}" + (f" ({named})" if named else "")
