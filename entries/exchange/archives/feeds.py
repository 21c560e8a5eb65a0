"""Atom and RSS feeds: a feed is a live blog, and its entries are the updates."""

import html
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import PurePath
from typing import Final
from xml.etree.ElementTree import Element, ParseError, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from entries.exchange.archives.base import (
    DELETED,
    TAG,
    UNPUBLISHED,
    UNSAFE_XML,
    ArchiveOptions,
    ArchiveStory,
    Format,
    ReadResult,
    SourceFile,
    SourceImage,
    What,
    each_file,
    guarded,
    language,
    plain,
)
from entries.exchange.archives.headlines import includes, without_headline
from entries.exchange.archives.html_to_markdown import safe_url
from entries.exchange.archives.html_tree import is_image_url
from entries.exchange.archives.texts import Texts, names
from entries.exchange.archives.times import Clock, newest_first
from entries.exchange.document import Document, DocumentEntry, ExchangeError
from entries.exchange.sniffing import markup
from entries.text import rendering

_ROOTS: Final = {"rss", "feed", "RDF"}
_KINDS: Final = ("an Atom feed", "an RSS feed")
_DOCTYPE: Final = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<!DOCTYPE\s+rss\b", re.I)
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_EARLIER: Final = ("prev", "previous", "prev-archive")
_PAGES: Final = (*_EARLIER, "next", "next-archive", "first", "last", "current")
_ENTRIES: Final = {"entry", "item"}
_PUBLISHED: Final = ("published", "issued", "pubDate", "date", "created")
_CHANGED: Final = ("updated", "modified")
_HTML_TYPES: Final = {"html", "text/html"}
_ENTITY: Final = re.compile(r"&(?!#|(?:amp|lt|gt|quot|apos);)([A-Za-z]\w{1,30});")
_BASE: Final = "{http://www.w3.org/XML/1998/namespace}base"
_NO_NAMESPACE: Final = re.compile(r"(</?)\w+:(?=\w)")
RIGHTS: Final = What("copyright notice", "copyright notices")
ENCLOSURE: Final = What("attached file", "attached files")


def _recognises(file: SourceFile) -> bool:
    return markup(file.head) in _KINDS or _DOCTYPE.match(file.head) is not None


def _stories(
    files: Sequence[SourceFile], options: ArchiveOptions
) -> Iterator[ReadResult]:
    # A long feed may be in several pages (RFC 5005).
    pages: list[_Feed] = []

    def read(file: SourceFile) -> Iterator[ReadResult]:
        pages.append(_Feed(_root(file), file.name, options))
        yield from ()

    yield from each_file(files, read)
    for group in _grouped(pages):
        feed = group[0]
        for page in group[1:]:
            feed.add(page)
        yield from guarded(feed.name, partial(feed.read, _key(group)))


def _grouped(pages: Sequence["_Feed"]) -> list[list["_Feed"]]:
    """Return the pages of each feed, in their order."""
    groups: list[list[_Feed]] = []
    for page in pages:
        same = [group for group in groups if any(map(page.belongs_to, group))]
        groups = [group for group in groups if group not in same]
        groups.append([*chain.from_iterable(same), page])
    return groups


def _key(group: Sequence["_Feed"]) -> str:
    """Return the identity of a feed, which a newer copy of it has as well.

    Several feeds of a site may have one address and one title: without an id, or a link
    to itself, a feed is known by its oldest entry.
    """
    ids = [page.id for page in group if page.id]
    first = sorted(url for page in group for url in page.linked("first"))
    start = sorted(page.self_url for page in group if not page.linked(*_EARLIER))
    if found := [*ids, *first, *filter(None, start)]:
        return found[0]
    feed = group[0]
    return f"{feed.url} {feed.headline} {feed.oldest_id()}".strip()


