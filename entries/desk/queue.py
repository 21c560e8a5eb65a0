"""The review queue: texts that contributors have submitted, in all stories."""

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse

from entries import verbs
from entries.desk import titles
from entries.desk.access import desk_view, int_or_zero
from entries.desk.audit_log import log_action
from entries.desk.responses import render_page, respond
from entries.models import Entry
from entries.verbs import Permissions, Refused

MAX_QUEUED = 100
State = Entry.State


def submitted_entries() -> QuerySet[Entry]:
    """Return the entries waiting for review, oldest first."""
    return Entry.objects.filter(state=State.SUBMITTED).order_by("changed_at", "pk")


@desk_view("view_story")
def review_queue(request: HttpRequest) -> HttpResponse:
    """List all submitted texts to editors, and their own texts to contributors."""
    permissions = Permissions.of(request.user)
    if not permissions.can_write:
        raise PermissionDenied
    if request.method == "POST":
        return _review(request, permissions)
    found = submitted_entries()
    if not permissions.can_edit:
        own = Entry.objects.filter(author=permissions.user)
        found = own.filter(state__in=(State.SUBMITTED, State.DRAFT)).order_by("-pk")
    found = found.annotate(has_loose_lines=titles.loose_lines("pk"))
    rows = list(found.select_related("story__series", "author")[: MAX_QUEUED + 1])
    for entry in rows:
        entry.see_offers = titles.offers(entry) if entry.has_loose_lines else []  # type: ignore[attr-defined]
    context = {
        "permissions": permissions,
        "entries": rows[:MAX_QUEUED],
        "more": len(rows) > MAX_QUEUED,
    }
    title = "Submitted texts" if permissions.can_edit else "Your texts"
    template = "admin/entries/entry/queue.html"
    return render_page(request, template, context, title=title, model=Entry)


def _review(request: HttpRequest, permissions: Permissions) -> HttpResponse:
    """Publish a submitted text, or send it back to its contributor."""
    if not permissions.can_edit:
        raise PermissionDenied
    do, data = request.POST.get("do", ""), request.POST
    if do == "publish" and not permissions.can_publish:
        raise PermissionDenied
    entry = get_object_or_404(
        Entry.objects.select_related("story"), pk=int_or_zero(data.get("entry", ""))
    )
    version = int_or_zero(data.get("version", ""))

    def act() -> str:
        if do == "publish":
            verbs.publish(entry, version=version, by=permissions)
            done = "Published" if entry.published else "Scheduled"
            message = f"{done} in {entry.story.title}."
        elif do == "send_back":
            note = data.get("line", "")
            verbs.send_back(entry, note, version=version or None, by=permissions)
            done, message = "Sent back", "Sent back to its writer."
        else:
            raise Refused("There is no such button.")
        log_action(permissions.user, entry, f"{done}.")
        return message

    return respond(request, act, to=reverse("admin:entries_entry_queue"))
