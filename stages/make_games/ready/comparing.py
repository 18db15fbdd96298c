"""A ready-made pair: opens its pictures, compares them, and writes them as PNG files of one size."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from stages.core.changes import Change
from stages.core.errors import InputError, MissingExtra
from stages.core.folder.files import read_json, sha256_text
from stages.core.recipe import Recipe
from stages.core.recipe.games import Domain
from stages.make_games.pair import LOOKS_THE_SAME, Made, Pair, Plan, Skipped, common
from stages.make_games.ready.entry import Bad, Entry, Found, Stored
from stages.make_games.ready.groups import hashes_of, splits_of
from stages.make_games.ready.pictures import Fault, Opened, likeness, open_picture, same
from stages.make_games.ready.tables import NUMBERED

# Two pictures have nothing in common if the correlation of their details (brightness at 64 × 64 minus its blur, the
# best of small shifts) is below this. Measured: edited photos 0.9, a quarter of a photo kept 0.26, 99 % of unrelated
# photos below 0.154.
MIN_LIKENESS = 0.15
UNSEEN = 12  # levels of 255; pictures whose channels differ by no more look the same to the eye
NOTED = ("shape", "size", "color", "material")  # what the published notes say about an object
UNKNOWN: Domain = "picture"
OF_NO_KIND = (
    "vz does not know what these pictures show, so the prompts just call them pictures; add --set games.domain=photo, "
    "chart or clevr, or set games.domain=picture to silence this warning"
)


@dataclass(frozen=True)
class ReadyPair(Pair):
    """A pair of ready-made pictures."""

    entry: Entry

    def make(self) -> Made | Skipped:
        """The pictures as PNG, or why they are unusable."""
        try:
            return self._made()
        except Fault as fault:
            return Skipped(fault.reason, str(fault))

    def _made(self) -> Made:
        entry = self.entry
        original = self._open(entry.original)
        made = Made(self._scaled(original), None, entry.changes, _parsed(entry.scene))
        if entry.modified is None:
            return replace(made, changes=())
        modified, counts = self._fitting(original, self._open(entry.modified))
        twin = _parsed(entry.modified_scene)
        made = replace(made, modified=self._scaled(modified), modified_scene=twin, counts=counts)
        if entry.note is None:
            return made
        if not entry.note.is_file():
            return replace(made, counts={**counts, "without_note": 1})
        try:
            changes, scene, twin = read_comparison(read_json(entry.note), entry.note)
        except InputError as error:
            raise Fault("broken note", str(error)) from error
        return replace(made, changes=changes, scene=scene, modified_scene=twin)

    def _open(self, stored: Stored) -> Opened:
        try:
            data = stored.read()
        except OSError as error:
            raise Fault("unreadable", f"{stored.name}: cannot be read ({error.strerror or error})") from error
        except MissingExtra:
            raise
        except InputError as error:
            raise Fault("unreadable", str(error)) from error
        return open_picture(data, stored.name, self.games.ready)

    def _fitting(self, original: Opened, modified: Opened) -> tuple[Opened, dict[str, int]]:
        """The modified picture at the original's size, and its counts. `Fault` if the two are not a pair."""
        if self.entry.hashes == (_sha256(original), _sha256(modified)):
            return modified, {"as_vz_made_them": 1}  # vz checked them then, or spoilt them on purpose
        rules, counts = self.games.ready, dict[str, int]()
        name, other = self.entry.original.name, self.entry.modified.name if self.entry.modified else ""
        if original.image.size != modified.image.size:
            sizes = [f"{opened.image.width}x{opened.image.height}" for opened in (original, modified)]
            if rules.sizes_differ == "drop":
                raise Fault("sizes differ", f"{name}: is {sizes[0]}, but its counterpart {other} is {sizes[1]}")
            modified = modified.resized(*original.image.size)
            counts["sizes_differ_resize"] = 1
        if same(original.image, modified.image, rules.identical_levels):
            if rules.identical == "drop":
                raise Fault("identical", f"{name}: shows the same as its counterpart {other}")
            counts["identical_keep"] = 1
        elif (found := likeness(original.image, modified.image)) < MIN_LIKENESS:
            if rules.unrelated == "drop":
                likely = f"likeness {found:.2f}, below {MIN_LIKENESS}"
                raise Fault(
                    "nothing in common", f"{name}: has nothing in common with its counterpart {other} ({likely})"
                )
            counts["unrelated_keep"] = 1
        elif same(original.image, modified.image, UNSEEN):
            counts[LOOKS_THE_SAME] = 1
        return modified, counts

    def _scaled(self, opened: Opened) -> bytes:
        """The picture as PNG, at most `max_side` long. Both pictures of a pair have one size here, so one factor."""
        side, longer = self.games.ready.max_side, max(opened.image.size)
        if side is None or longer <= side:
            return opened.as_png()
        return opened.resized(*(max(1, round(length * side / longer)) for length in opened.image.size)).as_png()


