"""Stories, their present and former slugs, and earlier versions of their heads."""

from datetime import UTC, timedelta
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import DateTimeField, ExpressionWrapper, Subquery, Sum
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from entries.models.fields import FoldedField, LineField
from entries.models.images import Image
from entries.models.series import Series
from entries.text import gmt

TOPICAL_FOR = timedelta(days=30)  # for lists of what is latest


class StoryQuerySet(models.QuerySet["Story"]):
    """Queries for stories by their state and slug."""

    def public(self) -> Self:
        """Return the stories that readers may see: announced, live or closed."""
        return self.filter(state__in=Story.PUBLIC)

    def begun(self) -> Self:
        """Return the stories whose entries are public: live and closed ones."""
        return self.filter(state__in=Story.BEGUN)

    def announced(self) -> Self:
        """Return the stories whose coverage has not begun, the next one first."""
        return self.filter(state=Story.State.ANNOUNCED).order_by("begins_at", "pk")

    def live(self) -> Self:
        """Return the stories that are being covered now."""
        return self.filter(state=Story.State.LIVE)

    def by_slug(self, slug: str) -> "Story | None":
        """Return the story with this present or former slug, or None."""
        return self.filter(slugs=slug).first()

    def total_seq(self) -> int:
        """Return the sum of all seqs, which grows with every visible change.

        It does not show that a story became public: the site's seq does.
        """
        total: int | None = self.aggregate(total=Sum("seq"))["total"]
        return total or 0

    def newest(self) -> Self:
        """Order by when coverage went live, newest first."""
        return self.order_by("-live_at", "-pk")

    def languages(self) -> list[str]:
        """Return the languages of all stories, each by one look into an index."""
        found: list[str] = []
        last: str | None = ""
        while last is not None:
            rows = self.filter(language__gt=last).order_by("language")
            last = rows.values_list("language", flat=True).first()
            found += [last] if last else []
        return found

    def topical(self) -> Self:
        """Leave out imported stories that ended long before the newest one began.

        An archive that is brought in later changes no list of latest stories, unless it
        is all there is.
        """
        newest = Story.objects.begun().exclude(live_at=None).newest()
        latest = Subquery(newest.values("live_at")[:1], output_field=DateTimeField())
        oldest = ExpressionWrapper(latest - TOPICAL_FOR, output_field=DateTimeField())
        return self.exclude(imported=True, closed_at__lt=oldest)


