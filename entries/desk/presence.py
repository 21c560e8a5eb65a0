"""Who is at a story's desk now, and what they are writing there.

Each open page has a ticket, signed by us, with which its polls say that it is there:
so a poll needs no look at the session. A page that says nothing fades.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from zlib import crc32

from django.contrib.auth.models import User
from django.core import signing
from django.db.models import Exists, OuterRef, Q, Subquery, Sum
from django.utils import timezone

from entries.database import errors
from entries.desk.access import int_or_zero
from entries.models import Entry, Posting, Presence
from entries.verbs import Permissions

FRESH = timedelta(seconds=15)
SKEW = timedelta(minutes=1)  # by which the clocks of two machines may differ
PRUNED = timedelta(hours=1)
VALID = 600  # seconds; then the session is asked again
GONE, EDITING = "gone", "edit-"
_SALT = "entries.desk.presence"


@dataclass(frozen=True)
class Ticket:
    """The right of one page to say that its editor is at a story's desk."""

    user: int
    story: int
    tab: str

    def __str__(self) -> str:
        return signing.dumps([self.user, self.story, self.tab], salt=_SALT)

    @classmethod
    def read(cls, text: str, max_age: int | None = None) -> "Ticket | None":
        """Return what was signed; None for anything else, and for what is too old."""
        try:
            return cls(*signing.loads(text, salt=_SALT, max_age=max_age))
        except signing.BadSignature:
            return None


def arrive(permissions: Permissions, story_id: int) -> Ticket:
    """Say that somebody has opened a desk."""
    now = timezone.now()
    ticket = Ticket(permissions.user.pk, story_id, secrets.token_hex(8))
    with errors.optional_write():
        Presence.objects.filter(story=story_id, seen_at__lt=now - PRUNED).delete()
        _enter(ticket, "")
    return ticket


def _enter(ticket: Ticket, doing: str) -> None:
    Presence.objects.create(
        tab=ticket.tab,
        user_id=ticket.user,
        story_id=ticket.story,
        writing=doing != "",
        mark=_mark(ticket, doing),
        seen_at=timezone.now(),
    )


def _mark(ticket: Ticket, doing: str) -> int:
    return crc32(f"{ticket.tab} {doing}".encode())


def beat(text: str, story_id: int, doing: str) -> bool:
    """Take a page's word of what is done there; False where its ticket is no good.

    `doing`: nothing, `new`, `edit-<entry>` or `gone`. One query.
    """
    ticket = Ticket.read(text, VALID)
    if ticket is None or ticket.story != story_id:
        return False
    with errors.optional_write():
        _note(ticket, doing)
    return True


def _note(ticket: Ticket, doing: str) -> None:
    page = Presence.objects.filter(tab=ticket.tab)
    if doing == GONE:
        page.delete()
        return
    entry_id = int_or_zero(doing.removeprefix(EDITING))
    there = page.update(
        seen_at=timezone.now(),
        writing=doing != "",
        mark=_mark(ticket, doing),
        entry=Subquery(Entry.objects.filter(pk=entry_id).values("pk")[:1]),
    )
    if not there:
        _enter(ticket, doing)


def renew_ticket(permissions: Permissions, story_id: int, text: str) -> Ticket | None:
    """Return a fresh ticket for a page that shows its old one."""
    old = Ticket.read(text)
    mine = old and old.story == story_id and old.user == permissions.user.pk
    return Ticket(old.user, story_id, old.tab) if old and mine else None


def _fresh() -> Q:
    # Whoever was seen much later than now was seen before the clock was put back.
    now = timezone.now()
    return Q(seen_at__gt=now - FRESH, seen_at__lt=now + SKEW)


def digest() -> Subquery:
    """Return what differs, in a query of stories, when anybody comes, acts or goes."""
    fresh = Presence.objects.filter(_fresh(), story=OuterRef("pk"))
    total = fresh.order_by().values("story").annotate(total=Sum("mark"))
    return Subquery(total.values("total"))


@dataclass(frozen=True)
class Colleague:
    """Somebody else at the desk; `entry` is the one being edited, where it shows."""

    name: str
    writing: bool
    entry: Entry | None

    @property
    def label(self) -> str:
        """Return who it is and what is being done."""
        if self.entry:
            return f"{self.name} is editing {self.entry.label}"
        return f"{self.name} is {'writing' if self.writing else 'here'}"


def colleagues(permissions: Permissions, story_id: int) -> list[Colleague]:
    """Return who else is there, those who write first, each once for each doing."""
    fresh = Presence.objects.filter(_fresh(), story=story_id)
    here = Posting.objects.filter(entry=OuterRef("entry"), story=story_id)
    fresh = fresh.annotate(here=Exists(here.filter(removed=False)))
    fresh = fresh.exclude(user=permissions.user)
    found: dict[tuple[int, int], Colleague] = {}
    for page in fresh.select_related("user", "entry", "story").order_by(
        "-writing", "tab"
    ):
        visible = (
            page.here and page.entry and permissions.can_see(page.entry, page.story)
        )
        entry = page.entry if visible else None
        if page.writing or not any(user == page.user_id for user, _ in found):
            own = (page.user_id, entry.pk if entry else 0)
            found.setdefault(own, Colleague(_name(page.user), page.writing, entry))
    return sorted(found.values(), key=lambda one: (not one.writing, one.name))


def _name(user: User) -> str:
    return user.get_full_name() or user.get_username()
