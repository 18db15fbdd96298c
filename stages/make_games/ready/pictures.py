"""Any picture file as an RGB PNG."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from stages.core.errors import InputError

WHITE = (255, 255, 255, 255)


def rgb_png(file: Path) -> bytes:
    """The picture as the bytes of an RGB PNG: the file's own where it is one, else converted; clear parts in white."""
    try:
        data = file.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            if image.format == "PNG" and image.mode == "RGB" and "transparency" not in image.info:
                image.load()
                return data
            flat = image.convert("RGBA")
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"{file}: not a readable picture ({error}); replace it or leave the pair out") from error
    buffer = io.BytesIO()
    Image.alpha_composite(Image.new("RGBA", flat.size, WHITE), flat).convert("RGB").save(buffer, "png")
    return buffer.getvalue()
