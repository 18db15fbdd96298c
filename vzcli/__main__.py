"""The entry point. Ctrl-C ends vz without a traceback, even while vz is still being imported."""

from __future__ import annotations

import os
import signal
from typing import Any

from vzcli import INTERRUPTED, REPEAT


def main() -> None:
    """Run `vz`. See `vzcli.main` for the exit codes."""
    handles = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not under nohup
    if handles:
        signal.signal(signal.SIGINT, _end)
    from vzcli.main import main as run

    try:
        if handles:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    except KeyboardInterrupt:  # before `run` handles it, or after
        _end()


def _end(*_: Any) -> None:
    os.write(2, f"vz: {REPEAT}\n".encode())
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
