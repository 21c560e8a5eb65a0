"""Fragments: the HTML of a posting, and of the other regions of a story's page.

They depend on rows alone, never on a request, a user or the clock, so each is rendered
once for all readers.
"""

import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from django.db.models import Prefetch, Q, QuerySet
from django.template.loader import render_to_string
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from entries.models import Entry, EntryVersion, Image, Link, Posting, Story
from entries.pages import labels
from entries.text import gmt, languages, rendering
from entries.text.markdown import MediaCard
from entries.text.quotes import Quote

T = TypeVar("T")
_CROSS_POSTED = re.compile(r"\(Cross-posted from (.+)\)")
_SEE = re.compile(r"(See(?:\s+also)?\s*[:–—-]?)\s+(\S.*)", re.IGNORECASE)
_IMAGE = re.compile("<picture>.*</picture>", re.S)  # in a figure
MAX_LATEST = 6
# As the tag `gmt` renders it. Those in bodies, of quoted posts, begin with a class.
_TIME = re.compile(r'(<time datetime="([0-9-]{10}T[0-9:]{5}Z)">)[^<]*(?=</time>)')
# Placeholders for an id and a seq that are not known yet; no text can contain them.
_PK, _SEQ = (10**17 + secrets.randbelow(10**17) for _ in range(2))


def _in_page(story: Story, template: str, context: dict[str, Any]) -> SafeString:
    """Render a part of a story's page, in its language."""
    with languages.page_in(story.language):
        return _render(template, {"story": story, **context})


def _render(template: str, context: dict[str, Any]) -> SafeString:
    """Render a template, which escapes its variables, and strip whitespace."""
    return SafeString(render_to_string(template, context).strip())


def body_html(
    body: rendering.ParsedBody,
    images: Iterable[Image],
    links: Iterable[Link],
    *,
    language: str = "",
    preview: bool = False,
) -> str:
    """Render a body to clean HTML, with its figures, cards and linked lines.

    `language` is that of its story, or else the site's. Images without alt text are in
    previews only. Raises `rendering.BodyError` if the body cannot be rendered.
    """
    with languages.page_in(language):
        return _body_html(body, images, links, preview)


def _body_html(
    body: rendering.ParsedBody,
    images: Iterable[Image],
    links: Iterable[Link],
    preview: bool,
) -> str:
    shown = [image for image in images if image.visible or (preview and image.stem)]
    figures = {image.name: figure_html(image) for image in shown}
    posters = {image.name: image for image in shown}
    cards = {
        card: quote_caption(card)
        if isinstance(card, Quote)
        else card_html(card, posters.get(card.poster))
        for card in body.cards
    }
    return body.render(figures, _lines(body.source, list(links)), cards)


def figure_html(image: Image) -> SafeString:
    """Return the `<figure>` of an image, which must not be missing its files."""
    name = "_recording" if image.media_type else "_figure"
    return _render(f"entries/{name}.html", {"image": image})


def card_html(card: MediaCard, above: Image | None = None) -> SafeString:
    """Return the `<figure>` of a video or post: its link, and room for its frame.

    The image directly above its line is the poster of the frame. A recording, or a
    picture above a card without a frame, has a figure of its own.
    """
    poster = above if above and card.media.frame and not above.media_type else None
    figure = figure_html(above) if above else ""
    found = _IMAGE.search(figure) if poster else None
    image = SafeString(found[0]) if found else ""
    context = {
        "media": card.media,
        "title": rendering.without_markup(card.title),
        "author": rendering.without_markup(card.author),
        "poster": poster,
        "image": image,
    }
    html = _render("entries/_card.html", context)
    return html if poster else SafeString(figure + html)


def quote_caption(quote: Quote) -> SafeString:
    """Return the `<figcaption>` of a quoted post: who posted it, where and when."""
    named = quote._replace(
        name=rendering.without_markup(quote.name), when=_local_date(quote)
    )
    return _render("entries/_quote.html", {"quote": named})


def _local_date(quote: Quote) -> str:
    """Return when something was posted, in the language of the page."""
    if not quote.posted_at or _is_english():
        return quote.when
    at = datetime.fromisoformat(quote.posted_at)
    return gmt.format_full(at) if "T" in quote.posted_at else gmt.format_day(at.date())