def _root(file: SourceFile) -> Element:
    """Parse a feed. Raises ExchangeError if it is damaged."""
    try:
        root: Element = fromstring(file.content, forbid_dtd=False)
    except DefusedXmlException as error:
        raise ExchangeError(UNSAFE_XML) from error
    except (ParseError, ValueError) as error:
        root = _repaired(file, error)
    if _local(root) not in _ROOTS:
        raise ExchangeError("This XML is no feed: its root is neither rss nor feed.")
    return root


def _repaired(file: SourceFile, error: Exception) -> Element:
    """Parse a feed with HTML's entities, which XML does not know."""
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", file.text)
    text = re.sub(r"<!DOCTYPE[^\[>]*>", "", text)
    resolved = _ENTITY.sub(lambda m: html.unescape(m[0]), text)
    clean = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f]", "", resolved)
    try:
        root: Element = fromstring(clean)
    except DefusedXmlException:
        raise ExchangeError(UNSAFE_XML) from error
    except (ParseError, ValueError):
        raise ExchangeError(
            f"The XML of this feed is damaged: {error}. Save the feed again."
        ) from error
    return root


def _local(element: Element) -> str:
    """Return the name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _namespace(element: Element) -> str:
    return str(element.tag).rpartition("}")[0]


def _all(parent: Element, *local_names: str) -> list[Element]:
    return [each for each in parent if _local(each) in local_names]


def _first(parent: Element, *local_names: str) -> Element | None:
    """Return the first child with one of some names, in the order of the names."""
    for name in local_names:
        # Elements of the feed itself before those that add to it (media:title).
        found = sorted(_all(parent, name), key=lambda e: _is_addition(e))
        if found:
            return found[0]
    return None


def _is_addition(element: Element) -> bool:
    return any(name in _namespace(element) for name in ("mrss", "itunes", "media"))


def _text(element: Element | None) -> str:
    return "" if element is None else "".join(element.itertext()).strip()


def _html(element: Element | None) -> str:
    """Return the content of an element as HTML."""
    if element is None:
        return ""
    kind = element.get("type", "").lower()
    if len(element):  # XHTML, escaped or not
        inner = "".join(tostring(each, "unicode") for each in element)
        return _NO_NAMESPACE.sub(r"\1", html.escape(element.text or "") + inner)
    text = element.text or ""
    if kind == "text" or (not kind and "<" not in text and "&" not in text):
        return "".join(
            f"<p>{html.escape(part.strip())}</p>".replace("\n", "<br>")
            for part in re.split(r"\n\s*\n", text)
        )
    return text


class _Feed:
    """One feed while it is read."""

    def __init__(self, root: Element, name: str, options: ArchiveOptions) -> None:
        channel = _first(root, "channel")
        self.channel = root if channel is None else channel
        self.root, self.name, self.options = root, name, options
        self.url = self.link(self.channel, "")
        self.texts = Texts(root.get(_BASE) or self.url)
        self.clock = Clock(options.time_zone)
        self.headline = plain(_text(_first(self.channel, "title")))
        self.id = _text(_first(self.channel, "id"))
        self.self_url = next(iter(self.linked("self")), "")
        self.entries: dict[bytes, Element] = {}  # by their XML, so each once
        self.add(self)

    def linked(self, *relations: str) -> set[str]:
        """Return the URLs of links of some relations, such as the next page."""
        links = [e for e in _all(self.channel, "link") if e.get("rel") in relations]
        found = {safe_url(each.get("href") or "", self.url) for each in links}
        return found - {""}

    def belongs_to(self, other: "_Feed") -> bool:
        """Return whether two pages are of one feed."""
        if self.id or other.id:
            if self.id == other.id:
                return True
        elif self.self_url and self.self_url == other.self_url:
            return True
        return bool(
            {other.self_url} & self.linked(*_PAGES)
            or {self.self_url} & other.linked(*_PAGES)
        )

    def oldest_id(self) -> str:
        """Return the id of the oldest entry, or what else identifies it."""
        clock = Clock(self.options.time_zone)
        dated = [
            (self.time(each, clock) or _NEVER, -number, each)
            for number, each in enumerate(self.entries.values())
        ]
        if not dated:
            return ""
        _, _, entry = min(dated, key=lambda each: each[:2])
        given = _text(_first(entry, "id", "guid")) or self.link(entry, self.url)
        return given or f"{_text(_first(entry, 'title'))} {self.time(entry, clock)}"

    def add(self, page: "_Feed") -> None:
        """Add the entries of a page of the feed."""
        found = _all(page.channel, *_ENTRIES)
        if page.channel is not page.root:
            found += _all(page.root, *_ENTRIES)  # RSS 1.0 has them beside the channel
        for entry in found:
            self.entries.setdefault(tostring(entry), entry)

    def read(self, key: str) -> Iterator[ArchiveStory]:
        """Yield the story."""
        channel, texts = self.channel, self.texts
        standfirst, summary = texts.standfirst_and_summary(
            _html(_first(channel, "subtitle", "tagline", "description"))
        )
        entries = self.entries.values()
        updates = newest_first([one for each in entries for one in self.update(each)])
        for _ in _all(channel, "deleted-entry"):
            texts.leave_out(DELETED)
        for rights in _all(channel, "rights", "copyright"):
            texts.leave_out(RIGHTS, plain(_text(rights)))
        self.leave_out_labels(channel)
        document = Document(
            headline=self.headline or PurePath(self.name).stem,
            markdown=True,
            language=self.language(),
            standfirst=standfirst,
            summary=summary,
            updates=updates,
            old_urls=(self.url,) if self.url else (),
        )
        warnings = (*self.clock.warnings, *texts.warnings)
        left_out, images = tuple(texts.left_out), tuple(texts.images)
        yield ArchiveStory(key, document, left_out, images, warnings)

    def update(self, entry: Element) -> Iterator[DocumentEntry]:
        """Yield the update of an entry."""
        texts = self.texts
        content = _first(entry, "encoded", "content")
        if content is not None and _is_addition(content):  # media:content
            content = None
        teaser = _first(entry, "summary", "description")
        source = _html(content)
        base = self.base(content, entry) if content is not None else self.base(entry)
        if not source.strip():
            source, teaser = _html(teaser), None
        start = len(texts.images)
        texts.base_url = base
        sources = [texts.source(source)]
        if not includes(sources[0], plain(_html(teaser))):
            sources.insert(0, texts.source(_html(teaser)))
        visible = "".join(sources)
        sources += self.attachments(entry, visible, start)
        sources += self.related(entry, visible)
        title = plain(_text(_first(entry, "title")))
        text, headline = without_headline("\n\n".join(filter(None, sources)), title)
        self.leave_out_labels(entry)
        if _text(_first(entry, "draft")).lower() == "yes":
            texts.leave_out(UNPUBLISHED, f"{headline} {plain(source)}".strip())
            return
        url = self.link(entry, base)
        yield from texts.updates(
            text,
            self.time(entry, self.clock),
            headline,
            byline=names(self.authors(entry)),
            old_urls=(url,) if url and url != self.url else (),
        )

    @staticmethod
    def time(entry: Element, clock: Clock) -> datetime | None:
        """Return when an entry was published, or changed if it does not say so."""
        for name in (*_PUBLISHED, *_CHANGED):
            for each in _all(entry, name):
                if at := clock.read(_text(each)):
                    return at
        return None

    def attachments(self, entry: Element, visible: str, start: int) -> Iterator[str]:
        """Yield the Markdown of enclosed files that the text does not show."""
        names_ = {image.name for image in self.texts.images[start:]}
        known = set()
        for each in entry.iter():
            name, url = _local(each), each.get("url") or each.get("href") or ""
            is_link = name == "link" and each.get("rel") == "enclosure"
            if (
                not (is_link or name in {"enclosure", "content", "thumbnail"})
                or not url
            ):
                continue
            url = safe_url(url, self.texts.base_url)
            kind = (each.get("type") or each.get("medium") or "").partition("/")[0]
            if not url or url in known or url in visible:
                continue
            known.add(url)
            title = plain(each.get("title") or "")
            if kind == "image" or name == "thumbnail" or is_image_url(url):
                image = self.image(each, url)
                if name == "thumbnail" and names_:
                    continue
                if image.name not in names_:
                    yield self.texts.image(image)
                names_.add(image.name)
            elif kind in {"audio", "video"}:
                yield "\n\n".join(filter(None, [rendering.escape_markdown(title), url]))
            else:
                self.texts.leave_out(ENCLOSURE, f"{title} {url}".strip())

    def related(self, entry: Element, visible: str) -> Iterator[str]:
        """Yield the links to other pages that the text does not have."""
        for each in _all(entry, "link"):
            url = safe_url(each.get("href") or "", self.texts.base_url)
            if each.get("rel") in {"related", "via"} and url and url not in visible:
                title = html.escape(plain(each.get("title") or "") or url)
                href = html.escape(url)
                yield self.texts.source(f'<p><a href="{href}">{title}</a></p>')

    @staticmethod
    def image(element: Element, url: str) -> SourceImage:
        """Return an enclosed picture, with what Media RSS says of it."""
        caption = plain(_text(_first(element, "description", "text")))
        caption = caption or plain(element.get("title") or "")
        credit = plain(_text(_first(element, "credit", "copyright")))
        return SourceImage(url, plain(_text(_first(element, "title"))), caption, credit)

    def authors(self, entry: Element) -> Iterator[str]:
        """Yield the names of an entry's authors, without their addresses."""
        people = _all(entry, "author", "creator", "contributor")
        if self.channel is self.root and not _all(entry, "author", "creator"):
            # Atom: that of where the entry is from, or of the feed.
            source = _first(entry, "source")
            given = [] if source is None else _all(source, "author")
            people = [*(given or _all(self.channel, "author")), *people]
        for person in people:
            name = _text(_first(person, "name")) if len(person) else _text(person)
            # RSS: "mail@example.org (Name)"
            named = re.fullmatch(r"\S+@\S+\s*\((.*)\)", name)
            yield named[1] if named else ("" if "@" in name else plain(name))

    def leave_out_labels(self, element: Element) -> None:
        """Note categories, which have no place here."""
        for each in _all(element, "category", "subject", "keywords"):
            if label := each.get("label") or each.get("term") or plain(_text(each)):
                self.texts.leave_out(TAG, label)

    def language(self) -> str:
        """Return the language of the feed, if it is one."""
        lang = self.root.get("{http://www.w3.org/XML/1998/namespace}lang", "")
        return language(lang or _text(_first(self.channel, "language")))

    def base(self, *elements: Element) -> str:
        """Return the URL to which relative ones in an element are relative."""
        bases = (element.get(_BASE) for element in elements)
        given = next(filter(None, bases), "")
        around = self.root.get(_BASE) or self.url
        entry_url = self.link(elements[-1], around) if elements else ""
        return safe_url(given, around) if given else entry_url or around

    @staticmethod
    def link(element: Element, base: str) -> str:
        """Return the URL of the page of a feed or an entry, "" if it has none."""
        for each in _all(element, "link"):
            if each.get("rel", "alternate") == "alternate":
                typed = each.get("href") or _text(each)
                if (url := safe_url(typed, base)) and "#" not in url:
                    return url
        guid = _first(element, "guid")
        if guid is not None and guid.get("isPermaLink", "true").lower() != "false":
            url = safe_url(_text(guid), base)
            return "" if "#" in url else url
        return ""


FEED: Final = Format("feed", "an Atom or RSS feed", _recognises, _stories)
