"""A story as the text form tells it: plain values, each with its line in the file."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


class ExchangeError(ValueError):
    """A file that cannot be taken; its text is the sentence to show."""


@dataclass(frozen=True, order=True)
class Remark:
    """A warning: what was not understood, or not quite, and where it stands.

    Line 0 is none: our own JSON has no lines that say anything.
    """

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


class Kind(StrEnum):
    """What a paragraph is."""

    TEXT = "text"
    HEADING = "heading"
    SEE = "see"
    CROSS_POST = "cross-post"
    PICTURE = "picture"


@dataclass(frozen=True)
class Item:
    """A paragraph, as typed.

    `names` holds the title of a "See" line, or the names of a cross-post line. `gap`
    counts the blank lines before it.
    """

    kind: Kind
    text: str
    names: tuple[str, ...] = ()
    line: int = field(default=0, compare=False)
    gap: int = field(default=1, compare=False)


@dataclass(frozen=True)
class Body:
    """The text of an entry.

    `source` is its Markdown where the file says that its bodies are Markdown; the
    items are then only what was found in it.
    """

    items: tuple[Item, ...] = ()
    source: str = ""
    headline: str = ""
    byline: str = ""
    line: int = field(default=0, compare=False)

    def of(self, *kinds: Kind) -> list[Item]:
        """Return the items of these kinds, in order."""
        return [item for item in self.items if item.kind in kinds]


@dataclass(frozen=True)
class Update:
    """A timed update."""

    at: datetime
    body: Body

    @property
    def line(self) -> int:
        """Return where its stamp stands."""
        return self.body.line


@dataclass(frozen=True)
class Feature:
    """A feature line: `TUESDAY FEATURE` and the title under it."""

    label: str
    title: str


@dataclass(frozen=True)
class Told:
    """Everything that a file tells, its updates in the order of the file.

    `warnings` and `notes` are for whoever imports it: what was not understood, and
    what was decided.
    """

    headline: str = ""
    series: str = ""
    first_day: date | None = None
    language: str = ""
    standfirst: str = ""
    markdown: bool = False
    photo: str = ""
    latest: tuple[str, ...] = ()
    features: tuple[Feature, ...] = ()
    summary: Body = Body()
    updates: tuple[Update, ...] = ()
    newest_first: bool = True
    original: Body = Body()
    warnings: tuple[Remark, ...] = field(default=(), compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def oldest_first(self) -> list[Update]:
        """Return the updates by time; of equal minutes, in the order they came."""
        came = self.updates[::-1] if self.newest_first else self.updates
        return sorted(came, key=lambda update: update.at)

    @property
    def bodies(self) -> list[Body]:
        """Return every text, from the top of the file."""
        return [self.summary, *(each.body for each in self.updates), self.original]


def texts(items: Iterable[Item]) -> list[str]:
    """Return the plain paragraphs among items."""
    return [item.text for item in items if item.kind == Kind.TEXT]
