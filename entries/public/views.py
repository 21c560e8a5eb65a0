"""Public pages, the same for every reader: they use no cookies and no user.

Views fetch, check, act and render, in this order. They fetch the site before the story,
so that the epoch in an ETag is never newer than what the page shows.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast
from urllib.parse import urlencode

from csp.decorators import csp_update
from django.conf import settings
from django.db.models import BigIntegerField
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponsePermanentRedirect,
    HttpResponseRedirect,
    JsonResponse,
)
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from entries import delivery
from entries.images.ingest import media_type
from entries.models import (
    Image,
    Link,
    OldUrl,
    Posting,
    Profile,
    Series,
    Site,
    Story,
)
from entries.pages import authors, differences, lists, schema_org, story_page, timeline
from entries.pages import search as searching
from entries.pages.authors import UpdatesPage
from entries.pages.story_data import story_data
from entries.public import caching, feeds, files
from entries.text import languages, media, urls, words
from entries.text.urls import absolute_url


class Moved(Exception):
    """The slug is a former one of the story."""

    def __init__(self, story: Story) -> None:
        super().__init__(story.slug)
        self.story = story


class Gone(Exception):
    """The story or update was withdrawn."""


def _story_by_slug(slug: str, *, withdrawn: bool = False) -> Story:
    """Return a public story by a present or former slug.

    Raises Http404 for a draft, and Gone for a withdrawn story unless `withdrawn` is
    set. No other code decides which stories are public.
    """
    story = Story.objects.select_related("series", "lead_image").by_slug(slug)
    if story is None or story.state == Story.State.DRAFT:
        raise Http404
    if story.state == Story.State.WITHDRAWN and not withdrawn:
        raise Gone
    return story


def _site_and_story(slug: str) -> tuple[Site, Story]:
    """Return the site and a public story. Raises Moved if the slug is a former one."""
    site = Site.current()
    story = _story_by_slug(slug)
    if story.slug != slug:
        raise Moved(story)
    return site, story


def public_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Allow safe methods only, and respond to Gone (410) and Moved (301)."""

    @require_safe
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Gone:
            response = render(request, "410.html", status=410)
        except Moved as moved:
            old, new = f"/stories/{kwargs['slug']}", f"/stories/{moved.story.slug}"
            url = request.get_full_path().replace(old, new, 1)
            response = HttpResponsePermanentRedirect(url)
        # Neither is permanent: a story can be restored, or get its former slug back.
        response["Cache-Control"] = caching.page_cache_control()
        return response

    return wrapped