def plan(recipe: Recipe, found: Found) -> Plan:
    """The first `games.pairs` good pairs found. `InputError` if two have the same name."""
    entries: dict[str, Entry] = {}
    skipped: dict[str, Skipped] = {}
    for offer in found.offers:
        if isinstance(offer, Bad):
            skipped[offer.pair_id] = Skipped(offer.reason, offer.detail)
            continue
        if offer.pair_id in entries:
            raise InputError(
                f"{offer.where}: the pair '{offer.pair_id}' exists already, at {entries[offer.pair_id].where}; give "
                f"each pair a unique name, or number the rows of a table with {NUMBERED}"
            )
        entries[offer.pair_id] = offer
        if len(entries) == recipe.games.pairs:
            break
    # A folder's hash covers only the sizes of the pictures, not their content; a table's hash covers neither.
    hashes = {} if found.hashed else hashes_of(list(entries.values()))
    splits = splits_of(list(entries.values()), hashes, recipe)
    pairs = [
        ReadyPair(
            **common(recipe, name, found.source, entry.domain or entry.likely or UNKNOWN, splits[name]), entry=entry
        )
        for name, entry in entries.items()
    ]
    return Plan(
        pairs,
        {"pictures": found.input},
        {} if found.hashed else {"pictures": sha256_text("\n".join(hashes.values()))},
        skipped={name: why for name, why in skipped.items() if name not in entries},
        ignored=found.ignored,
        more=_are_left(found),
        warnings=[OF_NO_KIND] if recipe.games.domain is None and any(p.domain == UNKNOWN for p in pairs) else [],
    )


def _are_left(found: Found) -> bool:
    """Whether the place offers more, even if it is broken."""
    try:
        return next(found.offers, None) is not None
    except InputError:
        return True


def _parsed(scene: str | None) -> Any:
    return None if scene is None else json.loads(scene)


def _sha256(opened: Opened) -> str:
    """The hash of the bytes it came in, or "" if they are not kept."""
    return "" if opened.png is None else hashlib.sha256(opened.png).hexdigest()


class _Replaced(BaseModel):
    index: Annotated[int, Field(ge=0)]
    original: dict[str, Any]
    replacement: dict[str, Any]


class _Modification(BaseModel):
    replaced_objects: list[_Replaced]


class _Comparison(BaseModel):
    original_scene: dict[str, Any]
    modification: _Modification


def read_comparison(body: Any, file: Path) -> tuple[list[Change], dict[str, Any], dict[str, Any]]:
    """The changes, the original scene and the modified scene. `InputError` names the file and what is wrong in it."""
    try:
        note = _Comparison.model_validate(body)
        after = list(note.original_scene["objects"])
        changes: list[Change] = []
        for entry in note.modification.replaced_objects:
            before, new = entry.original, entry.replacement
            after[entry.index] = {**before, **new}
            changes += [
                Change(entry.index, name, str(before[name]), str(new[name]))
                for name in NOTED
                if name in before and name in new and before[name] != new[name]
            ]
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise InputError(f"{file}: '{key}' is missing or wrong; remove the note or take the published one") from error
    except (KeyError, TypeError, IndexError) as error:
        raise InputError(
            f"{file}: 'original_scene.objects' is missing or lacks a replaced object; remove the note or take the "
            "published one"
        ) from error
    return changes, note.original_scene, {**note.original_scene, "objects": after}
