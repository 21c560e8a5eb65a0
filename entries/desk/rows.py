"""Rows: the postings of a story as the desk lists them, each with its buttons.

`Row` decides what a user sees of a posting and may do with it; `row_postings()` fetches
postings with everything that their rows show.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import (
    Exists,
    OuterRef,
    Prefetch,
    Subquery,
    prefetch_related_objects,
)
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext as _

from entries.desk import titles
from entries.desk.access import desk_url, display_name
from entries.models import Entry, EntryVersion, Image, Note, Posting, Story
from entries.models.entries import PostingQuerySet
from entries.text import cldr, gmt, rendering, time_input, urls
from entries.verbs import WAITING_STATES, Permissions

State = Entry.State
ROW_EXCERPT_WORDS = 24
_SMALLEST = re.compile(r'<img\b[^>]*\bsrcset="([^\s"]+)')


class Button(NamedTuple):
    """A button of a row: its action, its label, and its name in HTML ids.

    The name does not change with the label, so that the button keeps the focus.
    `pressed` is None for a button that is not a toggle. Those not
    `at_hand` are in the row's menu.
    """

    do: str
    label: str
    name: str
    pressed: bool | None = None
    icon: str = ""
    at_hand: bool = True

    @property
    def danger(self) -> bool:
        """Whether it removes something that readers see."""
        return self.do in ("withdraw", "take_back")


@dataclass(frozen=True)
class Row:
    """A posting as the desk lists it for one user."""

    posting: Posting
    permissions: Permissions
    now: datetime

    def get_absolute_url(self) -> str:
        """Return the URL of the desk's page that shows the row."""
        page = f"?from={self.entry.pk}" if self.place == "timeline" else ""
        return f"{desk_url(self.posting.story)}{page}#row-{self.entry.pk}"

    @property
    def entry(self) -> Entry:
        return self.posting.entry

    @property
    def viewable(self) -> bool:
        """Whether the user may see the entry."""
        return self.permissions.can_see(self.entry, self.posting.story)

    @property
    def place(self) -> str:
        """Return the id of the list that holds the row."""
        if self.entry.original:
            return "original"
        return "waiting" if self.entry.state in WAITING_STATES else "timeline"

    @property
    def key(self) -> str:
        """Return the sort key: time (or else when written), then id."""
        at = self.posting.at.astimezone(UTC)
        return f"{at:%Y%m%d%H%M%S}-{self.entry.pk}"

    @property
    def identity(self) -> str:
        """Return a value that changes whenever the row looks different."""
        posting = self.posting
        changed = f"{self.entry.changed_at:%H%M%S%f}"
        marks = f"{posting.pinned:d}{posting.key_event:d}{len(self.missing)}"
        marks += f"{len(self.undescribed)}"
        notes = f"{len(self.notes)}.{self.notes[-1].pk if self.notes else 0}"
        return f"{changed}-{posting.seq or 0}-{marks}-{posting.story.state}-{notes}"

    @property
    def status(self) -> tuple[object, ...]:
        """Return the values that buttons change, to detect a press without effect."""
        posting = self.posting
        marks = (posting.pinned, posting.key_event, posting.removed)
        return (self.entry.state, self.entry.at, self.entry.author_id, *marks)

    @property
    def stamp(self) -> str:
        """Return the time as readers see it, with the date unless they need none."""
        if self.entry.original:
            return gettext("ORIGINAL ENTRY")
        if self.entry.at is None:
            return gettext("No time yet")
        story = self.posting.story
        return gmt.format_stamp(self.entry.at, None if story.dated else story.first_day)

    @property
    def hhmm(self) -> str:
        """Return the time without the day, which lists show between their rows."""
        at = self.entry.at
        return gmt.format_hhmm(at) if at and not self.entry.original else ""

    @property
    def day(self) -> str:
        """Return the day of the row's time, as lists head the rows of a day."""
        at = self.entry.at
        if at is None or self.entry.original:
            return ""
        return cldr.format_full_date(at.astimezone(UTC).date())

    @property
    def dated(self) -> str:
        """Return the time with the date, for lists of several stories."""
        return gmt.format_dated(self.entry.at) if self.entry.at else self.stamp

    @property
    def label(self) -> str:
        """Return the label of the state; empty if it is published as usual."""
        entry = self.entry
        if entry.erased_at:
            return _("Erased")
        if entry.published:
            if getattr(self.posting, "changed_since_closing", False):
                return _("Edited after the story closed")
            return "" if self.posting.story.begun else _("Queued")
        if entry.state == State.SCHEDULED and entry.at:
            moment = time_input.describe_moment(entry.at, self.now)
            words = _("Due since {time}") if self.late else _("Scheduled for {time}")
            return words.format(time=moment)
        return str(entry.get_state_display())

    @property
    def late(self) -> bool:
        """Whether it is overdue, because its story is not live."""
        entry = self.entry
        due = entry.at is not None and entry.at + timedelta(minutes=1) < self.now
        return due and entry.state == State.SCHEDULED

    @property
    def author(self) -> str:
        return display_name(self.entry.author)

    @property
    def taken_from(self) -> str:
        """Return who began a draft that its author has taken over."""
        return display_name(self.entry.taken_from)

    @property
    def notes(self) -> list[Note]:
        """Return the open notes on the entry, and their replies, in their order."""
        return list(getattr(self.entry, "open_notes", ()))

    @property
    def withdrawn(self) -> bool:
        """Whether the timeline folds it away."""
        return self.entry.state == State.WITHDRAWN

    @property
    def deletable(self) -> bool:
        """Whether the person may delete it: no reader has seen it, nor will."""
        unseen = self.posting.home and self.posting.seq is None
        rests = self.entry.state in (State.DRAFT, State.WITHDRAWN)
        return unseen and rests and self.permissions.can_delete(self.entry)

    @property
    def corrected(self) -> str:
        """Return the time of the last correction; empty if there is none."""
        at = getattr(self.posting, "corrected_at", None)
        return self._changed(at) if at and self.entry.published_at else ""

    @property
    def edited(self) -> str:
        """Return when it was last edited since it was published; empty if never."""
        at, published = (
            getattr(self.posting, "edited_at", None),
            self.entry.published_at,
        )
        return self._changed(at) if at and published and at > published else ""

    def _changed(self, at: datetime) -> str:
        """Return when it was changed, with the date if that was on another day."""
        time, day = gmt.format_hhmm(at), at.astimezone(UTC).date()
        if day == self.posting.at.astimezone(UTC).date():
            return time
        return _("{time} on {day}").format(time=time, day=gmt.format_day(day))

    @property
    def other_editor(self) -> str:
        """Return the username of who edited it last, if that was not its author."""
        name: str = getattr(self.posting, "edited_by", None) or ""
        author = self.entry.author
        return "" if author and author.get_username() == name else name

    @property
    def excerpt(self) -> str:
        """Return the first words of the text."""
        return rendering.first_words(self.entry.html, ROW_EXCERPT_WORDS)

    @property
    def thumb(self) -> str:
        """Return the URL of its first picture in the smallest size; empty for none."""
        found = _SMALLEST.search(self.entry.html)
        return found[1] if found else ""

    @property
    def missing(self) -> list[Image]:
        """Return the images whose files are missing."""
        return [image for image in self._hidden_images if image.missing]

    @property
    def undescribed(self) -> list[Image]:
        """Return the images that readers do not see before they have alt text."""
        return [image for image in self._hidden_images if not image.missing]

    @property
    def _hidden_images(self) -> Sequence[Image]:
        return getattr(self.entry, "hidden_images", ())

    @property
    def can_link_lines(self) -> bool:
        """Whether the user may choose the targets of its “See” lines."""
        return self.editable or (self.posting.home and self.permissions.can_edit_links)

    @property
    def see_offers(self) -> list[titles.Offer]:
        """Return the titles of its “See” lines that name no story, with likely ones."""
        loose = getattr(self.posting, "has_loose_lines", False)
        return titles.offers(self.entry) if loose and self.can_link_lines else []

    @property
    def editable(self) -> bool:
        """Whether the user may edit the text here, which is its own story."""
        return self.posting.home and self.permissions.can_change(self.entry)

    @property
    def sent_back(self) -> str:
        """Return the note with which an editor sent it back; empty once resubmitted."""
        return self.entry.sent_back if self.entry.state == State.DRAFT else ""

    @property
    def movable(self) -> bool:
        """Whether the user may move it to another story."""
        entry = self.entry
        stays = entry.original or entry.erased_at is not None
        return self.posting.home and self.permissions.can_edit and not stays

    @property
    def separable(self) -> bool:
        """Whether the person may make it a story of its own."""
        stays = self.entry.original or self.withdrawn  # as what was erased is, too
        return self.posting.home and self.permissions.has("add_story") and not stays

    @property
    def number(self) -> str:
        """Return the entry's id as a string, from which templates build HTML ids."""
        return str(self.entry.pk)

    @property
    def has_history(self) -> bool:
        """Whether the user may see the entry's history."""
        writers = (self.entry.author_id, self.entry.taken_from_id)
        mine = self.permissions.user.pk in writers
        return self.posting.home and (self.permissions.can_view_unpublished or mine)

    @property
    def public(self) -> bool:
        """Whether it has a public URL of its own."""
        return self.posting.visible and not self.entry.original

    @property
    def public_url(self) -> str:
        """Return that URL, absolute, to copy."""
        path = reverse("entry", args=[self.posting.story.slug, self.entry.pk])
        return urls.absolute_url(path)

    @property
    def elsewhere(self) -> list[Posting]:
        """Return its cross-posts: postings in stories other than its own."""
        found = getattr(self.entry, "current_postings", ())
        return [p for p in found if p.story_id != self.entry.story_id]

    @property
    def also_in(self) -> list[Story]:
        """Return the stories it is cross-posted to, if this is its own story."""
        return [p.story for p in self.elsewhere] if self.posting.home else []

    @property
    def cross_postable(self) -> bool:
        """Whether the user may cross-post it to other stories."""
        visible = self.public and self.entry.story.begun
        return self.permissions.can_cross_post and visible

    @property
    def buttons(self) -> list[Button]:
        """Return the buttons for its state and the user's permissions."""
        if self.posting.home:
            return [*self._marks, *self._state_buttons]
        remove = Button("take_back", _("Remove"), "back", at_hand=False)
        return [*self._marks, *([remove] if self.permissions.can_cross_post else [])]

    @property
    def _marks(self) -> list[Button]:
        if self.entry.original or not self.permissions.can_edit:
            return []
        key, pin = self.posting.key_event, self.posting.pinned
        return [
            Button("unkey" if key else "key", _("Key event"), "key", key, "star"),
            Button("unpin" if pin else "pin", _("Pin"), "pin", pin, "pin"),
        ]

    @property
    def _state_buttons(self) -> list[Button]:
        state, buttons = self.entry.state, []
        if self.permissions.can_edit and state in WAITING_STATES:
            buttons.append(Button("publish", self._publish_label, "publish"))
        elif state == State.DRAFT and self.permissions.owns(self.entry):
            buttons.append(Button("submit", _("Submit"), "publish"))
        if self.permissions.can_edit and state in (State.SCHEDULED, State.SUBMITTED):
            buttons.append(
                Button("unschedule", _("Unschedule"), "draft", at_hand=False)
            )
        if self.permissions.can_take_over(self.entry):
            buttons.append(
                Button("take_over", _("Take over"), "take-over", at_hand=False)
            )
        if self.permissions.can_change(self.entry):
            if self.withdrawn:
                buttons.append(Button("restore", _("Restore"), "withdraw"))
            elif not (self.deletable and state == State.DRAFT):
                buttons.append(
                    Button("withdraw", _("Withdraw"), "withdraw", at_hand=False)
                )
        return buttons

    @property
    def _publish_label(self) -> str:
        entry = self.entry
        future = entry.at is not None and entry.at > self.now
        if entry.state == State.SCHEDULED:
            return _("Publish now")
        return _("Schedule") if future else _("Publish")


