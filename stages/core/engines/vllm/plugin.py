"""A vLLM plugin: engine processes end with the process that started them, and not by Ctrl-C.

By themselves they outlive a parent that was killed, with all their memory. And Ctrl-C in a terminal reaches them too,
so that they abort what their parent still waits for. vLLM calls `end_with_parent` in every process that it starts
(entry point `vllm.general_plugins`). It does nothing if vz did not start the engine.
"""

from __future__ import annotations

import os
import signal

from stages.core.processes.inherited import end_with_parent as end_with_owner

OWNER = "VZ_ENGINE_OWNER"  # the process that vz runs in


def end_with_parent() -> None:
    """Leave Ctrl-C to the parent, and have the kernel kill this process when the parent ends."""
    owner = os.environ.get(OWNER)
    if owner is None or os.getpid() == int(owner):
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    if owner == "1":  # the first process of a container takes all others along
        return
    end_with_owner()
