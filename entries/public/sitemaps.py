"""The sitemap of all pages, and the news sitemap of the last two days."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from django.views.decorators.http import require_safe

from entries.models import Entry, Posting, Series, Story
from entries.public import caching
from entries.text import rendering
from entries.text.urls import absolute_url

# Only the newest: a sitemap may have 50,000 URLs, a news sitemap 1,000.
_MAX_UPDATES: Final = 10_000
_MAX_STORIES: Final = 30_000
_MAX_NEWS: Final = 1000
_NEWS_AGE: Final = timedelta(days=2)
_URLSET: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{}</urlset>\n'
)
_SLUG: Final = "-slug-"  # placeholder in a reversed URL

_Pages = Iterator[tuple[str, datetime | None]]  # paths, and when they changed


def _list_pages() -> _Pages:
    """Yield the front page, and the page of each series with a public story."""
    yield "/", Story.objects.public().aggregate(at=Max("changed_at"))["at"]
    series = Series.objects.filter(stories__state__in=Story.PUBLIC)
    for row in series.annotate(at=Max("stories__changed_at")).order_by("name"):
        yield row.get_absolute_url(), row.at


def _story_pages() -> _Pages:
    path = reverse("story", args=[_SLUG])
    announced = Story.objects.announced()
    newest = Story.objects.begun().newest()[:_MAX_STORIES]
    found = (rows.values_list("slug", "changed_at") for rows in (announced, newest))
    for slug, at in chain.from_iterable(found):
        yield path.replace(_SLUG, slug), at


def _update_pages() -> _Pages:
    """Yield the newest updates, each in its own story."""
    path = reverse("story", args=[_SLUG])
    # No join, so that the database reads the newest from an index of postings.
    newest = Posting.objects.visible().newest().values_list("entry", "story")
    postings = list(newest[:_MAX_UPDATES])
    updates = Entry.objects.filter(kind=Entry.Kind.UPDATE)
    rows = updates.filter(pk__in=[entry for entry, _ in postings])
    changed_at = {
        (pk, home): at for pk, home, at in rows.values_list("pk", "story", "changed_at")
    }
    slugs = dict(Story.objects.public().values_list("pk", "slug"))
    for pk, story in postings:
        at = changed_at.get((pk, story))
        if at and story in slugs:
            yield f"{path.replace(_SLUG, slugs[story])}updates/{pk}/", at


def _render_sitemap() -> HttpResponse:
    # Django's view writes dates without times, and takes a second for so many URLs.
    lines = (
        f"<url><loc>{escape(absolute_url(path))}</loc>"
        + (f"<lastmod>{at.isoformat(timespec='seconds')}</lastmod>" if at else "")
        + "</url>\n"
        for path, at in chain(_list_pages(), _story_pages(), _update_pages())
    )
    return HttpResponse(_URLSET.format("".join(lines)), content_type="application/xml")


@require_safe
def site_map(request: HttpRequest) -> HttpResponse:
    """Return the sitemap: lists, stories and updates."""
    return caching.respond_or_304(request, caching.site_version(), _render_sitemap)


def _news_version(since: datetime) -> caching.Version:
    """Return the version of the news sitemap, which also changes as stories get old."""
    version = caching.site_version()
    left = Story.objects.begun().filter(live_at__lt=since).newest().first()
    if left is None or left.live_at is None:
        return version
    changed_at = version.changed_at and max(
        version.changed_at, left.live_at + _NEWS_AGE
    )
    return caching.Version(f"{version.tag}-{left.pk}", changed_at)


@require_safe
def news_sitemap(request: HttpRequest) -> HttpResponse:
    """Return the stories that began in the last two days (sitemap-news/0.9).

    Without any it has the front page, since a sitemap must have a URL. It depends on
    the time of day too, so the page cache does not store it.
    """
    since = timezone.now() - _NEWS_AGE
    version = _news_version(since)

    def make() -> HttpResponse:
        stories = Story.objects.begun().filter(live_at__gte=since).newest()[:_MAX_NEWS]
        context = {"stories": stories, "front": next(_list_pages())}
        xml = render_to_string("entries/news_sitemap.xml", context)
        # Headlines may contain characters that XML forbids.
        return HttpResponse(rendering.tidy(xml), content_type="application/xml")

    return caching.respond_or_304(request, version, make)
