"""Several engines in processes of a Ray cluster, on one machine or many, that answer as one."""

from stages.core.engines.fleet.engine import FleetEngine, check_executor

__all__ = ["FleetEngine", "check_executor"]
