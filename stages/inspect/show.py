"""Showing the pairs of a folder: a gallery, a contact sheet, or both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.folder.artifact import Report
from stages.inspect import contact_sheet, gallery
from stages.inspect.pairs import Chosen, choose, games_folder, named_in

IN_GALLERY, ON_SHEET = 200, 40  # pairs, if nobody says how many


def show(
    folder: Path,
    *,
    page: Path | None = None,
    sheet: Path | None = None,
    limit: int | None = None,
    pairs: str | None = None,
) -> Report:
    """Write the gallery `page` and the contact `sheet` of the pairs behind any output folder.

    `limit`: pairs of each, spread evenly over the folder; or `pairs`: their ids, with commas between them.
    """
    games = games_folder(folder)
    for out, option in ((page, "--gallery"), (sheet, "--contact-sheet")):
        if out is not None:
            _refuse_inside(out, games, option)
    ids = [] if pairs is None else named_in(games, pairs)
    reports = {}
    if page is not None:
        reports["gallery"] = _made(gallery.make, choose(games, limit or IN_GALLERY, ids), page)
    if sheet is not None:
        wanted = len(ids) or limit or ON_SHEET
        shown = choose(games, min(wanted, contact_sheet.MOST), ids[: contact_sheet.MOST])
        reports["contact_sheet"] = _made(contact_sheet.make, shown, sheet)
        if min(wanted, shown.total) > contact_sheet.MOST:
            reports["contact_sheet"].warnings.append(f"a contact sheet holds {contact_sheet.MOST} pairs, not {wanted}")
    return _together(reports)


def _made(make: Callable[[Chosen, Path], Report], chosen: Chosen, out: Path) -> Report:
    return make(chosen, out.resolve())


def _together(reports: dict[str, Report]) -> Report:
    """One report of all that was written; its counts are by what it is."""
    first = next(iter(reports.values()))
    status = "done" if any(report.status == "done" for report in reports.values()) else "up to date"
    counts: dict[str, Any] = {
        name: {"file": str(report.out), **report.counts} if report is not first else report.counts
        for name, report in reports.items()
    }
    warnings = list(dict.fromkeys(warning for report in reports.values() for warning in report.warnings))
    return Report("inspect", first.out, status, counts, warnings, {})


def _refuse_inside(out: Path, games: Path, option: str) -> None:
    """A file more in the games folder would make it another input to every stage that has read it."""
    if games in out.resolve().parents:
        raise InputError(f"{out}: lies in the games folder, which would no longer be the same; choose another {option}")
