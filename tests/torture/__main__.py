"""Torture: `vz` is killed, its files are spoilt, its disk is full, and every reader gets bad input.

`python -m tests.torture --minutes 10` ends with one table of what was tried and what was lost; the exit code is 1 if
anything was. A failing try is kept in OUT/failures with the command that repeats it, and
`python -m tests.torture --again OUT/failures/0001` makes it again. `--seed` repeats all draws.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.torture import child, failures, lanes
from tests.torture.tally import table


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.torture", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, help="default: drawn, and printed")
    parser.add_argument("--short", action="store_true", help="a fixed number of tries of each kind, for CI")
    parser.add_argument("--only", type=lambda text: text.split(","), help=f"some of {','.join(lanes.KINDS)}")
    parser.add_argument("--out", type=Path, help="default: a new folder for temporary files")
    parser.add_argument("--jobs", type=int, default=2, help="tries at the same time")
    parser.add_argument("--again", type=Path, help="make one kept try again")
    given = parser.parse_args()
    kinds = given.only or list(lanes.KINDS)
    if unknown := set(kinds) - set(lanes.KINDS):
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(lanes.KINDS)}")
    child.warm()
    if given.again:
        return failures.again(given.again)
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    out = given.out or Path(tempfile.mkdtemp(prefix="vz-torture-"))
    print(f"seed {seed}; output in {out}", flush=True)
    found = lanes.run_all(kinds, out.resolve(), seed, given.minutes * 60, given.jobs, short=given.short)
    print(table(found))
    failed = any(one.faults for tries in found.values() for one in tries)
    if not failed and not given.out:
        shutil.rmtree(out)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
