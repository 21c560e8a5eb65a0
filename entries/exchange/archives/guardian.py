"""The Guardian's Content API: the JSON of live blogs, asked for with show-blocks=all.

A file is one answer, of an item or of a search, or a list of them.
"""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from entries.exchange import markdown
from entries.exchange.archives.base import (
    CATEGORY,
    EMBED,
    TAG,
    UNPUBLISHED,
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

ARTICLE: Final = What("article that is no live blog", "articles that are no live blogs")
BYLINE: Final = What("byline of the whole story", "bylines of the whole story")
_TRUE: Final = (True, "true")
_Data = dict[str, Any]


def _contents(data: Any) -> Iterator[_Data]:
    """Yield the items of content in a file."""
    if isinstance(data, list):
        for each in data:
            yield from _contents(each)
        return
    if not isinstance(data, dict):
        return
    response = data.get("response", data)
    if not isinstance(response, dict):
        return
    results = response.get("results")
    found = [response.get("content"), *(results if isinstance(results, list) else ())]
    if not any(found) and "webTitle" in response and "id" in response:
        found = [response]
    yield from (each for each in found if isinstance(each, dict))


def _recognises(file: SourceFile) -> bool:
    return any("webTitle" in each or "blocks" in each for each in _contents(file.data))


def _stories(
    files: Sequence[SourceFile], options: ArchiveOptions
) -> Iterator[ReadResult]:
    yield from each_file(files, _read_file)


def _read_file(file: SourceFile) -> Iterator[ReadResult]:
    others = []
    contents = list(_contents(file.data))
    if not contents:
        raise ExchangeError(
            "This file has no item of the Guardian’s Content API, or its JSON is "
            "damaged: save the answer again."
        )
    for content in contents:
        name = _plain(content.get("webTitle") or content.get("id")) or file.name
        if content.get("type", "liveblog") == "liveblog":
            yield from guarded(name, partial(_read, content))
        else:
            others.append(
                LeftOut(ARTICLE, f"{name} {content.get('webUrl', '')}".strip())
            )
    if others:
        yield OtherContent(file.name, tuple(others))


def _read(content: _Data) -> list[ReadResult]:
    blocks = content.get("blocks")
    if not isinstance(blocks, dict) or not isinstance(blocks.get("body"), list):
        raise ExchangeError("It has no blocks: ask for it with “show-blocks=all”.")
    total, here = blocks.get("totalBodyBlocks") or 0, len(blocks["body"])
    if isinstance(total, int) and total > here:
        raise ExchangeError(
            f"It has {here:,} of its {total:,} blocks: ask for it with "
            "“show-blocks=all”."
        )
    return [_Story(content, blocks).read()]


class _Story:
    def __init__(self, content: _Data, blocks: _Data) -> None:
        self.content, self.blocks = content, blocks
        self.url = str(content.get("webUrl") or "")
        self.fields: _Data = content.get("fields") or {}
        self.tags = [tag for tag in content.get("tags") or () if isinstance(tag, dict)]
        self.texts = Texts(self.url)

    def read(self) -> ArchiveStory:
        content, fields, texts = self.content, self.fields, self.texts
        introduction = str(fields.get("standfirst") or fields.get("trailText") or "")
        standfirst, summary = texts.standfirst_and_summary(introduction)
        lead, more = self.main()
        if more:
            summary = markdown.body(f"{summary.source}\n\n{more}".strip())
        default = self.byline()
        entries = tuple(
            entry
            for block in self.blocks["body"]
            for entry in self.updates(block, default)
        )
        first = min((e.at for e in entries if e.at), default=None)
        began = min(
            filter(None, (first, _time(content, "webPublicationDate"))), default=None
        )
        document = Document(
            headline=_plain(fields.get("headline") or content["webTitle"]),
            series=self.series(),
            standfirst=standfirst,
            summary=summary,
            markdown=True,
            language=language(fields.get("lang")),
            updates=entries,
            newest_first=_newest_first(entries),
            lead_image=lead,
            live_at=began and to_minute(began),
            old_urls=(self.url,) if self.url else (),
            **self.state(entries),
        )
        return ArchiveStory(
            str(content.get("id") or self.url),
            document,
            tuple(texts.left_out),
            tuple(texts.images),
            tuple(dict.fromkeys(texts.warnings)),
        )

    def state(self, entries: Sequence[DocumentEntry]) -> _Data:
        if self.fields.get("liveBloggingNow") not in (False, "false"):
            return {}
        at = last_time(entries) or _time(self.content, "webPublicationDate")
        return {"state": Story.State.CLOSED, "closed_at": at and to_minute(at)}

    def main(self) -> tuple[str | None, str]:
        """Return the name of the lead picture, and what else is above the updates."""
        block = self.blocks.get("main")
        if not isinstance(block, dict):
            return None, ""
        before = len(self.texts.images)
        source = self.source(block)
        images = self.texts.images[before:]
        if not images:
            return None, source
        lead = images[0].name
        return lead, source.replace(f"![](image:{lead})", "", 1).strip()

    def byline(self) -> str:
        """Return the name of the one person who wrote all blocks, if there is one."""
        byline = _plain(self.fields.get("byline"))
        people = [tag for tag in self.tags if tag.get("type") == "contributor"]
        if len(people) == 1 and byline in ("", people[0].get("webTitle")):
            return str(people[0].get("webTitle"))
        if byline:
            self.texts.leave_out(BYLINE, byline)
        return ""

    def series(self) -> str:
        """Return the one series that it is in; others are tags, which are left out."""
        tags: dict[str, list[str]] = {}
        for tag in self.tags:
            tags.setdefault(str(tag.get("type")), []).append(
                _plain(tag.get("webTitle"))
            )
        own = tags.get("series") or tags.get("blog") or []
        series = own[0] if len(own) == 1 else ""
        for kind, titles in tags.items():
            for title in titles:
                if kind != "contributor" and title != series:
                    self.texts.leave_out(TAG, title)
        if section := _plain(self.content.get("sectionName")):
            self.texts.leave_out(CATEGORY, section)
        return series

    # --- Blocks

    def updates(self, block: _Data, default_byline: str) -> Iterator[DocumentEntry]:
        attributes = block.get("attributes") or {}
        if block.get("published") is False:
            self.texts.leave_out(UNPUBLISHED, _plain(block.get("bodyHtml")))
            return
        titles = {tag.get("id"): _plain(tag.get("webTitle")) for tag in self.tags}
        people = [titles.get(pk, "") for pk in block.get("contributors") or ()]
        id_ = block.get("id")
        permalink = [f"{self.url}?page=with:block-{id_}"] if self.url and id_ else []
        times = ("firstPublishedDate", "publishedDate", "createdDate")
        yield from self.texts.updates(
            self.source(block),
            next((at for name in times if (at := _time(block, name))), None),
            _plain(block.get("title") or attributes.get("title")),
            byline=names(people) or default_byline,
            pinned=attributes.get("pinned") in _TRUE,
            key_event=attributes.get("keyEvent") in _TRUE,
            old_urls=tuple(permalink),
        )

    def source(self, block: _Data) -> str:
        """Return a block as Markdown, with what only its elements have."""
        elements = [e for e in block.get("elements") or () if isinstance(e, dict)]
        text = str(block.get("bodyHtml") or "")
        if not text:
            text = "".join(_plain_element(each) for each in elements)
        before = len(self.texts.images)
        sources = [self.texts.source(text)]
        known = {canonical_image_url(p.url) for p in self.texts.images[before:]}
        for element in elements:
            if element.get("type") == "image":
                sources += self.image(element, known, before)
            elif more := _missing(element, text):
                sources.append(self.texts.source(more))
            elif (url := _url(element)) and url not in text:
                sources.append(self.texts.source(f"<p>{html.escape(url)}</p>"))
            elif element.get("type") == "contentatom" and "gu-atom" not in text:
                atom = element.get("contentAtomTypeData") or {}
                self.texts.leave_out(EMBED, str(atom.get("atomId", "")))
        return "\n\n".join(filter(None, sources))

    def image(self, element: _Data, known: set[str], start: int) -> Iterator[str]:
        """Describe the picture of an element; yield it if the text does not show it."""
        data = element.get("imageTypeData") or {}
        assets = [a for a in element.get("assets") or () if isinstance(a, dict)]
        assets.sort(key=_width, reverse=True)
        files = [str(asset["file"]) for asset in assets if asset.get("file")]
        described = SourceImage(
            files[0] if files else "",
            _plain(data.get("alt")),
            _plain(data.get("caption")),
            _plain(data.get("credit")),
        )
        same = {canonical_image_url(url) for url in files} & known
        images = self.texts.images
        for number, image in enumerate(images[start:], start):
            if canonical_image_url(image.url) in same:
                images[number] = replace(
                    image,
                    alt=image.alt or described.alt,
                    caption=image.caption or described.caption,
                    credit=image.credit or described.credit,
                )
        if files and not same:
            yield self.texts.image(described)


def _newest_first(entries: Sequence[DocumentEntry]) -> bool:
    times = [entry.at for entry in entries if entry.at]
    return len(times) < 2 or times[0] >= times[-1]


def _width(asset: _Data) -> int:
    width = str((asset.get("typeData") or {}).get("width") or "")
    return int(width) if width.isdecimal() else 0


def _plain_element(element: _Data) -> str:
    """Return the HTML of an element of a block that has none itself."""
    for name, data in element.items():
        if name.endswith("TypeData") and isinstance(data, dict) and data.get("html"):
            code = str(data["html"])
            if by := data.get("attribution"):
                by = html.escape(_plain(by))
                return f"<blockquote><p>{code}</p><p>— {by}</p></blockquote>"
            return code
    return ""


def _missing(element: _Data, text: str) -> str:
    """Return the HTML of an element whose words a block's text does not have."""
    code = _plain_element(element)
    words = set(re.findall(r"\w+", _plain(code)))
    if element.get("type") == "text" or words.issubset(
        re.findall(r"\w+", _plain(text))
    ):
        return ""
    url = _url(element)
    return code if not url or url in code else f"{code}<p>{html.escape(url)}</p>"


def _url(element: _Data) -> str:
    """Return the URL of a video, a post or another embed."""
    for name, data in element.items():
        if name.endswith("TypeData") and isinstance(data, dict):
            url = data.get("originalUrl") or data.get("url")
            if isinstance(url, str) and url.startswith(("http://", "https://")):
                return url
    return ""


def _time(data: _Data, name: str) -> datetime | None:
    value = data.get(name)
    if isinstance(value, dict):  # {"dateTime": 1482264960000, "iso8601": "…"}
        value = value.get("iso8601")
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return at if at and at.tzinfo else None


def _plain(value: object) -> str:
    return rendering.one_line(plain(str(value or "")))


GUARDIAN: Final = Format(
    "guardian", "Guardian Content API (JSON)", _recognises, _stories
)
