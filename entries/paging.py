"""Which updates stand on which page of a story.

Pages break from the oldest end in fifties, so the front holds the newest 50 to 99
and an older page keeps its content while news arrives. A place in the timeline is
named by an entry's id, which works also when that entry was withdrawn or moved.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Q

from entries.models import Entry, Posting, Story
from entries.models.entries import PostingQuerySet

SIZE = 50


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
    where nothing is older than the page. `last_at` is the time of the story's newest
    update.
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
    updates = story.postings.visible().filter(entry__kind=Entry.Kind.UPDATE)
    facts = updates.aggregate(count=Count("pk"), last=Max("entry__at"))
    count: int = facts["count"]
    if before:
        window = _below(story, updates, before)
    elif start or order == "oldest":
        window = _from(story, updates, count, start)
    else:
        window = _Window(_last_break(count), count, front=True)
    rows = list(
        updates.select_related("entry").order_by("entry__at", "entry_id")[
            window.low : window.high + 1
        ]
    )
    above = rows[window.high - window.low :]
    rows = rows[: window.high - window.low]
    newer_key = window.newer_key or (above[0].entry.sort_key if above else "")
    oldest = rows[0].entry.sort_key if rows else ""
    first = order == "newest" and window.front
    has_original = first or window.low == 0
    pinned, original = _special(story, pinned=first, original=has_original)
    if first:
        rows = [row for row in rows if not row.pinned]
    return Page(
        order=order,
        kind="front" if first else "older",
        postings=rows if order == "oldest" else rows[::-1],
        pinned=pinned,
        original=original,
        has_original=has_original,
        newer_key=newer_key,
        older_key=oldest if window.low else "",
        older=_older(story, order, updates, window),
        newer=_newer(story, order, updates, window, count) if newer_key else None,
        last_at=facts["last"],
    )


def _last_break(count: int) -> int:
    return max(0, count // SIZE - 1) * SIZE


def _place(story: Story, entry_id: int) -> Entry:
    posting = (
        story.postings.exclude(seq=None)
        .filter(entry_id=entry_id, entry__at__isnull=False)
        .select_related("entry")
        .first()
    )
    if posting is None:
        raise NoSuchPlace(entry_id)
    return posting.entry


def _below(story: Story, updates: PostingQuerySet, entry_id: int) -> _Window:
    entry = _place(story, entry_id)
    high = _rank(updates, entry)
    return _Window(max(0, high - 1) // SIZE * SIZE, high, entry.sort_key)


def _from(story: Story, updates: PostingQuerySet, count: int, entry_id: int) -> _Window:
    low = _rank(updates, _place(story, entry_id)) if entry_id else 0
    high = (low // SIZE + 1) * SIZE
    if high > _last_break(count):
        return _Window(low, count)
    return _Window(low, high)


def _rank(updates: PostingQuerySet, entry: Entry) -> int:
    assert entry.at is not None  # noqa: S101 - _place asks for a time
    return updates.before(entry.at, entry.pk).count()


def _special(
    story: Story, *, pinned: bool, original: bool
) -> tuple[list[Posting], Posting | None]:
    """Return the pinned updates, newest first, and the original entry."""
    wanted = Q(pk=None)
    if pinned:
        wanted |= Q(pinned=True, entry__kind=Entry.Kind.UPDATE)
    if original:
        wanted |= Q(entry__kind=Entry.Kind.ORIGINAL)
    rows = list(
        story.postings.visible()
        .filter(wanted)
        .select_related("entry")
        .order_by("-entry__at", "-entry_id")
    )
    updates = [row for row in rows if not row.entry.original]
    return updates, next((row for row in rows if row.entry.original), None)


def _address(story: Story, query: str) -> str:
    return f"{story.get_absolute_url()}?{query}" if query else story.get_absolute_url()


def _at_rank(updates: PostingQuerySet, rank: int) -> int:
    rows = updates.order_by("entry__at", "entry_id").values_list("entry_id", flat=True)
    return int(rows[rank])


def _older(
    story: Story, order: str, updates: PostingQuerySet, window: _Window
) -> Pager | None:
    if window.low == 0:
        return None
    if order == "newest":
        query = f"before={_at_rank(updates, window.low)}"
    elif window.low <= SIZE:
        query = "order=oldest"
    else:
        start = (window.low - 1) // SIZE * SIZE
        query = f"order=oldest&from={_at_rank(updates, start)}"
    return Pager("older", _address(story, query))


def _newer(
    story: Story, order: str, updates: PostingQuerySet, window: _Window, count: int
) -> Pager:
    if order == "oldest":
        query = f"order=oldest&from={_at_rank(updates, window.high)}"
    else:
        end = (window.high // SIZE + 1) * SIZE
        query = "" if end > _last_break(count) else f"before={_at_rank(updates, end)}"
    return Pager("newer", _address(story, query))
