"""schema.org LiveBlogPosting: as JSON-LD in a saved page, or alone in a file."""

import html
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from bs4 import BeautifulSoup

from entries.exchange.archives.base import (
    CATEGORY,
    TAG,
    ArchiveOptions,
    ArchiveStory,
    Format,
    ReadResult,
    SourceFile,
    SourceImage,
    What,
    each_file,
    guarded,
    json_digest,
    language,
    plain,
)
from entries.exchange.archives.headlines import includes, without_headline
from entries.exchange.archives.html_to_markdown import safe_url
from entries.exchange.archives.texts import Texts, last_time, names
from entries.exchange.archives.times import Clock, newest_first
from entries.exchange.document import (
    NO_ENTRY,
    Document,
    DocumentEntry,
    ExchangeError,
)
from entries.models import Story

_Data = dict[str, Any]
_TYPE: Final = b"LiveBlogPosting"
_MAX_DEPTH: Final = 30  # of objects inside each other
_TAG: Final = re.compile(r"</?[a-z][a-z0-9-]*(?:\s[^<>]*)?/?>", re.I)
_WRAPPING: Final = re.compile(
    r"^\s*(?:/\*|//)?\s*(?:<!--|<!\[CDATA\[)|(?://|/\*)?\s*(?:-->|\]\]>)[\s*/]*$"
)
_PREFIX: Final = re.compile(r"^(?:https?://schema\.org/|schema:)", re.I)
_LIST_NAMES: Final = ("itemListElement", "@list", "@set")
DESCRIPTION: Final = What("description of an update", "descriptions of updates")
AUTHOR: Final = What("author of the whole story", "authors of the whole story")


def _recognises(file: SourceFile) -> bool:
    try:
        return _TYPE in file.head or (
            file.head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"<", b"{", b"[")
            and _TYPE in file.content
        )
    except ExchangeError:
        return False


@dataclass
class _Posting:
    """A LiveBlogPosting, and all objects of its pages by their ids."""

    data: _Data
    nodes: dict[str, _Data]
    name: str  # of its first file
    identified: bool  # by an id or a URL

    def add(self, data: _Data, nodes: dict[str, _Data]) -> None:
        """Add what another page, or another script of the page, says of it."""
        updates = [
            *_listed(self.data.get("liveBlogUpdate")),
            *_listed(data.get("liveBlogUpdate")),
        ]
        self.data = data | self.data | {"liveBlogUpdate": updates}
        self.nodes = nodes | self.nodes


def _stories(
    files: Sequence[SourceFile], options: ArchiveOptions
) -> Iterator[ReadResult]:
    # A long live blog may be in several pages.
    postings: dict[str, _Posting] = {}
    yield from each_file(files, partial(_collect, postings))
    for key, posting in postings.items():
        known = key if posting.identified else json_digest(posting.data)
        yield from guarded(posting.name, _Story(known, posting, options).read)


def _collect(postings: dict[str, _Posting], file: SourceFile) -> Iterator[ReadResult]:
    """Add the live blogs of a file. Raises ExchangeError if none can be read."""
    nodes: dict[str, _Data] = {}
    found, errors = False, []
    for text in _documents(file):
        try:
            value = _parsed(text)
        except (ValueError, RecursionError) as error:
            errors.append(str(error))
            continue
        for each in _objects(value):
            if (node := str(each.get("@id") or "")) and len(each) > 1:
                nodes[node] = nodes.get(node, {}) | each
            if "LiveBlogPosting" not in _types(each):
                continue
            found, given = True, _identity(each)
            headline = each.get("headline") or each.get("name") or ""
            key = given or f"{file.name} {headline}"
            if key in postings:
                postings[key].add(each, nodes)
            else:
                postings[key] = _Posting(each, nodes, file.name, bool(given))
    if errors and not found:
        raise ExchangeError(
            f"The JSON-LD of this page is damaged ({errors[0]}). Save the page again."
        )
    if not found:
        raise ExchangeError(
            "This file mentions a LiveBlogPosting, but has none in JSON-LD. Save the "
            "page’s source, not what the browser made of it."
        )
    yield from ()


def _identity(data: _Data) -> str:
    """Return the id or the URL of a live blog, if it is absolute."""
    given = (data.get("@id"), _url(data.get("url")), _url(data.get("mainEntityOfPage")))
    return next((str(each) for each in given if "://" in str(each or "")), "")


def _documents(file: SourceFile) -> list[str]:
    """Return the JSON-LD documents of a file: a page's scripts, or the file itself."""
    text = file.text
    if not text.lstrip("\ufeff \t\r\n").startswith("<"):
        return [text]
    soup = BeautifulSoup(text, "html.parser")
    scripts = soup.find_all(
        "script", type=re.compile(r"^\s*application/ld\+json", re.I)
    )
    return [script.get_text() for script in scripts if script.get_text().strip()]


