"""Faulty pairs: sizes differ, identical, nothing in common; each dropped, let pass, or an error, as the recipe says."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageOps

from stages.core.errors import InputError
from stages.core.folder.artifact import manifest_of
from stages.make_games.ready.comparing import MIN_LIKENESS
from stages.make_games.ready.pictures import likeness, same
from tests.make_games.ready.samples import edited, encoded, made_from, photo, rows, skipped, write_pair


def write(folder: Path, base: str, original: Image.Image, modified: Image.Image) -> None:
    folder.mkdir(exist_ok=True)
    original.save(folder / f"{base}_original.png")
    modified.save(folder / f"{base}_modified.png")


def write_faulty(folder: Path, fault: str) -> None:
    """A good pair and a faulty one."""
    write_pair(folder, "good", seed=5)
    other = {"sizes_differ": edited(photo()).resize((60, 48)), "identical": photo(), "unrelated": photo(1)}[fault]
    write(folder, "faulty", photo(), other)


REASONS = [("sizes_differ", "sizes differ"), ("identical", "identical"), ("unrelated", "nothing in common")]


@pytest.mark.parametrize(("fault", "reason"), REASONS)
def test_faulty_pairs_are_dropped_and_listed(tmp_path: Path, fault: str, reason: str) -> None:
    write_faulty(tmp_path / "in", fault)
    out = made_from(tmp_path / "in", tmp_path)
    assert [row["pair_id"] for row in rows(out)] == ["good"]
    assert skipped(out) == {"faulty": reason}
    assert manifest_of(out)["counts"]["skipped"] == {reason: 1}


@pytest.mark.parametrize(("fault", "fate"), [("sizes_differ", "resize"), ("identical", "keep"), ("unrelated", "keep")])
def test_faulty_pairs_can_be_kept_and_are_counted(tmp_path: Path, fault: str, fate: str) -> None:
    write_faulty(tmp_path / "in", fault)
    out = made_from(tmp_path / "in", tmp_path, f"games.ready.{fault}={fate}")
    assert [row["pair_id"] for row in rows(out)] == ["faulty", "good"]
    assert manifest_of(out)["counts"][f"{fault}_{fate}"] == 1
    with Image.open(out / "images/faulty_original.png") as one, Image.open(out / "images/faulty_modified.png") as other:
        assert one.size == other.size == photo().size


@pytest.mark.parametrize(("fault", "reason"), REASONS)
def test_faulty_pairs_can_be_an_error(tmp_path: Path, fault: str, reason: str) -> None:
    write_faulty(tmp_path / "in", fault)
    with pytest.raises(InputError, match=r"faulty_original\.png: .*faulty_modified\.png.*leave out --strict"):
        made_from(tmp_path / "in", tmp_path, "games.strict=true")


def test_when_all_pairs_are_dropped_the_first_are_named(tmp_path: Path) -> None:
    write(tmp_path / "in", "faulty", photo(), photo())
    with pytest.raises(InputError, match=r"no usable pairs: identical \(1\): .*faulty_original"):
        made_from(tmp_path / "in", tmp_path)


def test_sizes_are_compared_after_turning(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    edited(photo()).save(tmp_path / "in" / "a_original.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    photo().rotate(90, expand=True).save(tmp_path / "in" / "a_modified.png", exif=exif)
    assert len(rows(made_from(tmp_path / "in", tmp_path))) == 1


def test_both_pictures_are_scaled_down_by_one_factor(tmp_path: Path) -> None:
    write(tmp_path / "in", "a", photo(size=(200, 100)), edited(photo(size=(200, 100))))
    out = made_from(tmp_path / "in", tmp_path, "games.ready.max_side=50")
    for role in ("original", "modified"):
        with Image.open(out / rows(out)[0][role]) as image:
            assert image.size == (50, 25)


def test_pictures_compressed_anew_are_the_same_within_some_levels(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_pair(tmp_path / "in", "good")
    (tmp_path / "in" / "a_original.png").write_bytes(encoded(photo(), "png"))
    (tmp_path / "in" / "a_modified.jpg").write_bytes(encoded(photo(), "jpeg", quality=95, subsampling=0))
    out = made_from(tmp_path / "in", tmp_path, "games.ready.identical_levels=25")
    assert skipped(out) == {"a": "identical"}


def test_one_pixel_makes_the_difference() -> None:
    other = photo()
    other.putpixel((5, 5), tuple(255 - value for value in other.getpixel((5, 5))))
    assert same(photo(), photo(), 0)
    assert not same(photo(), other, 0)
    assert same(photo(), other, 255)


@pytest.mark.parametrize(
    "edit",
    [
        edited,
        lambda image: ImageOps.grayscale(image).convert("RGB"),
        lambda image: ImageEnhance.Brightness(image).enhance(0.3),
        lambda image: image.resize(image.size, box=(3, 2, image.width, image.height)),
    ],
)
def test_edits_keep_their_likeness(edit: Callable[[Image.Image], Image.Image]) -> None:
    image = photo(3, (256, 192))
    assert likeness(image, edit(image)) > 2 * MIN_LIKENESS


def test_unrelated_pictures_have_none() -> None:
    pictures = [photo(seed, (256, 192)) for seed in range(12)]
    found = [likeness(one, other) for one, other in itertools.combinations(pictures, 2)]
    assert max(found) < MIN_LIKENESS


def test_an_empty_picture_has_nothing_in_common_with_a_photo() -> None:
    white = Image.new("RGB", photo().size, "white")
    assert likeness(photo(), white) == 0
    assert likeness(white, Image.new("RGB", white.size, "red")) == 1


def test_genuine_pairs_are_far_from_unrelated_photos(shared_data: Callable[[str], Path]) -> None:
    def load(name: str) -> Image.Image:
        return Image.open(shared_data(name)).convert("RGB")

    pairs = [
        (load("real_pairs_odiff/tiger.jpg"), load("real_pairs_odiff/tiger-2.jpg")),
        (load("real_pairs_iopaint/unwant_object.jpg"), load("real_pairs_iopaint/unwant_object_clean.jpg")),
    ]
    edit = "clevr_pairs_editclevr/CLEVR_editclevr_atomic_a_000009_"
    clevr = load(f"{edit}before.png"), load(f"{edit}edit_after.png")
    assert min(likeness(*pair) for pair in [*pairs, clevr]) > 0.8
    photos = [picture for pair in pairs for picture in pair]
    crossed = [likeness(one, other) for one in photos[:2] for other in photos[2:]]
    assert max(crossed) < MIN_LIKENESS


def test_more_than_half_of_mixed_up_clevr_scenes_are_found(shared_data: Callable[[str], Path]) -> None:
    folder = shared_data("clevr_parser_1obj_2obj/2obj/images")
    pictures = [Image.open(file).convert("RGB") for file in sorted(folder.rglob("*.png"))[:12]]
    found = [likeness(one, other) for one, other in itertools.combinations(pictures, 2)]
    assert sum(value < MIN_LIKENESS for value in found) > 0.5 * len(found)


def test_pairs_that_look_the_same_are_reported_with_a_remedy_that_works(tmp_path: Path) -> None:
    write_pair(tmp_path / "in", "plain", seed=3)
    faint = photo()
    faint.putpixel((9, 9), tuple(min(level + 7, 255) for level in photo().getpixel((9, 9))))  # type: ignore[union-attr, arg-type]
    write(tmp_path / "in", "faint", photo(), faint)
    counts = manifest_of(made_from(tmp_path / "in", tmp_path / "a"))
    assert counts["counts"]["look_the_same"] == 1
    (warning,) = [text for text in counts["warnings"] if "look the same to the eye: 1" in text]
    (remedy,) = re.findall(r"--set (\S+)", warning)
    assert skipped(made_from(tmp_path / "in", tmp_path / "b", remedy)) == {"faint": "identical"}
