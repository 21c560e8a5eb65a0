"""Public pages. Every view: fetch, check, act, render; no cookie, no user."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import BigIntegerField
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponsePermanentRedirect,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from entries import delivery
from entries.models import Entry, Link, Posting, Series, Site, Story
from entries.pages import history, lists, schema_org, story_page, timeline
from entries.pages import search as searching
from entries.pages.story_data import story_data
from entries.public import caching, feeds, sitemaps
from entries.text.urls import absolute_url


class Moved(Exception):
    """The story answers at another slug now."""

    def __init__(self, story: Story) -> None:
        super().__init__(story.slug)
        self.story = story


class Gone(Exception):
    """What stood here was withdrawn."""


def _story(slug: str, *, withdrawn: bool = False) -> Story:
    """Return a public story by any slug it ever had.

    Raises Http404 for a draft, and Gone for a withdrawn one unless the caller tells
    its readers. The one helper that knows who may see a story.
    """
    story = Story.objects.select_related("series", "lead_image").by_slug(slug)
    if story is None or story.state == Story.State.DRAFT:
        raise Http404
    if story.state == Story.State.WITHDRAWN and not withdrawn:
        raise Gone
    return story


def _page_of(slug: str) -> Story:
    """Return the story of a page. Raises Moved where its slug is another now."""
    row = _story(slug)
    if row.slug != slug:
        raise Moved(row)
    return row


def answers(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Let a view raise Gone and Moved."""

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
        # Both may be undone: by a restoring, or by the old slug's return.
        response["Cache-Control"] = caching.PAGE_CACHE_CONTROL
        return response

    return wrapped


def _page(
    request: HttpRequest, template: str, context: dict[str, Any], tag: str
) -> HttpResponse:
    """Render a page that every reader gets alike, or answer 304."""
    return caching.respond(request, tag, lambda: render(request, template, context))


@answers
def front(request: HttpRequest) -> HttpResponse:
    """Show what is running now, and the stories that ended last.

    `?from=<story id>` shows all that runs, page by page, where that is very much.
    """
    tag = caching.site_tag()  # read first: a page never claims what it lacks
    context: dict[str, Any] = {"start": (start := _id(request, "from"))}
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
    return _page(request, "entries/front.html", context, tag)


