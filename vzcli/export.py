"""vz export"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vzcli import options as opt

if TYPE_CHECKING:
    from rich.console import Console

    from stages.core.folder.artifact import Report

Format = Literal["hf-dataset", "model"]


def command(
    source: Annotated[
        str, typer.Argument(help="A games folder. With --to model: a checkpoint, a run, or a hub name.")
    ] = "games",
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")] = Path("export"),
    to: Annotated[
        Format,
        typer.Option(
            "--to",
            help="The format. hf-dataset: Parquet files with the pictures inside. model: a model folder, with an "
            "adapter merged into its base. Both come with a card.",
        ),
    ] = "hf-dataset",
    license: Annotated[
        str | None,
        typer.Option(
            "--license",
            help="The license for the card, by its identifier on the hub: cc-by-4.0, mit, … (default for a model: the "
            "base's).",
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option("--base", help="The adapter's base, if it is not where the adapter says.")
    ] = None,
    results: Annotated[
        list[Path] | None,
        typer.Option(
            "--results",
            help="Output of vz evaluate or vz benchmark to show on the model's card. May be repeated.",
            show_default=False,
        ),
    ] = None,
    push: Annotated[
        str | None, typer.Option("--push", help="Upload the result to the Hugging Face hub as OWNER/NAME.")
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="With --push: make a new repository public. By default it is private.")
    ] = False,
    overwrite: opt.Overwrite = False,
    as_json: opt.AsJson = False,
    dry_run: opt.DryRun = False,
) -> None:
    """Export a checkpoint as a model, or pairs of pictures as a data set, ready for the Hugging Face hub."""
    from stages import export as stage
    from stages.core.errors import InputError
    from stages.export.hub import check_push
    from stages.export.hub import push as upload

    if to == "hf-dataset" and (base or results):
        raise InputError("--base and --results need --to model: a data set has neither")
    if public and push is None:
        raise InputError("--public needs --push: name the repository with --push OWNER/NAME")
    if dry_run:
        _plan(source, out, to, license, base, results or [], push, as_json)
        return
    if push is not None:
        check_push(push)  # before the work
    if to == "model":
        report = stage.export_model(source, out, base=base, results=results or (), license=license, overwrite=overwrite)
    else:
        report = stage.run(Path(source), out, license=license, overwrite=overwrite)
    page = upload(report.out, push, "model" if to == "model" else "dataset", public=public) if push else None

    def show(report: Report, screen: Console) -> None:
        screen.print(opt.facts_table(report.counts))
        kind = "" if to == "model" else " --repo-type dataset"
        command = f"hf upload OWNER/NAME {report.out} .{kind} --exclude manifest.json"
        screen.print(f"uploaded to {page}" if page else f"to upload it to the hub: {command}")

    opt.print_report(report, as_json, show)


def _plan(
    source: str,
    out: Path,
    to: Format,
    license: str | None,
    base: str | None,
    results: list[Path],
    push: str | None,
    as_json: bool,
) -> None:
    """Print what would be read, written and uploaded. For a model, list every file with its size in bytes."""
    from stages.export.model import CARD, find_source

    settings = {"to": to, "license": license, "push": push}
    if to == "hf-dataset":
        opt.print_plan(settings, {"games": Path(source)}, out, as_json)
        return
    found = find_source(source, base)
    reads = {"checkpoint": found.checkpoint, "base": found.base}
    reads |= {f"results {number}": folder for number, folder in enumerate(results, start=1)}
    files = {**found.files, CARD: "written at export"}
    opt.print_plan(settings, reads, out, as_json, {"files": files, "bytes": sum(found.files.values())})
