from stages.rollout import memory


def test_the_peak_includes_child_processes():
    import subprocess
    import sys

    alone = memory.peak_gib()
    code = "import sys; data = b'x' * (300 << 20); print(len(data), flush=True); sys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    child.stdout.readline()
    both = memory.peak_gib()
    child.communicate()
    assert 0.28 < both - alone < 0.6


def test_the_fullest_gpu_is_reported():
    assert memory._fullest("1024, 81920\n40960, 81920\n[N/A], [N/A]\n") == (40.0, 80.0)
    assert memory._fullest("") is None


def test_without_a_driver_there_is_no_gpu(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert memory.gpu_gib() is None
