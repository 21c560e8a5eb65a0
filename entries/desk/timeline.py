"""The desk's timeline, one page at a time, and its changes since the last poll."""

from dataclasses import dataclass

from django.db.models import Q

from entries.desk.rows import Row, as_rows, row_postings
from entries.models import Entry, Posting, Story
from entries.models.entries import PostingQuerySet
from entries.verbs import WAITING_STATES, Permissions

PAGE_SIZE = 50
MAX_CHANGES = 100

State = Entry.State


@dataclass(frozen=True)
class Window:
    """One page of the desk's timeline.

    `older` is the id to request the next page with, None on the last page. Only the
    front page has waiting entries and the original entry.
    """

    rows: list[Row]
    waiting: list[Row]
    original: Row | None
    older: int | None
    front: bool


def timeline_window(
    story: Story, permissions: Permissions, before: int = 0, start: int = 0
) -> Window:
    """Return the front page, the page after entry `before`, or that from `start`."""
    postings = _viewable(row_postings(story.pk).filter(removed=False), permissions)
    front = not (before or start)
    page = postings.filter(entry__kind=Entry.Kind.UPDATE).exclude(
        entry__state__in=WAITING_STATES
    )
    if not front:
        page = _from(story, permissions, page, before or start, inclusive=not before)
    rows = as_rows(page[: PAGE_SIZE + 1], permissions)
    own = Entry.objects.filter(story=story).order_by().values("pk")
    original = own.filter(kind=Entry.Kind.ORIGINAL)
    # A union, since for an OR the database would read every entry of the story.
    waiting = original.union(own.filter(state__in=WAITING_STATES), all=True)
    special = postings.filter(entry__in=waiting)
    special = special.order_by("entry__kind", "-at", "-entry_id")
    special_rows = as_rows(special[:MAX_CHANGES], permissions) if front else []
    return Window(
        rows=rows[:PAGE_SIZE],
        waiting=[row for row in special_rows if row.place == "waiting"],
        original=next((row for row in special_rows if row.place == "original"), None),
        older=rows[PAGE_SIZE - 1].entry.pk if len(rows) > PAGE_SIZE else None,
        front=front,
    )


def _viewable(rows: PostingQuerySet, permissions: Permissions) -> PostingQuerySet:
    """Keep what the user may see: `Permissions.can_see` as a query."""
    if permissions.can_view_unpublished:
        return rows
    return rows.filter(Q(visible=True) | Q(entry__author=permissions.user))


def _from(
    story: Story,
    permissions: Permissions,
    page: PostingQuerySet,
    entry_id: int,
    *,
    inclusive: bool,
) -> PostingQuerySet:
    """Keep the postings from an entry on, or below it.

    Keep all if there is no such entry, or if its time would reveal a hidden text.
    """
    found = Posting.objects.filter(story=story, entry=entry_id)
    posting = found.select_related("entry").first()
    if posting is None:
        return page
    at = posting.at
    if posting.seq is None and not permissions.can_see(posting.entry, story):
        return page
    same = Q(at=at, entry_id__lt=entry_id + inclusive)
    return page.filter(Q(at__lte=at) & (Q(at__lt=at) | same))


@dataclass(frozen=True)
class DeskChanges:
    """Changes for an open desk: rows to insert or replace, and entries to remove.

    `below` is the id to request more changes with, None if there are no more.
    """

    rows: list[Row]
    gone: list[int]
    below: int | None


def changed_postings(story_id: int, since: int, below: int = 0) -> list[Posting]:
    """Return what changed after a number of the desk's counter, for `desk_changes`.

    The newest entries come first; with `below`, only those with a lower id. Ids never
    change, so no entry is missed between two requests.
    """
    found = row_postings(story_id).filter(desk_seq__gt=since).order_by("-entry_id")
    if below:
        found = found.filter(entry_id__lt=below)
    return list(found[: MAX_CHANGES + 1])


def desk_changes(changed: list[Posting], permissions: Permissions) -> DeskChanges:
    """Return what an open desk lacks, MAX_CHANGES at a time, of what has changed."""
    rows = as_rows(changed[:MAX_CHANGES], permissions)
    present = [r for r in rows if not r.posting.removed and r.viewable]
    return DeskChanges(
        rows=present,
        gone=[row.entry.pk for row in rows if row not in present],
        below=rows[-1].entry.pk if len(changed) > MAX_CHANGES else None,
    )
