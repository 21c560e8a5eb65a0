"""Entries, their earlier versions, and their postings in timelines."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.db import connection, models
from django.db.models import OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, override
from django.utils.translation import gettext_lazy as _

from entries.models.fields import LineField
from entries.models.images import Image
from entries.models.people import Profile
from entries.models.stories import Story
from entries.text import gmt, rendering


class Entry(models.Model):
    """A text: the original entry of a story, or an update with a time."""

    class Kind(models.TextChoices):
        ORIGINAL = "original", _("Original")
        UPDATE = "update", _("Update")

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        SUBMITTED = "submitted", _("Submitted")
        SCHEDULED = "scheduled", _("Scheduled")
        PUBLISHED = "published", _("Published")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    story = models.ForeignKey(
        Story, models.CASCADE, related_name="entries", verbose_name=_("story")
    )
    kind = models.CharField(
        _("kind"), max_length=10, choices=Kind.choices, default=Kind.UPDATE
    )
    state = models.CharField(
        _("state"),
        max_length=10,
        choices=State.choices,
        default=State.DRAFT,
        editable=False,
    )
    at = models.DateTimeField(_("time (GMT)"), null=True, blank=True)
    headline = LineField(_("headline"), max_length=200, blank=True)
    body = models.TextField(_("text"), blank=True)
    html = models.TextField(editable=False, blank=True)
    byline = LineField(_("byline"), max_length=100, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="entries",
        verbose_name=_("author"),
    )
    # Who wrote the draft before a colleague took it over; they still see it.
    taken_from = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
    )
    # Whom the byline names; set with the byline, by the verbs.
    credited = models.ForeignKey(
        Profile,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="entries",
    )
    images = models.ManyToManyField(Image, editable=False, related_name="entries")
    version = models.PositiveIntegerField(default=1, editable=False)
    key = models.UUIDField(null=True, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)
    published_at = models.DateTimeField(null=True, editable=False)
    sent_back = LineField(max_length=300, blank=True, editable=False)
    erased_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("entry")
        verbose_name_plural = _("entries")
        permissions = [("erase_entry", _("Can erase a text for good"))]
        constraints = [
            models.UniqueConstraint(
                fields=["story"],
                condition=Q(kind="original"),
                name="one_original_a_story",
            ),
            models.CheckConstraint(
                condition=Q(kind="original")
                | Q(at__isnull=False)
                | Q(state__in=["draft", "submitted", "withdrawn"]),
                name="published_update_has_a_time",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "at"]),
            models.Index(fields=["story", "state"], name="entry_by_state"),
            models.Index(fields=["author", "story", "state"], name="entry_by_author"),
            models.Index(fields=["-changed_at", "-id"], name="entry_changed"),
            models.Index(
                fields=["state", "-changed_at", "-id"], name="entry_state_changed"
            ),
            models.Index(
                fields=["byline"], condition=~Q(byline=""), name="entry_bylines"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label}: {self.headline or self.body[:60]}"

    def get_absolute_url(self) -> str:
        """Return the entry's permalink, under its home story."""
        return reverse("entry", args=[self.story.slug, self.pk])

    @property
    def original(self) -> bool:
        """Whether this is the original entry of its story."""
        return self.kind == self.Kind.ORIGINAL

    @property
    def published(self) -> bool:
        """Whether it is visible in every public story that it is posted in."""
        return self.state == self.State.PUBLISHED

    @property
    def label(self) -> str:
        """Return `ORIGINAL ENTRY` or `UPDATE 1804 GMT`."""
        if self.original:
            return gettext("ORIGINAL ENTRY")
        if not self.at:
            return gettext("UPDATE")
        time = gmt.format_stamp(self.at, self.at.date())
        return gettext("UPDATE %(time)s") % {"time": time}

    @property
    def log_label(self) -> str:
        """Return the label in English, as the audit log records it."""
        with override("en"):
            return self.label

    @property
    def full_label(self) -> str:
        """Return the label with date and year: `UPDATE 1804 GMT, 20 December 2016`."""
        dated = not self.original and self.at
        if not dated:
            return self.label
        return gettext("UPDATE %(time)s") % {"time": gmt.format_full(dated)}

    @property
    def first_words(self) -> str:
        """Return a title for lists: the headline, else the first words of the text."""
        return self.headline or rendering.first_words(self.html, 18)

    @property
    def placed_at(self) -> datetime:
        """Return the time to sort by: its own, else that of publication."""
        return self.at or self.published_at or self.created_at or timezone.now()

    @property
    def sort_key(self) -> str:
        """Return the key by which open pages sort updates: the time, then the id."""
        return f"{self.at:%Y%m%d%H%M}-{self.pk}" if self.at else f"0-{self.pk}"

    def set_published(self) -> None:
        """Mark it as published, or as scheduled if its time is in the future."""
        now = timezone.now()
        if self.at and self.at > now:
            self.state = self.State.SCHEDULED
            return
        if not self.at and not self.original:
            self.at = gmt.whole_minute(now)
        self.state, self.sent_back = self.State.PUBLISHED, ""
        self.published_at = self.published_at or now


