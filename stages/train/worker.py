"""The processes of a launched training: torchrun (`launch PID …`), and one for each part of the work (`job.json`).

Users call `vz train` instead. Each process ends with the one that started it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from stages.core.errors import VzError
from stages.core.folder.files import write_json
from stages.core.processes.inherited import end_with_parent

LAUNCHER = "VZ_TRAIN_LAUNCHER"  # the process that runs torchrun


def run_torchrun(parent: int, arguments: list[str]) -> None:
    end_with_parent(parent)
    from torch.distributed.run import main

    os.environ[LAUNCHER] = str(os.getpid())
    main(arguments)


def work(job: Path) -> int:
    """Train; leave an error beside the job file."""
    end_with_parent(int(os.environ[LAUNCHER]))
    from stages.train.job import Job
    from stages.train.launch import ERROR
    from stages.train.training import train

    try:
        train(Job.load(job))
    except VzError as error:
        write_json(job.with_name(ERROR), {"message": str(error), "exit_code": error.exit_code})
        return error.exit_code
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "launch":
        run_torchrun(int(sys.argv[2]), sys.argv[3:])
    else:
        sys.exit(work(Path(sys.argv[1])))
