"""The fragment cache: the rendered postings of recently requested stories.

A cached story is brought up to date by reading only the postings that changed after
the `seq` it was cached at. A posting's HTML is rendered by the verb that gives it its
`seq`, so a fragment depends on the epoch, the `seq` and the story's URL alone, and
never goes stale. Only visible postings are cached: what leaves a timeline is evicted
the next time its story is requested.
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

MAX_FRAGMENT_BYTES: Final = 48 * 1024 * 1024  # in each process
_POSTING_BYTES: Final = 600  # approximate overhead of a posting besides its texts


@dataclass(frozen=True, slots=True)
class CachedFragment:
    """What pages show of a posting, as of its `seq`.

    `html` is its `<article>` and `data` its BlogPosting, both encoded; `title` names
    it in lists. `size` is its approximate memory use in bytes.
    """

    seq: int
    html: bytes
    data: bytes
    title: str
    size: int


CachedFragments = dict[int, CachedFragment]  # by id of the posting


@dataclass(frozen=True)
class CachedStory:
    """A story's timeline as of its `seq`, and the fragments requested so far.

    It is replaced, never mutated, so that threads can read it without a lock.
    """

    seq: int
    places: list[Place]
    fragments: CachedFragments

    @property
    def size(self) -> int:
        """Return the approximate memory use in bytes."""
        fragments = sum(fragment.size for fragment in self.fragments.values())
        return _POSTING_BYTES * len(self.places) + fragments


StoryKey = tuple[str, int, str]  # epoch, id of the story, its URL


class FragmentCache:
    """A least-recently-used cache of stories, limited by its size in bytes."""

    def __init__(self, limit: int = MAX_FRAGMENT_BYTES) -> None:
        self.limit = limit
        self.size = 0
        self._lock = Lock()
        self._stories: OrderedDict[StoryKey, tuple[CachedStory, int]] = OrderedDict()

    def places(self, epoch: str, story: Story) -> list[Place]:
        """Return a story's current timeline, from the cache if possible.

        `epoch` must have been read before `story`.
        """
        key = _key(epoch, story)
        cached = self._get(key)
        # A higher seq than the story's: the database was replaced by an older copy.
        if cached is None or cached.seq > story.seq:
            cached = CachedStory(story.seq, timeline.visible_places(story), {})
            self._set(key, cached)
        elif cached.seq < story.seq:
            cached = _updated(cached, story, key[2])
            self._set(key, cached)
        return cached.places

    def fragments(
        self, epoch: str, story: Story, places: Iterable[Place]
    ) -> CachedFragments:
        """Return the fragments of some places of a story, by posting.

        A posting that was withdrawn or retimed after its place was read is left out:
        open pages learn of it through the change feed.
        """
        key = _key(epoch, story)
        cached = self._get(key)
        known = cached.fragments if cached else {}
        wanted = {place.posting_id: place for place in places}
        found = {
            pk: fragment
            for pk, place in wanted.items()
            if (fragment := known.get(pk)) and fragment.seq == place.seq
        }
        missing = wanted.keys() - found.keys()
        loaded = _load_fragments(story, key[2], missing) if missing else {}
        if loaded and cached:
            current = {place.posting_id for place in cached.places}
            new = {pk: one for pk, (_, one) in loaded.items() if pk in current}
            self._set(key, CachedStory(cached.seq, cached.places, known | new))
        for pk, (at, fragment) in loaded.items():
            if at == wanted[pk].at:
                found[pk] = fragment
        return found

    def clear(self) -> None:
        """Evict everything."""
        with self._lock:
            self._stories.clear()
            self.size = 0

    def _get(self, key: StoryKey) -> CachedStory | None:
        with self._lock:
            if key not in self._stories:
                return None
            self._stories.move_to_end(key)
            return self._stories[key][0]

    def _set(self, key: StoryKey, cached: CachedStory) -> None:
        size = cached.size
        with self._lock:
            if key in self._stories:
                self.size -= self._stories.pop(key)[1]
            self._stories[key] = (cached, size)
            self.size += size
            while self.size > self.limit:
                _, (_, oldest) = self._stories.popitem(last=False)
                self.size -= oldest


def _key(epoch: str, story: Story) -> StoryKey:
    return epoch, story.pk, absolute_url(story.get_absolute_url())


def _rows(story: Story) -> PostingQuerySet:
    rows = story.postings.exclude(seq=None).select_related("entry__credited")
    return rows.defer("entry__body")


def _load_fragments(
    story: Story, url: str, postings: Collection[int]
) -> dict[int, tuple[datetime | None, CachedFragment]]:
    """Return the fragments of visible postings, each with its entry's time."""
    rows = _rows(story).visible().filter(pk__in=postings)
    return {row.pk: (row.entry.at, _fragment(row, url)) for row in rows}


def _updated(cached: CachedStory, story: Story, url: str) -> CachedStory:
    """Return a cached story brought up to date with the rows of `story`."""
    places = {place.posting_id: place for place in cached.places}
    fragments = dict(cached.fragments)
    # Changes after `story.seq` may be included: a page may be ahead of its cursor.
    for row in _rows(story).filter(seq__gt=cached.seq):
        places.pop(row.pk, None)
        fragments.pop(row.pk, None)
        if row.visible:
            places[row.pk] = timeline.place_of(row)
            fragments[row.pk] = _fragment(row, url)
    return CachedStory(story.seq, timeline.in_order(places.values()), fragments)


def _fragment(row: Posting, story_url: str) -> CachedFragment:
    url = f"{story_url}updates/{row.entry_id}/"
    html, title = row.html.encode(), row.entry.first_words
    data = schema_org.update_script(url, row.entry).encode()
    size = sum(map(sys.getsizeof, (html, data, title)))
    return CachedFragment(row.seq or 0, html, data, title, size)


cache: Final = FragmentCache()
