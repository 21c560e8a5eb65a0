"""Presence: who is at a story's desk now, and what they are writing there.

Every open page gets a signed ticket, and sends it with its polls as a heartbeat. The
ticket replaces the session, which saves the query for it. While a page has a stream,
the server of the stream records the heartbeats of all its pages at once. Pages without
heartbeats count as closed after a few seconds.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from zlib import crc32

from django.contrib.auth.models import User
from django.core import signing
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, Sum
from django.utils import timezone
from django.utils.translation import gettext

from entries import delivery
from entries.database import errors
from entries.desk.access import display_name, int_or_zero
from entries.models import Entry, Posting, Presence
from entries.verbs import Permissions

FRESH_FOR = timedelta(seconds=15)
MAX_CLOCK_SKEW = timedelta(minutes=1)  # between the clocks of two machines
PRUNE_AFTER = timedelta(hours=1)
TICKET_SECONDS = 600  # until the session is checked again
GONE, EDITING, REVIEWING = "gone", "edit-", "review-"
_SALT = "entries.desk.presence"


@dataclass(frozen=True)
class Ticket:
    """The signed token with which an open page reports its user's presence."""

    user: int
    story: int
    tab: str

    def __str__(self) -> str:
        return signing.dumps([self.user, self.story, self.tab], salt=_SALT)

    @classmethod
    def read(cls, text: str, max_age: int | None = None) -> "Ticket | None":
        """Parse a ticket; return None if it has expired or its signature is invalid."""
        try:
            return cls(*signing.loads(text, salt=_SALT, max_age=max_age))
        except signing.BadSignature:
            return None


def record_arrival(permissions: Permissions, story_id: int) -> Ticket:
    """Record that a user has opened a desk, and return the ticket of the page."""
    ticket = Ticket(permissions.user.pk, story_id, secrets.token_hex(8))
    with errors.optional_write():
        _insert(ticket, "")
        delivery.nudge_desks()
    return ticket


def _insert(ticket: Ticket, doing: str) -> None:
    Presence.objects.create(
        tab=ticket.tab,
        user_id=ticket.user,
        story_id=ticket.story,
        writing=_is_writing(doing),
        mark=_checksum(ticket, doing),
        seen_at=timezone.now(),
    )


def _is_writing(doing: str) -> bool:
    return doing != "" and not doing.startswith(REVIEWING)


def _checksum(ticket: Ticket, doing: str) -> int:
    return crc32(f"{ticket.tab} {doing}".encode())


def record_heartbeat(text: str, story_id: int, doing: str) -> bool:
    """Record a page's heartbeat; return False if its ticket is invalid.

    One query, if the page does what it did before. `doing` is empty, `new`,
    `edit-<entry>`, `review-<entry>` or `gone`.
    """
    ticket = Ticket.read(text, TICKET_SECONDS)
    if ticket is None or ticket.story != story_id:
        return False
    with errors.optional_write():
        _update(ticket, doing)
    return True


def _update(ticket: Ticket, doing: str) -> None:
    page = Presence.objects.filter(tab=ticket.tab)
    same = page.filter(mark=_checksum(ticket, doing))
    if doing == GONE:
        old = Q(story=ticket.story, seen_at__lt=timezone.now() - PRUNE_AFTER)
        Presence.objects.filter(Q(tab=ticket.tab) | old).delete()
    elif not same.update(seen_at=timezone.now()):
        _change(page, ticket, doing)
    else:
        return
    delivery.nudge_desks()


def _change(page: QuerySet[Presence], ticket: Ticket, doing: str) -> None:
    entry_id = int_or_zero(doing.removeprefix(EDITING).removeprefix(REVIEWING))
    updated = page.update(
        seen_at=timezone.now(),
        writing=_is_writing(doing),
        mark=_checksum(ticket, doing),
        entry=Subquery(Entry.objects.filter(pk=entry_id).values("pk")[:1]),
    )
    # The row of somebody who was deactivated is gone, and their ticket still valid.
    if not updated and User.objects.filter(pk=ticket.user, is_active=True).exists():
        _insert(ticket, doing)


