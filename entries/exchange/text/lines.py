"""Divide lines into blocks, and recognize the marks of the format.

Each mark (a timestamp, or a line such as `LATEST`) is a block of its own, and so is
each run of text lines without a blank line between them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Final

from entries.exchange.document import Remark
from entries.exchange.text.decoding import TextLine
from entries.exchange.text.states import parse_state
from entries.exchange.text.timestamps import (
    WEEKDAY,
    YEARS,
    Doubt,
    Timestamp,
    timestamp,
)
from entries.models import Link
from entries.models.fields import max_length
from entries.text import keyboard, languages

MAX_QUOTE_LENGTH: Final = 120  # characters of a line in a warning
MAX_LABEL_LENGTH: Final = max_length(Link, "label")  # of `TUESDAY FEATURE`


class Mark(StrEnum):
    """The lines with a meaning of their own, apart from timestamps."""

    PHOTO = "photo"
    LATEST = "latest"
    FEATURE = "feature"
    JUMP = "jump"
    ORIGINAL = "original"
    SUMMARY = "summary"
    HEADLINE = "headline"
    SERIES = "series"
    DATE = "date"
    STATE = "state"
    LANGUAGE = "language"
    STANDFIRST = "standfirst"
    MARKUP = "markup"
    BYLINE = "byline"


@dataclass(frozen=True)
class MarkedLine:
    """A line with a mark: the mark, its text as typed, and the text after it."""

    mark: Mark
    label: str
    rest: str


# --- Marks

_MAX_MARK_LENGTH: Final = 100  # letters of a line in which its mark is looked for
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
    (Mark.STATE, re.compile(r"(STATE)\s?:\s*(\S.*)")),
    (
        Mark.LANGUAGE,
        re.compile(r"(LANGUAGE)\s?:\s*([A-Za-z]{2,12}(?:[-_][A-Za-z0-9]{1,8})*)"),
    ),
    (Mark.STANDFIRST, re.compile(r"(STANDFIRST)\s?:\s*(\S.*)")),
    (Mark.MARKUP, re.compile(r"(MARKUP)\s?:\s*(Markdown)", re.I)),
)
_IN_ENTRY: Final = (
    (Mark.HEADLINE, re.compile(r"(HEADLINE)\s?:\s*(\S.*)")),
    (Mark.BYLINE, re.compile(r"(BYLINE)\s?:\s*(\S.*)")),
)


def mark_anywhere(line: str) -> MarkedLine | None:
    """Recognize a mark that may be anywhere: a jump link or the original entry."""
    plain, places = keyboard.start_as_ascii(line, _MAX_MARK_LENGTH)
    if _JUMP.fullmatch(plain):
        return MarkedLine(Mark.JUMP, line, "")
    if match := _ORIGINAL.fullmatch(plain):
        return MarkedLine(Mark.ORIGINAL, line, _rest(line, places, match, 1))
    return None


def mark_in_head(line: str) -> MarkedLine | None:
    """Recognize a mark that may only be above the entries."""
    marked = _first(_HEAD, line)
    return marked if marked and len(marked.label) <= MAX_LABEL_LENGTH else None


def mark_in_entry(line: str) -> MarkedLine | None:
    """Recognize a mark that may only be right below a timestamp."""
    return _first(_IN_ENTRY, line)


def _first(
    patterns: Iterable[tuple[Mark, re.Pattern[str]]], line: str
) -> MarkedLine | None:
    plain, places = keyboard.start_as_ascii(line, _MAX_MARK_LENGTH)
    for mark, pattern in patterns:
        if match := pattern.fullmatch(plain):
            is_date = mark == Mark.DATE
            rest = match[2] if is_date else _rest(line, places, match, 2)
            return MarkedLine(mark, match[1], rest or "")
    return None


def _rest(line: str, places: list[int], match: re.Match[str], group: int) -> str:
    """Return the text after a mark as it was typed."""
    return (
        line[places[match.start(group)] :] if places and match[group] else match[group]
    )


def parse_date(text: str) -> date | None:
    """Parse the value of `DATE:`; return None unless it is a date in `YEARS`."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if found.year in YEARS else None


