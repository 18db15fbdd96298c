"""Pictures as `data:` URLs: a file's own bytes where every decoder reads them alike, else a PNG of what vz sees."""

from __future__ import annotations

import base64
import io
from collections import OrderedDict

from PIL import Image

from stages.core.pictures import Picture

CACHED = 256 * 2**20  # characters
ORIENTATION, UNTURNED = 0x0112, 1  # EXIF


class DataUrls:
    """URLs of the pictures used last, up to `limit` characters in all: a picture is shown many times a game."""

    def __init__(self, limit: int = CACHED) -> None:
        self._limit = limit
        self._size = 0
        self._made: OrderedDict[Picture, str] = OrderedDict()

    def of(self, picture: Picture) -> str:
        """`InputError` when the picture is missing, unreadable or not the one that the table names."""
        if picture in self._made:
            self._made.move_to_end(picture)
            return self._made[picture]
        url = self._made[picture] = _data_url(picture)
        self._size += len(url)
        while self._size > self._limit and len(self._made) > 1:
            self._size -= len(self._made.popitem(last=False)[1])
        return url


def _data_url(picture: Picture) -> str:
    image = picture.load()
    data = b"" if picture.sha256 is None else picture.file()  # a blank one has no file
    kind = _plain_kind(data) if data else None
    if kind is None:
        made = io.BytesIO()
        image.save(made, format="PNG")
        kind, data = "png", made.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _plain_kind(data: bytes) -> str | None:
    """png or jpeg, if the file may go as it is: not if it is see-through or turned, which servers treat variously."""
    with Image.open(io.BytesIO(data)) as image:
        plain = image.mode in {"RGB", "L"} and "transparency" not in image.info
        turned = image.getexif().get(ORIENTATION, UNTURNED) != UNTURNED
        return {"PNG": "png", "JPEG": "jpeg"}.get(image.format or "") if plain and not turned else None
