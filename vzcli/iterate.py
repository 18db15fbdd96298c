"""vz iterate"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stages.core.printing.terminal import put, say
from vzcli import options as opt

if TYPE_CHECKING:
    from stages.core.folder.artifact import Report

# The columns of the printed table, and the figure that each one shows. "spy found" is a share of games.
COLUMNS = {
    "round": "iteration", "phase": "phase", "spy found": "acc", "N/A": "na", "vote accuracy": "vote_accuracy",
    "spy reward": "reward_spy", "civilian reward": "reward_civilian", "vote reward": "reward_decision",
    "loss": "loss", "KL": "kl", "grad norm": "grad_norm", "rows": "kept", "tokens/s": "tokens_per_second",
}  # fmt: skip


def command(
    rounds: Annotated[
        int | None, typer.Option("--rounds", "-n", help="Total number of rounds (recipe: iterate.rounds).")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The run's folder (default: runs/<recipe>).", show_default=False),
    ] = None,
    games: Annotated[
        Path | None,
        typer.Option("--games", help="A games folder, made by vz make-games. By default, the run makes its own games."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The policy to start from (recipe: model.path).")
    ] = None,
    recipe: opt.RecipeName = "tiny",
    overrides: opt.Overrides = None,
    seed: opt.Seed = None,
    overwrite: opt.Overwrite = False,
    new_prompts: Annotated[
        bool, typer.Option("--new-prompts", help="Continue even though the prompts have changed since the run began.")
    ] = False,
    as_json: opt.AsJson = False,
    dry_run: opt.DryRun = False,
) -> None:
    """Play, score, filter and train, round after round. Repeat the command to continue a run that was killed."""
    from stages import iterate, train

    folder = out or Path("runs") / Path(recipe).stem
    given = {"iterate.rounds": rounds, "model.path": model}
    extra = [f"{key}={value}" for key, value in given.items() if value is not None]
    loaded = opt.load_recipe(recipe, [*(overrides or []), *extra], seed, games)
    shown: list[str] = []  # warnings of the preflight, which the final report need not repeat

    def on_preflight(found: Report) -> None:
        opt.print_preflight(found, loaded)
        shown.extend(f"preflight: {warning}" for warning in found.warnings)

    def run() -> Report:
        report = iterate.run(
            loaded,
            folder,
            games=games,
            on_preflight=None if as_json else on_preflight,
            on_round=None if as_json else _RoundTable(loaded.iterate.rounds, folder),
            overwrite=overwrite,
            new_prompts=new_prompts,
        )
        return replace(report, warnings=[warning for warning in report.warnings if warning not in shown])

    opt.run_stage(
        run,
        recipe=loaded,
        sections=tuple(type(loaded).model_fields),
        reads={"games": games, "model": loaded.model.path},
        out=folder,
        as_json=as_json,
        dry_run=dry_run,
        estimate=lambda: train.estimate(loaded),
    )
    if not as_json and not dry_run:
        latest = max(folder.glob("round-*"))
        put(f"\nnext:  vz view {folder}   ·   vz inspect {folder}   ·   vz inspect {latest}/scored --game 1")


class _RoundTable:
    """Prints a header, a line for each round and, after the first round, how long the others will take."""

    def __init__(self, rounds: int, folder: Path) -> None:
        self._rounds, self._folder, self._printed = rounds, folder, 0

    def __call__(self, metrics: dict[str, Any], timings: dict[str, Any]) -> None:
        figures = {**metrics["train"], **metrics, **timings}
        if not self._printed:
            _print_row(COLUMNS)
        _print_row(_short(figures[name]) for name in COLUMNS.values())
        if not self._printed:
            self._print_forecast(metrics["iteration"], timings["seconds"])
        self._printed += 1

    def _print_forecast(self, number: int, steps: dict[str, float]) -> None:
        """Print it on stderr, because it is not a row of the table."""
        took, left = sum(steps.values()), self._rounds - number
        if left:
            slowest = ", ".join(f"{step} {seconds:.0f} s" for step, seconds in steps.items() if seconds >= took / 10)
            total = timedelta(seconds=round(left * took))
            say(f"round {number} took {took:.0f} s ({slowest}); the other {left} should take {total}, plus evaluations")
            say(f"vz view {self._folder} shows the run in your browser while it runs")


def _print_row(cells: Iterable[str]) -> None:
    widths = (max(len(name), 8 if name == "phase" else 6) for name in COLUMNS)
    put("  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)))


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3f}"
    return "–" if value is None else str(value)
