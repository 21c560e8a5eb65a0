"""The JSON schema of a story, for exports, imports and `/stories/<slug>.json`.

The models declare the names, order, types and limits of all fields. Imported files are
validated against them; rows are not, so whatever the database holds can be exported.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Self, TypeVar

from django.contrib.auth.models import User
from django.db.models import F, Model, Prefetch
from django.urls import reverse
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from entries.models import Entry, EntryVersion, Image, Link, Posting, Series, Story
from entries.models.fields import max_length
from entries.pages import cards
from entries.text import captions, limits, markdown, rendering
from entries.text.urls import absolute_url

FORMAT: Final = "liveblog-story"
FORMAT_VERSION: Final = 1
_YEARS: Final = range(1900, 2200)
_IMAGE_LINE: Final = re.compile(rf"^{markdown.IMAGE.pattern}(?:\n|$)", re.M)


def _time(value: object) -> datetime:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None:
        raise ValueError("must be a time like 2026-03-14T18:04:00+00:00")
    if at.utcoffset() is None or not _is_in_range(at.date()):
        raise ValueError(
            "must be a time between 1900 and 2199, with its offset from GMT"
        )
    return at.astimezone(UTC)  # PostgreSQL rejects offsets of 16 hours and more


def _date(value: object) -> date:
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        day = None
    if day is None or not _is_in_range(day):
        raise ValueError("must be a date like 2026-03-14, between 1900 and 2199")
    return day


def _is_in_range(day: date) -> bool:
    # The first day is excluded: converted to GMT it may fall into the year before.
    return day.year in _YEARS and day != date(1900, 1, 1)


Time = Annotated[
    datetime,
    BeforeValidator(_time),
    PlainSerializer(lambda at: at.isoformat(), return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Date = Annotated[
    date,
    BeforeValidator(_date),
    WithJsonSchema({"type": "string", "format": "date"}),
]
Flag = Annotated[bool, Field(strict=True)]
Percentage = Annotated[int, Field(strict=True, ge=0, le=100)]
Number = Annotated[int, Field(strict=True, ge=0, lt=2**31)]


def _fits(model: type[Model], field: str, **more: Any) -> Any:
    """Return a field whose maximum length is that of a model's column."""
    return Field(max_length=max_length(model, field), **more)


Slug = Annotated[str, _fits(Story, "slug", description="a slug")]
SeriesSlug = Annotated[str, _fits(Series, "slug", description="a slug")]
ImageName = Annotated[str, _fits(Image, "name")]
Headline = Annotated[str, _fits(Entry, "headline")]
Markdown = Annotated[
    str, Field(max_length=limits.MAX_BODY_LENGTH, description="Markdown")
]
Captions = Annotated[
    str,
    _fits(Image, "captions", description="WebVTT"),
    AfterValidator(captions.tidy_captions),
]
Username = Annotated[str, _fits(User, "username", description="a username")]
NOT_BLANK: Final = Field(pattern=r"\S")


class _Data(BaseModel):
    """Base class of all JSON objects; unknown keys are ignored."""

    model_config = ConfigDict(use_enum_values=True, protected_namespaces=())


class SeriesData(_Data):
    """A series, whose slug may be left out in a file to import."""

    name: Annotated[str, _fits(Series, "name"), NOT_BLANK]
    slug: SeriesSlug = ""
    description: Annotated[str, _fits(Series, "description")] = ""
    language: Annotated[
        str, _fits(Series, "language", description="of its new stories (BCP 47)")
    ] = ""


class LinkData(_Data):
    """A link, with at most one target: `story`, `series` or `url`.

    `title` is the link's own; `text` is what pages show, its title or its target's.
    """

    kind: Link.Kind
    title: Annotated[str, _fits(Link, "title")] = ""
    text: Annotated[str, Field(max_length=500)] = ""
    label: Annotated[str, _fits(Link, "label")] = ""
    order: Number = 0
    story: Slug | None = None
    series: SeriesSlug | None = None
    url: Annotated[str, _fits(Link, "target_url")] = ""
    image: Annotated[ImageName | None, Field(alias="picture")] = None
    starts_at: Time | None = None
    ends_at: Time | None = None

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if sum(map(bool, (self.story, self.series, self.url))) > 1:
            raise ValueError("must have one target: keep one of story, series and url")
        return self


class CrossPostedFrom(_Data):
    """The home story of a cross-post; `story` is null if readers cannot see it."""

    story: Slug | None = None
    name: Annotated[str, Field(max_length=300, pattern=r"\S")]


