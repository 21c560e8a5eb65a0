"""Pagination of a story's timeline: which updates are on which page.

There is a page break after every 50 updates, counted from the oldest. So the front page
has the newest 50 to 99, and older pages do not change while news arrives. A page's URL
has the id of an entry, and keeps working after that entry is withdrawn or moved.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.utils.translation import gettext

from entries.models import Entry, Posting, Story

UPDATES_PAGE_SIZE = 50


class Place(NamedTuple):
    """A posting's position in a timeline, and the seq of its latest change.

    `at` is a datetime, or None for an original entry.
    """

    at: Any
    entry_id: int
    posting_id: int
    seq: int
    kind: str
    pinned: bool
    key_event: bool


Position = tuple[datetime, int]  # the time of an update, and its entry's id
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Pager:
    """A link to the next newer or older page."""

    kind: str
    url: str

    @property
    def text(self) -> str:
        """Return the label of the link, as readers see it."""
        older = self.kind == "older"
        return gettext("Older updates") if older else gettext("Newer updates")


@dataclass(frozen=True)
class Page:
    """The places of one page in reading order, and links to its neighbours.

    `key_events` are those of the whole story, newest first. `newer_key` is the sort
    key that every update of the page is below, or empty if new updates belong on it.
    `older_key` is that of its oldest update, or empty on the last page. `first_at` and
    `last_at` are the times of the story's oldest and newest update.
    """

    order: str
    kind: str
    updates: Sequence[Place]
    pinned: Sequence[Place]
    original: Place | None
    key_events: Sequence[Place]
    has_original: bool
    newer_key: str
    older_key: str
    older: Pager | None
    newer: Pager | None
    first_at: datetime | None
    last_at: datetime | None

    @property
    def empty(self) -> "Page":
        """Return the page without its updates, as a key for caching its frame."""
        return replace(
            self,
            updates=(),
            pinned=(),
            original=None,
            key_events=(),
            first_at=None,
            last_at=None,
        )

    @property
    def top(self) -> Pager | None:
        """Return the link above the updates."""
        return self.older if self.order == "oldest" else self.newer

    @property
    def bottom(self) -> Pager | None:
        """Return the link below the updates."""
        return self.newer if self.order == "oldest" else self.older


class NoSuchEntry(LookupError):
    """No update with this id was ever public in the story."""


@dataclass(frozen=True)
class _Window:
    """A range of a timeline, `[low:high]`, counted from the oldest update."""

    low: int
    high: int
    newer_key: str = ""
    front: bool = False


def timeline_page(
    story: Story,
    places: list[Place] | None = None,
    *,
    order: str = "newest",
    before: int = 0,
    start: int = 0,
) -> Page:
    """Return the page below the entry `before`, or from the entry `start` upwards.

    By default that is the front page or, with the order `oldest`, the first page.
    `places` is the whole timeline, and is queried if not given. Raises NoSuchEntry.
    """
    places = visible_places(story) if places is None else places
    timeline = [p for p in places if p.kind == Entry.Kind.UPDATE]
    if before:
        window = _below(story, timeline, before)
    elif start or order == "oldest":
        window = _starting_at(story, timeline, start)
    else:
        window = _Window(_last_break(len(timeline)), len(timeline), front=True)
    newer_key = window.newer_key or _key(timeline, window.high)
    first = order == "newest" and window.front
    has_original = first or window.low == 0
    updates = timeline[window.low : window.high]
    if first:
        updates = [place for place in updates if not place.pinned]
    originals = (p for p in places if p.kind == Entry.Kind.ORIGINAL)
    return Page(
        order=order,
        kind="front" if first else "older",
        updates=updates if order == "oldest" else updates[::-1],
        pinned=[place for place in reversed(timeline) if first and place.pinned],
        original=next(originals, None) if has_original else None,
        key_events=[place for place in reversed(timeline) if place.key_event],
        has_original=has_original,
        newer_key=newer_key,
        older_key=_key(timeline, window.low) if window.low else "",
        older=_older(story, order, timeline, window),
        newer=_newer(story, order, timeline, window) if newer_key else None,
        first_at=timeline[0].at if timeline else None,
        last_at=timeline[-1].at if timeline else None,
    )


def page_url(story: Story, places: list[Place], entry_id: int) -> str:
    """Return the URL of the live page that an update is on, which changes with news.

    `places` is the whole timeline. For an update that was withdrawn or moved, return
    the URL of the page that it would be on. Raises NoSuchEntry.
    """
    timeline = [p for p in places if p.kind == Entry.Kind.UPDATE]
    index = bisect_left(timeline, _position(story, timeline, entry_id))
    end = (index // UPDATES_PAGE_SIZE + 1) * UPDATES_PAGE_SIZE
    pinned = any(place.pinned for place in timeline if place.entry_id == entry_id)
    on_front = end > _last_break(len(timeline)) or pinned
    query = "" if on_front else f"before={timeline[end].entry_id}"
    return f"{_story_url(story, query)}#entry-{entry_id}"


def visible_places(story: Story) -> list[Place]:
    """Return the places of all visible postings of a story, oldest update first.

    The whole timeline, usually some hundred rows, takes one query; counting rows and
    seeking each page break would take four.
    """
    rows = story.postings.visible().values_list(
        "entry__at", "entry_id", "pk", "seq", "entry__kind", "pinned", "key_event"
    )
    return in_order(map(Place._make, rows))


def place_of(row: Posting) -> Place:
    """Return the place of a visible posting."""
    entry = row.entry
    flags = (row.pinned, row.key_event)
    return Place(entry.at, entry.pk, row.pk, row.seq or 0, entry.kind, *flags)


def in_order(places: Iterable[Place]) -> list[Place]:
    """Sort places by time, with the original entry first."""
    return sorted(places, key=lambda place: (place.at or _NEVER, place.entry_id))


def _last_break(count: int) -> int:
    return max(0, count // UPDATES_PAGE_SIZE - 1) * UPDATES_PAGE_SIZE


def _key(timeline: list[Place], index: int) -> str:
    """Return the sort key of the update at an index; empty beyond the newest."""
    if index >= len(timeline):
        return ""
    place = timeline[index]
    return Entry(pk=place.entry_id, at=place.at).sort_key


def _position(story: Story, timeline: list[Place], entry_id: int) -> Position:
    """Return the position of an update, also after it was withdrawn or moved."""
    for place in timeline:
        if place.entry_id == entry_id:
            return place[:2]
    known = story.postings.exclude(seq=None).filter(
        entry_id=entry_id, entry__kind=Entry.Kind.UPDATE
    )
    at = known.values_list("entry__at", flat=True).first()
    if at is None:
        raise NoSuchEntry(entry_id)
    return at, entry_id


def _below(story: Story, timeline: list[Place], entry_id: int) -> _Window:
    position = _position(story, timeline, entry_id)
    high = bisect_left(timeline, position)
    key = Entry(pk=entry_id, at=position[0]).sort_key
    return _Window(max(0, high - 1) // UPDATES_PAGE_SIZE * UPDATES_PAGE_SIZE, high, key)


def _starting_at(story: Story, timeline: list[Place], entry_id: int) -> _Window:
    low = 0
    if entry_id:
        low = bisect_left(timeline, _position(story, timeline, entry_id))
    if low == len(timeline):  # the newest was withdrawn: start at the last page break
        low = _last_break(low)
    high = (low // UPDATES_PAGE_SIZE + 1) * UPDATES_PAGE_SIZE
    if high > _last_break(len(timeline)):
        return _Window(low, len(timeline))
    return _Window(low, high)


def _story_url(story: Story, query: str) -> str:
    return f"{story.get_absolute_url()}?{query}" if query else story.get_absolute_url()


def _older(
    story: Story, order: str, timeline: list[Place], window: _Window
) -> Pager | None:
    if window.low == 0:
        return None
    if order == "newest":
        query = f"before={timeline[window.low].entry_id}"
    elif window.low <= UPDATES_PAGE_SIZE:
        query = "order=oldest"
    else:
        start = (window.low - 1) // UPDATES_PAGE_SIZE * UPDATES_PAGE_SIZE
        query = f"order=oldest&from={timeline[start].entry_id}"
    return Pager("older", _story_url(story, query))


def _newer(
    story: Story, order: str, timeline: list[Place], window: _Window
) -> Pager | None:
    if order == "oldest":
        if window.high == len(timeline):
            return None
        query = f"order=oldest&from={timeline[window.high].entry_id}"
    else:
        end = (window.high // UPDATES_PAGE_SIZE + 1) * UPDATES_PAGE_SIZE
        on_front = end > _last_break(len(timeline))
        query = "" if on_front else f"before={timeline[end].entry_id}"
    return Pager("newer", _story_url(story, query))
