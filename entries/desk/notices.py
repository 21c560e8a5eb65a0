"""What the composer says before publishing, and never forbids."""

import re
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST

from entries.desk import timeline
from entries.desk.access import desk_view
from entries.desk.timeline import Row
from entries.models import Entry, Posting, Story
from entries.text import time_input
from entries.verbs import Permissions

_JUST_NOW = timedelta(minutes=2)
MAX_NOTICES = 3
_MAX_SEARCHED = 400  # entries of a story, the newest, that are searched for a URL
_URL = re.compile(r"https?://[^\s<>\"'\[\]()]+", re.IGNORECASE)


class Repeat(NamedTuple):
    """An outside URL of a text, and where it stands in the story already."""

    url: str
    row: Row


def time_question(story: Story, at: datetime | None, now: datetime) -> str:
    """Ask about a time that is hardly meant; empty for one that may well be."""
    if at is None or at > now:
        return ""
    if story.first_day and at.date() < story.first_day:
        odd = "is before this story began"
    elif now - at >= time_input.LONG_AGO:
        odd = "is long past"
    else:
        return ""
    moment = time_input.describe_moment(at, now)
    return f"{moment} {odd}. If you mean it, press the button again."


@desk_view("view_story", "add_entry")
@require_POST
def show_notices(request: HttpRequest, pk: int) -> HttpResponse:
    """Say what colleagues have just published, and which outside_urls come twice."""
    permissions = Permissions.of(request.user)
    body = request.POST.get("body", "")
    now = timezone.now()
    context = {
        "recent": _recent(pk, permissions, now),
        "repeats": _repeats(pk, permissions, body),
    }
    return render(request, "admin/entries/desk/_notices.html", context)


def _recent(story_id: int, permissions: Permissions, now: datetime) -> list[Row]:
    found = timeline.row_postings(story_id, images=False).filter(
        removed=False,
        entry__state=Entry.State.PUBLISHED,
        entry__published_at__gt=now - _JUST_NOW,
    )
    found = found.exclude(entry__author=permissions.user)
    newest = found.order_by("-entry__published_at")[:MAX_NOTICES]
    return [row for row in timeline.as_rows(newest, permissions) if row.viewable]


def _repeats(story_id: int, permissions: Permissions, body: str) -> list[Repeat]:
    wanted = list(dict.fromkeys(outside_urls(body)))[:MAX_NOTICES]
    if not wanted:
        return []
    holding = Q()
    for url in wanted:
        holding |= Q(entry__body__icontains=url)
    newest = (
        Posting.objects.filter(story=story_id).newest().values("pk")[:_MAX_SEARCHED]
    )
    found = timeline.row_postings(story_id, images=False)
    found = found.filter(holding, pk__in=newest, removed=False)
    found = found.exclude(entry__state=Entry.State.WITHDRAWN)
    rows = [row for row in timeline.as_rows(found[:20], permissions) if row.viewable]
    repeats = (
        Repeat(url, row)
        for url in wanted
        for row in rows
        if url in outside_urls(row.entry.body)
    )
    return list(repeats)[:MAX_NOTICES]


def outside_urls(body: str) -> list[str]:
    """Return the outside outside_urls in a text, each as it is compared."""
    return [_plain(found) for found in _URL.findall(body)]


def _plain(url: str) -> str:
    """Cut what makes no other page of it: scheme, `www.`, fragment, what follows."""
    rest = url.partition("://")[2].partition("#")[0].rstrip(".,;:!?*_~|/")
    host, slash, path = rest.partition("/")
    return host.lower().removeprefix("www.") + slash + path
