"""What search engines are told of: pages, and the news of two days."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.sitemaps import Sitemap
from django.contrib.sitemaps.views import sitemap
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from entries import caching, rendering
from entries.models import Posting, Series, Story

UPDATES = 10_000  # newest ones; a sitemap holds at most 50,000 addresses
STORIES = 30_000
NEWS = 1000
NEWS_DAYS = timedelta(days=2)


# Django's own classes are not generic while they run.
if TYPE_CHECKING:
    _Sitemap = Sitemap[Any]
else:
    _Sitemap = Sitemap


Sections = dict[str, type[_Sitemap] | _Sitemap]


class _Pages(_Sitemap):
    """Public addresses, whatever host they were asked for by."""

    limit = 50_000
    protocol = urlsplit(settings.SITE_URL).scheme

    def get_domain(self, site: Any = None) -> str:
        """Return the public host."""
        return urlsplit(settings.SITE_URL).netloc


class _Fronts(_Pages):
    """The front page and those of the series that have a public story."""

    def items(self) -> list[tuple[str, datetime | None]]:
        """Return paths, and when something on them changed."""
        latest = Story.objects.public().aggregate(at=Max("changed_at"))["at"]
        series = (
            Series.objects.filter(stories__state__in=Story.PUBLIC)
            .annotate(at=Max("stories__changed_at"))
            .order_by("name")
        )
        return [("/", latest), *((row.get_absolute_url(), row.at) for row in series)]

    def location(self, item: tuple[str, datetime | None]) -> str:
        """Return the path."""
        return item[0]

    def lastmod(self, item: tuple[str, datetime | None]) -> datetime | None:
        """Return when it changed."""
        return item[1]


class _Stories(_Pages):
    """Every public story."""

    def items(self) -> Iterable[Story]:
        """Return the newest ones."""
        return Story.objects.public().newest()[:STORIES]

    def lastmod(self, item: Story) -> datetime:
        """Return when readers last saw a change."""
        return item.changed_at


class _Updates(_Pages):
    """The updates, each in its own story."""

    def items(self) -> list[Posting]:
        """Return the newest ones."""
        standing = Posting.objects.own().filter(story__state__in=Story.PUBLIC)
        newest = standing.visible().updates().select_related("entry", "story")
        return list(newest[:UPDATES])

    def location(self, item: Posting) -> str:
        """Return the path of an update."""
        return f"{item.story.get_absolute_url()}updates/{item.entry_id}/"

    def lastmod(self, item: Posting) -> datetime:
        """Return when its text changed."""
        return item.entry.changed_at


class _News(_Pages):
    """The stories that began in the last two days."""

    def items(self) -> Iterable[Story]:
        """Return them, the newest first."""
        since = timezone.now() - NEWS_DAYS
        return Story.objects.public().filter(live_at__gte=since).newest()[:NEWS]

    def lastmod(self, item: Story) -> datetime:
        """Return when readers last saw a change."""
        return item.changed_at


def pages(request: HttpRequest) -> HttpResponse:
    """Answer with all pages worth finding, or 304.

    Each with the minute of its last change: Django's own form knows days alone.
    """
    sections: Sections = {"fronts": _Fronts, "stories": _Stories, "updates": _Updates}
    tag = f"{caching.site_tag()}-sitemap"
    form = "entries/sitemap.xml"

    def drawn() -> HttpResponse:
        return sitemap(request, sections, template_name=form).render()

    return caching.answer(request, tag, drawn)


def news(request: HttpRequest) -> HttpResponse:
    """Answer with the news, in Google's form (sitemap-news/0.9).

    Its bytes depend on the day too, so it is never answered from what is kept.
    """
    sections: Sections = {"news": _News}
    template = "entries/news_sitemap.xml"
    response = sitemap(request, sections, template_name=template)
    response["Cache-Control"] = caching.PAGE
    response.render()
    # Headlines may hold what XML cannot.
    response.content = rendering.tidy(response.content.decode())
    return response
