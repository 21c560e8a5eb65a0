"""The changes of a text, and word-by-word differences between its versions."""

import difflib
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, partial
from itertools import groupby, pairwise, takewhile
from operator import attrgetter
from typing import Any, Final, NamedTuple

from entries.models import Entry, EntryVersion, Story, StoryVersion
from entries.text import gmt, rendering

MAX_PAIRS: Final = 100_000  # words of one text × words of the other, compared in full
MAX_COMPARED: Final = 20  # corrections that readers are shown with their difference
_WORD = re.compile(r"\S+\s*|\s+")


class Segment(NamedTuple):
    """A stretch of text: `same`, `taken` away or `added`."""

    kind: str
    text: str


def diff_words(old: str, new: str) -> list[Segment]:
    """Return the segments that make up both texts, in reading order.

    The worst texts of 20,000 characters take some 0.3 s.
    """
    before, after = _WORD.findall(old), _WORD.findall(new)
    pieces: list[Segment] = []
    i = k = 0
    for at, to, length in [*_same(before, after), (len(before), len(after), 0)]:
        pieces.append(Segment("taken", "".join(before[i:at])))
        pieces.append(Segment("added", "".join(after[k:to])))
        i, k = at + length, to + length
        pieces.append(Segment("same", "".join(before[at:i])))
    groups = groupby((one for one in pieces if one.text), attrgetter("kind"))
    return [Segment(kind, "".join(one.text for one in group)) for kind, group in groups]


# Positions in the earlier and the later text, and how many words are the same there.
_Stretch = tuple[int, int, int]


def _same(
    before: list[str], after: list[str], i: int = 0, k: int = 0, depth: int = 3
) -> Iterator[_Stretch]:
    """Yield the stretches that two texts have in common; they begin at `i` and `k`.

    Comparing every word with every other takes quadratic time or worse. So long texts
    are first divided at the words that occur once in each, and what cannot be divided
    any further counts as changed.
    """
    head = _alike(before, after)
    tail = _alike(before[head:][::-1], after[head:][::-1])
    yield i, k, head
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    if len(old) * len(new) <= MAX_PAIRS:
        matcher = difflib.SequenceMatcher(None, old, new)
        for at, to, length in matcher.get_matching_blocks():
            yield i + head + at, k + head + to, length
    elif depth:
        yield from _divided(old, new, i + head, k + head, depth - 1)
    yield i + len(before) - tail, k + len(after) - tail, tail


def _divided(
    before: list[str], after: list[str], i: int, k: int, depth: int
) -> Iterator[_Stretch]:
    """Yield the common stretches between words that occur once in each text."""
    at = to = 0
    for here, there in _anchors(before, after):
        yield from _same(before[at:here], after[to:there], i + at, k + to, depth)
        at, to = here, there
    if at or to:
        yield from _same(before[at:], after[to:], i + at, k + to, depth)


