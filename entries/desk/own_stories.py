"""Making a story of its own from an update."""

from uuid import uuid4

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from entries import verbs
from entries.desk import gone
from entries.desk.access import desk_url, desk_view
from entries.desk.audit_log import ADDITION, created_by, log_action
from entries.desk.responses import render_panel, respond
from entries.desk.rows import Row, get_row
from entries.models import Story
from entries.models.desk import draft_keys

_FOLDER = "admin/entries/desk"


@desk_view("view_story", "add_story")
def own_story(request: HttpRequest, pk: int, entry_pk: int) -> HttpResponse:
    """Ask for a headline; make a draft story of the update, and go to its desk."""
    row = get_row(request, pk, entry_pk)
    withdrawn = request.method == "POST" and row.withdrawn and not row.entry.erased_at
    may = row.posting.home and row.permissions.has("add_story")
    if not (row.separable or (withdrawn and may and not row.entry.original)):
        raise PermissionDenied
    if request.method != "POST":
        return _show(request, row, row.entry.first_words)
    made = _Made(row)

    def act() -> str:
        if row.withdrawn:
            raise verbs.Refused(gone.not_there_message(row.entry))
        made.story = _make(request, row)
        return gettext("The new story is a draft. Both stories link to each other.")

    def leave(message: str) -> HttpResponse:
        return HttpResponse(headers={"HX-Redirect": made.get_absolute_url()})

    def again() -> HttpResponse:
        return _show(request, row, request.POST.get("headline", ""), 409)

    return respond(request, act, to=made, partial=leave, retry=again)


def _show(
    request: HttpRequest, row: Row, headline: str, status: int = 200
) -> HttpResponse:
    context = {
        "row": row,
        "story": row.posting.story,
        "form_key": uuid4(),
        "headline": headline,
    }
    panel, page = f"{_FOLDER}/_own_story.html", f"{_FOLDER}/own_story_page.html"
    title = gettext("Make %(entry)s a story of its own") % {"entry": row.entry.label}
    return render_panel(request, panel, page, context, title=title, status=status)


class _Made:
    """Where to go: to the desk of the new story, or to the row if none was made."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.story: Story | None = None

    def get_absolute_url(self) -> str:
        return desk_url(self.story) if self.story else self.row.get_absolute_url()


def _make(request: HttpRequest, row: Row) -> Story:
    """Make the story, or return the one that this form has made before."""
    permissions, user = row.permissions, row.permissions.user
    headline = request.POST.get("headline", "")
    for key in draft_keys(request.POST.get("key"), user.pk):
        try:
            story = verbs.story_from_entry(row.entry, headline, key=key, by=permissions)
        except IntegrityError:
            found = Story.objects.filter(key=key).first()
            if found and created_by(user, found):
                return found
            continue
        log_action(user, story, f"Made from {row.entry.log_label}.", ADDITION)
        log_action(user, row.entry, f"Made a story of its own: {story.slug}.")
        return story
    raise verbs.Refused(gettext("No story was made. Press the button again."))
