"""Create a story from a document, through the verbs, in one transaction."""

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from entries import verbs
from entries.exchange import markdown
from entries.exchange.document import (
    Document,
    DocumentEntry,
    ExchangeError,
    Kind,
    Remark,
)
from entries.exchange.images import Gallery, ImageFolder, Progress, removed_on_failure
from entries.models import (
    Entry,
    EntryVersion,
    Image,
    ImportedFile,
    Link,
    OldUrl,
    Posting,
    Series,
    Story,
    StorySlug,
)
from entries.models.fields import max_length
from entries.pages.story_data import LinkData, PostedIn, VersionData
from entries.text import limits, rendering, urls
from entries.text.folding import cased, fold_title
from entries.verbs import (
    EntryText,
    NewEntry,
    Refused,
    StaleRead,
    open_ledger,
)

_LIMITS: Final = {
    "headline": max_length(Story, "headline"),
    "series": max_length(Series, "name"),
    "standfirst": max_length(Story, "standfirst"),
    "language": max_length(Story, "language"),
}


@dataclass(frozen=True)
class ImportOptions:
    """The options of an import; non-empty texts override those in the file.

    With a `state`, the story is published, whatever `publish`, unless it is `draft`.
    `free_slug` is used unless another story gets it first.
    """

    headline: str = ""
    slug: str = ""
    free_slug: str = ""
    series: str = ""
    publish: bool = False
    state: str = ""
    folder: ImageFolder = field(default_factory=lambda: ImageFolder(None))

    def publishes(self, document: Document) -> bool:
        """Whether readers will see the story of a document, whose state is final."""
        return bool(self.publish or self.state) and document.state != Story.State.DRAFT


@dataclass
class Loaded:
    """The story created by an import, and the warnings about it."""

    story: Story
    remarks: list[Remark] = field(default_factory=list)


@dataclass
class Prepared:
    """A document that is rendered, with its images ingested, but not saved yet."""

    loading: "_Import"
    remarks: list[Remark]


def load(document: Document, options: ImportOptions, progress: Progress) -> Loaded:
    """Create a story from a document; a draft unless the options publish it.

    Story and entries get the dates that they have in the document. Raises ExchangeError
    or Refused, after which nothing has been written.
    """
    return save(prepare(document, options, progress))


def prepare(document: Document, options: ImportOptions, progress: Progress) -> Prepared:
    """Check and render a document, and ingest its images. It may be saved elsewhere.

    Raises ExchangeError or Refused.
    """
    if options.series:
        document = replace(
            document,
            series=options.series,
            series_slug="",
            series_description="",
            series_language="",
        )
    document = replace(document, headline=options.headline or document.headline)
    document = document.in_state(options.state, timezone.now())
    check_document(document)
    gallery = Gallery(options.folder)
    slug = options.slug or urls.slug(document.headline, language=document.language)
    lead = options.folder.lead(slug)
    with removed_on_failure(gallery):
        remarks = gallery.ingest_all(document, progress)
        from_text = document.photo and not document.lead_image
        if from_text and (problem := gallery.ingest(lead)):
            remarks.append(Remark(1, f"the lead picture: {problem}"))
        loading = _Import(document, options, gallery, lead, progress)
    return Prepared(loading, remarks)


def save(prepared: Prepared) -> Loaded:
    """Save a prepared document as a story, in one transaction.

    Raises ExchangeError or Refused, after which nothing has been written.
    """
    loading = prepared.loading
    with removed_on_failure(loading.gallery):
        while not _saved(loading):
            loading = loading.again()
    return Loaded(loading.story, sorted({*prepared.remarks, *loading.remarks}))


def _saved(loading: "_Import") -> bool:
    """Write a story in one short transaction; return False if it is out of date.

    The stories that it links to are locked for that time, so that the rendered links
    show their current titles and URLs.
    """
    used = {story.pk: story for story in loading.targets.used}
    with suppress(StaleRead), transaction.atomic():
        with open_ledger(*used) as ledger:
            now = {pk: _linked_as(story) for pk, story in ledger.stories.items()}
            if now != {pk: _linked_as(story) for pk, story in used.items()}:
                raise StaleRead
            loading.write()
        loading.restore_story_times()  # the ledger has just dated the change
        return True
    return False


def _linked_as(story: Story) -> tuple[str, str, str]:
    """Return the fields of a story on which links to it depend."""
    return (story.title, story.slug, story.state)


