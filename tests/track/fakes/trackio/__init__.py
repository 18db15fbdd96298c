"""A fake Trackio for tests. It writes every call to a file, and fails as the variable FAKE_TRACKIO says."""

import json
import os
import time
from pathlib import Path

FAULT = os.environ.get("FAKE_TRACKIO", "")
FILE = Path(os.environ["FAKE_TRACKIO_FILE"])


def _write(**what):
    with FILE.open("a") as file:
        print(json.dumps(what), file=file)


def Image(value, caption):  # noqa: N802
    return f"{value.width}x{value.height}"


def Markdown(text):  # noqa: N802
    return text


def Table(data):  # noqa: N802
    return data


def init(**about):
    print("chatter on stdout")
    if FAULT == "unreachable":
        raise ConnectionError("no route to the tracker\nand more of it")
    _write(name=about["name"], resume=about["resume"], config=len(about["config"]))


def log(values, step):
    if FAULT == "fails once" and not FILE.with_name("failed").exists():
        FILE.with_name("failed").touch()
        raise ConnectionError("lost")
    if FAULT == "exits":
        os._exit(3)
    if FAULT == "hangs":
        time.sleep(600)
    _write(step=step, games=[values.get(f"games/{place}") for place in (1, 2)], loss=values.get("train/loss"))


def finish():
    _write(finished=True)
