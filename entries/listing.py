"""Which stories stand on the front page and on a series' pages, and in what order."""

from dataclasses import dataclass, field
from datetime import date
from itertools import groupby

from django.db.models import F, Subquery
from django.db.models.functions import Coalesce

from entries.models import Posting, Series, Story
from entries.models.stories import StoryQuerySet

SIZE = 40  # stories that ended, a page
RUNNING = 60  # stories that run, a page


class NoSuchPlace(LookupError):
    """The id names no public story, or none of the series that has ended."""


@dataclass(frozen=True)
class Listing:
    """Stories that run, with the newest update of each, and stories that ended.

    `days` are the latter by the day that each began on; `older` is the id of the
    story below which the next page begins, 0 where nothing is older. `more` is the id
    of the story at which all that run are listed on, 0 where they stand here.
    """

    live: list[Story]
    closed: list[Story] = field(default_factory=list)
    days: list[tuple[date, list[Story]]] = field(default_factory=list)
    older: int = 0
    more: int = 0


def front() -> Listing:
    """Return what runs, the newest update first, and what ended last."""
    ended = _whole(Story.objects.filter(state=Story.State.CLOSED))
    live = running(Story.objects.all())
    closed = list(ended.order_by("-closed_at", "-pk")[:SIZE])
    return Listing(live, closed, more=_more(live))


def all_running(start: int) -> Listing:
    """Return what runs, from one story on to those that were made before it.

    So no page changes by what is posted meanwhile. Raises NoSuchPlace.
    """
    if not Story.objects.public().filter(pk=start).exists():
        raise NoSuchPlace(start)
    rows = _live(Story.objects.filter(pk__lte=start)).order_by("-pk")
    found = list(rows[: RUNNING + 1])
    more = found[RUNNING].pk if found[RUNNING:] else 0
    return Listing(_with_newest(found[:RUNNING]), more=more)


def _more(live: list[Story]) -> int:
    """Return where the list of all that run begins, if these may not be all."""
    if len(live) < RUNNING:
        return 0
    newest = Story.objects.filter(state=Story.State.LIVE).order_by("-pk")
    return newest.values_list("pk", flat=True).first() or 0


def of_series(series: Series, before: int = 0) -> Listing:
    """Return a series' stories; with `before` those older than that one.

    Raises NoSuchPlace.
    """
    ended = series.stories.filter(state=Story.State.CLOSED)
    ended = ended.order_by(F("first_day").desc(nulls_last=True), "-live_at", "-pk")
    ids, start = list(ended.values_list("pk", flat=True)), 0
    if before:
        if before not in ids:
            raise NoSuchPlace(before)
        start = ids.index(before) + 1
    shown = ids[start : start + SIZE]
    stories = list(_whole(ended.filter(pk__in=shown)))
    live = [] if before else running(series.stories.all())
    return Listing(
        live,
        stories,
        [(day, list(rows)) for day, rows in groupby(stories, _day)],
        shown[-1] if ids[start + SIZE :] else 0,
        _more(live),
    )


def _whole(stories: StoryQuerySet) -> StoryQuerySet:
    return stories.select_related("series", "lead_image")


def _day(story: Story) -> date:
    began = story.live_at or story.created_at
    return story.first_day or began.date()


def running(stories: StoryQuerySet) -> list[Story]:
    """Return those that run with the latest news, each with its `newest` update."""
    news = Subquery(Posting.objects.last_at("pk"))
    last = Coalesce(news, "live_at", "created_at")
    return _with_newest(list(_live(stories).order_by(last.desc(), "-pk")[:RUNNING]))


def _live(stories: StoryQuerySet) -> StoryQuerySet:
    return _whole(stories.filter(state=Story.State.LIVE))


def _with_newest(found: list[Story]) -> list[Story]:
    rows = Posting.objects.newest_of(found).select_related("entry")
    newest = {row.story_id: row.entry for row in rows}
    for story in found:
        story.newest = newest.get(story.pk)  # type: ignore[attr-defined]
    return found
