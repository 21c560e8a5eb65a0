"""Build the texts of a story from HTML, and collect what is in them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from entries.exchange import markdown
from entries.exchange.archives.base import LeftOut, SourceImage, What, to_minute
from entries.exchange.archives.html_to_markdown import to_markdown
from entries.exchange.document import (
    NO_ENTRY,
    NO_TEXT,
    Body,
    DocumentEntry,
    Item,
    Kind,
)
from entries.models import Entry, Image, Story
from entries.models.fields import max_length
from entries.text import rendering

EMPTY: Final = What("update without text", "updates without text")


class Texts:
    """The texts of one story; collects their pictures, and what has no place here.

    With `line_breaks`, line breaks count in the HTML, as they do in WordPress.
    """

    def __init__(self, base_url: str = "", *, line_breaks: bool = False) -> None:
        self.base_url, self.line_breaks = base_url, line_breaks
        self.images: list[SourceImage] = []
        self.left_out: list[LeftOut] = []
        self.warnings: list[str] = []

    def leave_out(self, what: What, text: str = "") -> None:
        """Note something that has no place here, with its visible text or its URL."""
        self.left_out.append(LeftOut(what, text))

    def source(self, html: str) -> str:
        """Return HTML as Markdown."""
        converted = to_markdown(html, self.base_url, line_breaks=self.line_breaks)
        self.images += converted.images
        self.left_out += converted.left_out
        return converted.markdown.strip()

    def image(self, image: SourceImage) -> str:
        """Return the Markdown of a picture that is not in any HTML.

        A caption that is too long for a picture is a paragraph below it.
        """
        caption = ""
        if len(image.caption) > max_length(Image, "caption"):
            caption = f"\n\n{rendering.escape_markdown(image.caption)}"
            image = replace(image, caption="")
        self.images.append(image)
        return f"![](image:{image.name}){caption}"

    def standfirst_and_summary(self, html: str) -> tuple[str, Body]:
        """Return an introduction as a standfirst if it fits one, else as a summary."""
        source = self.source(html)
        text = rendering.one_line(rendering.unescape_markdown(source))
        fits = len(text) <= max_length(Story, "standfirst")
        plain = "\n" not in source and rendering.escape_markdown(text) == source
        if not source or (fits and plain):
            return text, NO_TEXT
        return "", markdown.body(source)

    def original(self, source: str, **values: Any) -> DocumentEntry:
        """Return the original entry, none if it has no text."""
        if rendering.is_blank(source):
            return NO_ENTRY
        return self.entry(source, **values)

    def updates(
        self, source: str, at: datetime | None, headline: str = "", **values: Any
    ) -> Iterator[DocumentEntry]:
        """Yield an update; none if it has neither a text nor a headline."""
        if rendering.is_blank(source):
            if not rendering.one_line(headline):
                self.leave_out(EMPTY, f"{at:%Y-%m-%d %H%M} GMT" if at else "")
                return
            source, headline = rendering.escape_markdown(headline), ""
        if at is None:
            values["state"] = Entry.State.DRAFT
            self.warnings.append("An update without a time is a draft.")
        at = to_minute(at) if at else None
        yield self.entry(source, headline=headline, at=at, **values)

    def entry(
        self, source: str, *, headline: str = "", byline: str = "", **values: Any
    ) -> DocumentEntry:
        """Return an entry; a headline or a byline that is too long joins its text."""
        headline, byline = rendering.one_line(headline), rendering.one_line(byline)
        if len(headline) > max_length(Entry, "headline"):
            source = f"**{rendering.escape_markdown(headline)}**\n\n{source}"
            headline = ""
        if len(byline) > max_length(Entry, "byline"):
            source, byline = f"{source}\n\n{rendering.escape_markdown(byline)}", ""
        return DocumentEntry(
            tuple(map(_as_text, markdown.items(source))),
            source,
            headline=headline,
            byline=byline,
            **values,
        )


def _as_text(item: Item) -> Item:
    """Return an item as text, if it is a reference in our own text form only."""
    known = item.kind not in (Kind.SEE, Kind.CROSS_POST)
    return item if known else replace(item, kind=Kind.TEXT, names=())


def names(each: Iterable[str]) -> str:
    """Return a byline: “A, B and C”, each name once."""
    known = [name for name in dict.fromkeys(map(rendering.one_line, each)) if name]
    if len(known) < 2:
        return "".join(known)
    return f"{', '.join(known[:-1])} and {known[-1]}"


def last_time(updates: Sequence[DocumentEntry]) -> datetime | None:
    """Return the time of the newest published update that is not yet to come."""
    published, now = Entry.State.PUBLISHED, datetime.now(UTC)
    times = [u.at for u in updates if u.at and u.state == published and u.at <= now]
    return max(times, default=None)