def _is_english() -> bool:
    return (get_language() or "en").partition("-")[0] == "en"


def _lines(body: str, links: Sequence[Link]) -> Mapping[str, str]:
    """Return the HTML of the lines of a body that name a link, by their source."""
    see = {link.text: link for link in links if link.kind == Link.Kind.SEE}
    sources = {link.text: link for link in links if link.kind == Link.Kind.CROSS_POSTED}
    found: dict[str, str] = {}
    for line in (line.strip() for line in body.splitlines()):
        text = rendering.unescape_markdown(line)
        if (match := _SEE.fullmatch(text)) and (link := see.get(_title(match))):
            found[line] = see_line_html(link, match[1])
        elif sources and (match := _CROSS_POSTED.fullmatch(text)):
            found[line] = _provenance(match[1], sources)
    return found


def see_titles(body: str) -> list[str]:
    """Return the titles in the `See …` lines of a Markdown text, in order."""
    lines = (rendering.unescape_markdown(line.strip()) for line in body.splitlines())
    return [_title(match) for line in lines if (match := _SEE.fullmatch(line))]


def _title(match: re.Match[str]) -> str:
    """Return the title of a “See” line as the title of its link is saved."""
    return rendering.one_line(match[2])


def _provenance(names: str, sources: Mapping[str, Link]) -> str:
    pattern = "|".join(sorted(map(re.escape, sources), key=len, reverse=True))
    parts = re.split(f"({pattern})", names)
    linked = [
        link_html(sources[part]) if part in sources else escape(part) for part in parts
    ]
    # Each part is escaped above.
    return labels.cross_posted_from(mark_safe("".join(linked)))  # noqa: S308


def see_line_html(link: Link, typed: str = "See") -> SafeString:
    """Return the line `See …` (or `See also …`), linked if its target is public.

    What was `typed` before the title is English in every story; readers get it in the
    language of the page.
    """
    words = " ".join(typed.split())
    if not _is_english():
        also = "also" in words.lower()
        mark = words[-1] if words[-1] in ":–—-" else ""
        words = (_("See also") if also else _("See")) + mark
    own = labels.own_attributes()
    start = format_html("<span{}>{}</span>", own, words) if own else words
    return format_html('<p class="see">{} {}</p>', start, link_html(link))


def link_html(link: Link) -> SafeString:
    """Return `<a>` for a link, or its plain text while it has no public target."""
    if not (url := link.url):
        return SafeString(escape(link.text))
    rel = mark_safe(' rel="nofollow noopener"') if link.target_url else ""
    story = None if link.title else link.target_story
    lang = labels.text_attributes(story.language) if story else ""
    return format_html('<a href="{}"{}{}>{}</a>', url, rel, lang, link.text)


def entry_html(posting: Posting) -> SafeString:
    """Return the `<article>` of a posting: its entry as one story shows it."""
    entry = posting.entry
    links = _read(entry, "links", entry.links.visible().with_targets)
    corrections = (
        _read(entry, "versions", entry.versions.public_corrections)
        if entry.version > 1
        else []
    )
    return _article(posting, links, corrections, _also_in(posting))


def prefetch_for_rendering(postings: QuerySet[Posting]) -> QuerySet[Posting]:
    """Prefetch what `entry_html` needs, for postings that are rendered in bulk."""
    links = Link.objects.visible().with_targets()
    corrections = EntryVersion.objects.public_corrections()
    postings_of_each = _visible_postings(Posting.objects.all())
    return postings.select_related("entry__credited").prefetch_related(
        Prefetch("entry__links", links, "read_links"),
        Prefetch("entry__versions", corrections, "read_versions"),
        Prefetch("entry__postings", postings_of_each, "read_postings"),
    )


@contextmanager
def without_links(entry: Entry) -> Iterator[None]:
    """Skip the query for an entry's links inside this block: it is new and has none."""
    entry.read_links = []  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del entry.read_links  # type: ignore[attr-defined]


def _read(entry: Entry, name: str, query: Callable[[], Iterable[T]]) -> list[T]:
    """Return what `prefetch_for_rendering` prefetched for an entry, or query it."""
    prefetched: list[T] | None = getattr(entry, f"read_{name}", None)
    return list(query()) if prefetched is None else prefetched


