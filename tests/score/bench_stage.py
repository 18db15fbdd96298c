"""One stage in a process of its own for `tests.score.bench`; prints rows, seconds and peak memory as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from stages import filter as filter_stage
from stages import score
from stages.core.recipe import load


def main(stage: str, recipe: str, source: str, out: str) -> None:
    run = {"score": score.run, "filter": filter_stage.run}[stage]
    began, cpu_began = time.perf_counter(), time.process_time()
    report = run(load(recipe), Path(source), Path(out), phase="decision")
    seconds = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu_began}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"rows": report.counts["rows"], **seconds, "peak_gib": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
