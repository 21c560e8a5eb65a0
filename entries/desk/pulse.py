"""Polling: how an open desk learns every two seconds what has changed.

A `Pulse` is the state of a desk in a few numbers. A page sends back the pulse it has;
as long as that is the current one, the answer costs a single query and is empty.
"""

from dataclasses import dataclass

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
    """The state of a desk's timeline in a few numbers.

    `desk` counts the desk's changes within the site's history `epoch`, `seq` counts
    those readers see. `seal` is a signature that changes with anything on the desk:
    whoever sends the current one was let in before and has seen the current timeline.
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
        """Parse what a page sends back; None if it is not a pulse."""
        cursor, _, rest = text.partition(".")
        epoch, _, desk = cursor.rpartition("-")
        seq, _, rest = rest.partition(".")
        state, _, seal = rest.partition(".")
        numbers = desk + seq
        if not (numbers.isascii() and numbers.isdigit() and len(numbers) < 36):
            return None
        return cls(epoch, int(desk or 0), int(seq or 0), state, seal)

    def same(self, other: "Pulse | None") -> bool:
        """Return whether nothing has changed since the other pulse."""
        return other is not None and constant_time_compare(self.seal, other.seal)

    def known(self, current: "Pulse") -> int:
        """Return the number after which a page with this pulse lacks changes.

        -1, which is before all of them, if the pulse is of another epoch.
        """
        same = self.epoch == current.epoch and self.desk <= current.desk
        return self.desk if same else -1


def current_pulse(story_id: int) -> Pulse | None:
    """Return the current pulse of a desk in one query; None if there is no story."""
    epoch = Subquery(Site.objects.filter(pk=1).values("epoch"))
    facts = (
        Story.objects.filter(pk=story_id)
        .annotate(epoch=epoch, present=presence.digest())
        .values_list("epoch", "desk_seq", "seq", "state", "pk", "present")
        .first()
    )
    if facts is None:
        return None
    seal = salted_hmac("entries.desk.pulse", repr(facts)).hexdigest()[:24]
    return Pulse(facts[0] or "", *facts[1:4], seal)


@require_safe
def poll(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Answer what has changed since a pulse; 204 if nothing has.

    A page that sends the current pulse gets the 204 without a look at its session.
    Every few seconds a page also says, at the cost of one more query, what its editor
    is doing.
    """
    asked = request.GET
    known = "beat" not in asked or presence.beat(
        asked.get("me", ""), pk, asked.get("doing", "")
    )
    given = Pulse.parse(asked.get("have", ""))
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
    # A page that fetches its changes in several requests keeps its old pulse until the
    # last one, and then has the state of its first request.
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
