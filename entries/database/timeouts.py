"""How long a thread waits for PostgreSQL before it takes it for gone.

The server's own `lock_timeout` helps nobody where that server is what stands still: a
machine that swaps, a disk that hangs, a process that was stopped.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg

READ_TIMEOUT_SECONDS: Final = 8.0  # a read never waits for a lock
WRITE_TIMEOUT_SECONDS: Final = 25.0  # longer than `lock_timeout`
POOL_CHECK_SECONDS: Final = 2.0  # for the pool to ask whether a connection is alive
_ours = threading.local()


def set_timeout(seconds: float | None) -> None:
    """Let this thread wait no longer for any statement; None is for ever."""
    _ours.seconds = seconds


@contextmanager
def timeout(seconds: float) -> Iterator[None]:
    """Let this thread wait no longer than that, for a while."""
    before = getattr(_ours, "seconds", None)
    set_timeout(seconds)
    try:
        yield
    finally:
        set_timeout(before)


class Connection(psycopg.Connection[Any]):
    """A connection that is closed where the answer does not come in time."""

    def execute(self, query: Any, *args: Any, **options: Any) -> Any:
        """Run a statement; the empty one, which the pool asks first, must be quick."""
        if query != "" or getattr(_ours, "seconds", None) is None:
            return super().execute(query, *args, **options)
        with timeout(min(POOL_CHECK_SECONDS, _ours.seconds)):
            return super().execute(query, *args, **options)

    def wait(
        self, gen: Any, interval: float = 0.1, timeout: float | None = None
    ) -> Any:
        """Wait as long as the thread may."""
        seconds = timeout or getattr(_ours, "seconds", None)
        try:
            return super().wait(gen, interval, seconds)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                self.pgconn.finish()  # nobody knows what it would answer
            raise
