"""How many readers each story has now, as reported by the server processes."""

from collections import Counter
from datetime import timedelta

from django.db import models
from django.utils import timezone


class Audience(models.Model):
    """The open streams of one server process, by story.

    A process reports when its counts change, and regularly in between; one whose last
    report is older than `EXPIRES_AFTER` is not counted.
    """

    EXPIRES_AFTER = timedelta(seconds=150)

    process = models.CharField(max_length=16, primary_key=True)
    counts = models.JSONField()  # id of a story, as text -> open streams
    reported_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.process

    @classmethod
    def now(cls) -> Counter[int]:
        """Return the readers of each story, in all processes; 0 for any other."""
        total: Counter[int] = Counter()
        now = timezone.now()
        # A time far in the future was reported before the clock was set back.
        fresh = {
            "reported_at__gt": now - cls.EXPIRES_AFTER,
            "reported_at__lt": now + cls.EXPIRES_AFTER,
        }
        rows = cls.objects.filter(**fresh)
        for counts in rows.values_list("counts", flat=True):
            total.update({int(pk): number for pk, number in counts.items()})
        return total
