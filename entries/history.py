"""What changed in a text: earlier words beside later ones, word by word."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import NamedTuple

from entries import clock, rendering
from entries.models import Entry, EntryVersion, Story, StoryVersion

_WORD = re.compile(r"\S+\s*|\s+")


class Piece(NamedTuple):
    """A stretch of text: `same`, `taken` away or `added`."""

    kind: str
    text: str


def difference(old: str, new: str) -> list[Piece]:
    """Return the pieces that make up both texts, in reading order."""
    before, after = _WORD.findall(old), _WORD.findall(new)
    pieces: list[Piece] = []
    matcher = difflib.SequenceMatcher(None, before, after)
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind == "equal":
            pieces.append(Piece("same", "".join(before[i:j])))
            continue
        if i < j:
            pieces.append(Piece("taken", "".join(before[i:j])))
        if k < m:
            pieces.append(Piece("added", "".join(after[k:m])))
    return pieces


class Part(NamedTuple):
    """One field that a change touched: its name, and the difference."""

    name: str
    pieces: list[Piece]


@dataclass(frozen=True)
class Change:
    """A version, and what was made of it.

    `erased`: the words before or after are gone for good, so nothing is compared.
    """

    version: EntryVersion | StoryVersion
    parts: list[Part]
    erased: bool


def _parts(fields: Iterable[tuple[str, str, str]]) -> list[Part]:
    return [Part(name, difference(old, new)) for name, old, new in fields if old != new]


def _stamp(text: Entry | EntryVersion, first_day: date | None) -> str:
    return clock.stamp(text.at, first_day) if text.at else ""


def _changes(
    versions: Sequence[EntryVersion], entry: Entry, *, public: bool
) -> list[Change]:
    """Return what became of each version that is asked for, newest first."""
    found: list[Change] = []
    day = entry.story.first_day
    texts: list[Entry | EntryVersion] = [*versions, entry]
    for old, (_, new) in zip(versions, pairwise(texts), strict=True):
        if public and (old.hidden or not old.line):
            continue
        gone = old.erased or getattr(new, "erased", False)
        gone |= public and getattr(new, "hidden", False)
        words = _plain if public else str
        fields = (
            ("Time", _stamp(old, day), _stamp(new, day)),
            ("Headline", old.headline, new.headline),
            ("Text", words(old.body), words(new.body)),
        )
        found.append(Change(old, [] if gone else _parts(fields), gone))
    return found[::-1]


def changes(entry: Entry) -> list[Change]:
    """Return every change of an entry for the desk, newest first."""
    versions = list(entry.versions.select_related("changed_by"))
    return _changes(versions, entry, public=False)


def corrections(entry: Entry) -> list[Change]:
    """Return what readers may know of an entry's corrections, newest first.

    A correction is of a text that readers saw, into one that they saw: no draft is
    shown. Quiet edits and hidden corrections are left out; of the correction that
    brought a text which a hidden one replaced, the line alone is told.
    """
    return _changes(list(entry.versions.all()), entry, public=True)


def _plain(body: str) -> str:
    """Return a text as readers see it, in paragraphs; as typed if it has no HTML."""
    try:
        return rendering.plain_text(rendering.render(body)).replace("\n", "\n\n")
    except rendering.BodyError:
        return body


def compare(old: Story | StoryVersion, new: Story | StoryVersion) -> list[Part]:
    """Return how the words of one head differ from those of another."""
    return _parts(
        (name.capitalize(), getattr(old, name), getattr(new, name))
        for name in StoryVersion.WORDS
    )


def story_changes(story: Story) -> list[Change]:
    """Return every change of a story's words, newest first."""
    versions = list(story.versions.select_related("changed_by"))
    texts: list[Story | StoryVersion] = [*versions, story]
    found = []
    for old, (_, new) in zip(versions, pairwise(texts), strict=True):
        gone = old.erased or getattr(new, "erased", False)
        found.append(Change(old, [] if gone else compare(old, new), gone))
    return found[::-1]
