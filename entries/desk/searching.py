"""Finding updates in a long timeline: by words, author and state, or by their time."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_safe

from entries.desk import picker, timeline
from entries.desk.access import desk_url, desk_view, get_story, int_or_zero
from entries.desk.responses import is_htmx, render_panel, trigger
from entries.models import Story
from entries.text import time_input
from entries.verbs import Permissions

_FOLDER = "admin/entries/desk"
SEARCH_STATES = {
    "draft": gettext_lazy("Drafts"),
    "submitted": gettext_lazy("In review"),
    "scheduled": gettext_lazy("Scheduled"),
    "published": gettext_lazy("Published"),
    "withdrawn": gettext_lazy("Withdrawn"),
    "key": gettext_lazy("Key events"),
    "pinned": gettext_lazy("Pinned"),
}


@desk_view("view_story")
@require_safe
def search_timeline(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the rows that match `q`, `author` and `state`, at or before the time `at`.

    `from` is the entry at which to begin when the search is left. With `in_place` they
    are sent to the timeline of an open desk, which shows no other rows meanwhile.
    """
    story, permissions = get_story(pk), Permissions.of(request.user)
    asked = {name: request.GET.get(name, "") for name in ("q", "author", "state", "at")}
    asked["q"] = asked["q"].replace("\0", " ").strip()[: picker.MAX_QUERY_LENGTH]
    error, until = "", None
    try:
        until = _until(story, asked["at"])
    except time_input.TimeError as wrong:
        error = str(wrong)
    found = timeline.search_rows(
        story,
        permissions,
        terms=asked["q"].split(),
        author=int_or_zero(asked["author"]),
        state=asked["state"] if asked["state"] in SEARCH_STATES else "",
        until=until,
        before=int_or_zero(request.GET.get("before", "")),
    )
    start = int_or_zero(request.GET.get("from", ""))
    kept = {name: value for name, value in asked.items() if value}
    context: dict[str, Any] = {
        "story": story,
        "permissions": permissions,
        "found": found,
        "asked": asked,
        "error": error,
        "states": SEARCH_STATES.items(),
        "authors": _authors(story, permissions),
        "clear_url": desk_url(story) + (f"?from={start}#row-{start}" if start else ""),
        "start": start,
        "query": urlencode(kept | ({"from": start} if start else {})),
    }
    if is_htmx(request) and request.GET.get("in_place"):
        return _in_place(request, context)
    panel, page = f"{_FOLDER}/_search_results.html", f"{_FOLDER}/search_page.html"
    return render_panel(request, panel, page, context, title=gettext("Search updates"))


def _in_place(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Return the rows for the lists of an open desk, and the ids of those to show."""
    response = render(request, f"{_FOLDER}/_search_in_place.html", context)
    ids = [f"row-{row.number}" for row in context["found"].rows]
    more = bool(request.GET.get("before"))
    return trigger(response, "desk:found", rows=ids, more=more)


def _authors(story: Story, permissions: Permissions) -> list[User]:
    """Return who wrote what the person may see in a story."""
    rows = timeline.visible_postings(story, permissions)
    wrote = rows.order_by().values("entry__author")
    return list(User.objects.filter(pk__in=wrote).order_by("username"))


def _until(story: Story, text: str) -> datetime | None:
    """Return the latest time that is meant: a minute, or the end of a day.

    A time alone is the last one of that name up to the newest update. Raises TimeError.
    """
    if not text.strip():
        return None
    now = timezone.now()
    newest = (story.newest_at or now).astimezone(UTC)
    try:
        at = time_input.parse_time(f"{text} 2359", now)
    except time_input.TimeError:
        at = time_input.parse_time(text, now)
        if at and time_input.is_time_alone(text, now):
            at = datetime.combine(newest.date(), at.timetz())
            return at if at <= newest else at - timedelta(days=1)
    # Nothing is to be found in the future: a weekday is the one before.
    future = at is not None and at.date() > max(newest, now).date()
    return at - timedelta(days=7) if at and future else at
