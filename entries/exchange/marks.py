"""What a single line can be, apart from the stamp of an update."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from entries.exchange.stamps import WEEKDAY, YEARS

TITLE_LIMIT: Final = 200  # characters of a line that may be a title
HEADING_LIMIT: Final = 120


class Mark(StrEnum):
    """A line of the page's furniture, or one that begins a part of the story."""

    PHOTO = "photo"
    LATEST = "latest"
    FEATURE = "feature"
    JUMP = "jump"
    ORIGINAL = "original"
    SUMMARY = "summary"
    HEADLINE = "headline"
    SERIES = "series"
    DATE = "date"
    LANGUAGE = "language"
    STANDFIRST = "standfirst"
    MARKUP = "markup"
    BYLINE = "byline"


@dataclass(frozen=True)
class Marked:
    """A recognised line: its mark, its own words, and the text behind them."""

    mark: Mark
    words: str
    rest: str


_JUMP: Final = re.compile(r"\W{0,3}Jump to (?:the )?Original(?: Entry)?\W{0,3}", re.I)
_ORIGINAL: Final = re.compile(
    r"(?:ORIGINAL\s{1,9}ENTRY\b(?!-)\s{0,9}:?"
    r"|(?i:ORIGINAL\s{1,9}ENTRY)\s{0,9}(?::|$))\s*(.*)",
    re.S,
)
_HEAD: Final = (
    (Mark.PHOTO, re.compile(r"(PHOTO)\s?:\s*(.*)", re.I)),
    (Mark.LATEST, re.compile(r"(LATEST)(?:\s?:\s*(.*)|())", re.I)),
    (
        Mark.FEATURE,
        re.compile(
            rf"((?:(?:(?i:{WEEKDAY})|[A-Z][A-Z’'-]{{1,20}})(?:['’][sS])? ){{0,3}}"
            r"(?i:FEATURE))(?:\s?:\s*(.*)|())"
        ),
    ),
    (Mark.SUMMARY, re.compile(r"(SUMMARY)\s?:\s*(.*)")),
    (Mark.HEADLINE, re.compile(r"(HEADLINE)\s?:\s*(\S.*)")),
    (Mark.SERIES, re.compile(r"(SERIES)\s?:\s*(\S.*)")),
    (Mark.DATE, re.compile(r"(DATE)\s?:\s*(\d{4}-\d\d-\d\d)", re.A)),
    (
        Mark.LANGUAGE,
        re.compile(r"(LANGUAGE)\s?:\s*([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)"),
    ),
    (Mark.STANDFIRST, re.compile(r"(STANDFIRST)\s?:\s*(\S.*)")),
    (Mark.MARKUP, re.compile(r"(MARKUP)\s?:\s*(Markdown)", re.I)),
)
_IN_ENTRY: Final = (
    (Mark.HEADLINE, re.compile(r"(HEADLINE)\s?:\s*(\S.*)")),
    (Mark.BYLINE, re.compile(r"(BYLINE)\s?:\s*(\S.*)")),
)


def part(line: str) -> Marked | None:
    """Return the mark of a line that may stand anywhere: jump, original entry."""
    if match := _JUMP.fullmatch(line):
        return Marked(Mark.JUMP, line, "")
    if match := _ORIGINAL.fullmatch(line):
        return Marked(Mark.ORIGINAL, line, match[1])
    return None


def head(line: str) -> Marked | None:
    """Return the mark of a line that counts above the entries only."""
    return _first(_HEAD, line)


def entry_head(line: str) -> Marked | None:
    """Return the mark of a line that counts on the line below a stamp only."""
    return _first(_IN_ENTRY, line)


def _first(
    patterns: Iterable[tuple[Mark, re.Pattern[str]]], line: str
) -> Marked | None:
    for mark, pattern in patterns:
        if match := pattern.fullmatch(line):
            return Marked(mark, match[1], match[2] or "")
    return None


