"""Timeouts of the client for statements on PostgreSQL, per thread.

The server's own `lock_timeout` and `statement_timeout` do not help when the server
itself hangs: a swapping machine, a stuck disk, a stopped process.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg

READ_TIMEOUT_SECONDS: Final = 8.0  # a read never waits for a lock
WRITE_TIMEOUT_SECONDS: Final = 25.0  # longer than `lock_timeout`
POOL_CHECK_SECONDS: Final = 2.0  # for the pool to ask whether a connection is alive
_thread = threading.local()


def set_timeout(seconds: float | None) -> None:
    """Set how long this thread waits for a statement; None waits forever."""
    _thread.seconds = seconds


@contextmanager
def timeout(seconds: float) -> Iterator[None]:
    """Set the timeout of this thread for the duration of a block."""
    before = getattr(_thread, "seconds", None)
    set_timeout(seconds)
    try:
        yield
    finally:
        set_timeout(before)


class Connection(psycopg.Connection[Any]):
    """A connection that is closed when a statement exceeds the thread's timeout."""

    def execute(self, query: Any, *args: Any, **options: Any) -> Any:
        """Run a statement; the empty one, the pool's liveness check, has less time."""
        if query != "" or getattr(_thread, "seconds", None) is None:
            return super().execute(query, *args, **options)
        with timeout(min(POOL_CHECK_SECONDS, _thread.seconds)):
            return super().execute(query, *args, **options)

    def wait(
        self, gen: Any, interval: float = 0.1, timeout: float | None = None
    ) -> Any:
        """Wait for the server within the thread's timeout."""
        seconds = timeout or getattr(_thread, "seconds", None)
        try:
            return super().wait(gen, interval, seconds)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                self.pgconn.finish()  # a late result would be taken for the next one's
            raise