def check_document(document: Document) -> None:
    """Raise ExchangeError if any text is too long."""
    for name in _LIMITS:
        check_length(name, getattr(document, name))
    if remark := next(too_long(document), None):
        text = f"in {remark}" if remark.line else remark.message
        raise ExchangeError(text[0].upper() + text[1:])


def check_length(name: str, value: str) -> None:
    """Raise ExchangeError if a value of the head is longer than its column."""
    if len(value) > (limit := _LIMITS[name]):
        raise ExchangeError(
            f"The {name} has more than {limit} characters: give a shorter one."
        )


def too_long(document: Document) -> Iterator[Remark]:
    """Yield a remark for each text that exceeds the limits of an entry."""
    for body in document.bodies:
        length = len(markdown.source(body))
        if length > limits.MAX_BODY_LENGTH:
            message = (
                f"this entry has {length:,} characters, and {limits.MAX_BODY_LENGTH:,} "
                "is the limit; divide it into several updates"
            )
            yield Remark(body.line, message)
    for entry in (*document.updates, document.original):
        if len(entry.headline) > _LIMITS["headline"] or len(entry.byline) > max_length(
            Entry, "byline"
        ):
            yield Remark(entry.line, "the headline or the byline of this is too long")


class _Import:
    """One import: creating it only reads from the database, `write` saves the story."""

    def __init__(
        self,
        document: Document,
        options: ImportOptions,
        gallery: Gallery,
        lead: Path | None,
        progress: Progress,
    ) -> None:
        self.document, self.options, self.gallery = document, options, gallery
        self.lead_file = lead
        self.remarks: list[Remark] = []
        self.targets = _Targets(document)
        self.prepared: list[tuple[NewEntry, DocumentEntry]] = []
        self.cross_posts: list[tuple[Entry, DocumentEntry]] = []
        self.users = _users(document)
        now = timezone.now()
        self.began = min(document.first_at or now, now)
        gallery.start_over()
        self.images = {name: gallery.row(name) for name in document.image_lines}
        for data in document.images:
            gallery.describe(self.images[data.name], data)
        self.names = {name: row.name for name, row in self.images.items()}
        self.story = self.plan_story()
        self.lead = self.lead_image(lead)
        total = len(document.updates) + 1
        if document.original.items:
            self.prepare(document.original, Entry.Kind.ORIGINAL)
        for done, update in enumerate(document.oldest_first, 1):
            progress(done, total, "entries")
            self.prepare(update, Entry.Kind.UPDATE)
        progress(total, total, "entries")

    def again(self) -> "_Import":
        """Return another attempt, which reads the current rows."""
        return _Import(
            self.document, self.options, self.gallery, self.lead_file, _in_silence
        )

    def plan_story(self) -> Story:
        """Return an unsaved story with the values that entries are rendered with."""
        document, options = self.document, self.options
        headline = document.headline
        slug = options.slug or free_story_slug(document, options.free_slug)
        story = Story(headline=headline, slug=slug, first_day=document.first_day)
        if options.publishes(document):
            announced = Story.State.ANNOUNCED
            story.state = announced if document.only_announced else Story.State.LIVE
            story.first_day = document.first_day or document.first_update_day
        return story

    def lead_image(self, path: Path | None) -> Image | None:
        """Return the row of the lead image; a text file has only its caption."""
        if name := self.document.lead_image:
            return self.still_image(name)
        caption = self.document.photo
        if not caption:
            return None
        name = self.gallery.free_name(f"{self.story.slug[:110]}-photo")
        image = self.gallery.row("", name, path)
        image.caption = image.caption or caption
        image.alt = image.alt or caption[: max_length(Image, "alt")]
        return image

    def still_image(self, name: str | None) -> Image | None:
        """Return the row of an image; a recording cannot be a lead or a feature."""
        image = self.images.get(name or "")
        if image and image.media_type:
            self.remarks.append(Remark(0, f"“{name}” is no picture, so it is left out"))
            return None
        return image

    # --- Entries

    def prepare(self, source: DocumentEntry, kind: str) -> None:
        """Prepare an entry, or a cross-post if its home story still has the entry."""
        body = markdown.source(source, self.names)
        elsewhere = source.cross_posted_from
        home = self.targets.by_slug(elsewhere.story) if elsewhere else None
        if home and home.begun and (found := _same_entry(home, source)):
            self.cross_posts.append((found, source))
            return
        links = _line_links(source) if self.document.links_by_title else source.links
        rows = [row for data in links if (row := self.link(data))]
        if elsewhere:
            name = elsewhere.name
            body += f"\n\n(Cross-posted from {name})"
            link = Link(kind=Link.Kind.CROSS_POSTED, title=name, order=len(links))
            if home:
                link.target_story = home
                self.targets.used.append(home)
            rows.append(link)
            self.remark(
                source, f"an update from “{name}” is a copy here, named as that"
            )
        entry = Entry(
            story=self.story,
            kind=kind,
            state=source.state,
            author=self.users.get(source.author or ""),
            version=source.version,
        )
        posting = Posting(
            entry=entry,
            story=self.story,
            pinned=source.pinned,
            key_event=source.key_event,
        )
        new = verbs.prepare_entry(
            posting,
            EntryText(body, source.headline, source.at, source.byline),
            self.gallery.named,
            rows,
            [self.version(data) for data in source.versions],
        )
        if new.undescribed:
            names = ", ".join(new.undescribed)
            self.remark(source, f"kept as a draft: no alt text for {names}")
        at = source.at or self.began if entry.published else None
        entry.published_at = source.published_at or at
        self.prepared.append((new, source))

    def version(self, data: VersionData) -> EntryVersion:
        return EntryVersion(
            number=data.number,
            at=data.at,
            headline=data.headline,
            body=markdown.renamed(data.body, self.names),
            byline=data.byline,
            correction=data.correction,
            hidden=data.hidden,
            erased=data.erased,
            changed_by=self.users.get(data.changed_by or ""),
            changed_at=data.changed_at,
        )

    def link(self, data: LinkData, **home: Story) -> Link | None:
        """Return the row of a link, or None if it has neither target nor title."""
        series, target = self.targets.series(data), self.targets.story(data)
        if data.story and data.story == self.document.slug:
            target = self.story
        found = target or series or data.url
        title = data.title or ("" if found else data.text)
        title = title[: max_length(Link, "title")]
        if not (title or found):
            return None
        link = Link(
            kind=data.kind,
            title=title,
            label=data.label,
            order=data.order,
            target_story=target,
            target_series=series,
            target_url=data.url,
            image=self.still_image(data.image),
            starts_at=data.starts_at,
            ends_at=data.ends_at,
            **home,
        )
        verbs.check_link(link)
        if target and target.pk:
            self.targets.used.append(target)
        return link

    def remark(self, source: DocumentEntry, message: str) -> None:
        self.remarks.append(Remark(source.line, message))

    # --- Rows

    def write(self) -> None:
        """Save the story with its entries, links and images."""
        document, planned = self.document, self.story
        self.gallery.save()
        slugs = StorySlug.objects.filter(slug=planned.slug)
        if not self.options.slug and slugs.exists():
            raise StaleRead
        self.story = self.create(planned)
        publishes = self.options.publishes(document)
        if publishes and document.only_announced:
            self.announce()
        elif publishes:
            self.story = verbs.go_live(self.story, self.began)
        new = [one for one, _ in self.prepared]
        for link in (link for one in new for link in one.links):
            if link.target_story is planned:
                link.target_story = self.story
        verbs.bulk_post(self.story, new)
        self.add_notes()
        for entry, source in self.cross_posts:
            posting = verbs.cross_post(entry, self.story, backdated=True)
            verbs.set_marks(posting, pinned=source.pinned, key_event=source.key_event)
        for data in document.links:
            if row := self.link(data, story=self.story):
                verbs.save_link(row)
        if publishes:
            self.publish()
        self.restore_times()
        self.keep_old_urls()
        ImportedFile.objects.create(
            digest=document.digest,
            key=document.archive_key or None,
            name=document.file_name[-255:],
            story=self.story,
        )

    def keep_old_urls(self) -> None:
        """Save the URLs on a former site, but none that leads elsewhere already."""
        found: dict[str, OldUrl] = {}
        for url in self.document.old_urls:
            found.setdefault(urls.old_path(url), OldUrl(story=self.story))
        for new, source in self.prepared:
            for url in source.old_urls:
                found.setdefault(urls.old_path(url), OldUrl(entry=new.entry))
        known = OldUrl.objects.filter(path__in=found)
        taken = set(known.values_list("path", flat=True))
        for path in found:
            if path in taken:
                message = f"the old URL {path} leads to another story already"
                self.remarks.append(Remark(0, message))
        for path, row in found.items():
            row.path = path
        limit = max_length(OldUrl, "path")
        OldUrl.objects.bulk_create(
            row
            for path, row in found.items()
            if path not in taken and 0 < len(path) <= limit
        )

    def add_notes(self) -> None:
        """Tell editors what to do about the drafts among the entries."""
        for new, source in self.prepared:
            if source.note:
                verbs.add_note(self.story, source.note, entry=new.entry)

    def create(self, planned: Story) -> Story:
        document = self.document
        story = verbs.create_story(
            planned.headline,
            slug=planned.slug,
            imported=True,
            series=self.series(),
            standfirst=document.standfirst,
            summary=markdown.source(document.summary, self.names),
            language=document.language,
            first_day=planned.first_day,
            lead_image=self.lead,
            continues_in=self.targets.by_slug(document.continues_in),
        )
        for slug in document.old_slugs:
            if _free_slug(slug[: max_length(Story, "slug")]) == slug:
                StorySlug.objects.create(slug=slug, story=story)
        return story

    def series(self) -> Series | None:
        document = self.document
        if not document.series:
            return None
        if document.series_slug and (
            found := Series.objects.filter(slug=document.series_slug).first()
        ):
            return found
        series = find_series(document.series, document.series_language)
        more = {
            "description": document.series_description,
            "language": document.series_language,
        }
        missing = [name for name in more if more[name] and not getattr(series, name)]
        for name in missing:
            setattr(series, name, more[name])
        if missing:
            series.save(update_fields=missing)
        return series

    def publish(self) -> None:
        """Cross-post updates, and put the story into the state it was exported in."""
        document, story = self.document, self.story
        for new, source in self.prepared:
            for posted in source.posted_in:
                self.cross_post(new.entry, source, posted)
        if document.closed_at:
            verbs.close_story(story, story.continues_in, document.closed_at)
        if document.state == Story.State.WITHDRAWN and story.public:
            verbs.withdraw_story(story)

    def announce(self) -> None:
        """Announce the story, or leave a draft if its coverage ought to have begun."""
        try:
            verbs.announce(self.story, self.document.begins_at)
        except Refused as error:
            message = f"the story was not announced and is a draft: {error}"
            self.remarks.append(Remark(0, message))

    def cross_post(self, entry: Entry, source: DocumentEntry, posted: PostedIn) -> None:
        """Cross-post an update to a story that had it, unless the story still does."""
        story = self.targets.by_slug(posted.story)
        if story is None or story.postings.filter(
            entry__at=entry.at, entry__body=entry.body, removed=False
        ):
            return
        try:
            posting = verbs.cross_post(entry, story, backdated=True)
        except Refused as error:
            message = f"an update was not cross-posted to “{story.headline}”: {error}"
            self.remark(source, message)
            return
        verbs.set_marks(posting, pinned=posted.pinned, key_event=posted.key_event)

    def restore_times(self) -> None:
        """Restore the timestamps of entries; the verbs have set the current time."""
        names = ("created_at", "changed_at")
        entries = []
        for new, source in self.prepared:
            changed_at = source.changed_at or new.entry.published_at
            times = {"created_at": source.created_at, "changed_at": changed_at}
            for name, at in times.items():
                setattr(new.entry, name, at or getattr(new.entry, name))
            entries += [new.entry] if any(times.values()) else []
        if entries:
            Entry.objects.bulk_update(entries, names, batch_size=verbs.BULK_BATCH_ROWS)
        # By their keys: PostgreSQL has no statistics yet of the rows that were just
        # written, and joins them by reading all of them for each.
        for new in (new for new, _ in self.prepared if not new.entry.at):
            if not new.entry.published_at:
                own = Posting.objects.filter(pk=new.posting.pk)
                own.update(at=new.entry.created_at)

    def restore_story_times(self) -> None:
        """Restore the timestamps of the story, once its changes have been dated.

        Last-Modified needs no later one: the site has changed too.
        """
        names = ["created_at"]
        if self.story.live_at:  # otherwise the verb has just set them
            names += ["begins_at", "announced_at"]
        times = {name: getattr(self.document, name) for name in names}
        given = {name: at for name, at in times.items() if at}
        if self.story.begun:
            given["changed_at"] = self.changed_at()
        if given:
            Story.objects.filter(pk=self.story.pk).update(**given)

    def changed_at(self) -> datetime:
        """Return when readers saw the latest change of the story."""
        entries = (new.entry for new, _ in self.prepared)
        changed = [entry.changed_at for entry in entries if entry.published]
        return max([self.began, *filter(None, [self.story.closed_at]), *changed])


