"""Hints beside the composer: what a typed time means, what colleagues just published.

They never forbid anything. An unlikely time is only asked about, once.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from entries.desk.access import desk_view, get_story
from entries.desk.rows import Row, as_rows, row_postings
from entries.models import Entry, Posting, Story
from entries.text import gmt, time_input
from entries.verbs import Permissions

MAX_NOTICES = 3
MAX_SEARCHED = 400  # of a story's newest entries, when looking for a repeated URL
MAX_REPEATS_READ = 20
_JUST_NOW = timedelta(minutes=2)
_URL = re.compile(r"https?://[^\s<>\"'\[\]()]+", re.IGNORECASE)


class Repeat(NamedTuple):
    """A URL of a text, and the row of an entry that links to it already."""

    url: str
    row: Row


@desk_view("view_story")
@require_safe
def time_hint(request: HttpRequest, pk: int) -> HttpResponse:
    """Say what a typed time means, while it is typed."""
    template, now = "admin/entries/desk/_echo.html", timezone.now()
    typed = request.GET.get("at", "")
    try:
        at = time_input.parse_time(typed, now)
        coming = time_input.coming_time(typed, now)
    except time_input.TimeError as error:
        return render(request, template, {"error": error})
    context = {
        "message": time_input.describe_time(at, now),
        "later": _short_time(at, now) if at and at > now else "",
        "early": _is_before_story(get_story(pk), at),
        "coming": coming and time_input.format_typed(coming),
        "coming_label": coming and coming_label(coming, now),
    }
    return render(request, template, context)


def _short_time(at: datetime, now: datetime) -> str:
    """Return a time for a button: `2010`, or `0900, 4 December` on another day."""
    time, on = gmt.format_hhmm(at), at.astimezone(UTC).date()
    today = now.astimezone(UTC).date()
    return time if on == today else f"{time}, {gmt.format_day(on, today)}"


def coming_label(coming: datetime, now: datetime) -> str:
    """Return the label of the button that offers the coming time."""
    return f"{time_input.describe_from_now(coming, now)}?"


def time_question(
    story: Story, at: datetime | None, now: datetime, *, publishes: bool = True
) -> str:
    """Return a question about a time that is unlikely to be meant; usually empty."""
    if at is None or at > now:
        return ""
    if _is_before_story(story, at):
        odd = gettext("%(moment)s is before this story began.")
    elif now - at >= time_input.LONG_AGO:
        odd = gettext("%(moment)s was %(ago)s.")
    else:
        return ""
    again = (
        gettext("Press Publish again to confirm.")
        if publishes
        else gettext("Press Submit again to confirm.")
    )
    moment = time_input.describe_moment(at, now).removesuffix(f" {gettext('today')}")
    message = odd % {"moment": moment, "ago": time_input.from_now(at, now)}
    return f"{message} {again}"


def _is_before_story(story: Story, at: datetime | None) -> bool:
    return bool(at and story.first_day and at.date() < story.first_day)


@desk_view("view_story", "add_entry")
@require_POST
def show_notices(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what colleagues just published, and which links the story has already."""
    permissions = Permissions.of(request.user)
    context = {
        "recent": _recent(pk, permissions),
        "repeats": _repeats(pk, permissions, request.POST.get("body", "")),
    }
    return render(request, "admin/entries/desk/_notices.html", context)


def _recent(story_id: int, permissions: Permissions) -> list[Row]:
    found = row_postings(story_id, images=False, notes=False).filter(
        removed=False,
        entry__state=Entry.State.PUBLISHED,
        entry__published_at__gt=timezone.now() - _JUST_NOW,
    )
    found = found.exclude(entry__author=permissions.user)
    newest = found.order_by("-entry__published_at")[:MAX_NOTICES]
    return [row for row in as_rows(newest, permissions) if row.viewable]


def _repeats(story_id: int, permissions: Permissions, body: str) -> list[Repeat]:
    wanted = list(dict.fromkeys(outside_urls(body)))[:MAX_NOTICES]
    if not wanted:
        return []
    holding = Q()
    for url in wanted:
        holding |= Q(entry__body__icontains=url)
    newest = Posting.objects.filter(story=story_id).newest().values("pk")
    found = row_postings(story_id, images=False, notes=False)
    found = found.filter(holding, pk__in=newest[:MAX_SEARCHED], removed=False)
    found = found.exclude(entry__state=Entry.State.WITHDRAWN)[:MAX_REPEATS_READ]
    rows = [row for row in as_rows(found, permissions) if row.viewable]
    repeats = (
        Repeat(url, row)
        for url in wanted
        for row in rows
        if url in outside_urls(row.entry.body)
    )
    return list(repeats)[:MAX_NOTICES]


def outside_urls(body: str) -> list[str]:
    """Return the URLs in a text, each in the form in which URLs are compared."""
    return [_normalized(found) for found in _URL.findall(body)]


def _normalized(url: str) -> str:
    """Cut what does not make it another page: scheme, `www.`, fragment, punctuation."""
    rest = url.partition("://")[2].partition("#")[0].rstrip(".,;:!?*_~|/")
    host, slash, path = rest.partition("/")
    return host.lower().removeprefix("www.") + slash + path
