"""The queue: what contributors have submitted, in all stories."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from entries import verbs
from entries.desk.access import desk_view, int_or_zero
from entries.desk.audit_log import log_action
from entries.models import Entry
from entries.verbs import Permissions, Refused

MAX_QUEUED = 100
State = Entry.State


def submitted_entries() -> QuerySet[Entry]:
    """Return what was submitted and waits for an editor, the longest first."""
    return Entry.objects.filter(state=State.SUBMITTED).order_by("changed_at", "pk")


@desk_view("view_story")
def review_queue(request: HttpRequest) -> HttpResponse:
    """Show editors what waits, contributors what became of theirs; or act on one."""
    permissions = Permissions.of(request.user)
    if not permissions.can_write:
        raise PermissionDenied
    if request.method == "POST":
        return _act(request, permissions)
    found = submitted_entries()
    if not permissions.can_edit:
        own = Entry.objects.filter(author=permissions.user)
        found = own.filter(state__in=(State.SUBMITTED, State.DRAFT)).order_by("-pk")
    rows = list(found.select_related("story__series", "author")[: MAX_QUEUED + 1])
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Submitted texts" if permissions.can_edit else "Your texts",
        "opts": Entry._meta,
        "permissions": permissions,
        "entries": rows[:MAX_QUEUED],
        "more": len(rows) > MAX_QUEUED,
    }
    return render(request, "admin/entries/entry/queue.html", context)


def _act(request: HttpRequest, permissions: Permissions) -> HttpResponse:
    if not permissions.can_edit:
        raise PermissionDenied
    entry = get_object_or_404(
        Entry.objects.select_related("story"),
        pk=int_or_zero(request.POST.get("entry", "")),
    )
    try:
        words, log_message = _done(request, entry, permissions)
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        log_action(permissions.user, entry, log_message)
        messages.success(request, words)
    return redirect("admin:entries_entry_queue")


def _done(
    request: HttpRequest, entry: Entry, permissions: Permissions
) -> tuple[str, str]:
    """Do what a button says; return the words for the editor, and for the log."""
    read = int_or_zero(request.POST.get("version", ""))
    do = request.POST.get("do", "")
    if do == "publish":
        if not permissions.can_publish:
            raise PermissionDenied
        verbs.publish(entry, version=read, by=permissions)
        if entry.published:
            return f"Published in {entry.story.title}.", "Published."
        return f"Scheduled in {entry.story.title}.", "Scheduled."
    if do == "send_back":
        line = request.POST.get("line", "")
        verbs.send_back(entry, line, version=read or None, by=permissions)
        return "Sent back to its writer.", "Sent back."
    raise Refused("There is no such button.")
