"""The desk's timeline, one page at a time, and its changes since the last poll."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from django.db.models import Q

from entries.desk.rows import Row, add_row_data, as_rows, row_postings
from entries.models import DeletedEntry, Entry, Posting, Story
from entries.models.entries import PostingQuerySet, written_by
from entries.models.fields import has_words
from entries.text.words import query_words
from entries.verbs import WAITING_STATES, Permissions

PAGE_SIZE = 50
MAX_WORDS = 8  # of a search
MAX_CHANGES = 100

State = Entry.State


class Group(NamedTuple):
    """Rows of the timeline that are shown together.

    Withdrawn rows of one day that follow each other are folded away, unless `open`.
    """

    rows: list[Row]
    withdrawn: bool
    open: bool = False

    @property
    def key(self) -> str:
        """Return the key by which a folded group has its place among the rows."""
        return self.rows[0].key


def _groups(rows: list[Row], start: int) -> list[Group]:
    """Group rows as the timeline shows them; the row to start at is not folded."""
    found = []
    for (withdrawn, _), some in groupby(rows, _fold):
        group = list(some)
        wanted = any(row.entry.pk == start for row in group)
        found.append(Group(group, withdrawn, open=wanted))
    return found


def _fold(row: Row) -> tuple[bool, date]:
    return row.withdrawn, row.posting.at.astimezone(UTC).date()


@dataclass(frozen=True)
class Window:
    """One page of the desk's timeline.

    `older` is the id to request the next page with, None on the last page. Only the
    front page has waiting entries and the original entry. `groups` are the rows again,
    with the withdrawn ones of a day together.
    """

    rows: list[Row]
    groups: list[Group]
    waiting: list[Row]
    original: Row | None
    older: int | None
    front: bool


def timeline_window(
    story: Story, permissions: Permissions, before: int = 0, start: int = 0
) -> Window:
    """Return the front page, the page after entry `before`, or that from `start`."""
    found = row_postings(story.pk, images=False, others=False, notes=False)
    postings = _viewable(found.filter(removed=False), permissions)
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
    wrote_notes = story.notes_seq > 0
    add_row_data([*rows, *special_rows], notes=wrote_notes)
    return Window(
        rows=rows[:PAGE_SIZE],
        groups=_groups(rows[:PAGE_SIZE], start),
        waiting=[row for row in special_rows if row.place == "waiting"],
        original=next((row for row in special_rows if row.place == "original"), None),
        older=rows[PAGE_SIZE - 1].entry.pk if len(rows) > PAGE_SIZE else None,
        front=front,
    )


def visible_postings(story: Story, permissions: Permissions) -> PostingQuerySet:
    """Return the postings of a story that a person may see, without rows' data."""
    found = Posting.objects.filter(story=story, removed=False)
    return _viewable(found, permissions)


@dataclass(frozen=True)
class Found:
    """Rows that a search has found, the newest first, in the lists of a desk.

    `older` is the entry below which more may be asked for; None if this is all.
    """

    rows: list[Row]
    older: int | None

    def placed(self, place: str) -> list[Row]:
        """Return the rows of one of the desk's lists."""
        return [row for row in self.rows if row.place == place]

    @property
    def waiting(self) -> list[Row]:
        return self.placed("waiting")

    @property
    def timeline(self) -> list[Row]:
        return self.placed("timeline")

    @property
    def original(self) -> list[Row]:
        return self.placed("original")


def search_rows(
    story: Story,
    permissions: Permissions,
    *,
    terms: Sequence[str] = (),
    author: int = 0,
    state: str = "",
    until: datetime | None = None,
    before: int = 0,
) -> Found:
    """Return a page of the rows that have all words in headline, text or byline.

    `state` is one of an entry, or `key` or `pinned`; `until` is the latest time.
    """
    found = visible_postings(story, permissions)
    # Signs such as & are no words, unless nothing else is asked for.
    terms = [term for term in terms if query_words(term)] or terms
    for term in terms[:MAX_WORDS]:
        found = found.filter(_has_word(term))
    if author:
        found = found.filter(entry__author=author)
    if state in ("key", "pinned"):
        mark = "key_event" if state == "key" else state
        found = found.filter(**{mark: True})
    elif state:
        found = found.filter(entry__state=state)
    if until:
        found = found.filter(at__lt=until + timedelta(minutes=1))
    if before:
        found = _from(story, permissions, found, before, inclusive=False)
    ids = list(found.newest().values_list("pk", flat=True)[: PAGE_SIZE + 1])
    shown = row_postings(story.pk).filter(pk__in=ids[:PAGE_SIZE])
    rows = as_rows(shown, permissions)
    more = len(ids) > PAGE_SIZE and bool(rows)
    return Found(rows, older=rows[-1].entry.pk if more else None)


def _has_word(word: str) -> Q:
    """Return the condition that a text has a word, as its index says.

    Rows that have not been indexed yet are compared as they are.
    """
    entry = "entry__search_text__folded"
    as_typed = Q()
    for field in ("headline", "body", "byline"):
        as_typed |= Q(**{f"entry__{field}__icontains": word})
    return has_words(word, entry) | Q(as_typed, **{f"{entry}__isnull": True})


def _viewable(rows: PostingQuerySet, permissions: Permissions) -> PostingQuerySet:
    """Keep what the user may see: `Permissions.can_see` as a query."""
    if permissions.can_view_unpublished:
        return rows
    return rows.filter(Q(visible=True) | written_by(permissions.user, "entry__"))


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


def deleted_entries(story_id: int, since: int) -> list[int]:
    """Return the entries that were deleted after a number of the desk's counter."""
    found = DeletedEntry.objects.filter(story=story_id, desk_seq__gt=since)
    return list(found.values_list("entry_pk", flat=True))


def desk_changes(changed: list[Posting], permissions: Permissions) -> DeskChanges:
    """Return what an open desk lacks, MAX_CHANGES at a time, of what has changed."""
    rows = as_rows(changed[:MAX_CHANGES], permissions)
    present = [r for r in rows if not r.posting.removed and r.viewable]
    return DeskChanges(
        rows=present,
        gone=[row.entry.pk for row in rows if row not in present],
        below=rows[-1].entry.pk if len(changed) > MAX_CHANGES else None,
    )