class PostedIn(_Data):
    """Another story that an entry is cross-posted to."""

    story: Annotated[Slug, NOT_BLANK]
    pinned: Flag = False
    key_event: Flag = False


class CorrectionData(_Data):
    """A correction as readers see it: when it was made, and its note."""

    at: Time
    note: str = Field(alias="line")


class VersionData(_Data):
    """An earlier version of an entry, which was replaced at `changed_at`."""

    number: Number = 1
    at: Time | None = None
    headline: Headline = ""
    body: Markdown = ""
    byline: Annotated[str, _fits(EntryVersion, "byline")] = ""
    correction: Annotated[str, _fits(EntryVersion, "correction", alias="line")] = ""
    hidden: Flag = False
    erased: Flag = False
    changed_by: Username | None = None
    changed_at: Time


class EntryData(_Data):
    """Common fields of an entry; `at` is null for an original entry or a draft."""

    id: int = 0
    kind: Entry.Kind
    state: Entry.State
    at: Time | None = None
    headline: Headline = ""
    body: Annotated[Markdown, NOT_BLANK]
    byline: Annotated[str, _fits(Entry, "byline")] = ""
    pinned: Flag = False
    key_event: Flag = False
    cross_posted_from: CrossPostedFrom | None = None
    links: list[LinkData] = []


class MediaData(_Data):
    """A video, post, sound, chart or map of another site, as a card shows it.

    `frame` is the URL for an `<iframe>`, "" if there is none. Imports ignore all of it,
    as they have `body`.
    """

    kind: str
    provider: str
    url: str
    title: str = ""
    author: str = ""
    frame: str = ""


class QuotedPostData(_Data):
    """A post whose words are part of the text; imports ignore it too.

    `posted_at` is a time or only a date, and may be "".
    """

    text: str
    name: str
    handle: str = ""
    network: str = ""
    posted_at: str = ""
    url: str = ""


class PublicEntryData(EntryData):
    """An entry in the public form: what readers may see."""

    url: str
    corrections: list[CorrectionData]
    media: list[MediaData] = []
    quoted_posts: list[QuotedPostData] = []


class FullEntryData(EntryData):
    """An entry in the full form: everything that an import restores."""

    author: Username | None = None
    created_at: Time | None = None
    changed_at: Time | None = None
    published_at: Time | None = None
    posted_in: list[PostedIn] = []
    version: Number = 1
    versions: list[VersionData] = []
    old_urls: list[str] = []

    @model_validator(mode="after")
    def _timed_and_numbered(self) -> Self:
        untimed = self.kind == Entry.Kind.ORIGINAL or self.state in (
            Entry.State.DRAFT,
            Entry.State.SUBMITTED,
            Entry.State.WITHDRAWN,
        )
        if not (self.at or untimed):
            raise ValueError("must have the time of publication, “at”")
        numbers = {version.number for version in self.versions}
        below = max(numbers, default=0) < max(2, self.version)
        if len(numbers) < len(self.versions) or not below:
            raise ValueError(
                "must have its “versions” numbered, each below its own “version”"
            )
        return self


class HeadData(_Data):
    """Common fields of a story's head; `lead_image` is the name of an image."""

    slug: Slug = ""
    headline: Annotated[str, _fits(Story, "headline"), NOT_BLANK]
    series: SeriesData | None = None
    standfirst: Annotated[str, _fits(Story, "standfirst")] = ""
    summary: Markdown = ""
    language: Annotated[
        str,
        _fits(
            Story,
            "language",
            description="BCP 47; if an import lacks it, as in the series",
        ),
    ] = "en"
    lead_image: ImageName | None = None
    state: Story.State
    first_day: Date | None = None
    begins_at: Time | None = None
    live_at: Time | None = None
    quiet_since: Time | None = None
    closed_at: Time | None = None
    continues_in: Slug | None = None


class PublicHeadData(HeadData):
    """A story's head in the public form."""

    url: str


class FullHeadData(HeadData):
    """A story's head in the full form."""

    announced_at: Time | None = None
    created_at: Time | None = None
    old_slugs: list[str] = []
    old_urls: list[str] = []


