"""Which updates stand on which page of a story.

Pages break from the oldest end in fifties, so the front holds the newest 50 to 99
and an older page keeps its content while news arrives. A place in the timeline is
named by an entry's id, which works also when that entry was withdrawn or moved.
"""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from entries.models import Entry, Posting, Story

SIZE = 50

Place = tuple[datetime, int]  # the time of an update, and its entry's id
Timeline = list[Place]


@dataclass(frozen=True)
class Pager:
    """A link to the page that is next in the timeline."""

    kind: str
    url: str

    @property
    def text(self) -> str:
        """Return the words of the link."""
        return "Older updates" if self.kind == "older" else "Newer updates"


@dataclass(frozen=True)
class Page:
    """The postings of one page, in reading order, and what lies around them.

    `newer_key` is the sort key below which every update of the page stands; empty
    where the page is open to news. `older_key` is that of its oldest update; empty
    where nothing is older than the page. `first_at` and `last_at` are the times of the
    story's oldest and newest update.
    """

    order: str
    kind: str
    postings: list[Posting]
    pinned: list[Posting]
    original: Posting | None
    has_original: bool
    newer_key: str
    older_key: str
    older: Pager | None
    newer: Pager | None
    first_at: datetime | None
    last_at: datetime | None

    @property
    def top(self) -> Pager | None:
        """Return the link above the updates."""
        return self.older if self.order == "oldest" else self.newer

    @property
    def bottom(self) -> Pager | None:
        """Return the link below the updates."""
        return self.newer if self.order == "oldest" else self.older


class NoSuchPlace(LookupError):
    """The id names no entry that was ever public in the story."""


@dataclass(frozen=True)
class _Window:
    """Ranks from the oldest update up: `low` is on the page, `high` is not."""

    low: int
    high: int
    newer_key: str = ""
    front: bool = False


def page(
    story: Story, *, order: str = "newest", before: int = 0, start: int = 0
) -> Page:
    """Return the page below the entry `before`, or from the entry `start` upwards.

    Without either: the front, or (oldest first) the first page. Raises NoSuchPlace.
    """
    timeline = _timeline(story)
    if before:
        window = _below(story, timeline, before)
    elif start or order == "oldest":
        window = _from(story, timeline, start)
    else:
        window = _Window(_last_break(len(timeline)), len(timeline), front=True)
    newer_key = window.newer_key or _key(timeline, window.high)
    first = order == "newest" and window.front
    has_original = first or window.low == 0
    places = timeline[window.low : window.high]
    rows = _rows(story, places, pinned=first, original=has_original)
    # One that was retimed since the places were read arrives where it belongs.
    shown = [
        rows[entry_id]
        for at, entry_id in places
        if entry_id in rows and rows[entry_id].entry.at == at
    ]
    if first:
        shown = [row for row in shown if not row.pinned]
    return Page(
        order=order,
        kind="front" if first else "older",
        postings=shown if order == "oldest" else shown[::-1],
        pinned=_pinned(rows) if first else [],
        original=next((row for row in rows.values() if row.entry.original), None),
        has_original=has_original,
        newer_key=newer_key,
        older_key=_key(timeline, window.low) if window.low else "",
        older=_older(story, order, timeline, window),
        newer=_newer(story, order, timeline, window) if newer_key else None,
        first_at=timeline[0][0] if timeline else None,
        last_at=timeline[-1][0] if timeline else None,
    )


