"""Report how many readers each story has in this process."""

import secrets
import time
from collections.abc import Mapping

from django.utils import timezone

from entries.delivery import timings
from entries.models import Audience


class AudienceWriter:
    """Write this process's row of reader counts when it is due, without a nudge."""

    def __init__(self) -> None:
        self._process = secrets.token_hex(8)
        self._written: dict[str, int] = {}
        self._tried_at = -timings.AUDIENCE_MAX_SECONDS

    def due_counts(self, readers: Mapping[int, int]) -> dict[str, int] | None:
        """Return the counts to write now, or None if no write is due."""
        counts = {str(pk): number for pk, number in readers.items() if number}
        elapsed = time.monotonic() - self._tried_at
        if elapsed < timings.AUDIENCE_MIN_SECONDS:
            return None
        refresh = bool(counts) and elapsed >= timings.AUDIENCE_MAX_SECONDS
        return counts if refresh or counts != self._written else None

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
