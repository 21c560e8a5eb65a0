"""Rows → what a text of the story tells: what readers see, and no more."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from django.db.models import Prefetch

from entries.exchange import bodies
from entries.exchange.paragraphs import Hints
from entries.exchange.told import Body, Feature, Item, Kind, Told, Update
from entries.exchange.writing import write_faithfully
from entries.models import Entry, Link, Posting, Series, Story
from entries.text import rendering


@dataclass(frozen=True)
class Text:
    """A story in the text form, and what it could not carry."""

    text: str
    notes: list[str]


def story_text(story: Story) -> Text:
    """Return the published story as a text that imports to the same story.

    Markup that the form has no signs for (bold, lists, links) makes it a text whose
    bodies are Markdown, which its head says.
    """
    hints = Hints(names=tuple(Series.objects.values_list("name", flat=True)))
    text, faithful = write_faithfully(tell(story), hints)
    notes = list(_left_out(story))
    if not faithful:
        notes.append("a part of the text, which reads back otherwise")
    return Text(text, notes)


def tell(story: Story) -> Told:
    """Return what the published story tells."""
    names = tuple(Series.objects.values_list("name", flat=True))
    postings = (
        story.postings.filter(removed=False, entry__state=Entry.State.PUBLISHED)
        .select_related("entry__story__series")
        .prefetch_related(Prefetch("entry__links", Link.objects.shown().with_targets()))
        .order_by("-entry__at", "-entry_id")
    )
    entries = [(posting, _body(posting, names)) for posting in postings]
    links = list(story.links.shown().with_targets())
    updates = [
        Update(posting.entry.at, body)
        for posting, body in entries
        if posting.entry.at and not posting.entry.original
    ]
    original = [body for posting, body in entries if posting.entry.original]
    summary = Body(bodies.items(story.summary, names), story.summary)
    first = min((update.at for update in updates), default=None)
    told = Told(
        headline=story.headline,
        series=story.series.name if story.series else "",
        first_day=story.first_day or (first and first.date()),
        language=story.language if story.language != "en" else "",
        standfirst=" ".join(story.standfirst.split()),
        photo=story.lead_image.caption if story.lead_image else "",
        latest=tuple(_titles(links, Link.Kind.LATEST)),
        features=tuple(
            Feature(link.label or "FEATURE", link.text)
            for link in links
            if link.kind == Link.Kind.FEATURE
        ),
        summary=summary,
        updates=tuple(updates),
        original=original[0] if original else Body(),
    )
    plain = all(body.source == bodies.source(body.items) for body in told.bodies)
    return _without_sources(told) if plain else replace(told, markdown=True)


def _titles(links: list[Link], kind: str) -> Iterator[str]:
    return (link.text for link in links if link.kind == kind)


def _body(posting: Posting, names: tuple[str, ...]) -> Body:
    """Return an entry's body with the lines that its page draws below the text."""
    entry = posting.entry
    items = list(bodies.items(entry.body, names))
    shown = {item.names[0] for item in items if item.kind == Kind.SEE}
    sourced = [item.names for item in items if item.kind == Kind.CROSS_POST]
    sources = {name for names in sourced for name in names}
    extra = [
        Item(Kind.SEE, f"See {link.text}", (link.text,))
        for link in entry.links.all()
        if link.kind == Link.Kind.SEE and link.text not in shown
    ]
    extra += [
        Item(Kind.CROSS_POST, bodies.cross_post_line([link.text]), (link.text,))
        for link in entry.links.all()
        if link.kind == Link.Kind.CROSS_POSTED and link.text not in sources
    ]
    if not posting.home:
        line = bodies.cross_post_line([entry.story.column])
        extra.append(Item(Kind.CROSS_POST, line, (entry.story.column,)))
    lines = [rendering.escape_markdown(item.text) for item in extra]
    source = "\n\n".join([rendering.tidy(entry.body).strip("\n"), *lines])
    return Body((*items, *extra), source, entry.headline, entry.byline)


def _without_sources(told: Told) -> Told:
    return replace(
        told,
        summary=replace(told.summary, source=""),
        updates=tuple(
            Update(update.at, replace(update.body, source=""))
            for update in told.updates
        ),
        original=replace(told.original, source=""),
    )


def _left_out(story: Story) -> Iterator[str]:
    """Yield what the form has no place for."""
    hidden = story.entries.exclude(state=Entry.State.PUBLISHED).count()
    if hidden:
        yield f"{hidden} unpublished"
    postings = story.postings.filter(removed=False, entry__state="published")
    if marked := postings.filter(pinned=True).count():
        yield f"{marked} marked as pinned"
    if marked := postings.filter(key_event=True).count():
        yield f"{marked} marked as key events"
    corrected = Entry.objects.filter(postings__in=postings).exclude(versions=None)
    if count := corrected.distinct().count():
        yield f"earlier versions of {count}"
    if story.links.filter(kind__in=["previous", "next", "see"]).exists():
        yield "links to related stories"
