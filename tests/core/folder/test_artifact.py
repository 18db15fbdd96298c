import json
import multiprocessing
import time
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, produce
from stages.core.folder.files import sha256_text


class Maker:
    """Counts how often it works."""

    def __init__(self) -> None:
        self.worked = 0

    def __call__(self, work: Path) -> Outcome:
        self.worked += 1
        (work / "data.json").write_text('{"a": 1}')
        return Outcome({"rows": 3}, ["careful"])


def make(out: Path, maker, settings=None, **options):
    return produce(out, stage="test", settings=settings or {"x": 1}, inputs={}, make=maker, **options)


def test_the_same_again_is_up_to_date(tmp_path: Path):
    maker = Maker()
    first, second = (make(tmp_path / "out", maker) for _ in range(2))
    assert (first.status, second.status, maker.worked) == ("done", "up to date", 1)
    assert second.counts == {"rows": 3} and second.warnings == ["careful"]


def test_other_settings_are_refused_unless_overwritten(tmp_path: Path):
    maker = Maker()
    make(tmp_path / "out", maker)
    with pytest.raises(InputError, match="--overwrite"):
        make(tmp_path / "out", maker, {"x": 2})
    assert make(tmp_path / "out", maker, {"x": 2}, overwrite=True).status == "done"
    assert json.loads((tmp_path / "out/manifest.json").read_text())["settings"] == {"x": 2}


def test_a_refusal_names_differences(tmp_path: Path):
    source, out = tmp_path / "pictures", tmp_path / "out"
    source.mkdir()
    (source / "one").write_text("1")

    def make_of(inputs: dict[str, Path], **settings: object) -> None:
        produce(out, stage="test", settings=settings, inputs=inputs, make=Maker())

    make_of({"pictures": source}, games={"pairs": 60, "of": (1, 2)}, seed=0)
    (source / "one").write_text("2")
    with pytest.raises(
        InputError, match=r"\(games.pairs was 60, is now 70; seed was 0, is now absent; other pictures\)"
    ):
        make_of({"pictures": source}, games={"pairs": 70, "of": (1, 2)})
    with pytest.raises(InputError, match=r"\(other seed; other pictures\)"):
        make_of({"pictures": source}, games={"pairs": 60, "of": (1, 2)}, seed="0f" * 32)
    with pytest.raises(InputError, match=r"settings \(no pictures; now tables\);"):
        make_of({"tables": source}, games={"pairs": 60, "of": (1, 2)}, seed=0)
    with pytest.raises(InputError, match="c was absent, is now 0; 1 more; other pictures"):
        make_of({"pictures": source}, games={"pairs": 60, "of": (1, 2)}, seed=1, **dict.fromkeys("abcd", 0))


