"""benchmark: asks a model and its base the same questions of published benchmarks, with lmms-eval."""

from stages.benchmark.stage import check_ready, run, with_room

__all__ = ["check_ready", "run", "with_room"]
