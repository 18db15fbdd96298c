"""The arithmetic of the benchmark of training."""

from __future__ import annotations

from tests.train import bench
from tests.train.bench import Measured


def test_an_arm_is_compared_with_the_update_of_trl_beside_it():
    parts = {"tower": 1.0, "language model": 2.0}
    trl = Measured("(a) TRL", "votes", "all", 4, [10.0, 30.0, 20.0], [8.0, 8.0, 8.0], [100, 100, 100], parts=parts)
    own = Measured("(c)", "votes", "all", None, [5.0, 5.0, 5.0], [2.0, 4.0, 2.0], [100, 100, 100], parts=parts)
    first, second = bench.report([trl, own]).splitlines()[2:]
    assert "(a) TRL, micro-batch 4 | 10.0 | 1.00 (1.00 … 1.00)" in first
    assert "| (c) | 20.0 | 4.00 (2.00 … 6.00) | 4.00 (2.00 … 4.00) |" in second
    assert "| 20% | 40% |" in second
