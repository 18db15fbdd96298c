"""A command that ignores a signal from its start goes on ignoring it, whatever handlers its libraries install."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

# A library installs a handler for a signal that the process ignores.
LIBRARY = """
import os, signal, sys, time
from stages.core.processes.interrupts import keep_ignored
keep_ignored()
signal.signal({how}, lambda *_: sys.exit(3))
os.kill(os.getpid(), {how})
time.sleep(0.05)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
@pytest.mark.parametrize("ignored", [True, False])
def test_a_signal_ignored_from_the_start_reaches_no_handler(how: signal.Signals, ignored: bool) -> None:
    given = "SIG_IGN" if ignored else "SIG_DFL"  # a test run in the background ignores some itself
    start = f"import os, signal, sys; signal.signal({int(how)}, signal.{given}); os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-c", start, sys.executable, "-c", LIBRARY.format(how=int(how))]
    assert subprocess.run(command, check=False).returncode == (0 if ignored else 3)
