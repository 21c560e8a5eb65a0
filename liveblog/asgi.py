"""The ASGI application of the server.

It serves the desks' streams, cached pages and static files itself, and passes other
requests to Django in the thread pools of `liveblog.pools`. The streams of stories do
not get here: see `liveblog.protocol`.
"""

import asyncio
import contextvars
import gc
import itertools
import multiprocessing
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liveblog.settings")

import django

django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402 - after the applications are loaded
from django.contrib.staticfiles import finders  # noqa: E402
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from django.db import close_old_connections  # noqa: E402
from servestatic import ServeStaticASGI  # noqa: E402

from entries import delivery, verbs  # noqa: E402
from entries.desk import presence, pulse  # noqa: E402
from entries.public import errors  # noqa: E402
from liveblog.pools import POOLS, pool_of  # noqa: E402
from liveblog.request_limits import BodyLimits  # noqa: E402

_HASHED = re.compile(r"\.[0-9a-f]{12}\.")


def _immutable(_path: str, url: str) -> bool:
    return bool(_HASHED.search(url))


class _Django(ASGIHandler):
    """Django's handler, running all middleware and views in one thread of a pool.

    Django itself starts a thread for each request, and switches threads twice for each
    middleware. Here, a request uses a thread of its pool only while its response is
    created, not while a slow network sends the request or receives the response.
    """

    chunk_size = 4 * 1024 * 1024  # bytes, so that a page is sent in one chunk

    def load_middleware(self, is_async: bool = False) -> None:
        """Load the middleware as a synchronous chain, to run in the request's pool."""
        super().load_middleware(is_async=False)
        chain = cast("Callable[..., Any]", self._middleware_chain)  # type: ignore[has-type]
        executors = {pool.name: pool.executor() for pool in POOLS}

        def respond(request: Any) -> Any:
            close_old_connections()
            try:
                return chain(request)
            finally:
                close_old_connections()

        async def queue(request: Any) -> Any:
            run = contextvars.copy_context().run
            pool = pool_of(request.method, request.path)
            job = executors[pool.name].submit(run, respond, request)
            done = asyncio.wrap_future(job)
            try:
                await asyncio.wait({done}, timeout=pool.queue_seconds)
            finally:
                # Only a job still waiting for a thread can be cancelled. It never
                # starts, which is also right if the client has disconnected.
                late = job.cancel()
            return await (asyncio.to_thread(_too_busy, request) if late else done)

        self._middleware_chain = queue

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle a request without Django's thread for each request."""
        await self.handle(scope, receive, send)


def _too_busy(request: Any) -> Any:
    """Respond 503 to a request that got no thread; a form can be sent again."""
    response = errors.error_response(request, 503)
    response["Content-Security-Policy"] = "default-src 'self'"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _security_headers(headers: Any, _path: str, _url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Content-Security-Policy"] = "default-src 'self'"


def _with_static_files(application: Any) -> ServeStaticASGI:
    """Serve static files: collected ones or, with DEBUG, their sources."""
    folders = [settings.STATIC_ROOT] if settings.STATIC_ROOT.is_dir() else []
    if settings.DEBUG:
        found = (file for one in finders.get_finders() for file in one.list([]))
        folders = list(dict.fromkeys(Path(storage.location) for _, storage in found))
    static = ServeStaticASGI(
        application,
        autorefresh=settings.DEBUG,
        max_age=0 if settings.DEBUG else 60,
        immutable_file_test=_immutable,
        add_headers_function=_security_headers,
    )
    for folder in reversed(folders):  # the last one added takes precedence
        static.add_files(folder, settings.STATIC_URL)
    return static


_pages = _with_static_files(_Django())


_QUIET_SECONDS = 10  # between two searches for stories without updates
_ticks = itertools.count()


def _tick() -> None:
    """Run scheduled work; every process calls this once a second."""
    verbs.do_due_work()
    if next(_ticks) % _QUIET_SECONDS == 0:
        verbs.mark_quiet_stories()


class Application:
    """The ASGI application, with one hub and one page cache per process."""

    hub: delivery.Hub
    page_cache: delivery.PageCache
    desks: delivery.Desks

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        """Return the awaitable that serves one connection."""
        if scope["type"] == "lifespan":
            return self._lifespan(scope, receive, send)
        if self.desks.requested(scope):
            return self.desks.serve(scope, receive, send)
        return self.page_cache(scope, receive, send)

    async def _lifespan(self, scope: Any, receive: Any, send: Any) -> None:
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.startup":
                self._start()
                scope["state"]["streams"] = delivery.Streams(self.hub)
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return

    def _start(self) -> None:
        self.hub = delivery.Hub()
        self.page_cache = delivery.PageCache(self.hub, _pages, errors.unavailable)
        self.desks = delivery.Desks(
            self.hub, self.page_cache, pulse.looks, presence.keep_present
        )
        self.hub.start(_tick)
        self.desks.start()
        _end_streams_first(self._stop)
        _end_with_parent()
        # Streams are many small, long-lived objects, so collect garbage rarely.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 1000)
        # Threads must not block the event loop for the default 5 ms at a time.
        sys.setswitchinterval(0.0005)

    async def _stop(self) -> None:
        await self.desks.stop()
        await self.hub.stop()


def _end_streams_first(stop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """End all streams on a stop signal, since the server waits for open responses."""
    loop = asyncio.get_running_loop()

    def handle(number: int, frame: Any) -> None:
        loop.call_soon_threadsafe(lambda: loop.create_task(stop()))
        if callable(previous[number]):
            previous[number](number, frame)

    previous: dict[int, Any] = {}
    for number in (signal.SIGTERM, signal.SIGINT):
        previous[number] = signal.getsignal(number)
        try:
            signal.signal(number, handle)
        except ValueError:  # not in the main thread, so others handle signals
            return


def _end_with_parent() -> None:
    """Stop this worker, as on SIGTERM, when its parent process dies."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(parent.sentinel)
        signal.raise_signal(signal.SIGTERM)

    loop.add_reader(parent.sentinel, stop)  # readable when the parent is gone


application = BodyLimits(Application())
