"""What the desk shows of a story's timeline, and what in it has changed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db.models import Exists, OuterRef, Prefetch, Q
from django.utils import timezone

from entries.models import Entry, EntryVersion, Image, Posting, Story
from entries.models.entries import PostingQuerySet
from entries.text import gmt, rendering, time_input
from entries.verbs import WAITING_STATES, Permissions

PAGE_SIZE = 50
MAX_CHANGES = 100

State = Entry.State


class Button(NamedTuple):
    """A button of a row: what it does, its words, and the name it keeps.

    `pressed` is None where it is no toggle.
    """

    do: str
    label: str
    name: str
    pressed: bool | None = None


@dataclass(frozen=True)
class Row:
    """One posting as the desk lists it, for somebody with these permissions."""

    posting: Posting
    permissions: Permissions
    now: datetime

    @property
    def entry(self) -> Entry:
        """Return its entry."""
        return self.posting.entry

    @property
    def viewable(self) -> bool:
        """Whether it is for their eyes."""
        return self.permissions.can_see(self.entry, self.posting.story)

    @property
    def place(self) -> str:
        """Return the list it stands in."""
        if self.entry.original:
            return "original"
        return "waiting" if self.entry.state in WAITING_STATES else "timeline"

    @property
    def key(self) -> str:
        """Return what lists sort by: its time (else when it was written), then id."""
        at = self.posting.at.astimezone(UTC)
        return f"{at:%Y%m%d%H%M%S}-{self.entry.pk}"

    @property
    def identity(self) -> str:
        """Return what differs as soon as the row looks different."""
        posting = self.posting
        changed = f"{self.entry.changed_at:%H%M%S%f}"
        marks = f"{posting.pinned:d}{posting.key_event:d}{len(self.missing)}"
        return f"{changed}-{posting.seq or 0}-{marks}-{posting.story.state}"

    @property
    def state_key(self) -> tuple[object, ...]:
        """Return what its buttons change, to see whether one did."""
        posting = self.posting
        marks = (posting.pinned, posting.key_event, posting.removed)
        return (self.entry.state, self.entry.at, *marks)

    @property
    def stamp(self) -> str:
        """Return its time, with the date on days other than the story's first."""
        if self.entry.original:
            return "ORIGINAL ENTRY"
        if self.entry.at is None:
            return "No time yet"
        return gmt.format_stamp(self.entry.at, self.posting.story.first_day)

    @property
    def dated(self) -> str:
        """Return its time with the date always, for a list across stories."""
        return gmt.format_dated(self.entry.at) if self.entry.at else self.stamp

    @property
    def label(self) -> str:
        """Return its state in words; nothing for what is simply published."""
        entry = self.entry
        if entry.erased_at:
            return "Erased"
        if entry.published:
            if getattr(self.posting, "changed_since_closing", False):
                return "Changed after the end"
            return "" if self.posting.story.public else "Waits for the story"
        if entry.state == State.SCHEDULED and entry.at:
            words = time_input.describe_moment(entry.at, self.now)
            return f"Due since {words}" if self.late else f"Scheduled for {words}"
        return str(entry.get_state_display())

    @property
    def late(self) -> bool:
        """Whether its time has come and its story does not run."""
        entry = self.entry
        due = entry.at is not None and entry.at + timedelta(minutes=1) < self.now
        return due and entry.state == State.SCHEDULED

    @property
    def author(self) -> str:
        """Return who wrote it."""
        author = self.entry.author
        return (author.get_full_name() or author.get_username()) if author else ""

    @property
    def excerpt(self) -> str:
        """Return how the text begins."""
        return rendering.first_words(self.entry.html, 24)

    @property
    def missing(self) -> list[Image]:
        """Return the pictures whose files have not arrived."""
        return list(getattr(self.entry, "missing_images", ()))

    @property
    def editable(self) -> bool:
        """Whether its text can be changed here."""
        return self.posting.home and self.permissions.can_change(self.entry)

    @property
    def sent_back(self) -> str:
        """Return why an editor gave it back, while it was not submitted again."""
        return self.entry.sent_back if self.entry.state == State.DRAFT else ""

    @property
    def movable(self) -> bool:
        """Whether they may move it to another story."""
        entry = self.entry
        stays = entry.original or entry.erased_at is not None
        return self.posting.home and self.permissions.can_edit and not stays

    @property
    def number(self) -> str:
        """Return its entry's id, for names in templates."""
        return str(self.entry.pk)

    @property
    def has_history(self) -> bool:
        """Whether they may see its history."""
        mine = self.entry.author_id == self.permissions.user.pk
        return self.posting.home and (self.permissions.can_view_unpublished or mine)

    @property
    def public(self) -> bool:
        """Whether readers find it at its address."""
        return self.posting.visible and not self.entry.original

    @property
    def elsewhere(self) -> list[Posting]:
        """Return its postings in other stories, its home left out."""
        found = getattr(self.entry, "current_postings", ())
        return [p for p in found if p.story_id != self.entry.story_id]

    @property
    def also_in(self) -> list[Story]:
        """Return the other stories that show it, for its row at home."""
        return [p.story for p in self.elsewhere] if self.posting.home else []

    @property
    def cross_postable(self) -> bool:
        """Whether it can be placed in other stories from here."""
        shown = self.public and self.entry.story.public
        return self.permissions.can_cross_post and shown

    @property
    def buttons(self) -> list[Button]:
        """Return the buttons that its state and the permissions offer."""
        if self.posting.home:
            return [*self._marks, *self._steps]
        back = Button("take_back", "Take back", "back")
        return [*self._marks, back] if self.permissions.can_cross_post else self._marks

    @property
    def _marks(self) -> list[Button]:
        if self.entry.original or not self.permissions.can_edit:
            return []
        key, pin = self.posting.key_event, self.posting.pinned
        return [
            Button("unkey" if key else "key", "Key event", "key", key),
            Button("unpin" if pin else "pin", "Pin", "pin", pin),
        ]

    @property
    def _steps(self) -> list[Button]:
        """Return the ways from its state to another."""
        state, steps = self.entry.state, []
        if self.permissions.can_edit and state in WAITING_STATES:
            steps.append(Button("publish", self._publish_label, "publish"))
        elif state == State.DRAFT and self.permissions.owns(self.entry):
            steps.append(Button("submit", "Submit", "publish"))
        if self.permissions.can_edit and state in (State.SCHEDULED, State.SUBMITTED):
            steps.append(Button("unschedule", "Make a draft", "draft"))
        if self.permissions.can_change(self.entry):
            back = state == State.WITHDRAWN
            do, word = ("restore", "Restore") if back else ("withdraw", "Withdraw")
            steps.append(Button(do, word, "withdraw"))
        return steps

    @property
    def _publish_label(self) -> str:
        entry = self.entry
        future = entry.at is not None and entry.at > self.now
        if entry.state == State.SCHEDULED:
            return "Publish now"
        return "Schedule" if future else "Publish"


