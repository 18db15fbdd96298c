"""The oracle's verdict on tables of our own making."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="extra 'charts' is not installed")

from tests.make_games.charts.own_data import judge


def test_no_axis_mixes_measures_and_nearly_all_tables_become_charts(tmp_path: Path) -> None:
    count, said = judge(tmp_path)
    assert count.tables >= 60 and count.charts > 1000
    assert (count.wrong_units, count.wrong_pies) == (0, 0), said
    assert count.charted >= 0.95 * count.chartable, said
    assert len(said) == count.tables - count.charted  # every other table has a reason
