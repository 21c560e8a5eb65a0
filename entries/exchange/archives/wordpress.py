"""WordPress exports (WXR), with the live blogs of two plugins.

In Automattic's Liveblog, a live blog is a post with the meta value `liveblog`, and its
updates are comments. A comment that replaces another is a later version of it, or its
deletion if it is empty. In Easy Liveblogs, updates are posts of the type `elb_entry`.

A file is read twice, item by item: once for what is needed to read a story (authors,
attachments and the updates of Easy Liveblogs, which may be anywhere), and once for the
stories. Exports may consist of several files.
"""

import codecs
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property, lru_cache, partial
from itertools import pairwise
from typing import Any, BinaryIO, Final
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml import ElementTree as SafeElementTree

from entries.exchange.archives import wordpress_markup
from entries.exchange.archives.base import (
    CATEGORY,
    DELETED,
    POST,
    READER_COMMENT,
    TAG,
    UNPUBLISHED,
    UNSAFE_XML,
    ArchiveOptions,
    ArchiveStory,
    Format,
    LeftOut,
    OtherContent,
    ReadResult,
    SourceFile,
    SourceImage,
    What,
    canonical_image_url,
    guarded,
    language,
    plain,
    to_minute,
)
from entries.exchange.archives.texts import Texts, last_time, names
from entries.exchange.document import Document, DocumentEntry, ExchangeError
from entries.models import Entry, Story
from entries.models.fields import max_length
from entries.pages.story_data import VersionData
from entries.text import limits, rendering

_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_EXPORT: Final = re.compile(rb"wordpress\.org/export/|<wp:wxr_version>", re.I)
_NO_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_PHP_STRING: Final = re.compile(r's:\d+:"([^"]*)"|i:\d+;i:(\d+);')
_LIVEBLOG: Final = "liveblog"  # comment type, comment status and meta key
_UPDATE_TYPE: Final = "elb_entry"
_ATTACHMENT: Final = "attachment"
_NO_CATEGORY: Final = "uncategorized"
_PINGS: Final = frozenset({"pingback", "trackback"})
_PUBLIC: Final = frozenset({"publish", "inherit"})
_THROWN_AWAY: Final = frozenset({"trash", "auto-draft"})
_FALSE: Final = frozenset({"", "0", "false", "no", "off", "disable", "disabled"})
PINGBACK: Final = What("pingback", "pingbacks")
ATTACHMENT: Final = What("attachment of another post", "attachments of other posts")
TRASHED: Final = What("live blog in the trash", "live blogs in the trash")
UNUSED: Final = What("attachment without a place", "attachments without a place")
OTHER: Final = What("other item of the site", "other items of the site")
_TYPES_APART: Final = frozenset(
    {_ATTACHMENT, _UPDATE_TYPE, "revision", "nav_menu_item"}
)


# --- Items as they are in the file


@dataclass(frozen=True)
class _Comment:
    pk: str
    kind: str
    status: str
    author: str
    content: str
    at: datetime | None
    meta: dict[str, str]

    @property
    def order(self) -> tuple[datetime, int]:
        number = int(self.pk) if self.pk.isdigit() else 0
        return (self.at or _NEVER, number)

    @property
    def replaces(self) -> str:
        value = self.meta.get("liveblog_replaces", "")
        return "" if value == "0" else value


@dataclass(frozen=True)
class _Item:
    pk: str
    kind: str
    status: str
    title: str
    link: str
    guid: str
    slug: str
    author: str  # the login
    content: str
    excerpt: str
    at: datetime | None
    meta: dict[str, str]
    old_slugs: tuple[str, ...] = ()
    terms: tuple[tuple[str, str], ...] = ()  # domain and name
    comments: tuple[_Comment, ...] = ()
    url: str = ""  # of an attachment's file
    parent: str = ""
    password: bool = False
    modified: datetime | None = None

    @property
    def thrown_away(self) -> bool:
        return self.status in _THROWN_AWAY

    @property
    def public(self) -> bool:
        return self.status in _PUBLIC and not self.password

    @property
    def version(self) -> tuple[datetime, int]:
        """Order the versions of an item in exports that overlap."""
        return self.modified or _NEVER, len(self.comments)

    @property
    def live_blog(self) -> bool:
        # The plugin removes its meta value from a post that is no live blog any more.
        own = self.meta.get(_LIVEBLOG, "").lower() not in _FALSE
        easy = self.meta.get("_elb_is_liveblog", "").lower() not in _FALSE
        updates = any(each.kind == _LIVEBLOG for each in self.comments)
        return self.kind not in _TYPES_APART and (own or easy or updates)

    @property
    def ended(self) -> bool:
        closed = self.meta.get("_elb_status", "").lower() in (
            "closed",
            "ended",
            "archived",
        )
        return closed or self.meta.get(_LIVEBLOG) == "archive"