def row_postings(
    story_id: int, *, images: bool = True, others: bool = True, notes: bool = True
) -> PostingQuerySet:
    """Return a story's postings with the data of their rows, newest first.

    To save queries, pass `images=False` if no entry has images, `others=False` if none
    is in another story, and `notes=False` if none has notes to show.
    """
    found = Posting.objects.filter(story=story_id)
    return with_row_data(found, images=images, others=others, notes=notes)


def with_row_data(
    found: PostingQuerySet,
    *,
    images: bool = True,
    others: bool = True,
    notes: bool = True,
) -> PostingQuerySet:
    """Fetch the data that rows show along with the postings, newest first."""
    fetched = _prefetches(images=images, others=others, notes=notes)
    versions = EntryVersion.objects.filter(entry=OuterRef("entry"))
    latest = versions.order_by("-number")
    corrections = latest.filter(hidden=False).exclude(correction="")
    later = versions.filter(changed_at__gt=OuterRef("story__closed_at"))
    return (
        found.select_related(
            "entry__author",
            "entry__story__series",
            "story__series",
        )
        # No join: with one more, PostgreSQL does not look for the best order of them.
        .prefetch_related("entry__taken_from", *fetched)
        .annotate(
            corrected_at=Subquery(corrections.values("changed_at")[:1]),
            edited_at=Subquery(latest.values("changed_at")[:1]),
            edited_by=Subquery(latest.values("changed_by__username")[:1]),
            changed_since_closing=Exists(later),
            has_loose_lines=titles.loose_lines("entry"),
        )
        .newest()
    )


