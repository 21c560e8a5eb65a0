"""Atom feeds of the site, of a series and of a story (RFC 4287)."""

import re
from datetime import datetime
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

from entries.models import Entry, Posting, Series, Site, Story
from entries.public import caching
from entries.text.urls import absolute_url

FEED_ENTRIES = 50  # entries of a feed
# What we drew ourselves: text in it has no "<", and attributes no ">".
_SOURCE: Final = re.compile(r"<source\b[^>]*>")
_RESPONSIVE: Final = re.compile(
    r'\s(?:srcset|sizes|loading|decoding|fetchpriority)="[^"]*"'
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_PATH: Final = re.compile(r'(?<=\s)(href|src)="(?=/)')


def _clean(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values without characters that XML cannot hold."""
    return {name: _cleaned(value) for name, value in values.items()}


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return _CONTROL.sub("", value)
    return [*map(_cleaned, value)] if isinstance(value, list | tuple) else value


class _Atom(Atom1Feed):
    """Atom that carries the whole text of an entry."""

    def add_root_elements(self, handler: SimplerXMLGenerator) -> None:
        """Write what stands above the entries."""
        self.feed = _clean(self.feed)
        super().add_root_elements(handler)

    def add_item_elements(
        self, handler: SimplerXMLGenerator, item: dict[str, Any]
    ) -> None:
        item = _clean(item)
        html, item["description"] = item["description"], None
        super().add_item_elements(handler, item)
        handler.addQuickElement("content", html, {"type": "html"})


# Django's own classes are not generic while they run.
if TYPE_CHECKING:
    _Feed = Feed[Any, Any]
else:
    _Feed = Feed


class _Entries(_Feed):
    """What all feeds have in common; each says whose entries it holds."""

    feed_type = _Atom
    title_of_story = True  # whether a title begins with the name of its story

    def __call__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer with the feed, or 304."""
        obj = self.get_object(request, *args, **kwargs)
        tag = self.tag(obj)  # read first: a feed never claims what it lacks
        # Of all that was ever public: it must not go back when a story goes.
        newest = Story.objects.exclude(state=Story.State.DRAFT).order_by("-changed_at")
        changed_at = newest.values_list("changed_at", flat=True).first()
        return caching.respond(
            request,
            f"{tag}-{request.path}",
            lambda: super(_Entries, self).__call__(request, *args, **kwargs),
            changed_at,
        )

    def tag(self, obj: Any) -> str:
        """Return what moves with every change of the feed."""
        return caching.site_tag()

    def stories(self, obj: Any) -> QuerySet[Story]:
        """Return the public stories whose entries the feed holds."""
        return Story.objects.public()

    def path(self, obj: Any) -> str:
        """Return the path of the page that the feed is of."""
        return "/"

    def link(self, obj: Any) -> str:
        """Return the address of the page that the feed is of."""
        return absolute_url(self.path(obj))

    def feed_url(self, obj: Any) -> str:
        """Return the address of the feed."""
        return f"{self.link(obj)}feed/"

    def feed_guid(self, obj: Any) -> str:
        """Return the feed's id."""
        return self.feed_url(obj)

    def title(self, obj: Any) -> str:
        """Return the name of the feed."""
        return str(settings.SITE_NAME)

    def author_name(self, obj: Any) -> str:
        """Return who writes where an entry has no byline."""
        return str(settings.SITE_NAME)

    def items(self, obj: Any) -> list[Entry]:
        """Return the newest public entries, each with `shown_in`: a public story."""
        # The newest of all are among the newest of as many stories.
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
        # Asked again: one may have been withdrawn since.
        return self._placed([one for one in entries if one.published], visible)

    def _placed(self, entries: list[Any], visible: QuerySet[Posting]) -> list[Entry]:
        """Say of each in which public story it is shown: its own, if that is one.

        Leave out those that were taken from all of them meanwhile.
        """
        strange = [row for row in entries if not row.story.public]
        elsewhere = visible.filter(entry__in=strange).order_by("-story_id")
        shown = {
            row.entry_id: row.story
            for row in elsewhere.select_related("story__series").defer("html")
        }
        for entry in entries:
            home = entry.story if entry.story.public else None
            entry.shown_in = home or shown.get(entry.pk)
        return [entry for entry in entries if entry.shown_in]

    def item_title(self, entry: Any) -> str:
        """Return the headline of an entry, else how its text begins."""
        if self.title_of_story:
            return f"{entry.shown_in.title} – {entry.first_words}"
        return str(entry.first_words)

    def item_description(self, entry: Any) -> str:
        """Return the whole text, readable anywhere."""
        html = _RESPONSIVE.sub("", _SOURCE.sub("", entry.html))
        return _PATH.sub(rf'\1="{settings.SITE_URL}', html)

    def item_link(self, entry: Any) -> str:
        """Return the address of an entry."""
        path = reverse("entry", args=[entry.shown_in.slug, entry.pk])
        return absolute_url(path)

    def item_guid(self, entry: Any) -> str:
        """Return the same id for ever, in whatever feed (RFC 4151)."""
        host = urlsplit(settings.SITE_URL).hostname
        return f"tag:{host},{entry.created_at:%Y-%m-%d}:entry-{entry.pk}"

    def item_pubdate(self, entry: Any) -> datetime:
        """Return the time of an update; when it was published, of an original."""
        since: datetime = entry.at or entry.published_at
        return since

    def item_updateddate(self, entry: Any) -> datetime:
        """Return when an entry was changed last."""
        changed_at: datetime = entry.changed_at
        return changed_at

    def item_author_name(self, entry: Any) -> str:
        """Return the byline."""
        return entry.byline or str(settings.SITE_NAME)

    def item_categories(self, entry: Any) -> list[str]:
        """Return the series of its story."""
        series = entry.shown_in.series
        return [series.name] if series else []


class SiteFeed(_Entries):
    """The newest entries of all stories."""


class SeriesFeed(_Entries):
    """The newest entries of the stories of a series."""

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Series:
        """Return the series."""
        return get_object_or_404(Series, slug=kwargs["slug"])

    def stories(self, obj: Series) -> QuerySet[Story]:
        """Return its public stories."""
        return Story.objects.public().filter(series=obj)

    def path(self, obj: Series) -> str:
        """Return the path of its page."""
        return obj.get_absolute_url()

    def title(self, obj: Series) -> str:
        """Return its name."""
        return f"{obj.name} – {settings.SITE_NAME}"

    def subtitle(self, obj: Series) -> str:
        """Return what it is about."""
        return obj.description


class StoryFeed(_Entries):
    """The newest entries of a story, those cross-posted in it too."""

    title_of_story = False

    def __init__(self, site: Site) -> None:
        self.site = site  # as it was read, before the story

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Story:
        """Return the story that the view has found."""
        story: Story = kwargs["story"]
        return story

    def tag(self, obj: Story) -> str:
        """Return the numbers of the story, as they were read with it."""
        return f"{self.site.epoch}-{obj.seq}-{self.site.seq}"

    def stories(self, obj: Story) -> QuerySet[Story]:
        """Return the story alone."""
        return Story.objects.public().filter(pk=obj.pk)

    def path(self, obj: Story) -> str:
        """Return the path of its page."""
        return obj.get_absolute_url()

    def title(self, obj: Story) -> str:
        """Return its title."""
        return f"{obj.title} – {settings.SITE_NAME}"

    def subtitle(self, obj: Story) -> str:
        """Return its standfirst."""
        return obj.standfirst