def provisional_html(
    posting: Posting, links: Sequence[Link], corrections: Sequence[EntryVersion]
) -> str:
    """Render an entry before its row exists, with placeholders for its id and seq.

    `with_final_ids` replaces them.
    """
    entry = posting.entry
    entry.pk = _PK
    posting.seq = posting.first_seq = _SEQ
    html = _article(posting, links, corrections, [])
    entry.pk = posting.seq = posting.first_seq = None
    return html


def with_final_ids(posting: Posting) -> str:
    """Replace the placeholders in a posting's provisional HTML by its id and seq."""
    html = posting.html.replace(str(_PK), str(posting.entry_id))
    return html.replace(str(_SEQ), str(posting.seq))


def _article(
    posting: Posting,
    links: Sequence[Link],
    corrections: Sequence[EntryVersion],
    also_in: Sequence[tuple[Story, str]],
) -> SafeString:
    entry = posting.entry
    with languages.page_in(entry.story.language):  # as the text was rendered
        lines = _lines(entry.body, links).values()
        shown = [html for html in lines if html in entry.html]
        placed = [id(one) for one in links if _is_in(one, shown)]
    with languages.page_in(posting.story.language):
        return _in_timeline(posting, links, placed, corrections, also_in)


def _in_timeline(
    posting: Posting,
    links: Sequence[Link],
    placed: Sequence[int],
    corrections: Sequence[EntryVersion],
    also_in: Sequence[tuple[Story, str]],
) -> SafeString:
    """Render a posting for its page; the links `placed`, by `id`, are in its text."""
    entry = posting.entry
    return _render(
        "entries/_entry.html",
        {
            "posting": posting,
            "entry": entry,
            "story": posting.story,
            "see": [
                link
                for link in links
                if link.kind == Link.Kind.SEE and id(link) not in placed
            ],
            "sources": [
                link
                for link in links
                if link.kind == Link.Kind.CROSS_POSTED and id(link) not in placed
            ],
            "corrections": corrections,
            "source": None if posting.home else _source(entry.story, posting.story),
            "lang": _lang(entry.story, posting.story),
            "also_in": also_in,
        },
    )


def _is_in(link: Link, lines: Iterable[str]) -> bool:
    """Return whether a link is part of one of the rendered lines of its text."""
    ends = link.kind == Link.Kind.SEE
    html = f" {link_html(link)}</p>" if ends else str(link_html(link))
    return any(html in line for line in lines)


def _source(home: Story, page: Story) -> str:
    """Return where a cross-posted text is from, as a link if readers see that story."""
    if home.public:
        return labels.story_link(home, home.name_in(page))
    return home.series.name if home.series else ""


def _lang(story: Story, page: Story) -> SafeString:
    """Return a `lang` attribute if a text's language differs from the page's."""
    if story.language == page.language:
        return SafeString("")
    return labels.text_attributes(story.language)


def _also_in(posting: Posting) -> list[tuple[Story, str]]:
    """Return the other stories that show an entry, each with its name in this one."""
    if not posting.home or posting.pk is None:
        return []
    entry = posting.entry
    others = _read(entry, "postings", lambda: _visible_postings(entry.postings.all()))
    return [
        (other.story, other.story.name_in(posting.story))
        for other in others
        if other.pk != posting.pk
    ]


def _visible_postings(postings: QuerySet[Posting]) -> QuerySet[Posting]:
    # Not `visible()`: an entry's postings are rendered one by one, before that column
    # of the others is saved.
    visible = postings.filter(removed=False, story__state__in=Story.BEGUN)
    return visible.select_related("story__series").order_by("story_id")


def shows_full_dates(story: Story, last_at: datetime | None) -> bool:
    """Return whether a story's page shows the day and the year of every time.

    The page of a running story does not if its newest update, at `last_at`, is from the
    year of its first day. `live.js` decides the same for open pages,
    since the stored fragments do not depend on it.
    """
    began = story.first_day
    if story.dated or last_at is None or began is None:
        return True
    return last_at.astimezone(UTC).year != began.year


def with_full_dates(html: str, language: str) -> str:
    """Return the HTML of a page in a language, with day and year of every time."""
    with languages.page_in(language):
        code = get_language() or ""
        return _TIME.sub(lambda time: f"{time[1]}{_full_date(code, time[2])}", html)


