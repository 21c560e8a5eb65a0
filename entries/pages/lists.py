"""Which stories the front page and the series pages list, and in what order."""

from dataclasses import dataclass, field
from datetime import date
from itertools import groupby

from django.db.models import Q, Subquery
from django.db.models.functions import Coalesce

from entries.models import Posting, Series, Story
from entries.models.stories import StoryQuerySet

ENDED_PAGE_SIZE = 40  # closed stories on a page
LIVE_PAGE_SIZE = 60  # live stories on a page
ANNOUNCED_SIZE = 20  # announced stories on a page, the next ones


class NoSuchStory(LookupError):
    """A list was asked to begin at a story that it does not contain."""


@dataclass(frozen=True)
class Listing:
    """Live stories, each with its newest update, and announced, quiet and closed ones.

    `announced` are stories whose coverage is still to begin, `quiet` the live ones that
    have had no updates for long: they must not be shown as live. `days` groups the
    closed stories by their first day. `older` is the id of the last one, after which
    the next page begins, or 0 on the last page. `more` is the id of the story at which
    the full list of running ones (live, quiet or announced) begins or continues, or 0
    if it is complete.
    """

    live: list[Story]
    announced: list[Story] = field(default_factory=list)
    quiet: list[Story] = field(default_factory=list)
    closed: list[Story] = field(default_factory=list)
    days: list[tuple[date, list[Story]]] = field(default_factory=list)
    older: int = 0
    more: int = 0


def front_listing() -> Listing:
    """Return the live stories, latest news first, and the most recently closed ones."""
    closed_ones = Story.objects.filter(state=Story.State.CLOSED)
    ended = _with_related(closed_ones.topical())
    live = live_stories(_lively(Story.objects.all()))
    announced, quiet = _announced(Story.objects.all()), _quiet(Story.objects.all())
    closed = list(ended.order_by("-closed_at", "-pk")[:ENDED_PAGE_SIZE])
    more = _more(live, announced, quiet)
    return Listing(live, announced, quiet, closed, more=more)


def _lively(stories: StoryQuerySet) -> StoryQuerySet:
    return stories.filter(quiet_since=None)


def _announced(stories: StoryQuerySet) -> list[Story]:
    return list(_with_related(stories.announced())[:ANNOUNCED_SIZE])


def _quiet(stories: StoryQuerySet) -> list[Story]:
    quiet = _with_related(stories.live().exclude(quiet_since=None))
    return list(quiet.order_by("-quiet_since", "-pk")[:ENDED_PAGE_SIZE])


def live_listing(start: int) -> Listing:
    """Return running stories, newest first, from the story with the id `start` onwards.

    They are ordered by creation, so that new updates do not move them between pages.
    Raises NoSuchStory.
    """
    if not Story.objects.public().filter(pk=start).exists():
        raise NoSuchStory(start)
    rows = _with_related(_running().filter(pk__lte=start))
    found = list(rows[: LIVE_PAGE_SIZE + 1])
    more = found[LIVE_PAGE_SIZE].pk if found[LIVE_PAGE_SIZE:] else 0
    shown = found[:LIVE_PAGE_SIZE]
    announced = [story for story in shown if story.announced]
    quiet = [story for story in shown if story.quiet]
    live = [story for story in shown if not (story.announced or story.quiet)]
    return Listing(_with_newest(live), announced, quiet, more=more)


def _running() -> StoryQuerySet:
    """Return the stories that are live, quiet or announced, newest first."""
    return Story.objects.filter(state__in=Story.STREAMED).order_by("-pk")


def _more(live: list[Story], announced: list[Story], quiet: list[Story]) -> int:
    """Return where the list of all running stories begins, or 0 if these are all."""
    if (
        len(live) < LIVE_PAGE_SIZE
        and len(announced) < ANNOUNCED_SIZE
        and len(quiet) < ENDED_PAGE_SIZE
    ):
        return 0
    return _running().values_list("pk", flat=True).first() or 0


def series_listing(series: Series, before: int = 0) -> Listing:
    """Return a series' stories, or only closed ones older than the story `before`.

    Raises NoSuchStory.
    """
    ended = series.stories.filter(state=Story.State.CLOSED)
    if before:
        found = ended.filter(pk=before).first()
        if found is None:
            raise NoSuchStory(before)
        ended = ended.filter(_older_than(found))
    ended = ended.order_by("-first_day", "-live_at", "-pk")
    stories = list(_with_related(ended)[: ENDED_PAGE_SIZE + 1])
    shown = stories[:ENDED_PAGE_SIZE]
    own = Story.objects.filter(series=series)
    first = own.none() if before else own
    live = live_stories(_lively(first))
    announced, quiet = _announced(first), _quiet(first)
    return Listing(
        live,
        announced,
        quiet,
        shown,
        [(day, list(rows)) for day, rows in groupby(shown, _day)],
        shown[-1].pk if stories[ENDED_PAGE_SIZE:] else 0,
        _more(live, announced, quiet),
    )


def _older_than(story: Story) -> Q:
    """Match the stories that follow a closed story on its series' pages."""
    same_day = Q(first_day=story.first_day)
    same_time = same_day & Q(live_at=story.live_at)
    return (
        Q(first_day__lt=story.first_day)
        | same_day & Q(live_at__lt=story.live_at)
        | same_time & Q(pk__lt=story.pk)
    )


def _with_related(stories: StoryQuerySet) -> StoryQuerySet:
    return stories.select_related("series", "lead_image")


def _day(story: Story) -> date:
    began = story.live_at or story.created_at
    return story.first_day or began.date()


def live_stories(stories: StoryQuerySet) -> list[Story]:
    """Return live stories, latest news first, each with its `newest` update."""
    news = Subquery(Posting.objects.visible().updates().newest_time_in("pk"))
    last = Coalesce(news, "live_at", "created_at")
    return _with_newest(
        list(_live(stories).order_by(last.desc(), "-pk")[:LIVE_PAGE_SIZE])
    )


def _live(stories: StoryQuerySet) -> StoryQuerySet:
    return _with_related(stories.filter(state=Story.State.LIVE))


def _with_newest(stories: list[Story]) -> list[Story]:
    rows = Posting.objects.visible().updates().first_per_story(stories, 1)
    rows = rows.select_related("entry")
    newest = {row.story_id: row.entry for row in rows}
    for story in stories:
        story.newest = newest.get(story.pk)  # type: ignore[attr-defined]
    return stories
