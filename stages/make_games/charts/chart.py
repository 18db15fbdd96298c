"""All that decides a chart's picture but the values: shared by both pictures of a pair, and kept as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from stages.core.recipe.charts import Kind
from stages.make_games.charts.cells import Cell
from stages.make_games.charts.looks import Style
from stages.make_games.charts.numbers import Numbers
from stages.make_games.charts.tables import ChartTable, Series


@dataclass(frozen=True)
class Chart:
    """A chart without its values."""

    kind: Kind
    width: int  # of the picture, pixels
    height: int
    text: float  # height of the small words, pixels
    style: Style
    title: str  # empty: none
    note: str
    heading: str  # below the labels
    measure: str  # beside the value axis
    horizontal: bool
    numbers: Numbers
    low: float  # the values of both pictures lie from here
    high: float  # to here
    value_labels: bool
    widest: str  # of the numbers written at the values
    naming: str  # how series and slices are named: none, legend, ends, outside

    @property
    def has_axis(self) -> bool:
        """Whether the value axis has numbers: it must, where the values have none."""
        return self.kind != "pie" and (self.style.value_axis or not self.value_labels)


def to_json(chart: Chart, table: ChartTable) -> dict[str, Any]:
    """The chart and what it shows as JSON values: enough to draw it again."""
    series = {column.name: [cell.value for cell in column.cells] for column in table.series}
    shown = {"name": table.name, "labels": list(table.labels), "series": series, "ordered": table.ordered}
    return {"kind": chart.kind, "title": chart.title, "table": shown, "chart": asdict(chart)}


def from_json(scene: Mapping[str, Any]) -> tuple[Chart, ChartTable]:
    """The chart and its table; the texts of the cells are not kept."""
    body = dict(scene["chart"])
    style = Style(**{**body.pop("style"), "palette": tuple(scene["chart"]["style"]["palette"])})
    chart = Chart(**{**body, "style": style, "numbers": Numbers(**body["numbers"])})
    shown = scene["table"]
    series = (Series(name, tuple(Cell("", value) for value in values)) for name, values in shown["series"].items())
    return chart, ChartTable(shown["name"], "", tuple(shown["labels"]), tuple(series), "", shown["ordered"])
