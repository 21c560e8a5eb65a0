"""How many read each story now, as the processes tell it."""

from collections import Counter
from datetime import timedelta

from django.db import models
from django.utils import timezone


class Audience(models.Model):
    """The open streams of one server process, by story.

    A process tells of itself when its counts change, and now and then while they do
    not; one that has been silent for `EXPIRES_AFTER` is not there any more.
    """

    EXPIRES_AFTER = timedelta(seconds=150)

    process = models.CharField(max_length=16, primary_key=True)
    counts = models.JSONField()  # id of a story, as text -> open streams
    reported_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.process

    @classmethod
    def now(cls) -> Counter[int]:
        """Return how many read each story, in all processes; 0 for any other."""
        total: Counter[int] = Counter()
        now = timezone.now()
        # What was told much later than now was told before the clock was put back.
        told = {
            "reported_at__gt": now - cls.EXPIRES_AFTER,
            "reported_at__lt": now + cls.EXPIRES_AFTER,
        }
        rows = cls.objects.filter(**told)
        for counts in rows.values_list("counts", flat=True):
            total.update({int(pk): number for pk, number in counts.items()})
        return total
