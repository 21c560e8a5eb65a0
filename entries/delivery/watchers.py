"""Who wakes the hub when something was committed, in whatever process."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable

import psycopg
from django.db import connection

logger = logging.getLogger(__name__)
CHANNEL = "liveblog"
LOOK = 0.04  # seconds between two looks at an SQLite file
RETRY = 0.5  # seconds before a lost listener tries again


def nudge() -> None:
    """Wake the watchers of every process when the open transaction commits.

    A nudge carries nothing: whoever wakes asks the rows what changed. On SQLite
    the file itself tells (`PRAGMA data_version`), so there is nothing to do.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")


async def watch(wake: Callable[[], None]) -> None:
    """Call `wake` after every commit that may concern readers; never end."""
    job = _listen if connection.vendor == "postgresql" else _look
    while True:
        try:
            await job(wake)
        except (OSError, psycopg.Error, sqlite3.Error) as error:
            logger.warning("The watcher lost the database: %s", error)
            await asyncio.sleep(RETRY)


async def _listen(wake: Callable[[], None]) -> None:
    """LISTEN on a connection of its own, outside every pool."""
    parameters = {
        **connection.get_connection_params(),
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "connect_timeout": 5,
    }
    for name in ("pool", "cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    listener = await psycopg.AsyncConnection.connect(**parameters, autocommit=True)
    async with listener:
        await listener.execute(f"LISTEN {CHANNEL}")
        wake()
        async for _ in listener.notifies():
            wake()


async def _look(wake: Callable[[], None]) -> None:
    """Ask the file whether another connection has committed: some microseconds."""
    path = f"file:{connection.settings_dict['NAME']}?mode=ro"
    file = sqlite3.connect(path, uri=True, timeout=0, isolation_level=None)
    try:
        seen = None
        while True:
            (version,) = file.execute("PRAGMA data_version").fetchone()
            if version != seen:
                seen = version
                wake()
            await asyncio.sleep(LOOK)
    finally:
        file.close()
