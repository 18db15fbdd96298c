"""Counts and warnings of a folder of rollouts, from rows written by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from stages.core import tables
from stages.core.game.readers import UNREADABLE_CLUE
from stages.rollout import summary
from stages.rollout.summary import summarise
from tests.helpers import _row


def clue(game: str, turn: int, text: str, **changes: Any) -> dict[str, object]:
    return _row(game, turn, 0, "clue", "civilian", turn + 1) | {"clue": text, "clue_round": 1} | changes


def vote(game: str, sample: int, **changes: Any) -> dict[str, object]:
    return _row(game, 9, sample, "decision", "analyst", None) | {"vote": 2, "vote_kind": "seat"} | changes


def folder_of(folder: Path, *parts: list[dict[str, object]]) -> Path:
    for number, rows in enumerate(parts):
        tables.write(tables.from_rows(rows, tables.ROLLOUTS), folder / f"part-{number:05d}.parquet", tables.ROLLOUTS)
    return folder


def test_counts_add_up_over_the_parts(tmp_path: Path):
    games = [[clue(f"g{n}", 0, "a"), clue(f"g{n}", 1, "b"), vote(f"g{n}", 0), vote(f"g{n}", 1)] for n in range(3)]
    counts = summarise(folder_of(tmp_path, games[0] + games[1], games[2])).counts
    assert (counts["games"], counts["rows"], counts["clues"], counts["votes"]) == (3, 12, 6, 6)
    assert (counts["prompt_tokens"], counts["completion_tokens"]) == (12 * 3, 12 * 2)


def test_a_clue_counts_as_repeated_within_its_game(tmp_path: Path):
    said = [
        [clue("g0", turn, text) for turn, text in enumerate(["A red cube.", "a RED, cube!", "a red sphere", "a red  cube"])],
        [clue("g1", 0, "a red cube"), clue("g1", 1, "Ärger"), clue("g1", 2, "ärger")],
    ]  # fmt: skip
    assert summarise(folder_of(tmp_path, *said)).counts["repeated_clues"] == 3


def test_unreadable_clues_do_not_count_as_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(summary, "MOST_UNREADABLE", 1)
    monkeypatch.setattr(summary, "MOST_REPEATED", 0)
    rows = [clue("g", turn, UNREADABLE_CLUE) for turn in range(3)] + [clue("g", 3, "x")]
    outcome = summarise(folder_of(tmp_path, rows))
    assert (outcome.counts["unreadable_clues"], outcome.counts["repeated_clues"]) == (3, 0)
    assert outcome.warnings == []


def test_the_entropy_is_the_mean_surprise_of_the_policys_own_tokens(tmp_path: Path):
    half, quarter = math.log(1 / 2), math.log(1 / 4)
    rows = [
        clue("g", 0, "a", completion_ids=[1], completion_logprobs=[half]),
        clue("g", 1, "b", completion_ids=[1, 2, 3], completion_logprobs=[quarter, quarter, quarter]),
        clue("g", 2, "c", completion_ids=[1], completion_logprobs=[-50.0], policy="base"),
        vote("g", 0, completion_ids=[7, 8], completion_logprobs=[half, half]),
    ]
    counts = summarise(folder_of(tmp_path, rows)).counts
    assert counts["clue_entropy"] == pytest.approx(7 / 4 * math.log(2), abs=1e-5)  # (1 + 3 · 2) / 4 bits
    assert counts["vote_entropy"] == pytest.approx(math.log(2), abs=1e-5)


def test_without_log_probs_there_is_no_entropy(tmp_path: Path):
    rows = [clue("g", 0, "a", completion_ids=[], completion_logprobs=[]), vote("g", 0)]
    counts = summarise(folder_of(tmp_path, rows)).counts
    assert counts["clue_entropy"] is None and counts["vote_entropy"] == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("changes", "limit", "remedy"),
    [
        ({"finish_reason": "length"}, "MOST_TRUNCATED", "max_clue_tokens"),
        ({"clue": UNREADABLE_CLUE}, "MOST_UNREADABLE", "vz inspect"),
        ({"clue": "the same"}, "MOST_REPEATED", "temperature"),
    ],
)
def test_a_fault_above_its_limit_is_a_warning_with_a_remedy(
    changes: dict[str, str], limit: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("MOST_TRUNCATED", "MOST_UNREADABLE", "MOST_REPEATED"):
        monkeypatch.setattr(summary, name, 1)
    rows = [clue("g", turn, f"clue {turn}") | (changes if turn < 3 else {}) for turn in range(4)]
    share = 2 / 4 if limit == "MOST_REPEATED" else 3 / 4
    folder = folder_of(tmp_path, rows)
    monkeypatch.setattr(summary, limit, share)
    assert summarise(folder).warnings == []
    monkeypatch.setattr(summary, limit, share - 0.01)
    (warning,) = summarise(folder).warnings
    assert remedy in warning and f"{share:.0%}" in warning
