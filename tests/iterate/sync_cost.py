"""What putting everything on disk costs: the share of each round of the demo that is spent syncing.

`python -m tests.iterate.sync_cost --rounds 6`: the tiny recipe, each round's seconds and those of them spent syncing.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median

from stages import iterate
from stages.core.recipe import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--pairs", type=int, default=60)
    given = parser.parse_args()
    sync, spent, calls = os.fsync, 0.0, 0

    def timed(handle: int) -> None:
        nonlocal spent, calls
        began = time.perf_counter()
        sync(handle)
        spent += time.perf_counter() - began
        calls += 1

    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        recipe = load("tiny", [f"iterate.rounds={given.rounds}", f"games.pairs={given.pairs}", "evaluate.every=0"])
        shares, marks = [], [(time.perf_counter(), 0.0, 0)]

        def on_round(metrics: dict, timings: dict) -> None:
            marks.append((time.perf_counter(), spent, calls))
            (began, before, some), (ended, after, all_of_them) = marks[-2:]
            shares.append((after - before) / (ended - began))
            print(
                f"round {metrics['iteration']}: {ended - began:.2f} s, syncing {after - before:.3f} s in "
                f"{all_of_them - some} calls, {shares[-1]:.2%}",
                flush=True,
            )

        os.fsync = timed
        iterate.run(recipe, Path(folder) / "run", on_round=on_round)
    print(
        f"share of a round: median {median(shares[1:]):.2%}, most {max(shares[1:]):.2%}; the first also makes the games"
    )


if __name__ == "__main__":
    main()
