"""Our own JSON → rows. What readers see goes through the verbs."""

import re
from datetime import UTC, datetime
from typing import Final

from django.contrib.auth.models import User
from django.db.models import OuterRef, Subquery
from django.utils.text import slugify

from entries import verbs
from entries.exchange.json_reading import (
    Data,
    EntryData,
    LinkData,
    PictureData,
    VersionData,
)
from entries.exchange.loading import Loaded, Targets, Wanted, find_series, written
from entries.exchange.pictures import Gallery, Progress, describe, kept_only_if_used
from entries.exchange.told import Remark
from entries.models import (
    Entry,
    EntryVersion,
    Image,
    ImportedFile,
    Link,
    Posting,
    Series,
    Story,
    StorySlug,
)
from entries.text import urls
from entries.verbs import Moved, Piece, Refused, Text

_IMAGE: Final = re.compile(r"(!\[[^\[\]]*\]\(image:)([\w-]+)(\))")
State = Entry.State


def load_data(data: Data, wanted: Wanted, progress: Progress) -> Loaded:
    """Make the story that a file of ours holds; a draft unless `wanted.publish`.

    Raises Refused with a sentence, and then nothing was written.
    """
    gallery = Gallery(wanted.folder)
    with kept_only_if_used(gallery):
        named = [(picture.name, 0) for picture in data.pictures]
        remarks = gallery.ingest_all(named, progress)
        loading = written(lambda: _Loading(data, wanted, gallery, progress))
    return Loaded(loading.story, remarks + loading.remarks)


