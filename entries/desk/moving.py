"""Moving an update to another story."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext

from entries import verbs
from entries.desk import picker
from entries.desk.access import desk_url, desk_view
from entries.desk.audit_log import log_action
from entries.desk.responses import render_panel, replace_response, respond
from entries.desk.rows import Row, get_row
from entries.models import Story

_FOLDER = "admin/entries/desk"


@desk_view("view_story", "change_entry")
def move_panel(request: HttpRequest, pk: int, entry_pk: int) -> HttpResponse:
    """Search for a story by title; move the update to the chosen one."""
    row = get_row(request, pk, entry_pk)
    if not row.movable:
        raise PermissionDenied
    story = row.posting.story
    if request.method != "POST":
        query = picker.typed_query(request)
        found = picker.suggest_open(query, [row.entry.story_id])
        context = {"row": row, "story": story, "q": query, "found": found}
        panel, page = f"{_FOLDER}/_move.html", f"{_FOLDER}/move_page.html"
        title = gettext("Move %(entry)s") % {"entry": row.entry.label}
        return render_panel(request, panel, page, context, title=title)

    def moved(message: str) -> HttpResponse:
        context = {"row": row, "story": row.entry.story}
        target, template = f"#row-{row.entry.pk}", f"{_FOLDER}/_moved.html"
        return replace_response(request, target, template, context)

    return respond(
        request,
        lambda: _move(row, story, request.POST.get("to", "")),
        to=desk_url(story),
        partial=moved,
        retry=lambda: redirect(request.get_full_path()),
    )


def _move(row: Row, old: Story, to: str) -> str:
    story, user = picker.chosen_story(to), row.permissions.user
    verbs.move(row.entry, story, by=row.permissions)
    log_action(user, row.entry, f"Moved here from {old.slug}.")
    log_action(user, old, f"Moved {row.entry.log_label} to {story.slug}.")
    return gettext("Moved to %(story)s.") % {"story": story.title}
