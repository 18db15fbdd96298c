"""Opens any picture as upright RGB: what to accept, convert or refuse; and whether two pictures belong together."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageFilter, ImageOps, UnidentifiedImageError

from stages.core.pictures import png
from stages.core.recipe.ready import ReadySettings
from stages.make_games.ready.entry import one_line

# An explicit list, so that no file can choose a format that runs other programs (EPS) or is hardly ever tested.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000")
READABLE = "PNG, JPEG, WebP, BMP, GIF, TIFF, PPM, AVIF or JPEG 2000"
CONVERTIBLE = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}
WHITE = (255, 255, 255, 255)
ORIENTATION, UPRIGHT = 0x0112, 1  # of EXIF
DEEP = 65535  # white at 16 bits
RGB_AT_8_BITS = b"\x08\x02"  # depth and colour type in a PNG's header
MIN_SIDE = 28  # pixels: one visual token of Qwen2.5-VL
SIDE = 64  # pictures are compared at SIDE x SIDE
BLUR = 3  # pixels of SIDE; coarser shapes say little, since skies are bright and grounds dark everywhere
SHIFT = 4  # pixels of SIDE: an edit may have moved or cropped the picture by some 6 %
NO_DETAIL = 1e-3  # in grey levels of 255; a picture with a smaller standard deviation is one even surface

Details = npt.NDArray[np.float64]


class Fault(Exception):
    """Why a pair is unusable: the reason in a few words; the message names the picture."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class Opened:
    """An upright RGB picture. `png`: the bytes it came in, if they are an upright RGB PNG already."""

    image: Image.Image
    png: bytes | None = None

    def as_png(self) -> bytes:
        return png(self.image) if self.png is None else self.png

    def resized(self, width: int, height: int) -> Opened:
        """The picture scaled with the Lanczos filter; unchanged if it has that size."""
        if self.image.size == (width, height):
            return self
        return Opened(self.image.resize((width, height), Image.Resampling.LANCZOS))


