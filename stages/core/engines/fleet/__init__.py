"""Several engines, in processes of this machine or on a Ray cluster, that answer as one."""

from stages.core.engines.fleet.engine import FleetEngine, check_executor

__all__ = ["FleetEngine", "check_executor"]
