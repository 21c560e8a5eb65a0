"""The thread pools in which Django handles requests, and the URLs that each serves.

Requests that can run or wait for long, or that strangers can flood, have threads of
their own, so that they delay only requests of the same kind and not the newsroom. The
table in docs/operators.md lists the same pools.
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
    """Threads for requests whose method and full path match."""

    name: str
    threads: int
    database_seconds: float
    path: str
    methods: Collection[str] = ()  # any method if empty
    queue_seconds: float = QUEUE_SECONDS  # after which the request gets a 503

    def executor(self) -> ThreadPoolExecutor:
        """Return an executor whose threads limit the time of database queries."""
        return ThreadPoolExecutor(
            self.threads, self.name, timeouts.set_timeout, (self.database_seconds,)
        )


# The first match wins.
POOLS: Final = (
    Pool("search", 2, _READ, r"/search/"),
    Pool("sign-in", 1, _WRITE, r"/admin/login/"),
    Pool("password-reset", 1, _WRITE, r"/admin/password/"),
    Pool("readyz", 1, _READ, r"/readyz"),
    Pool("healthz", 1, _READ, r"/healthz"),
    Pool("metrics", 1, _READ, r"/metrics"),
    # Only one image is processed at a time. Editors upload many at once, so requests
    # may wait, but less than the usual 60-second timeout of proxies.
    Pool("images", 1, _WRITE, IMAGE_UPLOADS.pattern, ("POST",), queue_seconds=50.0),
    Pool("history", 1, _WRITE, r"/admin/.+/history/", _SAFE),
    Pool("exports", 1, _READ, r"/stories/[^/]+(?:\.json|/updates/\d+/history/)", _SAFE),
    Pool("desk", 5, _WRITE, r"/admin/(?s:.*)"),
    Pool("readers", 3, _READ, r"(?s:.*)"),
)


def pool_of(method: str, path: str) -> Pool:
    """Return the pool for a request."""
    return next(
        pool
        for pool in POOLS
        if (not pool.methods or method in pool.methods)
        and re.fullmatch(pool.path, path)
    )
