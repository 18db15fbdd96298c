"""The real trackers (make test-trackers): a killed run is one run in each of them, with its figures, tables and games.

Each test sends a run of three rounds with two senders. The second one begins after round 2, as after a kill.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from stages import iterate
from tests.helpers import fake_recipe, write_games

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three rounds, evaluated before the first and after each, which no tracker knows yet."""
    recipe = fake_recipe("iterate.games=3", "iterate.rounds=3", "evaluate.every=1", "evaluate.games=2",
                         "evaluate.split=train", "evaluate.transcripts=0")  # fmt: skip
    place = tmp_path_factory.mktemp("tracked")
    return iterate.run(recipe, place / "demo", games=write_games(place / "games", recipe)).out


def send(run: Path, tracker: str, *rounds: int, **variables: str) -> None:
    """Tell a new sender of these rounds, each as soon as the one before is sent."""
    (run / "tracking").mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "stages.track.sender", str(run), tracker],
        input="".join(f"{number}\n" for number in rounds),
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["sent"] for answer in answers if "sent" in answer] == list(rounds), done.stderr
    assert not [answer for answer in answers if "failed" in answer or "lacks" in answer]


def accuracies(run: Path) -> dict[int, float]:
    rows = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return {row["iteration"]: row["vote_accuracy"] for row in rows}


def forget(run: Path, tracker: str, sent: int) -> None:
    """Put back what the run knows of the tracker, as a kill between sending and noting it leaves it."""
    (run / f"tracking/{tracker}.json").write_text(json.dumps({"sent": sent}))


def test_tensorboard(run: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    send(run, "tensorboard", 0, 1, 2)
    forget(run, "tensorboard", 1)
    send(run, "tensorboard", 3)
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"images": 0, "scalars": 0, "tensors": 0})
    events.Reload()
    shown = {event.step: event.value for event in events.Scalars("round/vote_accuracy")}
    assert shown == pytest.approx(accuracies(run)) and len(events.Scalars("round/vote_accuracy")) == 3
    assert [event.step for event in events.Scalars("evaluation/arena.win_rate")] == [0, 1, 2, 3]
    picture = events.Images("games/1")[0]
    assert (picture.width, picture.height) == (56, 24) and len(events.Images("games/1")) == 3
    text = events.Tensors("games/1/text_summary")[-1].tensor_proto.string_val[0].decode()
    assert "is the spy" in text
    assert "| arena.win_rate |" in events.Tensors("evaluation/text_summary")[-1].tensor_proto.string_val[0].decode()
    assert "rounds: 3" in events.Tensors("recipe/text_summary")[0].tensor_proto.string_val[0].decode()


def test_trackio(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("trackio")
    place = {"TRACKIO_DIR": str(tmp_path / "trackio")}
    send(run, "trackio", 0, 1, 2, **place)
    send(run, "trackio", 3, **place)
    code = (
        "import json, trackio; runs = [*trackio.Api().runs('vz')]; run = runs[0]; "
        "from trackio.sqlite_storage import SQLiteStorage as store; "
        "print(json.dumps([len(runs), run.name, run.config, store.get_logs('vz', run.name, run_id=run.id)], default=str))"
    )
    asked = subprocess.run([sys.executable, "-c", code], env={**os.environ, **place}, capture_output=True, text=True)
    count, name, config, rows = json.loads(asked.stdout.splitlines()[-1])
    assert count == 1 and name.startswith("demo-") and config["iterate.rounds"] == 3
    assert {row["step"]: row["round/vote_accuracy"] for row in rows if row["step"]} == pytest.approx(accuracies(run))
    assert [row["step"] for row in rows] == [0, 1, 2, 3]
    table = rows[-1]["evaluation (table)"]
    assert "arena.win_rate" in json.dumps(table)
    assert len(list((tmp_path / "trackio").rglob("*.png"))) == 9  # three games of each round
    assert "is the spy" in json.dumps(rows[-1]["games/1 (text)"])


def test_mlflow(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    place = {"MLFLOW_TRACKING_URI": f"file://{tmp_path}/mlruns", "MLFLOW_ALLOW_FILE_STORE": "true"}
    send(run, "mlflow", 0, 1, 2, **place)
    forget(run, "mlflow", 1)
    send(run, "mlflow", 3, **place)
    (params,) = tmp_path.rglob("params")  # one run
    metrics, artifacts = params.with_name("metrics"), params.with_name("artifacts")
    rows = [line.split() for line in (metrics / "round/vote_accuracy").read_text().splitlines()]
    assert {int(step): float(value) for _, value, step in rows} == pytest.approx(accuracies(run))
    assert len({tuple(row) for row in rows}) == 3  # what is sent again is the same
    assert (params / "iterate.rounds").read_text() == "3" and (artifacts / "recipe.yaml").is_file()
    assert "arena.win_rate" in (artifacts / "round-0003/evaluation.csv").read_text()
    assert len(list(artifacts.glob("round-*/game-*.png"))) == 9


def test_wandb_offline(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    send(run, "wandb", 0, 1, 2, WANDB_MODE="offline")
    send(run, "wandb", 3, WANDB_MODE="offline")
    offline = sorted((run / "tracking/wandb").glob("offline-run-*"))
    ids = {folder.name.split("-")[-1] for folder in offline}
    assert len(offline) == 2 and ids == {json.loads((run / "tracking/run.json").read_text())["id"]}
    assert [records(folder, "round/vote_accuracy") for folder in offline] == [
        pytest.approx([accuracies(run)[1], accuracies(run)[2]]),
        pytest.approx([accuracies(run)[3]]),
    ]
    for folder, pictures in zip(offline, (6, 3), strict=True):  # of two rounds, and of one
        assert len(list((folder / "files/media/images").rglob("*.png"))) >= pictures
        assert list((folder / "files/media/table").rglob("games*.table.json"))
        assert list((folder / "files/media/table").rglob("evaluation*.table.json"))


def records(folder: Path, name: str) -> list[float]:
    """The values of a figure in the file of an offline run: LevelDB's log format, after a header of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    (file,) = folder.glob("*.wandb")
    data, place, whole, found = file.read_bytes(), 7, b"", []
    while place + 7 <= len(data):
        if (left := 2**15 - place % 2**15) < 7:  # no header fits into the rest of a block
            place += left
            continue
        size, kind = struct.unpack_from("<HB", data, place + 4)
        whole += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record.FromString(whole)
            found += [
                json.loads(item.value_json)
                for item in record.history.item
                if (item.key or "/".join(item.nested_key)) == name
            ]
            whole = b""
    return found
