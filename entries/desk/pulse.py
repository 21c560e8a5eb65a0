"""Polling: an open desk asks what has changed.

A `Pulse` summarizes the state of a desk. A page sends the pulse it has; while that is
current, the response is empty and costs a single query.

A page with a stream (`entries.delivery.desks`) is sent the pulse whenever it changes,
and polls then. A page without one polls every two seconds.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple

from django.db.models import Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_safe

from entries import delivery
from entries.desk import account, notes, presence, timeline
from entries.desk.access import desk_view, get_story, int_or_zero
from entries.desk.responses import text_response
from entries.models import Posting, Presence, Site, Story
from entries.verbs import Permissions


@dataclass(frozen=True)
class Pulse:
    """A summary of the state of a desk.

    `desk` counts the changes of the desk within the site's `epoch`, `seq` those that
    readers see. `seal` is a signature that changes with anything on the desk: a page
    that sends the current one was authorized earlier and is up to date.
    """

    epoch: str
    desk: int
    seq: int
    state: str
    seal: str

    def __str__(self) -> str:
        return f"{self.epoch}-{self.desk}.{self.seq}.{self.state}.{self.seal}"

    @classmethod
    def parse(cls, text: str) -> "Pulse | None":
        """Parse a pulse that a page sent; return None if it is malformed."""
        cursor, _, rest = text.partition(".")
        epoch, _, desk = cursor.rpartition("-")
        seq, _, rest = rest.partition(".")
        state, _, seal = rest.partition(".")
        numbers = desk + seq
        if not (numbers.isascii() and numbers.isdigit() and len(numbers) < 36):
            return None
        return cls(epoch, int(desk or 0), int(seq or 0), state, seal)

    def same(self, other: "Pulse | None") -> bool:
        """Return whether nothing has changed since another pulse."""
        return other is not None and constant_time_compare(self.seal, other.seal)

    def known(self, current: "Pulse") -> int:
        """Return the desk number up to which a page with this pulse has all changes.

        It is -1, so that the page gets all of them, if the pulse has another epoch.
        """
        same = self.epoch == current.epoch and self.desk <= current.desk
        return self.desk if same else -1

    @property
    def changes(self) -> str:
        """Return the part that does not depend on presence."""
        return str(self).removesuffix(self.seal)


def current_pulses(story_ids: Collection[int]) -> dict[int, Pulse]:
    """Return the current pulses of desks by story, in one query."""
    epoch = Subquery(Site.objects.filter(pk=1).values("epoch"))
    rows = (
        Story.objects.filter(pk__in=story_ids)
        .order_by()
        .annotate(epoch=epoch, present=presence.digest())
        .values_list("epoch", "desk_seq", "seq", "pk", "created_at", "present", *_STATE)
    )
    return {values[3]: _pulse_of(values) for values in rows}


def _pulse_of(values: tuple[Any, ...]) -> Pulse:
    seal = salted_hmac("entries.desk.pulse", repr(values)).hexdigest()[:24]
    epoch, desk, seq, _, _, _, *state = values
    return Pulse(epoch or "", desk, seq, _state_mark(*state), seal)


def current_pulse(story_id: int) -> Pulse | None:
    """Return a desk's current pulse, in one query; None if there is no such story."""
    return current_pulses([story_id]).get(story_id)


def looks(story_ids: Collection[int]) -> dict[int, delivery.Look]:
    """Return the pulses that streams send to the open pages of these stories."""
    pulses = current_pulses(story_ids)
    return {pk: delivery.Look(one.changes, str(one)) for pk, one in pulses.items()}


@require_safe
@desk_view("view_story")
def stream(request: HttpRequest, pk: int) -> HttpResponse:
    """Admit a page to the stream of its desk.

    The server's delivery makes a stream of this response. Where that does not happen,
    the page gets an empty one, and polls.
    """
    story = get_story(pk)
    permissions = Permissions.of(request.user)
    ticket = presence.renew_ticket(permissions, story.pk, request.GET.get("me", ""))
    response = HttpResponse("retry: 60000\n\n", content_type="text/event-stream")
    page = ticket.tab if ticket else ""
    response[delivery.ADMITTED] = f"{permissions.user.pk} {story.pk} {page}"
    return response


# In rows that several users get, this is replaced by the token of each. It is random,
# so that no text contains it.
_TOKEN = secrets.token_hex(32)
_STATE = ("state", "begins_at", "reminded_at", "quiet_since")


def _state_mark(
    state: str,
    begins_at: datetime | None,
    reminded_at: datetime | None,
    quiet_since: datetime | None,
) -> str:
    """Return a value that changes with the state of a story as its desk shows it."""
    if state == Story.State.ANNOUNCED and begins_at:
        return f"{state}-{begins_at:%Y%m%d%H%M}"
    if quiet_since:
        return f"{state}-quiet-{quiet_since:%Y%m%d%H%M}"
    return f"{state}-reminded" if reminded_at else state