@lru_cache(maxsize=8192)  # a long page has thousands of times
def _full_date(language: str, iso: str) -> str:
    """Return a time in the active language, which is `language`."""
    return gmt.format_full(datetime.fromisoformat(iso))


def head_html(story: Story) -> SafeString:
    """Return `#story-head`: headline, standfirst, state, lead image and summary."""
    led = story.continues.filter(state=Story.State.CLOSED).select_related("series")
    context = {"follows": led.newest()}
    return _in_page(story, "entries/_head.html", context)


def summary_html(source: str, language: str) -> SafeString:
    """Render the summary of a story in a language, which is Markdown."""
    body = rendering.ParsedBody(source)
    with languages.page_in(language):
        return body.render()


def status_label(story: Story) -> str:
    """Return the label of a story's state for readers, or "" if it is simply live.

    With date and year, since it has to stay true on any day. It is in the language that
    is active, on pages of the site too.
    """
    if story.announced and story.begins_at:
        time = gmt.format_full(story.begins_at)
        return _("Coverage begins %(time)s") % {"time": time}
    if story.quiet and story.quiet_since:
        time = gmt.format_full(story.quiet_since)
        return _("No updates since %(time)s") % {"time": time}
    if story.state == Story.State.CLOSED and story.closed_at:
        return _("Ended %(time)s") % {"time": gmt.format_full(story.closed_at)}
    return ""


class KeyEvent(NamedTuple):
    """A key event as the list of a story shows it."""

    at: datetime
    entry_id: int
    title: str

    @property
    def number(self) -> str:
        """Return the entry's id as text, which templates need not localize."""
        return str(self.entry_id)


def key_events(story: Story) -> list[KeyEvent]:
    """Return the key events of a whole story, newest first."""
    events = story.postings.visible().filter(key_event=True).updates()
    return [
        KeyEvent(entry.at, entry.pk, entry.first_words)
        for entry in (posting.entry for posting in events.select_related("entry"))
        if entry.at
    ]


def key_events_html(story: Story, events: Iterable[KeyEvent]) -> SafeString:
    """Return `#key-events`, the list of links to a story's key events."""
    return _in_page(story, "entries/_key_events.html", {"events": list(events)})


def last_update_html(story: Story, at: datetime | None) -> SafeString:
    """Return `#last-update`: the time `at` of the newest update, if there is any."""
    return _in_page(story, "entries/_last_update.html", {"at": at})


def rail_html(story: Story, seq: int) -> SafeString:
    """Return `#rail`: features, latest and related stories for a story's page.

    `seq` is the site's, read before the rows that the rail shows.
    """
    # The links of an announced story are as private as those of a draft.
    own_links = Q(story=story) if story.begun else Q(pk=None)
    links = list(
        Link.objects.visible()
        .with_targets()
        .filter(own_links | Q(story=None, entry=None, kind=Link.Kind.FEATURE))
    )
    own = [link for link in links if link.story_id]
    pinned = [link for link in own if link.kind == Link.Kind.LATEST]
    listed = [link.target_story_id for link in pinned if link.target_story_id]
    latest = (
        Story.objects.begun()
        .topical()
        .newest()
        .exclude(pk__in=[story.pk, *listed])
        .select_related("series")[: max(0, MAX_LATEST - len(pinned))]
    )
    context = {
        "seq": seq,
        "features": [link for link in own if link.kind == Link.Kind.FEATURE]
        or [link for link in links if not link.story_id],
        "pinned": pinned,
        "latest": latest,
        "related": [link for link in own if link.kind in Link.RELATED_KINDS],
    }
    return _in_page(story, "entries/_rail.html", context)


def withdrawn_html(story: Story) -> SafeString:
    """Return what replaces the content of an open page once its story is withdrawn."""
    return _in_page(story, "entries/_withdrawn.html", {})


def render_entry_body(entry: Entry) -> str:
    """Render the body of a saved entry, with its images and links from the database."""
    body = rendering.ParsedBody(entry.body)
    images = Image.objects.named(body.image_names)
    links = entry.links.visible().with_targets()
    return body_html(body, images, links, language=entry.story.language)
