"""A vLLM plugin: engines end when the process that started them does, however it does.

vLLM's engine processes outlive a parent that was killed, with all the memory they hold. vLLM calls `end_with_parent` in
every process that it starts (entry point `vllm.general_plugins`); it does nothing where vz did not start the engine.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

OWNER = "VZ_ENGINE_OWNER"  # the process that vz runs in
PR_SET_PDEATHSIG = 1  # from linux/prctl.h


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    owner = os.environ.get(OWNER)
    if owner is None or os.getpid() == int(owner) or sys.platform != "linux":
        return
    if owner == "1":  # the first process of a container, with which all others end
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:  # it ended before the kernel was told
        os.kill(os.getpid(), signal.SIGKILL)
