"""From a run's folder to its page."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment

from stages.core import pages
from stages.core.errors import require
from stages.core.folder.artifact import Report
from stages.report.curves import figure
from stages.report.figures import evaluation_charts, round_charts, time_charts
from stages.report.replay import read_replays
from stages.report.run_files import RunFiles, read_run

PAGE, COMMAND = "report.html", "vz report"
TEMPLATES = Path(__file__).parent / "template"
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


def run(run: Path, out: Path | None = None, *, games: int = 3) -> Report:
    """Write the page of the run `run` to `out` (default: `report.html` in it), with a replay of `games` games.

    An unchanged run gives the same bytes. Raises `InputError` when `run` is not a run, has no finished round or has
    lost a picture that the page shows, or when another program wrote the file at `out`.
    """
    require("vl_convert", "report")
    files = read_run(run)
    path = (out or files.folder / PAGE).resolve()
    pages.refuse_foreign(path, pages.mark_of(COMMAND), "--out")
    replays = read_replays(files, games)
    charts, evaluations = [*round_charts(files), *time_charts(files)], evaluation_charts(files)
    warnings = files.warnings()
    if len(replays) < games:
        reason = "the rollouts or scores of other rounds are gone, or no more were played"
        warnings.append(f"{files.folder}: the page shows {len(replays)} of {games} games; {reason}")
    values = {
        "name": files.folder.name,
        "facts": _facts(files),
        "charts": charts,
        "evaluations": evaluations,
        "columns": list(COLUMNS),
        "rounds": [[row.get(at) for at in COLUMNS.values()] for row in files.rounds],
        "replays": replays,
        "warnings": warnings,
    }
    text = pages.fill(templates(), "report.html.j2", values, command=COMMAND)
    counts = {
        "rounds": len(files.rounds),
        "curves": len(charts),
        "evaluation_curves": len(evaluations),
        "games": len(replays),
        "bytes": len(text.encode()),
    }
    return Report("report", path, pages.publish(path, text.encode()), counts, warnings, {})


@cache
def templates() -> Environment:
    return pages.environment(TEMPLATES, {"figure": figure, "signed": "{:+.2f}".format})


def _facts(run: RunFiles) -> dict[str, str]:
    """What the head of the page says about the run."""
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
    """The mean over the rounds that were timed, and where it goes."""
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
