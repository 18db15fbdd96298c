"""Show the pairs of a folder, on a page or on a picture."""

from __future__ import annotations

from pathlib import Path

from stages.core.errors import InputError
from stages.core.folder.artifact import Report
from stages.inspect import contact_sheet, gallery
from stages.inspect.pairs import choose, games_folder

IN_GALLERY, ON_SHEET = 200, 40  # pairs by default


def show(folder: Path, out: Path, *, sheet: bool = False, limit: int | None = None, pairs: str | None = None) -> Report:
    """Write the pairs behind any output folder to `out`: as an HTML page, or as one picture (`sheet`).

    `pairs` are ids with commas between them; without them up to `limit` pairs, spread evenly over the folder.
    """
    games, out = games_folder(folder), out.resolve()
    if games in out.parents:  # another file there would make it another input to all that has read it
        raise InputError(f"{out}: is inside the games folder, which must stay as it is; choose another place")
    if not sheet:
        return gallery.make(choose(games, limit or IN_GALLERY, pairs), out)
    chosen = choose(games, limit or ON_SHEET, pairs)
    if len(chosen.rows) > contact_sheet.MOST:
        raise InputError(
            f"a contact sheet holds at most {contact_sheet.MOST} pairs; use --gallery, or a smaller --limit"
        )
    return contact_sheet.make(chosen, out)
