"""Who wakes the hub when something was committed, in whatever process."""

import asyncio
import itertools
import logging
import sqlite3
import time
from collections.abc import Callable

import psycopg
from django.db import connection, transaction

logger = logging.getLogger(__name__)
CHANNEL = "liveblog"
LOOK = 0.03  # seconds between two looks at an SQLite file
RETRY = 0.5  # seconds before a lost listener tries again
CONFIRM = 0.7  # seconds between two questions whether the listener lives
TRUST = 2.0  # seconds that such an answer is trusted


_committed = itertools.count(1)
_commits = 0


def nudge() -> None:
    """Wake the watchers of every process when the open transaction commits.

    A nudge carries nothing: whoever wakes asks the rows what changed. On SQLite
    the file itself tells (`PRAGMA data_version`), so there is nothing to do.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")
        transaction.on_commit(_count)


def _count() -> None:
    """Let this process know of its own commit before the listener hears of it."""
    global _commits
    _commits = next(_committed)


class Watcher:
    """Calls `wake` after every commit that may concern readers."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._file: sqlite3.Connection | None = None
        self._seen = -1
        self._asked: tuple[int, int] | None = None
        self._heard = 0
        self._alive = 0.0

    def stamp(self) -> tuple[int, int] | None:
        """Return what changes with every commit; None while nobody can know."""
        if self._file is not None:
            return self._file_stamp(self._file)
        if time.monotonic() - self._alive > TRUST:
            return None
        return (self._heard, _commits)

    @property
    def lag(self) -> float:
        """Return the seconds since the database was last known to be heard."""
        if self._file is not None:
            return 0.0 if self.stamp() else TRUST
        return time.monotonic() - self._alive

    def _file_stamp(self, file: sqlite3.Connection) -> tuple[int, int] | None:
        """Ask the file once for all requests that had come by this turn."""
        if self._asked is None:
            try:
                self._asked = (self._version(file), self._heard)
            except sqlite3.Error:
                return None
            asyncio.get_running_loop().call_soon(self._forget)
        return self._asked

    def _forget(self) -> None:
        self._asked = None

    async def run(self) -> None:
        """Watch for ever; begin again when the database was lost."""
        job = self._listen if connection.vendor == "postgresql" else self._look
        while True:
            try:
                await job()
            except (OSError, psycopg.Error, sqlite3.Error) as error:
                self._alive = 0.0  # not to be trusted from now on
                logger.warning("The watcher lost the database: %s", error)
                await asyncio.sleep(RETRY)

    async def _listen(self) -> None:
        """LISTEN on a connection of its own, outside every pool."""
        parameters = connection.get_connection_params()
        for name in ("pool", "cursor_factory", "context", "prepare_threshold"):
            parameters.pop(name, None)
        listener = await psycopg.AsyncConnection.connect(**parameters, autocommit=True)
        async with listener:
            asked = time.monotonic()
            await listener.execute(f"LISTEN {CHANNEL}")
            # What was committed while nobody listened is heard of first.
            self.hear()
            self._alive = asked
            while True:
                async for _ in listener.notifies(timeout=CONFIRM):
                    self.hear()
                # An answer proves that nothing was missed until it was asked for.
                asked = time.monotonic()
                async with asyncio.timeout(TRUST):
                    await listener.execute("SELECT 1")
                self._alive = asked

    def hear(self) -> None:
        """Take it that something was committed."""
        self._heard += 1
        self._wake()

    async def _look(self) -> None:
        """Ask the file whether another connection has committed: microseconds."""
        path = f"file:{connection.settings_dict['NAME']}?mode=ro"
        file = sqlite3.connect(path, uri=True, timeout=0, isolation_level=None)
        try:
            self._file, self._seen = file, -1
            while True:
                self._version(file)
                await asyncio.sleep(LOOK)
        finally:
            self._file = None
            file.close()

    def _version(self, file: sqlite3.Connection) -> int:
        """Ask for the number that commits move; whoever sees it first wakes the hub."""
        version = int(file.execute("PRAGMA data_version").fetchone()[0])
        if version != self._seen:
            self._seen = version
            self._wake()
        return version
