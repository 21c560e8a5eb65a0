"""Locks and sequence numbers. No other module assigns a `seq`.

A verb calls `open_ledger()`, which locks the entry first, then the stories by ascending
primary key, then (if needed) the site's row. Numbers are assigned under the story's
lock, so their order is the order of the commits, and a page that asks what changed
after n misses nothing.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import transaction
from django.db.models import Exists, F, Model, OuterRef, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext

from entries import delivery
from entries.models import DeletedEntry, Entry, Posting, Site, Story
from entries.pages import fragments, search

P = ParamSpec("P")
T = TypeVar("T")
_Row = TypeVar("_Row", bound=Model)

logger = logging.getLogger(__name__)

_NEWEST = Subquery(Posting.objects.visible().newest_time_in("pk"))
_NEWEST_PUBLIC = Subquery(Posting.objects.visible().newest_time_in("pk", "public_at"))
# The ledger of the verb that calls other verbs in its transaction.
_open: ContextVar["Ledger | None"] = ContextVar("_open", default=None)
_SEEN_BEFORE = Posting.objects.filter(entry=OuterRef("entry"), first_seq__isnull=False)


class Refused(ValueError):
    """A verb will not act; the message tells the user why.

    `field` is the form field that the message is about, empty for the whole form.
    """

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


def act_on_due(rows: Iterable[_Row], act: Callable[[_Row], object]) -> int:
    """Do scheduled work for rows; return for how many `act` returned something true.

    Any number of processes may do the same work: each row is checked again under its
    lock, and a refusal means that another process was faster.
    """
    done = 0
    for row in rows:
        name = f"{type(row).__name__} {row.pk}"  # never its text
        try:
            done += bool(act(row))
        except Refused:
            logger.info("Scheduled work was refused for %s.", name)
        except Exception:  # one failure must not block the others
            logger.exception("Scheduled work failed for %s.", name)
    return done


class StaleRead(Exception):
    """Rows that were read before the locks were taken have changed since."""


def retry_on_stale_read(verb: Callable[P, T]) -> Callable[P, T]:
    """Retry a verb, in a new transaction, whenever it raises StaleRead.

    Locks are taken in a fixed order, so a verb has to read which rows to lock before it
    locks the first. If there are more by then, it releases all locks and starts over.
    """

    @wraps(verb)
    def retried(*args: P.args, **kwargs: P.kwargs) -> T:
        while True:
            with suppress(StaleRead):
                return verb(*args, **kwargs)

    return retried


class Ledger:
    """The stories that a verb has locked, and the changes it has made to them."""

    def __init__(self, story_ids: Iterable[int], entries: Iterable[int] = ()) -> None:
        locked = (
            Story.objects.select_for_update(of=("self",))
            .select_related("series", "lead_image", "continues_in__series")
            .filter(pk__in=set(story_ids))
            .order_by("pk")
        )
        self.stories = {story.pk: story for story in locked}
        self.entries = frozenset(entries)
        self._were_public = {s.pk for s in self.stories.values() if s.public}
        self._changed: set[int] = set()
        self._desk_changed: set[int] = set()
        self._active: set[int] = set()
        self._seen_entries: set[int] = set()
        self._search_entries: dict[int, Entry] = {}
        self._search_stories: dict[int, Story] = {}
        self._site_changed = False
        self._dated: set[int] = set()  # stories whose changes readers can see
        self._site_dated = False

    def story(self, pk: int) -> Story:
        """Return a locked story. Raises Refused if it has been deleted meanwhile."""
        if pk not in self.stories:
            raise Refused(gettext("This story has been deleted."))
        return self.stories[pk]

    def known_to_readers(self, story: Story) -> bool:
        """Return whether a locked story is public, or was when it was locked."""
        return story.public or story.pk in self._were_public

    def first_publication(self, entry: Entry) -> None:
        """Record that an entry becomes visible for the first time.

        Every entry goes through here exactly once, however it became visible: posted,
        published, due, in a story that goes live, in bulk or by an import. Cross-posts,
        moves and restored entries do not. The story is locked, so slow work belongs in
        `transaction.on_commit`.
        """
        self._seen_entries.add(entry.pk)

    def note_activity(self, story: Story, at: datetime | None = None) -> None:
        """Note that somebody covers a story, now or at a time, so it is not quiet."""
        if story.quiet:
            story.quiet_since = None
            self.head_changed(story)
        if story.reminded_at:
            story.reminded_at = None
            self.desk_changed(story)
        story.active_at = max(filter(None, (story.active_at, at or timezone.now())))
        self._active.add(story.pk)

    def desk_changed(self, story: Story) -> None:
        """Note that something changed which only the story's desk shows."""
        self._next_desk_seq(story)

    def _next_seq(self, story: Story) -> int:
        story.seq += 1
        self._changed.add(story.pk)
        return story.seq

    def _next_desk_seq(self, story: Story) -> int:
        """Return the story's desk number, the same for all changes of a transaction."""
        if story.pk not in self._desk_changed:
            self._desk_changed.add(story.pk)
            story.desk_seq += 1
        return story.desk_seq

    def _number(self, posting: Posting, at: datetime | None = None) -> None:
        """Assign a posting the next seq of its story; `at` is when it became public."""
        posting.seq = self._next_seq(posting.story)
        if posting.first_seq is None:
            posting.first_seq = posting.seq
            _set_public(posting, at or timezone.now())
            self.note_activity(posting.story, at)
            if posting.entry_id not in self._seen_entries:
                self.first_publication(posting.entry)

    def _prepare(self, posting: Posting, *, backdated: bool = False) -> bool:
        """Number and render a posting; return whether readers are notified of it.

        A posting that was never visible remains without a number. One whose removal
        readers have been notified of keeps the number of that change. A `backdated` one
        has been public since its own time, for imports.
        """
        posting.story = self.stories[posting.story_id]
        if posting.home:
            posting.entry.story = posting.story
        self._search_entries[posting.entry_id] = posting.entry
        was_visible = posting.visible
        posting.denormalize()
        posting.desk_seq = self._next_desk_seq(posting.story)
        known = posting.seq is not None and (posting.published or posting.html)
        if not (posting.visible or known):
            return False
        now = timezone.now()
        at = min(posting.at, now) if backdated else now
        self._number(posting, at)
        if posting.visible and not was_visible:
            _set_public(posting, at)
        elif posting.visible and not posting.public_at:  # see `_is_stale`
            _set_public(posting, posting.entry.published_at or posting.at)
        posting.html = fragments.entry_html(posting) if posting.published else ""
        return True

    def save_posting(self, posting: Posting, *, backdated: bool = False) -> bool:
        """Save one posting; return whether readers are notified of the change."""
        changed = self._prepare(posting, backdated=backdated)
        posting.save()
        return changed

    def _save_all(
        self, postings: Iterable[Posting], *, backdated: bool = False
    ) -> bool:
        changed = False
        for posting in postings:
            if self.save_posting(posting, backdated=backdated):
                changed = True
                if posting.key_event:
                    self.head_changed(posting.story)
        return changed

    def save_postings(
        self, postings: QuerySet[Posting], *, backdated: bool = False
    ) -> None:
        """Save many postings whose entries have not changed, in a few statements."""
        rows = postings.annotate(seen_before=Exists(_SEEN_BEFORE))
        found = list(fragments.prefetch_for_rendering(rows))
        for posting in found:
            if getattr(posting, "seen_before"):  # noqa: B009 - an annotation
                self._seen_entries.add(posting.entry_id)
            self._prepare(posting, backdated=backdated)
        fields = ["seq", "first_seq", "desk_seq", "at", "public_at", "visible", "html"]
        Posting.objects.bulk_update(found, fields, batch_size=200)

    def save_new_postings(self, postings: Sequence[Posting]) -> None:
        """Insert the postings of new entries in bulk, numbered in their order.

        They must have been rendered by `fragments.provisional_html`.
        """
        now = timezone.now()
        for posting in postings:
            self._search_entries[posting.entry_id] = posting.entry
            posting.denormalize()
            posting.desk_seq = self._next_desk_seq(posting.story)
            if posting.visible:
                self._number(posting, min(posting.at, now))
                posting.html = fragments.with_final_ids(posting)
        Posting.objects.bulk_create(postings, batch_size=500)
        for story in {one.story for one in postings if one.seq and one.key_event}:
            self.head_changed(story)

    def _postings_of(self, entry: Entry) -> list[Posting]:
        postings = list(entry.postings.order_by("story_id"))
        if any(posting.first_seq for posting in postings):
            self._seen_entries.add(entry.pk)
        for posting in postings:
            posting.entry, posting.story = entry, self.stories[posting.story_id]
        return postings

    def save_postings_of(
        self,
        entry: Entry,
        corrected_at: datetime | None = None,
        *,
        backdated: bool = False,
    ) -> None:
        """Save every posting of a changed entry, and update lists of key events.

        `corrected_at` is set if the change was a correction. With `backdated`, a new
        posting has been public since the entry's time.
        """
        postings = self._postings_of(entry)
        for posting in postings:
            if corrected_at and posting.public_at:
                _set_public(posting, corrected_at)
        self._save_all(postings, backdated=backdated)

    def rerender_entry(self, entry: Entry) -> bool:
        """Rerender an entry; return whether readers are notified of a change."""
        html = fragments.render_entry_body(entry)
        if html != entry.html:
            entry.html = html
            entry.save(update_fields=["html"])
            self.row_changed(entry)
        self._search_entries[entry.pk] = entry
        postings = self._postings_of(entry)
        # One by one: the HTML of a posting names the stories of the postings before it.
        return self._save_all(one for one in postings if self._is_stale(one))

    def _is_stale(self, posting: Posting) -> bool:
        """Return whether a posting is out of date with its entry and story."""
        before = (posting.at, posting.visible)
        posting.denormalize()
        if before != (posting.at, posting.visible):
            posting.at, posting.visible = before  # `_prepare` compares them too
            return True
        if posting.visible and posting.public_at is None:
            return True  # written by a release without the field
        known = posting.seq is not None and posting.published
        return known and posting.html != fragments.entry_html(posting)

    def row_changed(self, entry: Entry) -> None:
        """Record a change of an entry's row for the desks of all its stories."""
        for pk in entry.postings.values_list("story", flat=True):
            number = self._next_desk_seq(self.stories[pk])
            entry.postings.filter(story=pk).update(desk_seq=number)

    def notes_changed(self, story: Story) -> None:
        """Note, for the desk of a locked story, that its notes changed."""
        story.notes_seq = self._next_desk_seq(story)

    def entry_deleted(self, entry: Entry) -> None:
        """Leave tombstones of an entry's rows, for the desks of all its stories."""
        DeletedEntry.objects.bulk_create(
            DeletedEntry(
                story_id=pk,
                entry_pk=entry.pk,
                desk_seq=self._next_desk_seq(self.stories[pk]),
            )
            for pk in entry.postings.values_list("story", flat=True)
        )

    def hide_postings(self, story: Story) -> None:
        """Make all postings invisible in a story that is no longer public."""
        number = self._next_desk_seq(story)
        story.postings.filter(visible=True).update(visible=False, desk_seq=number)

    def rerender_summary(self, story: Story) -> bool:
        """Rerender a story's summary; return whether its HTML changed."""
        self._search_stories[story.pk] = story
        html = fragments.summary_html(story.summary, story.language)
        if html == story.summary_html:
            return False
        story.summary_html = html
        story.save(update_fields=["summary_html"])
        self.head_changed(story)
        return True

    def reindex_entries(self, story: Story) -> None:
        """Update the search index of all entries of a locked story."""
        for entry in story.entries.all():
            entry.story = story
            self._search_entries.setdefault(entry.pk, entry)

    def head_changed(self, story: Story) -> None:
        """Record that a story's head or its list of key events changed."""
        story.head_seq = self._next_seq(story)
        self._search_stories[story.pk] = story

    def site_changed(self) -> None:
        """Record that the rail, which every page shows, changed."""
        self._site_changed = True

    def _correct_quiet_time(self, story: Story) -> None:
        """Set again since when a quiet story has had no updates.

        Its last update may have been withdrawn, restored or given another time.
        """
        if not story.quiet or story.pk not in self._changed:
            return
        newest = Story.objects.filter(pk=story.pk).values_list(_NEWEST, flat=True)[0]
        since = newest or story.live_at or story.quiet_since
        if since != story.quiet_since:
            story.quiet_since = since
            self.head_changed(story)

    def close(self) -> None:
        """Save the counters, update the search index, and nudge delivery."""
        changed = sorted(self._changed | self._desk_changed | self._active)
        for pk in changed:
            self._correct_quiet_time(self.stories[pk])
        search.index_texts(self._search_entries.values(), self._search_stories.values())
        now = self._date_changes()
        for pk in changed:
            story = self.stories[pk]
            fields: dict[str, Any] = {
                "desk_seq": story.desk_seq,
                "notes_seq": story.notes_seq,
            }
            if pk in self._active or story.quiet:
                names = ("active_at", "reminded_at", "quiet_since")
                fields |= {name: getattr(story, name) for name in names}
            if pk in self._changed:
                if pk in self._dated:
                    story.changed_at = now
                fields |= {
                    "seq": story.seq,
                    "head_seq": story.head_seq,
                    "changed_at": story.changed_at,
                    "newest_at": _NEWEST,
                    "newest_public_at": _NEWEST_PUBLIC,
                }
            Story.objects.filter(pk=pk).update(**fields)
        # Those that verbs inside this one changed, and the site
        Story.objects.filter(pk__in=self._dated - self._changed).update(changed_at=now)
        if self._site_dated:
            self._save_site(now)
        if self._changed or self._site_changed:
            delivery.nudge()
        elif self._desk_changed:
            delivery.nudge_desks()

    def _date_changes(self) -> datetime:
        """Return the time of all changes that readers can see.

        Nothing slow may follow, since Last-Modified is made of it: it must be about
        the time of the commit.
        """
        self._site_dated |= self._site_changed
        # A withdrawn story keeps its time, since readers do not see the change.
        self._dated |= {
            pk
            for pk in self._changed
            if self.stories[pk].state != Story.State.WITHDRAWN
            or self.known_to_readers(self.stories[pk])
        }
        if self._site_changed:  # others may have locked it
            Site.objects.select_for_update().filter(pk=1).first()
        return time_of_change() if self._dated or self._site_dated else timezone.now()

    def _save_site(self, now: datetime) -> None:
        number = F("seq") + int(self._site_changed)
        if not Site.objects.filter(pk=1).update(seq=number, changed_at=now):
            Site.current()

    def date_again(self, inner: "Ledger") -> None:
        """Date what a verb inside this one changed by the end of the transaction."""
        self._dated |= inner._dated
        self._site_dated |= inner._site_dated