def shows_cards(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Allow the frames that readers can load in cards of videos and posts."""

    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        policy = {"frame-src": media.frame_sources()}
        return cast(HttpResponse, csp_update(policy)(view)(request, *args, **kwargs))

    return wrapped


def _respond(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    version: caching.Version,
) -> HttpResponse:
    """Render a page that is the same for every reader, or respond 304."""
    return caching.respond_or_304(
        request, version, lambda: render(request, template, context)
    )


def _id(request: HttpRequest, name: str) -> int:
    """Return a query parameter as a number, 0 if missing. Raises Http404 if invalid."""
    value = request.GET.get(name, "")
    if not value:
        return 0
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise Http404
    return int(value)


@public_page
def old_url(request: HttpRequest) -> HttpResponse:
    """Redirect a URL of a former site to what it was of; 410 if that is withdrawn.

    Raises Http404 if it is unknown, or of something that readers have never seen: the
    responses are the same.
    """
    full = urls.old_path(request.get_full_path())
    path = full.partition("?")[0]
    # The URL itself is better than one without parameters, which may be for campaigns.
    found = OldUrl.objects.filter(path__in=(full, path)).order_by("-path")
    row = found.select_related("story", "entry__story").first()
    if row is None:
        raise Http404
    entry, home = row.entry, row.entry.story if row.entry else row.story
    if home is None:
        raise Http404
    story = _story_by_slug(home.slug)
    to = story.get_absolute_url()
    if entry and not entry.original:
        posting = entry.postings.filter(story=story).exclude(seq=None).first()
        if posting is None or not story.begun:
            raise Http404
        if not posting.published:
            raise Gone
        to = entry.get_absolute_url()
    response = HttpResponsePermanentRedirect(to)
    response["Cache-Control"] = caching.page_cache_control()
    return response


@public_page
def front(request: HttpRequest) -> HttpResponse:
    """Show the live stories, and the most recently closed ones.

    `?from=<story id>` shows a page of all live stories instead, when there are many.
    `?p=<number>` may be a URL of a former site.
    """
    if urls.OLD_URL_PARAMETERS & request.GET.keys():
        with suppress(Http404):
            return old_url(request)
    version = caching.site_version()  # first, so it never claims more than the page has
    start = _id(request, "from")
    context: dict[str, Any] = {"start": start}
    if start:
        try:
            context["list"] = lists.live_listing(start)
        except lists.NoSuchStory as error:
            raise Http404 from error
    else:
        context["list"] = lists.front_listing()
        context["features"] = Link.objects.site_features().visible().with_targets()
    url = f"{request.path}?from={start}" if start else request.path
    context["card"] = _list_card(url, settings.SITE_NAME)
    return _respond(request, "entries/front.html", context, version)


@public_page
def series(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the stories of a series: live ones first, then the others by day.

    `?before=<story id>` continues with the stories older than that one.
    """
    version = caching.site_version()
    row, before = get_object_or_404(Series, slug=slug), _id(request, "before")
    try:
        listing = lists.series_listing(row, before)
    except lists.NoSuchStory as error:
        raise Http404 from error
    url = f"{request.path}?before={before}" if before else request.path
    context = {
        "series": row,
        "list": listing,
        "before": before,
        "feed": f"{request.path}feed/",
        "card": _list_card(url, row.name, row.description),
    }
    return _respond(request, "entries/series.html", context, version)


def _list_card(url: str, name: str, about: str = "") -> schema_org.Card:
    about = about or gettext("Running stories, in full, from %(name)s.") % {
        "name": name
    }
    image = schema_org.default_card_image()
    return schema_org.Card("website", name, about, absolute_url(url), image)


@public_page
def author(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a person's role, picture and visible updates, newest first.

    `?before=<entry id>` continues with the updates older than that one. Somebody
    without any has no page.
    """
    version = caching.site_version()
    person, before = _person(slug), _id(request, "before")
    updates = authors.updates_page(person, before)
    name = _credited_name(person, updates)
    url = f"{request.path}?before={before}" if before else request.path
    context = {
        "person": person,
        "name": name,
        "updates": updates,
        "before": before,
        "card": _list_card(url, name, person.role),
    }
    return _respond(request, "entries/author.html", context, version)


def _person(slug: str) -> Profile:
    people = Profile.objects.select_related("portrait")
    return get_object_or_404(people, slug=slug)


def _credited_name(person: Profile, updates: UpdatesPage | None = None) -> str:
    """Return the name that a person's updates have. Raises Http404 without any."""
    updates = updates or authors.updates_page(person)
    if not updates.found:
        raise Http404
    return person.byline or updates.found[0].entry.byline


@public_page
def author_feed(request: HttpRequest, slug: str) -> HttpResponse:
    """Return a person's newest updates as Atom; 404 without any."""
    site = Site.current()
    version, person = caching.site_version(site), _person(slug)
    feed = feeds.AuthorFeed(site, version, _credited_name(person))
    return feed(request, person=person)


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """Show a page of the entries and stories that match `q` (full-text search)."""
    query = request.GET.get("q", "").replace("\0", " ").strip()[: words.MAX_QUERY]
    number = max(1, min(_id(request, "page"), 50))
    start = (number - 1) * searching.RESULTS_PAGE_SIZE
    context = {
        "query": query,
        "number": number,
        "results": searching.search_public(query, start),
        "more": urlencode({"q": query, "page": number + 1}),
    }
    response = render(request, "entries/search.html", context)
    response["Cache-Control"] = caching.page_cache_control()
    return response


@shows_cards
@public_page
def story(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a story: its live page, a page of older updates, or the oldest first.

    `?at=<entry id>` redirects to the page that currently shows an update.
    """
    site, row = _site_and_story(slug)
    if at := _id(request, "at"):
        return _redirect_to_update(site, row, at)
    order = "oldest" if request.GET.get("order") == "oldest" else "newest"
    before, start = _id(request, "before"), _id(request, "from")

    def make() -> HttpResponse:
        html = story_page.render_story_page(
            site, row, order=order, before=before, start=start
        )
        return HttpResponse(html)

    version = caching.story_version(site, row)
    try:
        return caching.respond_or_304(
            request, version, make, f"{order}-{before}-{start}"
        )
    except timeline.NoSuchEntry as error:
        raise Http404 from error


def _redirect_to_update(site: Site, story: Story, entry_id: int) -> HttpResponse:
    try:
        url = story_page.live_url(site, story, entry_id)
    except timeline.NoSuchEntry as error:
        raise Http404 from error
    response = HttpResponseRedirect(url)
    response["Cache-Control"] = caching.page_cache_control()
    return response


@shows_cards
@public_page
def entry(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Show an update at its own URL (the permalink); 410 once it is withdrawn."""
    return _entry_page(request, slug, pk, "entry")


@public_page
def entry_history(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Show the corrections of an update, each with a diff."""
    return _entry_page(request, slug, pk, "entry_history")


def _entry_page(request: HttpRequest, slug: str, pk: int, name: str) -> HttpResponse:
    """Show a page about one update; `name` is the name of its URL and template."""
    site, row = _site_and_story(slug)
    # SQLite raises an error for numbers that are too large.
    if not row.begun or pk > BigIntegerField.MAX_BIGINT:
        raise Http404
    posting = get_object_or_404(
        Posting.objects.exclude(seq=None).select_related(
            "entry__credited", "story__series"
        ),
        story=row,
        entry_id=pk,
    )
    entry = posting.entry
    if not posting.published:
        # Redirect if it was moved to another story. A removed cross-post is gone.
        if entry.published and not posting.home and entry.story.begun:
            return HttpResponseRedirect(reverse(name, args=[entry.story.slug, pk]))
        raise Gone
    home = entry.story if entry.story.begun else row
    url = absolute_url(reverse("entry", args=[home.slug, pk]))
    query = "" if entry.original else f"?at={pk}"
    with languages.page_in(row.language):
        context = {
            "story": row,
            "posting": posting,
            "card": schema_org.update_card(row, entry, url),
            "data": schema_org.json_script(schema_org.update_data(home, entry, url)),
            "canonical": absolute_url(reverse(name, args=[home.slug, pk])),
            "in_page": f"{row.get_absolute_url()}{query}#entry-{pk}",
        }
        if name == "entry_history":
            context["corrections"] = differences.public_corrections(entry)
        return _respond(
            request, f"entries/{name}.html", context, caching.story_version(site, row)
        )


@public_page
def story_json(request: HttpRequest, slug: str) -> HttpResponse:
    """Return the published content of a story as JSON."""
    site, row = _site_and_story(slug)

    def make() -> HttpResponse:
        data = story_data(row)
        return JsonResponse(data, json_dumps_params={"ensure_ascii": False})

    return caching.respond_or_304(request, caching.story_version(site, row), make)


@require_safe
def feed(request: HttpRequest) -> HttpResponse:
    """Return the newest entries of the site as Atom."""
    site = Site.current()
    return feeds.SiteFeed(site, caching.site_version(site))(request)


@require_safe
def series_feed(request: HttpRequest, slug: str) -> HttpResponse:
    """Return the newest entries of a series as Atom."""
    site = Site.current()
    return feeds.SeriesFeed(site, caching.site_version(site))(request, slug=slug)


@public_page
def story_feed(request: HttpRequest, slug: str) -> HttpResponse:
    """Return the newest entries of a story as Atom."""
    site, row = _site_and_story(slug)
    feed = feeds.StoryFeed(site, caching.story_version(site, row))
    return feed(request, story=row)


@require_safe
def change_feed(request: HttpRequest, slug: str) -> HttpResponse:
    """Return a batch of the changes after a cursor, as HTML for htmx.

    `after` is the cursor of the page, `rail` the site seq of its rail; `single=1`
    limits a batch to one change. The header `Live-Cursor` is the cursor to send next:
    at once if `Live-Left`, the number of changes still to come, is not 0.
    `Live-Latest` is the cursor of the story, `Live-State` its state, or `reset` if the
    page must be reloaded. For a withdrawn story the status is 410, and the HTML
    replaces the page.
    """
    row = _story_by_slug(slug, withdrawn=True)
    after, rail = request.GET.get("after", ""), _id(request, "rail")
    single = request.GET.get("single") == "1"
    changes = delivery.changes_after(row.pk, after, rail, single=single)
    since = "reset" if changes.reset else after
    seqs = f"{changes.cursor}-{changes.latest}-{changes.site_seq}"
    tag = caching.etag(f"{seqs}-{since}-{rail}")
    gone = changes.state == Story.State.WITHDRAWN
    response = get_conditional_response(request, etag=tag) or HttpResponse(
        changes.html, status=410 if gone else 200
    )
    response["ETag"] = tag
    # Never stale: a cache must not claim that nothing has changed during an outage.
    response["Cache-Control"] = caching.EXACT_CACHE_CONTROL
    response["Live-Cursor"] = str(changes.cursor)
    response["Live-Latest"] = f"{changes.cursor.epoch}-{changes.latest}"
    response["Live-Left"] = str(changes.left)
    response["Live-State"] = "reset" if changes.reset else changes.state
    return response


@require_safe
def send_image(request: HttpRequest, path: str) -> HttpResponseBase:
    """Send a file of an image or a recording."""
    return files.send_file(request, settings.IMAGES_DIR / path, media_type(path))


@require_safe
def send_captions(request: HttpRequest, stem: str, digest: str) -> HttpResponse:
    """Send the captions of a video; other captions have another URL."""
    for image in Image.objects.filter(stem=stem).exclude(captions=""):
        if image.captions_digest == digest:
            response = HttpResponse(image.captions, content_type="text/vtt")
            response["Cache-Control"] = caching.IMMUTABLE_CACHE_CONTROL
            return response
    raise Http404
