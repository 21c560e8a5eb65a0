"""What a file tells → rows, through the verbs; all of it or nothing."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from django.utils.text import slugify

from entries import verbs
from entries.exchange import bodies
from entries.exchange.pictures import (
    Folder,
    Gallery,
    Progress,
    describe,
    kept_only_if_used,
)
from entries.exchange.told import Body, ExchangeError, Item, Kind, Remark, Told
from entries.models import (
    Entry,
    Image,
    ImportedFile,
    Link,
    Posting,
    Series,
    Story,
    StorySlug,
)
from entries.text import rendering, urls
from entries.verbs import Moved, Piece, Text, changing, settled

_LIMITS: Final = {"headline": 200, "series": 100, "standfirst": 500, "language": 20}


@dataclass(frozen=True)
class Wanted:
    """What whoever imports a file wants of it; `digest` and `name` are the file's."""

    headline: str = ""
    slug: str = ""
    series: str = ""
    publish: bool = False
    folder: Folder = field(default_factory=lambda: Folder(None))
    digest: str = ""
    name: str = ""


@dataclass
class Loaded:
    """The story that a file became, and what there is to say about it."""

    story: Story
    remarks: list[Remark] = field(default_factory=list)


def load(told: Told, wanted: Wanted, progress: Progress) -> Loaded:
    """Make a story of what a file tells; a draft unless `wanted.publish`.

    Raises ExchangeError or Refused with a sentence, and then nothing was written.
    """
    told = replace(
        told,
        headline=wanted.headline or told.headline,
        series=wanted.series or told.series,
    )
    check(told)
    gallery = Gallery(wanted.folder)
    lead = wanted.folder.lead(wanted.slug or slugify(told.headline)[:100])
    with kept_only_if_used(gallery):
        named = [(item.text, item.line) for item in _pictures(told)]
        remarks = gallery.ingest_all(named, progress)
        if told.photo and (problem := gallery.ingest(lead)):
            remarks.append(Remark(1, f"the lead picture: {problem}"))
        loading = written(lambda: _Loading(told, wanted, gallery, lead, progress))
    return Loaded(loading.story, sorted({*remarks, *loading.remarks}))


class Plan(Protocol):
    """A story that is ready to be written: all that takes time is done."""

    targets: "Targets"

    def write(self) -> None:
        """Write it. Raises Moved where something is not any more as it was read."""


P = TypeVar("P", bound=Plan)


@settled
def written(prepare: Callable[[], P]) -> P:
    """Prepare a story, and write it in one short transaction.

    What it leads to is locked meanwhile.
    """
    plan = prepare()
    used = {story.pk: story for story in plan.targets.used}
    with changing(*used) as ledger:
        now = {pk: _named(story) for pk, story in ledger.stories.items()}
        if now != {pk: _named(story) for pk, story in used.items()}:
            raise Moved
        plan.write()
    return plan


def _named(story: Story) -> tuple[str, str, str]:
    """Return what a line that leads to a story shows of it."""
    return (story.title, story.slug, story.state)


def check(told: Told) -> None:
    """Raise ExchangeError for a text that has no room where it belongs."""
    for name in _LIMITS:
        check_length(name, getattr(told, name))
    if remark := next(too_long(told), None):
        raise ExchangeError(f"In {remark}")


def check_length(name: str, value: str) -> None:
    """Raise ExchangeError for a value of the head that is longer than its column."""
    if len(value) > (limit := _LIMITS[name]):
        raise ExchangeError(
            f"The {name} has more than {limit} characters: give a shorter one."
        )


def too_long(told: Told) -> Iterator[Remark]:
    """Yield what is wrong with the bodies: those that no entry can hold."""
    for body in told.bodies:
        length = len(markdown(body))
        if length > rendering.BODY_LIMIT:
            message = (
                f"this entry has {length:,} characters, and {rendering.BODY_LIMIT:,} "
                "is the limit; divide it into several updates"
            )
            yield Remark(body.line, message)
        if len(body.headline) > 200 or len(body.byline) > 100:
            yield Remark(body.line, "the headline or the byline of this is too long")


def markdown(body: Body, names: dict[str, str] | None = None) -> str:
    """Return the Markdown of a body; `names` are pictures' by what was typed."""
    return body.source or bodies.source(body.items, names or {})


def _pictures(told: Told) -> list[Item]:
    items = [item for body in told.bodies for item in body.of(Kind.PICTURE)]
    return list({item.text: item for item in reversed(items)}.values())[::-1]