def address_of(story: Story, entry_id: int) -> str:
    """Return the address at which the live pages show an update; it moves with news.

    Of one that was withdrawn or moved: where it stood. Raises NoSuchPlace.
    """
    timeline = _timeline(story)
    rank = bisect_left(timeline, _place(story, timeline, entry_id))
    end = (rank // SIZE + 1) * SIZE
    pinned = story.postings.visible().filter(entry=entry_id, pinned=True)
    on_front = end > _last_break(len(timeline)) or pinned.exists()
    query = "" if on_front else f"before={timeline[end][1]}"
    return f"{_address(story, query)}#entry-{entry_id}"


def _timeline(story: Story) -> Timeline:
    """Return the places of all visible updates, oldest first.

    One look at the whole timeline, which has some hundred rows, gives every break
    of it; counting and seeking them one by one took four queries.
    """
    updates = story.postings.visible().filter(entry__kind=Entry.Kind.UPDATE)
    places = updates.order_by("entry__at", "entry_id")
    return [(at, pk) for at, pk in places.values_list("entry__at", "entry_id") if at]


def _rows(
    story: Story, places: Timeline, *, pinned: bool, original: bool
) -> dict[int, Posting]:
    """Return the postings of a page by their entries, all that stands on it."""
    # The span of their times says it shorter than a hundred ids.
    wanted = Q(entry__kind=Entry.Kind.UPDATE)
    wanted &= (
        Q(entry__at__range=(places[0][0], places[-1][0])) if places else Q(pk=None)
    )
    if pinned:
        wanted |= Q(pinned=True, entry__kind=Entry.Kind.UPDATE)
    if original:
        wanted |= Q(entry__kind=Entry.Kind.ORIGINAL)
    rows = story.postings.visible().filter(wanted).select_related("entry")
    rows = rows.defer("entry__body")
    return {row.entry_id: row for row in rows}


def _pinned(rows: dict[int, Posting]) -> list[Posting]:
    """Return the pinned updates, newest first."""
    pinned = [row for row in rows.values() if row.pinned and not row.entry.original]
    return sorted(pinned, key=lambda row: (row.entry.at, row.entry_id), reverse=True)


def _last_break(count: int) -> int:
    return max(0, count // SIZE - 1) * SIZE


def _key(timeline: Timeline, rank: int) -> str:
    """Return the sort key of an update; empty above the newest."""
    if rank >= len(timeline):
        return ""
    at, entry_id = timeline[rank]
    return Entry(pk=entry_id, at=at).sort_key


def _place(story: Story, timeline: Timeline, entry_id: int) -> Place:
    """Return where an entry stands, or stood before it was withdrawn or moved."""
    for place in timeline:
        if place[1] == entry_id:
            return place
    known = story.postings.exclude(seq=None).filter(
        entry_id=entry_id, entry__kind=Entry.Kind.UPDATE
    )
    at = known.values_list("entry__at", flat=True).first()
    if at is None:
        raise NoSuchPlace(entry_id)
    return at, entry_id


def _below(story: Story, timeline: Timeline, entry_id: int) -> _Window:
    place = _place(story, timeline, entry_id)
    high = bisect_left(timeline, place)
    key = Entry(pk=entry_id, at=place[0]).sort_key
    return _Window(max(0, high - 1) // SIZE * SIZE, high, key)


def _from(story: Story, timeline: Timeline, entry_id: int) -> _Window:
    low = 0
    if entry_id:
        low = bisect_left(timeline, _place(story, timeline, entry_id))
    high = (low // SIZE + 1) * SIZE
    if high > _last_break(len(timeline)):
        return _Window(low, len(timeline))
    return _Window(low, high)


def _address(story: Story, query: str) -> str:
    return f"{story.get_absolute_url()}?{query}" if query else story.get_absolute_url()


def _older(
    story: Story, order: str, timeline: Timeline, window: _Window
) -> Pager | None:
    if window.low == 0:
        return None
    if order == "newest":
        query = f"before={timeline[window.low][1]}"
    elif window.low <= SIZE:
        query = "order=oldest"
    else:
        start = (window.low - 1) // SIZE * SIZE
        query = f"order=oldest&from={timeline[start][1]}"
    return Pager("older", _address(story, query))


def _newer(
    story: Story, order: str, timeline: Timeline, window: _Window
) -> Pager | None:
    if order == "oldest":
        if window.high == len(timeline):
            return None
        query = f"order=oldest&from={timeline[window.high][1]}"
    else:
        end = (window.high // SIZE + 1) * SIZE
        on_front = end > _last_break(len(timeline))
        query = "" if on_front else f"before={timeline[end][1]}"
    return Pager("newer", _address(story, query))
