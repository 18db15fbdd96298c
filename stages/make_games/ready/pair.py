"""A ready pair: its pictures opened, compared, and written as PNG of one size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stages.core.errors import InputError
from stages.core.files import read_json, sha256_file, sha256_text
from stages.core.recipe import Recipe
from stages.make_games.pair import Made, Pair, Plan, Skipped, common, split_of
from stages.make_games.ready.comparing import likeness, same
from stages.make_games.ready.entry import Entry, FilePicture, Found, Stored
from stages.make_games.ready.notes import read_comparison
from stages.make_games.ready.pictures import Fault, Opened, open_picture


@dataclass(frozen=True)
class ReadyPair(Pair):
    """Pictures that exist already."""

    entry: Entry

    def make(self) -> Made | Skipped:
        """The pictures as PNG, or why `games.ready` drops the pair. Errors name the picture."""
        try:
            return self._made()
        except Fault as fault:
            if getattr(self.games.ready, fault.rule) == "error":
                remedy = f"mend or leave it out, or drop all such pairs with --set games.ready.{fault.rule}=drop"
                raise InputError(f"{fault.detail}; {remedy}") from fault
            return Skipped(fault.reason, fault.detail)

    def _made(self) -> Made:
        original = self._open(self.entry.original)
        if self.entry.modified is None:
            return Made(self._scaled(original).as_png(), None)
        modified, counts = self._fitting(original, self._open(self.entry.modified))
        pictures = self._scaled(original).as_png(), self._scaled(modified).as_png()
        if self.entry.note is None:
            return Made(*pictures, self.entry.changes, counts=counts)
        changes, scene, twin = read_comparison(read_json(self.entry.note), self.entry.note)
        return Made(*pictures, changes, scene, twin, counts)

    def _open(self, stored: Stored) -> Opened:
        try:
            data = stored.read()
        except OSError as error:
            raise Fault(
                "unusable", "unreadable", f"{stored.name}: cannot be read ({error.strerror or error})"
            ) from error
        return open_picture(data, stored.name, self.games.ready)

    def _fitting(self, original: Opened, modified: Opened) -> tuple[Opened, dict[str, int]]:
        """The modified picture at the original's size, and how often a fault was let pass. `Fault` otherwise."""
        rules, counts = self.games.ready, dict[str, int]()
        sizes = [f"{opened.image.width}x{opened.image.height}" for opened in (original, modified)]
        if sizes[0] != sizes[1]:
            self._let_pass(
                "sizes_differ", "resize", "sizes differ", f"is {sizes[0]}, its counterpart {sizes[1]}", counts
            )
            modified = modified.resized(*original.image.size)
        if same(original.image, modified.image, rules.identical_levels):
            self._let_pass("identical", "keep", "identical", "shows the same as its counterpart", counts)
        elif (found := likeness(original.image, modified.image)) < rules.min_likeness:
            told = f"has nothing in common with its counterpart (likeness {found:.2f} of {rules.min_likeness})"
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


def _name(stored: Stored | None) -> str:
    return "" if stored is None else stored.name


def plan(recipe: Recipe, found: Found) -> Plan:
    """Pairs of what was found. `InputError` when two have the same name."""
    by_id: dict[str, Entry] = {}
    for entry in found.entries:
        if entry.pair_id in by_id:
            raise InputError(
                f"{entry.where}: the pair '{entry.pair_id}' is there already, at {by_id[entry.pair_id].where}; give "
                "each pair a name of its own"
            )
        by_id[entry.pair_id] = entry
    pairs = [_ready(recipe, entry, found.source) for entry in by_id.values()]
    settings = {} if found.hashed else {"pictures": _hash_of(list(by_id.values()))}
    return Plan(pairs, {"ready": found.input}, settings)


def _hash_of(entries: Sequence[Entry]) -> str:
    """What the pictures hold; a folder's own hash takes their sizes for it, a manifest's knows nothing of them."""
    pictures = [stored for entry in entries for stored in (entry.original, entry.modified)]
    return sha256_text("\n".join(sha256_file(each.path) for each in pictures if isinstance(each, FilePicture)))


def _ready(recipe: Recipe, entry: Entry, source: str) -> ReadyPair:
    fields = common(recipe, entry.pair_id, source, entry.domain)
    if entry.group is not None:
        fields["split"] = split_of(recipe, entry.group)
    if entry.split is not None:
        fields["split"] = entry.split
    return ReadyPair(**fields, entry=entry)
