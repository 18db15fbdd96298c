"""Ctrl-C is never swallowed, and noticed at once."""

import signal
import subprocess
import sys
import time

SWALLOWING = """
import gc, os, signal, time
from stages.core.processes.interrupts import never_swallow
never_swallow()
class Thing:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):  # the interrupt is raised here, where Python ignores it
            pass
thing = Thing()
del thing
time.sleep(30)
"""
IN_POLARS = """
import os, signal, time
import polars as pl
from stages.core.processes.interrupts import spare_polars
spare_polars()
def interrupted(value):
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):  # without help, the interrupt is raised here; at times, Polars panics
        pass
    return value
print(pl.Series([1]).map_elements(interrupted, return_dtype=pl.Int64).to_list(), flush=True)
time.sleep(30)
"""
IN_AN_ENGINE = """
import asyncio, os, signal
from stages.core.engines import open_engine
from stages.core.processes.interrupts import spare_polars
from tests.helpers import fake_recipe
async def work():
    try:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(10)
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise
spare_polars()
with open_engine(fake_recipe()) as engine:
    try:
        engine.run(work())
    except KeyboardInterrupt:
        print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""
COMPUTING = """
import hashlib
from stages.core.processes.interrupts import answer_at_once
answer_at_once(lambda message: print(message, flush=True), after=0.1)
print("computing", flush=True)
hashlib.pbkdf2_hmac("sha256", b"a", b"b", 10**9)  # no Python runs meanwhile in this thread
"""
AGAIN = """
import os, signal, time
from stages.core.processes.interrupts import answer_at_once
signal.signal(signal.SIGINT, lambda *_: None)
answer_at_once(lambda message: print(message, flush=True), after=0.1)
for _ in range(2):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.5)
"""


def test_a_ctrl_c_that_python_swallows_comes_again():
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", SWALLOWING], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGINT and "KeyboardInterrupt" in done.stderr
    assert time.monotonic() - began < 30


def test_a_ctrl_c_inside_polars_waits_until_it_is_done():
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", IN_POLARS], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGINT and done.stdout == "[1]\n"
    assert "KeyboardInterrupt" in done.stderr and "panicked" not in done.stderr
    assert time.monotonic() - began < 30


def test_an_engine_cancels_its_work():
    done = subprocess.run([sys.executable, "-c", IN_AN_ENGINE], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "cancelled\nFalse\n"


def test_a_command_that_computes_tells_that_it_noticed_ctrl_c():
    with subprocess.Popen(
        [sys.executable, "-c", COMPUTING], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as busy:
        assert busy.stdout is not None and busy.stdout.readline() == "computing\n"
        time.sleep(0.3)
        busy.send_signal(signal.SIGINT)
        assert busy.stdout.readline().startswith("stopping")
        busy.kill()


def test_a_command_that_goes_on_tells_it_once():
    done = subprocess.run([sys.executable, "-c", AGAIN], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.count("stopping") == 1 and done.stderr == ""
