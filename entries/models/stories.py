"""Stories and the slugs they ever had."""

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Sum
from django.urls import reverse

from entries.models.fields import LineField
from entries.models.images import Image
from entries.models.site import Series


class StoryQuerySet(models.QuerySet["Story"]):
    """Stories by who may see them."""

    def public(self) -> Self:
        """Keep the stories that readers may see."""
        return self.filter(state__in=Story.PUBLIC)

    def live(self) -> Self:
        """Keep the stories that are running."""
        return self.filter(state=Story.State.LIVE)

    def by_slug(self, slug: str) -> "Story | None":
        """Return the story that has, or once had, a slug."""
        return self.filter(slugs=slug).first()

    def total_seq(self) -> int:
        """Return a number that every visible change of one of them moves.

        Which stories are public is counted by the site's number.
        """
        total: int | None = self.aggregate(total=Sum("seq"))["total"]
        return total or 0

    def newest(self) -> Self:
        """Order by when they went live, newest first."""
        return self.order_by("-live_at", "-pk")


class Story(models.Model):
    """A running story: its head, and the counter of its visible changes."""

    class State(models.TextChoices):
        DRAFT = "draft"
        LIVE = "live"
        CLOSED = "closed"
        WITHDRAWN = "withdrawn"

    PUBLIC = (State.LIVE, State.CLOSED)

    headline = LineField(max_length=200)
    slug = models.SlugField(max_length=120, unique=True)
    series = models.ForeignKey(
        Series, models.PROTECT, null=True, blank=True, related_name="stories"
    )
    standfirst = LineField(max_length=500, blank=True)
    summary = models.TextField(
        "summary box", blank=True, help_text="“What we know”, in Markdown."
    )
    summary_html = models.TextField(editable=False, blank=True)
    language = models.CharField(max_length=20, default="en")
    lead_image = models.ForeignKey(
        Image, models.SET_NULL, null=True, blank=True, related_name="led_stories"
    )
    state = models.CharField(
        max_length=10, choices=State.choices, default=State.DRAFT, editable=False
    )
    first_day = models.DateField(
        null=True,
        blank=True,
        help_text="The day whose updates show no date; set when the story goes live.",
    )
    live_at = models.DateTimeField(null=True, editable=False)
    closed_at = models.DateTimeField(null=True, editable=False)
    continues_in = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="continues"
    )
    key = models.UUIDField(null=True, unique=True, editable=False)  # of its form
    version = models.PositiveIntegerField(default=1, editable=False)
    seq = models.BigIntegerField(default=0, editable=False)
    head_seq = models.BigIntegerField(default=0, editable=False)
    desk_seq = models.BigIntegerField(default=0, editable=False)
    newest_at = models.DateTimeField(null=True, editable=False)  # of what is visible
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now_add=True)

    objects = StoryQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        verbose_name_plural = "stories"
        indexes = [
            models.Index(fields=["state", "-live_at"]),
            models.Index(fields=["state", "-closed_at", "-id"], name="story_ended"),
            models.Index(fields=["state", "seq"], name="story_total"),
            models.Index(fields=["-live_at", "-id"], name="story_begun"),
            models.Index(fields=["-changed_at", "-id"], name="story_changed"),
            models.Index(fields=["-newest_at", "-id"], name="story_newest"),
            models.Index(fields=["series", "-newest_at"], name="story_in_series"),
            models.Index(
                fields=["series", "state", "-first_day", "-live_at", "-id"],
                name="story_of_day",
            ),
        ]

    def __str__(self) -> str:
        return self.headline

    def get_absolute_url(self) -> str:
        """Return the address of the live page."""
        return reverse("story", args=[self.slug])

    @property
    def public(self) -> bool:
        """Whether readers may see it."""
        return self.state in self.PUBLIC

    @property
    def incoming_links(self) -> models.QuerySet[Any]:
        """Return the links that lead here, with where each of them stands."""
        return self.linked_from.select_related("story", "entry__story")

    @property
    def title(self) -> str:
        """Return how other pages name it: `Series: Headline`."""
        if self.series is None or self.headline.startswith(self.series.name):
            return self.headline
        return f"{self.series.name}: {self.headline}"

    @property
    def column(self) -> str:
        """Return what a provenance line calls it: its series, else its headline."""
        return self.series.name if self.series else self.headline

    def name_in(self, other: "Story") -> str:
        """Return what a line in another story calls it.

        Where both are of one series, its name would not tell them apart.
        """
        return self.headline if self.series_id == other.series_id else self.column


class StorySlug(models.Model):
    """A slug that a story has or had; nobody else ever gets it."""

    slug = models.SlugField(max_length=120, primary_key=True)
    story = models.ForeignKey(Story, models.CASCADE, related_name="slugs")

    def __str__(self) -> str:
        return self.slug


class StoryVersion(models.Model):
    """The words that the head of a story had until a change."""

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
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(
                fields=["story", "number"], name="one_story_version_a_number"
            )
        ]

    def __str__(self) -> str:
        return f"{self.story_id} v{self.number}"