class _Loading:
    """One import: prepared by reading alone, then written."""

    def __init__(
        self,
        told: Told,
        wanted: Wanted,
        gallery: Gallery,
        lead: Path | None,
        progress: Progress,
    ) -> None:
        self.told, self.wanted, self.gallery = told, wanted, gallery
        self.remarks: list[Remark] = []
        self.targets = Targets()
        gallery.start_over()
        self.names = {
            item.text: gallery.row(item.text).name for item in _pictures(told)
        }
        slug = wanted.slug or verbs.free_slug(told.headline)
        state = Story.State.LIVE if wanted.publish else Story.State.DRAFT
        began = min((update.at for update in told.updates), default=None)
        first_day = told.first_day or (began.astimezone(UTC).date() if began else None)
        self.story = Story(
            headline=told.headline, slug=slug, state=state, first_day=first_day
        )
        self.lead = self.lead_image(lead)
        self.pieces = []
        total = len(told.updates) + 1
        if told.original.items:
            self.pieces.append(self.piece(told.original, Entry.Kind.ORIGINAL))
        for done, update in enumerate(told.oldest_first, 1):
            progress(done, total, "entries")
            piece = self.piece(update.body, Entry.Kind.UPDATE, update.at)
            self.pieces.append(piece)
        progress(total, total, "entries")

    def write(self) -> None:
        """Write the story with all that is in it."""
        told, planned = self.told, self.story
        self.gallery.save()
        slugs = StorySlug.objects.filter(slug=planned.slug)
        if not self.wanted.slug and slugs.exists():
            raise Moved
        self.story = verbs.create_story(
            told.headline,
            slug=planned.slug,
            series=find_series(told.series) if told.series else None,
            standfirst=told.standfirst,
            summary=markdown(told.summary, self.names),
            language=told.language or "en",
            first_day=planned.first_day,
            lead_image=self.lead,
        )
        if self.wanted.publish:
            self.publish()
        verbs.post_all(self.story, self.pieces)
        self.story_links()
        ImportedFile.objects.create(
            digest=self.wanted.digest, name=self.wanted.name[-255:], story=self.story
        )

    def publish(self) -> None:
        began = min((update.at for update in self.told.updates), default=None)
        if began is None and self.told.first_day:
            began = datetime.combine(self.told.first_day, time(), UTC)
        now = datetime.now(UTC)
        self.story = verbs.go_live(self.story, min(began, now) if began else None)

    def lead_image(self, path: Path | None) -> Image | None:
        """Return the row of the lead picture, filled if its file is there."""
        caption = self.told.photo
        if not caption:
            return None
        name = self.gallery.free_name(f"{self.story.slug[:110]}-photo")
        image = self.gallery.row("", name, path)
        image.caption = image.caption or caption
        image.alt = image.alt or caption[:500]
        return image

    def piece(self, body: Body, kind: str, at: datetime | None = None) -> Piece:
        text = Text(markdown(body, self.names), body.headline, at, body.byline)
        pictures = [self.gallery.rows[i.text] for i in body.of(Kind.PICTURE)]
        state = Entry.State.PUBLISHED
        if silent := describe(pictures):
            state = Entry.State.DRAFT
            message = f"kept as a draft: no alt text for {', '.join(silent)}"
            self.remarks.append(Remark(body.line, message))
        entry = Entry(story=self.story, kind=kind, state=state)
        links = [
            Link(order=order, **fields)
            for order, fields in enumerate(self.entry_links(body))
        ]
        posting = Posting(entry=entry, story=self.story)
        return verbs.draw_piece(posting, text, self.gallery.by_name, links)

    def entry_links(self, body: Body) -> Iterable[dict[str, Any]]:
        """Yield the links of the lines in a body, each title once."""
        yielded = set()
        for item in body.of(Kind.SEE, Kind.CROSS_POST):
            see = item.kind == Kind.SEE
            for name in item.names:
                if (see, name) in yielded:
                    continue
                yielded.add((see, name))
                target = self.targets.story(name) if see else self.targets.series(name)
                kind = Link.Kind.SEE if see else Link.Kind.CROSS_POSTED
                yield {"kind": kind, "title": name, **target}

    def story_links(self) -> None:
        for order, title in enumerate(self.told.latest):
            target = self.targets.story(title)
            verbs.add_link(
                Link.Kind.LATEST, story=self.story, title=title, order=order, **target
            )
        for order, feature in enumerate(self.told.features):
            if feature.title:
                target = self.targets.story(feature.title)
                verbs.add_link(
                    Link.Kind.FEATURE,
                    story=self.story,
                    label=feature.label[:60],
                    title=feature.title,
                    order=order,
                    **target,
                )


class Targets:
    """What titles may lead to: public stories by title or headline, and series.

    `used` are the stories that were asked for and found.
    """

    def __init__(self) -> None:
        self.used: list[Story] = []
        self._stories: dict[str, Story] | None = None
        self._series: dict[str, Series] | None = None

    def story(self, title: str) -> dict[str, Any]:
        """Return the target of a link with this title, if exactly one story has it."""
        if self._stories is None:
            self._stories = {}
            public = list(Story.objects.public().select_related("series"))
            for name in ("headline", "title"):
                self._stories |= _by_name(public, name)
        found = self._stories.get(title.casefold())
        if found is None:
            return {}
        self.used.append(found)
        return {"target_story": found}

    def series(self, name: str) -> dict[str, Any]:
        """Return the target of a link to the series of this name."""
        if self._series is None:
            self._series = _by_name(Series.objects.all(), "name")
        found = self._series.get(name.casefold())
        return {"target_series": found} if found else {}


def _by_name(rows: Iterable[Any], field_name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in rows:
        name = getattr(row, field_name).casefold()
        found[name] = None if name in found else row
    return {name: row for name, row in found.items() if row is not None}


def find_series(name: str) -> Series:
    """Return the series of a name, whatever its case; made if there is none.

    Raises ExchangeError where no name is left of it.
    """
    if not (name := rendering.one_line(name)):
        raise ExchangeError("The series has no name: write one, or leave it out.")
    check_length("series", name)
    found: Series | None = _by_name(Series.objects.all(), "name").get(name.casefold())
    if found:
        return found
    base = slugify(name)[:90] or "series"
    alike = Series.objects.filter(slug__startswith=base)
    taken = set(alike.values_list("slug", flat=True))
    slug = next(free for free in urls.numbered(base) if free not in taken)
    return Series.objects.create(name=name, slug=slug)