def _alike(before: Iterable[str], after: Iterable[str]) -> int:
    """Return the length of the common beginning of two texts, in words."""
    pairs = zip(before, after, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _anchors(before: list[str], after: list[str]) -> list[tuple[int, int]]:
    """Return the positions of words that occur once in each text, in common order.

    It is the longest increasing subsequence of their positions, as pairs of these.
    """
    here, there = Counter(before), Counter(after)
    place = {word: at for at, word in enumerate(after) if there[word] == 1}
    pairs = [
        (at, place[word])
        for at, word in enumerate(before)
        if word in place and here[word] == 1
    ]
    ends: list[int] = []  # the least end of a row of each length
    rows: list[Any] = []  # that row: its last pair, and the row before it
    for pair in pairs:
        length = bisect_left(ends, pair[1])
        ends[length : length + 1] = [pair[1]]
        rows[length : length + 1] = [(pair, rows[length - 1] if length else None)]
    found, row = [], rows[-1] if rows else None
    while row:
        pair, row = row
        found.append(pair)
    return found[::-1]


class FieldDiff(NamedTuple):
    """One field that a change touched: its name, and the difference."""

    name: str
    pieces: list[Segment]


ComparedFields = Iterable[tuple[str, str, str]]  # name, before, after


@dataclass(frozen=True)
class Change:
    """The change that replaced a version.

    `erased`: the text before or after it was erased, so nothing is compared.
    """

    version: EntryVersion | StoryVersion
    erased: bool
    fields: Callable[[], ComparedFields]

    @cached_property
    def parts(self) -> list[FieldDiff]:
        """Return the differences; costly, so only computed for changes on a page."""
        return [] if self.erased else _diffs(self.fields())


def _diffs(fields: ComparedFields) -> list[FieldDiff]:
    return [
        FieldDiff(name, diff_words(old, new)) for name, old, new in fields if old != new
    ]


def _stamp(text: Entry | EntryVersion, first_day: date | None) -> str:
    return gmt.format_stamp(text.at, first_day) if text.at else ""


def _entry_fields(
    old: Entry | EntryVersion,
    new: Entry | EntryVersion,
    first_day: date | None,
    *,
    public: bool,
) -> ComparedFields:
    words = _plain if public else str
    return (
        ("Time", _stamp(old, first_day), _stamp(new, first_day)),
        ("Headline", old.headline, new.headline),
        ("Text", words(old.body), words(new.body)),
    )


def _changes(
    versions: Sequence[EntryVersion], entry: Entry, *, public: bool
) -> list[Change]:
    """Return the changes that replaced each version, newest first."""
    found: list[Change] = []
    day = entry.story.first_day
    texts: list[Entry | EntryVersion] = [*versions, entry]
    for old, (_, new) in zip(versions, pairwise(texts), strict=True):
        if public and (old.hidden or not old.correction):
            continue
        gone = old.erased or getattr(new, "erased", False)
        gone |= public and getattr(new, "hidden", False)
        fields = partial(_entry_fields, old, new, day, public=public)
        found.append(Change(old, gone, fields))
    return found[::-1]


def entry_changes(entry: Entry) -> list[Change]:
    """Return every change of an entry for the desk, newest first."""
    versions = list(entry.versions.select_related("changed_by"))
    return _changes(versions, entry, public=False)


def public_corrections(entry: Entry) -> list[Change]:
    """Return an entry's corrections for readers, newest first.

    Silent edits and hidden corrections are left out. A correction whose resulting text
    was replaced by a hidden one has no difference, only its note; nor have those before
    the newest MAX_COMPARED.
    """
    found = _changes(list(entry.versions.all()), entry, public=True)
    older = [replace(one, fields=tuple) for one in found[MAX_COMPARED:]]
    return found[:MAX_COMPARED] + older


def _plain(body: str) -> str:
    """Return a text as readers see it, in paragraphs; as typed if it has no HTML."""
    try:
        return rendering.plain_text(rendering.render(body)).replace("\n", "\n\n")
    except rendering.BodyError:
        return body


def _head_fields(
    old: Story | StoryVersion, new: Story | StoryVersion
) -> ComparedFields:
    return (
        (name.capitalize(), getattr(old, name), getattr(new, name))
        for name in StoryVersion.FIELDS
    )


def diff_heads(old: Story | StoryVersion, new: Story | StoryVersion) -> list[FieldDiff]:
    """Return the differences between two versions of a story's head."""
    return _diffs(_head_fields(old, new))


def head_changes(story: Story) -> list[Change]:
    """Return every change of a story's head, newest first."""
    versions = list(story.versions.select_related("changed_by"))
    texts: list[Story | StoryVersion] = [*versions, story]
    found = []
    for old, (_, new) in zip(versions, pairwise(texts), strict=True):
        gone = old.erased or getattr(new, "erased", False)
        found.append(Change(old, gone, partial(_head_fields, old, new)))
    return found[::-1]
