"""Recognize titles, and the short lines of a text that are headings.

The format has no mark for headings. They have two blank lines above them or, in a file
that lost its wide gaps, can only be told by their looks.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from entries.exchange.document import Item, Kind

MAX_TITLE_LENGTH: Final = 200  # characters of a title
MAX_HEADING_LENGTH: Final = 120
MAX_SET_APART_LENGTH: Final = 300  # of a heading between wide gaps
_ABBREVIATION: Final = re.compile(r"(?:\b[A-Z]\.){2,}|\b(?:Jr|Sr|Inc|Co|Ltd|No|St)\.")
_SENTENCE_END: Final = re.compile(r"[.;:,…،؛。]['\"”’»)\]]*$")
_QUOTES: Final = "\"“”'‘’«„‹"
_SMALL: Final = re.compile(
    "an?|and|as|at|but|by|del?|der|des|di|du|el|en|et|for|from|in|into|las?|les?|los?"
    "|nor|off?|on|onto|or|over|per|so|than|that|the|to|une?|under|up|van|via|von|vs"
    "|with|y",
    re.I,
)


# --- What a line looks like


def ends_like_sentence(text: str) -> bool:
    """Whether a text ends with the punctuation of a sentence or a clause."""
    if not _SENTENCE_END.search(text):
        return False
    return not any(found.end() == len(text) for found in _ABBREVIATION.finditer(text))


def title_case(text: str, share: float = 0.75) -> bool:
    """Whether the first word, and a share of all words, begin with a capital.

    Articles, conjunctions and prepositions do not count.
    """
    words: list[str] = re.findall(r"[^\W_][\w'’-]*", text)
    if not words or not _capital(words[0]):
        return False
    counted = [word for word in words if not _SMALL.fullmatch(word)] or words
    return sum(map(_capital, counted)) >= share * len(counted)


def _capital(word: str) -> bool:
    return word[0].isdigit() or word[0] == word[0].upper()


def may_be_heading(line: str, *, set_apart: bool = False) -> bool:
    """Whether a line is short, starts with a capital and does not end a sentence.

    Set apart by wide gaps, it may also be longer, or begin with a quotation mark.
    """
    if not set_apart and line.startswith(("“", '"')):
        return False
    return (
        len(line) <= (MAX_SET_APART_LENGTH if set_apart else MAX_HEADING_LENGTH)
        and any(map(str.isalpha, line))
        and not ends_like_sentence(line)
        and not line.startswith(("•", "- ", "* ", "[", "(", "http"))
        and _capital(line.lstrip(f"{_QUOTES}¿¡") or "-")
    )


# --- Which lines are headings


@dataclass(frozen=True)
class Spacing:
    """How a file spaces its paragraphs.

    `usual` is the usual number of blank lines between paragraphs, `wide_entries`
    whether there are more between entries.
    """

    usual: int
    wide_entries: bool

    def wide(self, item: Item) -> bool:
        """Whether the gap above an item is wider than usual."""
        return item.gap > self.usual


def spacing(bodies: Iterable[Sequence[Item]], entry_gaps: Iterable[int]) -> Spacing:
    """Measure the spacing of a file from its paragraphs and the gaps above entries."""
    gaps = Counter(
        later.gap for items in bodies for _, later in pairwise(items) if later.gap
    )
    highest = max(gaps.values(), default=0)
    usual = min((gap for gap, count in gaps.items() if count == highest), default=1)
    return Spacing(usual, any(gap > usual for gap in entry_gaps))


def mark_in_original(
    items: Sequence[Item], space: Spacing
) -> tuple[list[Item], list[Item]]:
    """Mark an original entry's headings; return its items and doubtful headings."""
    found = [index for index, item in enumerate(items[:-1]) if _set_apart(item, space)]
    doubtful: list[Item] = []
    if not found:
        items = [line for item in items for line in _split_at_headings(item)]
        found = [
            index
            for index, item in enumerate(items[:-1])
            if index and _looks_like_heading(item, items[index + 1], space)
        ]
        doubtful = [items[index] for index in found] if space.wide_entries else []
    return _with_headings(items, found), doubtful


def mark_in_update(items: Sequence[Item], space: Spacing) -> list[Item]:
    """Mark the headings of an update, which need both a wide gap and title case."""
    found = [
        index
        for index, item in enumerate(items[:-1])
        if _set_apart(item, space) and title_case(item.text)
    ]
    return _with_headings(items, found)


def _with_headings(items: Sequence[Item], indexes: Iterable[int]) -> list[Item]:
    headings = set(indexes)
    return [
        replace(item, kind=Kind.HEADING) if index in headings else item
        for index, item in enumerate(items)
    ]


def _may_be_heading(item: Item, *, set_apart: bool = False) -> bool:
    return (
        item.kind == Kind.TEXT
        and "\n" not in item.text
        and may_be_heading(item.text, set_apart=set_apart)
    )


def _set_apart(item: Item, space: Spacing) -> bool:
    if not (space.wide(item) and _may_be_heading(item, set_apart=True)):
        return False
    # A long quotation without a full stop is more likely one than a heading.
    long_quotation = len(item.text) > MAX_HEADING_LENGTH and item.text[0] in _QUOTES
    return not long_quotation or title_case(item.text)


def _looks_like_heading(item: Item, following: Item, space: Spacing) -> bool:
    words = len(item.text.split())
    if not _may_be_heading(item, set_apart=item.gap > 1):
        return False
    if words < (4 if space.wide_entries else 3):
        return False
    if not title_case(item.text, 1 if space.wide_entries else 0.75):
        return False
    return following.kind != Kind.TEXT or ends_like_sentence(following.text[-20:])


def _split_at_headings(item: Item) -> list[Item]:
    """Split off headings that have no blank line between them and the text."""
    lines = item.text.split("\n")
    if item.kind != Kind.TEXT or len(lines) == 1:
        return [item]
    indexes = {index for index in range(len(lines) - 1) if _heading_at(lines, index)}
    starts = sorted({0, *indexes, *(index + 1 for index in indexes)})
    return [
        replace(
            item,
            text="\n".join(lines[start:end]),
            line=item.line + start,
            gap=0 if start else item.gap,
        )
        for start, end in pairwise([*starts, len(lines)])
    ]


def _heading_at(lines: Sequence[str], index: int) -> bool:
    line = lines[index]
    if not may_be_heading(line) or not title_case(line) or line.count(" ") < 2:
        return False
    if index and not ends_like_sentence(lines[index - 1][-20:]):
        return False
    return not lines[index + 1][0].islower()
