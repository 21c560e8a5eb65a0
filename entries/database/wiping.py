"""Wipe erased text from SQLite's full-text index and write-ahead log (WAL).

Deleting a row leaves its text in both: FTS5 keeps it until the segments of its index
are merged, the WAL until it is truncated. After an erasure both are done, in short
steps between which others can write. On PostgreSQL that is left to VACUUM (see
docs/operators.md).
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
LOCK_SECONDS: Final = 0.2  # timeout of each step for its lock
FIRST_SECONDS: Final = 1.0  # time limit in the request; a thread does the rest
LATER_SECONDS: Final = 5.0  # time limit of each attempt in the thread
RETRIES: Final = 60
_lock = Lock()


def delete_securely(connection: Any, **_signal: Any) -> None:
    """Make a new SQLite connection overwrite deleted data with zeros."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA secure_delete = ON")


def wipe_erased_text() -> None:
    """Wipe erased text from SQLite's files after the transaction commits."""
    if connection.vendor == "sqlite":
        transaction.on_commit(_start, robust=True)


def _start() -> None:
    """Try to wipe at once, and leave the rest to a thread."""
    path = str(connection.settings_dict["NAME"])
    done = False
    if _lock.acquire(blocking=False):
        try:
            done = _wipe(path, FIRST_SECONDS)
        finally:
            _lock.release()
    if not done:
        Thread(target=_finish, args=[path], daemon=True, name="wiping").start()


def _finish(path: str) -> None:
    with _lock:
        for _ in range(RETRIES):
            if _wipe(path, LATER_SECONDS):
                return
            time.sleep(1)
    logger.warning("Erased text is still in %s-wal: restart the site.", path)


def _wipe(path: str, seconds: float) -> bool:
    """Wipe the index and the WAL; return whether the time was enough."""
    deadline = time.monotonic() + seconds
    try:
        with closing(sqlite3.connect(path, LOCK_SECONDS, isolation_level=None)) as file:
            file.execute("PRAGMA secure_delete = ON")
            return _merge_index(file, deadline) and _truncate_wal(file, deadline)
    except sqlite3.Error as error:
        logger.warning("Erased text could not be wiped yet: %s", error)
        return False


def _merge_index(file: sqlite3.Connection, deadline: float) -> bool:
    """Merge the full-text index into one segment (sqlite.org/fts5.html, 6.8)."""
    pages = -STEP_PAGES  # a negative number starts a merge of all segments
    while time.monotonic() < deadline:
        before = file.total_changes
        file.execute(
            "INSERT INTO entries_fts (entries_fts, rank) VALUES ('merge', ?)", [pages]
        )
        if file.total_changes - before < 2:
            return True
        pages = STEP_PAGES
    return False


def _truncate_wal(file: sqlite3.Connection, deadline: float) -> bool:
    """Truncate the WAL as soon as no older transaction reads from it.

    TRUNCATE itself would wait for such transactions, but would block all writers.
    """
    while True:
        _, size, copied = file.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if size == copied:
            busy, *_ = file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