@answers
def series(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the stories of one series: those that run, and the others by their days.

    `?before=<story id>` goes on with those older than that one.
    """
    tag = caching.site_tag()
    row, before = get_object_or_404(Series, slug=slug), _id(request, "before")
    try:
        found = lists.series_listing(row, before)
    except lists.NoSuchStory as error:
        raise Http404 from error
    url = f"{request.path}?before={before}" if before else request.path
    context = {
        "series": row,
        "list": found,
        "before": before,
        "feed": f"{request.path}feed/",
        "card": _list_card(url, row.name, row.description),
    }
    return _page(request, "entries/series.html", context, tag)


def _list_card(url: str, name: str, about: str = "") -> schema_org.Card:
    about = about or f"Running stories, in full, from {name}."
    image = schema_org.default_card_image()
    return schema_org.Card("website", name, about, absolute_url(url), image)


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """Show what holds the words of `q`, twenty results a page."""
    query = request.GET.get("q", "").replace("\0", " ").strip()[: searching.MAX_QUERY]
    number = max(1, min(_id(request, "page"), 50))
    context = {
        "query": query,
        "number": number,
        "results": searching.search_public(
            query, (number - 1) * searching.RESULTS_PAGE_SIZE
        ),
        "more": urlencode({"q": query, "page": number + 1}),
    }
    response = render(request, "entries/search.html", context)
    response["Cache-Control"] = caching.PAGE_CACHE_CONTROL
    return response


@answers
def story(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the live page: the front, an older page, or oldest first.

    `?at=<entry id>` leads to the page that shows an update now, and to its place.
    """
    site = Site.current()  # read first: its epoch says what history the rows are of
    row = _page_of(slug)
    if at := _id(request, "at"):
        return _lead_to(site, row, at)
    order = "oldest" if request.GET.get("order") == "oldest" else "newest"
    before, start = _id(request, "before"), _id(request, "from")

    def make() -> HttpResponse:
        html = story_page.render_story_page(
            site, row, order=order, before=before, start=start
        )
        return HttpResponse(html)

    tag = f"{site.epoch}-{row.seq}-{site.seq}-{order}-{before}-{start}"
    try:
        return caching.respond(request, tag, make)
    except timeline.NoSuchEntry as error:
        raise Http404 from error


def _lead_to(site: Site, story: Story, entry_id: int) -> HttpResponse:
    try:
        url = story_page.live_url(site, story, entry_id)
    except timeline.NoSuchEntry as error:
        raise Http404 from error
    response = HttpResponseRedirect(url)
    response["Cache-Control"] = caching.PAGE_CACHE_CONTROL
    return response


def _id(request: HttpRequest, name: str) -> int:
    value = request.GET.get(name, "")
    if not value:
        return 0
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise Http404
    return int(value)


@answers
def entry(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Show one update at the url of its own; 410 once it was withdrawn."""
    return _of_entry(request, slug, pk, "entry", lambda entry: {})


@answers
def entry_history(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Show the corrections of one update, each with its difference."""
    return _of_entry(
        request,
        slug,
        pk,
        "entry_history",
        lambda entry: {"corrections": history.public_corrections(entry)},
    )


def _of_entry(
    request: HttpRequest,
    slug: str,
    pk: int,
    name: str,
    more: Callable[[Entry], dict[str, Any]],
) -> HttpResponse:
    """Show a page about one update, where readers may see it."""
    site, row = Site.current(), _page_of(slug)
    if pk > BigIntegerField.MAX_BIGINT:  # SQLite would not even look for it
        raise Http404
    posting = get_object_or_404(
        Posting.objects.exclude(seq=None).select_related("entry", "story__series"),
        story=row,
        entry_id=pk,
    )
    if not posting.visible:
        return _elsewhere(posting, name)
    home = posting.entry.story if posting.entry.story.public else row
    url = absolute_url(reverse("entry", args=[home.slug, pk]))
    context = {
        "story": row,
        "posting": posting,
        "card": schema_org.update_card(row, posting.entry, url),
        "data": schema_org.json_script(
            schema_org.update_data(home, posting.entry, url)
        ),
        "canonical": absolute_url(reverse(name, args=[home.slug, pk])),
        "in_page": _in_page(row, posting.entry),
        **more(posting.entry),
    }
    tag = f"{site.epoch}-{row.seq}-{site.seq}"
    return _page(request, f"entries/{name}.html", context, tag)


def _in_page(story: Story, entry: Entry) -> str:
    """Return what leads to an entry among the others."""
    query = "" if entry.original else f"?at={entry.pk}"
    return f"{story.get_absolute_url()}{query}#entry-{entry.pk}"


def _elsewhere(posting: Posting, name: str) -> HttpResponse:
    """Lead to an update that was moved; say Gone of one that was withdrawn."""
    entry = posting.entry
    if entry.published and not posting.home and entry.story.public:
        return HttpResponseRedirect(reverse(name, args=[entry.story.slug, entry.pk]))
    raise Gone


@answers
def story_json(request: HttpRequest, slug: str) -> HttpResponse:
    """Give the published parts of a story as data."""
    site, row = Site.current(), _page_of(slug)

    def make() -> HttpResponse:
        data = story_data(row)
        return JsonResponse(data, json_dumps_params={"ensure_ascii": False})

    return caching.respond(request, f"{site.epoch}-{row.seq}-{site.seq}-json", make)


@require_safe
def feed(request: HttpRequest) -> HttpResponse:
    """Give the newest entries of the site as Atom."""
    return feeds.SiteFeed()(request)


@require_safe
def series_feed(request: HttpRequest, slug: str) -> HttpResponse:
    """Give the newest entries of a series as Atom."""
    return feeds.SeriesFeed()(request, slug=slug)


@answers
def story_feed(request: HttpRequest, slug: str) -> HttpResponse:
    """Give the newest entries of a story as Atom."""
    site, row = Site.current(), _page_of(slug)
    return feeds.StoryFeed(site)(request, story=row)


@require_safe
def sitemap(request: HttpRequest) -> HttpResponse:
    """List every page worth finding."""
    return sitemaps.sitemap_response(request)


@require_safe
def news_sitemap(request: HttpRequest) -> HttpResponse:
    """List the stories of the last two days."""
    return sitemaps.news_sitemap_response(request)


@require_safe
def story_changes(request: HttpRequest, slug: str) -> HttpResponse:
    """Answer what changed after a cursor, a piece at a time, as HTML for htmx.

    `after` is the cursor of the page, `rail` the site's number that its rail shows;
    `single=1` asks for one change only. Header `Live-Cursor` is the cursor to ask
    from next: at once where `Live-Left`, the number of changes still to come, is not
    0. `Live-Latest` is the cursor of the story, `Live-State` its state, or `reset`
    where the page must be fetched whole. A withdrawn story answers 410 with what the
    page shows instead.
    """
    row = _story(slug, withdrawn=True)
    after, rail = request.GET.get("after", ""), _id(request, "rail")
    single = request.GET.get("single") == "1"
    answer = delivery.changes_after(row.pk, after, rail, single=single)
    since = "reset" if answer.reset else after
    seqs = f"{answer.cursor}-{answer.latest}-{answer.site_seq}"
    tag = caching.etag(f"{seqs}-{since}-{rail}")
    gone = answer.state == Story.State.WITHDRAWN
    response = get_conditional_response(request, etag=tag) or HttpResponse(
        answer.html, status=410 if gone else 200
    )
    response["ETag"] = tag
    # No cache may say for us that nothing has changed.
    response["Cache-Control"] = caching.EXACT_CACHE_CONTROL
    response["Live-Cursor"] = str(answer.cursor)
    response["Live-Latest"] = f"{answer.cursor.epoch}-{answer.latest}"
    response["Live-Left"] = str(answer.left)
    response["Live-State"] = "reset" if answer.reset else answer.state
    return response


@require_safe
def image_file(request: HttpRequest, path: str) -> HttpResponse | FileResponse:
    """Send one file of a picture; its name is its content, so it never changes."""
    file = settings.IMAGES_DIR / path
    try:
        content = file.read_bytes()
    except OSError as error:
        raise Http404 from error
    media_type = {"jpg": "image/jpeg"}.get(file.suffix[1:], f"image/{file.suffix[1:]}")
    response = HttpResponse(content, content_type=media_type)
    response["Cache-Control"] = caching.IMMUTABLE_CACHE_CONTROL
    return response
