"""Structured data of pages: schema.org's LiveBlogPosting, and cards for sharing.

It depends on rows alone, never on a request or the clock. Every URL is absolute.
"""

import html
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings
from django.templatetags.static import static
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.translation import gettext

from entries.images import ingest
from entries.models import Entry, Image, Story
from entries.pages import cards
from entries.text import gmt, rendering
from entries.text.urls import absolute_url

MAX_DESCRIPTION = 200  # characters of a card's description
MAX_HEADLINE = 110  # characters that search engines show
JsonObject = dict[str, Any]
# For figures that we rendered ourselves, where no attribute contains a ">".
_IMG: Final = re.compile(r"<img\b([^>]*)>")
_ATTRIBUTE: Final = re.compile(r'\b(srcset|width|height|alt)="([^"]*)"')
_RECORDING: Final = re.compile(r'<figure class="recording \w+">.*?</figure>', re.S)
_RECORDED_FILE: Final = re.compile(
    r'<a\s+href="([^"]*)"\s+type="([^"]*)"\s+data-bytes="(\d+)"\s+data-seconds="(\d+)"'
)
_POSTER: Final = re.compile(r'\sposter="([^"]*)"')
_RECORDING_ALT: Final = re.compile(r'<span class="recording-alt">([^<]*)</span>')
_IMAGES: Final = b'"image":['  # cannot be in a text, whose quotes are escaped
# Characters by which the data could end its `<script>` element or break in JavaScript.
_ESCAPES: Final = {c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


@dataclass(frozen=True)
class CardImage:
    """The largest variant of an image, with its public URL and its size in pixels."""

    url: str
    width: int
    height: int
    alt: str

    @property
    def data(self) -> JsonObject:
        """Return a schema.org ImageObject.

        Without width and height: schema.org has no size in pixels, only lengths with
        a unit.
        """
        return {"@type": "ImageObject", "url": self.url}


@dataclass(frozen=True)
class RecordedFile:
    """A recording that a text shows: its public URLs, length and size in bytes."""

    url: str
    media_type: str
    size: int
    seconds: int
    name: str
    poster: str = ""

    def data(self, published: str | None) -> JsonObject:
        """Return a schema.org VideoObject or AudioObject."""
        is_video = self.media_type.startswith("video/")
        return _without_empty(
            {
                "@type": "VideoObject" if is_video else "AudioObject",
                "name": _headline(self.name),
                "description": self.name,
                "contentUrl": self.url,
                "encodingFormat": self.media_type,
                "contentSize": str(self.size),
                "duration": f"PT{self.seconds}S",
                "thumbnailUrl": self.poster,
                "uploadDate": published,
            }
        )


@dataclass(frozen=True)
class Card:
    """The preview that other sites show of a shared page (Open Graph, Twitter)."""

    kind: str
    title: str
    description: str
    url: str
    image: CardImage
    published: str = ""
    modified: str = ""
    section: str = ""


def json_script(data: JsonObject) -> SafeString:
    """Return data as the escaped text of a `<script type="application/ld+json">`."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character, escaped in _ESCAPES.items():  # ten times faster than `translate`
        text = text.replace(character, escaped)
    return mark_safe(text)  # noqa: S308 - escaped above


# ---- a story ----------------------------------------------------------------------


def story_script(
    story: Story, updates: Iterable[bytes], first_at: datetime | None
) -> list[bytes]:
    """Return the LiveBlogPosting of a page, as chunks of its `<script>` text.

    `updates` come from `update_script`. `first_at` is the time of the story's oldest
    update: coverage began then, if that is before the story went live on this site.
    """
    head = json_script(_story(story, first_at)).encode()
    image = json_script({"image": [_image(story).data]}).encode()
    joined = b",".join(
        update if _IMAGES in update else update[:-1] + b"," + image[1:]
        for update in updates
    )
    if not joined:
        return [head]
    return [head[:-1], b',"liveBlogUpdate":[', joined, b"]}"]


def _story(story: Story, first_at: datetime | None) -> JsonObject:
    url = absolute_url(story.get_absolute_url())
    began = min(filter(None, (story.live_at, first_at)), default=story.begins_at)
    return _without_empty(
        {
            "@context": "https://schema.org",
            "@type": "LiveBlogPosting",
            "@id": url,
            "url": url,
            "mainEntityOfPage": url,
            "headline": _headline(story.headline),
            "description": story.standfirst,
            "inLanguage": story.language,
            "articleSection": story.series and story.series.name,
            "image": _image(story).data,
            "coverageStartTime": format_iso_seconds(began),
            "coverageEndTime": format_iso_seconds(story.closed_at),
            "datePublished": format_iso_seconds(story.live_at or story.announced_at),
            "dateModified": format_iso_seconds(story.changed_at),
            "author": _newsroom(),
            "publisher": _publisher(),
        }
    )


def update_script(url: str, entry: Entry) -> SafeString:
    """Return the BlogPosting of an update for its story's page, as `<script>` text.

    Without images of its own it gets the story's, by `story_script`.
    """
    return json_script(_update(url, entry))


def story_card(story: Story) -> Card:
    """Return the sharing card of a story."""
    return Card(
        "article",
        story.dated_title,
        story.standfirst
        or gettext("%(story)s: every update, in order, with its time.")
        % {"story": story.title},
        absolute_url(story.get_absolute_url()),
        _image(story),
        format_iso_seconds(story.live_at or story.announced_at) or "",
        format_iso_seconds(story.changed_at) or "",
        story.series.name if story.series else "",
    )


# ---- one update -------------------------------------------------------------------


def update_data(story: Story, entry: Entry, url: str) -> JsonObject:
    """Return the BlogPosting of an update for its permalink page."""
    return _without_empty(
        {
            "@context": "https://schema.org",
            "image": [_image(story).data],
            **_update(url, entry),
            "mainEntityOfPage": url,
            "inLanguage": story.language,
            "isPartOf": {
                "@type": "LiveBlogPosting",
                "@id": absolute_url(story.get_absolute_url()),
                "headline": _headline(story.headline),
            },
        }
    )


def update_card(story: Story, entry: Entry, url: str) -> Card:
    """Return the sharing card of an update, with its own image if it has one."""
    text = rendering.plain_text(entry.html)
    return Card(
        "article",
        _card_title(story, entry),
        Truncator(" ".join(text.split())).chars(MAX_DESCRIPTION),
        url,
        next(iter(_body_images(entry.html)), None) or _image(story),
        format_iso_seconds(entry.at or entry.published_at) or "",
        format_iso_seconds(entry.changed_at) or "",
        story.series.name if story.series else "",
    )


def _card_title(story: Story, entry: Entry) -> str:
    """Return the headline of an update, or its time; dated once the story has ended."""
    if not entry.headline:
        label = entry.full_label if story.days else entry.label
        return f"{label}: {story.headline}"
    day = gmt.format_day(entry.at.astimezone(UTC).date()) if entry.at else ""
    return f"{entry.headline} ({day})" if day and story.days else entry.headline


def _update(url: str, entry: Entry) -> JsonObject:
    text = rendering.plain_text(entry.html)
    images = [image.data for image in _body_images(entry.html)]
    author = _author(entry) if entry.byline else _newsroom()
    media = _shared(entry.html)
    for recording in body_recordings(entry.html):
        data = recording.data(format_iso_seconds(entry.published_at or entry.at))
        media.setdefault(recording.media_type.partition("/")[0], []).append(data)
    return _without_empty(
        {
            "@type": "BlogPosting",
            "@id": url,
            "url": url,
            "headline": _headline(entry.first_words),
            "articleBody": text,
            "image": images,
            "datePublished": format_iso_seconds(entry.at or entry.published_at),
            "dateModified": format_iso_seconds(entry.changed_at),
            "author": author,
            "publisher": _publisher(),
            **media,
        }
    )


def _shared(markup: str) -> JsonObject:
    """Return the videos, sound and posts of other sites in the HTML of an entry."""
    if 'class="media' not in markup and 'class="quote"' not in markup:
        return {}
    found: dict[str, list[JsonObject]] = {"video": [], "audio": [], "sharedContent": []}
    types = {"video": "VideoObject", "audio": "AudioObject"}
    for card in cards.cards_in(markup):
        posted = "SocialMediaPosting" if card.kind == "post" else "CreativeWork"
        found[card.kind if card.kind in types else "sharedContent"].append(
            _without_empty(
                {
                    "@type": types.get(card.kind, posted),
                    "url": card.url,
                    "name": card.label,
                    "embedUrl": card.frame if card.kind in types else "",
                    "author": _person(card.author),
                }
            )
        )
    for post in cards.quoted_posts_in(markup):
        found["sharedContent"].append(
            _without_empty(
                {
                    "@type": "SocialMediaPosting",
                    "url": post.url,
                    "articleBody": post.text,
                    "datePublished": post.posted_at,
                    "author": _person(post.name, post.handle),
                }
            )
        )
    return found


def _person(name: str, handle: str = "") -> JsonObject:
    if not name:
        return {}
    return _without_empty({"@type": "Person", "name": name, "alternateName": handle})


def _author(entry: Entry) -> JsonObject:
    person = {"@type": "Person", "name": entry.byline}
    if entry.credited:
        person["url"] = absolute_url(entry.credited.get_absolute_url())
    return person


def _newsroom() -> JsonObject:
    name, url = settings.SITE_NAME, absolute_url("/")
    return {"@type": "Organization", "name": name, "url": url}


def _publisher() -> JsonObject:
    logo = absolute_url(static("entries/apple-touch-icon.png"))
    return _newsroom() | {"logo": {"@type": "ImageObject", "url": logo}}


def _headline(text: str) -> str:
    """Return a headline, or its first words if it is too long."""
    if len(text) <= MAX_HEADLINE:
        return text
    words = text[: MAX_HEADLINE - 1]
    if not text[len(words)].isspace():
        words = words.rpartition(" ")[0] or words
    return words.rstrip(" ,;:.–—-") + "…"


def format_iso_seconds(at: datetime | None) -> str | None:
    """Return a time as ISO 8601 in UTC, to the second."""
    return at.astimezone(UTC).isoformat(timespec="seconds") if at else None


def _without_empty(data: JsonObject) -> JsonObject:
    return {name: value for name, value in data.items() if value}


def default_card_image() -> CardImage:
    """Return the site's own image, for the cards of pages that have none."""
    name = str(settings.SITE_NAME)
    return CardImage(absolute_url(static("entries/card.png")), 1200, 630, name)


def _image(story: Story) -> CardImage:
    """Return the lead image of a story, or else the site's own."""
    lead = card_image(story.lead_image) if story.lead_image else None
    return lead or default_card_image()


def card_image(image: Image) -> CardImage | None:
    """Return the largest variant of an image; None while readers do not see it."""
    if not image.visible:
        return None
    width = image.widths[-1]
    height = round(image.height * width / image.width)
    url = absolute_url(image.variant_url(width, ingest.FORMATS[-1]))
    return CardImage(url, width, height, image.alt)


def _body_images(markup: str) -> list[CardImage]:
    """Parse the images out of rendered HTML, which saves querying their rows."""
    found = []
    for img in _IMG.findall(markup):
        attrs = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(img)}
        url, _, width = attrs["srcset"].rpartition(", ")[2].rpartition(" ")
        largest, height = int(width[:-1]), int(attrs["height"])
        scaled = round(height * largest / int(attrs["width"]))
        found.append(CardImage(absolute_url(url), largest, scaled, attrs["alt"]))
    return found


def body_recordings(markup: str) -> list[RecordedFile]:
    """Parse the recordings out of rendered HTML, which saves querying their rows."""
    found = []
    for figure in _RECORDING.findall(markup):
        if not (file := _RECORDED_FILE.search(figure)):
            continue
        url, media_type, size, seconds = file.groups()
        name, poster = _RECORDING_ALT.search(figure), _POSTER.search(figure)
        found.append(
            RecordedFile(
                absolute_url(url),
                media_type,
                int(size),
                int(seconds),
                html.unescape(name[1]) if name else "",
                absolute_url(poster[1]) if poster else "",
            )
        )
    return found
