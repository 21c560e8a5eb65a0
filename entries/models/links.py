"""Links from the site, a story or an entry to a story, a series or another site."""

import hashlib
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from entries.models.entries import Entry
from entries.models.fields import FoldedField, LineField
from entries.models.images import Image
from entries.models.series import Series
from entries.models.stories import Story


class LinkQuerySet(models.QuerySet["Link"]):
    """Queries for links by their visibility and target."""

    def with_targets(self) -> Self:
        """Fetch the targets and images of the links in the same query."""
        return self.select_related(
            "target_story__series",
            "target_story__lead_image",
            "target_series",
            "image",
        )

    def visible(self) -> Self:
        """Return the links that readers may see.

        They are active, and do not reveal the title of a story that is not public.
        """
        hidden = Q(target_story__isnull=False) & ~Q(
            target_story__state__in=Story.PUBLIC
        )
        return self.filter(active=True).exclude(hidden, title="")

    def due(self) -> Self:
        """Return the links whose `active` is out of date, by the database's clock."""
        started = Q(starts_at=None) | Q(starts_at__lte=Now())
        not_ended = Q(ends_at=None) | Q(ends_at__gt=Now())
        outside = Q(starts_at__gt=Now()) | Q(ends_at__lte=Now())
        # The condition of the index `links_with_a_time`.
        timed = Q(starts_at__isnull=False) | Q(ends_at__isnull=False)
        return self.filter(timed).filter(
            Q(active=False) & started & not_ended | Q(active=True) & outside
        )

    def unresolved(self) -> Self:
        """Return the links that have no target yet."""
        return self.filter(
            target_story__isnull=True, target_series__isnull=True, target_url=""
        )

    def site_features(self) -> Self:
        """Return the default features, which belong to no story or entry."""
        return self.filter(kind=Link.Kind.FEATURE, story=None, entry=None)


class Link(models.Model):
    """A link from a story, an entry or the site itself to one target.

    A link without a target is unresolved: readers see its title as plain text, and
    moderators find it in a list.
    """

    class Kind(models.TextChoices):
        SEE = "see", _("See")
        CROSS_POSTED = "cross-posted", _("Cross-posted from")
        LATEST = "latest", _("Latest")
        FEATURE = "feature", _("Feature")
        PREVIOUS = "previous", _("Previous")
        NEXT = "next", _("Next")

    # The kinds that each place may have, in the order in which its editor offers them.
    KINDS_BY_PLACE: ClassVar = {
        "site": (Kind.FEATURE,),
        "story": (Kind.FEATURE, Kind.LATEST, Kind.PREVIOUS, Kind.NEXT, Kind.SEE),
        "entry": (Kind.SEE, Kind.CROSS_POSTED),
    }
    # A story's links that readers find under “Related”. Features and LATEST have
    # sections of their own.
    RELATED_KINDS: ClassVar = (Kind.PREVIOUS, Kind.NEXT, Kind.SEE)
    # The kind of the link back, for links between two stories.
    REVERSE_KINDS: ClassVar[dict[str, str]] = {
        Kind.SEE: Kind.SEE,
        Kind.LATEST: Kind.LATEST,
        Kind.PREVIOUS: Kind.NEXT,
        Kind.NEXT: Kind.PREVIOUS,
    }

    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    story = models.ForeignKey(
        Story,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="links",
        verbose_name=_("story"),
    )
    entry = models.ForeignKey(
        Entry,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="links",
        verbose_name=_("entry"),
    )
    target_story = models.ForeignKey(
        Story,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="linked_from",
        verbose_name=_("target story"),
    )
    target_series = models.ForeignKey(
        Series,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="linked_from",
        verbose_name=_("target series"),
    )
    target_url = models.CharField(_("outside address"), max_length=500, blank=True)
    title = LineField(_("title"), max_length=300, blank=True)
    folded = FoldedField(sources=["title"])
    label = LineField(
        max_length=60, blank=True, help_text=_("As in “Tuesday feature”.")
    )
    order = models.PositiveIntegerField(_("order"), default=0)
    image = models.ForeignKey(
        Image,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="featured",
        limit_choices_to=Image.STILLS,
        verbose_name=_("picture"),
        help_text=_("Empty: the lead picture of the story."),
    )
    starts_at = models.DateTimeField(_("start (GMT)"), null=True, blank=True)
    ends_at = models.DateTimeField(_("end (GMT)"), null=True, blank=True)
    # Stored, because pages are rendered from rows alone, without a clock.
    active = models.BooleanField(default=True, editable=False)

    objects = LinkQuerySet.as_manager()

    class Meta:
        verbose_name = _("link")
        verbose_name_plural = _("links")
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
            models.CheckConstraint(
                condition=Q(starts_at=None, ends_at=None) | Q(kind="feature"),
                name="a_feature_has_its_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["active"],
                condition=Q(starts_at__isnull=False) | Q(ends_at__isnull=False),
                name="links_with_a_time",
            ),
            models.Index(
                fields=["kind"],
                condition=Q(story__isnull=True, entry__isnull=True),
                name="links_of_the_site",
            ),
            models.Index(
                fields=["-id"],
                condition=Q(
                    target_story__isnull=True, target_series__isnull=True, target_url=""
                ),
                name="links_unresolved",
            ),
            models.Index(fields=["order", "id"], name="links_in_order"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.text}"

    @property
    def text(self) -> str:
        """Return the link text: its own title, else that of its target."""
        if self.title:
            return self.title
        if self.target_story:
            return self.target_story.title
        return self.target_series.name if self.target_series else self.target_url

    @property
    def url(self) -> str:
        """Return the URL of its target, or "" if readers cannot visit it."""
        if self.target_story:
            return (
                self.target_story.get_absolute_url() if self.target_story.public else ""
            )
        if self.target_series:
            return self.target_series.get_absolute_url()
        return self.target_url

    @property
    def target_name(self) -> str:
        """Return the name of its target, or "" if it has none."""
        return str(self.target_story or self.target_series or self.target_url)

    @property
    def fingerprint(self) -> str:
        """Return a hash of what editors can change, to detect conflicting edits."""
        content = (self.title, self.label, self.image_id, self.starts_at, self.ends_at)
        target = (self.target_story_id, self.target_series_id, self.target_url)
        return hashlib.blake2s(repr((content, target)).encode()).hexdigest()[:16]

    @property
    def visible(self) -> bool:
        """Whether readers may see it, as in `LinkQuerySet.visible`."""
        hidden = self.target_story is not None and not self.target_story.public
        return self.active and bool(self.title or not hidden)

    @property
    def display_image(self) -> Image | None:
        """Return its own image, else the lead image of its target, if visible."""
        if self.image and self.image.visible:
            return self.image
        story = self.target_story
        lead = story.lead_image if story and story.public else None
        return lead if lead and lead.visible else None

    @property
    def unresolved(self) -> bool:
        """Whether it has no target yet, as in `LinkQuerySet.unresolved`."""
        return not (self.target_story_id or self.target_series_id or self.target_url)