def _parsed(text: str) -> Any:
    """Parse JSON-LD as pages have it. Raises ValueError."""
    bare = _WRAPPING.sub("", text).strip().rstrip(";")
    try:
        return _plain_names(json.loads(bare, strict=False))
    except ValueError:
        if "&quot;" not in bare:
            raise
        return _plain_names(json.loads(html.unescape(bare), strict=False))


def _plain_names(value: Any) -> Any:
    """Return JSON-LD with plain names, and plain values instead of objects."""
    if isinstance(value, list):
        return [_plain_names(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "@value" in value:
        return value["@value"]
    for name in _LIST_NAMES:
        if name in value and not value.keys() - {name, "@type", "numberOfItems"}:
            return _plain_names(value[name])
    return {_PREFIX.sub("", name): _plain_names(each) for name, each in value.items()}


def _objects(value: Any, depth: int = 0) -> Iterator[_Data]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        for each in value:
            yield from _objects(each, depth + 1)
    elif isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _objects(each, depth + 1)


def _types(data: _Data) -> list[str]:
    return [_PREFIX.sub("", str(each)) for each in _listed(data.get("@type"))]


def _listed(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def _url(value: Any) -> str:
    """Return a URL, or that of an object or the first of a list."""
    for each in _listed(value):
        url = each
        if isinstance(each, dict):
            url = each.get("contentUrl") or each.get("url") or each.get("@id") or ""
        if isinstance(url, str) and url.strip():
            return url.strip()
    return ""


class _Story:
    """One LiveBlogPosting while it is read."""

    def __init__(self, key: str, posting: _Posting, options: ArchiveOptions) -> None:
        self.key, self.options = key, options
        self.data, self.nodes = posting.data, posting.nodes
        self.url = self.old_url(self.data)
        self.texts = Texts(self.url)
        self.clock = Clock(options.time_zone)

    def read(self) -> Iterator[ArchiveStory]:
        """Yield the story."""
        data, texts = self.data, self.texts
        headline = self.words(data, "headline", "name")
        standfirst, summary = texts.standfirst_and_summary(
            _html(self.text(data, "description", "alternativeHeadline", "abstract"))
        )
        updates = newest_first(
            [one for each in self.update_data() for one in self.update(each)]
        )
        ends = self.clock.read(data.get("coverageEndTime"))
        ended = ends is not None and ends <= self.options.now
        images = list(self.images(data))
        texts.images.extend(images)
        self.leave_out_labels(data)
        if authors := names(self.people(data.get("author"))):
            texts.leave_out(AUTHOR, authors)
        document = Document(
            headline=headline or "Live blog",
            markdown=True,
            language=self.language(),
            standfirst=standfirst,
            summary=summary,
            updates=updates,
            original=self.original(updates),
            lead_image=images[0].name if images else None,
            live_at=self.clock.read(data.get("coverageStartTime")),
            state=Story.State.CLOSED if ended else "",
            closed_at=max(filter(None, (ends, last_time(updates)))) if ended else None,
            old_urls=(self.url,) if self.url else (),
        )
        yield ArchiveStory(
            self.key,
            document,
            tuple(texts.left_out),
            tuple(texts.images),
            (*self.clock.warnings, *texts.warnings),
        )

    def update_data(self) -> Iterator[_Data]:
        """Yield the updates as the page has them, each once."""
        known = set()
        for each in _listed(self.data.get("liveBlogUpdate")):
            data = self.resolved(each)
            content = json.dumps(data, sort_keys=True, default=str)
            if content not in known:
                yield data
            known.add(content)

    def update(self, data: _Data) -> Iterator[DocumentEntry]:
        """Yield an update."""
        texts = self.texts
        start = len(texts.images)
        description = self.text(data, "description")
        sources = [texts.source(_html(self.text(data, "articleBody", "text")))]
        if not sources[0]:
            sources = [texts.source(_html(description))]
        elif not includes(sources[0], plain(description)):
            texts.leave_out(DESCRIPTION, plain(description))
        visible = {image.name for image in texts.images[start:]}
        sources += [
            texts.image(image)
            for image in self.images(data)
            if image.name not in visible
        ]
        sources += self.media(data, "".join(sources))
        source, headline = without_headline(
            "\n\n".join(filter(None, sources)), self.words(data, "headline", "name")
        )
        self.leave_out_labels(data)
        published = next(filter(None, map(self.clock.read, self.times(data))), None)
        url = self.old_url(data)
        yield from texts.updates(
            source,
            published,
            headline,
            byline=names(self.people(data.get("author"))),
            old_urls=(url,) if url and url != self.url else (),
        )

    @staticmethod
    def times(data: _Data) -> Iterator[Any]:
        """Yield the times of an update, that of its publication first."""
        for name in ("datePublished", "dateCreated", "uploadDate", "dateModified"):
            yield from _listed(data.get(name))

    def media(self, data: _Data, visible: str) -> Iterator[str]:
        """Yield the addresses of videos and posts that the text does not show."""
        for name in ("video", "audio", "sharedContent", "associatedMedia"):
            for each in _listed(data.get(name)):
                media = self.resolved(each)
                if "ImageObject" in _types(media):
                    continue
                given = (media.get(x) for x in ("url", "embedUrl", "contentUrl", "@id"))
                url = next((u for u in map(_url, given) if safe_url(u, self.url)), "")
                url = safe_url(url, self.url) if url else ""
                if url in visible:
                    continue
                title = self.words(media, "name", "headline", "caption")
                words, link = html.escape(title or url), html.escape(url)
                yield self.texts.source(
                    f'<p><a href="{link}">{words}</a></p>' if url else f"<p>{words}</p>"
                )

    def images(self, data: _Data) -> Iterator[SourceImage]:
        """Yield the pictures of a story or an update; of several sizes, the first."""
        known = set()
        for each in _listed(data.get("image")):
            image = self.resolved(each) if isinstance(each, dict) else {"url": each}
            url = safe_url(_url(image), self.url)
            if not url or url in known:
                continue
            known.add(url)
            credit = self.words(image, "creditText", "copyrightNotice") or names(
                self.people(image.get("author") or image.get("creator"))
            )
            yield SourceImage(
                url,
                self.words(image, "accessibilitySummary", "alternateName", "name"),
                self.words(image, "caption", "description"),
                credit,
            )
            if not isinstance(each, dict):
                break  # a list of URLs has one picture in several sizes

    def original(self, updates: Iterable[DocumentEntry]) -> DocumentEntry:
        """Return the text of the story, without what its updates say as well."""
        source = self.texts.source(_html(self.text(self.data, "articleBody")))
        known = "\n".join(f"{update.headline}\n{update.source}" for update in updates)
        own = [part for part in source.split("\n\n") if not includes(known, part)]
        return self.texts.original("\n\n".join(own)) if own else NO_ENTRY

    def leave_out_labels(self, data: _Data) -> None:
        """Note the keywords and the section, which have no place here."""
        for name, what in (("keywords", TAG), ("articleSection", CATEGORY)):
            for each in _listed(data.get(name)):
                typed = (
                    self.words(each, "name") if isinstance(each, dict) else str(each)
                )
                for label in filter(None, map(plain, typed.split(","))):
                    self.texts.leave_out(what, label)

    def language(self) -> str:
        """Return the language of the story, if it is one."""
        given = self.data.get("inLanguage")
        tag = (
            self.words(given, "alternateName", "name")
            if isinstance(given, dict)
            else given
        )
        return language(tag)

    def resolved(self, value: Any) -> _Data:
        """Return an object, which may be a reference to one elsewhere in the page."""
        if not isinstance(value, dict):
            return {"name": str(value)}
        return self.nodes.get(str(value.get("@id")), {}) | value

    def people(self, value: Any) -> Iterator[str]:
        """Yield the names of people and organisations."""
        for each in _listed(value):
            data = self.resolved(each)
            typed = self.words(data, "name") or self.words(data, "@id")
            yield typed if not typed.startswith(("http://", "https://", "#")) else ""

    def old_url(self, data: _Data) -> str:
        """Return the old URL of a story or an update, "" for a place in another."""
        for name in ("url", "mainEntityOfPage", "@id"):
            url = safe_url(_url(data.get(name)), "")
            if url and "#" not in url:
                return url
        return ""

    def words(self, data: _Data, *names_: str) -> str:
        """Return the first of some fields that has words, on one line."""
        return plain(self.text(data, *names_))

    @staticmethod
    def text(data: _Data, *names_: str) -> str:
        """Return the first of some fields that has words."""
        for name in names_:
            values = [each for each in _listed(data.get(name)) if isinstance(each, str)]
            if text := "\n\n".join(filter(str.strip, values)):
                return text
        return ""


def _html(text: str) -> str:
    """Return a text that may be HTML, or plain text with line breaks, as HTML."""
    for markup in (text, html.unescape(text)):
        if _TAG.search(markup):
            return markup
    return "".join(
        f"<p>{html.escape(html.unescape(part.strip()))}</p>".replace("\n", "<br>")
        for part in re.split(r"\n\s*\n", text)
    )


SCHEMA_ORG: Final = Format(
    "schema.org", "schema.org LiveBlogPosting (JSON-LD)", _recognises, _stories
)