def keep_present(tabs: Collection[str]) -> None:
    """Record a heartbeat of each of these pages, in one query."""
    with errors.optional_write():
        Presence.objects.filter(tab__in=tabs).update(seen_at=timezone.now())


def renew_ticket(permissions: Permissions, story_id: int, text: str) -> Ticket | None:
    """Return a new ticket for a page, based on its expired one."""
    old = Ticket.read(text)
    mine = old and old.story == story_id and old.user == permissions.user.pk
    return Ticket(old.user, story_id, old.tab) if old and mine else None


def _is_fresh() -> Q:
    # A time far in the future dates from before the clock was set back.
    now = timezone.now()
    return Q(seen_at__gt=now - FRESH_FOR, seen_at__lt=now + MAX_CLOCK_SKEW)


def digest() -> Subquery:
    """Return a subquery for stories: a number that changes whenever presence does."""
    fresh = Presence.objects.filter(_is_fresh(), story=OuterRef("pk"))
    total = fresh.order_by().values("story").annotate(total=Sum("mark"))
    return Subquery(total.values("total"))


@dataclass(frozen=True)
class Colleague:
    """A colleague at the desk; `entry` is what they edit, if the user may see it."""

    name: str
    writing: bool
    entry: Entry | None

    @property
    def label(self) -> str:
        """Return the name and the activity of the colleague."""
        values = {"name": self.name, "entry": self.entry and self.entry.label}
        if self.entry and self.writing:
            return gettext("%(name)s is editing %(entry)s") % values
        if self.entry:
            return gettext("%(name)s is reviewing %(entry)s") % values
        words = (
            gettext("%(name)s is writing")
            if self.writing
            else gettext("%(name)s is here")
        )
        return words % values


def reviewers(permissions: Permissions) -> dict[int, list[str]]:
    """Return the names of colleagues who have texts open in the review queue."""
    fresh = Presence.objects.filter(_is_fresh(), writing=False).exclude(entry=None)
    found: dict[int, set[str]] = {}
    for page in fresh.exclude(user=permissions.user).select_related("user"):
        found.setdefault(page.entry_id or 0, set()).add(display_name(page.user))
    return {entry: sorted(names) for entry, names in found.items()}


def by_story() -> dict[int, list[Colleague]]:
    """Return who is at the desks now, by story, in one query."""
    fresh = Presence.objects.filter(_is_fresh()).select_related("user")
    found: dict[int, dict[int, Colleague]] = {}
    for page in fresh.order_by("-writing", "tab"):
        here = found.setdefault(page.story_id, {})
        name = display_name(page.user)
        here.setdefault(page.user_id, Colleague(name, page.writing, None))
    return {story: list(here.values()) for story, here in found.items()}


def pages_at(story_id: int) -> list[Presence]:
    """Return the open pages of a desk, with those where somebody is writing first."""
    fresh = Presence.objects.filter(_is_fresh(), story=story_id)
    here = Posting.objects.filter(entry=OuterRef("entry"), story=story_id)
    fresh = fresh.annotate(here=Exists(here.filter(removed=False)))
    return list(
        fresh.select_related("user", "entry", "story").order_by("-writing", "tab")
    )


def colleagues(permissions: Permissions, pages: list[Presence]) -> list[Colleague]:
    """Return the colleagues at these pages of a desk, those who are writing first.

    A colleague with several pages is listed once for each entry they are writing.
    """
    found: dict[tuple[int, int], Colleague] = {}
    for page in pages:
        if page.user_id == permissions.user.pk:
            continue
        entry = page.entry if getattr(page, "here", False) else None
        if entry and not permissions.can_see(entry, page.story):
            entry = None
        if page.writing or not any(user == page.user_id for user, _ in found):
            own = (page.user_id, entry.pk if entry else 0)
            name = display_name(page.user)
            found.setdefault(own, Colleague(name, page.writing, entry))
    return sorted(found.values(), key=lambda one: (not one.writing, one.name))
