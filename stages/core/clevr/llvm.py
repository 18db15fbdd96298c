"""Finds a working LLVM library by a trial in a child process, since some versions of LLVM abort."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

VARIABLE = "DRJIT_LIBLLVM_PATH"  # where Dr.Jit looks first
_TRIED = "VZ_TRIED_LLVM"  # tells child processes which library has been tried
OLDEST = 17  # 14 to 16 abort within the compiler
TESTED = 19  # tried first
PLACES = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/homebrew/lib")
TIMEOUT = 120  # seconds for the trial, on a busy machine
REMEDY = f"install LLVM {TESTED} (Debian: apt install libllvm{TESTED}), or name its library in {VARIABLE}"

# A small version of everything the tracer needs: a compiled loop, a shape and rays.
_TRIAL = """
import mitsuba, drjit
mitsuba.set_variant("llvm_ad_rgb")
drjit.set_thread_count(1)
scene = mitsuba.load_dict({"type": "scene", "ball": {"type": "sphere"}})
number = drjit.arange(mitsuba.Float, 64)
ray = mitsuba.Ray3f(mitsuba.Point3f(0, 0, -5), mitsuba.Vector3f(number * 0.01, 0, 1))
seen = drjit.select(scene.ray_test(ray), number, 0)
count, total = drjit.while_loop((mitsuba.UInt32(0), seen), lambda n, _: n < 4, lambda n, t: (n + 1, t + seen))
assert drjit.sum(total)[0] == 5 * sum(n for n in range(64) if (n * 0.01) ** 2 * 24 < 1)
"""


@cache
def usable_llvm() -> str | None:
    """Path of an LLVM library with which Mitsuba can render here, or None. Tried once per process.

    The caller's environment wins: a library named in `DRJIT_LIBLLVM_PATH` is the only one tried.
    """
    named = os.environ.get(VARIABLE)
    if named and named == os.environ.get(_TRIED):
        return named
    for library in [named] if named else libraries():
        if _works(library):
            os.environ[VARIABLE] = os.environ[_TRIED] = library
            return library
    return None


def libraries() -> list[str]:
    """LLVM libraries on this machine that may work: the tested version first, then newer ones, then older ones."""
    found = {file.resolve(): _version(file) for place in PLACES for file in _named_llvm(Path(place))}
    usable = [(version, file) for file, version in found.items() if version >= OLDEST]
    return [str(file) for version, file in sorted(usable, key=lambda one: (one[0] != TESTED, -one[0], str(one[1])))]


def _named_llvm(place: Path) -> Iterator[Path]:
    for pattern in ("libLLVM*.so*", "*/libLLVM*.so*", "llvm*/lib/libLLVM*.so*", "libLLVM*.dylib"):
        yield from place.glob(pattern)


def _version(file: Path) -> int:
    """The major version in a library's name, such as libLLVM-19.so or libLLVM.so.19.1; 0 if there is none."""
    numbers = re.search(r"libLLVM-?(\d+)?(?:\.so|\.dylib)?\.?(\d+)?", file.resolve().name)
    return int(numbers[1] or numbers[2] or 0) if numbers else 0


def _works(library: str) -> bool:
    environment = {**os.environ, VARIABLE: library}
    command = [sys.executable, "-c", _TRIAL]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
