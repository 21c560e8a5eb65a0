"""The review queue: texts that contributors have submitted, in all stories."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.contrib.admin.models import LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from entries import verbs
from entries.desk import gone, presence, titles
from entries.desk.access import desk_url, desk_view, display_name, int_or_zero
from entries.desk.audit_log import log_action, log_of_user
from entries.desk.responses import is_htmx, render_page, respond
from entries.models import DeletedEntry, Entry
from entries.models.entries import written_by
from entries.text import gmt, rendering
from entries.verbs import EntryText, Permissions, Refused, locked_entry

MAX_QUEUED = 100
REVIEW_EXCERPT_WORDS = 18
MARKS = ("key_event", "pinned")
UNDO_WITHIN = timedelta(minutes=10)
REVIEWED = "Published from review."
State = Entry.State
_PAGE = "admin/entries/entry/queue.html"
_LIST = "admin/entries/entry/_queue_list.html"


def submitted_entries() -> QuerySet[Entry]:
    """Return the entries waiting for review, oldest first."""
    return Entry.objects.filter(state=State.SUBMITTED).order_by("changed_at", "pk")


def sent_back_entries() -> QuerySet[Entry]:
    """Return the drafts that an editor has sent back, newest first."""
    drafts = Entry.objects.filter(state=State.DRAFT).exclude(sent_back="")
    return drafts.order_by("-changed_at", "-pk")


@dataclass(frozen=True)
class Review:
    """A text of the queue, as it is listed and shown."""

    entry: Entry
    permissions: Permissions
    now: datetime
    reviewers: list[str] = field(default_factory=list)
    changes: dict[str, bool] = field(default_factory=dict)  # of marks, not saved yet

    @property
    def author(self) -> str:
        return display_name(self.entry.author) or gettext("Nobody")

    @property
    def submitted_at(self) -> datetime:
        """Return when the text was submitted, or changed since."""
        return self.entry.changed_at

    @property
    def own_time(self) -> datetime:
        """Return the time it was submitted with, or else the time of submission."""
        return self.entry.at or gmt.whole_minute(self.submitted_at)

    @property
    def excerpt(self) -> str:
        return rendering.first_words(self.entry.html, REVIEW_EXCERPT_WORDS)

    @property
    def future(self) -> bool:
        """Whether its own time is still to come."""
        return self.own_time > self.now

    @property
    def mine(self) -> bool:
        """Whether the person may submit it."""
        return self.permissions.owns(self.entry)

    @property
    def marks(self) -> list[tuple[str, bool]]:
        """Return the marks that its form offers, and whether each one is ticked."""
        ticked = dict.fromkeys(self.saved_marks, True) | self.changes
        return [(name, ticked.get(name, False)) for name in MARKS]

    @cached_property
    def saved_marks(self) -> list[str]:
        """Return the marks that it has, which the form sends to be compared."""
        posting = self.entry.postings.get(story=self.entry.story_id)
        return [name for name in MARKS if getattr(posting, name)]

    @property
    def see_offers(self) -> list[titles.Offer]:
        """Return the titles of its “See” lines that name no story, with likely ones."""
        by = self.permissions
        return titles.offers(self.entry) if by.can_edit or self.mine else []

    @property
    def images(self) -> list[Any]:
        return list(self.entry.images.all())


@dataclass(frozen=True)
class Unsent:
    """A note that could not be sent with a text, and where colleagues' notes go."""

    note: str
    entry_pk: int
    url: str
    key: UUID = field(default_factory=uuid4)  # so that it is added once

    def is_for(self, review: Review | None) -> bool:
        """Whether its text is the one that is shown, and can be sent back still."""
        entry = review.entry if review else None
        return bool(
            entry and entry.pk == self.entry_pk and entry.state == State.SUBMITTED
        )


@desk_view("view_story")
def review_queue(request: HttpRequest) -> HttpResponse:
    """Show submitted texts to editors, and their own texts to contributors.

    The list is on one side, and one whole text on the other.
    """
    permissions = Permissions.of(request.user)
    if not permissions.can_write:
        raise PermissionDenied
    if request.method == "POST":
        return _review(request, permissions)
    return _show(request, permissions)


