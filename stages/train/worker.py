"""One process of a launched training: `python -m stages.train.worker job.json`. Users call `vz train` instead."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from stages.core.errors import VzError
from stages.core.files import write_json
from stages.train.job import Job

RESULT, ERROR = "result.json", "error.json"


def main(path: Path) -> int:
    """Train; leave what came of it, or what went wrong, beside the job file."""
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
