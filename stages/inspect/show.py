"""Shows the pairs of a folder, as a page or a picture."""

from __future__ import annotations

from pathlib import Path

from stages.core.errors import InputError
from stages.core.folder.artifact import Report
from stages.inspect import contact_sheet, gallery
from stages.inspect.pairs import choose, games_folder

IN_GALLERY, ON_SHEET = 200, 40  # default number of pairs


def show(folder: Path, out: Path, *, sheet: bool = False, limit: int | None = None, pairs: str | None = None) -> Report:
    """Write the pairs behind any output folder to `out`, as an HTML page, or as one picture (`sheet`).

    `pairs` are ids separated by commas; without them, shows up to `limit` pairs, spread evenly over the folder.
    """
    games, out = games_folder(folder), out.resolve()
    if games in out.parents:  # a new file there would change the input of everything that has read it
        raise InputError(f"{out}: is inside the games folder, which must not change; choose another place")
    if not sheet:
        return gallery.make(choose(games, limit or IN_GALLERY, pairs), out)
    chosen = choose(games, limit or ON_SHEET, pairs)
    if len(chosen.rows) > contact_sheet.MOST:
        raise InputError(
            f"a contact sheet holds at most {contact_sheet.MOST} pairs; use --gallery, or a smaller --limit"
        )
    return contact_sheet.make(chosen, out)