def _show(
    request: HttpRequest,
    permissions: Permissions,
    status: int = 200,
    unsent: Unsent | None = None,
    changes: Mapping[str, bool] | None = None,
) -> HttpResponse:
    """Show the list and one text, and a note that was not sent.

    `changes` are the marks that were changed in a form that was refused.

    The note is in its field if that text is shown and waits still. If not, it is in a
    form that adds it as a note to colleagues.
    """
    tab = "back" if request.GET.get("tab") == "back" else ""
    waiting, back = submitted_entries(), sent_back_entries()
    if not permissions.can_edit:
        own = Entry.objects.filter(written_by(permissions.user))
        waiting = own.filter(state__in=(State.SUBMITTED, State.DRAFT))
        waiting, back = waiting.order_by("-pk"), back.filter(author=permissions.user)
    found = back if tab else waiting
    related = found.select_related("story__series", "author")
    rows = list(related.prefetch_related("images")[: MAX_QUEUED + 1])
    now, reviewers = timezone.now(), presence.reviewers(permissions)
    reviews = [
        Review(entry, permissions, now, reviewers.get(entry.pk, []))
        for entry in rows[:MAX_QUEUED]
    ]
    wanted = int_or_zero((request.POST or request.GET).get("entry", ""))
    chosen = next((one for one in reviews if one.entry.pk == wanted), None)
    shown = chosen or (reviews[0] if reviews else None)
    if chosen:
        chosen.changes.update(changes or {})
    context = {
        "permissions": permissions,
        "reviews": reviews,
        "shown": shown,
        "chosen": chosen is not None,
        "tab": tab,
        "numbers": (waiting.count(), back.count()),
        "more": len(rows) > MAX_QUEUED,
        "handled": _handled(permissions, now)
        if permissions.can_edit and not tab
        else [],
        "ticket": _report_presence(request, permissions, shown),
        ("line" if unsent and unsent.is_for(shown) else "lost"): unsent,
    }
    if is_htmx(request):
        return render(request, _LIST, context)
    title = gettext("Review") if permissions.can_edit else gettext("Your texts")
    return render_page(request, _PAGE, context, title=title, model=Entry, status=status)


def _report_presence(
    request: HttpRequest, permissions: Permissions, review: Review | None
) -> str:
    """Record that an editor has a text open, and return the ticket of the page."""
    if review is None or not permissions.can_edit:
        return ""
    story, given = review.entry.story_id, request.GET.get("me", "")
    ticket = presence.renew_ticket(permissions, story, given)
    ticket = ticket or presence.record_arrival(permissions, story)
    doing = f"{presence.REVIEWING}{review.entry.pk}"
    presence.record_heartbeat(str(ticket), story, doing)
    return str(ticket)


def _handled(permissions: Permissions, now: datetime) -> list[tuple[LogEntry, Entry]]:
    """Return the texts a person has just published from the queue, newest first."""
    lines = list(log_of_user(permissions.user, Entry, REVIEWED, now - UNDO_WITHIN))
    found = Entry.objects.filter(pk__in=[line.object_id for line in lines])
    entries = {str(entry.pk): entry for entry in found.select_related("story__series")}
    newest = {str(line.object_id): line for line in reversed(lines)}
    handled = [(line, entries[pk]) for pk, line in newest.items() if pk in entries]
    waiting = (State.SUBMITTED, State.DRAFT)
    handled = [(line, entry) for line, entry in handled if entry.state not in waiting]
    return sorted(handled, key=lambda pair: -pair[0].pk)


def _review(request: HttpRequest, permissions: Permissions) -> HttpResponse:
    """Publish a submitted text, send it back, undo that, or submit again."""
    do, data = request.POST.get("do", ""), request.POST
    if not permissions.can_edit and do != "submit":
        raise PermissionDenied
    if do.startswith("publish") and not permissions.can_publish:
        raise PermissionDenied
    pk = int_or_zero(data.get("entry", ""))
    entry = Entry.objects.select_related("story").filter(pk=pk).first()
    if entry is None:
        return _deleted(request, permissions, pk)
    version = int_or_zero(data.get("version", ""))
    to = reverse("admin:entries_entry_queue")

    def act() -> str:
        done, message = _run(entry, version, data, permissions)
        log_action(permissions.user, entry, done)
        return message

    def again() -> HttpResponse:
        if note := data.get("line", "").strip():
            return _keep_note(request, permissions, entry, note)
        if do.startswith("publish") and (changes := _changed_marks(data)):
            return _show(request, permissions, changes=changes)
        return redirect(f"{to}?entry={entry.pk}")

    return respond(request, act, to=to, retry=again)


