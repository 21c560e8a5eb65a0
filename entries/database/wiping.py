"""Wipe erased text from SQLite's files: the search index and the write-ahead log.

Deleting a row leaves its text in both. FTS5 keeps it until the segments of its index
are merged, and the log until it is truncated. Both happen after an erasure, in short
steps between which others can write. On PostgreSQL VACUUM does it (docs/operators.md).
"""

import logging
import sqlite3
import time
from contextlib import closing
from threading import Lock, Thread
from typing import Any, Final

from django.db import connection, transaction

logger = logging.getLogger(__name__)
STEP_PAGES: Final = 64  # index pages merged per transaction, while writers wait
LOCK_SECONDS: Final = 0.2  # how long a step waits for its lock
FIRST_SECONDS: Final = 1.0  # in the request; the rest follows in a thread
LATER_SECONDS: Final = 5.0
RETRIES: Final = 60
_working = Lock()


def delete_securely(connection: Any, **_signal: Any) -> None:
    """Make a new SQLite connection overwrite deleted data with zeros."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA secure_delete = ON")


def wipe_erased_text() -> None:
    """Wipe erased text from SQLite's files after the transaction commits."""
    if connection.vendor == "sqlite":
        transaction.on_commit(_begin, robust=True)


def _begin() -> None:
    path = str(connection.settings_dict["NAME"])
    done = False
    if _working.acquire(blocking=False):
        try:
            done = _wiped(path, FIRST_SECONDS)
        finally:
            _working.release()
    if not done:
        Thread(target=_finish, args=[path], daemon=True, name="wiping").start()


def _finish(path: str) -> None:
    with _working:
        for _ in range(RETRIES):
            if _wiped(path, LATER_SECONDS):
                return
            time.sleep(1)
    logger.warning("Erased text is still in %s-wal: restart the site.", path)


def _wiped(path: str, seconds: float) -> bool:
    """Return whether index and log were wiped within the time."""
    until = time.monotonic() + seconds
    try:
        with closing(sqlite3.connect(path, LOCK_SECONDS, isolation_level=None)) as file:
            file.execute("PRAGMA secure_delete = ON")
            return _merged(file, until) and _truncated(file, until)
    except sqlite3.Error as error:
        logger.warning("Erased text could not be wiped yet: %s", error)
        return False


def _merged(file: sqlite3.Connection, until: float) -> bool:
    """Merge the full-text index into one segment (sqlite.org/fts5.html, 6.8)."""
    pages = -STEP_PAGES  # negative: begin, with all segments
    while time.monotonic() < until:
        before = file.total_changes
        file.execute(
            "INSERT INTO entries_fts (entries_fts, rank) VALUES ('merge', ?)", [pages]
        )
        if file.total_changes - before < 2:
            return True
        pages = STEP_PAGES
    return False


def _truncated(file: sqlite3.Connection, until: float) -> bool:
    """Truncate the log, once no reader from before the erasure needs it any more.

    Waiting for such readers inside of TRUNCATE would block all writers.
    """
    while True:
        _, size, copied = file.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if size == copied:
            busy, *_ = file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return True
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
