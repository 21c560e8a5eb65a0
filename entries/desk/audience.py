"""Readers of a story over time, with its updates marked, as a small SVG."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from entries.desk.access import desk_view, get_story, int_or_zero
from entries.desk.responses import render_page
from entries.models import Audience, AudienceMinute, Story
from entries.text import gmt
from entries.verbs import Permissions

RANGES: Final = (3, 24, 7 * 24, 30 * 24)  # hours
WIDTH: Final = 960
HEIGHT: Final = 240
_POINTS: Final = 480  # of the line
_MARKS: Final = 400  # updates that are marked, the newest


@dataclass(frozen=True)
class ChartMark:
    """An update in the chart."""

    x: str
    label: str


@dataclass(frozen=True)
class Chart:
    """Readers over time: the line and its updates, in pixels of the SVG."""

    points: str
    marks: list[ChartMark]
    most: int
    begins: datetime
    ends: datetime


@desk_view("view_story")
@require_safe
def audience(request: HttpRequest, pk: int) -> HttpResponse:
    """Show how many pages of a story were open, minute by minute."""
    story = get_story(pk)
    asked = int_or_zero(request.GET.get("hours", ""))
    hours = asked if asked in RANGES else RANGES[1]
    context = {
        "story": story,
        "permissions": Permissions.of(request.user),
        "chart": _chart(story, hours, timezone.now()),
        "readers": Audience.now()[story.pk],
        "hours": hours,
        "ranges": RANGES,
        "width": WIDTH,
        "height": HEIGHT,
    }
    template = "admin/entries/desk/audience.html"
    return render_page(request, template, context, title=story.headline)


def _chart(story: Story, hours: int, now: datetime) -> Chart:
    ends = gmt.whole_minute(now)
    begins = ends - timedelta(hours=hours)
    seconds = hours * 3600

    def x(at: datetime) -> float:
        return (at - begins).total_seconds() / seconds * WIDTH

    rows = AudienceMinute.objects.filter(story=story, minute__gt=begins)
    most = rows.aggregate(most=Max("readers"))["most"] or 0
    buckets = [0] * _POINTS
    for minute, readers in rows.values_list("minute", "readers"):
        place = min(_POINTS - 1, int(x(minute) / WIDTH * _POINTS))
        buckets[place] = max(buckets[place], readers)
    step, scale = WIDTH / (_POINTS - 1), (HEIGHT - 4) / (most or 1)
    points = " ".join(
        f"{place * step:.1f},{HEIGHT - readers * scale:.1f}"
        for place, readers in enumerate(buckets)
    )
    updates = story.postings.visible().updates().filter(at__gt=begins, at__lte=ends)
    marks = [
        ChartMark(
            f"{x(row.at):.1f}", f"{gmt.format_hhmm(row.at)} {row.entry.first_words}"
        )
        for row in updates.select_related("entry").defer("html")[:_MARKS]
    ]
    return Chart(points, marks, most, begins, ends)
