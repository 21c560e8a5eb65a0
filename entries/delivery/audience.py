"""Report how many readers each story has in this process."""

import secrets
import time
from collections.abc import Mapping
from datetime import datetime

from django.db import connection
from django.utils import timezone

from entries.delivery import timings
from entries.models import Audience, AudienceMinute, Story
from entries.text import gmt

# Each process adds its own readers once, so one row holds those of all.
_ADD_MINUTE = (
    "INSERT INTO entries_audienceminute (story_id, minute, readers) "
    "VALUES (%s, %s, %s) ON CONFLICT (story_id, minute) DO UPDATE "
    "SET readers = entries_audienceminute.readers + excluded.readers"
)


class AudienceWriter:
    """Write this process's row of reader counts when it is due, without a nudge."""

    def __init__(self) -> None:
        self._process = secrets.token_hex(8)
        self._written: dict[str, int] = {}
        self._minute = gmt.this_minute()
        self._tried_at = -timings.AUDIENCE_MAX_SECONDS

    def due_counts(self, readers: Mapping[int, int]) -> dict[str, int] | None:
        """Return the counts to write now, or None if no write is due."""
        counts = {str(pk): number for pk, number in readers.items() if number}
        elapsed = time.monotonic() - self._tried_at
        if elapsed < timings.AUDIENCE_MIN_SECONDS:
            return None
        refresh = bool(counts) and elapsed >= timings.AUDIENCE_MAX_SECONDS
        return counts if refresh or counts != self._written else None

    def ended_minute(self) -> datetime | None:
        """Return the minute that has just ended, once."""
        now = gmt.this_minute()
        ended, self._minute = self._minute, now
        return ended if ended < now else None

    def write_minute(self, minute: datetime, readers: Mapping[int, int]) -> None:
        """Add this process's readers to those of a minute; prune old minutes."""
        wanted = [pk for pk, number in readers.items() if number]
        # A story may have been deleted meanwhile.
        found = Story.objects.filter(pk__in=wanted).values_list("pk", flat=True)
        at = connection.ops.adapt_datetimefield_value(minute)
        rows = [(pk, at, readers[pk]) for pk in found] if wanted else []
        with connection.cursor() as cursor:
            cursor.executemany(_ADD_MINUTE, rows)
        if minute.minute == 0:
            expired = minute - AudienceMinute.KEPT
            AudienceMinute.objects.filter(minute__lt=expired).delete()

    def write(self, counts: dict[str, int]) -> None:
        """Write the counts, or delete the row if there are no readers."""
        self._tried_at = time.monotonic()  # a failed write is retried after a while
        now = timezone.now()
        if counts:
            row = Audience(process=self._process, counts=counts, reported_at=now)
            Audience.objects.bulk_create(
                [row],
                update_conflicts=True,
                unique_fields=["process"],
                update_fields=["counts", "reported_at"],
            )
        else:
            Audience.objects.filter(process=self._process).delete()
        # Rows of processes that crashed.
        expired = now - 10 * Audience.EXPIRES_AFTER
        Audience.objects.filter(reported_at__lt=expired).delete()
        self._written = counts