def _prefetches(*, images: bool, others: bool, notes: bool) -> "list[Prefetch[Any]]":
    hidden = Image.objects.hidden()
    rows = Posting.objects.filter(removed=False).select_related("story__series")
    open_notes = Note.objects.open().select_related("author").order_by("pk")
    wanted = {
        Prefetch("entry__images", hidden, to_attr="hidden_images"): images,
        Prefetch("entry__postings", rows.order_by("story_id"), "current_postings"): (
            others
        ),
        Prefetch("entry__notes", open_notes, "open_notes"): notes,
    }
    return [prefetch for prefetch, is_wanted in wanted.items() if is_wanted]


def add_row_data(rows: Iterable[Row], *, notes: bool) -> None:
    """Prefetch the data of rows that were fetched without, for all of them at once."""
    postings = [row.posting for row in rows]
    prefetch_related_objects(
        postings, *_prefetches(images=True, others=True, notes=notes)
    )


def as_rows(postings: Iterable[Posting], permissions: Permissions) -> list[Row]:
    """Return postings as rows for a user."""
    now = timezone.now()
    return [Row(posting, permissions, now) for posting in postings]


def find_row(request: HttpRequest, pk: int, entry_pk: int) -> Row | None:
    """Return an entry's row in a story; None if there is none that the user may see."""
    permissions = Permissions.of(request.user)
    found = row_postings(pk).filter(entry=entry_pk, removed=False)
    rows = as_rows(found, permissions)
    return rows[0] if rows and rows[0].viewable else None


def get_row(request: HttpRequest, pk: int, entry_pk: int) -> Row:
    """Return an entry's row in a story. Raises Http404 if the user may not see it."""
    if row := find_row(request, pk, entry_pk):
        return row
    raise Http404


def row_response(request: HttpRequest, row: Row, note: str = "") -> HttpResponse:
    """Return the updated row for htmx, or remove it if it has left the story.

    `note` is a message that the row shows.
    """
    postings = row_postings(row.posting.story_id).filter(entry=row.entry.pk)
    fresh = as_rows(postings, row.permissions)
    context = {
        "story": row.posting.story,
        "rows": [one for one in fresh if not one.posting.removed],
        "gone": [one.entry.pk for one in fresh if one.posting.removed],
        "note": note,
    }
    return render(request, "admin/entries/desk/_rows.html", context)