def open_picture(data: bytes, name: str, settings: ReadySettings) -> Opened:
    """The picture, rotated as its EXIF says, with transparent parts over white and 16 bits scaled to 8.

    Ignores colour profiles. `Fault` names the picture and what is wrong with it.
    """
    if not data:
        raise Fault("unreadable", f"{name}: is empty (0 bytes)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # vz limits the pixels itself, and raises errors for broken pictures
            with Image.open(io.BytesIO(data), formats=_formats()) as image:
                _check(image, name, settings)
                image.load()
                return _opened(image, data, name)
    except Image.DecompressionBombError as error:
        raise Fault("too large", f"{name}: has more than {settings.max_pixels:,} pixels") from error
    except UnidentifiedImageError as error:
        raise Fault("unreadable", f"{name}: is not a picture ({READABLE})") from error
    except (Fault, MemoryError):
        raise
    except Exception as error:  # decoders fail on broken files in too many ways to list
        raise Fault("unreadable", f"{name}: cannot be decoded ({one_line(error)})") from error


@lru_cache(maxsize=1)
def _formats() -> tuple[str, ...]:
    """The formats that this build of Pillow reads; older ones lack AVIF."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _check(image: Image.Image, name: str, settings: ReadySettings) -> None:
    """`Fault` if the header shows that the picture is unusable. Decodes nothing."""
    width, height = image.size
    if width * height > settings.max_pixels:
        size = f"{width}x{height} is {width * height:,} pixels"
        raise Fault("too large", f"{name}: {size}, over games.ready.max_pixels ({settings.max_pixels:,})")
    if min(width, height) < MIN_SIDE:
        raise Fault("too small", f"{name}: {width}x{height}, below {MIN_SIDE} pixels per side")
    # A camera's MPO is a JPEG whose first frame is the photo; the others are previews or depth.
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if frames > 1:
        raise Fault("several frames", f"{name}: has {frames} frames; save the one you mean as PNG")


def _opened(image: Image.Image, data: bytes, name: str) -> Opened:
    orientation = _orientation(image)
    if (
        image.format == "PNG"
        and orientation == UPRIGHT
        and data[24:26] == RGB_AT_8_BITS
        and "transparency" not in image.info
    ):
        return Opened(image.copy(), data)
    flat = _flat(image, name)
    return Opened(flat if orientation == UPRIGHT else _upright(flat, orientation))


def _orientation(image: Image.Image) -> int:
    """1 to 8, as in EXIF. A broken or unknown value does not rotate the picture, as in every viewer."""
    try:
        found = image.getexif().get(ORIENTATION, UPRIGHT)
    except Exception:  # broken files raise all kinds of errors
        return UPRIGHT
    return found if found in range(UPRIGHT, 9) else UPRIGHT


def _upright(flat: Image.Image, orientation: int) -> Image.Image:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    flat.info["exif"] = exif.tobytes()
    return ImageOps.exif_transpose(flat)


def _flat(image: Image.Image, name: str) -> Image.Image:
    """RGB at 8 bits, with transparent parts over white."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in {"PNG", "PPM"}):
        return _from_16_bits(image)
    if image.mode not in CONVERTIBLE:
        raise Fault("unreadable", f"{name}: pixels of kind {image.mode} have no defined colours; save it as PNG")
    if "transparency" not in image.info and image.mode not in {"LA", "PA", "RGBA"}:
        return image.convert("RGB")
    clear = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", clear.size, WHITE), clear).convert("RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Grey at 16 bits, scaled to 8. Pillow's own conversion would clip everything brighter than 255 of 65535."""
    deep = np.asarray(image).astype(np.uint32)
    clear = image.info.get("transparency")
    if clear is not None:
        deep = np.where(deep == clear, DEEP, deep)
    return Image.fromarray(((deep * 255 + DEEP // 2) // DEEP).astype(np.uint8)).convert("RGB")


def same(original: Image.Image, modified: Image.Image, levels: int) -> bool:
    """Whether no channel of any pixel differs by more than `levels` of 255. Both must be RGB and of one size."""
    channels = ImageChops.difference(original, modified).split()
    return all(int(channel.getextrema()[1]) <= levels for channel in channels)  # type: ignore[arg-type]


def likeness(original: Image.Image, modified: Image.Image) -> float:
    """The correlation of the pictures' details, −1 to 1, the best over shifts of up to SHIFT along both axes.

    The details are the brightness at SIDE x SIDE minus its blur, so that neither colour nor light matters. 0 if only
    one of the pictures has details; 1 if neither has, since then nothing speaks against the pair. Measured: edited
    photos 0.92 and 0.99; CLEVR pairs with two replaced objects, 0.37 to 0.93; parts of photos against other parts, 99 %
    below 0.154; CLEVR pictures against others with the same ground, below 0.15 in half to four fifths of all cases.
    """
    one, other = _details(original), _details(modified)
    plain = [float(each.std()) < NO_DETAIL for each in (one, other)]
    if any(plain):
        return float(all(plain))
    steps = range(-SHIFT, SHIFT + 1)
    return max(
        _correlation(_shifted(one, down, right), _shifted(other, -down, -right)) for down in steps for right in steps
    )


def _details(image: Image.Image) -> Details:
    grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    blurred = grey.filter(ImageFilter.GaussianBlur(BLUR))
    return np.asarray(grey, dtype=np.float64) - np.asarray(blurred, dtype=np.float64)


def _shifted(details: Details, down: int, right: int) -> Details:
    """The part that both pictures share when one is shifted against the other."""
    rows, columns = slice(max(down, 0), SIDE + min(down, 0)), slice(max(right, 0), SIDE + min(right, 0))
    return details[rows, columns]


def _correlation(one: Details, other: Details) -> float:
    first, second = one - one.mean(), other - other.mean()
    size = float(np.sqrt((first * first).sum() * (second * second).sum()))
    return float((first * second).sum()) / size if size > 0 else 0.0
