"""MLflow. MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME and the other variables of MLflow apply."""

from __future__ import annotations

import re
from typing import Any

from stages.track.record import Record
from stages.track.tracker import Run, project

TAG = "vz.run"  # holds the run's id, so that the run is found again
AT_ONCE = 100  # parameters per call; MLflow takes no more
LONGEST = 500  # characters of a parameter
NOT_IN_NAMES = re.compile(r"[^\w\-. /]")


class ToMlflow:
    """Sending a round again changes nothing: its figures have the same time and step."""

    def __init__(self, run: Run) -> None:
        from mlflow import get_tracking_uri
        from mlflow.entities import Metric, Param
        from mlflow.tracking import MlflowClient

        self._client, self._metric = MlflowClient(), Metric
        name = project("MLFLOW_EXPERIMENT_NAME")
        experiment = self._client.get_experiment_by_name(name)
        place = experiment.experiment_id if experiment else self._client.create_experiment(name)
        found = self._client.search_runs([place], f"tags.`{TAG}` = '{run.id}'", max_results=1)
        begun = found[0] if found else self._client.create_run(place, run_name=run.name, tags={TAG: run.id})
        self._id = begun.info.run_id
        self.where = f"{get_tracking_uri()}, experiment {name}"
        if not begun.data.params:  # they cannot be changed later
            params = [Param(_name(key), str(value)[:LONGEST]) for key, value in run.settings.items()]
            for start in range(0, len(params), AT_ONCE):
                self._client.log_batch(self._id, params=params[start : start + AT_ONCE])
        self._client.log_text(self._id, run.recipe, "recipe.yaml")
        self._client.update_run(self._id, status="RUNNING")

    def log(self, record: Record) -> None:
        when, place = round(1000 * record.when), f"round-{record.number:04d}"
        metrics = [self._metric(_name(key), value, when, record.number) for key, value in record.figures.items()]
        self._client.log_batch(self._id, metrics=metrics)
        for name, table in record.tables.items():
            self._client.log_text(self._id, table.write_csv(), f"{place}/{name}.csv")
        for number, game in enumerate(record.games, start=1):
            self._client.log_image(self._id, game.side_by_side(), artifact_file=f"{place}/game-{number}.png")
            self._client.log_text(self._id, game.text, f"{place}/game-{number}.md")

    def close(self) -> None:
        self._client.set_terminated(self._id, status="FINISHED")


def _name(key: str) -> Any:
    return NOT_IN_NAMES.sub("_", key)


open_tracker = ToMlflow