def _local(tag: str) -> str:
    """Return the name of an element as in the file: `wp:post_id` or `title`."""
    space, _, name = tag.rpartition("}")
    if "wordpress.org/export" in space:
        return f"excerpt:{name}" if "excerpt" in space else f"wp:{name}"
    return f"content:{name}" if "content" in space else name


def _fields(element: Element) -> dict[str, str]:
    """Return the texts of the children, the first of each name."""
    found: dict[str, str] = {}
    for child in element:
        found.setdefault(_local(child.tag), child.text or "")
    return found


def _children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if _local(child.tag) == name)


def _pairs(element: Element, name: str) -> Iterator[tuple[str, str]]:
    for child in _children(element, name):
        values = _fields(child)
        yield values.get("wp:meta_key", ""), values.get("wp:meta_value", "")


def _item(element: Element) -> _Item:
    values = _fields(element)

    def get(name: str) -> str:
        return values.get(name, "").strip()

    meta = list(_pairs(element, "wp:postmeta"))
    at, local = _time(get("wp:post_date_gmt")), _time(get("wp:post_date"))
    offset = at - local if at and local else None
    return _Item(
        pk=get("wp:post_id"),
        kind=get("wp:post_type"),
        status=get("wp:status"),
        title=get("title"),
        link=get("link"),
        guid=get("guid"),
        slug=get("wp:post_name"),
        author=get("creator"),
        content=values.get("content:encoded", ""),
        excerpt=values.get("excerpt:encoded", ""),
        at=at or _mail_time(get("pubDate")),
        meta=dict(meta),
        old_slugs=tuple(value for key, value in meta if key == "_wp_old_slug"),
        terms=tuple(
            (str(child.get("domain", "")), child.text or "")
            for child in _children(element, "category")
        ),
        comments=tuple(
            _comment(child, offset) for child in _children(element, "wp:comment")
        ),
        url=get("wp:attachment_url"),
        parent=get("wp:post_parent"),
        password=bool(get("wp:post_password")),
        modified=_time(get("wp:post_modified_gmt")),
    )


def _comment(element: Element, offset: timedelta | None) -> _Comment:
    """Return a comment; without a time in GMT, its local time counts with an offset."""
    values = _fields(element)
    at = _time(values.get("wp:comment_date_gmt", "").strip())
    local = _time(values.get("wp:comment_date", "").strip())
    if at is None and local and offset is not None:
        at = local + offset
    return _Comment(
        pk=values.get("wp:comment_id", "").strip(),
        kind=values.get("wp:comment_type", "").strip(),
        status=values.get("wp:comment_approved", "").strip(),
        author=values.get("wp:comment_author", "").strip(),
        content=values.get("wp:comment_content", ""),
        at=at,
        meta=dict(_pairs(element, "wp:commentmeta")),
    )


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:  # also “0000-00-00 00:00:00”, of drafts
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _mail_time(text: str) -> datetime | None:
    if "-0001" in text:  # of drafts; it would be read as the year 2000
        return None
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.year < 1900:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


# --- Files


