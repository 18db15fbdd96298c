"""The exported data set, loaded again by `datasets`, and its card."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from stages import export
from stages.core import tables
from stages.core.errors import InputError
from stages.core.folder import artifact
from tests.inspect.folders import EVIL, all_kinds, change, evil_pairs, pair, replace_in_pairs, squares, write_pairs

SKIPPED = [{"pair_id": "gone", "source": "drawn", "reason": "identical", "detail": "shows the same"}]
PICTURES = ("original", "modified")


@pytest.fixture(scope="module")
def games(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by tests that only read it."""
    return write_pairs(tmp_path_factory.mktemp("games") / "games", all_kinds(), SKIPPED)


@pytest.fixture(scope="module")
def exported(games: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export.run(games, tmp_path_factory.mktemp("export") / "set", license="cc-by-4.0").out


@pytest.fixture(scope="module")
def loaded(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(exported, tmp_path_factory.mktemp("cache"))


def load(folder: Path, cache: Path) -> Any:
    datasets = pytest.importorskip("datasets")
    return datasets.load_dataset(str(folder), cache_dir=str(cache))


def front_matter(folder: Path) -> dict[str, Any]:
    text = (folder / "README.md").read_text(encoding="utf-8")
    body: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return body


def test_datasets_loads_the_splits_under_the_hubs_names(loaded: Any):
    assert {name: len(split) for name, split in loaded.items()} == {"train": 5, "validation": 1, "test": 1}


def test_the_pictures_are_the_same_byte_for_byte(games: Path, loaded: Any):
    datasets = pytest.importorskip("datasets")
    known = {row["pair_id"]: row for row in tables.read(games / "pairs.parquet", tables.PAIRS).to_dicts()}
    seen = 0
    for split in loaded.values():
        raw = split.cast_column("original", datasets.Image(decode=False))
        for row in raw.cast_column("modified", datasets.Image(decode=False)):
            for kind in PICTURES:
                path = known[row["pair_id"]][kind]
                assert (row[kind] is None) == (path is None)
                if path is not None:
                    assert row[kind]["bytes"] == (games / path).read_bytes()
                    assert hashlib.sha256(row[kind]["bytes"]).hexdigest() == row[f"{kind}_sha256"]
                    seen += 1
    assert seen == 13


def test_pictures_are_decoded_by_the_image_feature(loaded: Any):
    row = loaded["train"][0]
    assert row["original"].size == (120, 80) and row["original"].getpixel((20, 40)) == (255, 0, 0)
    assert row["modified"].getpixel((20, 40)) == (0, 0, 255)
    assert type(loaded["train"].features["modified"]).__name__ == "Image"


def test_the_other_columns_equal_those_of_the_pairs(games: Path, loaded: Any):
    known = {row["pair_id"]: row for row in tables.read(games / "pairs.parquet", tables.PAIRS).to_dicts()}
    rows = [row for split in loaded.values() for row in split.remove_columns(list(PICTURES))]
    assert len(rows) == len(known) == 7
    for row in rows:
        assert row == {name: value for name, value in known[row["pair_id"]].items() if name not in PICTURES}


def test_a_large_set_is_split_into_files_and_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pairs = [pair(f"p{number}", squares(), squares((20, 40))) for number in range(10)]
    games = write_pairs(tmp_path / "games", pairs)
    size = sum((games / f"images/000_{kind}.png").stat().st_size for kind in PICTURES)
    monkeypatch.setattr("stages.export.shards.GROUP_ROWS", 2)
    out = export.run(games, tmp_path / "set", shard_bytes=4 * size).out
    names = sorted(path.name for path in (out / "data").iterdir())
    assert names == [f"train-{number:05d}-of-00003.parquet" for number in range(3)]
    parquet = pytest.importorskip("pyarrow.parquet")
    groups = [parquet.ParquetFile(out / "data" / name).metadata.num_row_groups for name in names]
    assert groups == [2, 2, 1]
    assert [row["pair_id"] for row in load(out, tmp_path / "cache")["train"]] == [f"p{number}" for number in range(10)]


def test_at_most_one_row_group_is_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    games = write_pairs(tmp_path / "games", [pair(f"p{number}", squares(), squares()) for number in range(7)])
    monkeypatch.setattr("stages.export.shards.GROUP_ROWS", 3)
    arrow = pytest.importorskip("pyarrow")
    held: list[int] = []

    class Table:
        @staticmethod
        def from_pylist(rows: list[Any], schema: Any) -> Any:
            held.append(len(rows))
            return arrow.Table.from_pylist(rows, schema)

    from stages.export import shards

    real = shards.require
    spied = type("Arrow", (), {"Table": Table})
    monkeypatch.setattr(shards, "require", lambda name, extra: spied if name == "pyarrow" else real(name, extra))
    export.run(games, tmp_path / "set")
    assert held == [3, 3, 1]


def test_a_repeated_export_is_up_to_date_and_gives_the_same_bytes(games: Path, exported: Path, tmp_path: Path):
    assert export.run(games, exported, license="cc-by-4.0").status == "up to date"
    again = export.run(games, tmp_path / "set", license="cc-by-4.0").out
    assert artifact.manifest_of(again)["outputs"].keys() == artifact.manifest_of(exported)["outputs"].keys()
    for file in (again / "data").iterdir():
        assert file.read_bytes() == (exported / "data" / file.name).read_bytes()


def test_another_license_needs_overwrite(games: Path, tmp_path: Path):
    out = export.run(games, tmp_path / "set").out
    with pytest.raises(InputError, match="--overwrite"):
        export.run(games, out, license="mit")
    assert export.run(games, out, license="mit", overwrite=True).status == "done"
    assert front_matter(out)["license"] == "mit"


def test_without_a_license_the_card_says_so(games: Path, tmp_path: Path):
    report = export.run(games, tmp_path / "set")
    assert front_matter(report.out)["license"] == "unknown" and "license is unknown" in report.warnings[0]


def test_the_report_counts_what_was_written(exported: Path):
    counts = artifact.manifest_of(exported)["counts"]
    assert counts["pairs"] == 7 and counts["pictures"] == 13 and counts["files"] == 3
    assert counts["bytes"] == sum(file.stat().st_size for file in (exported / "data").iterdir())


@pytest.mark.parametrize("fault", ["missing", "another", "broken"])
def test_a_missing_or_different_picture_is_named(tmp_path: Path, fault: str):
    games = write_pairs(tmp_path / "games", all_kinds())
    picture = games / "images/001_modified.png"
    if fault == "missing":
        picture.unlink()
    else:
        picture.write_bytes(b"no picture" if fault == "broken" else (games / "images/001_original.png").read_bytes())
    if fault == "broken":
        digest = hashlib.sha256(b"no picture").hexdigest()
        first = pl.col("modified") == "images/001_modified.png"
        replace_in_pairs(games, modified_sha256=pl.when(first).then(pl.lit(digest)).otherwise("modified_sha256"))
    with pytest.raises(InputError, match="001_modified.png"):
        export.run(games, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_bad_input_is_named(games: Path, tmp_path: Path):
    with pytest.raises(InputError, match="hub's identifier"):
        export.run(games, tmp_path / "set", license="My own\nlicense")
    with pytest.raises(InputError, match="no such folder; .* --to model"):
        export.run(tmp_path / "nothing", tmp_path / "set")
    strange = write_pairs(tmp_path / "games", [pair("a", squares(), squares(), split="spare")])
    with pytest.raises(InputError, match="'a' is in split 'spare'"):
        export.run(strange, tmp_path / "set")


def test_the_front_matter_is_what_the_hub_reads(exported: Path):
    body = front_matter(exported)
    assert body["license"] == "cc-by-4.0" and body["size_categories"] == ["n<1K"]
    assert {"vision-zero", "chart", "clevr", "photo"} <= set(body["tags"]) and "synthetic" not in body["tags"]
    files = {entry["split"]: entry["path"] for entry in body["configs"][0]["data_files"]}
    assert files == {name: f"data/{name}-*" for name in ("train", "validation", "test")}
    info = body["dataset_info"]
    assert [entry["name"] for entry in info["features"]] == list(tables.PAIRS)
    assert {entry["name"]: entry["num_examples"] for entry in info["splits"]} == {
        "train": 5,
        "validation": 1,
        "test": 1,
    }
    assert info["download_size"] == sum(file.stat().st_size for file in (exported / "data").iterdir())


def test_the_hub_client_accepts_the_card(exported: Path):
    hub = pytest.importorskip("huggingface_hub")
    card = hub.DatasetCard.load(exported / "README.md")
    assert card.data.license == "cc-by-4.0" and card.data.task_categories == ["image-text-to-text"]


def test_the_card_states_what_a_reader_must_know(exported: Path):
    text = (exported / "README.md").read_text(encoding="utf-8")
    for expected in ("2509.25541", "seed `1`", "tables from `sales.csv`", "`identical` 1", "| validation (vz's dev) | 1 |",
                 "empty picture for the spy, so there is nothing to compare: 1",
                 "Pairs whose changes are unknown: 2;", "denoise: true", "(with a denoiser"):  # fmt: skip
        assert expected in text, expected


def test_the_card_counts_spoiled_pairs(tmp_path: Path):
    games = write_pairs(tmp_path / "games", [pair("a", squares(), squares()), pair("b", squares(), squares((50, 20)))])
    manifest = json.loads((games / "manifest.json").read_text())
    manifest["counts"]["noise"] = {"blank": 0, "identical": 1}
    (games / "manifest.json").write_text(json.dumps(manifest))
    text = (export.run(games, tmp_path / "set").out / "README.md").read_text()
    assert "with the original picture twice: 1." in text and "white picture" not in text
    assert "Pairs whose changes are unknown: 1;" in text


def test_hostile_texts_stay_inside_code(tmp_path: Path):
    games = write_pairs(tmp_path / "games", evil_pairs(), [{**SKIPPED[0], "reason": text} for text in EVIL])
    out = export.run(games, tmp_path / "set").out
    text = (out / "README.md").read_text(encoding="utf-8")
    assert "\u202e" not in text and "\u2028" not in text
    prose = outside_code(text.split("---\n", maxsplit=2)[2])
    assert not [word for word in ("<img", "<script", "onmouseover", "</article") if word in prose]
    assert prose.count("\n# ") == 0 and prose.startswith("# Who is the spy?")
    assert front_matter(out)["configs"][0]["config_name"] == "default"
    assert [row["source"] for row in load(out, tmp_path / "cache")["train"]] == EVIL


def test_a_hostile_manifest_stays_inside_code(tmp_path: Path):
    games = write_pairs(tmp_path / "games", [pair("a", squares(), squares((50, 20)))])
    manifest = json.loads((games / "manifest.json").read_text())
    for number, text in enumerate(EVIL):
        manifest["settings"]["seed"] = manifest["git"] = text
        manifest["versions"] = {"vz-selfplay": text, text: text}
        manifest["counts"]["noise"] = {text: 3, "blank": text, "identical": 2}
        (games / "manifest.json").write_text(json.dumps(manifest))
        out = export.run(games, tmp_path / f"set{number}").out
        prose = outside_code((out / "README.md").read_text(encoding="utf-8").split("---\n", maxsplit=2)[2])
        assert not [word for word in ("<img", "<script", "onmouseover", "</article", "\n# y") if word in prose]
    manifest["settings"] = []
    (games / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="'settings' is missing or not as vz writes it"):
        export.run(games, tmp_path / "set")


@pytest.mark.parametrize("ref", ["../secret.png", "/secret.png"])
def test_pictures_outside_the_folder_are_refused(tmp_path: Path, ref: str):
    games = write_pairs(tmp_path / "games", [pair("a", squares(), squares((50, 20)))])
    squares().save(tmp_path / "secret.png")
    secret = ref.replace("/secret", f"{tmp_path}/secret") if ref.startswith("/") else ref
    digest = hashlib.sha256((tmp_path / "secret.png").read_bytes()).hexdigest()
    replace_in_pairs(games, modified=pl.lit(secret), modified_sha256=pl.lit(digest))
    with pytest.raises(InputError, match="leads outside the folder"):
        export.run(games, tmp_path / "set")
    replace_in_pairs(games, modified=pl.lit("images/000_modified.png"), modified_sha256=pl.lit(None, pl.String))
    with pytest.raises(InputError, match="pair 'a' has no sha256 of 'images/000_modified.png'"):
        export.run(games, tmp_path / "set")


def outside_code(text: str) -> str:
    """Markdown without fences and code spans, by CommonMark's rule: a run of backticks ends at one of equal length."""
    kept, fence = [], ""
    for line in text.splitlines():
        ticks = line[: len(line) - len(line.lstrip("`"))]
        if fence:
            fence = "" if line == fence else fence
        elif len(ticks) >= 3:
            fence = ticks
        else:
            kept.append(line)
    prose, rest = "", "\n".join(kept)
    while "`" in rest:
        before, rest = rest[: rest.index("`")], rest[rest.index("`") :]
        ticks = rest[: len(rest) - len(rest.lstrip("`"))]
        inside, _, rest = rest[len(ticks) :].partition(ticks)
        assert "\n" not in inside
        prose += before
    return prose + rest


def test_a_change_with_backticks_is_shown_whole(tmp_path: Path):
    one = pair("a", squares(), squares((20, 40)), changes=[change(0, "a ``` b", "x", "y")])
    text = (export.run(write_pairs(tmp_path / "games", [one]), tmp_path / "set").out / "README.md").read_text()
    assert "```` a ``` b ````" in text and "````json" in text
