"""Superdesk Live Blog: the JSON of its API, as saved pages in a folder or one file.

A blog is what `client_blogs/<id>` answers, its posts what `client_blogs/<id>/posts`
does, in pages. All files together are one archive, in whatever order and nesting.
"""

import html
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from entries.exchange.archives.base import (
    CATEGORY,
    DELETED,
    POLL,
    TAG,
    UNPUBLISHED,
    ArchiveOptions,
    ArchiveStory,
    Format,
    ReadResult,
    SourceFile,
    SourceImage,
    Unreadable,
    What,
    each_file,
    guarded,
    language,
    plain,
    to_minute,
)
from entries.exchange.archives.texts import Texts, last_time, names
from entries.exchange.document import Document, DocumentEntry, ExchangeError
from entries.models import Story
from entries.text import rendering

AD: Final = What("advertisement", "advertisements")
ITEM: Final = What("item without a text", "items without a text")
_MAX_NESTING: Final = 6  # of blogs and posts in other objects
_RENDITIONS: Final = ("original", "baseImage", "viewImage", "thumbnail")
_FRAME: Final = re.compile(r"<iframe\b[^>]*>\s*(?:</iframe>)?", re.I)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_Data = dict[str, Any]


# --- Files


@dataclass
class _Blog:
    """A blog with its posts, by their ids."""

    data: _Data = field(default_factory=dict)
    posts: dict[str, _Data] = field(default_factory=dict)
    total: int = 0
    received: int = 0  # posts, also those that are in two pages
    files: list[str] = field(default_factory=list)


def _objects(data: Any, depth: int = 0) -> Iterator[_Data]:
    """Yield the blogs, posts and pages of posts in a file."""
    if depth > _MAX_NESTING:
        return
    if isinstance(data, list):
        for each in data:
            yield from _objects(each, depth + 1)
    elif isinstance(data, dict):
        if isinstance(data.get("_items"), list) or _is_blog(data) or _is_post(data):
            yield data
        if not _is_post(data):
            for each in data.values():
                if isinstance(each, dict | list):
                    yield from _objects(each, depth + 1)


def _is_blog(data: _Data) -> bool:
    return "blog_status" in data and "title" in data


def _is_post(data: _Data) -> bool:
    groups = data.get("groups")
    return isinstance(groups, list) and any(
        isinstance(group, dict) and isinstance(group.get("refs"), list)
        for group in groups
    )


def _recognises(file: SourceFile) -> bool:
    return any(_is_blog(each) or _is_post(each) for each in _objects(file.data))


@dataclass
class _Found:
    """What is in the files of an archive; posts are with the names of their files."""

    blogs: dict[str, _Blog] = field(default_factory=lambda: defaultdict(_Blog))
    posts: list[tuple[str, _Data]] = field(default_factory=list)
    pages: list[_Data] = field(default_factory=list)

    def read(self, file: SourceFile) -> Iterator[ReadResult]:
        """Add what is in a file. Raises ExchangeError if there is nothing."""
        found = list(_objects(file.data))
        for data in found:
            if _is_blog(data):
                self.blogs[_id(data)].data = data
                self.blogs[_id(data)].files.append(file.name)
            elif _is_post(data):
                self.posts.append((file.name, data))
            else:
                self.pages.append(data)
        if not found:
            raise ExchangeError(
                "This file has neither a blog nor posts of Superdesk Live Blog, or its "
                "JSON is damaged: save the answer of its API again."
            )
        yield from ()

    def joined(self) -> dict[str, _Blog]:
        """Return the blogs with their posts, and how many there should be."""
        blogs, homes = self.blogs, {}
        with_data = [blog for blog in blogs.values() if blog.data]
        for name, post in self.posts:
            key, home = _blog_of(post), post.get("blog")
            if isinstance(home, dict) and _is_blog(home) and not blogs[key].data:
                blogs[key].data = home
            # Posts that do not name their blog are of the only one.
            blog = blogs[key] if key or len(with_data) != 1 else with_data[0]
            homes[id(post)] = blog
            _add(blog, post)
            blog.files.append(name)
        for page in self.pages:
            for post in page["_items"]:
                if blog_ := homes.get(id(post)):
                    blog_.total = max(blog_.total, _total(page))
        return blogs


