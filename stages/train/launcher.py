"""The process between `vz train` and its training processes: accelerate's launcher, which ends with `vz`."""

from __future__ import annotations

import os
import sys

from stages.core.processes.inherited import end_with_parent

LAUNCHER = "VZ_TRAIN_LAUNCHER"  # the process that started the training processes


def main(parent: int, arguments: list[str]) -> None:
    """`accelerate launch` with these arguments."""
    end_with_parent(parent)
    from accelerate.commands import launch

    os.environ[LAUNCHER] = str(os.getpid())
    sys.argv = ["accelerate-launch", *arguments]
    launch.main()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
