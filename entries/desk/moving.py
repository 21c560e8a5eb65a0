"""Moving an update to the story it belongs in."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from entries import verbs
from entries.desk import picker
from entries.desk.access import desk_url, desk_view, is_htmx, text_response
from entries.desk.audit_log import log_action
from entries.desk.responses import render_partial
from entries.desk.row import get_row
from entries.desk.timeline import Row
from entries.models import Story
from entries.verbs import Refused

_FOLDER = "admin/entries/desk"


@desk_view("view_story", "change_entry")
def move_panel(request: HttpRequest, pk: int, entry_pk: int) -> HttpResponse:
    """Offer stories by part of their title; move the update to the one chosen."""
    row = get_row(request, pk, entry_pk)
    if not row.movable:
        raise PermissionDenied
    if request.method == "POST":
        return _move(request, row)
    context = _context(request, row)
    if is_htmx(request):
        return render(request, f"{_FOLDER}/_move.html", context)
    context |= admin.site.each_context(request)
    context |= {"title": f"Move {row.entry.label}", "opts": Story._meta}
    return render(request, f"{_FOLDER}/move_page.html", context)


def _context(request: HttpRequest, row: Row) -> dict[str, Any]:
    query = request.GET.get("q", "")[:200]
    return {
        "row": row,
        "story": row.posting.story,
        "q": query,
        "found": picker.suggest_open(query, [row.entry.story_id]),
    }


def _move(request: HttpRequest, row: Row) -> HttpResponse:
    entry, old = row.entry, row.posting.story
    try:
        story = picker.chosen_story(request.POST.get("to", ""))
        verbs.move(entry, story, by=row.permissions)
    except Refused as refused:
        if is_htmx(request):
            return text_response(str(refused), 409)
        messages.error(request, str(refused))
        return redirect(request.get_full_path())
    log_action(row.permissions.user, entry, f"Moved here from {old.slug}.")
    log_action(row.permissions.user, old, f"Moved {entry.label} to {story.slug}.")
    if not is_htmx(request):
        messages.success(request, f"Moved to {story.title}.")
        return redirect(desk_url(old))
    context = {"row": row, "story": story}
    target, template = f"#row-{entry.pk}", f"{_FOLDER}/_moved.html"
    return HttpResponse(render_partial(request, target, template, context, "outerHTML"))
