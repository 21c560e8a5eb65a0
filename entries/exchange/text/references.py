"""Recognize "See" lines, cross-post lines and names of images."""

import calendar
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import Final

from entries.exchange.document import Item, Kind
from entries.exchange.text.headings import (
    MAX_TITLE_LENGTH,
    ends_like_sentence,
    title_case,
)
from entries.models import Image
from entries.models.fields import max_length

_SEE: Final = re.compile(r"((?:See|SEE)(?: (?:also|Also|ALSO))?:?) (\S.*)")
_OPENING: Final = "\"'“‘«„‹([¿¡"
_CROSS: Final = "cross[-‐‑– ]?posted from:?"
_CROSS_POSTED: Final = (
    re.compile(rf"\(\s*{_CROSS}\s+(\S.*?)[\s.]*\)\.?", re.I),
    re.compile(rf"\[\s*{_CROSS}\s+(\S.*?)[\s.]*\]\.?", re.I),
    re.compile(rf"C(?i:{_CROSS[1:]})\s+(\S.*[^\s.:])", re.S),
)
_BETWEEN_NAMES: Final = re.compile(r"\s*,\s*(?:and\s+)?|\s+(?:and|&)\s+|\s*;\s*")
_MEDIA: Final = "mp4|m4v|mov|webm|mp3|m4a|weba"
MEDIA_SUFFIX: Final = re.compile(rf"\.(?:{_MEDIA})$", re.I)
IMAGE_SUFFIX: Final = re.compile(
    rf"\.(?:jpe?g|png|webp|gif|avif|hei[cf]|hif|tiff?|{_MEDIA})$", re.I
)
_TOKEN: Final = re.compile(r"[^\W_][\w-]{2,119}")
_NUMBER: Final = re.compile(r"[0-9]{1,4}")
_MONTH: Final = "|".join([*calendar.month_name[1:], *calendar.month_abbr[1:]])
_NAMED_DATE: Final = re.compile(
    rf"(?<![^\W_])(?:[0-9]{{1,2}}(?:st|nd|rd|th)?[-_]?(?:{_MONTH})[0-9]{{0,4}}"
    rf"|(?:{_MONTH})[-_]?[0-9]{{1,4}})(?![^\W_])",
    re.I,
)


def reference(text: str, series: Iterable[str] = ()) -> Item | None:
    """Return an item for a "See" line or a cross-post line, None for other text.

    `series` are the names of series, which may contain a comma or an "and".
    """
    if "\n" in text:
        return None
    title, certain = see(text) or ("", False)
    if certain:
        return Item(Kind.SEE, text, (title,))
    if names := cross_posts(text, tuple(series)):
        return Item(Kind.CROSS_POST, cross_post_line(names), names)
    return None


def see(line: str) -> tuple[str, bool] | None:
    """Return the title in a line like `See Harbour Daily: The Bridge Is Open`.

    A title begins with a capital (or a digit, or a letter of a script without
    capitals) and does not end like a sentence. "See you at the match." and "See
    below" are prose. Return `("", False)` if it is not certain: for a title followed
    by a full stop, and for a line that begins in lower case but is no sentence.
    """
    match = _SEE.fullmatch(line)
    if match is None or len(line) > MAX_TITLE_LENGTH:
        return None
    title = match[2]
    first = title.lstrip(_OPENING)[:1]
    begins = first.isdigit() or (first.isalpha() and first == first.upper())
    if ends_like_sentence(title):
        return ("", False) if begins and title_case(title) else None
    if begins:
        return title, True
    return ("", False) if title[-1] not in "!?" else None


def cross_posts(line: str, series: Collection[str] = ()) -> tuple[str, ...]:
    """Return the names in `(Cross-posted from A, B and C)`; empty for other lines."""
    if len(line) > MAX_TITLE_LENGTH:
        return ()
    match = next(filter(None, (form.fullmatch(line) for form in _CROSS_POSTED)), None)
    if match is None:
        return ()
    compound = sorted((n for n in series if _BETWEEN_NAMES.search(n)), key=len)[::-1]
    names = match[1]
    for number, name in enumerate(compound):
        names = names.replace(name, f"\0{number}\0")
    split = [
        re.sub(r"\0(\d+)\0", lambda m: compound[int(m[1])], name).strip()
        for name in _BETWEEN_NAMES.split(names)
    ]
    return tuple(dict.fromkeys(filter(None, split)))