class _Clean(io.RawIOBase):
    """A file in UTF-8 without characters that XML does not allow.

    WordPress writes whatever its database holds.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.reader = codecs.getreader("utf-8-sig")(file, "replace")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        text = self.reader.read(size)
        return _NO_XML.sub("", text).encode() if text else b""


def _elements(file: SourceFile) -> Iterator[Element]:
    """Yield the elements of a file's channel, one after the other.

    Raises ExchangeError if the file is no XML, from the place on where it breaks off.
    """
    with file.open() as source:
        utf8 = b"\0" not in file.head[:200]
        stream = _Clean(source) if utf8 else source
        path: list[Element] = []
        try:
            events = SafeElementTree.iterparse(stream, events=("start", "end"))
            for event, element in events:
                if event == "start":
                    path.append(element)
                    continue
                path.pop()
                if len(path) == 2:  # rss and channel
                    yield element
                    path[-1].clear()
        except ParseError as error:
            raise ExchangeError(
                f"The XML is damaged or breaks off ({error}): export it again. The "
                "stories before that place are read."
            ) from error
        except DefusedXmlException as error:
            raise ExchangeError(UNSAFE_XML) from error


@dataclass
class _Site:
    """What stories refer to, of all files of an export."""

    host: str = ""
    url: str = ""
    language: str = ""
    authors: dict[str, str] = field(default_factory=dict)  # by login, and by id
    attachments: dict[str, _Item] = field(default_factory=dict)  # by id
    by_url: dict[str, _Item] = field(default_factory=dict)
    updates: dict[str, _Item] = field(default_factory=dict)  # by id
    stories: dict[str, tuple[datetime, int]] = field(default_factory=dict)

    def read(self, file: SourceFile) -> None:
        for element in _elements(file):
            name = _local(element.tag)
            if name == "item":
                self.add(element)
            elif name == "wp:author":
                values = _fields(element)
                login = values.get("wp:author_login", "")
                label = values.get("wp:author_display_name", "").strip() or login
                self.authors[login] = self.authors[values.get("wp:author_id", "")] = (
                    label
                )
            elif name == "wp:base_blog_url" or (name == "link" and not self.url):
                self.url = (element.text or "").strip().rstrip("/")
                self.host = (urlsplit(self.url).hostname or "").removeprefix("www.")
            elif name == "language":
                self.language = language(element.text)

    def add(self, element: Element) -> None:
        """Add an item; of two versions of one, the newer counts, else the later."""
        item = _item(element)
        if item.kind in (_UPDATE_TYPE, _ATTACHMENT):
            known = self.updates if item.kind == _UPDATE_TYPE else self.attachments
            key = item.pk or item.guid or item.link
            if key not in known or item.version >= known[key].version:
                known[key] = item
                if item.url:
                    self.by_url[canonical_image_url(item.url)] = item
        elif item.live_blog and not item.thrown_away:
            newest = self.stories.get(item.pk, item.version)
            self.stories[item.pk] = max(newest, item.version)

    @cached_property
    def updates_of(self) -> dict[str, list[_Item]]:
        """The updates of Easy Liveblogs, by the ids of their stories."""
        found: dict[str, list[_Item]] = defaultdict(list)
        for item in self.updates.values():
            found[item.meta.get("_elb_liveblog", "")].append(item)
        return found

    @cached_property
    def attachments_of(self) -> dict[str, list[_Item]]:
        """The attachments, by the ids of the posts that they were uploaded to."""
        found: dict[str, list[_Item]] = defaultdict(list)
        for item in self.attachments.values():
            found[item.parent].append(item)
        return found

    def image(self, attachment: str) -> SourceImage | None:
        """Return an attachment as a picture, with its own caption."""
        item = self.attachments.get(attachment)
        if item is None or not item.url:
            return None
        caption = rendering.one_line(item.excerpt)
        return SourceImage(
            item.url, item.meta.get("_wp_attachment_image_alt", ""), caption
        )

    def described(self, image: SourceImage) -> SourceImage:
        """Return a picture with the alt text of its attachment, if it has none."""
        item = self.by_url.get(canonical_image_url(image.url))
        if image.alt or item is None:
            return image
        alt = item.meta.get("_wp_attachment_image_alt", "")
        fallback = "" if image.caption else rendering.one_line(item.excerpt)
        return replace(image, alt=alt or fallback)

    def author(self, login: str) -> str:
        return self.authors.get(login, login)


# --- Stories


class _Story:
    """One live blog."""

    def __init__(self, item: _Item, site: _Site) -> None:
        self.item, self.site = item, site
        self.texts = Texts(item.link or site.url, line_breaks=True)

    def read(self) -> ArchiveStory:
        item, texts = self.item, self.texts
        if item.password:
            texts.warnings.append(
                "It was protected by a password, so it is a draft here."
            )
        updates = [*self.from_comments(), *self.from_posts()]
        updates.sort(key=lambda pair: pair[0])
        entries = tuple(entry for _, entry in updates)
        headline, series = self.headline_and_series()
        standfirst, summary = texts.standfirst_and_summary(item.excerpt)
        byline = self.site.author(item.author)
        original = texts.original(
            self.source(item.content), byline=byline, published_at=item.at
        )
        lead = self.site.image(item.meta.get("_thumbnail_id", ""))
        if lead:
            texts.images.append(lead)
        published = [e for e in entries if e.state == Entry.State.PUBLISHED]
        first = min((e.at for e in published if e.at), default=None)
        began = min(filter(None, (item.at, first)), default=None)
        document = Document(
            headline=headline,
            series=series,
            slug=item.slug,
            language=self.site.language,
            standfirst=standfirst,
            summary=summary,
            markdown=True,
            updates=entries,
            newest_first=False,
            original=original,
            lead_image=lead.name if lead else None,
            live_at=to_minute(began) if began else None,
            old_urls=self.old_urls(item),
            **self.state(entries),
        )
        self.leave_out_attachments()
        return ArchiveStory(
            f"{self.site.host} {item.pk}",
            document,
            tuple(texts.left_out),
            tuple(map(self.site.described, texts.images)),
            tuple(dict.fromkeys(texts.warnings)),
        )

    def state(self, updates: Sequence[DocumentEntry]) -> dict[str, Any]:
        if not self.item.public:
            return {"state": Story.State.DRAFT}
        if self.item.ended:
            at = last_time(updates) or self.item.at
            return {"state": Story.State.CLOSED, "closed_at": at and to_minute(at)}
        return {}

    def source(self, content: str) -> str:
        html = wordpress_markup.to_html(content, self.texts.leave_out, self.gallery)
        return self.texts.source(html)

    def gallery(self, pk: str) -> SourceImage | None:
        return self.site.image(pk)

    def old_urls(self, item: _Item) -> tuple[str, ...]:
        """Return the URLs of a post: present, former, and by its id."""
        former = [
            item.link.replace(f"/{item.slug}", f"/{slug}", 1)
            for slug in item.old_slugs
            if item.slug and f"/{item.slug}" in item.link
        ]
        guid = [item.guid] if urlsplit(item.guid).hostname else []
        by_id = f"{self.site.url}/?p={item.pk}"
        return tuple(filter(None, dict.fromkeys([item.link, *former, *guid, by_id])))

    def headline_and_series(self) -> tuple[str, str]:
        """Return the headline, and the series if the story has one category.

        Of several, only one that the headline begins with is a series.
        """
        headline = rendering.one_line(plain(self.item.title))
        terms = [
            (domain, rendering.one_line(plain(name)))
            for domain, name in self.item.terms
        ]
        categories = [
            name
            for domain, name in terms
            if domain == "category" and name.lower() != _NO_CATEGORY
        ]
        for domain, name in terms:
            if domain not in ("category", "post_format"):
                self.texts.leave_out(TAG, name)
        named = [name for name in categories if headline.startswith(f"{name}: ")]
        series = (named or (categories if len(categories) == 1 else [""]))[0]
        for name in categories:
            if name != series:
                self.texts.leave_out(CATEGORY, name)
        if series and headline.startswith(f"{series}: "):
            headline = headline.removeprefix(f"{series}: ")
        return headline or "Live blog", series

    # --- Automattic's Liveblog

    def from_comments(self) -> Iterator[tuple[tuple[datetime, int], DocumentEntry]]:
        """Yield the updates that comments are, with their order."""
        by_id: dict[str, _Comment] = {}
        for each in self.item.comments:
            if each.kind == _LIVEBLOG or each.status == _LIVEBLOG:
                by_id[each.pk] = each
            else:
                what = PINGBACK if each.kind in _PINGS else READER_COMMENT
                words = plain(each.content)
                self.texts.leave_out(what, f"{each.author}: {words}")
        versions: dict[str, list[_Comment]] = defaultdict(list)
        for each in by_id.values():
            versions[_root(each, by_id)].append(each)
        for pk, comments in versions.items():
            comments.sort(key=lambda each: each.order)
            yield from self.from_versions(by_id.get(pk), comments)

    def from_versions(
        self, first: _Comment | None, comments: list[_Comment]
    ) -> Iterator[tuple[tuple[datetime, int], DocumentEntry]]:
        """Yield an update, whose newest version is the last of the comments."""
        newest, oldest = comments[-1], first or comments[0]
        if first in comments[:-1] and first.content.strip() == newest.content.strip():
            comments.remove(first)  # the plugin gives the first the newest text, too
        if not newest.content.strip() or (first and first.status != _LIVEBLOG):
            for each in comments:
                if words := plain(each.content):
                    self.texts.leave_out(DELETED, words)
            return
        html, key_event = wordpress_markup.without_commands(newest.content)
        found = self.texts.updates(
            self.source(html),
            oldest.at,
            byline=self.byline(newest),
            key_event=key_event or any(_is_key(each) for each in (oldest, newest)),
            versions=list(self.earlier_versions(comments, oldest.at)),
            version=len(comments),
        )
        for entry in found:
            yield oldest.order, entry

    def earlier_versions(
        self, comments: list[_Comment], at: datetime | None
    ) -> Iterator[VersionData]:
        aside = _Story(self.item, self.site)  # what these leave out concerns nobody
        for number, (earlier, later) in enumerate(pairwise(comments), 1):
            html, _ = wordpress_markup.without_commands(earlier.content)
            values = {
                "number": number,
                "at": at and to_minute(at).isoformat(),
                "body": aside.source(html)[: limits.MAX_BODY_LENGTH],
                "byline": self.byline(earlier)[: max_length(Entry, "byline")],
                "changed_at": (later.at or at or datetime.now(UTC)).isoformat(),
            }
            yield VersionData.model_validate(values)

    def byline(self, comment: _Comment) -> str:
        hidden = comment.meta.get("liveblog_hide_authors", "")
        if hidden.lower() not in _FALSE:
            return ""
        others = comment.meta.get("liveblog_contributors", "")
        ids = [text or number for text, number in _PHP_STRING.findall(others)]
        if not others.startswith("a:"):
            ids = others.split(",")
        return names([comment.author, *(self.site.author(pk.strip()) for pk in ids)])

    # --- Easy Liveblogs

    def from_posts(self) -> Iterator[tuple[tuple[datetime, int], DocumentEntry]]:
        """Yield the updates that posts are, with their order."""
        for item in self.site.updates_of.get(self.item.pk, ()):
            if item.status == "trash":
                words = plain(f"{item.title} {item.content}")
                self.texts.leave_out(DELETED, words)
                continue
            state = Entry.State.PUBLISHED if item.public else Entry.State.DRAFT
            if not item.public:
                kind = "password-protected" if item.password else "unpublished"
                self.texts.warnings.append(f"An update that was {kind} is a draft.")
            source = self.source(item.content)
            if image := self.site.image(item.meta.get("_thumbnail_id", "")):
                source = f"{source}\n\n{self.texts.image(image)}".strip()
            found = self.texts.updates(
                source,
                item.at,
                plain(item.title),
                byline=self.site.author(item.author),
                state=state,
                old_urls=self.old_urls(item),
            )
            at = item.at or _NEVER
            for entry in found:
                yield (at, int(item.pk) if item.pk.isdigit() else 0), entry

    def leave_out_attachments(self) -> None:
        used = {canonical_image_url(each.url) for each in self.texts.images}
        for each in self.site.attachments_of.get(self.item.pk, ()):
            if canonical_image_url(each.url) not in used:
                self.texts.leave_out(UNUSED, each.url)


def _root(comment: _Comment, by_id: dict[str, _Comment]) -> str:
    """Return the id of the first version of an update, which may be deleted."""
    seen, pk = {comment.pk}, comment.pk
    while (each := by_id.get(pk)) and each.replaces and each.replaces not in seen:
        pk = each.replaces
        seen.add(pk)
    return pk


def _is_key(comment: _Comment) -> bool:
    return comment.meta.get("liveblog_key_entry", "").lower() not in _FALSE


# --- The format


def _recognises(file: SourceFile) -> bool:
    head = file.head.replace(b"\0", b"")
    return file.head[:100].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \r\n\t")[
        :1
    ] == b"<" and bool(_EXPORT.search(head))


def _count(files: Sequence[SourceFile]) -> int:
    return len(_site(tuple(files)).stories)


@lru_cache(maxsize=1)
def _site(files: tuple[SourceFile, ...]) -> _Site:
    site = _Site()
    for file in files:
        try:
            site.read(file)
        except ExchangeError:
            continue  # the second reading tells of it
    return site


def _stories(
    files: Sequence[SourceFile], options: ArchiveOptions
) -> Iterator[ReadResult]:
    site = _site(tuple(files))
    for file in files:
        yield from guarded(file.name, partial(_stories_of, file, site))
    _site.cache_clear()


def _stories_of(file: SourceFile, site: _Site) -> Iterator[ReadResult]:
    left_out: list[LeftOut] = []
    try:
        for element in _elements(file):
            if _local(element.tag) != "item":
                continue
            item = _item(element)
            title = plain(item.title)
            if item.live_blog and not item.thrown_away:
                if item.version < site.stories.get(item.pk, item.version):
                    continue  # a newer version is in another file
                story = _Story(item, site)
                yield from guarded(title or item.link, lambda: [story.read()])  # noqa: B023
            elif what := _other_content(item, site):
                left_out.append(LeftOut(what, f"{title} {item.link}".strip()))
    finally:
        if left_out:
            yield OtherContent(file.name, tuple(left_out))


def _other_content(item: _Item, site: _Site) -> What | None:
    """Return what an item is that is no story, None for a part of a story."""
    if item.kind == _ATTACHMENT:
        return None if item.parent in site.stories else ATTACHMENT
    if item.kind == _UPDATE_TYPE:
        known = item.meta.get("_elb_liveblog", "") in site.stories
        return None if known else UNPUBLISHED
    if item.live_blog and item.status == "trash":
        return TRASHED
    return POST if item.kind in ("post", "page") else OTHER


WORDPRESS: Final = Format(
    "wordpress", "WordPress export (WXR)", _recognises, _stories, _count
)
