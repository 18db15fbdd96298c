"""Training on two machines: two groups of processes that know each other by an address and a secret only."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from stages import train
from stages.core.errors import InputError, VzError
from stages.core.recipe import Recipe
from stages.train import machines
from stages.train.accelerate_file import WHOLE
from stages.train.live import check_ready
from stages.train.machines import DONE, Machines, Seat
from stages.train.meeting import SECRET, Line, Meeting, call, free_port
from tests.train import world
from tests.train.world import World

HOST = "127.0.0.1"


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, "0123456789abcdef")


@pytest.fixture
def address() -> str:
    return f"{HOST}:{free_port(HOST)}"


def two(model: Path, address: str, **settings: object) -> Recipe:
    return world.recipe(model, processes=2, machines=2, address=address, **settings)


@pytest.fixture
def meeting(address: str) -> Iterator[Meeting]:
    with Meeting(two(Path("tiny"), address)) as open_meeting:
        yield open_meeting


def called(meeting: Meeting) -> Line | None:
    for _ in range(20):
        line = meeting.accept()
        if line is not None:
            return line
    return None


def test_a_caller_with_the_secret_is_heard_and_one_with_another_is_not(
    meeting: Meeting, address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found: list[Line | None] = []
    hears = threading.Thread(target=lambda: found.append(called(meeting)))
    hears.start()
    with socket.create_connection((HOST, int(address.rpartition(":")[2]))) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
    with call(address) as line:
        line.send("hello")
        hears.join()
        assert found[0] is not None and found[0].recv() == "hello"
    assert f"a caller from {HOST} does not know {SECRET}" in capsys.readouterr().err


def test_another_secret_is_named_as_the_fault(address: str) -> None:
    code = f"import sys; sys.path[:0] = {sys.path!r}\nfrom stages.train.join import join\njoin({address!r})"
    other = {**os.environ, SECRET: "another secret of some length"}
    with Meeting(two(Path("tiny"), address)) as meeting:
        process = subprocess.Popen([sys.executable, "-c", code], env=other, stderr=subprocess.PIPE, text=True)
        while process.poll() is None:
            assert meeting.accept() is None
    assert process.stderr is not None and f"has a different {SECRET}; set the same one" in process.stderr.read()


@pytest.mark.parametrize("value", [None, "short"])
def test_a_run_on_several_machines_needs_a_secret_before_it_plays(
    address: str, value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SECRET) if value is None else monkeypatch.setenv(SECRET, value)
    with pytest.raises(InputError, match=rf"need the environment variable {SECRET}.*export {SECRET}="):
        check_ready(two(Path("tiny"), address))


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(InputError, match=r"cannot listen at 192\.0\.2\.1:29500: .*this machine's name"):
        Meeting(two(Path("tiny"), "192.0.2.1:29500"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"machines": 2, "processes": 2}, "set address to the first machine's name and port"),
        ({"machines": 2, "processes": 3, "address": "a:1"}, "processes is 3, which 2 machines cannot share equally"),
        ({"address": "a:1"}, "set machines as well"),
        ({"machines": 2, "processes": 2, "address": "a"}, "pattern"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        world.recipe(Path("tiny"), **settings)


def test_machines_get_their_numbers_and_another_version_is_sent_away(meeting: Meeting, address: str) -> None:
    three = world.recipe(Path("tiny"), processes=6, machines=3, address=address)
    heard: list[object] = []

    def joins(version: str) -> None:
        with call(address) as line:
            line.send(version)
            heard.append(line.recv())
            if isinstance(heard[-1], Seat):
                heard.append(line.recv())

    def first_another_version() -> None:
        joins("0")
        for caller in callers:
            caller.start()

    callers = [threading.Thread(target=joins, args=[machines.VERSION]) for _ in range(2)]
    first = threading.Thread(target=first_another_version)
    first.start()
    group = Machines(three)
    host, port = group.gather(meeting) or ("", 0)
    group.dismiss()
    for thread in (first, *callers):
        thread.join()
    seats = [seat for seat in heard if isinstance(seat, Seat)]
    assert {seat.node for seat in seats} == {1, 2}
    assert {seat.rendezvous for seat in seats} == {(host, port)} and host == HOST
    assert all(seat.recipe == three and seat.spread == WHOLE for seat in seats)
    assert heard.count(DONE) == 2
    [refused] = [answer for answer in heard if isinstance(answer, VzError)]
    assert "this is vz 0, but the first machine has" in str(refused)


def joined(address: str) -> subprocess.Popen[str]:
    """`vz join`, as on another machine."""
    command = [sys.executable, "-m", "vzcli", "join", address]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("spread", [None, "fsdp2"])
def test_two_machines_train_as_one(spread: str | None, played: World, address: str, tmp_path: Path) -> None:
    settings = {"accelerate_config": spread, "learning_rate": 1e-3, **world.LIMITLESS}
    one = world.recipe(played.model, processes=2, **settings)
    train.run(one, played.kept, tmp_path / "one")
    with joined(address) as other:
        report = train.run(two(played.model, address, **settings), played.kept, tmp_path / "two")
        _, said = other.communicate(timeout=120)
    assert other.returncode == 0, said
    assert "joined the training" in said and report.counts["updates"] == 1
    ours, theirs = (world.tensors(tmp_path / f"{name}-state") for name in ("one", "two"))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.slow
def test_an_error_on_the_first_machine_ends_both(played: World, address: str, tmp_path: Path) -> None:
    refusing = two(played.model, address, logprob_gap_limit=1e-9, effective_tokens_limit=0.0)
    with joined(address) as other:
        with pytest.raises(InputError, match="logprob_gap_limit"):
            train.run(refusing, played.kept, tmp_path / "out")
        _, said = other.communicate(timeout=120)
    assert other.returncode == 1 and f"the vz at {address} ended before its run was finished" in said


@pytest.mark.slow
def test_a_killed_process_of_another_machine_ends_both(played: World, address: str, tmp_path: Path) -> None:
    with joined(address) as other:
        killer = threading.Thread(target=kill_worker, args=[other, address])
        killer.start()
        with pytest.raises(VzError, match="ended on another machine"):
            train.run(two(played.model, address, **world.LIMITLESS), played.kept, tmp_path / "out")
        killer.join()
        _, said = other.communicate(timeout=120)
    assert other.returncode == 1 and "a training process ended" in said


def kill_worker(joins: subprocess.Popen[str], address: str) -> None:
    """Kill the process that trains below `vz join`, as soon as it is there."""
    while joins.poll() is None:
        listed = subprocess.run(["ps", "-wweo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
        rows = [line.split(None, 2) for line in listed.splitlines()]
        launchers = {pid for pid, parent, _ in rows if int(parent) == joins.pid}
        for pid, parent, words in rows:
            if parent in launchers and words.endswith(f"stages.train.worker {address}"):
                os.kill(int(pid), signal.SIGKILL)
                return
