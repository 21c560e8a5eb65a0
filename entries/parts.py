"""What is drawn of each posting, kept for the next page that shows it.

A posting is drawn by the verb that gives it a number, so whatever is made of its rows
follows from that number, the epoch that it is of, and the address of the story that
shows it. Only what readers see is kept: what left a story's timeline is forgotten
when the story is asked for again.
"""

import sys
from collections import OrderedDict
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Final

from entries import structured_data
from entries.addresses import absolute
from entries.models import Story
from entries.paging import Place

BYTES: Final = 48 * 1024 * 1024  # of all that is kept in a process
_ROOM: Final = 400  # bytes that a part takes beside its texts


@dataclass(frozen=True, slots=True)
class Part:
    """A posting as a page shows it, at the number `seq`.

    `html` is its `<article>`, `data` its BlogPosting (both as they are sent), `words`
    what lists call it.
    """

    seq: int
    html: bytes
    data: bytes
    words: str

    @property
    def size(self) -> int:
        """Return about how many bytes of memory it takes."""
        return _ROOM + sum(map(sys.getsizeof, (self.html, self.data, self.words)))


Key = tuple[str, int, str]  # epoch, story, its address
Kept = dict[int, Part]  # by posting
_NOTHING: Final[tuple[Kept, int]] = ({}, 0)


class Parts:
    """Parts of the stories that were asked for last, within a number of bytes."""

    def __init__(self, limit: int = BYTES) -> None:
        self.limit = limit
        self.size = 0
        self._lock = Lock()
        self._stories: OrderedDict[Key, tuple[Kept, int]] = OrderedDict()

    def of(
        self,
        epoch: str,
        story: Story,
        places: Iterable[Place],
        standing: Collection[Place],
    ) -> Kept:
        """Return the parts that stand at some places of a story, by posting.

        `standing` are all its places. One that was withdrawn or retimed since they
        were read is left out: it is told to the page as news.
        """
        key = (epoch, story.pk, absolute(story.get_absolute_url()))
        kept, _ = self._stories.get(key, _NOTHING)
        wanted = {place.posting_id: place for place in places}
        found = {
            pk: part
            for pk, place in wanted.items()
            if (part := kept.get(pk)) and part.seq == place.seq
        }
        missing = wanted.keys() - found.keys()
        drawn = _drawn(story, key[2], missing) if missing else {}
        there = {place.posting_id for place in standing}
        if drawn or not kept.keys() <= there:
            now = kept | {pk: part for pk, (_, part) in drawn.items()}
            self._keep(key, {pk: now[pk] for pk in now.keys() & there})
        elif kept:
            self._touch(key)
        for pk, (at, part) in drawn.items():
            if at == wanted[pk].at:
                found[pk] = part
        return found

    def forget(self) -> None:
        """Forget everything."""
        with self._lock:
            self._stories.clear()
            self.size = 0

    def _touch(self, key: Key) -> None:
        with self._lock, suppress(KeyError):
            self._stories.move_to_end(key)

    def _keep(self, key: Key, parts: Kept) -> None:
        size = sum(part.size for part in parts.values())
        with self._lock:
            self.size += size - self._stories.pop(key, _NOTHING)[1]
            self._stories[key] = (parts, size)
            while self.size > self.limit:
                _, (_, oldest) = self._stories.popitem(last=False)
                self.size -= oldest


def _drawn(
    story: Story, address: str, postings: Collection[int]
) -> dict[int, tuple[datetime | None, Part]]:
    """Return the parts of those that readers see now, each with its entry's time."""
    rows = story.postings.visible().filter(pk__in=postings).exclude(seq=None)
    found = {}
    for row in rows.select_related("entry").defer("entry__body"):
        url = f"{address}updates/{row.entry_id}/"
        data = structured_data.update_script(url, row.entry).encode()
        words = row.entry.first_words
        part = Part(row.seq or 0, row.html.encode(), data, words)
        found[row.pk] = (row.entry.at, part)
    return found


kept: Final = Parts()