class Story(models.Model):
    """A live blog: its head, its state, and the counter of its visible changes.

    `seq` counts visible changes, and `head_seq` is its value at the latest change of
    the head. `desk_seq` counts the changes that editors see. `version` is for detecting
    conflicting edits of the head.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        ANNOUNCED = "announced", _("Announced")
        LIVE = "live", _("Live")
        CLOSED = "closed", _("Closed")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    # Readers see its page. Of an announced story that is the headline, standfirst, lead
    # image and when coverage begins; everything else waits until it is live.
    PUBLIC = (State.ANNOUNCED, State.LIVE, State.CLOSED)
    BEGUN = (State.LIVE, State.CLOSED)  # readers see its entries
    STREAMED = (State.ANNOUNCED, State.LIVE)  # open pages wait for changes
    UNPUBLISHED = (State.DRAFT, State.ANNOUNCED)  # it may still go live

    headline = LineField(_("headline"), max_length=200)
    slug = models.SlugField(_("slug"), max_length=120, unique=True)
    series = models.ForeignKey(
        Series,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="stories",
        verbose_name=_("series"),
    )
    standfirst = LineField(_("standfirst"), max_length=500, blank=True)
    summary = models.TextField(
        _("summary box"), blank=True, help_text=_("“What we know”, in Markdown.")
    )
    summary_html = models.TextField(editable=False, blank=True)
    language = models.CharField(_("language"), max_length=20, default="en")
    lead_image = models.ForeignKey(
        Image,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="led_stories",
        limit_choices_to=Image.STILLS,
        verbose_name=_("lead picture"),
    )
    state = models.CharField(
        _("state"),
        max_length=10,
        choices=State.choices,
        default=State.DRAFT,
        editable=False,
    )
    first_day = models.DateField(
        _("first day"),
        null=True,
        blank=True,
        help_text=_(
            "The day whose updates show no date; set when the story goes live."
        ),
    )
    begins_at = models.DateTimeField(null=True, editable=False)  # as announced
    announced_at = models.DateTimeField(null=True, editable=False)  # the first time
    live_at = models.DateTimeField(_("start"), null=True, editable=False)
    closed_at = models.DateTimeField(null=True, editable=False)
    # The latest sign that somebody covers it: a new update, or “Keep live”.
    active_at = models.DateTimeField(null=True, editable=False)
    reminded_at = models.DateTimeField(null=True, editable=False)  # its editors
    # It came from a file: its pages show full dates, and it enters lists by its own.
    imported = models.BooleanField(default=False, editable=False)
    # Set once readers were told that there are no updates; the time of the last one.
    quiet_since = models.DateTimeField(null=True, editable=False)
    continues_in = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="continues",
        verbose_name=_("continues in"),
    )
    # Of the form that created it, so that a repeated submission is recognized.
    key = models.UUIDField(null=True, unique=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    seq = models.BigIntegerField(default=0, editable=False)
    head_seq = models.BigIntegerField(default=0, editable=False)
    desk_seq = models.BigIntegerField(default=0, editable=False)
    # The desk counter at the latest change of the story's notes.
    notes_seq = models.BigIntegerField(default=0, editable=False)
    # The time of the newest visible posting.
    newest_at = models.DateTimeField(null=True, editable=False)
    # The latest public change of a visible posting, for feeds.
    newest_public_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now_add=True)
    folded = FoldedField(sources=["headline", "slug"])

    objects = StoryQuerySet.as_manager()

    class Meta:
        verbose_name = _("story")
        verbose_name_plural = _("stories")
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["state", "-live_at"]),
            models.Index(fields=["language"], name="story_language"),
            models.Index(fields=["state", "-closed_at", "-id"], name="story_ended"),
            models.Index(fields=["state", "seq"], name="story_total"),
            models.Index(fields=["-live_at", "-id"], name="story_begun"),
            models.Index(fields=["-changed_at", "-id"], name="story_changed"),
            models.Index(fields=["-newest_at", "-id"], name="story_newest"),
            models.Index(fields=["series", "-newest_at"], name="story_in_series"),
            models.Index(fields=["series", "-newest_public_at"], name="story_in_feed"),
            models.Index(
                fields=["series", "state", "-first_day", "-live_at", "-id"],
                name="story_of_day",
            ),
        ]

    def __str__(self) -> str:
        return self.headline

    def get_absolute_url(self) -> str:
        """Return the URL of the live page."""
        return reverse("story", args=[self.slug])

    @property
    def public(self) -> bool:
        """Whether readers may see it."""
        return self.state in self.PUBLIC

    @property
    def begun(self) -> bool:
        """Whether readers may see its entries: it is public, and not just announced."""
        return self.state in self.BEGUN

    @property
    def announced(self) -> bool:
        """Whether it is public before its coverage begins."""
        return self.state == self.State.ANNOUNCED

    @property
    def quiet(self) -> bool:
        """Whether readers see a notice that it has had no updates for long."""
        return self.state == self.State.LIVE and self.quiet_since is not None

    @property
    def dated(self) -> bool:
        """Whether its pages show the day and the year of every time.

        Those of a running story leave out what its readers know; others may be read
        years later.
        """
        over = self.state in (self.State.CLOSED, self.State.WITHDRAWN)
        return over or self.quiet or self.imported

    @property
    def incoming_links(self) -> models.QuerySet[Any]:
        """Return the links that point to this story, with their sources."""
        return self.linked_from.select_related("story", "entry__story")

    @property
    def title(self) -> str:
        """Return its title for other pages: `Series: Headline`."""
        if self.series is None or self.headline.startswith(self.series.name):
            return self.headline
        return f"{self.series.name}: {self.headline}"

    @property
    def days(self) -> str:
        """Return the days of its coverage: `20–22 December 2016`; empty while it runs.

        An imported one always has its first day.
        """
        if not self.begun or not (self.closed_at or self.imported):
            return ""
        began = self.live_at or self.created_at
        first = self.first_day or began.astimezone(UTC).date()
        ended = self.closed_at
        last = ended.astimezone(UTC).date() if ended else first
        return gmt.format_days(first, last)

    @property
    def dated_title(self) -> str:
        """Return its title with the days of its coverage, for titles of pages."""
        return f"{self.title} ({self.days})" if self.days else self.title

    @property
    def column(self) -> str:
        """Return its name for provenance lines: the series, else the headline."""
        return self.series.name if self.series else self.headline

    def name_in(self, other: "Story") -> str:
        """Return its name for another story's page.

        That is the headline if both are in one series, whose name would be ambiguous.
        """
        return self.headline if self.series_id == other.series_id else self.column


class StorySlug(models.Model):
    """A present or former slug of a story; it is never given to another story."""

    slug = models.SlugField(max_length=120, primary_key=True)
    story = models.ForeignKey(Story, models.CASCADE, related_name="slugs")

    class Meta:
        verbose_name = _("URL of a story")
        verbose_name_plural = _("URLs of stories")

    def __str__(self) -> str:
        return self.slug


class StoryVersion(models.Model):
    """An earlier version of a story's head, up to the change at `changed_at`."""

    FIELDS = ("headline", "standfirst", "summary")

    story = models.ForeignKey(Story, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    headline = LineField(max_length=200, blank=True)
    standfirst = LineField(max_length=500, blank=True)
    summary = models.TextField(blank=True)
    erased = models.BooleanField(default=False)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    changed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("earlier version")
        verbose_name_plural = _("earlier versions")
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(
                fields=["story", "number"], name="one_story_version_a_number"
            )
        ]

    def __str__(self) -> str:
        return f"{self.story_id} v{self.number}"