class _Loading:
    """One import: prepared by reading alone, then written."""

    def __init__(
        self, data: Data, wanted: Wanted, gallery: Gallery, progress: Progress
    ) -> None:
        self.data, self.wanted, self.gallery = data, wanted, gallery
        self.remarks: list[Remark] = []
        self.targets = Targets()
        self.made: list[tuple[Entry, EntryData]] = []
        self.foreign: list[tuple[Entry, EntryData]] = []
        names = {name for entry in data.entries for name in _people(entry)}
        users = User.objects.filter(username__in=names)
        self.users = {user.username: user for user in users}
        gallery.start_over()
        self.pictures = {each.name: self.picture(each) for each in data.pictures}
        self.story = self.planned()
        self.pieces: list[Piece] = []
        for done, entry in enumerate(data.entries, 1):
            progress(done, len(data.entries), "entries")
            if entry.home_name:
                self.from_elsewhere(entry)
            else:
                self.prepare(entry)

    def planned(self) -> Story:
        """Return the story as it is going to be while its entries are written."""
        data, wanted = self.data, self.wanted
        headline = wanted.headline or data.headline
        slug = wanted.slug or free_slug(data.slug) or verbs.free_slug(headline)
        story = Story(headline=headline, slug=slug, first_day=data.first_day)
        if wanted.publish:
            story.state = Story.State.LIVE
            times = [one.at for one in data.entries if one.at and _published(one)]
            first = min(times, default=datetime.now(UTC))
            story.first_day = data.first_day or first.astimezone(UTC).date()
        return story

    def write(self) -> None:
        """Write the story with all that is in it."""
        planned = self.story
        self.gallery.save()
        slugs = StorySlug.objects.filter(slug=planned.slug)
        if not self.wanted.slug and slugs.exists():
            raise Moved
        self.story = self.create(planned)
        if self.wanted.publish:
            verbs.go_live(self.story, self.data.live_at)
        for link in (link for piece in self.pieces for link in piece.links):
            if link.target_story is planned:
                link.target_story = self.story
        verbs.post_all(self.story, self.pieces)
        for entry, data in self.foreign:
            posting = verbs.cross_post(entry, self.story)
            verbs.mark(posting, pinned=data.pinned, key_event=data.key_event)
        for line in self.data.links:
            if new := self.link(line, story=self.story):
                verbs.save_link(new)
        if self.wanted.publish:
            self.publish()
        self.restore_times()
        ImportedFile.objects.create(
            digest=self.wanted.digest, name=self.wanted.name[-255:], story=self.story
        )

    def remark(self, message: str) -> None:
        self.remarks.append(Remark(0, message))

    # --- The head

    def picture(self, data: PictureData) -> Image:
        """Return the row of a picture; one that is here already keeps its words."""
        row = self.gallery.row(data.name)
        silent = not (row.alt or row.caption or row.credit or row.decorative)
        if silent or row.pk is None:
            for name, value in data.words.items():
                setattr(row, name, value)
            self.gallery.changed.add(row.name)
        return row

    def create(self, planned: Story) -> Story:
        data = self.data
        story = verbs.create_story(
            planned.headline,
            slug=planned.slug,
            series=self.series(),
            standfirst=data.standfirst,
            summary=self.renamed(data.summary),
            language=data.language,
            lead_image=self.pictures.get(data.lead_image),
            first_day=planned.first_day,
            continues_in=find_story(data.continues_in),
        )
        for slug in data.old_slugs:
            if free_slug(slug[: verbs.SLUG_LIMIT]) == slug:
                StorySlug.objects.create(slug=slug, story=story)
        return story

    def series(self) -> Series | None:
        data = self.data.series
        if self.wanted.series or data is None:
            return find_series(self.wanted.series) if self.wanted.series else None
        if data.slug and (found := Series.objects.filter(slug=data.slug).first()):
            return found
        series = find_series(data.name)
        if data.description and not series.description:
            series.description = data.description
            series.save()
        return series

    def renamed(self, body: str) -> str:
        """Return a body that names the pictures as they are named here."""

        def name(match: re.Match[str]) -> str:
            row = self.pictures.get(match[2])
            return f"{match[1]}{row.name if row else match[2]}{match[3]}"

        return _IMAGE.sub(name, body)

    # --- Entries

    def prepare(self, data: EntryData, body: str = "", *more: Link) -> None:
        """Make the piece of an entry as it was, its earlier texts behind it."""
        text = Text(
            body or self.renamed(data.body), data.headline, data.at, data.byline
        )
        state = data.state
        silent = describe(self.shown(text.body))
        if state == State.PUBLISHED and silent:
            state = State.DRAFT
            self.remark(f"kept as a draft: no alt text for {', '.join(silent)}")
        entry = Entry(
            story=self.story,
            kind=data.kind,
            state=state,
            author=self.users.get(data.author),
            version=data.version,
        )
        posting = Posting(
            entry=entry,
            story=self.story,
            pinned=data.pinned,
            key_event=data.key_event,
        )
        links = [link for each in data.links if (link := self.link(each))]
        piece = verbs.draw_piece(
            posting,
            text,
            self.gallery.by_name,
            [*links, *more],
            [self.version(each) for each in data.versions],
        )
        entry.published_at = data.published_at or entry.published_at
        self.pieces.append(piece)
        self.made.append((entry, data))

    def version(self, data: VersionData) -> EntryVersion:
        return EntryVersion(
            number=data.number,
            at=data.at,
            headline=data.headline,
            body=self.renamed(data.body),
            line=data.line,
            hidden=data.hidden,
            erased=data.erased,
            changed_by=self.users.get(data.changed_by),
            changed_at=data.changed_at,
        )

    def shown(self, body: str) -> list[Image]:
        """Return the pictures in a body; makes missing ones of unknown names."""
        names = {match[2] for match in _IMAGE.finditer(body)}
        return [self.gallery.named(name) for name in sorted(names)]

    def from_elsewhere(self, data: EntryData) -> None:
        """Cross-post an update of another story, or keep a copy that says so."""
        home = find_story(data.home)
        original = home and _same_entry(home, data)
        if original and home and home.public:
            self.foreign.append((original, data))
            return
        line = f"(Cross-posted from {data.home_name})"
        link = Link(
            kind=Link.Kind.CROSS_POSTED,
            title=data.home_name,
            target_story=home,
            order=len(data.links),
        )
        if home:
            self.targets.used.append(home)
        self.prepare(data, f"{self.renamed(data.body)}\n\n{line}", link)
        self.remark(f"an update from “{data.home_name}” is a copy here, named as that")

    def link(self, data: LinkData, **home: Story) -> Link | None:
        """Return a link as it is going to be; None for one that says nothing."""
        target = self.story if data.story == self.data.slug else find_story(data.story)
        series = (
            Series.objects.filter(slug=data.series).first() if data.series else None
        )
        found = target or series or data.url
        title = data.title or ("" if found else data.text)[:300]
        if not (title or found):
            return None
        link = Link(
            kind=data.kind,
            title=title,
            label=data.label,
            order=data.order,
            target_story=target if data.story else None,
            target_series=series,
            target_url=data.url,
            picture=self.pictures.get(data.picture),
            starts_at=data.starts_at,
            ends_at=data.ends_at,
            **home,
        )
        verbs.check_link(link)
        if link.target_story and link.target_story.pk:
            self.targets.used.append(link.target_story)
        return link

    # --- Going public

    def publish(self) -> None:
        """Take the story to the state it was exported in; a draft goes live."""
        data, story = self.data, self.story
        for entry, row in self.made:
            for place in row.posted_in:
                self.cross_post(entry, row, place.story, place.pinned, place.key_event)
        if data.state == Story.State.CLOSED or data.closed_at:
            verbs.close(story, story.continues_in, data.closed_at)
        if data.state == Story.State.WITHDRAWN:
            verbs.withdraw_story(story)

    def cross_post(
        self, entry: Entry, data: EntryData, slug: str, pinned: bool, key_event: bool
    ) -> None:
        """Stand an update in the other story that had it, unless it has it still."""
        story = find_story(slug)
        if story is None or story.postings.filter(
            entry__at=entry.at, entry__body=entry.body, removed=False
        ):
            return
        try:
            posting = verbs.cross_post(entry, story)
        except Refused as error:
            self.remark(f"an update does not stand in “{story.headline}”: {error}")
            return
        verbs.mark(posting, pinned=pinned, key_event=key_event)

    def restore_times(self) -> None:
        """Write when everything happened, which the verbs took for now."""
        names = ("created_at", "changed_at")
        for entry, data in self.made:
            for name in names:
                setattr(entry, name, getattr(data, name) or getattr(entry, name))
        entries = [entry for entry, _ in self.made]
        Entry.objects.bulk_update(entries, names, batch_size=500)
        written = Entry.objects.filter(pk=OuterRef("entry")).values("created_at")
        timeless = self.story.postings.filter(entry__at=None, entry__published_at=None)
        timeless.update(at=Subquery(written))
        if self.data.created_at:
            Story.objects.filter(pk=self.story.pk).update(
                created_at=self.data.created_at
            )


def _published(data: EntryData) -> bool:
    return bool(data.state == State.PUBLISHED and data.kind == Entry.Kind.UPDATE)


def _people(entry: EntryData) -> list[str]:
    return [entry.author, *(version.changed_by for version in entry.versions)]


def _same_entry(home: Story, data: EntryData) -> Entry | None:
    return home.entries.filter(
        kind=Entry.Kind.UPDATE, state=State.PUBLISHED, at=data.at, body=data.body
    ).first()


def find_story(slug: str) -> Story | None:
    """Return the story that has, or had, a slug."""
    row = StorySlug.objects.select_related("story").filter(slug=slug).first()
    return row.story if row else None


def free_slug(slug: str) -> str:
    """Return a slug that no story has or had; empty for one that cannot be."""
    if slugify(slug) != slug or not slug:
        return ""
    return next(
        free
        for free in urls.numbered(slug)
        if not StorySlug.objects.filter(slug=free).exists()
    )
