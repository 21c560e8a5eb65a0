"""Which stories stand on the front page and on a series' pages, and in what order."""

from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby

from django.db.models import F

from entries.models import Entry, Posting, Series, Story
from entries.models.stories import StoryQuerySet

SIZE = 40  # stories that ended, a page


class NoSuchPlace(LookupError):
    """The id names no story of the series that has ended."""


@dataclass(frozen=True)
class Listing:
    """Stories that run, with the newest update of each, and stories that ended.

    `days` are the latter by the day that each began on; `older` is the id of the
    story below which the next page begins, 0 where nothing is older.
    """

    live: list[Story]
    closed: list[Story] = field(default_factory=list)
    days: list[tuple[date, list[Story]]] = field(default_factory=list)
    older: int = 0


def front() -> Listing:
    """Return what runs, the newest update first, and what ended last."""
    ended = _whole(Story.objects.filter(state=Story.State.CLOSED))
    return Listing(
        running(Story.objects.all()), list(ended.order_by("-closed_at", "-pk")[:SIZE])
    )


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
    return Listing(
        [] if before else running(series.stories.all()),
        stories,
        [(day, list(rows)) for day, rows in groupby(stories, _day)],
        shown[-1] if ids[start + SIZE :] else 0,
    )


def _whole(stories: StoryQuerySet) -> StoryQuerySet:
    return stories.select_related("series", "lead_image")


def _day(story: Story) -> date:
    began = story.live_at or story.created_at
    return story.first_day or began.date()


def running(stories: StoryQuerySet) -> list[Story]:
    """Return those that run, each with its `newest` update: the latest news first."""
    found = list(_whole(stories.filter(state=Story.State.LIVE)))
    rows = Posting.objects.newest_of(found).select_related("entry")
    newest = {row.story_id: row.entry for row in rows}
    for story in found:
        story.newest = newest.get(story.pk)  # type: ignore[attr-defined]
    return sorted(found, key=lambda row: _last(row, newest), reverse=True)


def _last(story: Story, newest: dict[int, Entry]) -> tuple[datetime, int]:
    entry = newest.get(story.pk)
    at = entry.at if entry else story.live_at
    return at or story.created_at, story.pk
