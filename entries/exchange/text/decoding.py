"""Decode a file into lines, whatever its encoding and line endings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from entries.exchange.document import ExchangeError, Remark
from entries.text import rendering

MAX_FILE_BYTES: Final = 32 * 1024 * 1024  # bytes
# What str.strip() removes, and zero-width characters.
_BLANK: Final = (
    " \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005"
    "\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\u200b\u2060\ufeff"
)
_LINE_END: Final = re.compile("\r\n?|\n")
_INNER_BREAK: Final = re.compile("[\n\u2028\u2029]")
_BINARY_FORMATS: Final = (
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
class TextLine:
    """A line of the file, with its number counted from 1."""

    number: int
    raw: str

    @property
    def text(self) -> str:
        """Return the line without surrounding whitespace."""
        return self.raw.strip(_BLANK)


def decode(data: bytes) -> tuple[list[TextLine], list[Remark]]:
    """Return the lines of a file, and warnings about what was assumed or removed.

    Lines that are not UTF-8 (or UTF-16) are decoded as Windows-1252. Raises
    ExchangeError if the file is empty, too large or not text.
    """
    if len(data) > MAX_FILE_BYTES:
        limit = MAX_FILE_BYTES >> 20
        raise ExchangeError(f"The file has more than {limit} MB: that is no story.")
    _refuse_binary(data)
    warnings: list[Remark] = []
    lines = [
        TextLine(number, part)
        for number, line_of_file in enumerate(_split(data, warnings), 1)
        for part in _clean(number, line_of_file, warnings)
    ]
    if not any(line.text for line in lines):
        raise ExchangeError("The file is empty: there is nothing to import.")
    return lines, warnings


def _refuse_binary(data: bytes) -> None:
    for start, name in _BINARY_FORMATS:
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


def encoding_of(data: bytes) -> str:
    """Return the encoding of a file's first bytes, UTF-8 unless it is UTF-16."""
    return _utf16(data) or "utf-8"


def _utf16(data: bytes) -> str:
    """Return the encoding if a file is in UTF-16, with or without a BOM; else ""."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    length = len(data) // 2
    even, odd = data[::2].count(0), data[1::2].count(0)
    if length > 8 and odd > 0.6 * length and not even:
        return "utf-16-le"
    return "utf-16-be" if length > 8 and even > 0.6 * length and not odd else ""


def _split(data: bytes, warnings: list[Remark]) -> Iterator[str]:
    if encoding := _utf16(data):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError as error:
            raise ExchangeError(
                "The file begins like UTF-16 but is not: save it as UTF-8 text."
            ) from error
        yield from _LINE_END.split(text)
        return
    western = []
    lines = re.split(rb"\r\n?|\n", data.removeprefix(b"\xef\xbb\xbf"))
    for number, line in enumerate(lines, 1):
        try:
            yield line.decode()
        except UnicodeDecodeError:
            western.append(number)
            yield _decode_western(line)
    if western:
        more = f", and so are {len(western) - 1} more lines" if len(western) > 1 else ""
        warnings.append(
            Remark(western[0], f"this is not UTF-8; read as Windows-1252{more}")
        )


def _decode_western(line: bytes) -> str:
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _clean(number: int, line_of_file: str, warnings: list[Remark]) -> list[str]:
    """Remove control characters, and split at the line breaks of word processors."""
    clean = rendering.tidy(line_of_file)
    if (removed := len(line_of_file) - len(clean)) > 0:
        what = "control character was" if removed == 1 else "control characters were"
        warnings.append(Remark(number, f"{removed} {what} taken out"))
    return _INNER_BREAK.split(clean)
