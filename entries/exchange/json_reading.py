"""Our own JSON → checked values. Every refusal says where in the file it is."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from entries.exchange import bodies
from entries.exchange.decoding import FILE_LIMIT, unique
from entries.exchange.story_json import FORMAT, VERSION
from entries.exchange.told import Body, ExchangeError, Feature, Told, Update
from entries.models import Entry, Link, Story
from entries.text import rendering

_STATES: Final = frozenset(Entry.State.values)
_FUTURE: Final = date(2200, 1, 1)


@dataclass(frozen=True)
class LinkData:
    """A link; `story` and `series` are slugs."""

    kind: str
    title: str
    text: str
    label: str
    order: int
    story: str
    series: str
    url: str
    picture: str
    starts_at: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True)
class VersionData:
    """An earlier text of an entry."""

    number: int
    at: datetime | None
    headline: str
    body: str
    line: str
    hidden: bool
    erased: bool
    changed_by: str
    changed_at: datetime


@dataclass(frozen=True)
class PlaceData:
    """A story that an entry stands in, by slug, and its marks there."""

    story: str
    pinned: bool
    key_event: bool


@dataclass(frozen=True)
class EntryData:
    """An entry; `home` and `home_name` are set where another story is its own."""

    kind: str
    state: str
    at: datetime | None
    headline: str
    body: str
    byline: str
    pinned: bool
    key_event: bool
    home: str
    home_name: str
    author: str
    created_at: datetime | None
    changed_at: datetime | None
    published_at: datetime | None
    version: int
    posted_in: list[PlaceData]
    links: list[LinkData]
    versions: list[VersionData]

    @property
    def original(self) -> bool:
        """Whether it is the story's original entry."""
        return self.kind == Entry.Kind.ORIGINAL


@dataclass(frozen=True)
class PictureData:
    """A picture's name and words."""

    name: str
    words: dict[str, Any]


@dataclass(frozen=True)
class SeriesData:
    """A series."""

    name: str
    slug: str
    description: str


@dataclass(frozen=True)
class Data:
    """A story as its file has it."""

    slug: str
    old_slugs: list[str]
    headline: str
    series: SeriesData | None
    standfirst: str
    summary: str
    language: str
    lead_image: str
    state: str
    first_day: date | None
    live_at: datetime | None
    closed_at: datetime | None
    created_at: datetime | None
    continues_in: str
    entries: list[EntryData]
    links: list[LinkData]
    pictures: list[PictureData]


@dataclass(frozen=True)
class _Fields:
    """An object of the file, and where it stands there."""

    where: str
    values: dict[str, Any] = field(repr=False)

    def fail(self, name: str, wanted: str) -> ExchangeError:
        return ExchangeError(f"{self.where}, “{name}”: this should be {wanted}.")

    def text(self, name: str, limit: int = 0, *, needed: bool = False) -> str:
        value = self.values.get(name)
        if value is None and not needed:
            return ""
        if not isinstance(value, str) or (needed and not value.strip()):
            raise self.fail(name, "text")
        value = rendering.tidy(value)
        if limit and len(value) > limit:
            raise self.fail(name, f"no longer than {limit:,} characters")
        return value

    def choice(self, name: str, values: Iterable[str]) -> str:
        value = self.values.get(name)
        if value not in (known := list(values)):
            raise self.fail(name, f"one of {', '.join(known)}")
        return str(value)

    def flag(self, name: str) -> bool:
        value = self.values.get(name, False)
        if not isinstance(value, bool):
            raise self.fail(name, "true or false")
        return value

    def number(self, name: str, default: int) -> int:
        value = self.values.get(name, default)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not 0 <= value < 2**31:
            raise self.fail(name, "a whole number")
        return int(value)

    def time(self, name: str) -> datetime | None:
        text = self.text(name)
        if not text:
            return None
        try:
            at = datetime.fromisoformat(text)
        except ValueError as error:
            raise self.fail(name, "a time like 2026-03-14T18:04:00+00:00") from error
        if at.utcoffset() is None or not self.sane(at.date()):
            raise self.fail(name, "a time of this age, with its offset from GMT")
        return at.astimezone(UTC)  # PostgreSQL refuses offsets of 16 hours and more

    def day(self, name: str) -> date | None:
        text = self.text(name)
        try:
            day = date.fromisoformat(text) if text else None
        except ValueError as error:
            raise self.fail(name, "a day like 2026-03-14") from error
        if day and not self.sane(day):
            raise self.fail(name, "a day of this age")
        return day

    @staticmethod
    def sane(day: date) -> bool:
        return date(1900, 1, 1) + timedelta(1) <= day < _FUTURE

    def objects(self, name: str) -> list["_Fields"]:
        values = self.values.get(name) or []
        if not isinstance(values, list):
            raise self.fail(name, "a list")
        return [
            _fields(f"{self.where}, {name} {number}", value)
            for number, value in enumerate(values, 1)
        ]

    def object(self, name: str) -> "_Fields | None":
        value = self.values.get(name)
        return None if value is None else _fields(f"{self.where}, {name}", value)


