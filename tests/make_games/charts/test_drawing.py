"""What the pictures show, read back from their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("matplotlib", reason="extra 'charts' is not installed")

import matplotlib

from stages.core.errors import InputError
from stages.core.recipe.charts import COLOURS, Kind
from stages.make_games.charts import looks
from stages.make_games.charts.drawing import NoRoom, draw
from stages.make_games.charts.fonts import families_of, missing_letters
from stages.make_games.charts.looks import Chart, Style
from stages.make_games.charts.numbers import Format
from stages.make_games.charts.swap import ChartTable, Place, exchange
from tests.make_games.charts.plain import BLUE, GREEN, RED, YELLOW, mask, runs, shown, style

Picture = NDArray[np.uint8]
YEARS = ["2001", "2002", "2003", "2004"]


def chart(kind: Kind, look: Style, size: tuple[int, int] = (480, 320)) -> Chart:
    return Chart(
        kind, "Things", "Source: things.csv", *size, 10.6, look, (), Format(0), look.horizontal, look.value_labels
    )


def both(kind: Kind, table: ChartTable, swap: tuple[Place, Place], look: Style) -> tuple[Picture, Picture]:
    first, second = draw(chart(kind, look), (table, exchange(table, *swap)))
    return first, second


def one(kind: Kind, table: ChartTable, look: Style) -> Picture:
    return draw(chart(kind, look), (table,))[0]


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
    table = shown("abcde", s=[30, 80, 10, 55, 100])
    pictures = both("bar", table, ((1, 0), (3, 0)), style(horizontal=lying))
    lengths = [bar_lengths(picture, RED, lying) for picture in pictures]
    assert proportional(lengths[0], [30, 80, 10, 55, 100])
    assert lengths[1] == [lengths[0][place] for place in (0, 3, 2, 1, 4)]


@pytest.mark.parametrize("lying", [False, True])
def test_nothing_but_the_swapped_bars_differs(lying: bool) -> None:
    table = shown("abcde", s=[30, 80, 10, 55, 100])
    look = style(horizontal=lying, grid=True, box=True, title="center", value_labels=True, note=True)
    first, second = both("bar", table, ((1, 0), (3, 0)), look)
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
    table = shown("abc", s=[20, 60, 100], t=[90, 40, 70])
    first, second = both("grouped", table, ((0, 0), (2, 1)), style())
    assert proportional(bar_lengths(first, RED), [20, 60, 100])
    assert proportional(bar_lengths(second, RED), [70, 60, 100])
    assert bar_lengths(first, BLUE)[1] == bar_lengths(second, BLUE)[1]
    assert bar_lengths(second, BLUE)[2] == bar_lengths(first, RED)[0]


def test_a_grouped_chart_leaves_a_gap_for_a_missing_value() -> None:
    picture = one("grouped", shown("abc", s=[20, None, 100], t=[90, 40, 70]), style())
    assert len(bar_lengths(picture, RED)) == 2
    assert len(bar_lengths(picture, BLUE)) == 3


def test_stacks_stand_on_one_another() -> None:
    picture = one("stacked", shown("ab", s=[30, 60], t=[50, 20], u=[20, 10]), style())
    whole = [bar_lengths(picture, colour) for colour in (RED, BLUE, GREEN)]
    assert proportional([sum(column) for column in zip(*whole, strict=True)], [100, 90])
    assert proportional([column[0] for column in whole], [30, 50, 20])
    levels = [np.flatnonzero(mask(picture, colour)[:, :240].any(axis=1)).max() for colour in (RED, BLUE, GREEN)]
    assert levels == sorted(levels, reverse=True)


def test_stacks_hold_the_taller_of_both_pictures() -> None:
    table = shown("ab", s=[50, 10], t=[10, 50])
    first, second = both("stacked", table, ((0, 1), (1, 1)), style())
    assert bar_lengths(first, RED) == bar_lengths(second, RED)
    assert abs(bar_lengths(second, BLUE)[0] - bar_lengths(first, BLUE)[1]) <= 1


def test_bars_below_zero_hang_down() -> None:
    picture = one("bar", shown("abc", s=[40, -20, 30]), style())
    lengths = bar_lengths(picture, RED)
    assert proportional(lengths, [40, 20, 30])
    tops = [
        np.flatnonzero(mask(picture, RED)[:, start + size // 2]) for start, size in runs(mask(picture, RED).any(axis=0))
    ]
    assert abs(int(tops[0].max()) - int(tops[1].min())) <= 2


def test_a_line_goes_through_its_values_and_has_a_gap_where_one_is_missing() -> None:
    table = shown(["2001", "2002", "2003", "2004", "2006"], times=True, s=[0, 50, None, 100, 25])
    picture = one("line", table, style(marker="s"))
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
    table = shown(["2001", "2002", "2003", "2004"], times=True, s=[10, 20, 30, 20], t=[100, 80, 70, 90])
    first, second = both("line", table, ((0, 1), (2, 1)), style())
    assert (mask(first, RED) == mask(second, RED)).all()
    assert not (mask(first, BLUE) == mask(second, BLUE)).all()


def test_slices_have_the_area_of_their_share_and_exchange_it() -> None:
    table = shown("abcd", s=[40, 30, 20, 10])
    first, second = both("pie", table, ((0, 0), (3, 0)), style(value_labels=False))
    # Numbers cover a little of the slices, the legend's swatches add a little.
    for picture, shares in ((first, (40, 30, 20, 10)), (second, (10, 30, 20, 40))):
        areas = np.array([mask(picture, colour).sum() for colour in (RED, BLUE, GREEN, YELLOW)])
        assert 100 * areas / areas.sum() == pytest.approx(shares, abs=2)


@pytest.mark.parametrize("kind", ["grouped", "stacked", "line"])
def test_title_legend_and_axes_are_the_same_in_both_pictures(kind: Kind) -> None:
    table = shown(["2001", "2002", "2003"], times=True, s=[20, 60, 100], t=[90, 40, 70])
    look = style()
    first, second = both(kind, table, ((0, 0), (2, 1)), look)
    differs = (first != second).any(axis=2)
    marks = np.flatnonzero((mask(first, RED) | mask(first, BLUE) | mask(second, RED) | mask(second, BLUE)).any(axis=1))
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    assert marks.min() - 2 <= rows.min()
    assert rows.max() <= marks.max() + 2
    swatches = runs(mask(first, RED).any(axis=0))[-1]  # of the legend, right of all marks
    assert columns.max() < swatches[0]


@pytest.mark.parametrize("kind", ["bar", "grouped", "stacked", "line", "area", "scatter"])
def test_whatever_the_style_only_marks_and_their_numbers_differ(kind: Kind) -> None:
    table = shown(YEARS, times=True, s=[20, 60, 100, 70], t=[90, 40, 70, 55])
    if kind in ("bar", "area"):
        table = replace(table, series=table.series[:1])
    for seed in range(6):
        look = replace(looks.draw_style(Random(seed)), legend="bottom")
        if kind not in ("bar", "grouped", "stacked"):
            look = replace(look, horizontal=False, value_labels=False)
        first, second = both(kind, table, ((0, 0), (2, 0)), look)
        differs = (first != second).any(axis=2)
        assert differs.any()
        assert not differs[:20].any()  # the title
        assert not differs[-24:].any()  # the source, the legend, and the words along the lower axis
        assert not differs[:, :12].any()


@pytest.mark.parametrize("seed", range(4))
def test_words_lie_inside_and_neighbours_apart_in_every_style(seed: int) -> None:
    names = {"Long Meadow and its surroundings": [8, 20, 30], "B": [12, 10, 25]}
    table = shown(["Upper town", "Lower town", "Harbour"], **names)
    picture = one("grouped", table, looks.draw_style(Random(seed)))
    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    assert (edge == edge[0]).all()


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ([f"A rather long name of place {n}" for n in range(12)], "grouped"),
        (["x" * 90, "b"], "bar"),
        (["a" * 40, "b", "c" * 60], "pie"),
    ],
)
def test_words_that_do_not_fit_are_never_cut(labels: list[str], kind: Kind) -> None:
    values = {name: [float(10 + n) for n in range(len(labels))] for name in ("s", "t")}
    with pytest.raises(NoRoom):
        draw(chart(kind, style(outside=True), (240, 180)), (shown(labels, **values),))


def test_labels_keep_clear_of_each_other_and_of_other_points() -> None:
    many = {name: [30.0, 28.0, 26.0, 24.0, 22.0, 20.0, 18.0] for name in "stu"}
    years = [str(2044 + year) for year in range(7)]
    for right in range(150, 480, 6):
        with suppress(NoRoom):
            picture = draw(chart("grouped", style(legend="right"), (right + 150, 320)), (shown(years, **many),))[0]
            words = (picture[275:290] != picture[-1, 0]).any(axis=(0, 2))
            assert len([1 for a, b in pairwise(runs(words)) if b[0] - a[0] - a[1] >= 4]) >= 6
    apart = shown(["New Jersey", "Maryland", "Ohio"], x=[10, 40, 90], y=[20, 60, 90])
    one("scatter", apart, style())
    for near in (13, 28):  # under the name, and just behind it
        close = shown(["New Jersey", "Maryland", "Ohio"], x=[10, near, 90], y=[20, 20.5, 90])
        with pytest.raises(NoRoom):
            one("scatter", close, style())


@pytest.mark.parametrize("values", [[1084, 1001, 1081, 1002], [1010, 1090, 1012, 1088]])
def test_a_number_that_its_line_would_cross_is_not_written(values: list[float]) -> None:
    with pytest.raises(NoRoom):
        one("line", shown(YEARS, times=True, s=values), style(value_labels=True, from_zero=False))
    one("line", shown(YEARS, times=True, s=[20, 21, 22, 21]), style(value_labels=True, from_zero=False))


def test_numbers_at_thin_bars_are_not_written() -> None:
    many = {name: [30.0, 28.0, 26.0, 24.0, 22.0, 20.0, 18.0] for name in "stu"}
    with pytest.raises(NoRoom):
        one("grouped", shown("abcdefg", **many), style(horizontal=True, value_labels=True))


@pytest.mark.parametrize("sheet", ["fivethirtyeight", "seaborn-v0_8-darkgrid"])
def test_dates_along_a_line_keep_apart_beside_a_legend_too(sheet: str) -> None:
    days = [f"2017-08-{day}" for day in range(10, 30)]
    table = replace(shown(days, s=range(20), t=range(1, 21)), places=tuple(map(float, range(20))))
    picture = one("line", table, style(sheet=sheet, legend="right"))
    words = (picture[290:] != picture[-1, 0]).any(axis=2).any(axis=0)
    gaps = [b - a - size for (a, size), (b, _) in pairwise(runs(words))]
    assert sum(gap >= 5 for gap in gaps) >= 2


def test_markers_at_the_frame_are_whole() -> None:
    table = shown(YEARS, times=True, s=[50, 250, 100, 150])
    picture = one("line", table, style(sheet="fivethirtyeight", marker="s", value_labels=False))
    top = mask(picture, RED)[:40].any(axis=1)
    assert len(runs(top)) == 1


def test_the_users_settings_of_matplotlib_do_not_matter() -> None:
    expected = one("bar", shown("abc", s=[1, 2, 3]), style())
    with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 30, "patch.force_edgecolor": True}):
        assert (one("bar", shown("abc", s=[1, 2, 3]), style()) == expected).all()
        assert matplotlib.rcParams["font.size"] == 30


def test_dollars_are_no_formulas() -> None:
    first = one("bar", shown(["$a_1$", "$b$"], s=[1, 1]), style())
    second = one("bar", shown(["$a_2$", "$b$"], s=[1, 1]), style())
    columns = np.flatnonzero((first != second).any(axis=2).any(axis=0))
    assert 0 < columns.max() - columns.min() < 10  # one digit, not the whole formula


@pytest.mark.parametrize("size", [(240, 180), (320, 640), (1024, 400)])
def test_the_picture_has_the_size_asked_for(size: tuple[int, int]) -> None:
    assert draw(chart("bar", style(), size), (shown("abc", s=[1, 2, 3]),))[0].shape == (size[1], size[0], 3)


@pytest.mark.parametrize("kind", ["line", "grouped", "pie"])
def test_as_many_series_and_slices_as_a_recipe_may_want_have_colours_of_their_own(kind: Kind) -> None:
    names = [str(2000 + number) for number in range(COLOURS)]
    many = {name: [float(5 + number), 9.0, 7.0] for number, name in enumerate(names)}
    table = shown(names, s=[5.0] * COLOURS) if kind == "pie" else shown(YEARS[:3], times=True, **many)
    for palette in set(looks.PALETTES):
        colours = [matplotlib.colors.to_hex(colour) for colour in matplotlib.color_sequences[palette][:COLOURS]]
        assert len(set(colours)) == COLOURS
    picture = one(kind, table, style(palette="tab10"))
    first = [matplotlib.colors.to_hex(colour) for colour in matplotlib.color_sequences["tab10"][:COLOURS]]
    assert all(mask(picture, colour).any() for colour in first)


def test_fonts_are_found_by_file_package_or_name() -> None:
    file = matplotlib.font_manager.findfont("DejaVu Serif")
    assert families_of(file) == ("DejaVu Serif",)
    assert families_of("DejaVu Sans Mono") == ("DejaVu Sans Mono",)
    assert "DejaVu Sans" in families_of("matplotlib")
    with pytest.raises(InputError, match="'No Such' is neither a font file, nor a package with fonts, nor an"):
        families_of("No Such")
    assert missing_letters("Straße 销 售", ["DejaVu Sans"]) == "销售"


def test_bars_say_what_names_them_whichever_way_they_lie() -> None:
    table = shown(["none", "some"], s=[30, 80])
    for lying in (False, True):
        with_heading, without = (
            one("bar", replace(table, heading=heading), style(horizontal=lying)) for heading in ("Damage", "")
        )
        assert (with_heading != without).any()


def test_a_frame_is_whole_where_values_have_no_axis() -> None:
    picture = one("bar", shown("abc", s=[1, 2, 3]), style(box=True, value_axis=False, value_labels=True))
    dark = (picture < 128).all(axis=2)
    assert len(runs(dark.sum(axis=0) > 150)) == 2
