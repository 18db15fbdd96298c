"""One process of a launched training: `python -m stages.train.worker job.json`. Users call `vz train` instead."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from stages.core.errors import VzError
from stages.core.folder.files import write_json
from stages.core.processes.inherited import end_with_parent
from stages.train.job import ERROR, RESULT, Job
from stages.train.launcher import LAUNCHER


def main(path: Path) -> int:
    """Train, and leave the result or the error beside the job file."""
    end_with_parent(int(os.environ[LAUNCHER]))
    from stages.train.training import train

    try:
        trained = train(Job.load(path))
    except VzError as error:
        write_json(path.with_name(ERROR), {"message": str(error), "exit_code": error.exit_code})
        return error.exit_code
    if int(os.environ.get("RANK", "0")) == 0:
        trained.save(path.with_name(RESULT))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
