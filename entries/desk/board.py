"""The newsroom's board: live and coming stories, and what waits for the person.

The number of queries does not depend on how many stories and entries there are.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from entries.desk import presence
from entries.desk.access import desk_url, desk_view
from entries.desk.notes import unread_mentions
from entries.desk.presence import Colleague
from entries.desk.queue import sent_back_entries, submitted_entries
from entries.desk.responses import render_page
from entries.models import Audience, Draft, Entry, EntryVersion, QuietRule, Story
from entries.pages import lists
from entries.text.folding import fold
from entries.verbs import Permissions

MAX_COMING = 40  # drafts and announced stories
MAX_DRAFTS = 6
MAX_MENTIONS = 6  # notes that name the person
BOARD_EXCERPT_WORDS = 16
ORDERS = {
    "": _("Latest first"),
    "readers": _("Most readers"),
    "quiet": _("Longest quiet"),
    "title": _("By headline"),
}


def span(length: timedelta) -> str:
    """Say how long something lasts, in minutes, hours or days."""
    minutes = max(0, int(length.total_seconds())) // 60
    if minutes < 1:
        return gettext("just now")
    if minutes < 60:
        return gettext("%(minutes)s min") % {"minutes": minutes}
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        words = (
            gettext("%(hours)s h %(minutes)s min")
            if minutes
            else gettext("%(hours)s h")
        )
        return words % {"hours": hours, "minutes": minutes}
    days = hours // 24
    return ngettext("%(days)s day", "%(days)s days", days) % {"days": days}


@dataclass(frozen=True)
class BoardStory:
    """A live story as the board lists it."""

    story: Story
    readers: int
    now: datetime
    mine: bool
    colleagues: list[Colleague] = field(default_factory=list)

    @property
    def newest(self) -> Entry | None:
        """Return its newest update."""
        return getattr(self.story, "newest", None)

    @property
    def last_at(self) -> datetime:
        """Return when it was last updated, or else went live."""
        newest = self.newest
        at = newest and (newest.published_at or newest.at)
        story = self.story
        return at or story.active_at or story.live_at or story.created_at

    @property
    def since(self) -> str:
        return span(self.now - self.last_at)

    @property
    def is_quiet(self) -> bool:
        """Whether it has had no update for long, by its series' rule."""
        rule = QuietRule.of(self.story.series)
        return self.now - self.last_at >= (rule.remind or rule.end)

    @property
    def excerpt(self) -> str:
        """Return the first words of its newest update."""
        return self.newest.first_words if self.newest else ""


@dataclass(frozen=True)
class DraftLine:
    """A text that the person has begun: an entry, or an unsent form."""

    story: Story
    excerpt: str
    saved_at: datetime
    url: str


@desk_view()
@require_safe
def newsroom(request: HttpRequest) -> HttpResponse:
    """Show the board. Accounts without access to stories see links to their lists."""
    permissions = Permissions.of(request.user)
    context: dict[str, Any] = {"permissions": permissions}
    if permissions.has("view_story"):
        context |= _board(request, permissions)
    return render_page(
        request, "admin/newsroom/board.html", context, title=gettext("Newsroom")
    )


def _board(request: HttpRequest, permissions: Permissions) -> dict[str, Any]:
    typed, order = request.GET.get("q", "").strip(), request.GET.get("order", "")
    query = fold(typed)
    mine = request.GET.get("mine") == "1"
    found = _live_stories(permissions)
    shown = [
        one
        for one in found
        if query in fold(one.story.title) and (one.mine or not mine)
    ]
    unread = unread_mentions(permissions)
    coming = Story.objects.filter(state__in=Story.UNPUBLISHED).select_related("series")
    return {
        "live": _in_order(shown, order),
        "hidden": len(found) - len(shown),
        "quiet": sum(one.is_quiet for one in shown),
        "coming": [
            story
            for story in coming.order_by("-changed_at", "-pk")[:MAX_COMING]
            if query in fold(story.title)
        ],
        "readers": sum(one.readers for one in found),
        "review": _review(permissions),
        "drafts": _drafts(permissions),
        "mentions": unread.select_related("note__author", "note__story__series")[
            :MAX_MENTIONS
        ],
        "mentions_number": unread.count(),
        "q": typed,
        "mine": mine,
        "order": order if order in ORDERS else "",
        "orders": ORDERS.items(),
    }


def _live_stories(permissions: Permissions) -> list[BoardStory]:
    stories, now = lists.live_stories(Story.objects.all()), timezone.now()
    readers, present = Audience.now(), presence.by_story()
    own = Entry.objects.filter(author=permissions.user, story=OuterRef("pk"))
    written = Story.objects.filter(Exists(own), pk__in=[story.pk for story in stories])
    mine = set(written.values_list("pk", flat=True))
    return [
        BoardStory(
            story, readers[story.pk], now, story.pk in mine, present.get(story.pk, [])
        )
        for story in stories
    ]


def _in_order(stories: Iterable[BoardStory], order: str) -> list[BoardStory]:
    if order == "readers":
        return sorted(stories, key=lambda one: -one.readers)
    if order == "quiet":
        return sorted(stories, key=lambda one: one.last_at)
    if order == "title":
        return sorted(stories, key=lambda one: fold(one.story.title))
    return list(stories)


def _review(permissions: Permissions) -> dict[str, Any]:
    """Return what waits for review; for a contributor, what was sent back."""
    if permissions.can_edit:
        waiting = submitted_entries()
    elif permissions.can_write:
        waiting = sent_back_entries().filter(author=permissions.user)
    else:
        return {}
    number = waiting.count()
    first = (
        waiting.select_related("story__series", "author").first() if number else None
    )
    return {"number": number, "first": first, "more": number - 1}


def _drafts(permissions: Permissions) -> list[DraftLine]:
    """Return the person's unfinished texts: drafts, and forms not sent yet."""
    if not permissions.can_write:
        return []
    user = permissions.user
    entries = Entry.objects.filter(author=user, state=Entry.State.DRAFT, sent_back="")
    found = [
        DraftLine(
            entry.story,
            entry.first_words,
            entry.changed_at,
            f"{desk_url(entry.story)}#row-{entry.pk}",
        )
        for entry in entries.select_related("story__series").order_by("-pk")[
            :MAX_DRAFTS
        ]
    ]
    unsent = Draft.objects.filter(user=user, entry=None).select_related("story__series")
    for draft in unsent.order_by("-saved_at")[:MAX_DRAFTS]:
        text = [str(draft.values.get(name) or "") for name in ("headline", "body")]
        words = " ".join(" ".join(text).split()[:BOARD_EXCERPT_WORDS])
        if words:
            url = desk_url(draft.story)
            found.append(DraftLine(draft.story, words, draft.saved_at, url))
    return sorted(found, key=lambda one: one.saved_at, reverse=True)[:MAX_DRAFTS]


def landing_url(permissions: Permissions) -> str:
    """Return where signing in leads: the story last written in, or else the board."""
    user = permissions.user
    written = [
        Entry.objects.filter(author=user)
        .order_by("-pk")
        .values_list("created_at", "story__state", "story_id"),
        EntryVersion.objects.filter(changed_by=user)
        .order_by("-pk")
        .values_list("changed_at", "entry__story__state", "entry__story_id"),
        Draft.objects.filter(user=user)
        .order_by("-saved_at")
        .values_list("saved_at", "story__state", "story_id"),
    ]
    last = max((row for rows in written if (row := rows.first())), default=None)
    if permissions.has("view_story") and last and last[1] == Story.State.LIVE:
        return desk_url(last[2])
    return reverse("admin:index")
