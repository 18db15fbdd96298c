"""vLLM's own log file. vz shows its end when an engine dies."""

from __future__ import annotations

import json
import os
import re
from functools import cache
from pathlib import Path

from stages.core.folder.temporary import TemporaryFolder

LINES_SHOWN = 12
_HEAD = "%(asctime)s %(process)d %(levelname)s %(name)s: "
# In a traceback, all lines except the exception's are indented.
_ERROR = re.compile(r"\S+ \S+ \d+ (?:ERROR|CRITICAL) \S+: (?!Traceback)(?P<message>\S.*)")


@cache
def engine_log() -> EngineLog:
    """The log of all engines in this process. Its folder is removed when the process ends."""
    return EngineLog()


class EngineLog:
    """A folder with vLLM's log, and the settings that direct it there.

    vLLM and the processes that it starts read these settings from the environment when they are imported.
    """

    def __init__(self) -> None:
        self._folder = TemporaryFolder("vz-vllm-")
        self.file = self._folder.path / "vllm.log"
        settings = self._folder.path / "logging.json"
        settings.write_text(json.dumps(_all_into(self.file)), encoding="utf-8")
        os.environ.setdefault("VLLM_LOGGING_CONFIG_PATH", str(settings))
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")  # send nothing
        os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")  # torch does not survive a fork

    def tail(self) -> str:
        """The errors without their tracebacks, or else the last lines."""
        if not self.file.is_file():
            return f"({os.environ['VLLM_LOGGING_CONFIG_PATH']} says where vLLM logs)"
        lines = self.file.read_text(encoding="utf-8", errors="replace").splitlines()
        said = (_ERROR.match(line) for line in lines)
        errors = list(dict.fromkeys(f"  {match['message']}" for match in said if match))
        return "\n".join((errors or lines)[-LINES_SHOWN:])


def _all_into(file: Path) -> dict[str, object]:
    """Python logging settings that write everything vLLM logs to `file`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        # This formatter starts every line of a traceback with the head, so that `tail` can tell the lines apart.
        "formatters": {"line": {"()": "vllm.logging_utils.NewLineFormatter", "fmt": _HEAD + "%(message)s"}},
        "handlers": {"file": {"class": "logging.FileHandler", "filename": str(file), "formatter": "line"}},
        "loggers": {"vllm": {"handlers": ["file"], "level": "INFO", "propagate": False}},
    }
