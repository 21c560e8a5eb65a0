"""A document: a story as a file contains it, before it becomes rows.

Both the text form and JSON are read into it, and one loader makes rows of it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Final, Self

from entries import verbs
from entries.models import Entry, Link, Story
from entries.pages.story_data import (
    CrossPostedFrom,
    FullImageData,
    LinkData,
    PostedIn,
    VersionData,
)
from entries.text import gmt

_FAR: Final = datetime.max.replace(tzinfo=UTC)


class ExchangeError(ValueError):
    """A file cannot be imported; the message is shown to the person importing it."""


@dataclass(frozen=True, order=True)
class Remark:
    """A warning about a line of a file, or about the whole of a JSON file (line 0).

    Whatever it is about is imported as plain text.
    """

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


class Kind(StrEnum):
    """The kinds of paragraphs."""

    TEXT = "text"
    HEADING = "heading"
    SEE = "see"
    CROSS_POST = "cross-post"
    IMAGE = "image"


@dataclass(frozen=True)
class Item:
    """A paragraph as typed.

    `names` are the title in a "See" line, or the sources in a cross-post line.
    `gap` is the number of blank lines before it.
    """

    kind: Kind
    text: str
    names: tuple[str, ...] = ()
    line: int = field(default=0, compare=False)
    gap: int = field(default=1, compare=False)


@dataclass(frozen=True)
class Body:
    """The text of an entry or of the summary.

    If the file contains Markdown, `source` is the text and `items` its paragraphs.
    """

    items: tuple[Item, ...] = ()
    source: str = ""
    line: int = field(default=0, compare=False)

    def of(self, *kinds: Kind) -> list[Item]:
        """Return the items of these kinds, in order."""
        return [item for item in self.items if item.kind in kinds]


@dataclass(frozen=True)
class DocumentEntry(Body):
    """The original entry or an update.

    `note` tells editors what to do before they publish it. Fields after `state` are set
    from JSON only, but `old_urls`, those on a former site, from archives as well.
    """

    headline: str = ""
    byline: str = ""
    at: datetime | None = None
    state: str = Entry.State.PUBLISHED
    note: str = field(default="", compare=False)
    pinned: bool = False
    key_event: bool = False
    cross_posted_from: CrossPostedFrom | None = None
    links: list[LinkData] = field(default_factory=list)
    author: str | None = None
    created_at: datetime | None = None
    changed_at: datetime | None = None
    published_at: datetime | None = None
    posted_in: list[PostedIn] = field(default_factory=list)
    version: int = 1
    versions: list[VersionData] = field(default_factory=list)
    old_urls: Sequence[str] = ()


NO_TEXT: Final = Body()
NO_ENTRY: Final = DocumentEntry()


@dataclass(frozen=True)
class Document:
    """The contents of a file, with its updates in the order of the file.

    `photo` is the caption of the lead image. `warnings` list what was not understood,
    `notes` what was assumed, and `state_note` is the assumption about the state.
    `archive_key` is a hash of its identity in an archive, of which it comes just once.
    With `guessed_day`, nothing in the file says of which day its times are.
    `live_at` is when coverage began, and `closed_at` when it ended. `state` is empty if
    the file does not say. Fields after those are set from JSON and archives only.
    """

    headline: str = ""
    series: str = ""
    first_day: date | None = None
    language: str = ""
    standfirst: str = ""
    markdown: bool = False
    photo: str = ""
    links: tuple[LinkData, ...] = ()
    summary: Body = NO_TEXT
    updates: tuple[DocumentEntry, ...] = ()
    newest_first: bool = True
    original: DocumentEntry = NO_ENTRY
    warnings: tuple[Remark, ...] = field(default=(), compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)
    state_note: str = field(default="", compare=False)
    file_name: str = field(default="", compare=False)
    digest: str = field(default="", compare=False)
    guessed_day: bool = field(default=False, compare=False)
    archive_key: str = field(default="", compare=False)
    live_at: datetime | None = field(default=None, compare=False)
    begins_at: datetime | None = None
    state: str = ""
    closed_at: datetime | None = None

    announced_at: datetime | None = None
    links_by_title: bool = True  # in JSON, links refer to their targets by slug
    slug: str = ""
    old_slugs: list[str] = field(default_factory=list)
    old_urls: Sequence[str] = ()
    series_slug: str = ""
    series_description: str = ""
    series_language: str = ""
    lead_image: str | None = None
    images: tuple[FullImageData, ...] = ()
    created_at: datetime | None = None
    continues_in: str | None = None

    @property
    def only_announced(self) -> bool:
        """Whether readers saw its head, and none of its entries."""
        return self.state == Story.State.ANNOUNCED or bool(
            self.state == Story.State.WITHDRAWN
            and self.announced_at
            and not self.live_at
        )

    @property
    def first_at(self) -> datetime | None:
        """Return when coverage began: as the file says, else with the oldest update."""
        return self.live_at or min(self._times, default=None)

    @property
    def last_at(self) -> datetime | None:
        """Return the time of the newest update, or else when coverage began."""
        return max(self._times, default=self.live_at)

    @property
    def first_update_day(self) -> date:
        """Return the day of the oldest published update, or of coverage's beginning."""
        first = min(self._times, default=self.live_at) or datetime.now(UTC)
        return first.astimezone(UTC).date()

    @property
    def _times(self) -> list[datetime]:
        published = Entry.State.PUBLISHED
        times = [u.at for u in self.updates if u.at and u.state == published]
        now = datetime.now(UTC)
        times = [at for at in times if at <= now] or times  # others are yet to come
        original = self.original.published_at
        return times or ([original] if original else [])

    def in_state(self, state: str, now: datetime) -> Self:
        """Return the document with the state its story will have, and its end.

        That is `state` or, if it is empty, the file's. Without any, a story whose last
        update is old is closed; so it is if its end is known. A closed story whose end
        is not known ended with its last update.
        """
        closed, note = Story.State.CLOSED, self.state_note
        last_at = self.last_at
        if not (found := state or self.state):
            old = last_at is not None and last_at < now - verbs.ARCHIVED_AFTER
            found = closed if old or self.closed_at else Story.State.LIVE
            if old and last_at and not self.closed_at:
                note = _closed_note(last_at)
        ended = self.closed_at if found in (closed, Story.State.WITHDRAWN) else None
        if found == closed:
            ended = min(ended or last_at or now, now)
        return replace(self, state=found, closed_at=ended, state_note=note)

    @property
    def oldest_first(self) -> list[DocumentEntry]:
        """Return the updates by time, and within a minute in the order of the file.

        Drafts without a time come last.
        """
        updates = self.updates[::-1] if self.newest_first else self.updates
        return sorted(updates, key=lambda update: update.at or _FAR)

    @property
    def bodies(self) -> list[Body]:
        """Return the summary, the updates and the original entry."""
        return [self.summary, *self.updates, self.original]

    @property
    def latest(self) -> tuple[str, ...]:
        """Return the titles under LATEST."""
        return tuple(link.text or link.title for link in self._of(Link.Kind.LATEST))

    @property
    def features(self) -> tuple[LinkData, ...]:
        """Return the features, whose title is empty if the file has only a label."""
        return self._of(Link.Kind.FEATURE)

    def _of(self, kind: str) -> tuple[LinkData, ...]:
        found = (link for link in self.links if link.kind == kind)
        return tuple(sorted(found, key=lambda link: link.order))

    @property
    def image_lines(self) -> dict[str, int]:
        """Map each image, as typed, to the line where it first appears."""
        items = [item for body in self.bodies for item in body.of(Kind.IMAGE)]
        lines = {item.text: item.line for item in reversed(items)}
        return {image.name: 0 for image in self.images} | dict(reversed(lines.items()))

    def with_bodies(self, change: Callable[[Body], Body], *, markdown: bool) -> Self:
        """Return a copy of the document with `change` applied to every text."""

        def changed(entry: DocumentEntry) -> DocumentEntry:
            body = change(entry)
            return replace(entry, items=body.items, source=body.source)

        return replace(
            self,
            markdown=markdown,
            summary=change(self.summary),
            updates=tuple(map(changed, self.updates)),
            original=changed(self.original),
        )


def _closed_note(last_at: datetime) -> str:
    return (
        "The file gives no state, and its last update is from "
        f"{gmt.format_full(last_at)}. Published, the story is closed as of then; "
        "to choose another state, give --state."
    )


def texts(items: Iterable[Item]) -> list[str]:
    """Return the text of the items that are plain paragraphs."""
    return [item.text for item in items if item.kind == Kind.TEXT]


def append_link(
    links: list[LinkData], kind: Link.Kind, title: str, label: str = ""
) -> None:
    """Append a link, ordered after the others of its kind."""
    order = sum(link.kind == kind for link in links)
    links.append(LinkData(kind=kind, title=title, label=label, order=order))
