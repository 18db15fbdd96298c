"""benchmark: published benchmarks through lmms-eval, the model and its base on the same questions."""

from stages.benchmark.stage import check_ready, run, with_room

__all__ = ["check_ready", "run", "with_room"]