def day(text: str) -> date | None:
    """Read the value of `DATE:`; None for no day, and for one of another age."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if found.year in YEARS else None


# --- Lines between paragraphs

_SEE: Final = re.compile(r"((?:See|SEE)(?: (?:also|Also|ALSO))?:?) (\S.*)")
_OPENING: Final = "\"'“‘«„‹([¿¡"
_ABBREVIATION: Final = re.compile(r"(?:\b[A-Z]\.){2,}|\b(?:Jr|Sr|Inc|Co|Ltd|No|St)\.")
_SENTENCE_END: Final = re.compile(r"[.;:,…،؛。]['\"”’»)\]]*")
_CROSS: Final = "cross[-‐‑– ]?posted from:?"
_CROSS_POSTED: Final = (
    re.compile(rf"\(\s*{_CROSS}\s+(\S.*?)[\s.]*\)\.?", re.I),
    re.compile(rf"\[\s*{_CROSS}\s+(\S.*?)[\s.]*\]\.?", re.I),
    re.compile(rf"C(?i:{_CROSS[1:]})\s+(\S.*[^\s.:])", re.S),
)
_BETWEEN_NAMES: Final = re.compile(r"\s*,\s*(?:and\s+)?|\s+(?:and|&)\s+|\s*;\s*")


def see(line: str) -> tuple[str, bool] | None:
    """Return the title in a line like `See Harbour Daily: The Bridge Is Open`.

    A title begins with a capital (or a digit, or a letter that knows no capitals)
    and does not end like a sentence. "See you at the match." and "See below" are
    prose. The flag says whether that is certain: what looks like a title in all but
    its last full stop, and a line without one that begins small, are not.
    """
    match = _SEE.fullmatch(line)
    if match is None or len(line) > TITLE_LIMIT:
        return None
    title = match[2]
    first = title.lstrip(_OPENING)[:1]
    begins = first.isdigit() or (first.isalpha() and first == first.upper())
    if ends_like_sentence(title):
        return ("", False) if begins and title_case(title) else None
    if begins:
        return title, True
    return ("", False) if title[-1] not in "!?" else None


def cross_posts(line: str, known: Collection[str] = ()) -> tuple[str, ...]:
    """Return the names in `(Cross-posted from A, B and C)`; none for other lines.

    `known` are names that may hold a comma or an "and" of their own.
    """
    if len(line) > TITLE_LIMIT:
        return ()
    match = next(filter(None, (form.fullmatch(line) for form in _CROSS_POSTED)), None)
    if match is None:
        return ()
    whole = sorted((n for n in known if _BETWEEN_NAMES.search(n)), key=len)[::-1]
    names = match[1]
    for number, name in enumerate(whole):
        names = names.replace(name, f"\0{number}\0")
    parts = [
        re.sub(r"\0(\d+)\0", lambda m: whole[int(m[1])], part)
        for part in _BETWEEN_NAMES.split(names)
    ]
    return tuple(dict.fromkeys(filter(None, (part.strip() for part in parts))))


# --- Names of pictures

_IMAGE_FILE: Final = re.compile(r"\.(?:jpe?g|png|webp|gif|avif|heic|tiff?)$", re.I)
_TOKEN: Final = re.compile(r"[^\W_][\w-]{2,119}")


def picture(line: str, files: Collection[str] = ()) -> bool:
    """Whether a line is the name of a picture that stands there.

    It is one word with the look of a file's name: an extension; or a digit or an
    underscore inside; or hyphens in a word without capitals. `files` are names in
    the folder of pictures, folded; one of them may have any look.
    """
    if line.casefold() in files:
        return True
    stem = _IMAGE_FILE.sub("", line)
    if not _TOKEN.fullmatch(stem) or not any(map(str.isalpha, stem)):
        return False
    if stem != line or "_" in stem:
        return True
    has_digit = any(map(str.isdigit, stem))
    small = stem == stem.lower()
    if "-" in stem:
        return has_digit or small
    # photo1 and DSC01234, but not 3pm or MH17
    return stem[0].isalpha() and bool(re.search(r"\d" if small else r"\d{3}", stem))


def picture_name(typed: str) -> str:
    """Return the name a picture's row gets: without extension, of letters we allow."""
    name = re.sub(r"[^\w-]+", "-", _IMAGE_FILE.sub("", typed.strip()))
    return name.strip("-")[:120] or "picture"


# --- Headings and titles

_SMALL: Final = re.compile(
    "an?|and|as|at|but|by|del?|der|des|di|du|el|en|et|for|from|in|into|las?|les?|los?"
    "|nor|off?|on|onto|or|over|per|so|than|that|the|to|une?|under|up|van|via|von|vs"
    "|with|y",
    re.I,
)


def ends_like_sentence(text: str) -> bool:
    """Whether the last sign says that a sentence or a clause ends here."""
    match = re.search(rf"(?:{_SENTENCE_END.pattern})$", text)
    if match is None:
        return False
    return not any(found.end() == len(text) for found in _ABBREVIATION.finditer(text))


def title_case(text: str, share: float = 0.75) -> bool:
    """Whether most words of weight begin with a capital, the first one among them."""
    words: list[str] = re.findall(r"[^\W_][\w'’-]*", text)
    if not words or not _begins_large(words[0]):
        return False
    heavy = [word for word in words if not _SMALL.fullmatch(word)] or words
    return sum(map(_begins_large, heavy)) >= share * len(heavy)


def _begins_large(word: str) -> bool:
    return word[0].isdigit() or word[0] == word[0].upper()


def may_head(line: str) -> bool:
    """Whether a line is short enough for a heading, and does not end as a sentence."""
    return (
        len(line) <= HEADING_LIMIT
        and any(map(str.isalpha, line))
        and not ends_like_sentence(line)
        and not line.startswith(("•", "- ", "* ", "[", "(", "“", '"', "http"))
        and _begins_large(line.lstrip("'‘«„‹¿¡") or "-")
    )
