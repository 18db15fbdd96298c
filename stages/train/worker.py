"""The processes of a launched training: torchrun (`launch PID …`), and one for each part of the work (`SOCKET`).

Users call `vz train` instead. Each process ends with the one that started it.
"""

from __future__ import annotations

import os
import socket
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from stages.core.errors import VzError
from stages.core.processes.inherited import end_with_parent

LAUNCHER = "VZ_TRAIN_LAUNCHER"  # the process that runs torchrun


def run_torchrun(parent: int, arguments: list[str]) -> None:
    end_with_parent(parent)
    from torch.distributed.run import main

    os.environ[LAUNCHER] = str(os.getpid())
    main(arguments)


def work(place: Path) -> None:
    """Do what comes through the socket until it is closed: a method's name and its arguments, answered by its result.

    The first message is the recipe. A `VzError` is the answer, too; what becomes of the others is up to the parent.
    """
    end_with_parent(int(os.environ[LAUNCHER]))
    with socket.socket(socket.AF_UNIX) as plain:
        plain.connect(str(place))
        parent: Connection[Any, Any] = Connection(os.dup(plain.fileno()))
    parent.send((int(os.environ["RANK"]), os.getpid()))
    recipe = parent.recv()
    from stages.train.training import Training

    trainer = Training(recipe, launched=True)
    while True:
        try:
            method, *arguments = parent.recv()
        except EOFError:  # the parent is done, or has ended
            return
        try:
            answer = getattr(trainer, method)(*arguments)
        except VzError as error:
            answer = error
        parent.send(answer)


if __name__ == "__main__":
    if sys.argv[1] == "launch":
        run_torchrun(int(sys.argv[2]), sys.argv[3:])
    else:
        work(Path(sys.argv[1]))
