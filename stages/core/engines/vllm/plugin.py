"""A vLLM plugin: engine processes end with the process that started them, not on Ctrl-C.

Without it, they outlive a killed parent and keep their memory. Ctrl-C in a terminal also reaches them, so that they
abort work that their parent still waits for. vLLM calls `end_with_parent` in every process that it starts (entry point
`vllm.general_plugins`). It does nothing if vz did not start the engine.
"""

from __future__ import annotations

import os
import signal

from stages.core.processes.inherited import end_with_parent as end_with_owner

OWNER = "VZ_ENGINE_OWNER"  # the id of vz's process


def end_with_parent() -> None:
    """Leave Ctrl-C to the parent, and have the kernel kill this process when the parent ends."""
    owner = os.environ.get(OWNER)
    if owner is None or os.getpid() == int(owner):
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    if owner == "1":  # when a container's first process ends, all others do
        return
    end_with_owner()
