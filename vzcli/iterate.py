"""vz iterate"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from vzcli import options as opt

_COLUMNS = (
    "round",
    "phase",
    "acc",
    "N/A",
    "votes right",
    "r spy",
    "r civ",
    "r vote",
    "loss",
    "KL",
    "grad",
    "rows",
    "tok/s",
)

_METRICS = (
    "iteration", "phase", "acc", "na", "vote_accuracy", "reward_spy", "reward_civilian", "reward_decision",
)  # fmt: skip


def command(
    rounds: Annotated[
        int | None, typer.Option("--rounds", "-n", help="Rounds in all (recipe: iterate.rounds).")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The run's folder; runs/<recipe> if not given.", show_default=False),
    ] = None,
    games: Annotated[
        Path | None, typer.Option("--games", help="A folder of vz make-games; made in the run if not given.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The policy to start from (recipe: model.path).")
    ] = None,
    recipe: opt.RecipeName = "tiny",
    overrides: opt.Overrides = None,
    seed: opt.Seed = None,
    overwrite: opt.Overwrite = False,
    new_prompts: Annotated[
        bool, typer.Option("--new-prompts", help="Continue with prompts edited since the run began.")
    ] = False,
    as_json: opt.AsJson = False,
    dry_run: opt.DryRun = False,
) -> None:
    """Play, score, filter and train, round after round. A killed run goes on by the same command."""
    from stages import iterate

    folder = out or Path("runs") / Path(recipe).stem
    extra = ([] if rounds is None else [f"iterate.rounds={rounds}"]) + (
        [] if model is None else [f"model.path={model}"]
    )
    loaded = opt.load_recipe(recipe, [*(overrides or []), *extra], seed)
    opt.run_stage(
        lambda: iterate.run(
            loaded,
            folder,
            games=games,
            on_preflight=None if as_json else lambda report: opt.print_preflight(report, loaded),
            on_round=None if as_json else _RoundTable(loaded.iterate.rounds),
            overwrite=overwrite,
            new_prompts=new_prompts,
        ),
        recipe=loaded,
        sections=tuple(type(loaded).model_fields),
        reads={"games": games, "model": loaded.model.path},
        out=folder,
        as_json=as_json,
        dry_run=dry_run,
    )
    if not as_json and not dry_run:
        latest = max(folder.glob("round-*"))
        print(f"\nlook next:  vz inspect {folder}   ·   vz inspect {latest}/scored --game 1")


class _RoundTable:
    """Prints a line a round, the head before the first, and after it what the rest will take."""

    def __init__(self, rounds: int) -> None:
        self._rounds, self._begun = rounds, False

    def __call__(self, metrics: dict[str, Any], timings: dict[str, Any]) -> None:
        if not self._begun:
            self._print(_COLUMNS)
        self._print_round(metrics, timings)
        if not self._begun:
            self._tell_ahead(metrics["iteration"], timings["seconds"])
        self._begun = True

    def _print_round(self, metrics: dict[str, Any], timings: dict[str, Any]) -> None:
        train = metrics["train"]
        figures = [metrics[name] for name in _METRICS] + [train[name] for name in ("loss", "kl", "grad_norm")]
        self._print([_short(value) for value in (*figures, metrics["kept"], timings["tokens_per_second"])])

    def _tell_ahead(self, number: int, steps: dict[str, float]) -> None:
        """On stderr, since it is no row of the table."""
        took, left = sum(steps.values()), self._rounds - number
        if left:
            slowest = ", ".join(f"{step} {seconds:.0f} s" for step, seconds in steps.items() if seconds >= took / 10)
            told = f"round {number} took {took:.0f} s ({slowest}); {left} more like it: "
            print(f"{told}{timedelta(seconds=round(left * took))}, evaluations not counted", file=sys.stderr)

    def _print(self, cells: Sequence[str]) -> None:
        print("  ".join(f"{cell:>{_width(name)}}" for name, cell in zip(_COLUMNS, cells, strict=True)), flush=True)


def _width(name: str) -> int:
    return max(len(name), 8 if name == "phase" else 6)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3f}"
    return "–" if value is None else str(value)