def test_an_interrupted_stage_goes_on_in_the_same_folder(tmp_path: Path):
    def half(work: Path) -> Outcome:
        (work / "part").write_text("done")
        raise KeyboardInterrupt

    def rest(work: Path) -> Outcome:
        assert (work / "part").read_text() == "done"
        return Outcome()

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "out", half, resumable=True)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="unfinished work from different inputs"):
        make(tmp_path / "out", rest, {"x": 2}, resumable=True)
    make(tmp_path / "out", rest, resumable=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_bad_input_leaves_nothing_behind(tmp_path: Path):
    def refuses(work: Path) -> Outcome:
        raise InputError("bad row")

    with pytest.raises(InputError, match="bad row"):
        make(tmp_path / "out", refuses)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_overwrite_leaves_the_old_result(tmp_path: Path):
    make(tmp_path / "out", Maker())

    def fails(work: Path) -> Outcome:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        make(tmp_path / "out", fails, {"x": 2}, overwrite=True)
    assert json.loads((tmp_path / "out/data.json").read_text()) == {"a": 1}


def test_a_folder_of_somebody_else_is_never_replaced(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="was not made by vz"):
        make(tmp_path / "out", Maker(), overwrite=True)


def test_a_changed_input_makes_a_result_out_of_date(tmp_path: Path):
    source = tmp_path / "in.json"
    source.write_text("1")
    options = {"stage": "test", "settings": {}, "inputs": {"source": source}, "make": Maker()}
    produce(tmp_path / "out", **options)
    source.write_text("2")
    with pytest.raises(InputError, match="different inputs"):
        produce(tmp_path / "out", **options)


def test_a_lost_output_is_not_up_to_date(tmp_path: Path):
    make(tmp_path / "out", Maker())
    (tmp_path / "out/data.json").unlink()
    with pytest.raises(InputError, match="missing or changed"):
        make(tmp_path / "out", Maker())


def test_what_a_kill_left_of_the_claim_goes_with_the_next_command(tmp_path: Path):
    make(tmp_path / "out", Maker())
    (tmp_path / "out" / artifact.CLAIM).write_text("{}")
    assert make(tmp_path / "out", Maker()).status == "up to date"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["data.json", "manifest.json"]


def test_what_was_lost_is_made_again_when_overwritten(tmp_path: Path):
    maker = Maker()
    make(tmp_path / "out", maker)
    (tmp_path / "out/data.json").unlink()
    assert make(tmp_path / "out", maker, overwrite=True).status == "done" and maker.worked == 2


def test_other_weights_of_the_same_size_are_another_input(tmp_path: Path):
    (tmp_path / "model").mkdir()
    hashes = []
    for content in (b"old!", b"new!"):
        (tmp_path / "model/pytorch_model.bin").write_bytes(content)
        hashes.append(artifact.content_hash(tmp_path / "model"))
    assert hashes[0] != hashes[1]


def test_a_symlinked_output_is_written_where_it_points(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    make(tmp_path / "link", Maker())
    make(tmp_path / "link", Maker(), {"x": 2}, overwrite=True)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real/data.json").is_file()


def test_inputs_are_found_again_after_both_folders_moved(tmp_path: Path):
    (tmp_path / "a").mkdir()
    make(tmp_path / "a/first", Maker())
    produce(tmp_path / "a/second", stage="t", settings={}, inputs={"first": tmp_path / "a/first"}, make=Maker())
    (tmp_path / "a").rename(tmp_path / "b")
    assert artifact.input_of(tmp_path / "b/second", "first") == tmp_path / "b/first"


def _hold(out: Path, ready) -> None:
    def slow(work: Path) -> Outcome:
        ready.set()
        time.sleep(30)
        return Outcome()

    make(out, slow)


def test_a_second_writer_is_refused(tmp_path: Path):
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    other = context.Process(target=_hold, args=(tmp_path / "out", ready))
    other.start()
    assert ready.wait(20)
    with pytest.raises(InputError, match="another vz process"):
        make(tmp_path / "out", Maker())
    other.kill()
    other.join()
    assert make(tmp_path / "out", Maker()).status == "done"


def test_what_another_stage_made_is_never_replaced(tmp_path: Path):
    make(tmp_path / "out", Maker())
    with pytest.raises(InputError, match="an output of 'test', which 'other' will not replace"):
        produce(tmp_path / "out", stage="other", settings={}, inputs={}, make=Maker(), overwrite=True)


@pytest.mark.parametrize("out", ["in", "."])
def test_an_input_is_never_replaced(tmp_path: Path, out: str):
    make(tmp_path / "in", Maker())
    with pytest.raises(InputError, match="is or contains .*, the input 'source'"):
        produce(
            tmp_path / out, stage="test", settings={}, inputs={"source": tmp_path / "in"}, make=Maker(), overwrite=True
        )
    assert (tmp_path / "in/data.json").is_file()


def test_an_output_within_an_input_is_refused(tmp_path: Path):
    source = make(tmp_path / "in", Maker()).out
    beside = {"source": source, "a file": source / "data.json", "hub": "owner/name"}
    with pytest.raises(InputError, match="in/deep/out: is inside .*/in, the input 'source'"):
        produce(source / "deep/out", stage="test", settings={}, inputs=beside, make=Maker())
    assert not (source / "deep").exists()
    produce(source / "out", stage="test", settings={}, inputs={"a file": source / "data.json"}, make=Maker())


def test_a_place_that_can_be_no_output_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="/: cannot be an output folder"):
        make(Path("/"), Maker())
    with pytest.raises(InputError, match="the name is not UTF-8"):
        make(tmp_path / "caf\udce9", Maker())


def with_pictures(work: Path) -> Outcome:
    (work / "images").mkdir()
    for name in ("a.png", "b.png"):
        (work / "images" / name).write_bytes(b"picture")
    return Outcome()


@pytest.mark.parametrize("content", [None, b"pict"])
def test_a_lost_or_cut_picture_is_not_up_to_date(tmp_path: Path, content: bytes | None):
    make(tmp_path / "out", with_pictures)
    picture = tmp_path / "out/images/b.png"
    picture.unlink()
    if content is not None:
        picture.write_bytes(content)
    with pytest.raises(InputError, match=r"images/b\.png: missing or changed"):
        make(tmp_path / "out", with_pictures)
    assert make(tmp_path / "out", with_pictures, overwrite=True).status == "done" and picture.is_file()


def test_what_a_linked_folder_holds_is_part_of_an_input(tmp_path: Path):
    for name in ("in", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "in/link").symlink_to(tmp_path / "elsewhere")
    hashes = []
    for content in ("one", "two"):
        (tmp_path / "elsewhere/table.csv").write_text(content)
        hashes.append(artifact.content_hash(tmp_path / "in"))
    assert hashes[0] != hashes[1]


def test_a_file_whose_hash_the_manifest_lacks_is_read(tmp_path: Path):
    (tmp_path / "table.csv").write_text("same")
    listed = {"table.csv": {"bytes": 4, "ends": sha256_text("same")}}
    (tmp_path / "manifest.json").write_text(json.dumps({"stage": "score", "outputs": listed}))
    assert artifact.content_hash(tmp_path) == sha256_text(f"table.csv {sha256_text('same')}")


def test_a_strangers_manifest_is_named(tmp_path: Path):
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(InputError, match=r"manifest\.json: not a vz manifest"):
        artifact.manifest_of(tmp_path)
