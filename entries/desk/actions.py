"""The buttons of a row: mark, publish, submit, withdraw, restore.

Each button names the state to reach, so pressing it twice is harmless.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from entries import verbs
from entries.desk.access import desk_url, desk_view, int_or_zero
from entries.desk.audit_log import (
    DELETION,
    PUBLISHED,
    log_action,
    log_cross_post,
    log_in_closed_stories,
)
from entries.desk.cross_posts import removed_message, removed_row
from entries.desk.responses import is_htmx, respond, text_response, trigger
from entries.desk.rows import Row, get_row, row_response
from entries.models import Entry
from entries.text import gmt
from entries.verbs import EntryText, Refused, locked_entry


class Action(NamedTuple):
    """What a button does, who may press it, and how it is logged.

    `log` is the message for the audit log; without one, the action is logged as the
    removal of a cross-post. `closed` is the participle to log in closed stories that
    the entry is cross-posted to, if any.
    """

    run: Callable[[Row], object]
    allowed: Callable[[Row], bool]
    log: str = ""
    closed: str = ""


def _publish(row: Row) -> object:
    """Publish at the entry's own time, or now if it is scheduled for later."""
    entry, version = row.entry, row.entry.version
    with locked_entry(entry):
        if entry.state == Entry.State.SCHEDULED and not row.late:
            now = replace(EntryText.of(entry), at=gmt.this_minute())
            author, by = row.permissions.user, row.permissions
            verbs.edit(entry, now, version=version, author=author, by=by)
            version = entry.version
        return verbs.publish(entry, version=version, by=row.permissions)


def _mark(**marks: bool) -> Callable[[Row], object]:
    return lambda row: verbs.set_marks(row.posting, by=row.permissions, **marks)


def _withdraw(row: Row) -> object:
    return verbs.withdraw(row.entry, by=row.permissions)


def _can_mark(row: Row) -> bool:
    return row.permissions.can_edit


def _can_edit_at_home(row: Row) -> bool:
    return row.permissions.can_edit and row.posting.home


def _is_editable(row: Row) -> bool:
    return row.editable


ACTIONS = {
    "key": Action(_mark(key_event=True), _can_mark, "Marked as a key event."),
    "unkey": Action(_mark(key_event=False), _can_mark, "Took the key-event mark away."),
    "pin": Action(_mark(pinned=True), _can_mark, "Pinned."),
    "unpin": Action(_mark(pinned=False), _can_mark, "Unpinned."),
    "publish": Action(_publish, _can_edit_at_home, PUBLISHED),
    "submit": Action(
        lambda row: verbs.submit(row.entry, by=row.permissions),
        _is_editable,
        "Submitted.",
    ),
    "unschedule": Action(
        lambda row: verbs.unschedule(row.entry, by=row.permissions),
        _can_edit_at_home,
        "Made a draft again.",
    ),
    "withdraw": Action(_withdraw, _is_editable, "Withdrew.", "withdrawn"),
    "undo": Action(
        _withdraw, _is_editable, "Withdrew, just after publishing.", "withdrawn"
    ),
    "restore": Action(
        lambda row: verbs.restore(row.entry, by=row.permissions),
        _is_editable,
        "Restored.",
        "restored",
    ),
    "take_over": Action(
        lambda row: verbs.take_over(
            row.entry, author=row.permissions.user, by=row.permissions
        ),
        lambda row: row.permissions.can_publish and row.posting.home,
        "Took over the draft.",
    ),
    "take_back": Action(
        lambda row: verbs.remove_cross_post(row.posting, by=row.permissions),
        lambda row: row.permissions.can_cross_post,
    ),
}


@desk_view("view_story")
@require_POST
def row_action(request: HttpRequest, pk: int, entry_pk: int) -> HttpResponse:
    """Run the action of a row's button, and respond with the updated row."""
    row = get_row(request, pk, entry_pk)
    do = request.POST.get("do", "")
    if do == "delete":
        return _delete(request, row)
    action = ACTIONS.get(do)
    if action is None:
        return text_response(gettext("There is no such button."), 400)
    if not action.allowed(row):
        raise PermissionDenied

    def act() -> str:
        if do == "publish":
            _check_version(row, request.POST.get("version", ""))
        before = row.status
        action.run(row)
        if row.status != before:
            _log(row, action)
        if do == "take_back" and not is_htmx(request):
            return removed_message(request, row.entry, row.posting.story)
        return ""

    def updated(message: str) -> HttpResponse:
        if do == "take_back":
            return removed_row(request, row)
        response = row_response(request, row)
        return trigger(response, "desk:undone") if do == "undo" else response

    return respond(request, act, to=row, partial=updated)


def _delete(request: HttpRequest, row: Row) -> HttpResponse:
    """Delete what no reader has seen; the answer removes its row."""
    if not (row.posting.home and row.permissions.can_delete(row.entry)):
        raise PermissionDenied
    story, entry_pk = row.posting.story, row.entry.pk
    deleted = Entry(pk=entry_pk, story=story, kind=row.entry.kind)

    def act() -> str:
        about = f"Deleted {row.entry.log_label}, which was never public."
        version = int_or_zero(request.POST.get("version", "")) or None
        verbs.delete_entry(row.entry, version=version, by=row.permissions)
        log_action(row.permissions.user, deleted, about, DELETION)
        log_action(row.permissions.user, story, about)
        return gettext("Deleted.")

    def removed(message: str) -> HttpResponse:
        context = {"story": story, "gone": [entry_pk]}
        return render(request, "admin/entries/desk/_rows.html", context)

    return respond(request, act, to=desk_url(story), partial=removed)


def _check_version(row: Row, version: str) -> None:
    """Refuse to publish a text that changed after its button was rendered."""
    if version and version != str(row.entry.version):
        raise Refused(gettext("Its writer has changed this text: read it again."))


def _log(row: Row, action: Action) -> None:
    user, posting = row.permissions.user, row.posting
    if not action.log:
        log_cross_post(user, row.entry, posting.story, removed=True)
        return
    where = "" if posting.home else f" In {posting.story.slug}."
    log_action(user, row.entry, action.log + where)
    if action.closed:
        log_in_closed_stories(user, row.entry, row.elsewhere, action.closed)
