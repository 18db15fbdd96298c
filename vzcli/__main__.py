"""What runs first. While vz is being imported, Ctrl-C ends it at once, without a traceback."""

from __future__ import annotations

import os
import signal
from typing import Any

from vzcli import INTERRUPTED, REPEAT


def main() -> None:
    """Run `vz`; exit codes are those of `vzcli.main`."""
    answers = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not under nohup
    if answers:
        signal.signal(signal.SIGINT, _end)
    from vzcli.main import main as run

    if answers:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _end(*_: Any) -> None:
    os.write(2, f"vz: {REPEAT}\n".encode())
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
