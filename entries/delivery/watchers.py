"""Watchers: they wake the hub when any process commits a change.

On PostgreSQL verbs send NOTIFY, and each process has a dedicated connection that
LISTENs. On SQLite the watcher polls `PRAGMA data_version`, which changes with every
commit of another connection.

A watcher also knows whether the database is reachable. Its `stamp()` changes with every
commit: as long as it is the same, the page cache serves responses without a query.
There is no stamp while the database does not answer.
"""

import asyncio
import itertools
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import psycopg
from django.db import connection, transaction

from entries.delivery import timings

logger = logging.getLogger(__name__)
CHANNEL = "liveblog"
DESK_CHANNEL = "liveblog_desk"  # for changes that readers do not see

_committed = itertools.count(1)
_commits = 0
_withdrawals = 0


def nudge() -> None:
    """Wake the watchers of every process when the open transaction commits.

    A nudge carries no data: the hub that wakes up reads from the rows what changed.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")
    transaction.on_commit(_count_commit)


def nudge_desks() -> None:
    """Wake the streams of open desks when the open transaction commits.

    For changes that readers do not see: they wake no reader and expire no page.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {DESK_CHANNEL}")


def _count_commit() -> None:
    """Count a commit of this process, before its listener is notified of it."""
    global _commits
    _commits = next(_committed)


def note_withdrawal() -> None:
    """Record that content was withdrawn, in this or another process."""
    global _withdrawals
    _withdrawals += 1


def local_changes() -> tuple[int, int]:
    """Return counters of this process's commits, and of withdrawals its hub has read.

    If they change, this process knows that cached pages are outdated.
    """
    return _commits, _withdrawals


