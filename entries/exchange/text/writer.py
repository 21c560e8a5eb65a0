"""Write a story in the text format, so that it reads back as the same document."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.db.models import Prefetch
from django.utils.translation import override

from entries.exchange import markdown
from entries.exchange.document import (
    NO_ENTRY,
    Body,
    Document,
    DocumentEntry,
    Item,
    Kind,
    append_link,
)
from entries.exchange.text.decoding import decode
from entries.exchange.text.lines import begins_entry
from entries.exchange.text.paragraphs import Hints
from entries.exchange.text.reader import NO_HINTS, read_text
from entries.exchange.text.references import cross_post_line, names_image
from entries.exchange.text.states import HeadState, format_state
from entries.models import Entry, Link, Posting, Series, Story
from entries.pages.story_data import LinkData
from entries.text import gmt, rendering

_FAR: Final = datetime(2199, 12, 31, tzinfo=UTC)  # after any update
_WIDE: Final = "\n\n\n"  # two blank lines, between the entries of a page


@dataclass(frozen=True)
class StoryText:
    """A story in the text format, and notes on what the format cannot hold."""

    text: str
    notes: list[str]


def story_text(story: Story) -> StoryText:
    """Return the published story as a text that imports as the same story.

    If it has markup that plain text cannot express (bold, lists, links), its texts are
    written as Markdown, and the head says so.
    """
    series = tuple(Series.objects.values_list("name", flat=True))
    text, faithful = write_faithfully(_document(story, series), Hints(names=series))
    notes = list(_omissions(story))
    if not faithful:
        notes.append("a part of the text, which reads back otherwise")
    return StoryText(text, notes)


# --- From rows to a document


def _document(story: Story, series: tuple[str, ...]) -> Document:
    """Return the document of the published story: as Markdown, if it needs to be."""
    postings = (
        story.postings.published()
        .select_related("entry__story__series")
        .prefetch_related(
            Prefetch("entry__links", Link.objects.visible().with_targets())
        )
        .order_by("-entry__at", "-entry_id")
    )
    entries = [_entry(posting, series) for posting in postings]
    updates = [entry for entry in entries if entry.at]
    originals = [entry for entry in entries if entry.at is None]
    links: list[LinkData] = []
    for link in story.links.visible().with_targets():
        if link.kind == Link.Kind.LATEST:
            append_link(links, Link.Kind.LATEST, link.text)
        elif link.kind == Link.Kind.FEATURE:
            append_link(links, Link.Kind.FEATURE, link.text, link.label or "FEATURE")
    first = min((update.at for update in updates if update.at), default=None)
    ended = story.closed_at and gmt.whole_minute(story.closed_at)
    state = HeadState(story.state, ended or story.begins_at)
    document = Document(
        headline=story.headline,
        series=story.series.name if story.series else "",
        first_day=story.first_day or (first and first.date()),
        language="" if _is_default_language(story) else story.language,
        standfirst=" ".join(story.standfirst.split()),
        photo=story.lead_image.caption if story.lead_image else "",
        links=tuple(links),
        summary=markdown.body(story.summary, series),
        updates=tuple(updates),
        original=originals[0] if originals else NO_ENTRY,
        state=state.state,
        closed_at=state.closed_at,
        begins_at=state.begins_at,
    )
    plain = all(
        body.source == markdown.source(Body(body.items)) for body in document.bodies
    )
    if plain:
        return document.with_bodies(lambda body: Body(body.items), markdown=False)
    return document.with_bodies(lambda body: body, markdown=True)


def _is_default_language(story: Story) -> bool:
    """Return whether a file needs no language: English, unless a default is another."""
    return story.language == "en" == Series.language_of(story.series)


def _entry(posting: Posting, series: tuple[str, ...]) -> DocumentEntry:
    """Return an entry with its "See" and cross-post lines as part of the text."""
    entry = posting.entry
    items = markdown.items(entry.body, series)
    named = {(item.kind, name) for item in items for name in item.names}
    links = [(link.kind, link.text) for link in entry.links.all()]
    below = [
        Item(Kind.SEE, f"See {text}", (text,))
        for kind, text in links
        if kind == Link.Kind.SEE and (Kind.SEE, text) not in named
    ]
    sources = [
        text
        for kind, text in links
        if kind == Link.Kind.CROSS_POSTED and (Kind.CROSS_POST, text) not in named
    ]
    if not posting.home:
        sources.append(entry.story.column)
    below += [Item(Kind.CROSS_POST, cross_post_line([s]), (s,)) for s in sources]
    lines = [rendering.escape_markdown(item.text) for item in below]
    return DocumentEntry(
        items=(*items, *below),
        source="\n\n".join([rendering.tidy(entry.body).strip("\n"), *lines]),
        headline=entry.headline,
        byline=entry.byline,
        at=None if entry.original else entry.at,
    )


def _omissions(story: Story) -> Iterator[str]:
    """Yield what the format cannot hold."""
    if hidden := story.entries.exclude(state=Entry.State.PUBLISHED).count():
        yield f"{hidden} unpublished"
    postings = story.postings.published()
    if marked := postings.filter(pinned=True).count():
        yield f"{marked} marked as pinned"
    if marked := postings.filter(key_event=True).count():
        yield f"{marked} marked as key events"
    corrected = Entry.objects.filter(postings__in=postings).exclude(versions=None)
    if count := corrected.distinct().count():
        yield f"earlier versions of {count}"
    if story.links.filter(kind__in=Link.RELATED_KINDS).exists():
        yield "links to related stories"


# --- From a document to text


def write_faithfully(document: Document, hints: Hints = NO_HINTS) -> tuple[str, bool]:
    """Return a document as text, and whether it reads back as the same document.

    If prose looks like a mark of the format, or a heading like prose, the texts are
    written as Markdown.
    """
    candidates = [document]
    if not document.markdown:
        candidates.append(in_markdown(document))
    text = ""
    for candidate in candidates:
        text = write_text(candidate)
        lines, _ = decode(text.encode())
        if read_text(lines, now=_FAR, hints=hints) == candidate:
            return text, True
    return text, False


def in_markdown(document: Document) -> Document:
    """Return a document with its texts converted to Markdown."""
    return document.with_bodies(
        lambda body: markdown.body(markdown.source(Body(body.items))), markdown=True
    )


def write_text(document: Document) -> str:
    """Return the text: a head of `NAME: value` lines, then the page.

    The newest update comes first. Updates have a date except on the story's first day.
    Its marks and dates are English in every language.
    """
    with override("en"):
        return _write(document)


def _write(document: Document) -> str:
    is_markdown = document.markdown
    blocks = ["\n".join(_head_lines(document)), *_page_head(document)]
    if document.summary != Body():
        blocks.append(_write_entry("SUMMARY:", document.summary, is_markdown))
    for update in reversed(document.oldest_first):
        if update.at:
            stamp = f"UPDATE {gmt.format_stamp(update.at, document.first_day)}:"
            blocks.append(_write_entry(stamp, update, is_markdown))
    if document.original != NO_ENTRY:
        blocks.append(_write_entry("ORIGINAL ENTRY:", document.original, is_markdown))
    return _WIDE.join(filter(None, blocks)) + "\n"


def _head_lines(document: Document) -> Iterator[str]:
    values = {
        "HEADLINE": document.headline,
        "SERIES": document.series,
        "DATE": document.first_day.isoformat() if document.first_day else "",
        "STATE": format_state(document.state, document.closed_at or document.begins_at),
        "LANGUAGE": document.language,
        "MARKUP": "Markdown" if document.markdown else "",
        "STANDFIRST": document.standfirst,
    }
    return (f"{name}: {value}" for name, value in values.items() if value)


def _page_head(document: Document) -> Iterator[str]:
    if document.photo:
        yield f"PHOTO: {document.photo}"
    if document.latest:
        yield "\n\n".join(["LATEST", *document.latest])
    for feature in document.features:
        yield "\n\n".join(filter(None, [feature.label or "FEATURE", feature.title]))
    if document.original != NO_ENTRY:
        yield "Jump to Original"


def _write_entry(mark: str, body: Body, is_markdown: bool) -> str:
    values = {}
    if isinstance(body, DocumentEntry):
        values = {"HEADLINE": body.headline, "BYLINE": body.byline}
    lines = [f"{name}: {value}" for name, value in values.items() if value]
    text = _escape_marks(body.source) if is_markdown else _write_items(body.items)
    if not (lines or is_markdown) and body.items and body.items[0].kind == Kind.TEXT:
        return f"{mark} {text}"
    return "\n".join([mark, *lines, "", text])


def _write_items(items: Iterable[Item]) -> str:
    paragraphs = []
    for item in items:
        text = item.text
        if item.kind == Kind.IMAGE and not names_image(text):
            text = f"{text}.jpg"  # so that it is recognized
        paragraphs.append(f"\n{text}" if item.kind == Kind.HEADING else text)
    return "\n\n".join(paragraphs)


def _escape_marks(source: str) -> str:
    """Escape the lines of Markdown that would begin another entry of the file."""
    return "\n".join(
        f"\\{line}" if begins_entry(line.lstrip("\\")) else line
        for line in source.split("\n")
    )
