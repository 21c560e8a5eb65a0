"""Moving an update to the story it belongs in."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from entries import verbs
from entries.desk import picker
from entries.desk.access import desk, desk_url, is_htmx, sentence
from entries.desk.audit_log import record
from entries.desk.responses import part
from entries.desk.row import row_of
from entries.desk.timeline import Row
from entries.models import Story
from entries.verbs import Refused

FOLDER = "admin/entries/desk"


@desk("view_story", "change_entry")
def panel(request: HttpRequest, pk: int, entry_pk: int) -> HttpResponse:
    """Offer stories by part of their title; move the update to the one chosen."""
    row = row_of(request, pk, entry_pk)
    if not row.movable:
        raise PermissionDenied
    if request.method == "POST":
        return _move(request, row)
    context = _context(request, row)
    if is_htmx(request):
        return render(request, f"{FOLDER}/_move.html", context)
    context |= admin.site.each_context(request)
    context |= {"title": f"Move {row.entry.label}", "opts": Story._meta}
    return render(request, f"{FOLDER}/move_page.html", context)


def _context(request: HttpRequest, row: Row) -> dict[str, Any]:
    query = request.GET.get("q", "")[:200]
    return {
        "row": row,
        "story": row.posting.story,
        "q": query,
        "found": picker.open_for(query, [row.entry.story_id]),
    }


def _move(request: HttpRequest, row: Row) -> HttpResponse:
    entry, old = row.entry, row.posting.story
    try:
        story = picker.chosen(request.POST.get("to", ""))
        verbs.move(entry, story, by=row.permissions)
    except Refused as refused:
        if is_htmx(request):
            return sentence(str(refused), 409)
        messages.error(request, str(refused))
        return redirect(request.get_full_path())
    record(row.permissions.user, entry, f"Moved here from {old.slug}.")
    record(row.permissions.user, old, f"Moved {entry.label} to {story.slug}.")
    if not is_htmx(request):
        messages.success(request, f"Moved to {story.title}.")
        return redirect(desk_url(old))
    context = {"row": row, "story": story}
    target, template = f"#row-{entry.pk}", f"{FOLDER}/_moved.html"
    return HttpResponse(part(request, target, template, context, "outerHTML"))
