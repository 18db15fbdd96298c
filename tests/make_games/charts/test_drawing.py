"""What the pictures show, read back from their pixels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("matplotlib", reason="extra 'charts' is not installed")

import matplotlib

from stages.core.recipe.charts import COLOURS, Kind
from stages.make_games.charts import drawing
from stages.make_games.charts.chart import from_json, to_json
from stages.make_games.charts.composing import compose
from stages.make_games.charts.drawing import draw
from stages.make_games.charts.layout import lay_out
from stages.make_games.charts.looks import PALETTES, Style
from stages.make_games.charts.swap import Place, Swap, exchange
from stages.make_games.charts.tables import ChartTable
from stages.make_games.charts.text import Font
from stages.make_games.charts.words import NoRoom, Words
from tests.make_games.charts.plain import BLUE, GREEN, RED, YELLOW, mask, part, runs, style, table

Picture = NDArray[np.uint8]


def both(kind: Kind, shown: ChartTable, swap: Swap, look: Style) -> tuple[Picture, Picture]:
    versions = (shown, exchange(shown, swap))
    chart = compose(part(kind, shown), versions, look, (480, 320))
    return draw(chart, versions[0]), draw(chart, versions[1])


def one(kind: Kind, shown: ChartTable, look: Style) -> Picture:
    return draw(compose(part(kind, shown), (shown,), look, (480, 320)), shown)


def bar_lengths(picture: Picture, colour: str, lying: bool = False) -> list[int]:
    """Lengths in pixels of the bars of a colour, from left to right, or from above. The legend's swatch is narrower."""
    flags = mask(picture, colour).T if lying else mask(picture, colour)
    places = [(start, size) for start, size in runs(flags.any(axis=0)) if size > 15]
    return [int(flags[:, start + size // 2].sum()) for start, size in places]


def proportional(lengths: Sequence[int], values: Sequence[float]) -> bool:
    scale = max(lengths) / max(values)
    return len(lengths) == len(values) and all(
        abs(length - scale * value) <= 1.5 for length, value in zip(lengths, values, strict=True)
    )


@pytest.mark.parametrize("lying", [False, True])
def test_bars_are_as_long_as_their_values_and_the_swapped_ones_exchange_theirs(lying: bool) -> None:
    shown = table("abcde", s=[30, 80, 10, 55, 100])
    pictures = both("bar", shown, Swap(Place(1, 0), Place(3, 0)), style(horizontal=lying))
    lengths = [bar_lengths(picture, RED, lying) for picture in pictures]
    assert proportional(lengths[0], [30, 80, 10, 55, 100])
    assert lengths[1] == [lengths[0][place] for place in (0, 3, 2, 1, 4)]


@pytest.mark.parametrize("lying", [False, True])
def test_nothing_but_the_swapped_bars_differs(lying: bool) -> None:
    shown = table("abcde", s=[30, 80, 10, 55, 100])
    look = style(horizontal=lying, grid="solid", spines="box", title="center", value_labels=True, note=True)
    first, second = both("bar", shown, Swap(Place(1, 0), Place(3, 0)), look)
    differs = (first != second).any(axis=2)
    along = runs(mask(first, RED).any(axis=1 if lying else 0))
    touched = runs(differs.any(axis=1 if lying else 0))
    # Numbers may be wider than bars: all changes lie in the room of rows 1 and 3.
    slot = along[1][0] - along[0][0]
    allowed = [
        (along[bar][0] + along[bar][1] / 2 - slot / 2, along[bar][0] + along[bar][1] / 2 + slot / 2) for bar in (1, 3)
    ]
    assert touched
    assert all(any(low <= start and start + size <= high for low, high in allowed) for start, size in touched)


def test_grouped_bars_swap_between_series() -> None:
    shown = table("abc", s=[20, 60, 100], t=[90, 40, 70])
    first, second = both("grouped", shown, Swap(Place(0, 0), Place(2, 1)), style())
    assert proportional(bar_lengths(first, RED), [20, 60, 100])
    assert proportional(bar_lengths(second, RED), [70, 60, 100])
    assert bar_lengths(first, BLUE)[1] == bar_lengths(second, BLUE)[1]
    assert bar_lengths(second, BLUE)[2] == bar_lengths(first, RED)[0]


def test_a_grouped_chart_leaves_a_gap_for_a_missing_value() -> None:
    picture = one("grouped", table("abc", s=[20, None, 100], t=[90, 40, 70]), style())
    assert len(bar_lengths(picture, RED)) == 2
    assert len(bar_lengths(picture, BLUE)) == 3


def test_stacks_stand_on_one_another() -> None:
    picture = one("stacked", table("ab", s=[30, 60], t=[50, 20], u=[20, 10]), style())
    whole = [bar_lengths(picture, colour) for colour in (RED, BLUE, GREEN)]
    assert proportional([sum(column) for column in zip(*whole, strict=True)], [100, 90])
    assert proportional([column[0] for column in whole], [30, 50, 20])
    levels = [np.flatnonzero(mask(picture, colour)[:, :240].any(axis=1)).max() for colour in (RED, BLUE, GREEN)]
    assert levels == sorted(levels, reverse=True)


def test_stacks_hold_the_taller_of_both_pictures() -> None:
    shown = table("ab", s=[50, 10], t=[10, 50])
    first, second = both("stacked", shown, Swap(Place(0, 1), Place(1, 1)), style())
    assert bar_lengths(first, RED) == bar_lengths(second, RED)
    assert abs(bar_lengths(second, BLUE)[0] - bar_lengths(first, BLUE)[1]) <= 1


def test_bars_below_zero_hang_down() -> None:
    picture = one("bar", table("abc", s=[40, -20, 30]), style())
    lengths = bar_lengths(picture, RED)
    assert proportional(lengths, [40, 20, 30])
    tops = [
        np.flatnonzero(mask(picture, RED)[:, start + size // 2]) for start, size in runs(mask(picture, RED).any(axis=0))
    ]
    assert abs(int(tops[0].max()) - int(tops[1].min())) <= 2


def test_a_line_goes_through_its_values_and_has_a_gap_where_one_is_missing() -> None:
    shown = table(["2001", "2002", "2003", "2004", "2006"], ordered=True, s=[0, 50, None, 100, 25])
    picture = one("line", shown, style(marker="s"))
    flags = mask(picture, RED)
    columns = np.flatnonzero(flags.any(axis=0))
    middle = [np.flatnonzero(flags[:, column]).mean() for column in columns]
    gaps = np.flatnonzero(np.diff(columns) > 1)
    assert len(gaps) == 1
    levels = {2001: middle[0], 2006: middle[-1], 2004: min(middle)}
    assert (levels[2001] - levels[2006]) / (levels[2001] - levels[2004]) == pytest.approx(0.25, abs=0.04)
    # Years stand by their distance: 2004 is three fifths on the way.
    top = columns[int(np.argmin(middle))]
    assert (top - columns[0]) / (columns[-1] - columns[0]) == pytest.approx(0.6, abs=0.03)


def test_swapped_points_of_a_line_leave_the_other_line_alone() -> None:
    shown = table(["2001", "2002", "2003", "2004"], ordered=True, s=[10, 20, 30, 20], t=[100, 80, 70, 90])
    first, second = both("line", shown, Swap(Place(0, 1), Place(2, 1)), style(end_labels=True))
    assert (mask(first, RED) == mask(second, RED)).all()
    assert not (mask(first, BLUE) == mask(second, BLUE)).all()


def test_slices_have_the_area_of_their_share_and_exchange_it() -> None:
    shown = table("abcd", s=[40, 30, 20, 10])
    first, second = both("pie", shown, Swap(Place(0, 0), Place(3, 0)), style(value_labels=False))
    # Numbers cover a little of the slices, the legend's swatches add a little.
    for picture, shares in ((first, (40, 30, 20, 10)), (second, (10, 30, 20, 40))):
        areas = np.array([mask(picture, colour).sum() for colour in (RED, BLUE, GREEN, YELLOW)])
        assert 100 * areas / areas.sum() == pytest.approx(shares, abs=2)


@pytest.mark.parametrize("kind", ["grouped", "stacked", "line"])
def test_title_legend_and_axes_are_the_same_in_both_pictures(kind: Kind) -> None:
    shown = table(["2001", "2002", "2003"], ordered=True, s=[20, 60, 100], t=[90, 40, 70])
    look = style()
    first, second = both(kind, shown, Swap(Place(0, 0), Place(2, 1)), look)
    differs = (first != second).any(axis=2)
    marks = np.flatnonzero((mask(first, RED) | mask(first, BLUE) | mask(second, RED) | mask(second, BLUE)).any(axis=1))
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    assert marks.min() - 2 <= rows.min()
    assert rows.max() <= marks.max() + 2
    swatches = runs(mask(first, RED).any(axis=0))[-1]  # of the legend, right of all marks
    assert columns.max() < swatches[0]


def test_a_chart_can_be_drawn_again_from_its_json() -> None:
    shown = table(["2001", "2002", "2003"], ordered=True, s=[20, None, 100], t=[90, 40, 70])
    look = style(end_labels=True, title="center", note=True)
    chart = compose(part("line", shown), (shown,), look, (480, 320))
    again, table_again = from_json(json.loads(json.dumps(to_json(chart, shown))))
    assert again == chart
    assert (draw(again, table_again) == draw(chart, shown)).all()


def test_the_users_settings_of_matplotlib_do_not_matter() -> None:
    shown = table("abc", s=[1, 2, 3])
    expected = one("bar", shown, style())
    with matplotlib.rc_context(
        {"axes.facecolor": "black", "font.size": 30, "axes.grid": True, "patch.force_edgecolor": True}
    ):
        assert (one("bar", shown, style()) == expected).all()
        assert matplotlib.rcParams["font.size"] == 30


def test_dollars_are_no_formulas() -> None:
    picture = one("bar", table(["$a_1$", "$b$"], s=[1, 1]), style(axis_title=False))
    bars = runs(mask(picture, RED).any(axis=0))
    below = picture[np.flatnonzero(mask(picture, RED).any(axis=1)).max() + 3 :, :, 0] < 200
    inked = [runs(below[:, start - 20 : start + size + 20].any(axis=0)) for start, size in bars]
    sizes = [stretches[-1][0] + stretches[-1][1] - stretches[0][0] for stretches in inked]
    # Of DejaVu Sans' 2048 units an em: dollar and digits are 1303, a 1255, b 1300, the underscore 1024 wide.
    ems = [(2 * 1303 + 1255 + 1024 + 1303) / 2048, (2 * 1303 + 1300) / 2048]
    assert sizes == pytest.approx([0.027 * (480 * 320) ** 0.5 * em for em in ems], abs=3)


@pytest.mark.parametrize("size", [(240, 180), (320, 640), (1024, 400)])
def test_the_picture_has_the_size_asked_for_and_words_of_nine_pixels_at_least(size: tuple[int, int]) -> None:
    shown = table(["Long Meadow and its surroundings", "B", "C"], s=[1, 2, 3], t=[2, 1, 4])
    chart = compose(part("grouped", shown), (shown,), style(), size)
    assert chart.text >= 9
    assert draw(chart, shown).shape == (size[1], size[0], 3)


@pytest.mark.parametrize(("x", "y"), [(475, 100), (-3, 100), (100, 318), (100, 1)])
def test_words_outside_the_picture_are_told(monkeypatch: pytest.MonkeyPatch, x: int, y: int) -> None:
    shown = table("ab", s=[1, 2])
    chart = compose(part("bar", shown), (shown,), style(), (480, 320))
    layout = lay_out(chart, shown.labels, ("s",))
    for place, outside in (((100, 100), False), ((x, y), True)):
        words = Words("Wg", *place, Font("DejaVu Sans", 10.6))
        monkeypatch.setattr(drawing, "lay_out", lambda *_, more=words: replace(layout, words=(*layout.words, more)))
        with pytest.raises(NoRoom) if outside else nullcontext():
            draw(chart, shown)


@pytest.mark.parametrize("kind", ["line", "grouped", "pie"])
def test_as_many_series_and_slices_as_a_recipe_may_want_have_colours_of_their_own(kind: Kind) -> None:
    for palette in PALETTES.values():
        assert len(set(palette)) == COLOURS
    names = [str(2000 + number) for number in range(COLOURS)]
    many = {name: [float(5 + number), 9.0, 7.0] for number, name in enumerate(names)}
    shown = table(names, s=[5.0] * COLOURS) if kind == "pie" else table(["2001", "2002", "2003"], True, **many)
    assert len(shown.series) in (1, COLOURS)
    picture = one(kind, shown, style(palette=PALETTES["bright"]))
    assert all(mask(picture, colour).any() for colour in PALETTES["bright"])


def test_labels_too_long_for_upright_bars_make_them_lie() -> None:
    names = [f"A rather long name of something in the town, number {number}" for number in range(9)]
    shown = table(names, s=list(range(1, 10)))
    assert compose(part("bar", shown), (shown,), style(), (480, 320)).horizontal
