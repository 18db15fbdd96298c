"""The benchmarks of training: their arithmetic, and all steps of the one for a GPU with a tiny model on a CPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.core.folder.files import read_json
from tests.train import bench, bench_gpu
from tests.train.bench import Measured


def test_an_arm_is_compared_with_the_update_of_trl_beside_it():
    parts = {"tower": 1.0, "language model": 2.0}
    trl = Measured("(a) TRL", "votes", "all", 4, [10.0, 30.0, 20.0], [8.0, 8.0, 8.0], [100, 100, 100], parts=parts)
    own = Measured("(c)", "votes", "all", None, [5.0, 5.0, 5.0], [2.0, 4.0, 2.0], [100, 100, 100], parts=parts)
    first, second = bench.report([trl, own]).splitlines()[2:]
    assert "(a) TRL, micro-batch 4 | 10.0 | 1.00 (1.00 … 1.00)" in first
    assert "| (c) | 20.0 | 4.00 (2.00 … 6.00) | 4.00 (2.00 … 4.00) |" in second
    assert "| 20% | 40% |" in second


@pytest.mark.slow
def test_the_benchmark_for_a_gpu_runs_on_a_cpu(tmp_path: Path):
    small = ["--shape", "tiny", "--games", "1", "--tokens", "4", "--batch", "4", "--rank", "8"]
    assert bench_gpu.main(["--out", str(tmp_path), *small]) == 0
    steps = read_json(tmp_path / "bench.json")["steps"]
    assert list(steps) == list(bench_gpu.STEPS)
    assert steps["gap"]["logprob_gap_mean"] < 1e-4
    arms = [arm for step in ("training", "trl") for arm in steps[step].values() if isinstance(arm, dict)]
    assert [arm for arm in arms if "seconds_a_row" not in arm] == [{"left out": "10 rows do not divide by 4"}]