def written_by(user: Any, at: str = "") -> Q:
    """Return the condition that a person wrote an entry, or began it as a draft.

    `at` is the way to the entry, such as `entry__`.
    """
    return Q(**{f"{at}author": user}) | Q(**{f"{at}taken_from": user})


class EntryVersionQuerySet(models.QuerySet["EntryVersion"]):
    """Queries for versions by what readers see of them."""

    def public_corrections(self) -> Self:
        """Return the versions that were corrected, with a note that readers see."""
        return self.exclude(correction="").filter(hidden=False)


class EntryVersion(models.Model):
    """An earlier version of an entry, and the change that replaced it.

    `correction` is the note for readers, if the change was a correction. `hidden`
    versions are not shown to readers; the text of `erased` ones was deleted.
    """

    entry = models.ForeignKey(Entry, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    at = models.DateTimeField(null=True)
    headline = LineField(max_length=200, blank=True)
    body = models.TextField(blank=True)
    byline = LineField(max_length=100, blank=True)
    correction = LineField(max_length=300, blank=True)
    hidden = models.BooleanField(default=False)
    erased = models.BooleanField(default=False)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    changed_at = models.DateTimeField()

    objects = EntryVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("earlier version")
        verbose_name_plural = _("earlier versions")
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(
                fields=["entry", "number"], name="one_version_a_number"
            )
        ]

    def __str__(self) -> str:
        return f"{self.entry_id} v{self.number}"


class PostingQuerySet(models.QuerySet["Posting"]):
    """Queries for postings by their visibility, and in the order of timelines."""

    def visible(self) -> Self:
        """Return what readers see now: published, not removed, its story has begun."""
        return self.filter(visible=True)

    def published(self) -> Self:
        """Return what readers see once the story is live: published, not removed."""
        return self.filter(entry__state=Entry.State.PUBLISHED, removed=False)

    def updates(self) -> Self:
        """Return the postings of updates, newest first."""
        return self.filter(entry__kind=Entry.Kind.UPDATE).newest()

    def newest(self) -> Self:
        """Order by time and then id, newest first."""
        return self.order_by("-at", "-entry_id")

    def newest_public(self) -> Self:
        """Order by the latest public change and then id, newest first.

        Leaves out what never had one, or was written by a release without the field.
        """
        return self.exclude(public_at=None).order_by("-public_at", "-entry_id")

    def first_per_story(
        self, stories: Iterable[Story | int], number: int
    ) -> "PostingQuerySet":
        """Return the first `number` rows of each story, in the order of this queryset.

        `stories` may be ids.

        This takes one index lookup per story, however long the story is; a window
        function or a correlated subquery would read every row. There may be at most
        500 stories: SQLite's limit for terms in a compound SELECT.
        """
        ids = self.values_list("pk", flat=True)
        parts = [
            ids.filter(story=story)[:number].query.sql_with_params()
            for story in stories
        ]
        if not parts:
            return Posting.objects.none()
        # SQLite allows a LIMIT only in a subquery, not in a term of the UNION itself.
        select = "SELECT * FROM ({}) AS story"
        union = " UNION ALL ".join(select.format(sql) for sql, _ in parts)
        with connection.cursor() as cursor:
            cursor.execute(union, [value for _, values in parts for value in values])
            found = [pk for (pk,) in cursor.fetchall()]
        return Posting.objects.filter(pk__in=found)

    def newest_time_in(self, story: str, name: str = "at") -> QuerySet[Any, Any]:
        """Return a subquery for the newest time in a story of the outer query.

        `story` is the outer query's reference to the story, `name` the field.
        """
        # PostgreSQL puts NULL before all times.
        found = self.filter(**{"story": OuterRef(story), f"{name}__isnull": False})
        found = found.order_by(f"-{name}")
        newest: QuerySet[Any, Any] = found.values(name)[:1]
        return newest

    def changed_between(self, after: int, until: int) -> Self:
        """Return what changed after one seq, up to another one, in order of seq."""
        return self.filter(seq__gt=after, seq__lte=until).order_by("seq")


