"""Entries, their earlier texts, and their postings in timelines."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Max, OuterRef, Q, QuerySet, Subquery
from django.urls import reverse
from django.utils import timezone

from entries import clock, rendering
from entries.models.lines import LineField
from entries.models.pictures import Image
from entries.models.stories import Story


class Entry(models.Model):
    """One text: the original entry of a story, or a timed update."""

    class Kind(models.TextChoices):
        ORIGINAL = "original"
        UPDATE = "update"

    class State(models.TextChoices):
        DRAFT = "draft"
        SUBMITTED = "submitted"
        SCHEDULED = "scheduled"
        PUBLISHED = "published"
        WITHDRAWN = "withdrawn"

    story = models.ForeignKey(Story, models.CASCADE, related_name="entries")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.UPDATE)
    state = models.CharField(
        max_length=10, choices=State.choices, default=State.DRAFT, editable=False
    )
    at = models.DateTimeField("time (GMT)", null=True, blank=True)
    headline = LineField(max_length=200, blank=True)
    body = models.TextField(blank=True)
    html = models.TextField(editable=False, blank=True)
    byline = LineField(max_length=100, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
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
        verbose_name_plural = "entries"
        permissions = [("erase_entry", "Can erase a text for good")]
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
        indexes = [models.Index(fields=["state", "at"])]

    def __str__(self) -> str:
        return f"{self.label}: {self.headline or self.body[:60]}"

    def get_absolute_url(self) -> str:
        """Return the address of its own, in its home story."""
        return reverse("entry", args=[self.story.slug, self.pk])

    @property
    def original(self) -> bool:
        """Whether it is the story's original entry."""
        return self.kind == self.Kind.ORIGINAL

    @property
    def published(self) -> bool:
        """Whether readers may see it wherever it is posted."""
        return self.state == self.State.PUBLISHED

    @property
    def label(self) -> str:
        """Return `ORIGINAL ENTRY` or `UPDATE 1804 GMT`."""
        if self.original:
            return "ORIGINAL ENTRY"
        return f"UPDATE {clock.stamp(self.at, self.at.date())}" if self.at else "UPDATE"

    @property
    def first_words(self) -> str:
        """Return its headline, else how its text begins, for lists."""
        return self.headline or rendering.beginning(self.html, 18)

    @property
    def sort_key(self) -> str:
        """Return what pages sort by: time, then id, as digits."""
        return f"{self.at:%Y%m%d%H%M}-{self.pk}" if self.at else f"0-{self.pk}"

    def set_published(self) -> None:
        """Take the state that publishing it at its own time means now."""
        now = timezone.now()
        if self.at and self.at > now:
            self.state = self.State.SCHEDULED
            return
        if not self.at and not self.original:
            self.at = clock.whole_minute(now)
        self.state, self.sent_back = self.State.PUBLISHED, ""
        self.published_at = self.published_at or now


class EntryVersion(models.Model):
    """A text that an entry had, and what readers are told about the change.

    Version `number` is the text that stood until the change; `line` is not empty
    where the change was a correction of what readers saw. `hidden`: readers are
    not told of it; `erased`: its words are gone for good.
    """

    entry = models.ForeignKey(Entry, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    at = models.DateTimeField(null=True)
    headline = LineField(max_length=200, blank=True)
    body = models.TextField(blank=True)
    line = LineField("correction", max_length=300, blank=True)
    hidden = models.BooleanField(default=False)
    erased = models.BooleanField(default=False)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(
                fields=["entry", "number"], name="one_version_a_number"
            )
        ]

    def __str__(self) -> str:
        return f"{self.entry_id} v{self.number}"


class PostingQuerySet(models.QuerySet["Posting"]):
    """Postings by who may see them and where they stand."""

    def visible(self) -> Self:
        """Keep what a public story shows: published and not taken back."""
        return self.filter(Posting.SHOWN)

    def own(self) -> Self:
        """Keep each entry's posting in the story it belongs to."""
        return self.filter(story=F("entry__story"))

    def read(self) -> Self:
        """Keep what readers see now, in whatever story."""
        return self.visible().filter(story__state__in=Story.PUBLIC)

    def updates(self) -> Self:
        """Keep the timed updates, newest first: by time, then id."""
        return self.filter(entry__kind=Entry.Kind.UPDATE).order_by(
            "-entry__at", "-entry_id"
        )

    def before(self, at: datetime, entry_id: int) -> Self:
        """Keep what stands below an entry of that time and id."""
        return self.filter(Q(entry__at__lt=at) | Q(entry__at=at, entry_id__lt=entry_id))

    def newest_of(self, stories: Iterable[Story]) -> Self:
        """Keep the newest visible update of each story."""
        newest = Posting.objects.visible().filter(story=OuterRef("pk")).updates()
        last = Subquery(Posting.objects.last_at("story"))
        newest = newest.filter(entry__at=last).order_by("-entry_id")
        # Looked for once a story: asked of each posting, it would be as often.
        ids = Story.objects.filter(pk__in=[story.pk for story in stories])
        return self.filter(
            pk__in=ids.values(pk_newest=Subquery(newest.values("pk")[:1]))
        )

    def last_at(self, story: str) -> QuerySet[Any, Any]:
        """Return the time of the newest visible update of an outer query's story.

        As a maximum: for the first of an order SQLite reads the updates of all
        stories by their time, until one of this story comes.
        """
        rows = self.visible().filter(story=OuterRef(story)).updates().order_by()
        return rows.values("story").values(last=Max("entry__at"))

    def changed(self, after: int, until: int) -> Self:
        """Keep what changed after one number and until another, in that order."""
        return self.filter(seq__gt=after, seq__lte=until).order_by("seq")


class Posting(models.Model):
    """One entry standing in one story's timeline.

    `seq` is the story's counter at the posting's latest visible change, NULL until
    it is public for the first time (`first_seq`); from then on the row is never
    deleted. `html`
    is the drawn entry, made by the verb that gave out `seq`; empty once readers were
    told that it is gone.
    """

    entry = models.ForeignKey(Entry, models.CASCADE, related_name="postings")
    story = models.ForeignKey(Story, models.CASCADE, related_name="postings")
    pinned = models.BooleanField(default=False)
    key_event = models.BooleanField(default=False)
    removed = models.BooleanField(default=False, editable=False)
    seq = models.BigIntegerField(null=True, editable=False)
    first_seq = models.BigIntegerField(null=True, editable=False)
    html = models.TextField(editable=False, blank=True)

    # What a public story shows.
    SHOWN = models.Q(entry__state=Entry.State.PUBLISHED, removed=False)

    objects = PostingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["entry", "story"], name="an_entry_once_a_story"
            ),
            models.UniqueConstraint(fields=["story", "seq"], name="a_seq_once_a_story"),
        ]

    def __str__(self) -> str:
        return f"{self.entry_id} in {self.story_id}"

    @property
    def home(self) -> bool:
        """Whether it stands in the entry's own story."""
        return self.story_id == self.entry.story_id

    @property
    def visible(self) -> bool:
        """Whether readers of the story see it."""
        return self.stands and self.story.public

    @property
    def stands(self) -> bool:
        """Whether its story shows it, once that is public."""
        return self.entry.published and not self.removed