def cross_post_line(names: Sequence[str]) -> str:
    """Return a cross-post line as public pages show it."""
    *most, last = names
    joined = f"{', '.join(most)} and {last}" if most else last
    return f"(Cross-posted from {joined})"


def names_image(line: str, files: Collection[str] = ()) -> bool:
    """Whether a line is the name of an image.

    That is a single word that looks like a file name: with an extension, an underscore
    or the number of a camera; or with hyphens and a date (`quay-fog-14-03-26`). Other
    words with hyphens are text. `files` are the casefolded names in the folder of
    images, which may look like anything.
    """
    if line.casefold() in files:
        return True
    stem = IMAGE_SUFFIX.sub("", line)
    if not _TOKEN.fullmatch(stem) or not any(map(str.isalpha, stem)):
        return False
    if stem != line or ("_" in stem and "-" not in stem):
        return True
    if "-" in stem:
        return has_date(stem)
    lower = stem == stem.lower()
    # photo1 and DSC01234, but not 3pm or MH17
    return stem[0].isalpha() and bool(re.search(r"\d" if lower else r"\d{3}", stem))


def has_date(name: str) -> bool:
    """Whether a name contains a date: `14-03-26`, `2026-03-14`, `20260314`, `14-mar`.

    Other numbers are not enough: `covid-19`, `boeing-737-800`, `euro-2016`.
    """
    parts = re.split("[-_]", name)
    runs = [(run[:2], run[2:4], run[4:]) for run in parts if len(run) in (6, 8)]
    runs += [(run[:4], run[4:6], run[6:]) for run in parts if len(run) == 8]
    days = zip(parts, parts[1:], parts[2:], strict=False)
    return (
        any(_is_date(*numbers) for numbers in (*runs, *days))
        or any(_is_short_date(*pair) for pair in pairwise(parts))
        or bool(_NAMED_DATE.search(name))
    )


def _is_date(first: str, second: str, third: str) -> bool:
    """Whether three parts of a name are a day, a month and a year, in a usual order."""
    if not all(_NUMBER.fullmatch(part) for part in (first, second, third)):
        return False
    return (len(third) in (2, 4) and _in_year(first, second)) or (
        len(first) in (2, 4) and _in_year(second, third)
    )


def _is_short_date(first: str, second: str) -> bool:
    """Whether two parts of a name are a day and a month, or a month and a year."""
    if not (_NUMBER.fullmatch(first) and _NUMBER.fullmatch(second)):
        return False
    lengths = len(first), len(second)
    if lengths == (2, 2):
        return _in_year(first, second)
    month = {(2, 4): first, (4, 2): second}.get(lengths, "0")
    return 1 <= int(month) <= 12


def _in_year(first: str, second: str) -> bool:
    """Whether two numbers are a day and a month, in either order."""
    low, high = sorted((int(first), int(second)))
    return 1 <= low <= 12 and high <= 31


def may_name_image(line: str) -> bool:
    """Whether a line looks like the name of an image, but is no clear one.

    That is a single word with hyphens, and with a digit or without capitals.
    """
    is_word = bool(_TOKEN.fullmatch(line)) and any(map(str.isalpha, line))
    plain = line == line.lower() or any(map(str.isdigit, line))
    return is_word and plain and "-" in line


def image_name(typed: str) -> str:
    """Return a valid image name: no extension, and hyphens for invalid characters."""
    name = unicodedata.normalize("NFC", IMAGE_SUFFIX.sub("", typed.strip()))
    name = re.sub(r"[^\w-]+", "-", name)
    return name.strip("-")[: max_length(Image, "name")] or "picture"
