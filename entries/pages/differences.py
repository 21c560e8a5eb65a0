"""The changes of a text, and word-by-word differences between its versions."""

import difflib
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import groupby, pairwise, takewhile
from operator import attrgetter
from typing import Any, Final, NamedTuple

from django.utils.translation import gettext

from entries.models import Entry, EntryVersion, Story, StoryVersion
from entries.text import gmt, rendering

MAX_PAIRS: Final = 100_000  # words of one text × words of the other, diffed in full
MAX_COMPARED: Final = 20  # corrections that readers see with a diff
_WORD = re.compile(r"\S+\s*|\s+")


class Segment(NamedTuple):
    """A run of text in a diff; `kind` is `same`, `taken` (deleted) or `added`."""

    kind: str
    text: str


def diff_words(old: str, new: str) -> list[Segment]:
    """Return a word-by-word diff of two texts, in reading order.

    Even in the worst case texts of 20,000 characters take about 0.3 s.
    """
    before, after = _WORD.findall(old), _WORD.findall(new)
    segments: list[Segment] = []
    i = k = 0
    for at, to, length in [
        *matching_words(before, after),
        (len(before), len(after), 0),
    ]:
        segments.append(Segment("taken", "".join(before[i:at])))
        segments.append(Segment("added", "".join(after[k:to])))
        i, k = at + length, to + length
        segments.append(Segment("same", "".join(before[at:i])))
    groups = groupby((one for one in segments if one.text), attrgetter("kind"))
    return [Segment(kind, "".join(one.text for one in group)) for kind, group in groups]


# Positions in the old and the new text, and the number of words that match there.
_Match = tuple[int, int, int]


def matching_words(
    before: list[str], after: list[str], i: int = 0, k: int = 0, depth: int = 3
) -> Iterator[_Match]:
    """Yield the runs of words that two texts, which begin at `i` and `k`, share.

    Comparing every word with every other takes quadratic time or worse. So long texts
    are first split at words that occur once in each, and what cannot
    be split any further counts as changed.
    """
    head = _common_prefix(before, after)
    tail = _common_prefix(before[head:][::-1], after[head:][::-1])
    yield i, k, head
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    if len(old) * len(new) <= MAX_PAIRS:
        matcher = difflib.SequenceMatcher(None, old, new)
        for at, to, length in matcher.get_matching_blocks():
            yield i + head + at, k + head + to, length
    elif depth:
        yield from _splitmatching_words(old, new, i + head, k + head, depth - 1)
    yield i + len(before) - tail, k + len(after) - tail, tail


def _splitmatching_words(
    before: list[str], after: list[str], i: int, k: int, depth: int
) -> Iterator[_Match]:
    """Split two texts at their anchors, and yield the matches in between."""
    at = to = 0
    for here, there in _anchors(before, after):
        yield from matching_words(
            before[at:here], after[to:there], i + at, k + to, depth
        )
        at, to = here, there
    if at or to:
        yield from matching_words(before[at:], after[to:], i + at, k + to, depth)


def _common_prefix(before: Iterable[str], after: Iterable[str]) -> int:
    """Return how many words two texts share at their beginning."""
    pairs = zip(before, after, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _anchors(before: list[str], after: list[str]) -> list[tuple[int, int]]:
    """Return the positions, in both texts, of words that occur once in each.

    They are the longest increasing subsequence, so their order is the same in both.
    """
    old_counts, new_counts = Counter(before), Counter(after)
    position = {word: at for at, word in enumerate(after) if new_counts[word] == 1}
    pairs = [
        (at, position[word])
        for at, word in enumerate(before)
        if word in position and old_counts[word] == 1
    ]
    ends: list[int] = []  # the lowest end of any subsequence of each length
    chains: list[Any] = []  # that subsequence: its last pair, and the chain before it
    for pair in pairs:
        length = bisect_left(ends, pair[1])
        ends[length : length + 1] = [pair[1]]
        chains[length : length + 1] = [(pair, chains[length - 1] if length else None)]
    anchors, chain = [], chains[-1] if chains else None
    while chain:
        pair, chain = chain
        anchors.append(pair)
    return anchors[::-1]


class FieldDiff(NamedTuple):
    """A changed field: its name, and the diff of its values."""

    name: str
    pieces: list[Segment]

    @property
    def is_body(self) -> bool:
        """Whether it is the text, whose difference readers see without a label."""
        return self.name == gettext("Text")


ComparedFields = Iterable[tuple[str, str, str]]  # name, before, after


@dataclass(frozen=True)
class Change:
    """A change, identified by the version that it replaced.

    `erased` means that the text before or after it was erased, so there is no diff.
    """

    version: EntryVersion | StoryVersion
    erased: bool
    fields: Callable[[], ComparedFields]

    @cached_property
    def parts(self) -> list[FieldDiff]:
        """Return the diffs of the changed fields; they are computed on first use."""
        return [] if self.erased else _diffs(self.fields())


def _diffs(fields: ComparedFields) -> list[FieldDiff]:
    return [
        FieldDiff(name, diff_words(old, new)) for name, old, new in fields if old != new
    ]


def _stamp(text: Entry | EntryVersion) -> str:
    return gmt.format_full(text.at) if text.at else ""


def _entry_fields(
    old: Entry | EntryVersion,
    new: Entry | EntryVersion,
    *,
    public: bool,
) -> ComparedFields:
    text = _plain if public else str
    return (
        (gettext("Time"), _stamp(old), _stamp(new)),
        (gettext("Headline"), old.headline, new.headline),
        (gettext("Text"), text(old.body), text(new.body)),
    )


def _changes(
    versions: Sequence[EntryVersion], entry: Entry, *, public: bool
) -> list[Change]:
    """Return the changes that replaced each version, newest first."""
    found: list[Change] = []
    texts: list[Entry | EntryVersion] = [*versions, entry]
    for old, (_, new) in zip(versions, pairwise(texts), strict=True):
        if public and (old.hidden or not old.correction):
            continue
        erased = old.erased or getattr(new, "erased", False)
        erased |= public and getattr(new, "hidden", False)
        fields = partial(_entry_fields, old, new, public=public)
        found.append(Change(old, erased, fields))
    return found[::-1]


def entry_changes(entry: Entry) -> list[Change]:
    """Return every change of an entry for the desk, newest first."""
    versions = list(entry.versions.select_related("changed_by"))
    return _changes(versions, entry, public=False)


def public_corrections(entry: Entry) -> list[Change]:
    """Return an entry's corrections for readers, newest first.

    Silent edits and hidden corrections are left out. A correction has only a note and
    no diff if its resulting text is hidden, or if it is not among the newest
    `MAX_COMPARED`.
    """
    found = _changes(list(entry.versions.all()), entry, public=True)
    older = [replace(one, fields=tuple) for one in found[MAX_COMPARED:]]
    return found[:MAX_COMPARED] + older


def _plain(body: str) -> str:
    """Return a body as plain paragraphs, or its source if it cannot be rendered."""
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


def head_changes(story: Story) -> list[Change]:
    """Return every change of a story's head, newest first."""
    versions = list(story.versions.select_related("changed_by"))
    texts: list[Story | StoryVersion] = [*versions, story]
    found = []
    for old, (_, new) in zip(versions, pairwise(texts), strict=True):
        erased = old.erased or getattr(new, "erased", False)
        found.append(Change(old, erased, partial(_head_fields, old, new)))
    return found[::-1]
