"""The folder that make-games writes: when it is up to date, what goes on where, what it warns of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.core.clevr.llvm import REMEDY
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.artifact import Report
from stages.core.folder.manifest import versions
from stages.core.recipe import load
from stages.make_games import Sources, preview, run, stage
from stages.make_games.charts import planning
from stages.make_games.clevr import drawn, given
from tests.make_games.ready.samples import recipe, write_pair

ROOT = Path(__file__).resolve().parents[2]


def made(place: Path, out: Path, *overrides: str, **more: Any) -> Report:
    return run(recipe(*overrides), out / "games", sources=Sources(ready=str(place)), processes=1, **more)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(3):
        write_pair(tmp_path / "in", f"pair{number}", seed=number)
    return tmp_path / "in"


@pytest.mark.parametrize("step", ["describe", "replace_folder"])
def test_a_kill_near_the_end_costs_no_pair(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(artifact, step, killed)
        with pytest.raises(KeyboardInterrupt):
            made(photos, tmp_path)
    report = made(photos, tmp_path)
    assert report.counts["finished_before"] == 3
    assert sorted(path.name for path in report.out.iterdir()) == [
        "games.parquet", "images", "manifest.json", "pairs.parquet",
    ]  # fmt: skip


def test_notes_that_a_kill_left_are_removed_by_the_next_command(photos: Path, tmp_path: Path) -> None:
    out = made(photos, tmp_path).out
    (out / ".pairs").mkdir()
    assert made(photos, tmp_path).status == "up to date"
    assert not (out / ".pairs").exists()


def test_a_lost_picture_is_not_up_to_date(photos: Path, tmp_path: Path) -> None:
    (made(photos, tmp_path).out / "images" / "pair1_modified.png").unlink()
    with pytest.raises(InputError, match=r"images/pair1_modified\.png: missing or changed"):
        made(photos, tmp_path)
    assert made(photos, tmp_path, overwrite=True).status == "done"


def test_strictness_decides_nothing_in_the_result(photos: Path, tmp_path: Path) -> None:
    made(photos, tmp_path, "games.strict=true")
    assert made(photos, tmp_path).status == "up to date"


@pytest.mark.parametrize("other", ["sizes_differ=resize", "identical=keep", "max_side=60"])
def test_what_changes_the_pairs_is_another_input(photos: Path, tmp_path: Path, other: str) -> None:
    made(photos, tmp_path)
    with pytest.raises(InputError, match=rf"settings \(games\.ready\.{other.split('=', maxsplit=1)[0]} was .*, is now"):
        made(photos, tmp_path, f"games.ready.{other}")


def test_a_table_of_another_name_is_another_input(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="extra 'charts' is not installed")
    rules = load("tiny", ["games.pairs=1", "games.width=480", "games.height=320"])
    for name in ("bus-fares", "taxi-fares"):
        (tmp_path / f"{name}.csv").write_text("Year,Fare\n2001,5\n2002,9\n2003,2\n")
    run(rules, tmp_path / "games", sources=Sources(tables=tmp_path / "bus-fares.csv"), processes=1)
    with pytest.raises(InputError, match="different inputs or settings"):
        run(rules, tmp_path / "games", sources=Sources(tables=tmp_path / "taxi-fares.csv"), processes=1)


def test_what_draws_is_recorded(photos: Path, tmp_path: Path) -> None:
    manifest = artifact.manifest_of(made(photos, tmp_path).out)
    assert manifest["counts"]["drawn_by"] == versions(["pillow"]) != {}
    rules = load("tiny", ["games.pairs=1", "games.renderer=scalar", "games.width=480", "games.height=320"])
    rendered = [drawn.plan(rules).packages, given.plan(rules, ROOT / "data" / "clevr_scenes.json").packages]
    assert rendered == [("mitsuba", "pyoidn")] * 2
    assert drawn.plan(load("tiny", ["games.renderer=scalar", "games.denoise=false"])).packages == ("mitsuba",)
    pytest.importorskip("matplotlib", reason="extra 'charts' is not installed")
    assert planning.plan(rules, None).packages == ("matplotlib",)


def test_finished_pictures_are_kept_when_the_drawing_package_changes(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(photos, tmp_path)
    monkeypatch.setattr(stage, "versions", lambda packages: dict.fromkeys(packages, "99"))
    assert made(photos, tmp_path).status == "up to date"
    more = made(photos, tmp_path, "game.players=6", overwrite=True)
    assert more.counts["taken_over"] == 3 and more.counts["drawn_by"] == {"pillow": "99"}


def test_unfinished_pairs_are_kept_when_the_drawing_package_changes(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(artifact, "replace_folder", killed)
        with pytest.raises(KeyboardInterrupt):
            made(photos, tmp_path)
    monkeypatch.setattr(stage, "versions", lambda packages: dict.fromkeys(packages, "99"))
    report = made(photos, tmp_path)
    assert report.counts["finished_before"] == 3


def test_no_warning_about_splits_that_are_not_asked_for(photos: Path, tmp_path: Path) -> None:
    report = made(photos, tmp_path, "games.dev_fraction=0", "games.test_fraction=0", "games.domain=photo")
    assert report.warnings == [] and report.counts["split"] == {"train": 3, "dev": 0, "test": 0}


def test_an_output_within_the_pictures_is_refused(photos: Path) -> None:
    with pytest.raises(InputError, match=r"in/games: is inside .*/in, the input 'pictures'"):
        made(photos, photos)
    assert not (photos / "games").exists()


@pytest.mark.parametrize("spoil", [Path.unlink, lambda file: file.write_bytes(b"")], ids=["lost", "emptied"])
def test_a_picture_that_is_lost_on_the_way_is_made_again(photos: Path, tmp_path: Path, spoil: Any) -> None:
    (photos / "pair2_modified.png").rename(tmp_path / "kept.png")
    (photos / "pair2_modified.png").write_bytes(b"no picture")
    with pytest.raises(InputError):
        made(photos, tmp_path, "games.strict=true")
    spoil(tmp_path / ".games.partial" / "images" / "pair0_original.png")
    report = made(photos, tmp_path)
    assert (report.counts["pairs"], report.counts["finished_before"]) == (2, 1)
    written = report.out / "images" / "pair0_original.png"
    assert written.read_bytes() == (photos / "pair0_original.png").read_bytes()


def test_where_no_pair_can_be_made_nothing_is_left(photos: Path, tmp_path: Path) -> None:
    for file in photos.iterdir():
        file.write_bytes(b"no picture")
    with pytest.raises(InputError, match="no usable pairs"):
        made(photos, tmp_path)
    assert not list(tmp_path.glob(".games.*"))


def test_more_pairs_than_asked_for_are_reported(photos: Path, tmp_path: Path) -> None:
    assert not [text for text in made(photos, tmp_path, "games.pairs=3").warnings if "more than" in text]
    report = made(photos, tmp_path / "fewer", "games.pairs=2")
    assert "the input holds more pairs than games.pairs (2); take more with --pairs" in report.warnings


def test_tables_are_of_charts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"games\.domain is 'clevr', but tables are drawn as charts"):
        run(recipe("games.domain=clevr"), tmp_path / "games", sources=Sources(tables=tmp_path))


def test_a_slow_renderer_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.core.clevr.effort.usable_llvm", lambda: None)
    assert [drawn.plan(recipe(f"games.renderer={name}")).warnings for name in ("auto", "scalar")] == [
        ["no LLVM library works here, so the scalar renderer, several times slower, renders the scenes; " + REMEDY],
        [],
    ]


def test_a_preview_counts_what_the_run_then_makes(photos: Path, tmp_path: Path) -> None:
    (photos / "pair1_modified.png").unlink()
    place = Sources(ready=str(photos))
    seen = preview(recipe("games.pairs=9"), place)
    counts = run(recipe("games.pairs=9"), tmp_path / "games", sources=place, processes=1).counts
    assert {name: seen[name] for name in ("asked", "found", "split")} == {
        "asked": 9,
        "found": 3,
        "split": counts["split"],
    }
    assert seen["skipped"] == counts["skipped"] == {"no counterpart": 1} and (counts["asked"], counts["found"]) == (
        9,
        3,
    )