def _run(
    entry: Entry, version: int, data: QueryDict, permissions: Permissions
) -> tuple[str, str]:
    """Run a button's action; return a message for the log, and one for the editor."""
    do = data.get("do", "")
    if do in ("publish_now", "publish_own"):
        _publish(entry, version, data, permissions)
        words = (
            gettext("Published in %(story)s.")
            if entry.published
            else gettext("Scheduled in %(story)s.")
        )
        return REVIEWED, words % {"story": entry.story.title}
    if do == "undo":
        return _undo(entry, permissions)
    if do == "send_back":
        note = data.get("line", "")
        verbs.send_back(entry, note, version=version or None, by=permissions)
        return "Sent back.", gettext("Sent back to the contributor.")
    if do == "submit":
        verbs.submit(entry, by=permissions)
        return "Submitted.", gettext("Submitted. Waiting for an editor.")
    raise Refused(gettext("There is no such button."))


def _keep_note(
    request: HttpRequest, permissions: Permissions, entry: Entry, note: str
) -> HttpResponse:
    """Show a note that could not be sent: in its field, or as one for colleagues."""
    url = desk_url(entry.story, "entry_notes", entry.pk)
    return _show(request, permissions, unsent=Unsent(note, entry.pk, url))


def _deleted(request: HttpRequest, permissions: Permissions, pk: int) -> HttpResponse:
    """Say who has deleted a text, and show the note that was typed for its writer."""
    found = DeletedEntry.objects.filter(entry_pk=pk).select_related("story").first()
    if found is None:
        raise Http404
    message, status = gone.of_entry(permissions, found.story_id, pk)
    messages.error(request, message)
    note, url = request.POST.get("line", "").strip(), desk_url(found.story, "notes")
    unsent = Unsent(note, pk, url) if note else None
    return _show(request, permissions, status, unsent)


def _publish(entry: Entry, version: int, data: QueryDict, by: Permissions) -> None:
    """Publish a text now, or with the time it was submitted with.

    The marks that were changed in the form are set with it; a colleague may have set
    the others.
    """
    do, at = data["do"], None
    marks = _changed_marks(data)
    if do == "publish_now" and entry.at:
        at = gmt.this_minute()
    elif do == "publish_own" and not entry.at:
        at = gmt.whole_minute(entry.changed_at)
    with locked_entry(entry):
        if at and entry.state == State.SUBMITTED and version == entry.version:
            text = replace(EntryText.of(entry), at=at)
            verbs.edit(entry, text, version=version, author=by.user, by=by)
            version = entry.version
        if marks and not entry.original:
            posting = entry.postings.get(story=entry.story_id)
            posting.entry = entry
            verbs.set_marks(posting, by=by, **marks)
        verbs.publish(entry, version=version, by=by)


def _changed_marks(data: QueryDict) -> dict[str, bool]:
    """Return the marks whose ticks differ from those that the form was shown with."""
    before = data.get("marks", "").split()
    return {name: name in data for name in MARKS if (name in data) != (name in before)}


def _undo(entry: Entry, permissions: Permissions) -> tuple[str, str]:
    """Withdraw a text that was just published from the queue."""
    if entry.published:
        verbs.withdraw(entry, by=permissions)
        done = "Withdrew, just after publishing."
        return done, gettext("Undone. The update is withdrawn.")
    if entry.state == State.SCHEDULED:
        with locked_entry(entry):
            verbs.unschedule(entry, by=permissions)
            verbs.submit(entry, by=permissions)
        return "Unscheduled.", gettext("Undone. The text is in the queue again.")
    if entry.state == State.WITHDRAWN:
        raise Refused(gettext("This update is withdrawn already."))
    raise Refused(gettext("There is nothing to undo."))