class ImageData(_Data):
    """Common fields of an image or, with a media type, of a recording.

    Width and height in pixels are 0 if it is missing, or audio. `size` is in bytes,
    `poster` the name of an image, `captions` WebVTT.
    """

    name: Annotated[ImageName, NOT_BLANK]
    alt: Annotated[str, _fits(Image, "alt")] = ""
    decorative: Flag = False
    caption: Annotated[str, _fits(Image, "caption")] = ""
    credit: Annotated[str, _fits(Image, "credit")] = ""
    focal_x: Percentage = 50
    focal_y: Percentage = 50
    width: int = 0
    height: int = 0
    media_type: Annotated[str, Field(max_length=20)] = ""
    seconds: float = 0
    size: int = 0
    poster: ImageName | None = None
    captions: Captions = ""
    captions_language: Annotated[str, _fits(Image, "captions_language")] = "en"
    transcript: Annotated[
        str, _fits(Image, "transcript"), AfterValidator(rendering.tidy)
    ] = ""
    no_speech: Flag = False


class PublicImageData(ImageData):
    """An image in the public form, with the URL of its largest JPEG or its file."""

    url: str


class FullImageData(ImageData):
    """An image in the full form; `missing` means that its file was never uploaded."""

    missing: Flag = False


class PublicStoryData(_Data):
    """A story in the public form: what readers may see."""

    format: str = FORMAT
    version: int = FORMAT_VERSION
    story: PublicHeadData
    entries: list[PublicEntryData]
    links: list[LinkData]
    images: list[PublicImageData] = Field(alias="pictures")


class FullStoryData(_Data):
    """A story in the full form: everything that an import restores."""

    format: str = FORMAT
    version: int = FORMAT_VERSION
    story: FullHeadData
    entries: list[FullEntryData] = []
    links: list[LinkData] = []
    images: Annotated[list[FullImageData], Field(alias="pictures")] = []

    @model_validator(mode="after")
    def _one_original(self) -> Self:
        originals = [e for e in self.entries if e.kind == Entry.Kind.ORIGINAL]
        if len(originals) > 1:
            raise ValueError(
                "must have no more than one original entry; make the others updates"
            )
        return self


# --- From rows

M = TypeVar("M", bound=BaseModel)


def _from_row(model: type[M], row: Model | None = None, /, **values: Any) -> M:
    """Build a model, unvalidated, from `values` and else from the row's attributes."""
    for name in model.model_fields:
        if name not in values:
            values[name] = getattr(row, name)
    return model.model_construct(**values)


def story_data(story: Story, *, public: bool = True) -> dict[str, Any]:
    """Return a story as JSON-ready data, the oldest entry first.

    The public form leaves out whatever readers cannot see: drafts, withdrawn entries,
    earlier versions, authors, missing images. Raises ValueError if `public` is true
    and the story is not.
    """
    if public and not story.public:
        raise ValueError("this story is not public")
    postings = _postings(story, public)
    rows = _images(story, postings, public)
    names = {image.name for image in rows}
    data = _from_row(
        PublicStoryData if public else FullStoryData,
        format=FORMAT,
        version=FORMAT_VERSION,
        story=_head(story, public),
        entries=[_entry(posting, public, names) for posting in postings],
        links=_story_links(story, public),
        images=[_image(image, public) for image in rows],
    )
    return data.model_dump(mode="json", by_alias=True)


def _postings(story: Story, public: bool) -> list[Posting]:
    postings = (
        story.postings.visible() if public else story.postings.filter(removed=False)
    )
    old_urls = () if public else ("entry__old_url_rows",)
    return list(
        postings.filter(entry__erased_at=None)
        .select_related("entry__story__series", "entry__author", "story")
        .prefetch_related(
            Prefetch("entry__images", Image.objects.select_related("poster")),
            "entry__links__target_story__series",
            "entry__links__target_series",
            "entry__links__image",
            "entry__versions__changed_by",
            "entry__postings__story",
            *old_urls,
        )
        .order_by(
            F("entry__kind"),  # the original entry first
            F("entry__at").asc(nulls_last=True),
            "entry_id",
        )
    )


def _story_links(story: Story, public: bool) -> list[LinkData]:
    if public and not story.begun:
        return []
    return _links(story.links.with_targets(), public)


def _head(story: Story, public: bool) -> HeadData:
    lead, follower = story.lead_image, story.continues_in
    series = _from_row(SeriesData, story.series) if story.series else None
    if not public:
        old = story.slugs.exclude(slug=story.slug)
        return _from_row(
            FullHeadData,
            story,
            series=series,
            lead_image=lead.name if lead else None,
            continues_in=follower.slug if follower else None,
            old_slugs=sorted(old.values_list("slug", flat=True)),
            old_urls=_old_urls(story),
        )
    return _from_row(
        PublicHeadData,
        story,
        series=series,
        lead_image=lead.name if lead and lead.visible else None,
        continues_in=(
            follower.slug if story.begun and follower and follower.public else None
        ),
        summary="" if story.announced else _without_missing(story.summary, set()),
        url=absolute_url(story.get_absolute_url()),
    )