class Watcher:
    """Call `wake` after every commit that may matter to readers.

    `wake_desks` is called after these and after commits that matter only to desks.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake_hub = wake
        self.wake_desks: Callable[[], None] = lambda: None
        self._file: sqlite3.Connection | None = None  # None on PostgreSQL
        self._polling_since = float("inf")
        self._threads = ThreadPoolExecutor(2, "watcher")  # one polls, one probes
        self._version = -1  # of the file, as the event loop read it
        self._current_stamp: tuple[int, int] | None = None
        self._notices = 0
        self._listener_checked_at = 0.0
        self._probe: asyncio.Task[bool] | None = None
        self._unreachable = False
        self.answered_at = 0.0  # monotonic seconds; when the database last answered
        self.confirmed_at = 0.0  # monotonic seconds; when the hub last read the rows
        self.last_stamp: tuple[int, int] | None = None

    def stamp(self) -> tuple[int, int] | None:
        """Return a value that changes with every commit; None while it is unknown."""
        now = time.monotonic()
        if self._file is not None:
            if now - self._polling_since > timings.SQLITE_STUCK_SECONDS:
                return None  # reading the file would block the event loop as well
            return self._file_stamp(self._file)
        if now - self._listener_checked_at > timings.UNREACHABLE_AFTER_SECONDS:
            return None
        self.last_stamp = (self._notices, _commits)
        return self.last_stamp

    async def is_answering(self) -> bool:
        """Return whether the database answers, after at most two probes.

        All requests share one probe. A request that joined a failed probe starts
        another: the database may be back since the first one started.
        """
        if self.stamp() is not None:
            self._unreachable = False
            return True
        joined = self._probe is not None
        result = await self._probe_result()
        if result is False and joined:
            result = await self._probe_result()
        self._unreachable = not result
        return bool(result)

    async def _probe_result(self) -> bool | None:
        """Return the result of the current or a new probe, or None after a timeout."""
        if self._probe is None:
            self._probe = asyncio.create_task(self._probe_database())
        probe = self._probe
        timeout = (
            timings.OUTAGE_PROBE_TIMEOUT_SECONDS
            if self._unreachable
            else timings.PROBE_TIMEOUT_SECONDS
        )
        await asyncio.wait({probe}, timeout=timeout)
        await asyncio.sleep(0)  # a busy loop may see timeout and result at once
        return probe.result() if probe.done() else None

    async def _probe_database(self) -> bool:
        """Run a trivial query on a new connection; return whether it succeeds."""
        began = time.monotonic()
        try:
            if connection.vendor == "postgresql":
                async with asyncio.timeout(timings.UNREACHABLE_AFTER_SECONDS):
                    async with await _connect() as probe:
                        await probe.execute("SELECT 1")
            else:
                await self._in_thread(_read_file)
        except (OSError, psycopg.Error, sqlite3.Error) as error:
            return self._refuses_connections_only(error)
        finally:
            self._probe = None
        self.answered_at = began
        return True

    def _refuses_connections_only(self, error: Exception) -> bool:
        """Return whether the server refused a new connection but answers others."""
        refused = isinstance(error, psycopg.OperationalError) and "FATAL" in str(error)
        silence = time.monotonic() - self.confirmed_at
        return refused and silence < timings.UNREACHABLE_AFTER_SECONDS

    @property
    def lag(self) -> float:
        """Return the seconds since the database last answered the watcher."""
        if self._file is not None:
            return 0.0 if self.stamp() else timings.UNREACHABLE_AFTER_SECONDS
        return time.monotonic() - self._listener_checked_at

    def _file_stamp(self, file: sqlite3.Connection) -> tuple[int, int] | None:
        """Read the file's version, once for all requests of one loop iteration."""
        if self._current_stamp is None:
            try:
                self._current_stamp = (self._checked_version(file), self._notices)
            except sqlite3.Error:
                return None
            self.last_stamp = self._current_stamp
            asyncio.get_running_loop().call_soon(self._expire_stamp)
        return self._current_stamp

    def _expire_stamp(self) -> None:
        self._current_stamp = None

    async def run(self) -> None:
        """Watch forever; if the database fails, back off and start again."""
        watch = self._listen if connection.vendor == "postgresql" else self._poll_file
        while True:
            try:
                await watch()
            except (OSError, psycopg.Error, sqlite3.Error) as error:
                self._listener_checked_at = 0.0
                logger.warning("The watcher lost the database: %s", error)
                await asyncio.sleep(timings.RECONNECT_BACKOFF_SECONDS)

    async def _listen(self) -> None:
        """LISTEN on a dedicated connection, outside any pool."""
        async with await _connect() as listener:
            began = time.monotonic()
            await listener.execute(f"LISTEN {CHANNEL}")
            await listener.execute(f"LISTEN {DESK_CHANNEL}")
            # Something may have been committed before LISTEN.
            self.notice_commit()
            self._listener_checked_at = self.answered_at = began
            while True:
                async for notice in listener.notifies(
                    timeout=timings.LISTENER_CHECK_SECONDS
                ):
                    if notice.channel == DESK_CHANNEL:
                        self.wake_desks()
                    else:
                        self.notice_commit()
                # A result proves that all notifications before its query have arrived.
                began = time.monotonic()
                async with asyncio.timeout(timings.UNREACHABLE_AFTER_SECONDS):
                    await listener.execute("SELECT 1")
                self._listener_checked_at = self.answered_at = began

    def notice_commit(self) -> None:
        """Change the stamp and wake the hub, because something may be committed."""
        self._notices += 1
        self.last_stamp = None  # cached pages are no longer known to be current
        self._wake()

    def _wake(self) -> None:
        self._wake_hub()
        self.wake_desks()

    async def _poll_file(self) -> None:
        """Poll the file's version in a thread, for as long as the file can be read.

        It takes microseconds, but if the index of the write-ahead log is locked, SQLite
        retries for ten seconds, which must not block the event loop.
        """
        loop, stopped = asyncio.get_running_loop(), threading.Event()
        with closing(_open_file()) as file:
            try:
                self._file, self._version = file, -1
                self.notice_commit()  # the versions of a new connection start over
                await self._in_thread(self._watch_file, loop, stopped)
            finally:
                self._file = None
                stopped.set()

    def _watch_file(
        self, loop: asyncio.AbstractEventLoop, stopped: threading.Event
    ) -> None:
        """Tell the event loop when the file's version changes. Raises sqlite3.Error."""
        last_version = -1
        with closing(_open_file()) as file:
            while not stopped.is_set():
                # Waiting for the event would cost more than all else that this does.
                time.sleep(timings.SQLITE_POLL_SECONDS)
                began = time.monotonic()
                version = self._timed_version(file)
                self.answered_at = began
                if version != last_version:
                    last_version = version
                    with suppress(RuntimeError):  # the loop is closed
                        loop.call_soon_threadsafe(self._notice_version)

    def _notice_version(self) -> None:
        self.last_stamp = None
        self._wake()

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function in one of the watcher's own threads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *args)

    def _timed_version(self, file: sqlite3.Connection) -> int:
        """Read the file's version; `_polling_since` shows if that takes too long."""
        self._polling_since = time.monotonic()
        try:
            return _data_version(file)
        finally:
            self._polling_since = float("inf")

    def _checked_version(self, file: sqlite3.Connection) -> int:
        """Read the file's version, and wake the hub if it has changed."""
        version = _data_version(file)
        if version != self._version:
            self._version = version
            self._wake()
        return version


async def _connect() -> "psycopg.AsyncConnection[Any]":
    """Connect to PostgreSQL, outside any pool."""
    parameters = connection.get_connection_params()
    for name in ("pool", "cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    return await psycopg.AsyncConnection.connect(**parameters, autocommit=True)


def _open_file() -> sqlite3.Connection:
    """Open the SQLite file read-only, without waiting for locks."""
    path = f"file:{connection.settings_dict['NAME']}?mode=ro"
    return sqlite3.connect(
        path, uri=True, timeout=0, isolation_level=None, check_same_thread=False
    )


def _data_version(file: sqlite3.Connection) -> int:
    return int(file.execute("PRAGMA data_version").fetchone()[0])


def _read_file() -> None:
    """Check that the SQLite file can be read. Raises sqlite3.Error."""
    with closing(_open_file()) as file:
        file.execute("SELECT 1 FROM sqlite_master").fetchone()