class Posting(models.Model):
    """An entry's place in one story's timeline.

    `seq` is the value of the story's counter at the posting's latest visible change. It
    is NULL until the posting is first public (at `first_seq`); from then on the row is
    never deleted. `html` is the fragment, rendered by the verb that set `seq`; it is ""
    once the posting is no longer visible. `desk_seq` is the value of the story's desk
    counter at the latest change that editors see.

    `at` and `visible` are denormalized from the entry and the story, so that an index
    finds the newest postings of a story or the site. The ledger updates them.

    `public_at` is the time of the latest public change, by which feeds are ordered:
    when readers could see it here for the first time (or again), or its latest
    correction. Other edits do not count. It is NULL until then.
    """

    entry = models.ForeignKey(Entry, models.CASCADE, related_name="postings")
    story = models.ForeignKey(Story, models.CASCADE, related_name="postings")
    pinned = models.BooleanField(default=False)
    key_event = models.BooleanField(default=False)
    removed = models.BooleanField(default=False, editable=False)
    seq = models.BigIntegerField(null=True, editable=False)
    first_seq = models.BigIntegerField(null=True, editable=False)
    desk_seq = models.BigIntegerField(default=0, editable=False)
    at = models.DateTimeField(default=timezone.now, editable=False)
    public_at = models.DateTimeField(null=True, editable=False)
    visible = models.BooleanField(default=False, editable=False)
    html = models.TextField(editable=False, blank=True)

    objects = PostingQuerySet.as_manager()

    class Meta:
        verbose_name = _("posting")
        verbose_name_plural = _("postings")
        constraints = [
            models.UniqueConstraint(
                fields=["entry", "story"], name="an_entry_once_a_story"
            ),
            models.UniqueConstraint(fields=["story", "seq"], name="a_seq_once_a_story"),
        ]
        indexes = [
            models.Index(fields=["story", "-at", "-entry"], name="posting_timeline"),
            models.Index(
                fields=["story", "-at", "-entry"],
                condition=Q(visible=True),
                name="posting_visible",
            ),
            models.Index(
                fields=["-at", "-entry"],
                condition=Q(visible=True),
                name="posting_on_site",
            ),
            models.Index(
                fields=["story", "-public_at", "-entry"],
                condition=Q(visible=True),
                name="posting_in_feed",
            ),
            models.Index(
                fields=["-public_at", "-entry"],
                condition=Q(visible=True),
                name="posting_in_site_feed",
            ),
            models.Index(
                fields=["story"], condition=Q(key_event=True), name="posting_key_events"
            ),
            models.Index(fields=["story", "-first_seq"], name="posting_first"),
            models.Index(fields=["story", "desk_seq"], name="posting_desk"),
        ]

    def __str__(self) -> str:
        return f"{self.entry_id} in {self.story_id}"

    @property
    def home(self) -> bool:
        """Whether this is the entry's home story, and not a cross-post."""
        return self.story_id == self.entry.story_id

    def denormalize(self) -> None:
        """Update `at` and `visible` from the entry and the story, without saving."""
        self.at = self.entry.placed_at
        self.visible = self.published and self.story.begun

    @property
    def published(self) -> bool:
        """Whether readers see it once the story is live."""
        return self.entry.published and not self.removed