def _entry(posting: Posting, public: bool, names: set[str]) -> EntryData:
    entry = posting.entry
    values = {
        "pinned": posting.pinned,
        "key_event": posting.key_event,
        "cross_posted_from": None if posting.home else _home(entry.story, public),
        "links": _links(entry.links.all(), public),
    }
    versions = list(entry.versions.all())
    if not public:
        return _from_row(
            FullEntryData,
            entry,
            author=_username(entry.author),
            posted_in=_posted_in(posting),
            versions=[_version(version) for version in versions],
            old_urls=_old_urls(entry) if posting.home else [],
            **values,
        )
    return _from_row(
        PublicEntryData,
        entry,
        body=_without_missing(entry.body, names),
        url=absolute_url(f"{posting.story.get_absolute_url()}updates/{entry.pk}/"),
        corrections=[
            _from_row(CorrectionData, at=version.changed_at, note=version.correction)
            for version in versions
            if version.correction and not version.hidden
        ],
        media=[_from_row(MediaData, **c._asdict()) for c in cards.cards_in(entry.html)],
        quoted_posts=[
            _from_row(QuotedPostData, **post._asdict())
            for post in cards.quoted_posts_in(entry.html)
        ],
        **values,
    )


def _without_missing(body: str, names: set[str]) -> str:
    """Remove the image lines of a body whose images are not among `names`."""
    return _IMAGE_LINE.sub(lambda m: m[0] if m[1] in names else "", body).strip("\n")


def _home(story: Story, public: bool) -> CrossPostedFrom | None:
    """Return the home story of a cross-post; if readers cannot see it, its series."""
    if story.public or not public:
        return _from_row(CrossPostedFrom, story=story.slug, name=story.column)
    if story.series:
        return _from_row(CrossPostedFrom, story=None, name=story.series.name)
    return None


def _posted_in(posting: Posting) -> list[PostedIn]:
    if not posting.home:
        return []
    return [
        _from_row(PostedIn, other, story=other.story.slug)
        for other in sorted(posting.entry.postings.all(), key=lambda p: p.story.slug)
        if not (other.home or other.removed)
    ]


def _old_urls(row: Story | Entry) -> list[str]:
    return sorted(old.path for old in row.old_url_rows.all())


def _version(version: EntryVersion) -> VersionData:
    name = _username(version.changed_by)
    return _from_row(
        VersionData, version, correction=version.correction, changed_by=name
    )


def _username(user: Any) -> str | None:
    return user.username if user else None


def _links(links: Iterable[Link], public: bool) -> list[LinkData]:
    return [_link(link, public) for link in links if link.visible or not public]


def _link(link: Link, public: bool) -> LinkData:
    target, image = link.target_story, link.image
    if public:
        target = target if target and target.public else None
        image = image if image and image.visible else None
    return _from_row(
        LinkData,
        link,
        story=target.slug if target else None,
        series=link.target_series.slug if link.target_series else None,
        url=link.target_url,
        image=image.name if image else None,
    )


def _images(story: Story, postings: list[Posting], public: bool) -> list[Image]:
    found = {image.pk: image for p in postings for image in p.entry.images.all()}
    if story.lead_image:
        found[story.lead_image.pk] = story.lead_image
    featured = story.links.visible() if public else story.links.all()
    if public and not story.begun:
        featured = featured.none()
    for link in featured.exclude(image=None).select_related("image"):
        if link.image:
            found[link.image.pk] = link.image
    if not public:
        earlier = {
            name
            for posting in postings
            for version in posting.entry.versions.all()
            for name in rendering.image_names(version.body)
        } | set(rendering.image_names(story.summary))
        found |= {image.pk: image for image in Image.objects.named(earlier)}
    if public:
        found = {pk: image for pk, image in found.items() if image.visible}
    posters = {row.poster.pk: row.poster for row in found.values() if row.poster}
    if public:
        posters = {pk: image for pk, image in posters.items() if image.stem}
    return sorted((posters | found).values(), key=lambda image: image.name)


def _image(image: Image, public: bool) -> ImageData:
    poster = image.poster.name if image.poster else None
    if not public:
        return _from_row(FullImageData, image, poster=poster)
    url = absolute_url(reverse("picture", args=[image.path]))
    return _from_row(PublicImageData, image, poster=poster, url=url)


def story_images(story: Story) -> list[Image]:
    """Return the images that the full form of a story includes."""
    return _images(story, _postings(story, public=False), public=False)
