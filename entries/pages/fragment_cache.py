"""What is kept of the stories that are being read, for the next page of each.

A story is followed as its open pages follow it: what changed after the number that is
kept is read, and nothing else. A posting is drawn by the verb that gives it a number,
so whatever is made of its rows follows from that number, the epoch that it is of, and
the address of the story that shows it. Only what readers see is kept: what leaves a
story's timeline is forgotten when the story is asked for again.
"""

import sys
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Final

from entries.models import Posting, Story
from entries.models.entries import PostingQuerySet
from entries.pages import schema_org, timeline
from entries.pages.timeline import Place
from entries.text.urls import absolute_url

MAX_CACHE_BYTES: Final = 48 * 1024 * 1024  # of all that is kept in a process
_POSTING_BYTES: Final = 600  # bytes that a posting takes beside its texts


@dataclass(frozen=True, slots=True)
class CachedFragment:
    """A posting as a page shows it, at the number `seq`.

    `html` is its `<article>`, `data` its BlogPosting (both as they are sent), `words`
    what lists call it. `size` is about how many bytes of memory it takes.
    """

    seq: int
    html: bytes
    data: bytes
    words: str
    size: int


CachedFragments = dict[int, CachedFragment]  # by posting


@dataclass(frozen=True)
class CachedStory:
    """A story at the number `seq`: all that stands in it, and what of that was drawn.

    Never changed, but replaced: any number of threads may read it.
    """

    seq: int
    standing: list[Place]
    parts: CachedFragments

    @property
    def size(self) -> int:
        """Return about how many bytes of memory it takes."""
        drawn = sum(part.size for part in self.parts.values())
        return _POSTING_BYTES * len(self.standing) + drawn


CacheKey = tuple[str, int, str]  # epoch, story, its address


class FragmentCache:
    """The stories that were asked for last, within a number of bytes."""

    def __init__(self, limit: int = MAX_CACHE_BYTES) -> None:
        self.limit = limit
        self.size = 0
        self._lock = Lock()
        self._stories: OrderedDict[CacheKey, tuple[CachedStory, int]] = OrderedDict()

    def standing(self, epoch: str, story: Story) -> list[Place]:
        """Return all places of a story as they are now.

        The epoch was read before the story. A number above the story's is of a
        database that was brought back from an older copy.
        """
        key = _key(epoch, story)
        known = self._known(key)
        if known is None or known.seq > story.seq:
            known = CachedStory(story.seq, timeline.visible_places(story), {})
            self._keep(key, known)
        elif known.seq < story.seq:
            known = _updated(known, story, key[2])
            self._keep(key, known)
        return known.standing

    def of(self, epoch: str, story: Story, places: Iterable[Place]) -> CachedFragments:
        """Return the parts that stand at some places of a story, by posting.

        What was withdrawn or retimed since the places were read is left out: it is
        told to the page as news.
        """
        key = _key(epoch, story)
        known = self._known(key)
        parts = known.parts if known else {}
        wanted = {place.posting_id: place for place in places}
        found = {
            pk: part
            for pk, place in wanted.items()
            if (part := parts.get(pk)) and part.seq == place.seq
        }
        missing = wanted.keys() - found.keys()
        drawn = _visible_fragments(story, key[2], missing) if missing else {}
        if drawn and known:
            there = {place.posting_id for place in known.standing}
            now = {pk: part for pk, (_, part) in drawn.items() if pk in there}
            self._keep(key, CachedStory(known.seq, known.standing, known.parts | now))
        for pk, (at, part) in drawn.items():
            if at == wanted[pk].at:
                found[pk] = part
        return found

    def forget(self) -> None:
        """Forget everything."""
        with self._lock:
            self._stories.clear()
            self.size = 0

    def _known(self, key: CacheKey) -> CachedStory | None:
        with self._lock:
            if key not in self._stories:
                return None
            self._stories.move_to_end(key)
            return self._stories[key][0]

    def _keep(self, key: CacheKey, kept: CachedStory) -> None:
        size = kept.size
        with self._lock:
            if key in self._stories:
                self.size -= self._stories.pop(key)[1]
            self._stories[key] = (kept, size)
            self.size += size
            while self.size > self.limit:
                _, (_, oldest) = self._stories.popitem(last=False)
                self.size -= oldest


def _key(epoch: str, story: Story) -> CacheKey:
    return epoch, story.pk, absolute_url(story.get_absolute_url())


def _rows(story: Story) -> PostingQuerySet:
    rows = story.postings.exclude(seq=None).select_related("entry")
    return rows.defer("entry__body")


def _visible_fragments(
    story: Story, address: str, postings: Collection[int]
) -> dict[int, tuple[datetime | None, CachedFragment]]:
    """Return the parts of those that readers see now, each with its entry's time."""
    rows = _rows(story).visible().filter(pk__in=postings)
    return {row.pk: (row.entry.at, _cached_fragment(row, address)) for row in rows}


def _updated(known: CachedStory, story: Story, address: str) -> CachedStory:
    """Return a story as it is at its present number."""
    places = {place.posting_id: place for place in known.standing}
    parts = dict(known.parts)
    # Later changes may be among them: a page may hold more than it claims.
    for row in _rows(story).filter(seq__gt=known.seq):
        places.pop(row.pk, None)
        parts.pop(row.pk, None)
        if row.visible:
            places[row.pk] = timeline.place_of(row)
            parts[row.pk] = _cached_fragment(row, address)
    return CachedStory(story.seq, timeline.in_order(places.values()), parts)


def _cached_fragment(row: Posting, address: str) -> CachedFragment:
    url = f"{address}updates/{row.entry_id}/"
    html, words = row.html.encode(), row.entry.first_words
    data = schema_org.update_script(url, row.entry).encode()
    size = sum(map(sys.getsizeof, (html, data, words)))
    return CachedFragment(row.seq or 0, html, data, words, size)


cache: Final = FragmentCache()
