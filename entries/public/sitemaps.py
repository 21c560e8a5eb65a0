"""What search engines are told of: pages, and the news of two days."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.sitemaps import Sitemap
from django.contrib.sitemaps.views import sitemap
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from entries.models import Entry, Posting, Series, Story
from entries.public import caching
from entries.text import rendering
from entries.text.urls import absolute_url

MAX_UPDATES = 10_000  # newest ones; a sitemap holds at most 50,000 addresses
MAX_STORIES_LISTED = 30_000
MAX_NEWS = 1000
NEWS_AGE = timedelta(days=2)
_FORM: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{}</urlset>\n'
)
_SLUG: Final = "-slug-"  # stands where a slug comes

# Django's own classes are not generic while they run.
if TYPE_CHECKING:
    _Sitemap = Sitemap[Any]
else:
    _Sitemap = Sitemap
Changed = Iterator[tuple[str, datetime | None]]  # a path, and when it changed


def _fronts() -> Changed:
    """Yield the front page and those of the series that have a public story."""
    yield "/", Story.objects.public().aggregate(at=Max("changed_at"))["at"]
    series = Series.objects.filter(stories__state__in=Story.PUBLIC)
    for row in series.annotate(at=Max("stories__changed_at")).order_by("name"):
        yield row.get_absolute_url(), row.at


def _stories() -> Changed:
    """Yield the newest public stories."""
    way = reverse("story", args=[_SLUG])
    newest = Story.objects.public().newest()[:MAX_STORIES_LISTED]
    for slug, at in newest.values_list("slug", "changed_at"):
        yield way.replace(_SLUG, slug), at


def _updates() -> Changed:
    """Yield the newest updates, each in its own story."""
    way = reverse("story", args=[_SLUG])
    # What is newest is known from an index of postings; a join would lose it.
    newest = Posting.objects.visible().newest().values_list("entry", "story")
    placed = list(newest[:MAX_UPDATES])
    updates = Entry.objects.filter(kind=Entry.Kind.UPDATE)
    rows = updates.filter(pk__in=[entry for entry, _ in placed])
    found = {
        (pk, home): at for pk, home, at in rows.values_list("pk", "story", "changed_at")
    }
    slugs = dict(Story.objects.public().values_list("pk", "slug"))
    for pk, story in placed:
        at = found.get((pk, story))
        if at and story in slugs:
            yield f"{way.replace(_SLUG, slugs[story])}updates/{pk}/", at


def _render_sitemap() -> HttpResponse:
    """Join the lines: Django's own form knows days alone, and takes a second."""
    lines = (
        f"<url><loc>{escape(absolute_url(path))}</loc>"
        + (f"<lastmod>{at.isoformat(timespec='seconds')}</lastmod>" if at else "")
        + "</url>\n"
        for path, at in chain(_fronts(), _stories(), _updates())
    )
    return HttpResponse(_FORM.format("".join(lines)), content_type="application/xml")


class _News(_Sitemap):
    """The stories that began in the last two days, whatever host asks for them."""

    protocol = urlsplit(settings.SITE_URL).scheme

    def get_domain(self, site: Any = None) -> str:
        """Return the public host."""
        return urlsplit(settings.SITE_URL).netloc

    def items(self) -> Iterable[Story]:
        """Return them, the newest first."""
        since = timezone.now() - NEWS_AGE
        return Story.objects.public().filter(live_at__gte=since).newest()[:MAX_NEWS]

    def lastmod(self, item: Story) -> datetime:
        """Return when readers last saw a change."""
        return item.changed_at


def sitemap_response(request: HttpRequest) -> HttpResponse:
    """Answer with all pages worth finding, or 304."""
    tag = f"{caching.site_tag()}-sitemap"
    return caching.respond(request, tag, _render_sitemap)


def news_sitemap_response(request: HttpRequest) -> HttpResponse:
    """Answer with the news, in Google's form (sitemap-news/0.9).

    Its bytes depend on the day too, so it is never answered from what is kept.
    """
    template = "entries/news_sitemap.xml"
    response = sitemap(request, {"news": _News}, template_name=template)
    response["Cache-Control"] = caching.PAGE_CACHE_CONTROL
    response.render()
    # Headlines may hold what XML cannot.
    response.content = rendering.tidy(response.content.decode())
    return response