@dataclass(frozen=True)
class Window:
    """One page of the desk's timeline."""

    rows: list[Row]
    waiting: list[Row]
    original: Row | None
    older: int | None
    front: bool


def row_postings(
    story_id: int, *, images: bool = True, others: bool = True
) -> PostingQuerySet:
    """Return a story's postings with all that rows show, newest first.

    `images`: whether any of them may show one; `others`: whether any may stand in
    another story too.
    """
    found = Posting.objects.filter(story=story_id)
    return with_row_data(found, images=images, others=others)


def with_row_data(
    found: PostingQuerySet, *, images: bool = True, others: bool = True
) -> PostingQuerySet:
    """Return postings with all that rows show, newest first."""
    files = Image.objects.filter(stem="")
    missing = Prefetch("entry__images", files, to_attr="missing_images")
    rows = Posting.objects.filter(removed=False).select_related("story__series")
    current = Prefetch("entry__postings", rows.order_by("story_id"), "current_postings")
    fetched = [*([missing] if images else []), *([current] if others else [])]
    later = EntryVersion.objects.filter(
        entry=OuterRef("entry"), changed_at__gt=OuterRef("story__closed_at")
    )
    return (
        found.select_related("entry__author", "entry__story__series", "story__series")
        .prefetch_related(*fetched)
        .annotate(changed_since_closing=Exists(later))
        .newest()
    )


