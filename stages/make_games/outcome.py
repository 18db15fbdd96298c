"""What is said of a run of make-games: counts that add up, and warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.core.folder.artifact import Outcome
from stages.core.recipe import Recipe
from stages.make_games import noise
from stages.make_games.making import Note
from stages.make_games.pair import Plan

SHOWN = 3  # pairs or pictures that a warning names; all that are skipped stand in skipped.parquet


@dataclass(frozen=True)
class Spent:
    """Pairs that were not made now: taken over from a finished folder, or made before an interruption; and the seconds
    that the others took."""

    taken_over: int
    before: int
    seconds: float


def outcome(
    notes: Sequence[Note], recipe: Recipe, planned: Plan, spent: Spent, tools: Sequence[Mapping[str, str]]
) -> Outcome:
    """Of the `notes` of all pairs that were planned; `tools` drew them, those of the last call last."""
    rows = [note["row"] for note in notes if "row" in note]
    skipped = [note["skipped"] for note in notes if "skipped" in note]
    splits = Counter(row["split"] for row in rows)
    more: Counter[str] = Counter()
    for note in notes:
        more.update(note.get("counts", {}))
    counts = {
        "pairs": len(rows),
        "games": len(rows),
        "pictures": sum(1 + (row["modified"] is not None) for row in rows),
        "split": {name: splits[name] for name in ("train", "dev", "test")},
        **dict(sorted(more.items())),
        **({"noise": _noise(notes)} if noise.asked(recipe) else {}),
        "skipped": dict(Counter(skip["reason"] for skip in skipped)),
        **({"ignored_pictures": len(planned.ignored)} if planned.ignored else {}),
        **({"taken_over": spent.taken_over} if spent.taken_over else {}),
        "finished_before": spent.before,
        "drawn_by": dict(tools[-1]),
    }
    warnings = [
        *planned.warnings,
        *_left_out(planned, recipe),
        *_missing_splits(splits, recipe),
        *_shared_pictures(rows),
        *_skipped(skipped, len(notes)),
        *_ignored(planned),
        *_several_tools(tools),
    ]
    made = len(notes) - spent.before - spent.taken_over
    return Outcome(counts, warnings, {"seconds_per_pair": round(spent.seconds / made, 4) if made else 0.0})


def _several_tools(tools: Sequence[Mapping[str, str]]) -> list[str]:
    names = dict.fromkeys(name for each in tools for name in each)
    differ = {name: list(dict.fromkeys(each.get(name, "none") for each in tools)) for name in names}
    told = ", ".join(f"{name} {' and '.join(found)}" for name, found in differ.items() if len(found) > 1)
    return (
        [f"some pairs were drawn before the tools changed ({told}); both pictures of a pair have the same"]
        if told
        else []
    )


def _skipped(skipped: Sequence[Mapping[str, str]], planned: int) -> list[str]:
    if not skipped:
        return []
    return [f"pairs skipped: {len(skipped)} of {planned}, listed in skipped.parquet: {told(skipped)}"]


def _ignored(planned: Plan) -> list[str]:
    if not planned.ignored:
        return []
    some = ", ".join([*planned.ignored[:SHOWN], "…"] if len(planned.ignored) > SHOWN else planned.ignored)
    return [f"pictures that belong to no pair were left alone: {len(planned.ignored)} ({some})"]


def _missing_splits(splits: Mapping[str, int], recipe: Recipe) -> list[str]:
    held_out = {"dev": recipe.games.dev_fraction, "test": recipe.games.test_fraction}
    wanted = ["train", *(name for name, share in held_out.items() if share > 0)]
    missing = [name for name in wanted if not splits[name]]
    return [
        f"split {name} has no pairs; make more, or change games.dev_fraction or games.test_fraction" for name in missing
    ]


def _left_out(planned: Plan, recipe: Recipe) -> list[str]:
    if not planned.more:
        return []
    return [
        f"the input holds more than games.pairs ({recipe.games.pairs}), and what follows was left out; give --pairs"
    ]


def _shared_pictures(rows: Sequence[Note]) -> list[str]:
    """A warning where held-out games would show pictures that were trained on."""
    seen: dict[str, dict[str, str]] = {row["original_sha256"]: {} for row in rows}  # by hash: a pair of each split
    for row in rows:
        for picture in (row["original_sha256"], row["modified_sha256"]):
            if picture in seen:  # a modified picture that is no original, such as an empty one, may be that of many
                seen[picture].setdefault(row["split"], row["pair_id"])
    shared = [by_split for by_split in seen.values() if len(by_split) > 1]
    if not shared:
        return []
    first = " and ".join(f"'{pair_id}' ({split})" for split, pair_id in shared[0].items())
    return [
        f"pictures that are in more than one split: {len(shared)}, as in the pairs {first}; keep such pairs together "
        "by a column 'group' or 'split', or leave the copies out"
    ]


def _noise(notes: Sequence[Note]) -> dict[str, int]:
    kinds = Counter(note.get("noise") for note in notes)
    return {kind: kinds[kind] for kind in noise.KINDS}


def told(skipped: Sequence[Mapping[str, str]]) -> str:
    """The first of them, with their reasons."""
    some = [f"{skip['pair_id']}: {skip['reason']} ({skip['detail']})" for skip in skipped[:SHOWN]]
    return "; ".join([*some, "…"] if len(skipped) > SHOWN else some)