def _total(page: _Data) -> int:
    """Return how many posts there are in all pages, 0 if a page does not say so."""
    meta = page.get("_meta")
    total = meta.get("total") if isinstance(meta, dict) else 0
    return total if isinstance(total, int) else 0


def _add(blog: _Blog, post: _Data) -> None:
    """Add a post to its blog; of two of the same id, the later version counts."""
    blog.received += 1
    known = blog.posts.get(_id(post))
    if known is None or _version(post) > _version(known):
        blog.posts[_id(post)] = post


def _version(post: _Data) -> tuple[datetime, int]:
    number = post.get("_version") or post.get("_current_version") or 0
    at = _time(post.get("_updated")) or _time(post.get("versioncreated")) or _NEVER
    return at, number if isinstance(number, int) else 0


def _id(data: _Data) -> str:
    return str(data.get("_id") or data.get("guid") or "")


def _blog_of(post: _Data) -> str:
    blog = post.get("blog") or ""
    return _id(blog) if isinstance(blog, dict) else str(blog)


def _time(value: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at


# --- Stories


def _stories(
    files: Sequence[SourceFile], options: ArchiveOptions
) -> Iterator[ReadResult]:
    found = _Found()
    yield from each_file(files, found.read)
    for key, blog in found.joined().items():
        title = rendering.one_line(str(blog.data.get("title") or key))
        name = title or ", ".join(blog.files)
        yield from guarded(name, partial(_read, key, blog, name))


def _count(files: Sequence[SourceFile]) -> int:
    def blogs(file: SourceFile) -> Iterator[str]:
        for data in _objects(file.data):
            yield _id(data) if _is_blog(data) else _blog_of(data)
        file.release()

    return len({key for file in files for key in blogs(file)} - {""}) or 1


def _read(key: str, blog: _Blog, name: str) -> Iterator[ReadResult]:
    if not blog.data:
        raise ExchangeError(
            "There are posts, but not the blog that they belong to: save what "
            f"“client_blogs/{key or '<id>'}” answers in the same folder."
        )
    if blog.received < blog.total:
        yield Unreadable(
            name,
            f"There are {len(blog.posts):,} of its {blog.total:,} posts: save the "
            "other pages of “posts”, too.",
        )
        return
    yield _Story(key, blog).read()


class _Story:
    def __init__(self, key: str, blog: _Blog) -> None:
        self.key, self.blog, self.data = key, blog, blog.data
        self.url = self.public_url()
        self.texts = Texts(self.url)

    def public_url(self) -> str:
        urls = [self.data.get("public_url")]
        for group in (self.data.get("public_urls") or {}).values():
            urls += group.values() if isinstance(group, dict) else [group]
        return next((url for url in urls if isinstance(url, str) and url), "")

    def read(self) -> ArchiveStory:
        data, texts = self.data, self.texts
        standfirst, summary = texts.standfirst_and_summary(
            data.get("description") or ""
        )
        posts = sorted(self.blog.posts.values(), key=_position)
        self.warn_of_moved(posts)
        entries = tuple(entry for post in posts for entry in self.updates(post))
        lead = _image(data.get("picture_renditions"), {}, data.get("picture_url"))
        if lead:
            texts.images.append(lead)
        if category := data.get("category"):
            texts.leave_out(CATEGORY, str(category))
        began = min((e.at for e in entries if e.at), default=None)
        document = Document(
            headline=rendering.one_line(_plain(data["title"])),
            language=language(data.get("language")),
            standfirst=standfirst,
            summary=summary,
            markdown=True,
            updates=entries,
            newest_first=False,
            lead_image=lead.name if lead else None,
            live_at=began or _time(data.get("_created")),
            old_urls=(self.url,) if self.url else (),
            **self.state(entries),
        )
        return ArchiveStory(
            self.key,
            document,
            tuple(texts.left_out),
            tuple(texts.images),
            tuple(dict.fromkeys(texts.warnings)),
        )

    def state(self, entries: Sequence[DocumentEntry]) -> _Data:
        if self.data.get("blog_status") != "closed":
            return {}
        at = last_time(entries) or _time(self.data.get("_updated"))
        return {"state": Story.State.CLOSED, "closed_at": at and to_minute(at)}

    def warn_of_moved(self, posts: Sequence[_Data]) -> None:
        """Warn if editors have moved posts, which here are in the order of time."""
        orders = [_position(post)[1] for post in posts if _published(post)]
        if orders != sorted(orders):
            self.texts.warnings.append(
                "Posts that were moved are in the order of time."
            )

    def updates(self, post: _Data) -> Iterator[DocumentEntry]:
        items = list(_items(post))
        if not _published(post):
            what = DELETED if _deleted(post) else UNPUBLISHED
            self.texts.leave_out(what, _words(items))
            return
        for tag in post.get("tags") or ():
            self.texts.leave_out(TAG, str(tag))
        blocks = [block for item in items if (block := self.block(item))]
        creators = [post, *items] if not _creator(post) else [post]
        ids = [f"{self.url}?liveblog._id={_id(post)}"] if self.url else []
        yield from self.texts.updates(
            "\n\n".join(blocks),
            _posted_at(post),
            str(post.get("headline") or ""),
            byline=names([*map(_commenter, items), *map(_creator, creators)]),
            pinned=bool(post.get("sticky")),
            key_event=bool(post.get("lb_highlight")),
            old_urls=tuple(ids),
        )

    def block(self, item: _Data) -> str:
        """Return an item of a post as Markdown."""
        kind = str(item.get("item_type") or "text").lower()
        meta = _meta(item)
        if "poll" in kind:
            self.texts.leave_out(POLL, _poll(item))
            return ""
        if kind.startswith("advertisement"):
            self.texts.leave_out(AD, _words([item]))
            return ""
        text = _html(item, meta, kind)
        if kind != "image":
            if not _plain(text) and "<" not in text and meta:
                self.texts.leave_out(ITEM, f"{kind}: {', '.join(_values(meta))}")
            return self.texts.source(text)
        image = _image((meta.get("media") or {}).get("renditions"), meta)
        if image is None:
            return self.texts.source(text)
        return self.texts.image(image)


def _items(post: _Data) -> Iterator[_Data]:
    """Yield the items of a post, in order."""
    groups = [group for group in post["groups"] if isinstance(group, dict)]
    main = [group for group in groups if group.get("id") == "main"]
    for group in main or groups:
        for ref in group.get("refs") or ():
            item = ref.get("item") if isinstance(ref, dict) else None
            if isinstance(item, dict):
                yield item


def _deleted(post: _Data) -> bool:
    return post.get("deleted") in (True, "True", "true", "on")


def _published(post: _Data) -> bool:
    return not _deleted(post) and (post.get("post_status") or "open") == "open"


def _posted_at(post: _Data) -> datetime | None:
    names_ = ("published_date", "firstcreated", "_created")
    return next((at for name in names_ if (at := _time(post.get(name)))), None)


def _position(post: _Data) -> tuple[datetime, float]:
    order = post.get("order")
    at = _posted_at(post)
    minute = to_minute(at) if at else _NEVER
    return minute, float(order) if isinstance(order, int | float) else 0.0


def _meta(item: _Data) -> _Data:
    meta = item.get("meta")
    return meta if isinstance(meta, dict) else {}


def _html(item: _Data, meta: _Data, kind: str) -> str:
    """Return an item as HTML."""
    text = str(item.get("text") or "")
    if kind == "quote":
        return _quote(meta, text)
    if kind not in ("embed", "link", "video"):
        return text
    code = str(meta.get("html") or "") or text
    url = str(meta.get("original_url") or meta.get("url") or "")
    if url and _FRAME.fullmatch(code.strip()):
        code = ""  # the frame of the same video or post
    visible = _plain(code)
    title, *others = (
        value if value and _plain(value) not in visible else ""
        for value in (
            str(meta.get(k) or "") for k in ("title", "description", "credit")
        )
    )
    if url and kind == "link" and title:
        title, url = f'<a href="{html.escape(url)}">{title}</a>', ""
    elif url in code:
        url = ""
    blocks = [html.escape(url), title, *others]
    return code + "".join(f"<p>{block}</p>" for block in blocks if block)


def _quote(meta: _Data, text: str) -> str:
    """Return a quotation with its speaker, and every word of the item's own text."""
    quote = str(meta.get("quote") or meta.get("text") or "")
    values = (str(meta.get(name) or "") for name in ("author", "credit", "source"))
    speakers = list(dict.fromkeys(filter(None, values)))
    shown = set(_word_list(" ".join([quote, *speakers])))
    if not quote or not shown.issuperset(_word_list(text)):
        quote, known = text or quote, set(_word_list(text))
        speakers = [each for each in speakers if not known.issuperset(_word_list(each))]
    by = ", ".join(speakers)
    if "<blockquote" not in quote:
        quote = f"<p>{quote}</p>" if "<p" not in quote else quote
        return f"<blockquote>{quote}{f'<p>— {by}</p>' if by else ''}</blockquote>"
    return f"{quote}<p>— {by}</p>" if by else quote


def _word_list(source: str) -> list[str]:
    return re.findall(r"\w+", _plain(source))


def _values(data: Any, name: str = "") -> Iterator[str]:
    """Yield the values in the data of an item, each with its name."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _values(value, str(key))
    elif isinstance(data, list):
        for value in data:
            yield from _values(value, name)
    elif words := _plain("" if data is None else str(data)):
        yield f"{name}: {words}"


def _image(renditions: Any, meta: _Data, url: str | None = None) -> SourceImage | None:
    found = renditions if isinstance(renditions, dict) else {}
    for name in _RENDITIONS:
        if isinstance(each := found.get(name), dict) and each.get("href"):
            url = str(each["href"])
            break
    if not url:
        return None
    caption, credit = _plain(meta.get("caption")), _plain(meta.get("credit"))
    return SourceImage(url, _plain(meta.get("alt")), caption, credit)


def _creator(data: _Data) -> str:
    creator = data.get("syndicated_creator") or data.get("original_creator")
    if not isinstance(creator, dict):
        return ""
    full = f"{creator.get('first_name') or ''} {creator.get('last_name') or ''}".strip()
    return str(creator.get("byline") or creator.get("display_name") or full)


def _commenter(item: _Data) -> str:
    return str(item.get("commenter") or "")


def _poll(item: _Data) -> str:
    poll = item.get("poll_body") or _meta(item).get("poll_body") or {}
    options = [str(each.get("option", "")) for each in poll.get("answers") or ()]
    return " / ".join([str(poll.get("question", "")), *options]) or _words([item])


def _words(items: Sequence[_Data]) -> str:
    """Return the visible text of items, on one line."""
    words = []
    for item in items:
        meta = _meta(item)
        kind = str(item.get("item_type") or "").lower()
        words += [_plain(_html(item, meta, kind)), *map(_plain, (meta.get("caption"),))]
    return " ".join(filter(None, words))


def _plain(value: object) -> str:
    return plain(str(value or ""))


SUPERDESK: Final = Format(
    "superdesk", "Superdesk Live Blog (JSON)", _recognises, _stories, _count
)
