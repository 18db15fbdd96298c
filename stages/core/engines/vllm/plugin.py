"""A vLLM plugin: engines end when, and only when, the process that started them ends them or is gone.

vLLM's engine processes outlive a parent that was killed, with all the memory they hold; and Ctrl-C in a terminal, which
reaches them too, makes them abort what their parent still waits for. vLLM calls `end_with_parent` in every process
that it starts (entry point `vllm.general_plugins`); it does nothing where vz did not start the engine.
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
