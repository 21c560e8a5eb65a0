"""How many readers this process has, told to the others through one small row."""

import secrets
import time
from collections.abc import Mapping

from django.utils import timezone

from entries.models import Audience

EVERY = 10.0  # seconds between two tellings at least
AGAIN = 60.0  # seconds after which what has not changed is told again


class Teller:
    """Writes the counts of one process where they changed; nobody is woken by it."""

    def __init__(self) -> None:
        self._process = secrets.token_hex(8)
        self._told: dict[str, int] = {}
        self._at = -AGAIN

    def due(self, readers: Mapping[int, int]) -> dict[str, int] | None:
        """Return the counts to tell now; None where there is nothing to tell."""
        counts = {str(pk): number for pk, number in readers.items() if number}
        silent = time.monotonic() - self._at
        changed = counts != self._told
        if silent < EVERY or not (changed or (counts and silent >= AGAIN)):
            return None
        return counts

    def tell(self, counts: dict[str, int]) -> None:
        """Write them; the row of a process that nobody reads from goes."""
        self._at = time.monotonic()  # what fails is tried again after a while, too
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
        # What crashed long ago has left its row.
        Audience.objects.filter(
            reported_at__lt=now - 10 * Audience.EXPIRES_AFTER
        ).delete()
        self._told = counts
