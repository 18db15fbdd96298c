"""Several engines in the processes of a Ray cluster, on one machine or on many, that answer as one."""

from stages.core.engines.fleet.engine import FleetEngine, check_executor

__all__ = ["FleetEngine", "check_executor"]