def _fields(where: str, value: object) -> _Fields:
    if not isinstance(value, dict):
        raise ExchangeError(f"{where}: this should be an object.")
    return _Fields(where, value)


def parse(content: bytes) -> Data | None:
    """Return the story in a JSON file of ours; None for what is no JSON object.

    Raises ExchangeError for other JSON, and for what is wrong in ours.
    """
    if len(content) > FILE_LIMIT or not content.removeprefix(
        b"\xef\xbb\xbf"
    ).lstrip().startswith(b"{"):
        return None
    try:
        value = json.loads(content.decode("utf-8-sig"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        if f'"{FORMAT}"'.encode() in content[:1000]:
            raise ExchangeError(
                f"The JSON of this story is damaged: {error}."
            ) from error
        return None
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ExchangeError("This JSON is not a story that export_story wrote.")
    if value.get("version") != VERSION:
        raise ExchangeError(
            f"This story is in version {value.get('version')!r} of its format; this "
            f"site reads version {VERSION}."
        )
    return _story(_Fields("The file", value))


def _story(file: _Fields) -> Data:
    head = file.object("story")
    if head is None:
        raise file.fail("story", "an object")
    old_slugs = head.values.get("old_slugs") or []
    if not isinstance(old_slugs, list) or not all(
        isinstance(s, str) for s in old_slugs
    ):
        raise head.fail("old_slugs", "a list of texts")
    data = Data(
        slug=head.text("slug", 120),
        old_slugs=old_slugs,
        headline=head.text("headline", 200, needed=True),
        series=_series(head.object("series")),
        standfirst=head.text("standfirst", 500),
        summary=head.text("summary", rendering.BODY_LIMIT),
        language=head.text("language", 20) or "en",
        lead_image=head.text("lead_image", 120),
        state=head.choice("state", Story.State.values),
        first_day=head.day("first_day"),
        live_at=head.time("live_at"),
        closed_at=head.time("closed_at"),
        created_at=head.time("created_at"),
        continues_in=head.text("continues_in", 120),
        entries=[_entry(each) for each in file.objects("entries")],
        links=[_link(each) for each in file.objects("links")],
        pictures=[_picture(each) for each in file.objects("pictures")],
    )
    if sum(entry.original for entry in data.entries) > 1:
        raise ExchangeError("The file has more than one original entry.")
    return data


def _series(fields: _Fields | None) -> SeriesData | None:
    if fields is None:
        return None
    return SeriesData(
        fields.text("name", 100, needed=True),
        fields.text("slug", 100),
        fields.text("description", 300),
    )


def _entry(fields: _Fields) -> EntryData:
    home = fields.object("cross_posted_from")
    entry = EntryData(
        kind=fields.choice("kind", Entry.Kind.values),
        state=fields.choice("state", _STATES),
        at=fields.time("at"),
        headline=fields.text("headline", 200),
        body=fields.text("body", rendering.BODY_LIMIT, needed=True),
        byline=fields.text("byline", 100),
        pinned=fields.flag("pinned"),
        key_event=fields.flag("key_event"),
        home=home.text("story", 120) if home else "",
        home_name=home.text("name", 300, needed=True) if home else "",
        author=fields.text("author", 150),
        created_at=fields.time("created_at"),
        changed_at=fields.time("changed_at"),
        published_at=fields.time("published_at"),
        version=max(1, fields.number("version", 1)),
        posted_in=[_place(each) for each in fields.objects("posted_in")],
        links=[_link(each) for each in fields.objects("links")],
        versions=[_version(each) for each in fields.objects("versions")],
    )
    timed = (
        entry.original or entry.at or entry.state in ("draft", "submitted", "withdrawn")
    )
    if not timed:
        raise fields.fail("at", "the time of a published update")
    numbers = {version.number for version in entry.versions}
    if len(numbers) < len(entry.versions) or max(numbers, default=0) >= max(
        2, entry.version
    ):
        raise fields.fail("versions", "numbered, below the version of the entry")
    return entry


def _place(fields: _Fields) -> PlaceData:
    return PlaceData(
        fields.text("story", 120, needed=True),
        fields.flag("pinned"),
        fields.flag("key_event"),
    )


def _version(fields: _Fields) -> VersionData:
    changed_at = fields.time("changed_at")
    if changed_at is None:
        raise fields.fail("changed_at", "a time")
    return VersionData(
        number=fields.number("number", 1),
        at=fields.time("at"),
        headline=fields.text("headline", 200),
        body=fields.text("body", rendering.BODY_LIMIT),
        line=fields.text("line", 300),
        hidden=fields.flag("hidden"),
        erased=fields.flag("erased"),
        changed_by=fields.text("changed_by", 150),
        changed_at=changed_at,
    )


def _link(fields: _Fields) -> LinkData:
    link = LinkData(
        kind=fields.choice("kind", Link.Kind.values),
        title=fields.text("title", 300),
        text=fields.text("text", 500),
        label=fields.text("label", 60),
        order=fields.number("order", 0),
        story=fields.text("story", 120),
        series=fields.text("series", 100),
        url=fields.text("url", 500),
        picture=fields.text("picture", 120),
        starts_at=fields.time("starts_at"),
        ends_at=fields.time("ends_at"),
    )
    if sum(map(bool, (link.story, link.series, link.url))) > 1:
        raise fields.fail("story", "the only target of the link")
    return link


def _picture(fields: _Fields) -> PictureData:
    words = {
        "alt": fields.text("alt", 500),
        "caption": fields.text("caption", 1000),
        "credit": fields.text("credit", 200),
        "decorative": fields.flag("decorative"),
    }
    return PictureData(fields.text("name", 120, needed=True), words)


def told(data: Data) -> Told:
    """Return what a text of the story would tell, for a summary of the file."""
    captions = {picture.name: picture.words["caption"] for picture in data.pictures}
    updates = [entry for entry in data.entries if entry.at and not entry.original]
    original = [entry for entry in data.entries if entry.original]
    links = sorted(data.links, key=lambda link: link.order)
    return Told(
        headline=data.headline,
        series=data.series.name if data.series else "",
        first_day=data.first_day,
        photo=captions.get(data.lead_image, ""),
        latest=tuple(link.text for link in links if link.kind == Link.Kind.LATEST),
        features=tuple(
            Feature(link.label, link.text)
            for link in links
            if link.kind == Link.Kind.FEATURE
        ),
        updates=tuple(Update(e.at, _body(e)) for e in updates[::-1] if e.at),
        original=_body(original[0]) if original else Body(),
    )


def _body(entry: EntryData) -> Body:
    return Body(bodies.items(entry.body), entry.body, entry.headline, entry.byline)
