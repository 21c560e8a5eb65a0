"""Bytes of a file → its lines, whatever wrote them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from entries.exchange.told import ExchangeError, Remark
from entries.text import rendering

FILE_LIMIT: Final = 32 * 1024 * 1024  # bytes
# What Python's strip takes away, and what stands for no space at all.
_BLANK: Final = (
    " \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005"
    "\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\u200b\u2060\ufeff"
)
_PHYSICAL: Final = re.compile("\r\n?|\n")
_WITHIN: Final = re.compile("[\n\u2028\u2029]")
_KNOWN: Final = (
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"RIFF", "a picture or a recording"),
    (b"%PDF", "a PDF"),
    (b"PK\3\4", "a word processor's document or an archive"),
    (b"\xd0\xcf\x11\xe0", "a word processor's document"),
    (b"{\\rtf", "a word processor's document"),
    (b"\x1f\x8b", "an archive"),
)
_CONTROLS: Final = bytes({*range(32)} - {9, 10, 11, 12, 13})


@dataclass(frozen=True)
class Line:
    """One line of the file, numbered as an editor numbers them."""

    number: int
    raw: str

    @property
    def text(self) -> str:
        """Return it without the space around it."""
        return self.raw.strip(_BLANK)


def decode(data: bytes) -> tuple[list[Line], list[Remark]]:
    """Return the lines of a file, and what had to be guessed or taken out.

    Reads UTF-8, UTF-16 and, line by line, Windows-1252. Raises ExchangeError for
    what is no text, or too much of it.
    """
    if len(data) > FILE_LIMIT:
        limit = FILE_LIMIT >> 20
        raise ExchangeError(f"The file has more than {limit} MB: that is no story.")
    _refuse_binary(data)
    warnings: list[Remark] = []
    lines = [
        Line(number, part)
        for number, physical in enumerate(_physical(data, warnings), 1)
        for part in _parts(number, physical, warnings)
    ]
    if not any(line.text for line in lines):
        raise ExchangeError("The file is empty: there is nothing to import.")
    return lines, warnings


def _refuse_binary(data: bytes) -> None:
    for start, name in _KNOWN:
        if data.startswith(start):
            raise ExchangeError(
                f"The file is {name}, not text. Save the story as plain text (UTF-8) "
                "and import that."
            )
    if _utf16(data):
        return
    controls = len(data) - len(data.translate(None, _CONTROLS))
    if controls > 0.3 * len(data) or (controls > 0.05 * len(data) and not _utf8(data)):
        raise ExchangeError("The file is not text, so there is no story to read in it.")


def _utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _utf16(data: bytes) -> str:
    """Return the name of the encoding where the file is in UTF-16, else nothing."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    length = len(data) // 2
    even, odd = data[::2].count(0), data[1::2].count(0)
    if length > 8 and odd > 0.6 * length and not even:
        return "utf-16-le"
    return "utf-16-be" if length > 8 and even > 0.6 * length and not odd else ""


def _physical(data: bytes, warnings: list[Remark]) -> Iterator[str]:
    if encoding := _utf16(data):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError as error:
            raise ExchangeError(
                "The file begins like UTF-16 but is not: save it as UTF-8 text."
            ) from error
        yield from _PHYSICAL.split(text)
        return
    foreign = []
    lines = re.split(rb"\r\n?|\n", data.removeprefix(b"\xef\xbb\xbf"))
    for number, line in enumerate(lines, 1):
        try:
            yield line.decode()
        except UnicodeDecodeError:
            foreign.append(number)
            yield _western(line)
    if foreign:
        more = f", and so are {len(foreign) - 1} more lines" if len(foreign) > 1 else ""
        warnings.append(
            Remark(foreign[0], f"this is not UTF-8; read as Windows-1252{more}")
        )


def _western(line: bytes) -> str:
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _parts(number: int, physical: str, warnings: list[Remark]) -> list[str]:
    """Return the lines inside a line: some programs break them with odd characters."""
    tidy = rendering.tidy(physical)
    if gone := len(physical) - len(tidy):
        what = "control character was" if gone == 1 else "control characters were"
        warnings.append(Remark(number, f"{gone} {what} taken out"))
    return _WITHIN.split(tidy)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object of JSON; raise ValueError rather than lose one of two values."""
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise ValueError(f"an object has “{rendering.tidy(name)}” twice")
        values[name] = value
    return values
