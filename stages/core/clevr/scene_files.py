"""Scene files of any size: scenes are found one by one, and read again where they are needed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from stages.core.errors import InputError
from stages.core.folder.files import parse_json

BLOCK = 1 << 20  # bytes read at a time
LONGEST = 1 << 24  # bytes of one scene; CLEVR's have some thousand
SPACE = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a scene's text lies in its file, in bytes."""

    file: Path
    start: int
    length: int

    def read(self) -> Any:
        """The scene's value. `InputError` when the file was changed meanwhile."""
        with _opened(self.file) as file:
            file.seek(self.start)
            text = file.read(self.length)
        return parse_json(text, str(self.file), "if it was changed while it was read, run the command again")


def scenes_of(file: Path) -> Iterator[tuple[Any, Place]]:
    """Each scene of a merged file (`scenes`), or the file's one scene, and its place; only one is held at a time.

    `InputError` names the file and the byte at which it stops being JSON.
    """
    with _opened(file) as opened:
        text = _Text(file, opened)
        merged = text.find_key("scenes")
        if merged:
            yield from text.items()
            text.finish()
            return
    size = file.stat().st_size
    if size > LONGEST:
        raise InputError(f"{file}: has {size:,} bytes and no list 'scenes'; a single scene has some thousand")
    place = Place(file, 0, size)
    yield place.read(), place


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error


class _Text:
    """A window on a file's text, one character a byte, that moves along as values are taken."""

    def __init__(self, name: Path, file: BinaryIO) -> None:
        self._name, self._file = name, file
        self._window, self._at, self._before = "", 0, 0  # `before`: bytes that have left the window
        self._decoder = json.JSONDecoder()

    def find_key(self, wanted: str) -> bool:
        """Go to the value of a key of the outermost object; False if that has no such key."""
        self._expect("{")
        first = True
        while self._goes_on("}", first):
            key, _ = self._value()
            self._expect(":")
            if key == wanted:
                return True
            self._value()
            first = False
        return False

    def items(self) -> Iterator[tuple[Any, Place]]:
        """The items of the list that begins here."""
        self._expect("[")
        first = True
        while self._goes_on("]", first):
            yield self._value()
            first = False
        self._expect("]")

    def finish(self) -> None:
        """Step over the keys that follow, to see that the file is whole."""
        while self._goes_on("}", first=False):
            self._value()
            self._expect(":")
            self._value()

    def _goes_on(self, closing: str, first: bool) -> bool:
        """Whether another value follows; the comma before it is stepped over."""
        if self._peek() == closing:
            return False
        if not first:
            self._expect(",")
        return True

    def _value(self) -> tuple[Any, Place]:
        """The value that begins here and its place."""
        self._peek()
        value, end = self._parsed()
        while end == len(self._window) and self._more():  # a number might go on
            value, end = self._parsed()
        place = Place(self._name, self._before + self._at, end - self._at)
        raw = self._window[self._at : end]
        self._at = end
        # One character a byte is wrong for text beyond ASCII; that is rare, and read again as what it is. So are
        # escapes, which may hide halves of characters.
        plain = raw.isascii() and "\\u" not in raw
        return (value if plain else self._decoded(raw, place)), place

    def _parsed(self) -> tuple[Any, int]:
        """The value that begins here and where it ends, reading on as far as it needs."""
        while True:
            try:
                return self._decoder.raw_decode(self._window, self._at)
            except json.JSONDecodeError as error:
                if len(self._window) - self._at > LONGEST or not self._more():
                    raise self._broken(error.msg, error.pos) from error
            except (ValueError, RecursionError) as error:  # a number or nesting beyond what Python reads
                raise self._broken(str(error)) from error

    def _decoded(self, raw: str, place: Place) -> Any:
        try:
            text = raw.encode("latin-1").decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{self._name}: not UTF-8 from byte {place.start} on; save it as UTF-8") from error
        return parse_json(text, f"{self._name}: from byte {place.start} on", "mend what stands there")

    def _peek(self) -> str:
        """The next character that is no space."""
        while True:
            while self._at < len(self._window):
                if self._window[self._at] not in SPACE:
                    return self._window[self._at]
                self._at += 1
            if not self._more():
                raise self._broken("it ends too early")

    def _expect(self, character: str) -> None:
        if self._peek() != character:
            raise self._broken(f"'{character}' is missing")
        self._at += 1

    def _more(self) -> bool:
        """Read on, and let go of what was taken; False at the end of the file."""
        block = self._file.read(BLOCK)
        if not block:
            return False
        self._before += self._at
        self._window = self._window[self._at :] + block.decode("latin-1")
        self._at = 0
        return True

    def _broken(self, what: str, at: int | None = None) -> InputError:
        byte = self._before + (self._at if at is None else at)
        return InputError(
            f"{self._name}: not valid JSON at byte {byte} ({what}); the file may be cut off: take it again"
        )
