"""Lines that lead from one place to another."""

from typing import Self

from django.db import models
from django.db.models import Q

from entries.models.entries import Entry
from entries.models.site import Series
from entries.models.stories import Story


class LinkQuerySet(models.QuerySet["Link"]):
    """Links with what their lines need."""

    def with_targets(self) -> Self:
        """Fetch the stories and series they point to."""
        return self.select_related(
            "target_story__series", "target_story__lead_image", "target_series"
        )

    def shown(self) -> Self:
        """Keep what readers may see: no link names a story that is not public."""
        hidden = Q(target_story__isnull=False) & ~Q(
            target_story__state__in=Story.PUBLIC
        )
        return self.exclude(hidden, title="")

    def site_features(self) -> Self:
        """Keep the feature links of the site itself."""
        return self.filter(kind=Link.Kind.FEATURE, story=None, entry=None)


class Link(models.Model):
    """A line that leads from a story or an entry (or the site) elsewhere.

    Without a target it keeps its title, reads as plain text, and is listed for
    moderators as unresolved.
    """

    class Kind(models.TextChoices):
        SEE = "see", "See"
        CROSS_POSTED = "cross-posted", "Cross-posted from"
        LATEST = "latest", "Latest"
        FEATURE = "feature", "Feature"
        PREVIOUS = "previous", "Previous"
        NEXT = "next", "Next"

    kind = models.CharField(max_length=12, choices=Kind.choices)
    story = models.ForeignKey(
        Story, models.CASCADE, null=True, blank=True, related_name="links"
    )
    entry = models.ForeignKey(
        Entry, models.CASCADE, null=True, blank=True, related_name="links"
    )
    target_story = models.ForeignKey(
        Story, models.SET_NULL, null=True, blank=True, related_name="linked_from"
    )
    target_series = models.ForeignKey(
        Series, models.SET_NULL, null=True, blank=True, related_name="linked_from"
    )
    target_url = models.CharField("outside address", max_length=500, blank=True)
    title = models.CharField(max_length=300, blank=True)
    label = models.CharField(
        max_length=60, blank=True, help_text="As in “Tuesday feature”."
    )
    order = models.PositiveIntegerField(default=0)

    objects = LinkQuerySet.as_manager()

    class Meta:
        ordering = ["order", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(story__isnull=True) | Q(entry__isnull=True),
                name="a_link_leaves_from_one_place",
            ),
            models.CheckConstraint(
                condition=Q(target_url="")
                | Q(target_story__isnull=True, target_series__isnull=True),
                name="a_link_has_one_target",
            ),
            models.CheckConstraint(
                condition=Q(target_story__isnull=True) | Q(target_series__isnull=True),
                name="a_link_has_one_target_here",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.text}"

    @property
    def text(self) -> str:
        """Return the words of the line: its own title, else its target's."""
        if self.title:
            return self.title
        if self.target_story:
            return self.target_story.title
        return self.target_series.name if self.target_series else self.target_url

    @property
    def address(self) -> str:
        """Return where it leads; empty while readers cannot go there."""
        if self.target_story:
            return (
                self.target_story.get_absolute_url() if self.target_story.public else ""
            )
        if self.target_series:
            return self.target_series.get_absolute_url()
        return self.target_url

    @property
    def unresolved(self) -> bool:
        """Whether a moderator has yet to say where it leads."""
        return not (self.target_story_id or self.target_series_id or self.target_url)
