"""A picture is read and prepared once for all prompts that show it, within a limit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from stages.core import vlm
from stages.core.engines.picture_cache import PictureCache
from stages.core.folder.files import sha256_file
from stages.core.pictures import Picture
from stages.core.recipe import load

WORDS = [{"role": "user", "content": [{"type": "image", "text": None}, {"type": "text", "text": "who"}]}]


@pytest.fixture
def pictures(tmp_path: Path) -> list[Picture]:
    for number in range(3):
        Image.new("RGB", (72, 72), (80 * number, 40, 90)).save(tmp_path / f"{number}.png")
    return [Picture(tmp_path, f"{number}.png", sha256_file(tmp_path / f"{number}.png")) for number in range(3)]


def cached(model: Path, limit: int = 1 << 30):
    processor = vlm.load_processor(model, load("tiny").model)
    processor.image_processor = cache = PictureCache(processor.image_processor, limit)
    return processor, cache


def test_a_picture_is_prepared_once_and_equals_what_the_processor_makes(random_model: Path, pictures: list[Picture]):
    processor, cache = cached(random_model)
    plain = vlm.load_processor(random_model, load("tiny").model)
    for _ in range(3):
        for picture in pictures:
            made = vlm.encode_one(processor, WORDS, cache.load([picture]))
            expected = vlm.encode_one(plain, WORDS, [picture.load()])
            assert made.ids == expected.ids
            assert torch.equal(made.pictures["pixel_values"], expected.pictures["pixel_values"])
    assert cache.prepared == len(pictures)


def test_a_held_picture_is_not_read_again(random_model: Path, pictures: list[Picture]):
    _, cache = cached(random_model)
    first = cache.load([pictures[0]])
    (pictures[0].folder / pictures[0].ref).unlink()
    assert cache.load([pictures[0]]) is first


def test_the_picture_used_longest_ago_goes_first(random_model: Path, pictures: list[Picture]):
    one = 72 * 72 * 3 * 5  # bytes of a picture and of the fp32 values made of it
    processor, cache = cached(random_model, limit=2 * one)
    for picture in (pictures[0], pictures[1], pictures[0], pictures[2]):
        vlm.encode_one(processor, WORDS, cache.load([picture]))
    assert list(cache._entries) == [(pictures[0],), (pictures[2],)]
    assert sum(entry.size() for entry in cache._entries.values()) == 2 * one


def test_model_inputs_are_kept_as_long_as_their_picture(random_model: Path, pictures: list[Picture]):
    one = 72 * 72 * 3 * 5
    processor, cache = cached(random_model, limit=2 * one)
    assert cache.kept([pictures[0]]) is None
    for picture in pictures:
        prompt = vlm.encode_one(processor, WORDS, cache.load([picture]))
        cache.keep([picture], prompt.pictures)
        assert cache.kept([picture]) is prompt.pictures
    assert cache.kept([pictures[0]]) is None and cache.kept([pictures[1]]) is not None
    assert len(cache._entries) == 2  # the tensors are those that were made: counted once


def test_images_of_others_pass_through(random_model: Path, pictures: list[Picture]):
    processor, cache = cached(random_model)
    vlm.encode_one(processor, WORDS, [pictures[0].load()])
    vlm.encode_one(processor, WORDS, [pictures[0].load()])
    assert cache.prepared == 2 and not cache._entries