@require_safe
def poll(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Return what has changed since a pulse; 204 if nothing has.

    A page that sends the current pulse gets the 204 without a query for its session.
    Every few seconds a page also sends a heartbeat, which costs one more query. A page
    whose stream was refused asks to `check` its session.
    """
    params = request.GET
    known = "beat" not in params or presence.record_heartbeat(
        params.get("me", ""), pk, params.get("doing", "")
    )
    known = known and "check" not in params
    given = Pulse.parse(params.get("have", ""))
    current = current_pulse(pk)
    if known and current is not None and current.same(given):
        return HttpResponse(status=204, headers={"Cache-Control": "no-store"})
    translation.activate(account.language_of(request.user))
    return _changes(request, pk, given, current)


vars(poll)["reads_no_session"] = True  # for liveblog.middleware


@desk_view("view_story")
def _changes(
    request: HttpRequest, pk: int, given: Pulse | None, current: Pulse | None
) -> HttpResponse:
    permissions = Permissions.of(request.user)
    if current is None:
        raise Http404
    if given is None:
        return text_response(gettext("Load this page again."), 400)
    below = int_or_zero(request.GET.get("below", ""))
    found = snapshots.read(pk, current, given.known(current), below)
    changed = found.rows_for(permissions)
    # A page that needs several requests to fetch all changes keeps its old pulse until
    # the last one, and then gets the pulse of the first request.
    first = Pulse.parse(request.GET.get("then", "")) or current
    context = {
        "story": found.story,
        "permissions": permissions,
        "pulse": given if changed.below else first,
        "then": first,
        "below": changed.below,
        "ticket": presence.renew_ticket(permissions, pk, request.GET.get("me", "")),
        "colleagues": presence.colleagues(permissions, found.pages),
        "rows": changed.html and _with_token(changed.html, request),
        "restated": given.state != current.state,
        # The head number does not tell of a summary that readers do not see yet.
        "retold": given.seq < found.story.head_seq
        or (found.story.announced and given.known(current) < current.desk),
    }
    response = render(request, "admin/entries/desk/_changes.html", context)
    if found.story.notes_seq > given.known(current):
        fresh = notes.notes_context(found.story, permissions)
        response.write(notes.notes_partials(request, fresh))
    return response


def _with_token(html: str, request: HttpRequest) -> SafeString:
    # Escaped when it was rendered.
    return mark_safe(html.replace(_TOKEN, get_token(request)))  # noqa: S308


class RenderedRows(NamedTuple):
    """The HTML of rows; `below` as in `DeskChanges`."""

    html: str
    below: int | None


@dataclass(frozen=True)
class Snapshot:
    """The changes since one pulse, rendered once for all users who see the same."""

    story: Story
    postings: list[Posting]
    deleted: list[int]  # the entries that have been deleted
    pages: list[Presence]
    read_at: float
    _rendered: dict[object, RenderedRows] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def rows_for(self, permissions: Permissions) -> RenderedRows:
        """Return the rows as a user sees them, with a placeholder for CSRF tokens."""
        user = permissions.user.pk
        # Writers see and may do more with their own entries.
        wrote = any(
            user in (posting.entry.author_id, posting.entry.taken_from_id)
            for posting in self.postings
        )
        who = (permissions.codenames, permissions.superuser, user if wrote else None)
        audience = (*who, get_language())
        with self._lock:
            if audience not in self._rendered:
                self._rendered[audience] = self._render(permissions)
            return self._rendered[audience]

    def _render(self, permissions: Permissions) -> RenderedRows:
        changed = timeline.desk_changes(self.postings, permissions)
        context = {
            "story": self.story,
            "rows": changed.rows,
            "gone": [*changed.gone, *self.deleted],
            "csrf_token": _TOKEN,
        }
        html = render_to_string("admin/entries/desk/_rows.html", context)
        return RenderedRows(html.strip(), changed.below)


@dataclass
class _Slot:
    """A value that desks with the same request share, and a lock for reading it."""

    lock: Lock = field(default_factory=Lock)
    snapshot: Snapshot | None = None


class Snapshots:
    """A cache for open desks, which make the same request at once after a change.

    A snapshot is read after the pulse it is for, so it is never older than that pulse.
    """

    MAX_SECONDS, MAX_NUMBER = 1.0, 32

    def __init__(self) -> None:
        self._slots: dict[tuple[object, ...], _Slot] = {}
        self._lock = Lock()

    def read(self, pk: int, current: Pulse, since: int, below: int) -> Snapshot:
        """Return a story, its postings that changed since, and who is at its desk."""
        key = (pk, current.seal, since, below)
        with self._lock:
            if key not in self._slots and len(self._slots) >= self.MAX_NUMBER:
                self._slots.clear()
            slot = self._slots.setdefault(key, _Slot())
        # One lock per slot, so that a slow read does not delay other requests.
        with slot.lock:
            found, now = slot.snapshot, monotonic()
            if found is None or now - found.read_at > self.MAX_SECONDS:
                story = get_story(pk)
                changed = below or since < current.desk
                postings = (
                    timeline.changed_postings(pk, since, below) if changed else []
                )
                deleted = timeline.deleted_entries(pk, since) if changed else []
                found = Snapshot(story, postings, deleted, presence.pages_at(pk), now)
                slot.snapshot = found
            return found


snapshots = Snapshots()
