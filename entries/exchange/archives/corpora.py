"""The BBC's and the Guardian's live blogs in corpora for summarisation.

A file is a live blog (Avinesh, Peyrard and Meyer 2018), or a list of them: `title`,
`url`, `genre`, `summary` and `documents`, the newest first. The Guardian's times are
lists of year, month, day, hour and minute; the BBC's are "HH:MM", without a day.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from html import escape, unescape
from pathlib import PurePath
from typing import Any, Final

from entries.exchange import markdown
from entries.exchange.archives.base import (
    CATEGORY,
    ArchiveOptions,
    ArchiveStory,
    Format,
    ReadResult,
    SourceFile,
    What,
    each_file,
    guarded,
    json_digest,
    plain,
)
from entries.exchange.archives.headlines import without_headline
from entries.exchange.archives.logs import stamp
from entries.exchange.archives.texts import Texts, last_time, names
from entries.exchange.archives.times import Clock, day_in, days_of, newest_first
from entries.exchange.document import (
    NO_TEXT,
    Body,
    Document,
    DocumentEntry,
    ExchangeError,
)
from entries.models import Story
from entries.text import gmt

_Data = dict[str, Any]
_TAG: Final = re.compile(
    r"(<!--.*?-->|</?(?:a|abbr|article|aside|audio|b|big|blockquote|br|button|center"
    r"|cite|code|dd|del|div|dl|dt|em|figcaption|figure|font|footer|h[1-6]|header|hr|i"
    r"|iframe|img|ins|li|mark|ol|p|pre|q|s|script|section|small|source|span|strike"
    r"|strong|style|sub|sup|table|tbody|td|tfoot|th|thead|time|tr|tt|u|ul|video)"
    r"(?:\s[^<>]*)?/?>)",
    re.I | re.S,
)
_TIME_FIELDS: Final = 5
_READ_OF_BLOG: Final = ("title", "url", "genre", "category", "summary", "documents")
OTHER_FIELD: Final = What("other field", "other fields")
_READ: Final = {
    "title", "text", "time", "author", "is_key_event", "block_kind", "block_id", "url"
}  # fmt: skip


def _blogs(data: Any) -> list[_Data]:
    found = data if isinstance(data, list) else [data]
    return [each for each in found if _is_blog(each)]


def _is_blog(data: Any) -> bool:
    documents = data.get("documents") if isinstance(data, dict) else None
    return (
        isinstance(documents, list)
        and bool(documents)
        and all(isinstance(each, dict) and "text" in each for each in documents)
    )


def _recognises(file: SourceFile) -> bool:
    return b'"documents"' in file.head and bool(_blogs(file.data))


def _stories(
    files: Sequence[SourceFile], options: ArchiveOptions
) -> Iterator[ReadResult]:
    def read(file: SourceFile) -> Iterator[ReadResult]:
        blogs = _blogs(file.data)
        if not blogs:
            raise ExchangeError(
                "This file has no live blog of the corpora: JSON with “documents”, "
                "each with its “text”."
            )
        for number, blog in enumerate(blogs, 1):
            key = str(blog.get("url") or "") or json_digest(blog)
            name = f"{file.name}: {_plain(str(blog.get('title') or number))}"
            story = _Story(blog, key, file.name, options)
            yield from guarded(name, partial(story.read))

    yield from each_file(files, read)


class _Story:
    """One live blog while it is read."""

    def __init__(
        self, blog: _Data, key: str, name: str, options: ArchiveOptions
    ) -> None:
        self.blog, self.key, self.name, self.options = blog, key, name, options
        self.url = str(blog.get("url") or "")
        self.texts = Texts(self.url)
        self.clock = Clock(options.time_zone)
        self.warnings: list[str] = []
        self.guessed_day = False

    def read(self) -> Iterator[ArchiveStory]:
        """Yield the story."""
        title = _plain(str(self.blog.get("title") or "")) or PurePath(self.name).stem
        documents = list(self.blog["documents"])
        times = self.times([each.get("time") for each in documents], title)
        updates = [
            update
            for each, at in zip(documents, times, strict=True)
            for update in self.update(each, at)
        ]
        for name in ("genre", "category"):
            for label in _texts(self.blog.get(name)):
                self.texts.leave_out(CATEGORY, _plain(label))
        self.leave_out_others(self.blog, _READ_OF_BLOG)
        document = Document(
            headline=title,
            markdown=True,
            summary=self.summary(),
            updates=newest_first(updates),
            old_urls=(self.url,) if self.url.startswith("http") else (),
            state=Story.State.CLOSED,
            closed_at=last_time(updates),
            file_name=self.name,
            guessed_day=self.guessed_day,
        )
        yield ArchiveStory(
            self.key,
            document,
            tuple(self.texts.left_out),
            tuple(self.texts.images),
            (*self.warnings, *self.clock.warnings, *self.texts.warnings),
        )

    def summary(self) -> Body:
        """Return the summary, as a list if it has several sentences."""
        lines = _texts(self.blog.get("summary"))
        items = [words for each in lines if (words := each.strip())]
        if len(items) < 2:
            return markdown.body(self.texts.source(_html(items))) if items else NO_TEXT
        listed = "".join(f"<li>{_html([each])}</li>" for each in items)
        return markdown.body(self.texts.source(f"<ul>{listed}</ul>"))

    def update(self, data: _Data, at: datetime | None) -> Iterator[DocumentEntry]:
        """Yield an update."""
        title = _plain(" ".join(_texts(data.get("title"))))
        text = self.texts.source(_html(_texts(data.get("text"))))
        source, title = without_headline(text, title)
        kind = str(data.get("block_kind") or "")
        self.leave_out_others(data, _READ)
        yield from self.texts.updates(
            source,
            at,
            title,
            byline=names(_texts(data.get("author"))),
            key_event=data.get("is_key_event") in (True, "true", "True", 1)
            or "key" in kind,
        )

    def leave_out_others(self, data: _Data, read: Collection[str]) -> None:
        """Note the texts that have no place here."""
        for name in sorted(data.keys() - set(read)):
            for words in map(_plain, _texts(data[name])):
                self.texts.leave_out(OTHER_FIELD, f"{name}: {words}")

    def times(self, given: Sequence[Any], title: str) -> list[datetime | None]:
        """Return the times of the updates, of which some may have no day."""
        read = [stamp(each) if isinstance(each, str) else None for each in given]
        stamps = [None if each and each.unclear_day else each for each in read]
        if any(found and not found.day for found in stamps):
            zones = {found.zone.tz for found in stamps if found and found.zone}
            if len(zones) == 1:
                self.clock.zone = zones.pop()
            clocks = [found.at if found else None for found in stamps]
            return self.without_days(
                [
                    timedelta(hours=at.hour, minutes=at.minute) if at else None
                    for at in clocks
                ],
                title,
            )
        return [self.clock.read(_iso(each)) for each in given]

    def without_days(
        self, clocks: Sequence[timedelta | None], title: str
    ) -> list[datetime | None]:
        """Return times from "HH:MM": the days follow from their order."""
        known = [clock for clock in clocks if clock is not None]
        readings = (known[::-1], days_of(known[::-1])), (known, days_of(known))
        # The newest are first, unless that would need more days.
        ordered, days = min(readings, key=lambda reading: reading[1][-1])
        first = self.first_day(title, ordered[-1], days[-1])
        midnight = datetime.combine(first, time())
        times = [
            self.clock.read((midnight + timedelta(days=day) + clock).isoformat())
            for day, clock in zip(days, ordered, strict=True)
        ]
        following = iter(times if ordered is readings[1][0] else times[::-1])
        return [None if clock is None else next(following) for clock in clocks]

    def first_day(self, title: str, last: timedelta, days: int) -> date:
        """Return the day of the oldest update: as given, or the latest possible.

        `last` is the time of the newest update, `days` after it.
        """
        if given := self.options.day or day_in(self.name, self.url, title):
            return given
        now = self.options.now.astimezone(self.options.time_zone or UTC)
        newest = datetime.combine(now.date(), time(), now.tzinfo) + last
        first = now.date() - timedelta(days=days + (newest > now))
        self.guessed_day = True
        self.warnings.append(
            "Its times have no day. The oldest update is dated "
            f"{gmt.format_day(first)}, so that none is in the future. Name the day "
            "with --date, or in the file’s name."
        )
        return first


def _texts(value: Any) -> list[str]:
    """Return a text, or the texts in a list or an object."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [str(value)] if value not in (None, "") else []


def _iso(value: Any) -> Any:
    """Return a list of year, month, day, hour and minute as ISO 8601."""
    if not isinstance(value, list):
        return value
    numbers = [int(each) for each in value[:_TIME_FIELDS] if str(each).isdigit()]
    if len(numbers) < _TIME_FIELDS:
        return None
    year, month, day, hour, minute = numbers
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}"


def _html(sentences: Sequence[str]) -> str:
    """Return sentences as a paragraph; a blank line in one begins another."""
    paragraphs = re.split(r"\n\s*\n", " ".join(map(_escaped, sentences)))
    return "".join(
        f"<p>{each.strip()}</p>".replace("\n", "<br>") for each in paragraphs
    )


def _escaped(text: str) -> str:
    """Return text as HTML. It may have tags and entities; “<x>” is no tag."""
    parts = _TAG.split(text)
    parts[::2] = [escape(unescape(part), quote=False) for part in parts[::2]]
    return "".join(parts)


def _plain(text: str) -> str:
    return plain(_escaped(text))


CORPORA: Final = Format(
    "corpora", "BBC and Guardian summarisation corpora (JSON)", _recognises, _stories
)
