"""vz make-games"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stages.core.printing.terminal import put
from vzcli import options as opt


def command(
    out: Annotated[Path, typer.Option("--out", "-o", help="The games folder to write.")] = Path("games"),
    scenes: Annotated[
        Path | None, typer.Option("--scenes", help="CLEVR scenes: a file (one scene or many) or a folder.")
    ] = None,
    tables: Annotated[
        Path | None, typer.Option("--tables", help="Tables to draw as charts: a CSV file or a folder of them.")
    ] = None,
    ready: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Ready-made pictures: a folder, a table (CSV, JSON, Parquet), a saved data set, or hf:OWNER/NAME.",
        ),
    ] = None,
    pairs: Annotated[int | None, typer.Option("--pairs", "-n", help="Number of pairs (recipe: games.pairs).")] = None,
    processes: Annotated[
        int | None, typer.Option("--processes", "-p", min=1, help="Number of render processes.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first bad scene, table or picture instead of skipping it.")
    ] = False,
    recipe: opt.RecipeName = "tiny",
    overrides: opt.Overrides = None,
    seed: opt.Seed = None,
    overwrite: opt.Overwrite = False,
    as_json: opt.AsJson = False,
    dry_run: opt.DryRun = False,
) -> None:
    """Make pairs of pictures that differ, and deal a game on each."""
    from stages import make_games

    extra = [] if pairs is None else [f"games.pairs={pairs}"]
    extra += ["games.strict=true"] if strict else []
    sources = make_games.Sources(scenes, tables, ready)
    loaded = opt.load_recipe(recipe, [*(overrides or []), *extra], seed)
    reads = {"scenes": scenes, "tables": tables, "pictures": ready}
    if dry_run:
        opt.print_plan(loaded.shown("games", "game"), reads, out, as_json, make_games.preview(loaded, sources))
        return
    opt.run_stage(
        lambda: make_games.run(loaded, out, sources=sources, overwrite=overwrite, processes=processes),
        recipe=loaded,
        sections=("games", "game"),
        reads=reads,
        out=out,
        as_json=as_json,
        dry_run=False,
    )
    if not as_json:
        same = f" --recipe {recipe}" if loaded.init_model.language_model else ""  # other models may see any pictures
        put(f"\nnext:  vz inspect {out} --gallery gallery.html   ·   vz iterate{same} --games {out}")
