"""Everything is on disk before it gets the name by which it is found, and the name is on disk before anything else."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from stages import iterate
from stages.core.folder import files
from stages.iterate import handover
from stages.make_games import Sources
from stages.make_games import run as make_games
from tests.helpers import fake_recipe
from tests.make_games.ready.samples import recipe, write_pair

SMALL = ["iterate.games=4", "iterate.rounds=2", "rollout.concurrent_games=2", "iterate.preflight=2"]
SMALL += ["evaluate.every=1", "evaluate.games=2", "evaluate.transcripts=2"]


class Watch:
    """Notes what is synced, and finds fault with each renaming of what is not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.faults: list[str] = []
        self.renamed = 0
        self._on_disk: set[tuple[int, int, int]] = set()  # files and folders, each as it was when it was synced
        self._names_to_sync: dict[Path, str] = {}  # folders with a new name that is not on disk yet
        monkeypatch.setattr(os, "fsync", self._synced(os.fsync))
        for name in ("replace", "rename"):
            monkeypatch.setattr(os, name, self._renamed(getattr(os, name)))

    def _synced(self, sync: Callable[[int], None]) -> Callable[[int], None]:
        def call(handle: int) -> None:
            sync(handle)
            self._on_disk.add(self._form(os.fstat(handle)))
            self._names_to_sync.pop(Path(f"/proc/self/fd/{handle}").readlink(), None)

        return call

    def _renamed(self, rename: Callable[..., None]) -> Callable[..., None]:
        def call(source: Path, target: Path) -> None:
            source, target = Path(source).absolute(), Path(target).absolute()
            if target.is_relative_to(handover.MEMORY):  # memory: nothing in it outlives a power cut
                rename(source, target)
                return
            if not target.name.endswith(".old"):  # that is on its way out
                self.renamed += 1
                self._look(source, target)
            rename(source, target)
            if not target.name.endswith(".old") and target.suffix != ".png":  # a picture's name comes with its note
                self._names_to_sync[target.parent] = target.name

        return call

    def _look(self, source: Path, target: Path) -> None:
        self.faults += [
            f"{folder}/{name} is not on disk when {target} is named" for folder, name in self._names_to_sync.items()
        ]
        inside = [source, *source.rglob("*")] if source.is_dir() else [source]
        self.faults += [f"{path} is not on disk when it becomes {target}" for path in inside
                        if self._form(path.stat()) not in self._on_disk]  # fmt: skip

    @staticmethod
    def _form(status: os.stat_result) -> tuple[int, int, int]:
        return status.st_ino, status.st_size, status.st_mtime_ns


def test_a_run_names_nothing_that_is_not_on_disk(games: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    watch = Watch(monkeypatch)
    iterate.run(fake_recipe(*SMALL), tmp_path / "run", games=games)
    assert watch.faults == [] and watch.renamed > 50


def test_games_are_on_disk_before_they_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_pair(tmp_path / "in", "pair", seed=1)
    watch = Watch(monkeypatch)
    make_games(recipe(), tmp_path / "games", sources=Sources(ready=str(tmp_path / "in")), processes=1)
    assert watch.faults == [] and watch.renamed > 4


def test_the_watch_finds_what_is_not_on_disk(games: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    watch = Watch(monkeypatch)
    monkeypatch.setattr(files, "sync", lambda path: None)
    iterate.run(fake_recipe(*SMALL), tmp_path / "run", games=games)
    assert any("metrics.jsonl is not on disk when" in fault for fault in watch.faults)
    assert any("checkpoint.partial is not on disk when it becomes" in fault for fault in watch.faults)


def test_a_folder_takes_the_place_of_another_with_all_that_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("work", "out"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep/of").write_text(name)
    watch = Watch(monkeypatch)
    files.replace_folder(tmp_path / "work", tmp_path / "out")
    assert watch.faults == [] and watch.renamed == 1
    assert (tmp_path / "out/deep/of").read_text() == "work"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
