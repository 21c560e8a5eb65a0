"""Hints beside the composer: what a typed time means, what colleagues just published.

They never block anything, but an unlikely time has to be confirmed once.
"""

import re
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from entries.desk.access import desk_view, get_story
from entries.desk.rows import Row, as_rows, row_postings
from entries.models import Entry, Posting, Story
from entries.text import time_input
from entries.verbs import Permissions

MAX_NOTICES = 3
MAX_SEARCHED = 400  # newest entries of a story, when searching for a repeated URL
MAX_REPEATS_READ = 20
_JUST_NOW = timedelta(minutes=2)
_URL = re.compile(r"https?://[^\s<>\"'\[\]()]+", re.IGNORECASE)


class Repeat(NamedTuple):
    """A URL in a text, and the row of an entry that links to it already."""

    url: str
    row: Row


@desk_view("view_story")
@require_safe
def time_hint(request: HttpRequest, pk: int) -> HttpResponse:
    """Show how a time is understood, while it is typed."""
    template, now = "admin/entries/desk/_echo.html", timezone.now()
    try:
        at = time_input.parse_time(request.GET.get("at", ""), now)
    except time_input.TimeError as error:
        return render(request, template, {"error": error})
    early = _is_before_story(get_story(pk), at)
    context = {"message": time_input.describe_time(at, now), "early": early}
    return render(request, template, context)


def time_question(story: Story, at: datetime | None, now: datetime) -> str:
    """Return a question about an unlikely time; empty for other times."""
    if at is None or at > now:
        return ""
    if _is_before_story(story, at):
        reason = "is before this story began"
    elif now - at >= time_input.LONG_AGO:
        reason = "is long past"
    else:
        return ""
    moment = time_input.describe_moment(at, now)
    return f"{moment} {reason}. If you mean it, press the button again."


def _is_before_story(story: Story, at: datetime | None) -> bool:
    return bool(at and story.first_day and at.date() < story.first_day)


@desk_view("view_story", "add_entry")
@require_POST
def show_notices(request: HttpRequest, pk: int) -> HttpResponse:
    """Show updates that colleagues just published, and links that are in the story."""
    permissions = Permissions.of(request.user)
    context = {
        "recent": _recent(pk, permissions),
        "repeats": _repeats(pk, permissions, request.POST.get("body", "")),
    }
    return render(request, "admin/entries/desk/_notices.html", context)


def _recent(story_id: int, permissions: Permissions) -> list[Row]:
    found = row_postings(story_id, images=False).published()
    found = found.filter(entry__published_at__gt=timezone.now() - _JUST_NOW)
    found = found.exclude(entry__author=permissions.user)
    newest = found.order_by("-entry__published_at")[:MAX_NOTICES]
    return [row for row in as_rows(newest, permissions) if row.viewable]


def _repeats(story_id: int, permissions: Permissions, body: str) -> list[Repeat]:
    urls = list(dict.fromkeys(outside_urls(body)))[:MAX_NOTICES]
    if not urls:
        return []
    containing = Q()
    for url in urls:
        containing |= Q(entry__body__icontains=url)
    newest = Posting.objects.filter(story=story_id).newest().values("pk")
    found = row_postings(story_id, images=False)
    found = found.filter(containing, pk__in=newest[:MAX_SEARCHED], removed=False)
    found = found.exclude(entry__state=Entry.State.WITHDRAWN)[:MAX_REPEATS_READ]
    rows = [row for row in as_rows(found, permissions) if row.viewable]
    repeats = (
        Repeat(url, row)
        for url in urls
        for row in rows
        if url in outside_urls(row.entry.body)
    )
    return list(repeats)[:MAX_NOTICES]


def outside_urls(body: str) -> list[str]:
    """Return the URLs in a text, normalized for comparison."""
    return [_normalize(found) for found in _URL.findall(body)]


def _normalize(url: str) -> str:
    """Remove scheme, `www.`, fragment and punctuation, to compare URLs of a page."""
    rest = url.partition("://")[2].partition("#")[0].rstrip(".,;:!?*_~|/")
    host, slash, path = rest.partition("/")
    return host.lower().removeprefix("www.") + slash + path
