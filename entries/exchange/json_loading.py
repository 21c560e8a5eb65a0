"""Our own JSON → rows. What readers see goes through the verbs."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.text import slugify

from entries import linking, publishing, stories
from entries.exchange.json_reading import Data, EntryData, LinkData, PictureData
from entries.exchange.loading import Loaded, Wanted, find_series
from entries.exchange.pictures import (
    Gallery,
    Progress,
    describe,
    kept_only_if_used,
)
from entries.exchange.told import Remark
from entries.ledger import Refused
from entries.models import (
    Entry,
    EntryVersion,
    Image,
    ImportedFile,
    Link,
    Series,
    Story,
    StorySlug,
)
from entries.publishing import Text

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
        with transaction.atomic():
            loading = _Loading(data, wanted, gallery)
            loading.run(progress)
    return Loaded(loading.story, remarks + loading.remarks)


class _Loading:
    """One import, inside its transaction."""

    def __init__(self, data: Data, wanted: Wanted, gallery: Gallery) -> None:
        self.data, self.wanted, self.gallery = data, wanted, gallery
        self.remarks: list[Remark] = []
        self.made: list[tuple[Entry, EntryData]] = []
        names = {name for entry in data.entries for name in _people(entry)}
        users = User.objects.filter(username__in=names)
        self.users = {user.username: user for user in users}
        self.story: Story

    def run(self, progress: Progress) -> None:
        self.pictures = {each.name: self.picture(each) for each in self.data.pictures}
        self.story = self.create()
        for done, entry in enumerate(self.data.entries, 1):
            progress(done, len(self.data.entries), "entries")
            if entry.home_name:
                self.foreign(entry)
            else:
                self.entry(entry)
        for link in self.data.links:
            self.link(link, story=self.story)
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
        if silent or row.pk in self.gallery.made:
            for name, value in data.words.items():
                setattr(row, name, value)
            linking.save_picture(row)
        return row

    def create(self) -> Story:
        data, wanted = self.data, self.wanted
        lead = self.pictures.get(data.lead_image)
        story = stories.create_story(
            wanted.headline or data.headline,
            slug=wanted.slug or free_slug(data.slug),
            series=self.series(),
            standfirst=data.standfirst,
            summary=self.renamed(data.summary),
            language=data.language,
            lead_image=lead,
            first_day=data.first_day,
            continues_in=find_story(data.continues_in),
        )
        for slug in data.old_slugs:
            if (
                slugify(slug) == slug
                and not StorySlug.objects.filter(slug=slug).exists()
            ):
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

    def entry(self, data: EntryData, body: str = "") -> Entry:
        """Post an entry as it was, its earlier texts behind it."""
        text = Text(
            body or self.renamed(data.body), data.headline, data.at, data.byline
        )
        state = State.DRAFT if data.state == State.WITHDRAWN else data.state
        silent = describe(self.shown(text.body))
        if state == State.PUBLISHED and silent:
            state = State.DRAFT
            self.remark(f"kept as a draft: no alt text for {', '.join(silent)}")
        entry = publishing.post(
            self.story,
            text,
            kind=data.kind,
            state=state,
            author=self.users.get(data.author),
            pinned=data.pinned,
            key_event=data.key_event,
        )
        if data.state == State.WITHDRAWN:
            publishing.withdraw(entry)
        EntryVersion.objects.bulk_create(
            EntryVersion(
                entry=entry,
                number=version.number,
                at=version.at,
                headline=version.headline,
                body=self.renamed(version.body),
                line=version.line,
                hidden=version.hidden,
                erased=version.erased,
                changed_by=self.users.get(version.changed_by),
                changed_at=version.changed_at,
            )
            for version in data.versions
        )
        Entry.objects.filter(pk=entry.pk).update(version=data.version)
        for link in data.links:
            self.link(link, entry=entry)
        self.made.append((entry, data))
        return entry

    def shown(self, body: str) -> list[Image]:
        """Return the pictures in a body; makes missing ones of unknown names."""
        names = {match[2] for match in _IMAGE.finditer(body)}
        return [Image.objects.get_or_create(name=name)[0] for name in sorted(names)]

    def foreign(self, data: EntryData) -> None:
        """Cross-post an update of another story, or keep a copy that says so."""
        home = find_story(data.home)
        original = home and _same_entry(home, data)
        if original and home and home.public:
            posting = publishing.cross_post(original, self.story)
            publishing.mark(posting, pinned=data.pinned, key_event=data.key_event)
            return
        line = f"(Cross-posted from {data.home_name})"
        entry = self.entry(data, f"{self.renamed(data.body)}\n\n{line}")
        linking.add_link(
            Link.Kind.CROSS_POSTED,
            entry=entry,
            title=data.home_name,
            target_story=home,
            order=len(data.links),
        )
        self.remark(f"an update from “{data.home_name}” is a copy here, named as that")

    def link(
        self, data: LinkData, *, story: Story | None = None, entry: Entry | None = None
    ) -> None:
        target = self.story if data.story == self.data.slug else find_story(data.story)
        series = (
            Series.objects.filter(slug=data.series).first() if data.series else None
        )
        found = target or series or data.url
        title = data.title or ("" if found else data.text)[:300]
        if not (title or found):
            return
        linking.add_link(
            data.kind,
            story=story,
            entry=entry,
            title=title,
            label=data.label,
            order=data.order,
            target_story=target if data.story else None,
            target_series=series,
            target_url=data.url,
            picture=self.pictures.get(data.picture),
            starts_at=data.starts_at,
            ends_at=data.ends_at,
        )

    # --- Going public

    def publish(self) -> None:
        """Take the story to the state it was exported in; a draft goes live."""
        data, story = self.data, self.story
        stories.go_live(story, data.live_at)
        for entry, row in self.made:
            for place in row.posted_in:
                self.cross_post(entry, row, place.story, place.pinned, place.key_event)
        if data.state == Story.State.CLOSED or data.closed_at:
            stories.close(story, story.continues_in, data.closed_at)
        if data.state == Story.State.WITHDRAWN:
            stories.withdraw_story(story)

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
            posting = publishing.cross_post(entry, story)
        except Refused as error:
            self.remark(f"an update does not stand in “{story.headline}”: {error}")
            return
        publishing.mark(posting, pinned=pinned, key_event=key_event)

    def restore_times(self) -> None:
        """Write when everything happened, which the verbs took for now."""
        for entry, data in self.made:
            times: dict[str, datetime] = {
                name: at
                for name in ("created_at", "changed_at", "published_at")
                if (at := getattr(data, name))
            }
            if times:
                Entry.objects.filter(pk=entry.pk).update(**times)
        if self.data.created_at:
            Story.objects.filter(pk=self.story.pk).update(
                created_at=self.data.created_at
            )


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
        for free in _numbered(slug)
        if not StorySlug.objects.filter(slug=free).exists()
    )


def _numbered(slug: str) -> Iterator[str]:
    yield slug
    number = 2
    while True:
        yield f"{slug[:110].strip('-')}-{number}"
        number += 1
