"""Workers on a Ray cluster: actors, on one machine or on many that see the same files."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
from concurrent.futures import Future
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from stages.core.engines.fleet.host import EngineHost
from stages.core.engines.fleet.worker import Failure, Reply, Worker
from stages.core.errors import InputError, require
from stages.core.recipe.engines import Executor
from stages.core.recipe.schema import Recipe

ANSWERS_WITHIN = 10.0  # seconds


class Actor:
    """What Ray runs: an engine's host that says first what its machine lacks."""

    def __init__(self, gpus: float, version: str) -> None:
        self._gpus = gpus
        self._version = version  # of vz where it was started
        self._host = EngineHost()

    async def where(self) -> str:
        return f"{socket.gethostname()}, process {os.getpid()}"

    async def call(self, task: str, *arguments: Any) -> Reply:
        try:
            self._check(task, *arguments)
        except InputError as error:
            return Reply(failure=Failure.of(error))
        return await asyncio.wrap_future(self._host.call(task, *arguments))

    def _check(self, task: str, *arguments: Any) -> None:
        if task == "open":
            _check_version(self._version)
            _check_gpus(arguments[1], self._gpus)
        if task == "load" and isinstance(arguments[1], Path):
            _check_seen({arguments[1]}, "model")
        if task == "generate":
            _check_seen({picture.folder for request in arguments[0] for picture in request.pictures}, "games")


class RayWorker(Worker):
    """An actor. Ray places it and notices its death; it is the fleet that starts it again, with its policies."""

    at_once = True

    def __init__(self, ray: ModuleType, executor: Executor) -> None:
        self._ray, self._executor = ray, executor
        self._actor: Any = None
        errors = ray.exceptions
        self.unfit = (errors.RayTaskError,)
        # Ray's memory monitor ends actors with an error of its own, the last.
        self.died = (errors.RayActorError, errors.ObjectLostError, errors.NodeDiedError, errors.OutOfMemoryError)

    def start(self) -> Future[str]:
        needs = {"num_cpus": self._executor.cpus, "num_gpus": self._executor.gpus}
        self._actor = (
            self._ray.remote(Actor).options(**needs, max_restarts=0).remote(self._executor.gpus, version("vz-selfplay"))
        )
        where: Future[str] = self._actor.where.remote().future()
        return where

    def call(self, task: str, *arguments: Any) -> Future[Reply]:
        reply: Future[Reply] = self._actor.call.remote(task, *arguments).future()
        return reply

    def stop(self) -> None:
        if self._actor is not None:
            self._ray.kill(self._actor)
            self._actor = None


class Cluster:
    """The Ray cluster that the recipe or RAY_ADDRESS names, else one of our own on this machine.

    A cluster that is not ours goes on running when we leave; ours ends.
    """

    def __init__(self, executor: Executor) -> None:
        self._ray = require("ray", "ray")
        self._executor = executor
        self._connected_before = bool(self._ray.is_initialized())
        if not self._connected_before:
            self._connect(executor.address or os.environ.get("RAY_ADDRESS"))
        try:
            self._check_room()
        except InputError:
            self.leave()
            raise

    def workers(self) -> list[RayWorker]:
        return [RayWorker(self._ray, self._executor) for _ in range(self._executor.workers)]

    def leave(self) -> None:
        if not self._connected_before:
            self._ray.shutdown()

    def _connect(self, address: str | None) -> None:
        quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        if address is None:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            cores = max(1, math.ceil(self._executor.workers * self._executor.cpus))
            self._ray.init(address="local", num_cpus=cores, include_dashboard=False, **quiet)
            return
        try:
            _check_answers(address)
            self._ray.init(address=address, **quiet)
        except (OSError, ValueError, RuntimeError, self._ray.exceptions.RayError) as error:
            raise InputError(
                f"rollout.executor.address: no Ray cluster can be joined at {address}: {error}; `ray status` there "
                "says whether it runs. One with a token wants it of vz as of any program (RAY_AUTH_TOKEN)"
            ) from error

    def _check_room(self) -> None:
        """Ray itself would wait for machines that may never come."""
        there = self._ray.cluster_resources()
        for kind, each in (("CPU", self._executor.cpus), ("GPU", self._executor.gpus)):
            wanted, found = self._executor.workers * each, there.get(kind, 0)
            if wanted > found:
                raise InputError(
                    f"the Ray cluster has {found:g} {kind}s, but {self._executor.workers} workers with {each:g} each "
                    f"need {wanted:g}: start more machines, or lower rollout.executor.workers or .{kind.lower()}s"
                )


def _check_answers(address: str) -> None:
    """`OSError` where nothing answers; Ray itself tries for minutes. Addresses like "auto" are Ray's to resolve."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWERS_WITHIN).close()


def _check_version(wanted: str) -> None:
    if (found := version("vz-selfplay")) != wanted:
        raise InputError(
            f"{socket.gethostname()}, a machine of the Ray cluster, has vz {found}, but it is started by {wanted}: "
            "install the same everywhere"
        )


def _check_gpus(recipe: Recipe, gpus: float) -> None:
    """Ray hides the GPUs of others only from those who reserve some: all workers would crowd on the first."""
    if gpus or recipe.model.device == "cpu" or recipe.rollout.engine not in {"transformers", "vllm"}:
        return
    if require("torch", "train").cuda.is_available():
        raise InputError(
            f"{socket.gethostname()} has GPUs, but rollout.executor.gpus is 0: set it to those that a worker takes, or "
            "set model.device=cpu"
        )


def _check_seen(folders: set[Path], what: str) -> None:
    for folder in folders:
        if not folder.exists():
            raise InputError(
                f"{folder}: {socket.gethostname()}, a machine of the Ray cluster, does not see this {what} folder; all "
                "its machines need a file system that they share"
            )
