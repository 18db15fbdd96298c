"""vLLM's own log, kept in a file: its end is shown when an engine dies."""

from __future__ import annotations

import json
import os
import re
import tempfile
from functools import cache
from pathlib import Path

LINES_SHOWN = 12
_HEAD = "%(asctime)s %(process)d %(levelname)s %(name)s: "
# Of a traceback all but the exception itself is indented.
_ERROR = re.compile(r"\S+ \S+ \d+ (?:ERROR|CRITICAL) \S+: (?!Traceback)(?P<message>\S.*)")


@cache
def engine_log() -> EngineLog:
    """The log of all engines of this process; its folder goes when the process ends."""
    return EngineLog()


class EngineLog:
    """A folder with vLLM's log and the settings that send it there.

    vLLM and the processes it starts read where to log from the environment, once, when they are first imported.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="vz-vllm-")
        self.file = Path(self._folder.name) / "vllm.log"
        settings = Path(self._folder.name) / "logging.json"
        settings.write_text(json.dumps(_all_into(self.file)), encoding="utf-8")
        os.environ.setdefault("VLLM_LOGGING_CONFIG_PATH", str(settings))
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")  # nothing is sent to anyone
        os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")  # a fork would copy torch's threads half

    def tail(self) -> str:
        """What went wrong, without the lines of its tracebacks; the last lines where vLLM reported no error."""
        if not self.file.is_file():
            return f"(vLLM logs to where {os.environ['VLLM_LOGGING_CONFIG_PATH']} says)"
        lines = self.file.read_text(encoding="utf-8", errors="replace").splitlines()
        said = (_ERROR.match(line) for line in lines)
        errors = list(dict.fromkeys(f"  {match['message']}" for match in said if match))
        return "\n".join((errors or lines)[-LINES_SHOWN:])


def _all_into(file: Path) -> dict[str, object]:
    """Settings of Python's logging: everything that vLLM says into `file`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        # vLLM's own formatter puts the head before every line of a traceback, so that `tail` finds them all.
        "formatters": {"line": {"()": "vllm.logging_utils.NewLineFormatter", "fmt": _HEAD + "%(message)s"}},
        "handlers": {"file": {"class": "logging.FileHandler", "filename": str(file), "formatter": "line"}},
        "loggers": {"vllm": {"handlers": ["file"], "level": "INFO", "propagate": False}},
    }
