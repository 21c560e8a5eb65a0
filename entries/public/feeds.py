"""Atom feeds of the site, of a series, of a story and of an author (RFC 4287)."""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.syndication.views import Feed
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.feedgenerator import Atom1Feed
from django.utils.xmlutils import SimplerXMLGenerator

from entries.models import Entry, Posting, Profile, Series, Site, Story
from entries.pages import authors
from entries.public import caching
from entries.text.urls import absolute_url

FEED_ENTRIES = 50
# Regexes are safe here: in HTML we rendered, text has no "<" and attributes no ">".
_SOURCE: Final = re.compile(r"<source\b[^>]*>")
_RESPONSIVE: Final = re.compile(
    r'\s(?:srcset|sizes|loading|decoding|fetchpriority)="[^"]*"'
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_PATH: Final = re.compile(r'(?<=\s)(href|src)="(?=/)')


def _without_controls(value: Any) -> Any:
    """Return a value without characters that XML forbids."""
    if isinstance(value, str):
        return _CONTROL.sub("", value)
    if isinstance(value, dict):
        return {name: _without_controls(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_controls(one) for one in value]
    return value


class _Atom(Atom1Feed):
    """An Atom feed with the full text of each entry."""

    def add_root_elements(self, handler: SimplerXMLGenerator) -> None:
        self.feed = _without_controls(self.feed)
        super().add_root_elements(handler)

    def latest_post_date(self) -> datetime:
        """Return when the newest entry changed; without one, when its story did."""
        if not self.items:
            return self.feed["changed_at"]() or datetime.fromtimestamp(0, UTC)
        return super().latest_post_date()

    def add_item_elements(
        self, handler: SimplerXMLGenerator, item: dict[str, Any]
    ) -> None:
        item = _without_controls(item)
        html, item["description"] = item["description"], None
        super().add_item_elements(handler, item)
        handler.addQuickElement("content", html, {"type": "html"})


# Django's own classes are not generic at run time.
if TYPE_CHECKING:
    _Feed = Feed[Any, Any]
else:
    _Feed = Feed


class _EntriesFeed(_Feed):
    """A feed of entries; each subclass names their stories."""

    feed_type = _Atom
    title_of_story = True  # whether the title of an entry begins with its story's

    def __call__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Respond with the feed, or 304."""
        # Read first, so that it never claims more than the feed has.
        tag = self.tag(**kwargs)
        self.get_object(request, *args, **kwargs)  # 404 rather than 304
        return caching.respond_or_304(
            request,
            f"{tag}-{request.path}",
            lambda: super(_EntriesFeed, self).__call__(request, *args, **kwargs),
            self.changed_at(),
        )

    def changed_at(self) -> datetime | None:
        """Return a time for Last-Modified."""
        # Withdrawn stories count, so that Last-Modified never goes back.
        newest = Story.objects.exclude(state=Story.State.DRAFT).order_by("-changed_at")
        return newest.values_list("changed_at", flat=True).first()

    def tag(self, **kwargs: Any) -> str:
        """Return a tag that changes with every change of the feed, for its ETag."""
        return caching.site_tag()

    def stories(self, obj: Any) -> QuerySet[Story]:
        """Return the public stories whose entries are in the feed."""
        return Story.objects.public()

    def path(self, obj: Any) -> str:
        """Return the path of the HTML page with the same entries."""
        return "/"

    def feed_extra_kwargs(self, obj: Any) -> dict[str, Any]:
        """Return when the stories changed, for a feed without entries."""
        newest = self.stories(obj).order_by("-changed_at")
        return {"changed_at": newest.values_list("changed_at", flat=True).first}

    def link(self, obj: Any) -> str:
        return absolute_url(self.path(obj))

    def feed_url(self, obj: Any) -> str:
        return f"{self.link(obj)}feed/"

    feed_guid = feed_url

    def title(self, obj: Any) -> str:
        return str(settings.SITE_NAME)

    def author_name(self, obj: Any) -> str:
        return str(settings.SITE_NAME)

    def items(self, obj: Any) -> list[Entry]:
        """Return the newest public entries, each with a public story as `shown_in`."""
        # That many entries are in at most as many stories, the most recently updated.
        stories = self.stories(obj).filter(newest_at__isnull=False)
        stories = stories.order_by("-newest_at", "-pk")[:FEED_ENTRIES]
        visible = (
            Posting.objects.visible().newest().first_per_story(stories, FEED_ENTRIES)
        )
        ids = visible.newest().values_list("entry_id", flat=True)
        newest = list(dict.fromkeys(ids))[:FEED_ENTRIES]
        found = Entry.objects.select_related("story__series").defer("body")
        rows = found.in_bulk(newest)
        entries = [rows[pk] for pk in newest if pk in rows]
        # Checked again, since one may have been withdrawn in between.
        return self._with_stories([one for one in entries if one.published], visible)

    def _with_stories(
        self, entries: list[Any], visible: QuerySet[Posting]
    ) -> list[Entry]:
        """Set `shown_in`: the home story if it has begun, else one with a cross-post.

        Leaves out entries that are no longer in any public story.
        """
        without_home = [row for row in entries if not row.story.begun]
        elsewhere = visible.filter(entry__in=without_home).order_by("-story_id")
        shown = {
            row.entry_id: row.story
            for row in elsewhere.select_related("story__series").defer("html")
        }
        for entry in entries:
            home = entry.story if entry.story.begun else None
            entry.shown_in = home or shown.get(entry.pk)
        return [entry for entry in entries if entry.shown_in]

    def item_title(self, entry: Any) -> str:
        """Return the headline of an entry, or the first words of its text."""
        if self.title_of_story:
            return f"{entry.shown_in.title} – {entry.first_words}"
        return str(entry.first_words)

    def item_description(self, entry: Any) -> str:
        """Return the full text, with absolute URLs and plain images."""
        html = _RESPONSIVE.sub("", _SOURCE.sub("", entry.html))
        return _PATH.sub(rf'\1="{settings.SITE_URL}', html)

    def item_link(self, entry: Any) -> str:
        path = reverse("entry", args=[entry.shown_in.slug, entry.pk])
        return absolute_url(path)

    def item_guid(self, entry: Any) -> str:
        """Return a permanent id, the same in every feed (RFC 4151)."""
        host = urlsplit(settings.SITE_URL).hostname
        return f"tag:{host},{entry.created_at:%Y-%m-%d}:entry-{entry.pk}"

    def item_pubdate(self, entry: Any) -> datetime:
        """Return the time of an update, or when an original was published."""
        since: datetime = entry.at or entry.published_at
        return since

    def item_updateddate(self, entry: Any) -> datetime:
        changed_at: datetime = entry.changed_at
        return changed_at

    def item_author_name(self, entry: Any) -> str:
        return entry.byline or str(settings.SITE_NAME)

    def item_categories(self, entry: Any) -> list[str]:
        series = entry.shown_in.series
        return [series.name] if series else []


class SiteFeed(_EntriesFeed):
    """The newest entries of all stories."""


class SeriesFeed(_EntriesFeed):
    """The newest entries of the stories of a series."""

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Series:
        return get_object_or_404(Series, slug=kwargs["slug"])

    def stories(self, obj: Series) -> QuerySet[Story]:
        return Story.objects.public().filter(series=obj)

    def path(self, obj: Series) -> str:
        return obj.get_absolute_url()

    def title(self, obj: Series) -> str:
        return f"{obj.name} – {settings.SITE_NAME}"

    def subtitle(self, obj: Series) -> str:
        return obj.description


class AuthorFeed(_EntriesFeed):
    """The newest updates of a person, as on their page."""

    def __init__(self, site_tag: str, name: str) -> None:
        self.site_tag = site_tag  # read before the person
        self.name = name

    def tag(self, **kwargs: Any) -> str:
        return self.site_tag

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Profile:
        person: Profile = kwargs["person"]
        return person

    def __call__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Respond without Last-Modified, since changes of a role are not dated."""
        response = super().__call__(request, *args, **kwargs)
        del response["Last-Modified"]
        return response

    def changed_at(self) -> datetime | None:
        return None

    def path(self, obj: Profile) -> str:
        return obj.get_absolute_url()

    def title(self, obj: Profile) -> str:
        return f"{self.name} – {settings.SITE_NAME}"

    def subtitle(self, obj: Profile) -> str:
        return obj.role

    def author_name(self, obj: Profile) -> str:
        return self.name

    def items(self, obj: Profile) -> list[Entry]:
        postings = authors.updates_page(obj).found
        entries: list[Any] = [posting.entry for posting in postings]
        for entry, posting in zip(entries, postings, strict=True):
            entry.shown_in = posting.story
        return entries


class StoryFeed(_EntriesFeed):
    """The newest entries of a story, including those cross-posted to it."""

    title_of_story = False

    def __init__(self, site: Site) -> None:
        self.site = site  # read before the story

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Story:
        story: Story = kwargs["story"]
        return story

    def tag(self, **kwargs: Any) -> str:
        """Return the story's tag, from the seqs that were read with it."""
        return caching.story_tag(self.site, kwargs["story"])

    def stories(self, obj: Story) -> QuerySet[Story]:
        return Story.objects.public().filter(pk=obj.pk)

    def path(self, obj: Story) -> str:
        return obj.get_absolute_url()

    def title(self, obj: Story) -> str:
        return f"{obj.title} – {settings.SITE_NAME}"

    def subtitle(self, obj: Story) -> str:
        return obj.standfirst
