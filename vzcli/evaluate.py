"""vz evaluate"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vzcli import options as opt

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from stages.core.folder.artifact import Report
    from stages.core.recipe import Recipe


def command(
    games: Annotated[Path, typer.Argument(help="The games folder, made by vz make-games.")] = Path("games"),
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")] = Path("evaluation"),
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The policy to evaluate (recipe: model.path).")
    ] = None,
    opponent: Annotated[
        str | None, typer.Option("--opponent", help="The policy it plays against (recipe: evaluate.opponent).")
    ] = None,
    judge: Annotated[
        str | None, typer.Option("--judge", help="A model that judges clues (recipe: evaluate.judge).")
    ] = None,
    transcripts: Annotated[
        Path | None,
        typer.Option(
            "--transcripts", help="Let both policies vote on these rollouts, instead of on new games of the opponent."
        ),
    ] = None,
    split: Annotated[str | None, typer.Option("--split", help="The pairs to play: test, dev or train.")] = None,
    number: Annotated[
        int | None, typer.Option("--number", "-n", help="Total number of games (recipe: evaluate.games).")
    ] = None,
    cross_play: Annotated[
        Path | None,
        typer.Option(
            "--cross-play", help="Play the base and all kept checkpoints of this run against each other instead."
        ),
    ] = None,
    recipe: opt.RecipeName = "tiny",
    overrides: opt.Overrides = None,
    seed: opt.Seed = None,
    overwrite: opt.Overwrite = False,
    as_json: opt.AsJson = False,
    dry_run: opt.DryRun = False,
) -> None:
    """Evaluate a policy on held-out pictures: win rate, vote accuracy, truth of clues, and answers to questions."""
    from stages import evaluate
    from stages.core.errors import InputError

    if cross_play is not None and (model or opponent or judge or transcripts):
        raise InputError(
            "--cross-play takes its policies from the run: leave out --model, --opponent, --judge and --transcripts"
        )
    extra = {"evaluate.split": split, "evaluate.games": number, "evaluate.judge": judge}
    given = [f"{key}={value}" for key, value in extra.items() if value is not None]
    loaded = opt.load_recipe(recipe, [*(overrides or []), *given], seed, games)

    def run() -> Report:
        if cross_play is not None:
            return evaluate.cross_play(loaded, games, cross_play, out, overwrite=overwrite)
        return evaluate.run(
            loaded, games, out, model=model, opponent=opponent, transcripts=transcripts, overwrite=overwrite
        )

    reads = {"run": cross_play} if cross_play is not None else _policies(loaded, model, opponent)
    opt.run_stage(
        run,
        recipe=loaded,
        sections=("model", "game", "rollout", "evaluate"),
        reads={"games": games, "transcripts": transcripts, **reads},
        out=out,
        as_json=as_json,
        dry_run=dry_run,
        show=_show,
    )


def _policies(recipe: Recipe, model: str | None, opponent: str | None) -> dict[str, Any]:
    from stages.evaluate.judge import judge_place

    return {
        "model": model or recipe.model.path,
        "opponent": opponent or recipe.evaluate.opponent,
        "judge": judge_place(recipe),
    }


def _show(report: Report, screen: Console) -> None:
    """Print a line for each figure, with its interval."""
    from stages.core.pages.results import evaluation_verdict

    if "civilians_win" in report.counts:
        screen.print(_cross_play_table(report.counts))
        return
    for part, figures in report.counts.items():
        screen.print(f"\n{part}", style="bold")
        screen.print(_figures_table(figures))
    screen.print(f"\n{evaluation_verdict(report.counts)}")


def _figures_table(figures: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2))
    for name, value, interval in _lines(figures):
        table.add_row(name, opt.shown(value), f"{interval[0]:.3f} … {interval[1]:.3f}" if interval else "")
    return table


def _lines(figures: dict[str, Any], prefix: str = "") -> list[tuple[str, Any, list[float] | None]]:
    lines: list[tuple[str, Any, list[float] | None]] = []
    for name, value in figures.items():
        if isinstance(value, dict):
            lines += _lines(value, f"{prefix}{name.replace('_', ' ')}: ")
        elif not name.endswith("_interval"):
            lines.append((prefix + opt.label(name), value, figures.get(f"{name}_interval")))
    return lines


def _cross_play_table(counts: dict[str, Any]) -> Table:
    """Rows: the civilians' policy; columns: the spy's policy; cells: the share of games that the civilians won."""
    from rich.table import Table

    names = list(counts["elo"])
    table = Table("civilians ╲ spy", *names, "Elo", box=None, padding=(0, 1))
    for name in names:
        cells = (counts["civilians_win"][name].get(other) for other in names)
        table.add_row(name, *(opt.shown(cell) for cell in cells), f"{counts['elo'][name]:+.0f}")
    return table
