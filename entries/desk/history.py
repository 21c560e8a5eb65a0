"""The history pages of an entry and of a story's head: who changed what, and when.

Earlier versions can be restored, corrections hidden, and texts erased for good.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext, gettext_lazy

from entries import verbs
from entries.desk import audit_log, gone
from entries.desk.access import (
    desk_url,
    desk_view,
    display_name,
    get_story,
    int_or_zero,
)
from entries.desk.responses import render_page, respond
from entries.desk.rows import Row, get_row
from entries.models import Entry, EntryVersion, Story, StoryVersion
from entries.models.fields import max_length
from entries.pages import differences
from entries.pages.differences import Change
from entries.verbs import EntryText, Permissions, Refused, locked_entry

MAX_LOG_LINES = 300  # of a story
EVENTS_PER_PAGE = 20  # comparing two very different texts takes 0.3 s
_HEAD_CONFLICT = gettext_lazy(
    "Nothing was restored: somebody has changed the head meanwhile. Read what it says "
    "now, then press the button again."
)


@dataclass(frozen=True)
class Event:
    """One event of a history: when, who, what, and the change of a text, if any.

    In a story's history, `about` and `url` are the label and the URL of the entry.
    """

    at: datetime
    user: User | None
    message: str
    change: Change | None = None
    about: str = ""
    url: str = ""

    @property
    def who(self) -> str:
        return display_name(self.user)


def _change_event(change: Change) -> Event:
    version = change.version
    correction = version.correction if isinstance(version, EntryVersion) else ""
    message = f"Corrected: {correction}" if correction else audit_log.EDITED
    message = audit_log.translated(message)
    return Event(version.changed_at, version.changed_by, message, change)


def _log_event(line: LogEntry, story: Story | None = None) -> Event:
    about = url = ""
    if story and (kind := line.content_type) and kind.model == "entry":
        about = line.object_repr.partition(" in ")[0]
        url = desk_url(story, "versions", int(line.object_id or 0))
    message = audit_log.translated(line.get_change_message())
    return Event(line.action_time, line.user, message, None, about, url)


def _show(
    request: HttpRequest, story: Story, events: Iterable[Event], **extra: object
) -> HttpResponse:
    newest = sorted(events, key=lambda event: event.at, reverse=True)
    context = {
        "story": story,
        "permissions": Permissions.of(request.user),
        "events": Paginator(newest, EVENTS_PER_PAGE).get_page(request.GET.get("page")),
        **extra,
    }
    template = "admin/entries/story/history.html"
    title = gettext("History of %(story)s") % {"story": story.headline}
    return render_page(request, template, context, title=title)


@desk_view("view_story")
def history_of_entry(request: HttpRequest, pk: int, entry_pk: int) -> HttpResponseBase:
    """Show the history of an entry; restore, hide or erase parts of it."""
    row = get_row(request, pk, entry_pk)
    entry, permissions = row.entry, row.permissions
    url = desk_url(entry.story_id, "versions", entry.pk)
    if not row.posting.home:
        return redirect(url)
    if not row.has_history:
        raise PermissionDenied
    if request.method == "POST":
        act = _entry_action(request, entry, permissions)
        typed = {
            "correction": request.POST.get("correction", "").strip(),
            "number": int_or_zero(request.POST.get("number", "")),
        }

        def again() -> HttpResponse:
            if not typed["correction"]:
                return redirect(url)
            return _show_entry(request, get_row(request, pk, entry_pk), typed=typed)

        return respond(request, act, to=url, retry=again)
    return _show_entry(request, row)


def _show_entry(request: HttpRequest, row: Row, **extra: object) -> HttpResponse:
    """Show the history of an entry; `typed` is a note that could not be sent."""
    entry, permissions = row.entry, row.permissions
    lines = list(audit_log.log_of_entry(entry))
    changes = differences.entry_changes(entry)
    events = [*map(_change_event, changes), *map(_log_event, lines)]
    if not any(line.is_addition() for line in lines):
        events.append(Event(entry.created_at, entry.author, gettext("Wrote it.")))
    erasable = permissions.can_erase and not entry.erased_at
    orphans = verbs.orphaned_images(entry) if erasable else []
    story = row.posting.story
    context = {"row": row, "entry": entry, "orphans": orphans, **extra}
    return _show(request, story, events, **context)


def _entry_action(
    request: HttpRequest, entry: Entry, permissions: Permissions
) -> Callable[[], str]:
    """Return the button's action, which logs what it does and returns a message."""

    def act() -> str:
        do = request.POST.get("do", "")
        if do == "erase":
            _require(permissions.can_erase)
            verbs.erase(entry, by=permissions)
            audit_log.rename_in_log(entry, f"Erased entry {entry.pk}")
            done = "Erased the text for good."
        else:
            versions = EntryVersion.objects.select_related("entry__story")
            number = int_or_zero(request.POST.get("number", ""))
            version = get_object_or_404(versions, entry=entry, number=number)
            done = _change_version(request, version, permissions, do)
        audit_log.log_action(permissions.user, entry, done)
        return audit_log.translated(done)

    return act


