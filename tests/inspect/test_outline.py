"""Where two pictures differ."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from stages.inspect.outline import MOST, THRESHOLD, Box, difference
from tests.inspect.folders import squares


def grey(size: tuple[int, int] = (240, 160)) -> Image.Image:
    return Image.new("RGB", size, "#808080")


def with_boxes(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (240, 160)) -> Image.Image:
    """Grey with white boxes; right and bottom are just outside."""
    picture = grey(size)
    draw = ImageDraw.Draw(picture)
    for left, top, right, bottom in boxes:
        draw.rectangle((left, top, right - 1, bottom - 1), fill="white")
    return picture


def found(one: Image.Image, other: Image.Image) -> list[Box]:
    result = difference(one, other)
    assert result is not None
    return result.boxes


def contains(box: Box, point: tuple[int, int]) -> bool:
    return box.left <= point[0] < box.right and box.top <= point[1] < box.bottom


def test_equal_pictures_have_no_box():
    assert found(squares(), squares()) == []


def test_a_box_is_close_around_the_change():
    (box,) = found(grey(), with_boxes((60, 50, 90, 80)))
    assert all(0 < gap <= 9 for gap in (60 - box.left, 50 - box.top, box.right - 90, box.bottom - 80))


def test_each_change_has_a_box_and_the_largest_comes_first():
    first, second = found(grey(), with_boxes((20, 20, 40, 40), (150, 90, 200, 140)))
    assert contains(first, (175, 115)) and contains(second, (30, 30))


def test_the_edges_of_one_object_are_one_region():
    frame = grey()
    ImageDraw.Draw(frame).rectangle((50, 40, 150, 120), outline="white", width=2)
    assert len(found(grey(), frame)) == 1


def test_faint_differences_and_specks_are_ignored():
    faint = Image.new("RGB", (240, 160), (128 + THRESHOLD, 128, 128))
    noise = np.full((160, 240, 3), 128, dtype=np.uint8)
    noise[4::9, 4::9] = 255
    assert found(grey(), faint) == [] and found(grey(), Image.fromarray(noise)) == []


def test_the_noise_of_a_renderer_is_ignored():
    dice = np.random.default_rng(1)
    noisy = [np.clip(dice.normal(128, 10, (160, 240, 3)), 0, 255).astype(np.uint8) for _ in range(2)]
    assert found(*map(Image.fromarray, noisy)) == []


def test_small_regions_are_counted_where_there_is_a_large_one():
    result = difference(grey(), with_boxes((20, 20, 60, 60), (200, 100, 202, 102)))
    assert result is not None and len(result.boxes) == 1 and result.left_out == 1


def test_a_small_change_alone_is_outlined():
    result = difference(grey(), with_boxes((200, 100, 202, 102)))
    assert result is not None and len(result.boxes) == 1 and result.left_out == 0


def test_the_number_of_boxes_is_limited():
    many = [(x, y, x + 8, y + 8) for x in range(5, 240, 40) for y in range(5, 160, 40)]
    result = difference(grey(), with_boxes(*many))
    assert result is not None and len(result.boxes) == MOST and result.left_out == len(many) - MOST


def test_pictures_of_two_sizes_cannot_be_compared():
    assert difference(grey(), grey((100, 100))) is None


@settings(max_examples=30, deadline=None)
@given(st.integers(16, 90), st.integers(16, 90), st.data())
def test_boxes_contain_every_changed_square_and_stay_in_the_picture(width: int, height: int, data: st.DataObject):
    corners = st.tuples(st.integers(0, width - 8), st.integers(0, height - 8))
    places = data.draw(st.lists(corners, min_size=1, max_size=4))
    after = with_boxes(*((x, y, x + 8, y + 8) for x, y in places), size=(width, height))
    boxes = found(grey((width, height)), after)
    for x, y in places:
        assert any(contains(box, (x, y)) and contains(box, (x + 7, y + 7)) for box in boxes)
    assert all(0 <= box.left < box.right <= width and 0 <= box.top < box.bottom <= height for box in boxes)
    assert not [(one, other) for one in boxes for other in boxes if one != other and one.touches(other)]
