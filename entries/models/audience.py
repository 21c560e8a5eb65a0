"""Reader counts of stories, as reported by each server process."""

from collections import Counter
from datetime import timedelta

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from entries.models.stories import Story


class Audience(models.Model):
    """The number of open streams in one server process, by story.

    A process reports when its counts change, and regularly in between. Its report
    expires after `EXPIRES_AFTER`.
    """

    EXPIRES_AFTER = timedelta(seconds=150)

    process = models.CharField(max_length=16, primary_key=True)
    counts = models.JSONField()  # story id, as a string -> number of open streams
    reported_at = models.DateTimeField()

    class Meta:
        verbose_name = _("readers now")
        verbose_name_plural = _("readers now")

    def __str__(self) -> str:
        return self.process

    @classmethod
    def now(cls) -> Counter[int]:
        """Return the number of readers of each story, summed over all processes."""
        total: Counter[int] = Counter()
        now = timezone.now()
        # A report from the future was made before the clock was set back.
        fresh = {
            "reported_at__gt": now - cls.EXPIRES_AFTER,
            "reported_at__lt": now + cls.EXPIRES_AFTER,
        }
        rows = cls.objects.filter(**fresh)
        for counts in rows.values_list("counts", flat=True):
            total.update({int(pk): number for pk, number in counts.items()})
        return total


class AudienceMinute(models.Model):
    """How many pages of a story were open in one minute, in all processes together."""

    KEPT = timedelta(days=30)

    story = models.ForeignKey(Story, models.CASCADE, related_name="audience")
    minute = models.DateTimeField()
    readers = models.PositiveIntegerField()

    class Meta:
        verbose_name = _("readers of a minute")
        verbose_name_plural = _("readers of minutes")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["story", "minute"], name="audience_once_a_minute"
            )
        ]
        indexes = [models.Index(fields=["minute"], name="audience_minute")]

    def __str__(self) -> str:
        return f"{self.story_id} at {self.minute}: {self.readers}"
