"""The processes of a launched training: torchrun (`launch PID …`), and the processes that train (`PLACE`).

Users call `vz train` instead. Each process ends with the one that started it.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback

from stages.core.processes.inherited import end_with_parent

LAUNCHER = "VZ_TRAIN_LAUNCHER"  # the process that runs torchrun


def run_torchrun(parent: int, arguments: list[str]) -> None:
    end_with_parent(parent)
    from torch.distributed.run import main

    os.environ[LAUNCHER] = str(os.getpid())
    main(arguments)


def work(place: str) -> None:
    """Call the methods that the parent names until it closes the line, and answer with their results.

    The first message is the recipe. Each later one has a method's name and arguments. An error is also an answer; the
    parent decides what happens to the other processes.
    """
    end_with_parent(int(os.environ[LAUNCHER]))
    from stages.train.meeting import call

    parent = call(place)
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
        except Exception as error:
            answer = _as_sent(error)
        parent.send(answer)


def _as_sent(error: Exception) -> Exception:
    """The error with its traceback as a note. If it cannot be sent, another error with the same message."""
    text = "".join(traceback.format_exception(error))
    try:
        sent: Exception = pickle.loads(pickle.dumps(error))
    except Exception:
        sent = RuntimeError(f"{type(error).__name__}: {error}")
    sent.add_note(text)
    return sent


if __name__ == "__main__":
    if sys.argv[1] == "launch":
        run_torchrun(int(sys.argv[2]), sys.argv[3:])
    else:
        work(sys.argv[1])
