"""Who wakes the hub when something was committed, in whatever process."""

import asyncio
import itertools
import logging
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg
from django.db import connection, transaction

from entries.delivery import timings

logger = logging.getLogger(__name__)
CHANNEL = "liveblog"


_committed = itertools.count(1)
_commits = 0
_withdrawals = 0


def nudge() -> None:
    """Wake the watchers of every process when the open transaction commits.

    A nudge carries nothing: whoever wakes asks the rows what changed. On SQLite
    the file itself tells (`PRAGMA data_version`).
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")
    transaction.on_commit(_count)


def _count() -> None:
    """Let this process know of its own commit before the listener hears of it."""
    global _commits
    _commits = next(_committed)


def note_withdrawal() -> None:
    """Let this process know that something was taken away, wherever that was done."""
    global _withdrawals
    _withdrawals += 1


def local_changes() -> tuple[int, int]:
    """Return what moves when this process learns that a page of before is untrue."""
    return _commits, _withdrawals


class Watcher:
    """Calls `wake` after every commit that may concern readers."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._file: sqlite3.Connection | None = None
        self._looking_since = float("inf")
        self._threads = ThreadPoolExecutor(2, "look")  # one looks, one probes
        self._seen = -1
        self._file_stamp_now: tuple[int, int] | None = None
        self._heard = 0
        self._alive = 0.0
        self._probe: asyncio.Task[bool] | None = None
        self._silent = False
        self.answered_at = 0.0  # monotonic seconds; when the database last answered
        self.confirmed_at = 0.0  # monotonic seconds; when the hub last read the rows
        self.last_stamp: tuple[int, int] | None = None

    def stamp(self) -> tuple[int, int] | None:
        """Return what changes with every commit; None while nobody can know."""
        if self._file is not None:
            if time.monotonic() - self._looking_since > timings.SQLITE_STUCK_SECONDS:
                return None  # asking the file would block the event loop as well
            return self._file_stamp(self._file)
        if time.monotonic() - self._alive > timings.UNREACHABLE_AFTER_SECONDS:
            return None
        self.last_stamp = (self._heard, _commits)
        return self.last_stamp

    async def is_answering(self) -> bool:
        """Return whether the database answers now; wait at most one probe timeout.

        All requests share one probe. A request that joined a failed one asks again:
        the database may have come back since that probe began.
        """
        if self.stamp() is not None:
            self._silent = False
            return True
        joined = self._probe is not None
        answer = await self._probed()
        if answer is False and joined:
            answer = await self._probed()
        self._silent = not answer
        return bool(answer)

    async def _probed(self) -> bool | None:
        """Return what the probe found; None if it takes too long."""
        if self._probe is None:
            self._probe = asyncio.create_task(self._query())
        probe = self._probe
        timeout = (
            timings.OUTAGE_PROBE_TIMEOUT_SECONDS
            if self._silent
            else timings.PROBE_TIMEOUT_SECONDS
        )
        await asyncio.wait({probe}, timeout=timeout)
        await asyncio.sleep(0)  # a busy loop may learn of both at once
        return probe.result() if probe.done() else None

    async def _query(self) -> bool:
        """Ask the database anything, on a connection of its own."""
        began = time.monotonic()
        try:
            if connection.vendor == "postgresql":
                async with asyncio.timeout(timings.UNREACHABLE_AFTER_SECONDS):
                    async with await _connect() as line:
                        await line.execute("SELECT 1")
            else:
                await self._in_thread(_read_file)
        except (OSError, psycopg.Error, sqlite3.Error) as error:
            return self._only_full(error)
        finally:
            self._probe = None
        self.answered_at = began
        return True

    def _only_full(self, error: Exception) -> bool:
        """Return whether the server refused a connection more, and answers others."""
        refused = isinstance(error, psycopg.OperationalError) and "FATAL" in str(error)
        return (
            refused
            and time.monotonic() - self.confirmed_at < timings.UNREACHABLE_AFTER_SECONDS
        )

    @property
    def lag(self) -> float:
        """Return the seconds since the database was last known to be heard."""
        if self._file is not None:
            return 0.0 if self.stamp() else timings.UNREACHABLE_AFTER_SECONDS
        return time.monotonic() - self._alive

    def _file_stamp(self, file: sqlite3.Connection) -> tuple[int, int] | None:
        """Ask the file once for all requests that had come by this turn."""
        if self._file_stamp_now is None:
            try:
                self._file_stamp_now = (self._version(file), self._heard)
            except sqlite3.Error:
                return None
            self.last_stamp = self._file_stamp_now
            asyncio.get_running_loop().call_soon(self._expire_file_stamp)
        return self._file_stamp_now

    def _expire_file_stamp(self) -> None:
        self._file_stamp_now = None

    async def run(self) -> None:
        """Watch for ever; begin again when the database was lost."""
        job = self._listen if connection.vendor == "postgresql" else self._poll_file
        while True:
            try:
                await job()
            except (OSError, psycopg.Error, sqlite3.Error) as error:
                self._alive = 0.0  # not to be trusted from now on
                logger.warning("The watcher lost the database: %s", error)
                await asyncio.sleep(timings.RECONNECT_BACKOFF_SECONDS)

    async def _listen(self) -> None:
        """LISTEN on a connection of its own, outside every pool."""
        async with await _connect() as listener:
            asked = time.monotonic()
            await listener.execute(f"LISTEN {CHANNEL}")
            # What was committed while nobody listened is heard of first.
            self.notice_commit()
            self._alive = self.answered_at = asked
            while True:
                async for _ in listener.notifies(
                    timeout=timings.LISTENER_CHECK_SECONDS
                ):
                    self.notice_commit()
                # An answer proves that nothing was missed until it was asked for.
                asked = time.monotonic()
                async with asyncio.timeout(timings.UNREACHABLE_AFTER_SECONDS):
                    await listener.execute("SELECT 1")
                self._alive = self.answered_at = asked

    def notice_commit(self) -> None:
        """Take it that something was committed."""
        self._heard += 1
        self.last_stamp = None  # no page that was made before is known to be current
        self._wake()

    async def _poll_file(self) -> None:
        """Ask the file whether another connection has committed: microseconds.

        The regular look is a thread's: where somebody locks the file's index, SQLite
        tries for ten seconds, and the event loop must not.
        """
        seen = -1
        looked_at = _open_file()  # its thread may still be at it when we leave
        with closing(_open_file()) as file:
            try:
                self._file, self._seen = file, -1
                self.notice_commit()  # a reopened file counts its versions anew
                while True:
                    began = time.monotonic()
                    version = await self._in_thread(self._timed_version, looked_at)
                    self.answered_at = began
                    if version != seen:
                        seen, self.last_stamp = version, None
                        self._wake()
                    await asyncio.sleep(timings.SQLITE_POLL_SECONDS)
            finally:
                self._file = None

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function in a thread that waits behind nobody else's work."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *args)

    def _timed_version(self, file: sqlite3.Connection) -> int:
        """Ask for the version, and let the event loop see for how long."""
        self._looking_since = time.monotonic()
        try:
            return _version(file)
        finally:
            self._looking_since = float("inf")

    def _version(self, file: sqlite3.Connection) -> int:
        """Ask for the number that commits move; wake the hub where it has moved."""
        version = _version(file)
        if version != self._seen:
            self._seen = version
            self._wake()
        return version


async def _connect() -> "psycopg.AsyncConnection[Any]":
    """Connect to PostgreSQL outside every pool."""
    parameters = connection.get_connection_params()
    for name in ("pool", "cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    return await psycopg.AsyncConnection.connect(**parameters, autocommit=True)


def _open_file() -> sqlite3.Connection:
    """Open the SQLite file for reading, and wait for nobody who has locked it."""
    path = f"file:{connection.settings_dict['NAME']}?mode=ro"
    return sqlite3.connect(
        path, uri=True, timeout=0, isolation_level=None, check_same_thread=False
    )


def _version(file: sqlite3.Connection) -> int:
    return int(file.execute("PRAGMA data_version").fetchone()[0])


def _read_file() -> None:
    """Read something of the SQLite file. Raises sqlite3.Error."""
    with closing(_open_file()) as file:
        file.execute("SELECT 1 FROM sqlite_master").fetchone()
