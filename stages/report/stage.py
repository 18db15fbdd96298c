"""From a run's folder to its page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup

from stages.core import pages
from stages.core.folder.artifact import Report
from stages.report.axis import short
from stages.report.figures import evaluation_charts, round_charts
from stages.report.page import COMMAND, render
from stages.report.replay import Replay, read_replays
from stages.report.run_files import RunFiles, at_path, read_run

PAGE = "report.html"
COLUMNS = {
    "round": "iteration", "phase": "phase", "acc": "acc", "N/A": "na", "votes right": "vote_accuracy",
    "r spy": "reward_spy", "r civ": "reward_civilian", "r vote": "reward_decision", "loss": "train.loss",
    "KL": "train.kl", "grad": "train.grad_norm", "entropy": "train.entropy", "trained": "kept",
    "tokens": "completion_tokens",
}  # fmt: skip


def run(run: Path, out: Path | None = None, *, games: int = 3) -> Report:
    """Write the page of the run `run` to `out` (default: `report.html` in it) with `games` games played again.

    Equal runs give equal bytes. Raises `InputError` when `run` is no run, has no finished round or has lost a picture
    that is to be shown, or when `out` is a file of something else.
    """
    files = read_run(run)
    path = (out or files.folder / PAGE).resolve()
    pages.refuse_foreign(path, COMMAND, "--out", PAGE)
    replays = read_replays(files, games)
    charts, evaluations = round_charts(files), evaluation_charts(files)
    warnings = [*files.warnings(), *_missing_games(files, replays, games)]
    text = render(_values(files, charts, evaluations, replays, warnings))
    status = pages.publish(path, text)
    counts = {
        "rounds": len(files.rounds),
        "curves": len(charts),
        "evaluation_curves": len(evaluations),
        "games": len(replays),
        "bytes": len(text.encode()),
    }
    return Report("report", path, status, counts, warnings, {})


def _values(
    run: RunFiles, charts: list[str], evaluations: list[str], replays: list[Replay], warnings: list[str]
) -> dict[str, Any]:
    return {
        "name": run.folder.name,
        "facts": _facts(run),
        "charts": [Markup(svg) for svg in charts],
        "evaluations": [Markup(svg) for svg in evaluations],
        "columns": list(COLUMNS),
        "rounds": [[at_path(row, at) for at in COLUMNS.values()] for row in run.rounds],
        "replays": replays,
        "warnings": warnings,
    }


def _facts(run: RunFiles) -> dict[str, str]:
    """What the head of the page says of the run."""
    done, state = run.state["iteration"], run.state
    phases = [row.get("phase") for row in run.rounds]
    named = [f"{phases.count(phase)} {phase}" for phase in dict.fromkeys(phases)]
    facts = {
        "start model": f"{run.setting('model.path')} ({run.base[:12]})",
        "rounds": f"{done} of {run.setting('iterate.rounds') or done}",
        "phases": f"{', '.join(named)}; next: {state.get('schedule', {}).get('phase', '–')}",
        "updates": str(state.get("updates", "–")),
        "seed": str(run.setting("seed")),
        "game": _game(run),
    }
    if state.get("best"):
        best = state["best"]
        made, right = int(best["iteration"]), best["vote_accuracy"]
        policy = f"after round {made}" if made else "at the start"
        facts["most votes right"] = f"{short(right)} in round {made + 1}, by the policy {policy}"
    return facts


def _game(run: RunFiles) -> str:
    players, clue_rounds, view = (run.setting(f"game.{name}") for name in ("players", "clue_rounds", "spy_view"))
    spy = "an empty picture" if view == "blank" else "another picture"
    voters = "an analyst votes" if run.setting("game.voters") == "analyst" else "civilians vote"
    return f"{players} players, {clue_rounds} clue rounds, {voters}; the spy sees {spy}"


def _missing_games(run: RunFiles, replays: list[Replay], wanted: int) -> list[str]:
    if len(replays) == wanted:
        return []
    what = f"{len(replays)} of the {wanted} games wanted" if replays else "no games"
    return [f"{run.folder}: {what} can be shown; the others' rollouts or scores are gone or there are no more"]