def _change_version(
    request: HttpRequest, version: EntryVersion, permissions: Permissions, do: str
) -> str:
    if do == "restore":
        _require(permissions.can_change(version.entry))
        return _restore(request, version, permissions)
    if do in ("hide", "show"):
        _require(permissions.can_edit)
        verbs.hide_correction(version, hidden=do == "hide", by=permissions)
        return f"{'Hid' if do == 'hide' else 'Showed'} a correction."
    if do == "erase_version":
        _require(permissions.can_erase)
        verbs.erase_version(version, by=permissions)
        return "Erased an earlier text for good."
    raise Refused(gettext("There is no such button."))


def _restore(
    request: HttpRequest, version: EntryVersion, permissions: Permissions
) -> str:
    """Restore an earlier text with a new edit, guarded by the version like any edit."""
    entry = version.entry
    correction = request.POST.get("correction", "")
    with locked_entry(entry):
        version = get_object_or_404(entry.versions, pk=version.pk)
        if version.erased:
            raise Refused(gettext("This earlier text was erased."))
        if correction.strip() and (message := gone.unseen_message(entry)):
            hint = gettext("Restore it first, or leave the correction note empty.")
            raise Refused(f"{message} {hint}")
        verbs.edit(
            entry,
            replace(EntryText.of(version), at=None, byline=entry.byline),
            version=int_or_zero(request.POST.get("version", "")),
            author=permissions.user,
            correction=correction[: max_length(EntryVersion, "correction")],
            by=permissions,
        )
    return "Restored an earlier text."


def _require(allowed: bool) -> None:
    if not allowed:
        raise PermissionDenied


@desk_view("view_story", "view_entry")
def history_of_story(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the history of a story; restore or erase earlier versions of its head."""
    story = get_story(pk)
    if request.method == "POST":
        number = int_or_zero(request.POST.get("number", ""))
        version = get_object_or_404(story.versions, number=number)
        act = _head_action(request, story, version)
        return respond(request, act, to=desk_url(story, "history"))
    lines = audit_log.log_of_story(story).select_related("content_type")
    events = [
        *map(_change_event, differences.head_changes(story)),
        *(_log_event(line, story) for line in lines[:MAX_LOG_LINES]),
        Event(story.created_at, None, gettext("The story was made.")),
    ]
    return _show(request, story, events)


def _head_action(
    request: HttpRequest, story: Story, version: StoryVersion
) -> Callable[[], str]:
    """Return the button's action, which logs what it does and returns a message."""
    permissions = Permissions.of(request.user)

    def act() -> str:
        if request.POST.get("do") == "erase_version":
            _require(permissions.can_erase)
            verbs.erase_story_version(version, by=permissions)
            audit_log.rename_in_log(story, story.headline)
            done = "Erased earlier words of the head for good."
        else:
            _require(permissions.can_edit_stories)
            _restore_head(request, story, version, permissions)
            done = "Restored earlier words of the head."
        audit_log.log_action(permissions.user, story, done)
        return audit_log.translated(done)

    return act


def _restore_head(
    request: HttpRequest, story: Story, version: StoryVersion, permissions: Permissions
) -> None:
    try:
        verbs.edit_story(
            story,
            version=int_or_zero(request.POST.get("version", "")),
            author=permissions.user,
            restored=version,
            by=permissions,
        )
    except verbs.StoryConflict as conflict:
        raise Refused(str(_HEAD_CONFLICT)) from conflict
