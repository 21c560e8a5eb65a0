"""Who wakes the hub when something was committed."""

from django.db import connection

CHANNEL = "liveblog"


def nudge() -> None:
    """Wake the watchers of every process when the open transaction commits.

    A nudge carries nothing: whoever wakes asks the rows what changed. On SQLite
    the file itself tells (`PRAGMA data_version`), so there is nothing to do.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")