def time_of_change() -> datetime:
    """Return the current time, or a later one if the clock was set back.

    Last-Modified is made of these times, so a later change must have a later one.
    """
    newest = Story.objects.order_by("-changed_at").values("changed_at")[:1]
    site = Site.objects.annotate(newest=Subquery(newest))
    times = site.values_list("changed_at", "newest").first() or ()
    now = timezone.now()
    late = [at + timedelta(seconds=1) for at in times if at and at >= now]
    return max([now, *late])


def _set_public(posting: Posting, at: datetime) -> None:
    """Set the time of a posting's latest public change, unless it has a later one."""
    posting.public_at = max(posting.public_at or at, at)


def _lock(entry: Entry) -> None:
    try:
        entry.refresh_from_db(from_queryset=Entry.objects.select_for_update())
    except Entry.DoesNotExist:
        raise Refused(gettext("This text has been deleted.")) from None


@contextmanager
def locked_entry(entry: Entry) -> Iterator[None]:
    """Lock an entry, refreshed in place, to run several verbs in one transaction."""
    with transaction.atomic():
        _lock(entry)
        yield


@contextmanager
def open_ledger(
    *stories: int, entry: Entry | None = None, entries: Iterable[int] = ()
) -> Iterator[Ledger]:
    """Lock an entry and stories in one transaction, and save the changes at its end.

    The entry is refreshed in place, and its stories are locked too. `entries` are the
    ids of further entries to lock, for a verb that rerenders many. Raises Refused if
    the entry has been deleted meanwhile.
    """
    with transaction.atomic():
        ids = set(stories)
        if entry is not None:
            _lock(entry)
            ids |= {entry.story_id, *entry.postings.values_list("story_id", flat=True)}
        if entries := sorted(entries):
            locked = Entry.objects.select_for_update().filter(pk__in=entries)
            ids |= set(locked.order_by("pk").values_list("story_id", flat=True))
            postings = Posting.objects.filter(entry__in=entries)
            ids |= set(postings.values_list("story_id", flat=True))
        ledger, outer = Ledger(ids, entries), _open.get()
        token = _open.set(ledger)
        try:
            yield ledger
        finally:
            _open.reset(token)
        ledger.close()
        if outer:
            outer.date_again(ledger)


def rerender_entry(entry: Entry) -> bool:
    """Rerender an entry; return whether readers are notified of a change."""
    with open_ledger(entry=entry) as ledger:
        return ledger.rerender_entry(entry)


def rerender_summary(story: Story) -> bool:
    """Rerender a story's summary; return whether its HTML changed."""
    with open_ledger(story.pk) as ledger:
        return ledger.rerender_summary(ledger.story(story.pk))
