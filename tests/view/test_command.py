"""`vz view` on the command line."""

import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from stages.core.errors import MissingExtra
from stages.view.server import open_server
from tests.cli import vz
from tests.view.conftest import SmallRun


def test_it_prints_its_address_and_ctrl_c_is_how_it_ends(two_rounds: SmallRun):
    command = [sys.executable, "-m", "vzcli", "view", str(two_rounds.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        address = process.stdout.readline().removeprefix("open ").strip()
        with urllib.request.urlopen(address, timeout=60) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0 and process.stderr.read() == ""


def test_a_port_in_use_is_named(two_rounds: SmallRun):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = vz("view", two_rounds.folder, "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2 and "choose another --port" in done.stderr and done.stderr.count("\n") == 1


def test_a_missing_extra_is_named(two_rounds: SmallRun, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtra, match=r"pip install 'vz-selfplay\[view\]'"):
        open_server([two_rounds.folder], 0)
