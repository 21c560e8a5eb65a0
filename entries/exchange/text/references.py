"""Recognize "See" lines, cross-post lines and names of images."""

import re
from collections.abc import Collection, Iterable, Sequence
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
IMAGE_SUFFIX: Final = re.compile(
    r"\.(?:jpe?g|png|webp|gif|avif|hei[cf]|hif|tiff?)$", re.I
)
_TOKEN: Final = re.compile(r"[^\W_][\w-]{2,119}")


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

    That is a single word that looks like a file name: with an extension, a digit or an
    underscore, or with hyphens and no capitals. `files` are the casefolded names in the
    folder of images, which may look like anything.
    """
    if line.casefold() in files:
        return True
    stem = IMAGE_SUFFIX.sub("", line)
    if not _TOKEN.fullmatch(stem) or not any(map(str.isalpha, stem)):
        return False
    if stem != line or "_" in stem:
        return True
    has_digit = any(map(str.isdigit, stem))
    lower = stem == stem.lower()
    if "-" in stem:
        return has_digit or lower
    # photo1 and DSC01234, but not 3pm or MH17
    return stem[0].isalpha() and bool(re.search(r"\d" if lower else r"\d{3}", stem))


def image_name(typed: str) -> str:
    """Return a valid image name: no extension, and hyphens for invalid characters."""
    name = re.sub(r"[^\w-]+", "-", IMAGE_SUFFIX.sub("", typed.strip()))
    return name.strip("-")[: max_length(Image, "name")] or "picture"
