"""Opening pictures: everything becomes upright RGB at 8 bits, and nothing is changed that need not be."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from stages.core.recipe.ready import ReadySettings
from stages.make_games.ready import pictures
from stages.make_games.ready.pictures import Fault, Opened, open_picture
from tests.make_games.ready.samples import encoded, photo, png

ORIENTATION = 0x0112


@pytest.fixture(autouse=True)
def pictures_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MIN_SIDE", 1)


def opened(data: bytes, **settings: Any) -> Opened:
    return open_picture(data, "here", ReadySettings(**settings))


def first_pixel(data: bytes) -> Any:
    image = opened(data).image
    assert image.mode == "RGB"
    return image.getpixel((0, 0))


def test_a_plain_png_keeps_its_bytes() -> None:
    data = png(photo())
    assert opened(data).as_png() == data


def test_a_jpeg_becomes_a_png_of_the_same_pixels() -> None:
    picture = opened(encoded(photo(), "jpeg"))
    assert opened(picture.as_png()).image.tobytes() == picture.image.tobytes()


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "bmp", "gif", "tiff", "ppm"])
def test_kinds_of_files(kind: str) -> None:
    assert opened(encoded(photo(), kind)).image.size == photo().size


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (3, 1)), (6, (1, 0)), (8, (0, 3))])
@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_exif_turns_the_picture(kind: str, orientation: int, corner: tuple[int, int]) -> None:
    image = Image.new("RGB", (4, 2), "white").resize((64, 32))
    image.paste((0, 0, 0), (0, 0, 16, 16))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    turned = opened(encoded(image, kind, exif=exif)).image
    assert turned.size == ((64, 32) if orientation < 5 else (32, 64))
    assert turned.getpixel((corner[0] * 16 + 8, corner[1] * 16 + 8))[0] < 20
    assert turned.getexif().get(ORIENTATION, 1) == 1


@pytest.mark.parametrize("exif", [b"Exif\0\0junk", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x09"])
def test_broken_exif_turns_nothing(exif: bytes) -> None:
    assert opened(encoded(photo(), "jpeg", exif=exif)).image.size == photo().size


def test_an_orientation_that_is_none_turns_nothing() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 9
    data = png(photo(), exif=exif)
    assert opened(data).png == data


@pytest.mark.parametrize(
    ("image", "options", "pixel"),
    [
        (Image.new("RGBA", (4, 4), (255, 0, 0, 0)), {}, (255, 255, 255)),
        (Image.new("RGBA", (4, 4), (255, 0, 0, 51)), {}, (255, 204, 204)),
        (Image.new("LA", (4, 4), (0, 0)), {}, (255, 255, 255)),
        (Image.new("L", (4, 4), 7), {}, (7, 7, 7)),
        (Image.new("L", (4, 4), 7), {"transparency": 7}, (255, 255, 255)),
        (Image.new("RGB", (4, 4), (1, 2, 3)), {"transparency": (1, 2, 3)}, (255, 255, 255)),
        (Image.new("1", (4, 4), 1), {}, (255, 255, 255)),
        (Image.new("RGB", (4, 4), (10, 200, 30)).quantize(4), {}, (10, 200, 30)),
        (Image.new("RGB", (4, 4), (10, 200, 30)).quantize(4), {"transparency": 0}, (255, 255, 255)),
    ],
)
def test_clear_parts_are_white_and_all_else_keeps_its_colour(image: Image.Image, options: Any, pixel: Any) -> None:
    assert first_pixel(png(image, **options)) == pixel


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_grey_at_16_bits_is_scaled_not_clipped(kind: str) -> None:
    deep = np.array([[0, 257 * 100, 65535, 300]], dtype=np.uint16)
    found = np.asarray(opened(encoded(Image.fromarray(deep), kind)).image)[0, :, 0]
    assert found.tolist() == [0, 100, 255, 1]


def test_a_clear_grey_at_16_bits_is_white() -> None:
    deep = Image.fromarray(np.full((4, 4), 5000, dtype=np.uint16))
    data = png(deep)
    clear = b"tRNS" + struct.pack(">H", 5000)
    chunk = struct.pack(">I", 2) + clear + struct.pack(">I", zlib.crc32(clear))
    assert first_pixel(data[:33] + chunk + data[33:]) == (255, 255, 255)


def test_colours_at_16_bits_are_written_at_8() -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0" + struct.pack(">HHH", 65535, 0, 257 * 100)))
    data = b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b"")
    assert first_pixel(data) == (255, 0, 100)
    assert opened(data).png is None


def test_cmyk_jpegs_keep_their_colours() -> None:
    red, green, blue = first_pixel(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "jpeg"))
    assert red > 240
    assert max(green, blue) < 15


def test_a_cameras_mpo_is_its_first_picture() -> None:
    data = encoded(Image.new("RGB", (16, 16), "red"), "mpo", save_all=True, append_images=[Image.new("RGB", (8, 8))])
    assert first_pixel(data) == (254, 0, 0)


def test_notes_in_a_png_are_no_reason_to_write_it_anew() -> None:
    info = PngInfo()
    info.add_text("comment", "x")
    data = png(photo(), pnginfo=info)
    assert opened(data).png == data


def test_a_header_alone_shows_that_a_picture_is_too_large() -> None:
    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    body = b"IHDR" + header
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    data += struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    with pytest.raises(Fault, match=r"10000x10000 is 100,000,000 pixels, over games.ready.max_pixels \(64,000,000\)"):
        opened(data)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "tiff", "bmp"])
def test_a_file_cut_off_or_spoilt_anywhere_is_a_fault_or_a_picture(kind: str) -> None:
    data = encoded(photo(size=(32, 32)), kind)
    dice = np.random.default_rng(0)
    for length in range(0, len(data), max(1, len(data) // 40)):
        spoilt = bytearray(data)
        spoilt[int(dice.integers(len(data)))] ^= 1 << int(dice.integers(8))
        for broken in (data[:length], bytes(spoilt)):
            try:
                assert opened(broken).image.mode == "RGB"
            except Fault as fault:
                assert str(fault).startswith("here: ")
