"""The Ray cluster on which workers run."""

from __future__ import annotations

import logging
import math
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from types import ModuleType
from typing import Any

from stages.core.engines.fleet.worker import Opener, Worker
from stages.core.errors import InputError, require
from stages.core.recipe.engines import Executor
from stages.core.recipe.schema import Recipe

CONNECT_TIMEOUT = 10.0  # seconds
RESTARTS = 3  # of a dead worker


class Cluster:
    """The Ray cluster that the recipe or RAY_ADDRESS names; without either, a new one on this machine.

    `leave` ends a cluster that vz started; any other keeps running.
    """

    def __init__(self, executor: Executor) -> None:
        self.ray = require("ray", "ray")
        self.executor = executor
        self._connected_before = bool(self.ray.is_initialized())
        if not self._connected_before:
            self._connect(executor.address or os.environ.get("RAY_ADDRESS"))
        try:
            self._check_room()
        except InputError:
            self.leave()
            raise

    def start(self, opener: Opener, recipe: Recipe) -> Any:
        """A handle for a new worker, which Ray restarts if its process dies."""
        executor = self.executor
        options = {"num_cpus": executor.cpus, "num_gpus": executor.gpus}
        options |= {"max_restarts": RESTARTS, "max_task_retries": RESTARTS}
        return self.ray.remote(Worker).options(**options).remote(opener, recipe, version("vz-selfplay"), executor.gpus)

    def leave(self) -> None:
        if not self._connected_before:
            self.ray.shutdown()

    def _connect(self, address: str | None) -> None:
        quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        # Otherwise Ray prints worker deaths to stdout, which is for reports. vz reports them to stderr itself.
        self.ray._private.worker._worker_logs_enabled = False
        if address is None:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            cores = max(1, math.ceil(self.executor.workers * self.executor.cpus))
            with _on_loopback(self.ray):
                self.ray.init(address="local", num_cpus=cores, include_dashboard=False, **quiet)
            return
        try:
            _check_connection(address)
            self.ray.init(address=address, **quiet)
        except (OSError, ValueError, RuntimeError, self.ray.exceptions.RayError) as error:
            raise InputError(
                f"rollout.executor.address: cannot join a Ray cluster at {address}: {error}; check it with `ray "
                "status` there. A cluster that uses a token needs RAY_AUTH_TOKEN here as well"
            ) from error

    def _check_room(self) -> None:
        """Check for enough resources. Otherwise, Ray would wait for machines that may never come."""
        available = self.ray.cluster_resources()
        for kind, each in (("CPU", self.executor.cpus), ("GPU", self.executor.gpus)):
            needed, found = self.executor.workers * each, available.get(kind, 0)
            if needed > found:
                raise InputError(
                    f"the Ray cluster has {found:g} {kind}s, but {self.executor.workers} workers with {each:g} each "
                    f"need {needed:g}: start more machines, or lower rollout.executor.workers or .{kind.lower()}s"
                )


@contextmanager
def _on_loopback(ray: ModuleType) -> Iterator[None]:
    """A cluster that starts in this block listens only on 127.0.0.1, as Ray does by default on macOS.

    On Linux, Ray listens on every address of the machine, so anyone could make it run code.
    """
    constants = ray._private.ray_constants
    before, constants.ENABLE_RAY_CLUSTER = constants.ENABLE_RAY_CLUSTER, False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before


def _check_connection(address: str) -> None:
    """`OSError` if nothing answers, since Ray would try for minutes. Ray itself resolves addresses such as "auto"."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT).close()
