"""A story as data: all of it for another site, or what readers may know."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.db.models import F

from entries.images import ingest
from entries.models import EntryVersion, Image, Link, Posting, Series, Story
from entries.text import rendering

FORMAT: Final = "liveblog-story"
VERSION: Final = 1
_IMAGE: Final = re.compile(r"^ *!\[[^\[\]]*\]\(image:([\w-]+)\) *(?:\n|$)", re.M)


def story_data(story: Story, *, public: bool = True) -> dict[str, Any]:
    """Return a story as data that JSON can hold, entries from the oldest up.

    `public` leaves out whatever readers cannot see on its pages: drafts, withdrawn
    texts, earlier versions, authors, missing pictures. Raises ValueError for a story
    that is not public then.
    """
    if public and not story.public:
        raise ValueError("this story is not public")
    postings = _postings(story, public)
    pictures = _pictures(story, postings, public)
    shown = {image.name for image in pictures}
    head = _head(story, public)
    if not public:
        old = story.slugs.exclude(slug=story.slug)
        head["old_slugs"] = sorted(old.values_list("slug", flat=True))
    return {
        "format": FORMAT,
        "version": VERSION,
        "story": head,
        "entries": [_entry(posting, public, shown) for posting in postings],
        "links": _links(story.links.with_targets(), public),
        "pictures": [_picture(image, public) for image in pictures],
    }


def _postings(story: Story, public: bool) -> list[Posting]:
    postings = (
        story.postings.visible() if public else story.postings.filter(removed=False)
    )
    return list(
        postings.filter(entry__erased_at=None)
        .select_related("entry__story__series", "entry__author", "story")
        .prefetch_related(
            "entry__images",
            "entry__links__target_story__series",
            "entry__links__target_series",
            "entry__links__picture",
            "entry__versions__changed_by",
            "entry__postings__story",
        )
        .order_by(
            F("entry__kind"),  # the original entry first
            F("entry__at").asc(nulls_last=True),
            "entry_id",
        )
    )


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _absolute(path: str) -> str:
    return f"{settings.SITE_URL}{path}"


def _head(story: Story, public: bool) -> dict[str, Any]:
    lead, follower = story.lead_image, story.continues_in
    if public:
        lead = lead if lead and lead.stem else None
        follower = follower if follower and follower.public else None
    head = {
        "slug": story.slug,
        "headline": story.headline,
        "series": _series(story.series),
        "standfirst": story.standfirst,
        "summary": story.summary,
        "language": story.language,
        "lead_image": lead.name if lead else None,
        "state": story.state,
        "first_day": story.first_day.isoformat() if story.first_day else None,
        "live_at": _time(story.live_at),
        "closed_at": _time(story.closed_at),
        "continues_in": follower.slug if follower else None,
    }
    if public:
        return head | {
            "summary": _without_missing(story.summary, set()),  # it shows none
            "url": _absolute(story.get_absolute_url()),
        }
    return head | {"created_at": _time(story.created_at)}


def _series(series: Series | None) -> dict[str, str] | None:
    if series is None:
        return None
    return {
        "name": series.name,
        "slug": series.slug,
        "description": series.description,
    }


def _entry(posting: Posting, public: bool, shown: set[str]) -> dict[str, Any]:
    entry = posting.entry
    data = {
        "id": entry.pk,
        "kind": entry.kind,
        "state": entry.state,
        "at": _time(entry.at),
        "headline": entry.headline,
        "body": _without_missing(entry.body, shown) if public else entry.body,
        "byline": entry.byline,
        "pinned": posting.pinned,
        "key_event": posting.key_event,
        "cross_posted_from": None if posting.home else _home(entry.story, public),
        "links": _links(entry.links.all(), public),
    }
    if public:
        address = f"{posting.story.get_absolute_url()}updates/{entry.pk}/"
        corrections = [v for v in entry.versions.all() if v.line and not v.hidden]
        return data | {
            "url": _absolute(address),
            "corrections": [
                {"at": _time(v.changed_at), "line": v.line} for v in corrections
            ],
        }
    return data | {
        "author": entry.author.username if entry.author else None,
        "created_at": _time(entry.created_at),
        "changed_at": _time(entry.changed_at),
        "published_at": _time(entry.published_at),
        "posted_in": _elsewhere(posting),
        "version": entry.version,
        "versions": [_version(version) for version in entry.versions.all()],
    }


def _without_missing(body: str, shown: set[str]) -> str:
    """Return a body without the lines of pictures that readers do not see."""
    return _IMAGE.sub(lambda m: m[0] if m[1] in shown else "", body).strip("\n")


def _home(story: Story, public: bool) -> dict[str, str | None] | None:
    """Return whence a cross-post came; of what readers do not see, as pages tell."""
    if story.public or not public:
        return {"story": story.slug, "name": story.column}
    return {"story": None, "name": story.series.name} if story.series else None


def _elsewhere(posting: Posting) -> list[dict[str, Any]]:
    """Return where else an entry of this story stands."""
    if not posting.home:
        return []
    return [
        {
            "story": other.story.slug,
            "pinned": other.pinned,
            "key_event": other.key_event,
        }
        for other in sorted(posting.entry.postings.all(), key=lambda p: p.story.slug)
        if not (other.home or other.removed)
    ]


def _version(version: EntryVersion) -> dict[str, Any]:
    return {
        "number": version.number,
        "at": _time(version.at),
        "headline": version.headline,
        "body": version.body,
        "line": version.line,
        "hidden": version.hidden,
        "erased": version.erased,
        "changed_by": version.changed_by.username if version.changed_by else None,
        "changed_at": _time(version.changed_at),
    }


def _links(links: Iterable[Link], public: bool) -> list[dict[str, Any]]:
    """Return links; `text` is what pages show, `title` what was given for it."""
    found = []
    for link in links:
        target, picture = link.target_story, link.picture
        if public and not link.running:
            continue
        if public and target and not target.public:
            if not link.title:
                continue
            target = None
        found.append(
            {
                "kind": link.kind,
                "title": link.title,
                "text": link.text,
                "label": link.label,
                "order": link.order,
                "story": target.slug if target else None,
                "series": link.target_series.slug if link.target_series else None,
                "url": link.target_url,
                "picture": picture.name
                if picture and not (public and picture.missing)
                else None,
                "starts_at": _time(link.starts_at),
                "ends_at": _time(link.ends_at),
            }
        )
    return found


def _pictures(story: Story, postings: list[Posting], public: bool) -> list[Image]:
    found = {image.pk: image for p in postings for image in p.entry.images.all()}
    if story.lead_image:
        found[story.lead_image.pk] = story.lead_image
    featured = story.links.shown() if public else story.links.all()
    for link in featured.exclude(picture=None).select_related("picture"):
        if link.picture:
            found[link.picture.pk] = link.picture
    if not public:
        earlier = {
            name
            for posting in postings
            for version in posting.entry.versions.all()
            for name in _names(version.body)
        } | set(_names(story.summary))
        found |= {i.pk: i for i in Image.objects.filter(name__in=earlier)}
    rows = sorted(found.values(), key=lambda image: image.name)
    return [image for image in rows if image.stem] if public else rows


def _names(body: str) -> list[str]:
    try:
        return rendering.image_names(body)
    except rendering.BodyError:
        return []


def _picture(image: Image, public: bool) -> dict[str, Any]:
    data = {
        "name": image.name,
        "alt": image.alt,
        "decorative": image.decorative,
        "caption": image.caption,
        "credit": image.credit,
        "width": image.width,
        "height": image.height,
    }
    if not public:
        return data | {"missing": image.missing}
    largest = image.address(image.widths[-1], ingest.FORMATS[-1])
    return data | {"url": _absolute(largest)}


def picture_file(image: Image) -> str:
    """Return the path of its largest JPEG, relative to the folder of pictures."""
    return ingest.variant(image.stem, image.widths[-1], ingest.FORMATS[-1])


def story_pictures(story: Story) -> list[Image]:
    """Return the pictures that an export of everything refers to."""
    return _pictures(story, _postings(story, public=False), public=False)
