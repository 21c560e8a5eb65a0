"""Locks and sequence numbers: the only place that gives out `seq`.

A verb opens a ledger with `open_ledger(...)`, which locks the entry first, then the
stories by ascending primary key, then (where needed) the site's row. Numbers are given
out under the story's lock, so their order is the order of the commits, and a reader who
asks "what changed after n?" misses nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Subquery
from django.utils import timezone

from entries import delivery
from entries.models import Entry, Posting, Site, Story
from entries.pages import fragments, search
from entries.text import rendering

P = ParamSpec("P")
T = TypeVar("T")

_NEWEST = Subquery(Posting.objects.visible().newest_time_in("pk"))
_SEEN = Posting.objects.filter(entry=OuterRef("entry"), first_seq__isnull=False)


class Refused(ValueError):
    """A verb will not act; the message tells the person why.

    `field` names the form field it is about, empty for the whole form.
    """

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class StaleRead(Exception):
    """Rows read before the locks were taken turned out to have changed."""


def retry_on_stale_read(verb: Callable[P, T]) -> Callable[P, T]:
    """Run a verb again, in a new transaction, whenever it raises StaleRead.

    Which rows to lock has to be read before the locks can be taken in their order. A
    verb that then finds more of them gives all locks back and starts over.
    """

    @wraps(verb)
    def retried(*args: P.args, **kwargs: P.kwargs) -> T:
        while True:
            with suppress(StaleRead):
                return verb(*args, **kwargs)

    return retried


class Ledger:
    """The stories that a verb has locked, and what it has changed in them."""

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
        self._seen_entries: set[int] = set()
        self._search_entries: dict[int, Entry] = {}
        self._search_stories: dict[int, Story] = {}
        self._site_changed = False

    def story(self, pk: int) -> Story:
        """Return a locked story. Raises Refused if it has been deleted meanwhile."""
        if pk not in self.stories:
            raise Refused("This story has been deleted.")
        return self.stories[pk]

    def known_to_readers(self, story: Story) -> bool:
        """Return whether a locked story is public, or was when it was locked."""
        return story.public or story.pk in self._were_public

    def first_publication(self, entry: Entry) -> None:
        """Note that readers see an entry for the first time.

        Every entry comes through here exactly once, however it became visible: posted,
        published, due, in a story that goes live, in bulk or by an import. Cross-posts,
        moves and restored entries do not. The story is locked meanwhile, so slow work
        belongs into `transaction.on_commit`.
        """
        self._seen_entries.add(entry.pk)

    def _next_seq(self, story: Story) -> int:
        story.seq += 1
        self._changed.add(story.pk)
        return story.seq

    def _next_desk_seq(self, story: Story) -> int:
        """Return the story's desk number: one for all changes of a transaction."""
        if story.pk not in self._desk_changed:
            self._desk_changed.add(story.pk)
            story.desk_seq += 1
        return story.desk_seq

    def _number(self, posting: Posting) -> None:
        """Give a posting the next seq of its story."""
        posting.seq = self._next_seq(posting.story)
        self._search_entries[posting.entry_id] = posting.entry
        if posting.first_seq is None:
            posting.first_seq = posting.seq
            if posting.entry_id not in self._seen_entries:
                self.first_publication(posting.entry)

    def _prepare(self, posting: Posting) -> bool:
        """Number and render a posting; return whether readers get to know of it.

        A posting that was never visible stays without a number. One that readers
        already know to be gone keeps the number of that change.
        """
        posting.story = self.stories[posting.story_id]
        if posting.home:
            posting.entry.story = posting.story
        posting.denormalize()
        posting.desk_seq = self._next_desk_seq(posting.story)
        known = posting.seq is not None and (posting.published or posting.html)
        if not (posting.visible or known):
            return False
        self._number(posting)
        posting.html = fragments.entry_html(posting) if posting.published else ""
        return True

    def save_posting(self, posting: Posting) -> bool:
        """Save one posting; return whether readers get to know of the change."""
        changed = self._prepare(posting)
        posting.save()
        return changed

    def _save_all(self, postings: Iterable[Posting]) -> bool:
        changed = False
        for posting in postings:
            if self.save_posting(posting):
                changed = True
                if posting.key_event:
                    self.head_changed(posting.story)
        return changed

    def save_postings(self, postings: QuerySet[Posting]) -> None:
        """Save many postings whose entries have not changed, in few statements."""
        rows = postings.annotate(seen_before=Exists(_SEEN))
        found = list(fragments.prefetch_for_rendering(rows))
        for posting in found:
            if getattr(posting, "seen_before"):  # noqa: B009 - an annotation
                self._seen_entries.add(posting.entry_id)
            self._prepare(posting)
        fields = ["seq", "first_seq", "desk_seq", "at", "visible", "html"]
        Posting.objects.bulk_update(found, fields, batch_size=200)

    def save_new_postings(self, postings: Sequence[Posting]) -> None:
        """Insert the postings of new entries at once, numbered in their order.

        `fragments.provisional_html` rendered them before the lock was taken.
        """
        for posting in postings:
            posting.denormalize()
            posting.desk_seq = self._next_desk_seq(posting.story)
            if posting.visible:
                self._number(posting)
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

    def save_postings_of(self, entry: Entry) -> None:
        """Save every posting of a changed entry, and the lists of key events."""
        self._save_all(self._postings_of(entry))

    def rerender_entry(self, entry: Entry) -> bool:
        """Render an entry again from its rows; return whether readers see a change."""
        html = fragments.render_entry_body(entry)
        if html != entry.html:
            entry.html = html
            entry.save(update_fields=["html"])
            self.row_changed(entry)
        self._search_entries[entry.pk] = entry
        postings = self._postings_of(entry)
        # One after another: a posting's HTML names the stories of those before it.
        return self._save_all(one for one in postings if self._is_stale(one))

    def _is_stale(self, posting: Posting) -> bool:
        """Return whether a posting differs from what its entry and story say."""
        before = (posting.at, posting.visible)
        posting.denormalize()
        if before != (posting.at, posting.visible):
            return True
        known = posting.seq is not None and posting.published
        return known and posting.html != fragments.entry_html(posting)

    def row_changed(self, entry: Entry) -> None:
        """Note, for the desks of all its stories, that an entry's row changed."""
        for pk in entry.postings.values_list("story", flat=True):
            number = self._next_desk_seq(self.stories[pk])
            entry.postings.filter(story=pk).update(desk_seq=number)

    def hide_postings(self, story: Story) -> None:
        """Make all postings of a story that is no longer public invisible."""
        number = self._next_desk_seq(story)
        story.postings.filter(visible=True).update(visible=False, desk_seq=number)

    def rerender_summary(self, story: Story) -> bool:
        """Render a story's summary again; return whether readers see a change."""
        self._search_stories[story.pk] = story
        html = rendering.render(story.summary)
        if html == story.summary_html:
            return False
        story.summary_html = html
        story.save(update_fields=["summary_html"])
        self.head_changed(story)
        return True

    def head_changed(self, story: Story) -> None:
        """Note that a story's head or its list of key events changed."""
        story.head_seq = self._next_seq(story)
        self._search_stories[story.pk] = story

    def site_changed(self) -> None:
        """Note that the rail, which every page shows, changed."""
        self._site_changed = True

    def close(self) -> None:
        """Save the counters, update the search index and wake the delivery."""
        now = timezone.now()
        for pk in sorted(self._changed | self._desk_changed):
            story = self.stories[pk]
            fields: dict[str, Any] = {"desk_seq": story.desk_seq}
            if pk in self._changed:
                # The change of a story that readers do not see stays unnoticed.
                if story.state != Story.State.WITHDRAWN or self.known_to_readers(story):
                    story.changed_at = now
                fields |= {
                    "seq": story.seq,
                    "head_seq": story.head_seq,
                    "changed_at": story.changed_at,
                    "newest_at": _NEWEST,
                }
            Story.objects.filter(pk=pk).update(**fields)
        site = Site.objects.filter(pk=1)
        if self._site_changed and not site.update(seq=F("seq") + 1):
            Site.current()
        search.index_texts(self._search_entries.values(), self._search_stories.values())
        if self._changed or self._site_changed:
            delivery.nudge()


def _lock(entry: Entry) -> None:
    try:
        entry.refresh_from_db(from_queryset=Entry.objects.select_for_update())
    except Entry.DoesNotExist:
        raise Refused("This text has been deleted.") from None


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

    The entry is refreshed in place; its stories are locked too. `entries` are the ids
    of more entries to lock, for a verb that renders many again. Raises Refused if the
    entry has been deleted meanwhile.
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
        ledger = Ledger(ids, entries)
        yield ledger
        ledger.close()


def rerender_entry(entry: Entry) -> bool:
    """Render an entry again from its rows; return whether readers see a change."""
    with open_ledger(entry=entry) as ledger:
        return ledger.rerender_entry(entry)


def rerender_summary(story: Story) -> bool:
    """Render a story's summary again; return whether readers see a change."""
    with open_ledger(story.pk) as ledger:
        return ledger.rerender_summary(ledger.story(story.pk))
