"""Finding an LLVM library that works, without aborting because of one that does not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.core.clevr import effort, llvm
from stages.core.clevr.effort import effort_of
from stages.core.errors import InputError
from stages.core.recipe.games import Games


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(llvm.VARIABLE, raising=False)
    monkeypatch.delenv(llvm._TRIED, raising=False)
    llvm.usable_llvm.cache_clear()
    yield
    llvm.usable_llvm.cache_clear()


def test_the_tested_version_comes_first_and_old_ones_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("libLLVM-14.so.1", "libLLVM-18.so", "libLLVM.so.19.1", "libLLVM.so.22.1", "libLLVMSupport.a"):
        (tmp_path / name).touch()
    monkeypatch.setattr(llvm, "PLACES", (str(tmp_path),))
    assert [Path(found).name for found in llvm.libraries()] == ["libLLVM.so.19.1", "libLLVM.so.22.1", "libLLVM-18.so"]


@pytest.mark.parametrize("trial", ["import os; os.abort()", "raise SystemExit(3)", "import time; time.sleep(60)"])
def test_a_library_that_ends_the_process_is_not_usable(monkeypatch: pytest.MonkeyPatch, trial: str) -> None:
    monkeypatch.setattr(llvm, "_TRIAL", trial)
    monkeypatch.setattr(llvm, "TIMEOUT", 1)
    monkeypatch.setattr(llvm, "libraries", lambda: ["/lib/some.so"])
    assert llvm.usable_llvm() is None
    assert llvm.VARIABLE not in os.environ


def test_the_first_that_works_is_handed_to_processes_that_we_start(monkeypatch: pytest.MonkeyPatch) -> None:
    works = f"import os, sys; sys.exit(os.environ[{llvm.VARIABLE!r}] != 'good')"
    monkeypatch.setattr(llvm, "_TRIAL", works)
    monkeypatch.setattr(llvm, "libraries", lambda: ["bad", "good", "better"])
    assert llvm.usable_llvm() == "good"
    assert os.environ[llvm.VARIABLE] == "good"
    llvm.usable_llvm.cache_clear()
    monkeypatch.setattr(sys, "executable", "/nowhere")  # a started process tries nothing again
    assert llvm.usable_llvm() == "good"


def test_a_library_named_by_the_user_is_the_only_one_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(llvm.VARIABLE, "mine")
    monkeypatch.setattr(llvm, "_TRIAL", "raise SystemExit(1)")
    monkeypatch.setattr(llvm, "libraries", lambda: pytest.fail("looked further"))
    assert llvm.usable_llvm() is None


def test_auto_takes_what_works_and_llvm_insists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effort, "usable_llvm", lambda: None)
    assert effort_of(Games()).renderer == "scalar"
    with pytest.raises(InputError, match=r"games\.renderer is llvm, but no LLVM library works here; install LLVM"):
        effort_of(Games(renderer="llvm"))
    monkeypatch.setattr(effort, "usable_llvm", lambda: "some.so")
    assert effort_of(Games()).renderer == "llvm"
    assert effort_of(Games(renderer="scalar")).renderer == "scalar"


def test_the_recipe_s_own_samples_and_grain_win_over_the_preset() -> None:
    chosen = effort_of(Games(renderer="scalar", quality="fine", samples=3, denoise=False))
    assert (chosen.samples, chosen.denoiser) == (3, None)
