"""Locks and numbers: the one place that gives out `seq`.

A verb opens `open_ledger(...)`, which locks the entry first, then the stories in
ascending primary key, then (where needed) the site's row. Numbers are given out
under the story's lock, so they are in the order of the commits, and a reader who
asks "what changed after n?" misses nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import transaction
from django.db.models import F, QuerySet, Subquery
from django.utils import timezone

from entries import delivery
from entries.models import Entry, Posting, Site, Story
from entries.pages import fragments, search
from entries.text import rendering

P = ParamSpec("P")
T = TypeVar("T")


_NEWEST = Subquery(Posting.objects.visible().newest_time_in("pk"))


class Refused(ValueError):
    """Say why a verb will not act, to the person who asked.

    `field` names the form field the sentence is about; empty for the whole form.
    """

    def __init__(self, sentence: str, field: str = "") -> None:
        super().__init__(sentence)
        self.field = field


class StaleRead(Exception):
    """What a verb had read before its locks was found to be another under them."""


def retry_on_stale_read(verb: Callable[P, T]) -> Callable[P, T]:
    """Let a verb begin again whenever it raises StaleRead.

    What to lock has to be read before the locks can be taken in their order. Where
    more turns out to be needed, all are given back.
    """

    @wraps(verb)
    def act(*args: P.args, **kwargs: P.kwargs) -> T:
        while True:
            with suppress(StaleRead):
                return verb(*args, **kwargs)

    return act


class Ledger:
    """The stories that a verb holds locked, and what it has changed in them."""

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
        self._search_entries: dict[int, Entry] = {}
        self._search_stories: dict[int, Story] = {}
        self._site = False

    def story(self, pk: int) -> Story:
        """Return a locked story. Raises Refused for one that was deleted meanwhile."""
        if pk not in self.stories:
            raise Refused("This story has been deleted.")
        return self.stories[pk]

    def known_to_readers(self, story: Story) -> bool:
        """Whether readers see a locked story, or saw it until this verb."""
        return story.public or story.pk in self._were_public

    def _next_seq(self, story: Story) -> int:
        story.seq += 1
        self._changed.add(story.pk)
        return story.seq

    def _next_desk_seq(self, story: Story) -> int:
        """Return the desk's number of this transaction: one for all its changes."""
        if story.pk not in self._desk_changed:
            self._desk_changed.add(story.pk)
            story.desk_seq += 1
        return story.desk_seq

    def save_posting(self, posting: Posting) -> bool:
        """Save a posting; give it the next seq and draw it if readers know of it.

        One that was never public stays without a number, and one of which they were
        told that it is gone keeps that. True if there is something to tell.
        """
        told = self._number_and_render(posting)
        posting.save()
        return told

    def save_postings(self, postings: QuerySet[Posting]) -> None:
        """Do the same for many whose entries stay as they are, in few statements."""
        found = list(fragments.prefetch_for_rendering(postings))
        for posting in found:
            self._number_and_render(posting)
        drawn = ["seq", "first_seq", "desk_seq", "at", "visible", "html"]
        Posting.objects.bulk_update(found, drawn, batch_size=200)

    def _number_and_render(self, posting: Posting) -> bool:
        posting.story = self.stories[posting.story_id]
        if posting.home:
            posting.entry.story = posting.story
        posting.denormalize()
        posting.desk_seq = self._next_desk_seq(posting.story)
        known = posting.seq is not None and (posting.published or posting.html)
        if not (posting.visible or known):
            return False
        posting.seq = self._next_seq(posting.story)
        posting.first_seq = posting.first_seq or posting.seq
        posting.html = fragments.entry_html(posting) if posting.published else ""
        self._search_entries[posting.entry_id] = posting.entry
        return True

    def save_new_postings(self, postings: Sequence[Posting]) -> None:
        """Save the postings of new entries at once, numbered in their order.

        What readers see of them was drawn by `drawing.early_html` before the lock.
        """
        for posting in postings:
            posting.denormalize()
            posting.desk_seq = self._next_desk_seq(posting.story)
            if posting.visible:
                posting.seq = posting.first_seq = self._next_seq(posting.story)
                posting.html = fragments.with_final_ids(posting)
                self._search_entries[posting.entry_id] = posting.entry
        Posting.objects.bulk_create(postings, batch_size=500)
        for story in {one.story for one in postings if one.seq and one.key_event}:
            self.head_changed(story)

    def save_postings_of(self, entry: Entry) -> None:
        """Do the same for every posting of an entry, and for key-event lists."""
        for posting in entry.postings.order_by("story_id"):
            posting.entry = entry
            if self.save_posting(posting) and posting.key_event:
                self.head_changed(posting.story)

    def rerender_entry(self, entry: Entry) -> bool:
        """Draw an entry anew from its rows; True if what readers see changed."""
        html = fragments.render_entry_body(entry)
        if html != entry.html:
            entry.html = html
            entry.save(update_fields=["html"])
            self.row_changed(entry)
        self._search_entries[entry.pk] = entry
        changed = False
        for posting in entry.postings.order_by("story_id"):
            posting.entry, posting.story = entry, self.stories[posting.story_id]
            if self._is_stale(posting) and self.save_posting(posting):
                if posting.key_event:
                    self.head_changed(posting.story)
                changed = True
        return changed

    def _is_stale(self, posting: Posting) -> bool:
        """Whether a posting is not where its rows place it, or not as they render."""
        kept = (posting.at, posting.visible)
        posting.denormalize()
        if kept != (posting.at, posting.visible):
            return True
        known = posting.seq is not None and posting.published
        return known and posting.html != fragments.entry_html(posting)

    def row_changed(self, entry: Entry) -> None:
        """Tell the desks of all stories an entry is in that its row has changed."""
        for pk in entry.postings.values_list("story", flat=True):
            number = self._next_desk_seq(self.stories[pk])
            entry.postings.filter(story=pk).update(desk_seq=number)

    def hide_postings(self, story: Story) -> None:
        """Take all postings of a story that is no longer public from readers."""
        number = self._next_desk_seq(story)
        story.postings.filter(visible=True).update(visible=False, desk_seq=number)

    def rerender_summary(self, story: Story) -> bool:
        """Draw a summary box anew from its text; True if what readers see changed."""
        self._search_stories[story.pk] = story
        html = rendering.render(story.summary)
        if html == story.summary_html:
            return False
        story.summary_html = html
        story.save(update_fields=["summary_html"])
        self.head_changed(story)
        return True

    def head_changed(self, story: Story) -> None:
        """Say that the story's own head (or its list of key events) changed."""
        story.head_seq = self._next_seq(story)
        self._search_stories[story.pk] = story

    def site_changed(self) -> None:
        """Say that what every page's rail shows has changed."""
        self._site = True

    def close(self) -> None:
        """Save the counters and the words for search, and wake the watchers."""
        now = timezone.now()
        for pk in sorted(self._changed | self._desk_changed):
            story = self.stories[pk]
            numbers: dict[str, Any] = {"desk_seq": story.desk_seq}
            if pk in self._changed:
                if story.state != Story.State.WITHDRAWN or self.known_to_readers(story):
                    story.changed_at = now  # else nobody is to notice
                numbers |= {
                    "seq": story.seq,
                    "head_seq": story.head_seq,
                    "changed_at": story.changed_at,
                    "newest_at": _NEWEST,
                }
            Story.objects.filter(pk=pk).update(**numbers)
        if self._site and not Site.objects.filter(pk=1).update(seq=F("seq") + 1):
            Site.current()
        search.index_texts(self._search_entries.values(), self._search_stories.values())
        if self._changed or self._site:
            delivery.nudge()


def _lock(entry: Entry) -> None:
    try:
        entry.refresh_from_db(from_queryset=Entry.objects.select_for_update())
    except Entry.DoesNotExist:
        raise Refused("This text has been deleted.") from None


@contextmanager
def locked_entry(entry: Entry) -> Iterator[None]:
    """Lock an entry (refreshed in place) for several verbs that are to be one."""
    with transaction.atomic():
        _lock(entry)
        yield


@contextmanager
def open_ledger(
    *stories: int, entry: Entry | None = None, entries: Iterable[int] = ()
) -> Iterator[Ledger]:
    """Lock an entry (refreshed in place), its stories and others; save at the end.

    `entries` are the ids of more entries, for a verb that draws many anew. Raises
    Refused where the entry was deleted meanwhile.
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
    """Draw an entry anew; True if what readers see changed."""
    with open_ledger(entry=entry) as ledger:
        return ledger.rerender_entry(entry)


def rerender_summary(story: Story) -> bool:
    """Draw a story's summary box anew; True if what readers see changed."""
    with open_ledger(story.pk) as ledger:
        return ledger.rerender_summary(ledger.story(story.pk))
