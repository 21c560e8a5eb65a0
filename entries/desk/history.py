"""The history of an entry and of a story's head: who, when, what, and back again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render

from entries import verbs
from entries.desk import audit_log
from entries.desk.access import desk_url, desk_view, int_or_zero
from entries.desk.composer import get_story
from entries.desk.row import get_row
from entries.models import Entry, EntryVersion, Story
from entries.pages import history
from entries.pages.history import Change
from entries.verbs import EntryText, Permissions, Refused, locked_entry

_TEMPLATE = "admin/entries/story/history.html"
MAX_LOG_LINES = 300  # lines of a story's history
EVENTS_PER_PAGE = 20  # events; texts that differ much take 0.3 s each
_CONFLICT = (
    "Nothing was restored: somebody has changed the head meanwhile. Read what it says "
    "now, then press the button again."
)


@dataclass(frozen=True)
class Event:
    """One line: when, who, what; with the texts before and after, where there are."""

    at: datetime
    user: User | None
    message: str
    change: Change | None = None
    about: str = ""  # the entry that it happened to, in the story's history
    url: str = ""

    @property
    def who(self) -> str:
        """Return the name of whoever did it."""
        user = self.user
        return (user.get_full_name() or user.get_username()) if user else ""


def _sorted(events: Iterable[Event]) -> list[Event]:
    return sorted(events, key=lambda event: event.at, reverse=True)


def _change(change: Change) -> Event:
    version = change.version
    line = version.correction if isinstance(version, EntryVersion) else ""
    message = f"Corrected: {line}" if line else audit_log.EDITED
    return Event(version.changed_at, version.changed_by, message, change)


def _line(line: LogEntry, story: Story | None = None) -> Event:
    about = url = ""
    if story and (kind := line.content_type) and kind.model == "entry":
        about = line.object_repr.partition(" in ")[0]
        url = desk_url(story, "versions", int(line.object_id or 0))
    return Event(line.action_time, line.user, line.change_message, None, about, url)


def _show(
    request: HttpRequest, story: Story, events: list[Event], **extra: object
) -> HttpResponse:
    page = Paginator(events, EVENTS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        **admin.site.each_context(request),
        "title": f"History of {story.headline}",
        "opts": Story._meta,
        "story": story,
        "permissions": Permissions.of(request.user),
        "events": page,
        **extra,
    }
    return render(request, _TEMPLATE, context)


@desk_view("view_story")
def history_of_entry(request: HttpRequest, pk: int, entry_pk: int) -> HttpResponseBase:
    """Show what became of an entry, or restore, hide and erase parts of it."""
    row = get_row(request, pk, entry_pk)
    entry, permissions = row.entry, row.permissions
    if not row.posting.home:
        return redirect(desk_url(entry.story_id, "versions", entry.pk))
    if not row.has_history:
        raise PermissionDenied
    if request.method == "POST":
        return _act(request, entry, permissions)
    lines = list(audit_log.log_of_entry(entry))
    events = [*map(_change, history.entry_changes(entry)), *map(_line, lines)]
    if not any(line.is_addition() for line in lines):
        events.append(Event(entry.created_at, entry.author, "Wrote it."))
    orphans = (
        verbs.orphaned_images(entry)
        if permissions.can_erase and not entry.erased_at
        else []
    )
    return _show(
        request,
        row.posting.story,
        _sorted(events),
        row=row,
        entry=entry,
        orphans=orphans,
    )


def _act(request: HttpRequest, entry: Entry, permissions: Permissions) -> HttpResponse:
    do = request.POST.get("do", "")
    try:
        message = _done(request, entry, permissions, do)
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        audit_log.log_action(permissions.user, entry, message)
        messages.success(request, message)
    return redirect(desk_url(entry.story_id, "versions", entry.pk))


def _done(request: HttpRequest, entry: Entry, permissions: Permissions, do: str) -> str:
    """Do what a button says; return what was done."""
    if do == "erase":
        _allow(permissions.can_erase)
        verbs.erase(entry, by=permissions)
        audit_log.rename_in_log(entry, f"Erased entry {entry.pk}")
        return "Erased the text for good."
    version = get_object_or_404(
        EntryVersion.objects.select_related("entry__story"),
        entry=entry,
        number=int_or_zero(request.POST.get("number", "")),
    )
    if do == "restore":
        _allow(permissions.can_change(entry))
        return _restore(request, version, permissions)
    if do in ("hide", "show"):
        _allow(permissions.can_edit)
        verbs.hide_correction(version, hidden=do == "hide", by=permissions)
        return f"{'Hid' if do == 'hide' else 'Showed'} a correction."
    if do == "erase_version":
        _allow(permissions.can_erase)
        verbs.erase_version(version, by=permissions)
        return "Erased an earlier text for good."
    raise Refused("There is no such button.")


def _restore(
    request: HttpRequest, version: EntryVersion, permissions: Permissions
) -> str:
    """Make an earlier text the present one, by an edit that is guarded as any is."""
    entry = version.entry
    with locked_entry(entry):
        version = get_object_or_404(entry.versions, pk=version.pk)
        if version.erased:
            raise Refused("This earlier text was erased.")
        verbs.edit(
            entry,
            EntryText(version.body, version.headline, byline=entry.byline),
            version=int_or_zero(request.POST.get("version", "")),
            author=permissions.user,
            correction=request.POST.get("correction", "")[:300],
            by=permissions,
        )
    return "Restored an earlier text."


def _allow(allowed: bool) -> None:
    if not allowed:
        raise PermissionDenied


@desk_view("view_story", "view_entry")
def history_of_story(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what was done in a story, or restore and erase words of its head."""
    story = get_story(pk)
    if request.method == "POST":
        return _act_on_head(request, story)
    lines = audit_log.log_of_story(story).select_related("content_type")[:MAX_LOG_LINES]
    events = [
        *map(_change, history.head_changes(story)),
        *(_line(line, story) for line in lines),
        Event(story.created_at, None, "The story was made."),
    ]
    return _show(request, story, _sorted(events))


def _act_on_head(request: HttpRequest, story: Story) -> HttpResponse:
    permissions = Permissions.of(request.user)
    named = int_or_zero(request.POST.get("number", ""))
    version = get_object_or_404(story.versions, number=named)
    if request.POST.get("do") == "erase_version":
        _allow(permissions.can_erase)
        verbs.erase_story_version(version, by=permissions)
        audit_log.rename_in_log(story, story.headline)
        message = "Erased earlier words of the head for good."
    else:
        _allow(permissions.can_edit_stories)
        try:
            verbs.edit_story(
                story,
                version=int_or_zero(request.POST.get("version", "")),
                author=permissions.user,
                restored=version,
                by=permissions,
            )
        except Refused as refused:
            changed = isinstance(refused, verbs.StoryConflict)
            messages.error(request, _CONFLICT if changed else str(refused))
            return redirect(desk_url(story, "history"))
        message = "Restored earlier words of the head."
    audit_log.log_action(permissions.user, story, message)
    messages.success(request, message)
    return redirect(desk_url(story, "history"))