def timeline_window(
    story: Story, permissions: Permissions, before: int = 0, start: int = 0
) -> Window:
    """Return the newest page; that below the entry `before`; or that from `start`.

    A page below has neither waiting texts nor the original entry on it.
    """
    standing = _for(row_postings(story.pk).filter(removed=False), permissions)
    front = not (before or start)
    page = standing.filter(entry__kind=Entry.Kind.UPDATE).exclude(
        entry__state__in=WAITING_STATES
    )
    if not front:
        page = _from(story, permissions, page, before or start, inclusive=not before)
    rows = as_rows(page[: PAGE_SIZE + 1], permissions)
    own = Entry.objects.filter(story=story).order_by().values("pk")
    original = own.filter(kind=Entry.Kind.ORIGINAL)
    # Not with OR, for which every entry of the story would be read.
    waiting = original.union(own.filter(state__in=WAITING_STATES), all=True)
    special = standing.filter(entry__in=waiting)
    special = special.order_by("entry__kind", "-at", "-entry_id")
    special_rows = as_rows(special[:MAX_CHANGES], permissions) if front else []
    return Window(
        rows=rows[:PAGE_SIZE],
        waiting=[row for row in special_rows if row.place == "waiting"],
        original=next((row for row in special_rows if row.place == "original"), None),
        older=rows[PAGE_SIZE - 1].entry.pk if len(rows) > PAGE_SIZE else None,
        front=front,
    )


def _for(rows: PostingQuerySet, permissions: Permissions) -> PostingQuerySet:
    """Keep what somebody may see, as `Permissions.can_see` tells it of one entry."""
    if permissions.can_view_unpublished:
        return rows
    return rows.filter(Q(visible=True) | Q(entry__author=permissions.user))


def _from(
    story: Story,
    permissions: Permissions,
    page: PostingQuerySet,
    entry_id: int,
    *,
    inclusive: bool,
) -> PostingQuerySet:
    """Keep a page from an entry downwards, where they know when that is of."""
    found = Posting.objects.filter(story=story, entry=entry_id)
    posting = found.select_related("entry").first()
    if posting is None:
        return page
    at = posting.at
    if posting.seq is None and not permissions.can_see(posting.entry, story):
        return page
    same = Q(at=at, entry_id__lt=entry_id + inclusive)
    return page.filter(Q(at__lte=at) & (Q(at__lt=at) | same))


def as_rows(rows: Iterable[Posting], permissions: Permissions) -> list[Row]:
    """Return postings as rows for somebody."""
    now = timezone.now()
    return [Row(posting, permissions, now) for posting in rows]


@dataclass(frozen=True)
class DeskChanges:
    """What a page of the desk lacks: rows to put in, entries to take away.

    `below` is the entry under which the rest stands, None where this is all.
    """

    rows: list[Row]
    gone: list[int]
    below: int | None


def desk_changes(
    story: Story, permissions: Permissions, since: int, below: int = 0
) -> DeskChanges:
    """Return what has changed since a number of the desk's counter.

    It comes by the hundred, the newest entries first; `below` asks for what is under
    an entry. Ids stay as they are, so that nothing slips through between two.
    """
    found = row_postings(story.pk).filter(desk_seq__gt=since).order_by("-entry_id")
    if below:
        found = found.filter(entry_id__lt=below)
    fetched = as_rows(found[: MAX_CHANGES + 1], permissions)
    rows = fetched[:MAX_CHANGES]
    shown = [r for r in rows if not r.posting.removed and r.viewable]
    return DeskChanges(
        rows=shown,
        gone=[row.entry.pk for row in rows if row not in shown],
        below=rows[-1].entry.pk if len(fetched) > MAX_CHANGES else None,
    )
