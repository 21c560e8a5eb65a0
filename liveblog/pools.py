"""The thread pools in which Django answers requests, and the URLs that each serves.

Requests that can run long or wait long, or that strangers can flood, have threads of
their own, so that they delay others of their kind and not the newsroom. The table in
docs/operators.md shows the same pools.
"""

import re
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from entries.database import timeouts
from liveblog.request_limits import IMAGE_UPLOADS

_READ: Final = timeouts.READ_TIMEOUT_SECONDS
_WRITE: Final = timeouts.WRITE_TIMEOUT_SECONDS
_SAFE: Final = ("GET", "HEAD")
QUEUE_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Pool:
    """Threads for requests whose method and whole path match."""

    name: str
    threads: int
    database_seconds: float
    path: str
    methods: Collection[str] = ()  # any method if empty
    queue_seconds: float = QUEUE_SECONDS  # then the request gets a 503

    def executor(self) -> ThreadPoolExecutor:
        """Return the pool's threads, which start as they are needed."""
        return ThreadPoolExecutor(
            self.threads, self.name, timeouts.set_timeout, (self.database_seconds,)
        )


# The first match counts.
POOLS: Final = (
    Pool("search", 2, _READ, r"/search/"),
    Pool("sign-in", 1, _WRITE, r"/admin/login/"),
    Pool("password-reset", 1, _WRITE, r"/admin/password/"),
    Pool("readyz", 1, _READ, r"/readyz"),
    Pool("healthz", 1, _READ, r"/healthz"),
    Pool("metrics", 1, _READ, r"/metrics"),
    # One image is processed at a time anyway. Many are uploaded at once, so they may
    # wait long, but no longer than the 60 seconds of a usual proxy.
    Pool("images", 1, _WRITE, IMAGE_UPLOADS.pattern, ("POST",), queue_seconds=50.0),
    Pool("history", 1, _WRITE, r"/admin/.+/history/", _SAFE),
    Pool("exports", 1, _READ, r"/stories/[^/]+(?:\.json|/updates/\d+/history/)", _SAFE),
    Pool("desk", 5, _WRITE, r"/admin/(?s:.*)"),
    Pool("readers", 3, _READ, r"(?s:.*)"),
)


def pool_of(method: str, path: str) -> Pool:
    """Return the pool that answers requests with this method and path."""
    return next(
        pool
        for pool in POOLS
        if (not pool.methods or method in pool.methods)
        and re.fullmatch(pool.path, path)
    )
