"""The report of a make-games run: counts that add up, and warnings that say what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.core.folder.artifact import Outcome
from stages.core.recipe import Recipe
from stages.make_games import noise
from stages.make_games.making import Note
from stages.make_games.pair import LOOKS_THE_SAME, Plan

SHOWN = 3  # ignored pictures that a warning names


@dataclass(frozen=True)
class Spent:
    """Pairs not made in this run: taken over from a finished folder, or made before an interruption. And the seconds
    that the others took."""

    taken_over: int
    before: int
    seconds: float


def outcome(notes: Sequence[Note], recipe: Recipe, planned: Plan, spent: Spent, tools: Mapping[str, str]) -> Outcome:
    """The report on all planned pairs, from their `notes`. `tools`: the versions of what draws the pictures."""
    rows = [note["row"] for note in notes if "row" in note]
    skipped = [note["skipped"] for note in notes if "skipped" in note]
    splits = Counter(row["split"] for row in rows)
    more: Counter[str] = Counter()
    for note in notes:
        more.update(note.get("counts", {}))
    kinds = Counter(note.get("noise") for note in notes)
    counts = {
        **asked_and_found(planned, recipe),
        "pairs": len(rows),
        "games": len(rows),
        "pictures": sum(1 + (row["modified"] is not None) for row in rows),
        "split": {name: splits[name] for name in ("train", "dev", "test")},
        **dict(sorted(more.items())),
        **({"noise": {kind: kinds[kind] for kind in noise.KINDS}} if noise.asked(recipe) else {}),
        "skipped": dict(Counter(skip["reason"] for skip in skipped)),
        **({"ignored_pictures": len(planned.ignored)} if planned.ignored else {}),
        **({"taken_over": spent.taken_over} if spent.taken_over else {}),
        "finished_before": spent.before,
        "drawn_by": dict(tools),
    }
    warnings = [*planned.warnings, *_left_out(planned, recipe, skipped), *_of_splits(splits, recipe, planned, rows)]
    if more[LOOKS_THE_SAME]:
        warnings.append(
            f"pairs whose pictures look the same to the eye: {more[LOOKS_THE_SAME]}; to skip such pairs, add --set "
            "games.ready.identical_levels=12"
        )
    made = len(planned.pairs) - spent.before - spent.taken_over
    return Outcome(counts, warnings, {"seconds_per_pair": round(spent.seconds / made, 4) if made else 0.0})


def asked_and_found(planned: Plan, recipe: Recipe) -> dict[str, int]:
    """How many pairs the recipe asks for, and how many pairs or tables the input holds."""
    found = {"tables": planned.tables} if planned.tables else {"found": len(planned.pairs) + len(planned.skipped)}
    return {"asked": recipe.games.pairs, **found}


def examples(skipped: Sequence[Mapping[str, str]]) -> str:
    """Each reason once: how often it occurred, and its first example."""
    reasons = Counter(skip["reason"] for skip in skipped)
    first = {skip["reason"]: skip["detail"] for skip in reversed(skipped)}
    return "; ".join(f"{reason} ({count}): {first[reason]}" for reason, count in reasons.items())


def _left_out(planned: Plan, recipe: Recipe, skipped: Sequence[Mapping[str, str]]) -> list[str]:
    warnings = []
    what = "tables" if planned.tables else "pairs"
    if planned.more:
        warnings.append(f"the input holds more {what} than games.pairs ({recipe.games.pairs}); take more with --pairs")
    of_input = [row for row in skipped if row["pair_id"] in planned.skipped]
    made = [row for row in skipped if row not in of_input]
    lots = [("tables", of_input, planned.tables), ("pairs", made, len(planned.pairs))]
    if not planned.tables:
        lots = [("pairs", [*of_input, *made], len(planned.pairs) + len(planned.skipped))]
    for kind, rows, count in lots:
        if rows:
            warnings.append(f"{kind} skipped: {len(rows)} of {count} (see skipped.parquet): {examples(rows)}")
    if planned.ignored:
        some = ", ".join([*planned.ignored[:SHOWN], "…"] if len(planned.ignored) > SHOWN else planned.ignored)
        warnings.append(f"ignored pictures that belong to no pair: {len(planned.ignored)} ({some})")
    return warnings


def _of_splits(splits: Mapping[str, int], recipe: Recipe, planned: Plan, rows: Sequence[Note]) -> list[str]:
    shares = {"train": 1.0, "dev": recipe.games.dev_fraction, "test": recipe.games.test_fraction}
    missing = [name for name, share in shares.items() if share > 0 and not splits.get(name)]
    warnings = []
    if missing:
        which = f"splits {' and '.join(missing)} have" if len(missing) > 1 else f"split {missing[0]} has"
        why = "pairs of one table, picture or group share a split; give pairs of other ones"
        zero = " ".join(f"--set games.{name}_fraction=0" for name in missing if name != "train")
        warnings.append(
            f"{which} no pairs: {why if planned.inputs else 'make more (--pairs)'}"
            + (f", or do without ({zero})" if zero else "")
        )
    shared = _shared_pictures(rows)
    if shared:
        first = " and ".join(f"'{pair_id}' ({split})" for split, pair_id in shared[0].items())
        warnings.append(
            f"pictures in more than one split: {len(shared)}, e.g. in the pairs {first}; keep such pairs together with "
            "a column 'group' or 'split', or remove the copies"
        )
    return warnings


def _shared_pictures(rows: Sequence[Note]) -> list[dict[str, str]]:
    """The originals that several splits show, each with one pair per split."""
    seen: dict[str, dict[str, str]] = {row["original_sha256"]: {} for row in rows}
    for row in rows:
        for picture in (row["original_sha256"], row["modified_sha256"]):
            if picture in seen:  # many pairs may share a modified picture that is no original, such as an empty one
                seen[picture].setdefault(row["split"], row["pair_id"])
    return [by_split for by_split in seen.values() if len(by_split) > 1]
