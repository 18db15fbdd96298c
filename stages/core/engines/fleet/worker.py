"""A worker as the fleet sees it: a process that can be asked, can fail, and can die."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, ClassVar

from stages.core.engines.base import Engine, Tally
from stages.core.errors import InputError, VzError
from stages.core.recipe.schema import Recipe

Opener = Callable[[Recipe], Engine]  # importable by name in every worker


@dataclass(frozen=True)
class Failure:
    """An error as plain data: exceptions with arguments of their own do not survive the way between processes."""

    message: str
    exit_code: int
    trace: str

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        known = isinstance(error, VzError)
        message = str(error) if known else f"{type(error).__name__}: {error} (an error inside a worker)"
        code = error.exit_code if isinstance(error, VzError) else VzError.exit_code
        return cls(message, code, "".join(traceback.format_exception(error)))

    def error(self) -> VzError:
        """The error as one process would have raised it; --debug shows where the worker did."""
        kind = InputError if self.exit_code == InputError.exit_code else VzError
        error = kind(self.message)
        error.add_note(self.trace)
        return error


@dataclass(frozen=True)
class Reply:
    """What came of a task, and all that the worker's engine has done so far."""

    value: Any = None
    failure: Failure | None = None
    tally: Tally = field(default_factory=Tally)


class Worker(ABC):
    """One process with an ordinary engine. It may be started again after it died.

    Its tasks are those of `EngineHost.call`. A future raises one of `died` when the process is gone.
    """

    died: tuple[type[Exception], ...]
    unfit: tuple[type[Exception], ...] = ()  # what `start` raises where vz itself cannot run
    at_once: ClassVar[bool]  # whether it takes a task while it is at another

    @abstractmethod
    def start(self) -> Future[str]:
        """Begin a process; the future says where it is, once it is there."""

    @abstractmethod
    def call(self, task: str, *arguments: Any) -> Future[Reply]:
        """Give it a task."""

    @abstractmethod
    def stop(self) -> None:
        """End the process, whatever it is at; returns when it is gone. One that is not there is no error."""
