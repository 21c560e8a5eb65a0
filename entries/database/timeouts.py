"""Client-side timeouts for statements on PostgreSQL, set for each thread.

The server's own `lock_timeout` and `statement_timeout` do not help if the server itself
hangs, because its machine swaps, its disk is stuck or its process was stopped.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg

READ_TIMEOUT_SECONDS: Final = 8.0  # a read never waits for a lock
WRITE_TIMEOUT_SECONDS: Final = 25.0  # longer than `lock_timeout`
POOL_CHECK_SECONDS: Final = 2.0  # for the pool's check that a connection is alive
_thread = threading.local()


def set_timeout(seconds: float | None) -> None:
    """Set this thread's timeout for statements; None means no timeout."""
    _thread.seconds = seconds


@contextmanager
def timeout(seconds: float) -> Iterator[None]:
    """Set this thread's timeout for statements within a block."""
    before = getattr(_thread, "seconds", None)
    set_timeout(seconds)
    try:
        yield
    finally:
        set_timeout(before)


class Connection(psycopg.Connection[Any]):
    """A connection that is closed when a statement exceeds the thread's timeout."""

    def execute(self, query: Any, *args: Any, **options: Any) -> Any:
        """Run a statement; the empty one, the pool's check, has a shorter timeout."""
        if query != "" or getattr(_thread, "seconds", None) is None:
            return super().execute(query, *args, **options)
        with timeout(min(POOL_CHECK_SECONDS, _thread.seconds)):
            return super().execute(query, *args, **options)

    def wait(
        self, gen: Any, interval: float = 0.1, timeout: float | None = None
    ) -> Any:
        """Wait for the server, and close the connection after the thread's timeout."""
        seconds = timeout or getattr(_thread, "seconds", None)
        try:
            return super().wait(gen, interval, seconds)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                # The next statement would receive the late result of this one.
                self.pgconn.finish()
            raise
