"""Series: the columns that stories belong to, and their rules for quiet stories."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from entries.models.fields import FoldedField, LineField
from entries.text import languages


@dataclass(frozen=True)
class QuietRule:
    """What happens to a live story without updates, and after how long.

    `remind` is None if editors are not reminded. After `end` the story is closed if
    `closes`; otherwise readers see since when it has had no updates.
    """

    remind: timedelta | None
    end: timedelta
    closes: bool

    @classmethod
    def of(cls, series: "Series | None") -> "QuietRule":
        """Return the rule of a series; its empty fields default to the settings."""
        remind, end = settings.QUIET_REMINDER_HOURS, settings.QUIET_HOURS
        action = settings.QUIET_ACTION
        if series:
            own = series.quiet_reminder_hours
            remind = remind if own is None else own
            end = series.quiet_hours or end
            action = series.quiet_action or action
        return cls(
            timedelta(hours=remind) if remind else None,
            timedelta(hours=end),
            action == Series.QuietAction.CLOSE,
        )


class Series(models.Model):
    """A recurring column that stories may belong to."""

    class QuietAction(models.TextChoices):
        SHOW_NOTICE = "tell", _("Tell readers “No updates since …”")
        CLOSE = "close", _("Close the story")

    name = LineField(_("name"), max_length=100, unique=True)
    slug = models.SlugField(_("slug"), max_length=100, unique=True)
    description = LineField(_("description"), max_length=300, blank=True)
    language = models.CharField(
        _("language"),
        max_length=20,
        blank=True,
        help_text=_("Of its new stories. Empty: the site’s language."),
    )
    folded = FoldedField(sources=["name"])
    quiet_reminder_hours = models.PositiveSmallIntegerField(
        _("remind editors after (hours)"),
        null=True,
        blank=True,
        help_text=_(
            "A live story without updates for this long reminds its editors. Empty: "
            "the site’s setting. 0: no reminder."
        ),
    )
    quiet_hours = models.PositiveSmallIntegerField(
        _("quiet after (hours)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_(
            "A live story without updates for this long is no longer shown as live. "
            "Empty: the site’s setting."
        ),
    )
    quiet_action = models.CharField(
        _("then"),
        max_length=5,
        choices=QuietAction.choices,
        blank=True,
        help_text=_("Empty: the site’s setting."),
    )

    class Meta:
        verbose_name = _("series")
        verbose_name_plural = _("series")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Return the URL of the series page."""
        return reverse("series", args=[self.slug])

    @classmethod
    def language_of(cls, series: "Series | None") -> str:
        """Return the language of a new story in a series, or in none."""
        own = series.language if series else ""
        return own or languages.canonical_tag(settings.SITE_LANGUAGE)