# --- Blocks

_ONCE: Final = frozenset(Mark) - {Mark.FEATURE, Mark.JUMP, Mark.BYLINE}
_WITH_TEXT: Final = (  # marks after which text may follow on the same line
    Mark.ORIGINAL,
    Mark.SUMMARY,
    Mark.PHOTO,
    Mark.LATEST,
    Mark.FEATURE,
)


@dataclass
class Block:
    """A mark or, if `mark` is None, text; `gap` is the number of blank lines above."""

    line: int
    gap: int
    mark: Timestamp | MarkedLine | None = None
    lines: list[TextLine] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Return the text with whitespace around each line removed."""
        return "\n".join(line.text for line in self.lines)

    @property
    def source(self) -> str:
        """Return the text as Markdown, with the indentation of its lines."""
        return "\n".join(line.raw.rstrip() for line in self.lines).strip("\n")

    @property
    def begins_entry(self) -> bool:
        """Whether this is the first block of an entry."""
        mark = self.mark
        return isinstance(mark, Timestamp) or (
            mark is not None and mark.mark == Mark.ORIGINAL
        )


def quoted(text: str) -> str:
    """Quote a line for a warning, shortened if it is long."""
    short = (
        text if len(text) <= MAX_QUOTE_LENGTH else text[: MAX_QUOTE_LENGTH - 1] + "…"
    )
    return f"“{short}”"


def flat(text: str) -> str:
    """Return a text on one line, with single spaces."""
    return " ".join(text.split())


def blocks(lines: Iterable[TextLine], remarks: list[Remark]) -> list[Block]:
    """Divide a file into blocks; add a remark for each doubtful line."""
    return _without_empty(_BlockParser(remarks).run(lines), remarks)


def _without_empty(found: list[Block], remarks: list[Remark]) -> list[Block]:
    """Leave out timestamps that no text follows, since updates are never empty.

    Below one, a line with a headline or a byline becomes its text.
    """
    kept: list[Block] = []  # from the bottom up
    text_follows = False
    for block in reversed(found):
        if isinstance(block.mark, Timestamp) and not text_follows:
            what = "no update is made of it"
            if kept and (below := _as_text(kept[-1])):
                kept[-1], what = below, f"{quoted(below.text)} is taken for it"
                kept.append(block)
            message = f"no text follows {quoted(block.text)}; {what}"
            remarks.append(Remark(block.line, message))
            continue
        kept.append(block)
        text_follows = not block.begins_entry and (text_follows or block.mark is None)
    return kept[::-1]


def _as_text(block: Block) -> Block | None:
    """Return the mark of an entry as text; None for other marks."""
    mark = block.mark
    if not isinstance(mark, MarkedLine) or mark.mark not in (
        Mark.HEADLINE,
        Mark.BYLINE,
    ):
        return None
    text = mark.rest if mark.mark == Mark.HEADLINE else block.text
    return Block(block.line, block.gap, None, [TextLine(block.line, text)])


class _BlockParser:
    """Divide a file into blocks, line by line."""

    def __init__(self, remarks: list[Remark]) -> None:
        self.remarks = remarks
        self.found: list[Block] = []
        self.open: Block | None = None  # the text block that the next line continues
        self.gap = 0
        self.used: set[Mark] = set()
        self.in_entries = False  # below the head
        self.markdown = False
        self.below_timestamp = False

    def run(self, lines: Iterable[TextLine]) -> list[Block]:
        for line in lines:
            if self.markdown and self.in_entries:
                self.markdown_line(line)
            elif line.text:
                self.line(line)
            else:
                self.gap += 1
                self.open, self.below_timestamp = None, False
        return self.found

    def line(self, line: TextLine) -> None:
        mark = self.recognise(line)
        if mark is None:
            self.add_text(line)
            return
        self.add_mark(line, mark)
        with_text = isinstance(mark, Timestamp) or mark.mark in _WITH_TEXT
        if with_text and mark.rest:
            self.add_text(TextLine(line.number, mark.rest))

    def add_mark(self, line: TextLine, mark: Timestamp | MarkedLine) -> None:
        self.found.append(Block(line.number, self.gap, mark, [line]))
        self.open, self.gap = None, 0
        if isinstance(mark, Timestamp):
            self.in_entries = self.below_timestamp = True
            return
        self.used.add(mark.mark)
        self.in_entries |= mark.mark in (Mark.ORIGINAL, Mark.SUMMARY)
        self.markdown |= mark.mark == Mark.MARKUP
        self.below_timestamp = mark.mark == Mark.ORIGINAL or (
            self.below_timestamp and self.in_entries
        )

    def add_text(self, line: TextLine) -> None:
        if self.open is None:
            self.open = Block(line.number, self.gap)
            self.found.append(self.open)
        self.open.lines.append(line)
        self.gap, self.below_timestamp = 0, False

    def recognise(self, line: TextLine) -> Timestamp | MarkedLine | None:
        text = flat(line.text)
        if self.below_timestamp and (marked := mark_in_entry(text)):
            return marked
        marked = mark_anywhere(line.text) or mark_anywhere(text)
        marked = marked or self.head_mark(line, text)
        if marked and marked.mark in self.used & _ONCE:
            self.remark(line, f"a second {quoted(text)} stays text")
            return None
        return marked or self.timestamp(line)

    def timestamp(self, line: TextLine) -> Timestamp | None:
        found = timestamp(line.text, starts=self.open is None)
        if isinstance(found, Doubt):
            self.remark(line, f"{found.reason}: {quoted(line.text)} stays text")
            return None
        if found and found.at and found.doubt:
            self.remark(line, found.doubt)
        return found

    def head_mark(self, line: TextLine, text: str) -> MarkedLine | None:
        marked = mark_in_head(text)
        if marked is None:
            return None
        if marked.mark == Mark.LANGUAGE and not self.in_entries:
            try:
                tag = languages.canonical_tag(marked.rest)
            except languages.LanguageError as error:
                self.remark(line, f"{error} {quoted(text)} stays text")
                return None
            return replace(marked, rest=tag)
        if marked.mark == Mark.STATE and not (
            self.in_entries or parse_state(marked.rest)
        ):
            self.remark(
                line,
                f"{quoted(text)} stays text: write draft, live, closed or withdrawn, "
                "or a state with its time, such as closed 2026-03-14 1804 GMT",
            )
            return None
        no_date = marked.mark == Mark.DATE and parse_date(marked.rest) is None
        if not (self.in_entries or no_date):
            return marked
        if text == text.upper() or marked.mark == Mark.PHOTO:
            self.remark(line, f"{quoted(text)} has no meaning here; it stays text")
        return None

    def remark(self, line: TextLine, message: str) -> None:
        self.remarks.append(Remark(line.number, message))

    def markdown_line(self, line: TextLine) -> None:
        """Add a line of Markdown, where only a line that begins an entry is a mark.

        A backslash escapes such a line.
        """
        bare = line.raw.lstrip("\\")
        if begins_entry(bare):
            if bare == line.raw:
                self.open = None
                self.line(line)
                return
            line = TextLine(line.number, line.raw[1:])
        elif self.below_timestamp and (marked := mark_in_entry(flat(line.text))):
            self.add_mark(line, marked)
            return
        if self.open is None and not line.text:
            self.below_timestamp = False
            return
        self.add_text(line)


def begins_entry(line: str) -> bool:
    """Whether a line of a Markdown file begins an entry."""
    if isinstance(timestamp(line), Timestamp):
        return True
    marked = mark_anywhere(line)
    return marked is not None and marked.mark == Mark.ORIGINAL
