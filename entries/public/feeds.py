"""Atom feeds of the site, of a series, of a story and of an author (RFC 4287).

They are ordered by the latest public change: what is backdated, and what is corrected
late, comes first. Each page leads to the next one (RFC 5005, 3).
"""

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from django.conf import settings
from django.contrib.syndication.views import Feed
from django.db.models import Exists, OuterRef, Prefetch, Q, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.feedgenerator import Atom1Feed, Enclosure
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.xmlutils import SimplerXMLGenerator

from entries.models import EntryVersion, Posting, Profile, Series, Site, Story
from entries.models.entries import PostingQuerySet
from entries.models.stories import TOPICAL_FOR
from entries.pages import labels, schema_org
from entries.public import caching
from entries.text import gmt, languages, media
from entries.text.urls import absolute_url

FEED_ENTRIES = 50
# Regexes are safe here: in HTML we rendered, text has no "<" and attributes no ">".
_SOURCE: Final = re.compile(r"<source\b[^>]*>")
_RESPONSIVE: Final = re.compile(
    r'\s(?:srcset|sizes|loading|decoding|fetchpriority)="[^"]*"'
)
_PLAYER: Final = re.compile(r'<div class="player">.*?</div>\s*', re.S)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_POSITION: Final = re.compile(r"([1-9]\d{0,16})-([1-9]\d{0,17})")
_UNIX_START: Final = datetime.fromtimestamp(0, UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# The box in which a table scrolls: for pages only
_BOX: Final = re.compile(r'<div class="table"[^>]*>(<table>.*?</table>)</div>', re.S)
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


class FeedPosition(NamedTuple):
    """A position in a feed, and the entry there: a page begins below it.

    It is a time, so that the page stays the same when news comes, and also when that
    entry moves to the top of the feed.
    """

    at: datetime
    entry_id: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse a position from a URL; "" is the top. Raises Http404 if invalid."""
        if not text:
            return None
        if not (match := _POSITION.fullmatch(text)):
            raise Http404
        at, entry_id = map(int, match.groups())
        return cls(_UNIX_START + at * _MICROSECOND, entry_id)

    @classmethod
    def of(cls, posting: Posting) -> Self:
        """Return the position of a visible posting."""
        return cls(posting.public_at or _UNIX_START, posting.entry_id)

    def __str__(self) -> str:
        return f"{(self.at - _UNIX_START) // _MICROSECOND}-{self.entry_id}"


class _Atom(Atom1Feed):
    """An Atom feed with the full text of each entry."""

    def add_root_elements(self, handler: SimplerXMLGenerator) -> None:
        self.feed = _without_controls(self.feed)
        super().add_root_elements(handler)
        for rel, url in self.feed["pages"].items():
            handler.addQuickElement("link", "", {"rel": rel, "href": url})

    def latest_post_date(self) -> datetime:
        """Return the latest `updated` of the entries on the page."""
        updated_at: datetime = self.feed["updated_at"]
        return updated_at

    def item_attributes(self, item: dict[str, Any]) -> dict[str, Any]:
        """Name the language of an entry if it is another than the feed's."""
        own = item["language"] != self.feed["language"]
        return {"xml:lang": item["language"]} if own else {}

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
    """A feed of postings; each subclass says which.

    `site` and `version` were read before everything else, so that the feed never claims
    more than it has.
    """

    feed_type = _Atom
    title_of_story = True  # whether the title of an entry begins with its story's
    archives_apart = True  # whether old imported entries are on pages of their own

    def __init__(self, site: Site, version: caching.Version) -> None:
        self.language = languages.page_language()  # as that of HTML pages
        self.site = site
        self.version = version
        self.before: FeedPosition | None = None

    def __call__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Respond with the feed or, with `before`, an older page of it; or 304."""
        self.before = FeedPosition.parse(request.GET.get("before", ""))
        obj = self.get_object(request, *args, **kwargs)  # 404 rather than 304

        def make() -> HttpResponse:
            feed = self.get_feed(obj, request)
            return HttpResponse(feed.writeString("utf-8"), _Atom.content_type)

        if self.before and not self._is_of_a_posting(self.before):
            return caching.respond_uncached(make())
        variant = f"{request.path}{self.before or ''}"
        return caching.respond_or_304(request, self.version, make, variant)

    def _is_of_a_posting(self, position: FeedPosition) -> bool:
        """Return whether some posting has a position, as in all links to pages.

        The other ones are as many as anybody likes, so no cache keeps their pages.
        """
        at, entry_id = position
        return Posting.objects.filter(entry=entry_id, public_at=at).exists()

    def scope(self, obj: Any) -> PostingQuerySet:
        """Return the visible postings of all entries in the feed."""
        return Posting.objects.visible()

    def path(self, obj: Any) -> str:
        """Return the path of the HTML page with the same entries."""
        return "/"

    def tag(self, obj: Any) -> str:
        """Return what the feed's id ends in."""
        return "feed"

    def _places(self, obj: Any) -> PostingQuerySet:
        """Return where each entry is in the feed, newest first, from `before` on.

        A cross-posted entry is at its newest posting.
        """
        found, entry = self.scope(obj), OuterRef("entry")
        newer = Q(public_at__gt=OuterRef("public_at"))
        newer |= Q(public_at=OuterRef("public_at"), pk__gt=OuterRef("pk"))
        found = found.filter(~Exists(self.scope(obj).filter(newer, entry=entry)))
        if self.before:
            at, entry_id = self.before
            below = Q(public_at__lt=at) | Q(entry__lt=entry_id)
            found = found.filter(below, public_at__lte=at)
        return found.newest_public()

    def _page(self, obj: Any) -> list[Posting]:
        """Return the postings of this page, and one more if there is another page."""
        corrections = EntryVersion.objects.public_corrections().defer("body")
        found = self._places(obj).select_related(
            "entry__story__series", "story__series"
        )
        found = found.defer("html", "entry__body")
        noted = Prefetch("entry__versions", corrections, "corrections")
        return list(found.prefetch_related(noted)[: FEED_ENTRIES + 1])

    def _first_of(self, found: list[Posting]) -> list[Posting]:
        """Return the postings of this page.

        Imported ones much older than the newest are on the next page: readers take
        whatever appears on the first one for news.
        """
        shown = found[:FEED_ENTRIES]
        newest = shown[0].public_at if shown and not self.before else None
        if not (newest and self.archives_apart):
            return shown
        oldest = newest - TOPICAL_FOR
        old = (
            index
            for index, one in enumerate(shown)
            if one.story.imported and one.public_at and one.public_at < oldest
        )
        return shown[: next(old, FEED_ENTRIES)]

    def feed_extra_kwargs(self, obj: Any) -> dict[str, Any]:
        """Find the postings of this page; return its time, and links to other pages."""
        found = self._page(obj)
        self.page = self._first_of(found)
        more = found[len(self.page) :]
        pages = {}
        if self.before:
            pages["first"] = self._url(obj)
        if more:
            pages["next"] = self._url(obj, FeedPosition.of(self.page[-1]))
        dates = [self.item_updateddate(one) for one in self.page]
        newest = max(dates, default=self.version.changed_at or _UNIX_START)
        return {"updated_at": newest, "pages": pages}

    def _url(self, obj: Any, before: FeedPosition | None = None) -> str:
        query = f"?before={before}" if before else ""
        return f"{self.link(obj)}feed/{query}"

    def link(self, obj: Any) -> str:
        return absolute_url(self.path(obj))

    def feed_url(self, obj: Any) -> str:
        return self._url(obj, self.before)

    def feed_guid(self, obj: Any) -> str:
        """Return the feed's permanent id, whatever its URL becomes (RFC 4151)."""
        return f"tag:{self.site.feed_authority},2026:{self.tag(obj)}"

    def title(self, obj: Any) -> str:
        return str(settings.SITE_NAME)

    def author_name(self, obj: Any) -> str:
        return str(settings.SITE_NAME)

    def items(self, obj: Any) -> list[Posting]:
        """Return the postings of this page."""
        return self.page

    def item_extra_kwargs(self, item: Posting) -> dict[str, Any]:
        return {"language": item.entry.story.language}

    def item_title(self, item: Posting) -> str:
        """Return the headline of an entry, or the first words of its text."""
        words = item.entry.first_words
        return f"{_shown_in(item).title} – {words}" if self.title_of_story else words

    def item_description(self, item: Posting) -> str:
        """Return the text and its corrections, with absolute URLs and plain images."""
        html = _PLAYER.sub("", item.entry.html)  # a link to its file is beside it
        html = media.without_frames(_BOX.sub(r"\1", html))
        html = _RESPONSIVE.sub("", _SOURCE.sub("", html))
        notes = [self._correction(item, one) for one in _corrections(item)]
        return _PATH.sub(rf'\1="{settings.SITE_URL}', "".join([html, *notes]))

    def _correction(self, item: Posting, version: EntryVersion) -> str:
        with languages.page_in(item.entry.story.language):
            at, what = gmt.format_full(version.changed_at), gettext("What changed")
            own = labels.own_attributes()
            return format_html(
                '<p><strong{}>{}</strong> {} <a href="{}"{}>{}</a></p>',
                own,
                gettext("Corrected %(time)s:") % {"time": at},
                version.correction,
                reverse("entry_history", args=[_shown_in(item).slug, item.entry_id]),
                own,
                what,
            )

    def item_enclosures(self, item: Posting) -> list[Enclosure]:
        """Return the files of the recordings in a text."""
        return [
            Enclosure(one.url, str(one.size), one.media_type)
            for one in schema_org.body_recordings(item.entry.html)
        ]

    def item_link(self, item: Posting) -> str:
        path = reverse("entry", args=[_shown_in(item).slug, item.entry_id])
        return absolute_url(path)

    def item_guid(self, item: Posting) -> str:
        """Return a permanent id, the same in every feed (RFC 4151)."""
        made = f"{item.entry.created_at:%Y-%m-%d}"
        return f"tag:{self.site.feed_authority},{made}:entry-{item.entry_id}"

    def item_pubdate(self, item: Posting) -> datetime:
        """Return the time of an update, or when an original was published."""
        return item.entry.placed_at

    def item_updateddate(self, item: Posting) -> datetime:
        """Return when an entry was published or corrected: other edits do not count."""
        entry = item.entry
        dates = [entry.placed_at, entry.published_at or entry.placed_at]
        return max([*dates, *(one.changed_at for one in _corrections(item))])

    def item_author_name(self, item: Posting) -> str:
        return item.entry.byline or str(settings.SITE_NAME)

    def item_categories(self, item: Posting) -> list[str]:
        series = _shown_in(item).series
        return [series.name] if series else []


def _shown_in(item: Posting) -> Story:
    """Return the home story of an entry if it has begun, else the posting's."""
    home = item.entry.story
    return home if home.begun else item.story


def _corrections(item: Posting) -> list[EntryVersion]:
    found: list[EntryVersion] = getattr(item.entry, "corrections")  # noqa: B009
    return found


class SiteFeed(_EntriesFeed):
    """The entries of all stories."""


class SeriesFeed(_EntriesFeed):
    """The entries of the stories of a series."""

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Series:
        return get_object_or_404(Series, slug=kwargs["slug"])

    def scope(self, obj: Series) -> PostingQuerySet:
        return Posting.objects.visible().filter(story__series=obj)

    def _places(self, obj: Series) -> PostingQuerySet:
        """Return the places, from the stories that can have any on this page."""
        number = FEED_ENTRIES + 1
        places = super()._places(obj)
        stories = self._stories(obj, places.filter(story=OuterRef("pk")), number)
        return places.first_per_story(stories, number).newest_public()

    def _stories(self, obj: Series, places: PostingQuerySet, number: int) -> list[int]:
        """Return the ids of the stories of the series that have the newest places.

        `places` are those in a story of the outer query.
        """
        stories = Story.objects.begun().filter(series=obj)
        stories = stories.filter(newest_public_at__isnull=False)
        if not self.before:  # by an index, for the page that is read most
            stories = stories.order_by("-newest_public_at", "-pk")
            return list(stories.values_list("pk", flat=True)[:number])
        newest = stories.values(place=Subquery(places.values("pk")[:1]))
        ranked = Posting.objects.filter(pk__in=newest).newest_public()
        return list(ranked.values_list("story", flat=True)[:number])

    def path(self, obj: Series) -> str:
        return obj.get_absolute_url()

    def tag(self, obj: Series) -> str:
        return f"series-{obj.pk}"

    def title(self, obj: Series) -> str:
        return f"{obj.name} – {settings.SITE_NAME}"

    def subtitle(self, obj: Series) -> str:
        return obj.description


class AuthorFeed(_EntriesFeed):
    """The updates of a person."""

    def __init__(self, site: Site, version: caching.Version, name: str) -> None:
        super().__init__(site, version)
        self.name = name

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Profile:
        person: Profile = kwargs["person"]
        return person

    def scope(self, obj: Profile) -> PostingQuerySet:
        return Posting.objects.visible().filter(entry__credited=obj)

    def path(self, obj: Profile) -> str:
        return obj.get_absolute_url()

    def tag(self, obj: Profile) -> str:
        return f"author-{obj.pk}"

    def title(self, obj: Profile) -> str:
        return f"{self.name} – {settings.SITE_NAME}"

    def subtitle(self, obj: Profile) -> str:
        return obj.role

    def author_name(self, obj: Profile) -> str:
        return self.name


class StoryFeed(_EntriesFeed):
    """The entries of a story, including those cross-posted to it."""

    title_of_story = False
    archives_apart = False

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Story:
        story: Story = kwargs["story"]
        self.language = story.language
        return story

    def scope(self, obj: Story) -> PostingQuerySet:
        return Posting.objects.visible().filter(story=obj)

    def path(self, obj: Story) -> str:
        return obj.get_absolute_url()

    def tag(self, obj: Story) -> str:
        return f"story-{obj.pk}"

    def title(self, obj: Story) -> str:
        return f"{obj.title} – {settings.SITE_NAME}"

    def subtitle(self, obj: Story) -> str:
        return obj.standfirst
