"""A ready pair: its pictures opened, compared, and written as PNG of one size."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from stages.core.errors import InputError, MissingExtra
from stages.core.folder.files import read_json, sha256_text
from stages.core.recipe import Recipe
from stages.core.recipe.games import Domain
from stages.make_games.pair import Made, Pair, Plan, Skipped, common
from stages.make_games.ready.comparing import likeness, same
from stages.make_games.ready.entry import Entry, Found, Stored
from stages.make_games.ready.groups import hashes_of, splits_of
from stages.make_games.ready.notes import read_comparison
from stages.make_games.ready.parquet import CellPicture
from stages.make_games.ready.pictures import Fault, Opened, open_picture
from stages.make_games.ready.rows import ID_OF_ROWS

# Correlation of two pictures' details (brightness at 64 × 64 less its blur, best of small shifts) below which they have
# nothing in common. Measured: edited photos 0.9, a quarter of a photo kept 0.26, 99 % of unrelated photos below 0.154.
MIN_LIKENESS = 0.15
UNKNOWN: Domain = "picture"
OF_NO_KIND = (
    "what these pictures show is unknown, so the prompts call them just pictures; add --set games.domain=photo, "
    "chart or clevr, or set games.domain=picture to silence this warning"
)


@dataclass(frozen=True)
class ReadyPair(Pair):
    """Pictures that exist already."""

    entry: Entry

    @property
    def batch(self) -> object:
        """Pairs of one row group are made together, since it is read as a whole."""
        cell = self.entry.original
        return (cell.file, cell.group) if isinstance(cell, CellPicture) else self.pair_id

    def make(self) -> Made | Skipped:
        """The pictures as PNG, or why `games.ready` drops the pair. Errors name the picture."""
        try:
            return self._made()
        except Fault as fault:
            if getattr(self.games.ready, fault.rule) == "error":
                remedy = (
                    f"leave such pairs out with --set games.ready.{fault.rule}=drop and go on; or mend it, and begin "
                    "again with --overwrite"
                )
                raise InputError(f"{fault.detail}; {remedy}") from fault
            return Skipped(fault.reason, fault.detail)

    def _made(self) -> Made:
        original = self._open(self.entry.original)
        if self.entry.modified is None:
            return Made(self._scaled(original).as_png(), None, scene=_parsed(self.entry.scene))
        modified, counts = self._fitting(original, self._open(self.entry.modified))
        pictures = self._scaled(original).as_png(), self._scaled(modified).as_png()
        note = self.entry.note
        if note is None:
            scenes = _parsed(self.entry.scene), _parsed(self.entry.modified_scene)
            return Made(*pictures, self.entry.changes, *scenes, counts)
        if not note.is_file():
            return Made(*pictures, counts={**counts, "without_note": 1})
        try:
            changes, scene, twin = read_comparison(read_json(note), note)
        except InputError as error:
            raise Fault("unusable", "broken note", str(error)) from error
        return Made(*pictures, changes, scene, twin, counts)

    def _open(self, stored: Stored) -> Opened:
        try:
            data = stored.read()
        except OSError as error:
            raise Fault(
                "unusable", "unreadable", f"{stored.name}: cannot be read ({error.strerror or error})"
            ) from error
        except MissingExtra:
            raise
        except InputError as error:
            raise Fault("unusable", "unreadable", str(error)) from error
        return open_picture(data, stored.name, self.games.ready)

    def _fitting(self, original: Opened, modified: Opened) -> tuple[Opened, dict[str, int]]:
        """The modified picture at the original's size, and how often a fault was let pass. `Fault` otherwise."""
        if self.entry.hashes == (_sha256(original), _sha256(modified)):
            return modified, {"as_vz_made_them": 1}  # found fit then, or spoilt on purpose
        rules, counts = self.games.ready, dict[str, int]()
        sizes = [f"{opened.image.width}x{opened.image.height}" for opened in (original, modified)]
        if sizes[0] != sizes[1]:
            self._let_pass(
                "sizes_differ", "resize", "sizes differ", f"is {sizes[0]}, its counterpart {sizes[1]}", counts
            )
            modified = modified.resized(*original.image.size)
        if same(original.image, modified.image, rules.identical_levels):
            self._let_pass("identical", "keep", "identical", "shows the same as its counterpart", counts)
        elif (found := likeness(original.image, modified.image)) < MIN_LIKENESS:
            told = f"has nothing in common with its counterpart (likeness {found:.2f} of {MIN_LIKENESS})"
            self._let_pass("unrelated", "keep", "nothing in common", told, counts)
        return modified, counts

    def _let_pass(self, rule: str, allowed: str, reason: str, told: str, counts: dict[str, int]) -> None:
        if getattr(self.games.ready, rule) != allowed:
            raise Fault(rule, reason, f"{self.entry.original.name}: {told}, {_name(self.entry.modified)}")
        counts[f"{rule}_{allowed}"] = 1

    def _scaled(self, opened: Opened) -> Opened:
        """At most `max_side`; both pictures of a pair have one size by now, hence one factor."""
        side, longer = self.games.ready.max_side, max(opened.image.size)
        if side is None or longer <= side:
            return opened
        return opened.resized(*(max(1, round(length * side / longer)) for length in opened.image.size))


def _parsed(scene: str | None) -> Any:
    return None if scene is None else json.loads(scene)


def _name(stored: Stored | None) -> str:
    return "" if stored is None else stored.name


def _sha256(opened: Opened) -> str:
    """Of the bytes that it came in, if they are kept."""
    return "" if opened.png is None else hashlib.sha256(opened.png).hexdigest()


def plan(recipe: Recipe, found: Found) -> Plan:
    """Pairs of what was found. `InputError` when two have the same name."""
    by_id: dict[str, Entry] = {}
    wanted, more = _taken(found.entries, recipe.games.pairs)
    for entry in wanted:
        if entry.pair_id in by_id:
            raise InputError(
                f"{entry.where}: the pair '{entry.pair_id}' is there already, at {by_id[entry.pair_id].where}; give "
                f"each pair a name of its own, or number the rows of a table by {ID_OF_ROWS}"
            )
        by_id[entry.pair_id] = entry
    entries = list(by_id.values())
    # A folder's own hash takes the pictures' sizes for what they hold, a manifest's knows nothing of them.
    hashes = {} if found.hashed else hashes_of(entries)
    splits = splits_of(entries, hashes, recipe)
    pairs = [_ready(recipe, entry, found.source, splits[entry.pair_id]) for entry in entries]
    settings = {} if found.hashed else {"pictures": sha256_text("\n".join(hashes.values()))}
    warnings = [OF_NO_KIND] if recipe.games.domain is None and any(pair.domain == UNKNOWN for pair in pairs) else []
    return Plan(pairs, {"pictures": found.input}, settings, ignored=found.ignored, more=more, warnings=warnings)


def _taken(offered: Iterator[Entry], limit: int) -> tuple[list[Entry], bool]:
    """The first so many, and whether there are more, whatever may be wrong with those."""
    taken = list(islice(offered, limit))
    try:
        return taken, next(offered, None) is not None
    except InputError:
        return taken, True


def _ready(recipe: Recipe, entry: Entry, source: str, split: str) -> ReadyPair:
    fields = common(recipe, entry.pair_id, source, entry.domain or entry.likely or UNKNOWN)
    return ReadyPair(**{**fields, "split": split}, entry=entry)