def _users(document: Document) -> dict[str, User]:
    entries = (*document.updates, document.original)
    names = {entry.author for entry in entries if entry.author} | {
        version.changed_by
        for entry in entries
        for version in entry.versions
        if version.changed_by
    }
    users = User.objects.filter(username__in=names) if names else []
    return {user.username: user for user in users}


def _line_links(source: DocumentEntry) -> list[LinkData]:
    """Return the links of the "See" and cross-post lines of a text, each title once."""
    lines = [
        (Link.Kind.SEE if item.kind == Kind.SEE else Link.Kind.CROSS_POSTED, name)
        for item in source.of(Kind.SEE, Kind.CROSS_POST)
        for name in item.names
    ]
    return [
        LinkData(kind=kind, title=name, order=order)
        for order, (kind, name) in enumerate(dict.fromkeys(lines))
    ]


def _same_entry(home: Story, source: DocumentEntry) -> Entry | None:
    return home.entries.filter(
        kind=Entry.Kind.UPDATE,
        state=Entry.State.PUBLISHED,
        at=source.at,
        body=source.source,
    ).first()


class _Targets:
    """The targets of a document's links: by title in text, by slug in JSON.

    In text, a link finds a public story by title or headline, and a series by name,
    unless several have it. `used` collects the stories that links lead to.
    """

    def __init__(self, document: Document) -> None:
        self.by_title = document.links_by_title
        self.used: list[Story] = []
        self._stories: dict[str, Story] | None = None
        self._series: dict[str, Series] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the rows that were only looked through."""
        return vars(self) | {"_stories": None, "_series": None}

    def story(self, data: LinkData) -> Story | None:
        if not self.by_title:
            return self.by_slug(data.story)
        if data.kind == Link.Kind.CROSS_POSTED:
            return None
        if self._stories is None:
            public = list(Story.objects.public().select_related("series"))
            forms = (cased, fold_title)
            headlines = _by_name(public, "headline", *forms)
            self._stories = headlines | _by_name(public, "title", *forms)
        story: Story | None = _named(data.title, self._stories)
        return story

    def series(self, data: LinkData) -> Series | None:
        if not self.by_title:
            slug = data.series
            return Series.objects.filter(slug=slug).first() if slug else None
        if data.kind != Link.Kind.CROSS_POSTED:
            return None
        if self._series is None:
            self._series = _by_name(Series.objects.all(), "name", cased, fold_title)
        series: Series | None = _named(data.title, self._series)
        return series

    @staticmethod
    def by_slug(slug: str | None) -> Story | None:
        """Return the story with a current or former slug."""
        return Story.objects.by_slug(slug) if slug else None


def _by_name(
    rows: Collection[Any], field_name: str, *forms: Callable[[str], str]
) -> dict[str, Any]:
    """Map the forms of names to rows, the earlier ones first.

    Forms that several rows share are left out.
    """
    named: dict[str, Any] = {}
    for form in reversed(forms):
        found: dict[str, Any] = {}
        for row in rows:
            name = form(getattr(row, field_name))
            found[name] = None if name in found else row
        named |= {name: row for name, row in found.items() if row is not None}
    return named


def _named(name: str, rows: dict[str, Any]) -> Any:
    """Return the row with a name, ignoring typography if need be; None if unknown."""
    return rows.get(cased(name)) or rows.get(fold_title(name))


def find_series(name: str, language: str = "") -> Series:
    """Return the series with a name, in any case, creating it if there is none.

    Raises ExchangeError if the name is empty or too long.
    """
    if not (name := rendering.one_line(name)):
        raise ExchangeError("The series has no name: write one, or leave it out.")
    check_length("series", name)
    found: Series | None = _by_name(Series.objects.all(), "name", cased).get(
        cased(name)
    )
    if found:
        return found
    slug = verbs.free_series_slug(name, language)
    return Series.objects.create(name=name, slug=slug)


def free_story_slug(
    document: Document, wanted: str = "", taken: Collection[str] = ()
) -> str:
    """Return a slug for a story: the one wanted, its own, or one from its headline.

    A number is appended to a slug that a story has, or had, and to those in `taken`.
    """
    for slug in (wanted, document.slug):
        if found := _free_slug(slug, taken):
            return found
    return verbs.free_slug(document.headline, taken, document.language)


def _free_slug(slug: str, taken: Collection[str] = ()) -> str:
    """Return the slug, with a number appended if in use; empty if it is invalid."""
    if slugify(slug) != slug or not slug:
        return ""
    return urls.free_name(
        slug, lambda s: s in taken or StorySlug.objects.filter(slug=s).exists()
    )


def _in_silence(done: int, total: int, what: str) -> None:
    """Report no progress."""
