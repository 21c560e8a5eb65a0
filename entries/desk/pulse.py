"""Polling: an open desk asks every two seconds what has changed.

A `Pulse` summarizes the state of a desk. A page sends the pulse it has; while that is
current, the response is empty and costs a single query.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.crypto import constant_time_compare, salted_hmac
from django.views.decorators.http import require_safe

from entries.desk import presence, timeline
from entries.desk.access import desk_view, get_story, int_or_zero
from entries.desk.responses import text_response
from entries.models import Site, Story
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


def current_pulse(story_id: int) -> Pulse | None:
    """Return a desk's current pulse, in one query; None if there is no such story."""
    epoch = Subquery(Site.objects.filter(pk=1).values("epoch"))
    values = (
        Story.objects.filter(pk=story_id)
        .annotate(epoch=epoch, present=presence.digest())
        .values_list("epoch", "desk_seq", "seq", "pk", "present", *_STATE)
        .first()
    )
    if values is None:
        return None
    seal = salted_hmac("entries.desk.pulse", repr(values)).hexdigest()[:24]
    found, desk, seq, _, _, *state = values
    return Pulse(found or "", desk, seq, _state_mark(*state), seal)


_STATE = ("state", "begins_at", "reminded_at", "quiet_since")


def _state_mark(
    state: str,
    begins_at: datetime | None,
    reminded_at: datetime | None,
    quiet_since: datetime | None,
) -> str:
    """Return what changes with the state of a story as its desk shows it."""
    if state == Story.State.ANNOUNCED and begins_at:
        return f"{state}-{begins_at:%Y%m%d%H%M}"
    if quiet_since:
        return f"{state}-quiet"
    return f"{state}-reminded" if reminded_at else state


@require_safe
def poll(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Return what has changed since a pulse; 204 if nothing has.

    A page that sends the current pulse gets the 204 without a query for its session.
    Every few seconds a page also sends a heartbeat, which costs one more query.
    """
    params = request.GET
    known = "beat" not in params or presence.record_heartbeat(
        params.get("me", ""), pk, params.get("doing", "")
    )
    given = Pulse.parse(params.get("have", ""))
    current = current_pulse(pk)
    if known and current is not None and current.same(given):
        return HttpResponse(status=204, headers={"Cache-Control": "no-store"})
    return _changes(request, pk, given, current)


@desk_view("view_story")
def _changes(
    request: HttpRequest, pk: int, given: Pulse | None, current: Pulse | None
) -> HttpResponse:
    story = get_story(pk)
    permissions = Permissions.of(request.user)
    if given is None or current is None:
        return text_response("Load this page again.", 400)
    below = int_or_zero(request.GET.get("below", ""))
    changed = timeline.desk_changes(story, permissions, given.known(current), below)
    # A page that needs several requests to fetch all changes keeps its old pulse until
    # the last one, and then gets the pulse of the first request.
    first = Pulse.parse(request.GET.get("then", "")) or current
    context = {
        "story": story,
        "permissions": permissions,
        "pulse": given if changed.below else first,
        "then": first,
        "below": changed.below,
        "ticket": presence.renew_ticket(permissions, pk, request.GET.get("me", "")),
        "colleagues": presence.colleagues(permissions, pk),
        "rows": changed.rows,
        "gone": changed.gone,
        "restated": given.state != current.state,
        "retold": given.seq < story.head_seq,
    }
    return render(request, "admin/entries/desk/_changes.html", context)
