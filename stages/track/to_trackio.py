"""Trackio: a local dashboard (`trackio show`), or a Space on the hub if TRACKIO_SPACE_ID names one."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stages.core.errors import VzError
from stages.track.record import Record
from stages.track.tracker import Run, project


class ToTrackio:
    """Trackio finds a run by its name, so the name ends with the run's id."""

    def __init__(self, run: Run) -> None:
        import trackio

        self._trackio: Any = trackio
        name = project("TRACKIO_PROJECT")
        self.where = f"trackio show --project {shlex.quote(name)}"
        with _no_warning():
            trackio.init(
                project=name,
                name=f"{run.name}-{run.id}",
                config=dict(run.settings),
                resume="allow",
                embed=False,
                auto_log_cpu=False,
                auto_log_gpu=False,
            )

    def log(self, record: Record) -> None:
        api, values = self._trackio, dict[str, Any](record.figures)
        for name, table in record.tables.items():
            values[f"{name} (table)"] = api.Table(data=table.to_dicts())
        for place, game in enumerate(record.games, start=1):
            values[f"games/{place}"] = api.Image(game.side_by_side(), caption=f"{game.game_id}: {game.winner} won")
            values[f"games/{place} (text)"] = api.Markdown(game.text)
        with _no_warning():
            api.log(values, step=record.number)

    def close(self) -> None:
        with _no_warning():
            self._trackio.finish()


@contextmanager
def _no_warning() -> Iterator[None]:
    """Trackio only warns if it could not do something. Here, that is an error."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        yield
    for warning in heard:
        if "trackio" in warning.filename and "could not" in str(warning.message).lower():
            raise VzError(str(warning.message))


open_tracker = ToTrackio
