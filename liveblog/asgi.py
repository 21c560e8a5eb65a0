"""The server's entry point: streams here, static files there, the rest to Django."""

import asyncio
import contextvars
import gc
import multiprocessing
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
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
from entries.database import timeouts  # noqa: E402
from entries.public import errors  # noqa: E402
from liveblog.limits import IMAGE_UPLOADS, BodyLimits  # noqa: E402

# Requests that Django works on at the same moment, by address: docs/operators.md has
# the table. What can run long, or wait long, or is open to floods of strangers, has
# threads of its own, so that it delays its own kind and not the desk.
READ_TIMEOUT_SECONDS, DESK = "/", "/admin/"
PICTURES, HISTORY, EXPORTS = "pictures", "history", "exports"
THREADS = {
    READ_TIMEOUT_SECONDS: 3,
    DESK: 5,
    PICTURES: 1,  # one picture is processed at a time anyway
    HISTORY: 1,
    EXPORTS: 1,
    "/search/": 2,
    "/admin/login/": 1,
    "/admin/password/": 1,
    "/readyz": 1,
    "/healthz": 1,
    "/metrics": 1,
}
# The others are told by the whole path and these methods, the first that fits.
_TOLD = (
    (PICTURES, {"POST"}, IMAGE_UPLOADS),
    (HISTORY, {"GET", "HEAD"}, re.compile(r"/admin/.+/history/")),
    (
        EXPORTS,
        {"GET", "HEAD"},
        re.compile(r"/stories/[^/]+(?:\.json|/updates/\d+/history/)"),
    ),
)
QUEUE = 10.0  # seconds that a request waits for its turn
PICTURES_QUEUE = 50.0  # seconds; many are chosen at once, and no proxy waits for 60
_HASHED = re.compile(r"\.[0-9a-f]{12}\.")


def _immutable(_path: str, url: str) -> bool:
    return bool(_HASHED.search(url))


class _Django(ASGIHandler):
    """Django for synchronous middlewares and views: one change of threads a request.

    Django itself starts a thread for each request, and changes threads twice for
    each middleware. Here a thread of a small pool is held while the answer is made,
    and not while a slow network brings the question or takes the answer away.
    """

    chunk_size = 4 * 1024 * 1024  # bytes; a page leaves in one piece

    def load_middleware(self, is_async: bool = False) -> None:
        """Make the chain a synchronous one, entered once a request."""
        super().load_middleware(is_async=False)
        chain = cast("Callable[..., Any]", self._middleware_chain)  # type: ignore[has-type]
        pools = {path: _pool(path, number) for path, number in THREADS.items()}

        def answer(request: Any) -> Any:
            close_old_connections()
            try:
                return chain(request)
            finally:
                close_old_connections()

        async def enter(request: Any) -> Any:
            run = contextvars.copy_context().run
            name = _pool_of(request)
            job = pools[name].submit(run, answer, request)
            done = asyncio.wrap_future(job)
            try:
                wait = PICTURES_QUEUE if name == PICTURES else QUEUE
                await asyncio.wait({done}, timeout=wait)
            finally:
                # Its turn has not come; where its reader has gone, it never will.
                late = job.cancel()
            return await (asyncio.to_thread(_too_busy, request) if late else done)

        self._middleware_chain = enter

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, without a thread of its own."""
        await self.handle(scope, receive, send)


def _pool_of(request: Any) -> str:
    path: str = request.path
    if path in THREADS:
        return path
    for name, methods, paths in _TOLD:
        if request.method in methods and paths.fullmatch(path):
            return name
    return DESK if path.startswith(DESK) else READ_TIMEOUT_SECONDS


def _pool(path: str, number: int) -> ThreadPoolExecutor:
    desk = path in (PICTURES, HISTORY) or path.startswith(DESK)
    seconds = timeouts.WRITE_TIMEOUT_SECONDS if desk else timeouts.READ_TIMEOUT_SECONDS
    return ThreadPoolExecutor(number, path, timeouts.set_timeout, (seconds,))


def _too_busy(request: Any) -> Any:
    """Answer for a request that no thread had time for, with what it sent."""
    response = errors.error_response(request, 503)
    response["Content-Security-Policy"] = "default-src 'self'"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _harmless(headers: Any, _path: str, _url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Content-Security-Policy"] = "default-src 'self'"


def _static_and(application: Any) -> ServeStaticASGI:
    """Serve collected static files, or with DEBUG their sources, before the rest."""
    folders = [settings.STATIC_ROOT] if settings.STATIC_ROOT.is_dir() else []
    if settings.DEBUG:
        found = (file for finder in finders.get_finders() for file in finder.list([]))
        folders = list(dict.fromkeys(Path(storage.location) for _, storage in found))
    static = ServeStaticASGI(
        application,
        autorefresh=settings.DEBUG,
        max_age=0 if settings.DEBUG else 60,
        immutable_file_test=_immutable,
        add_headers_function=_harmless,
    )
    for folder in reversed(folders):  # the last one added is asked first
        static.add_files(folder, settings.STATIC_URL)
    return static


_pages = _static_and(_Django())


def _tick() -> None:
    """Do what time brings; called every second in every process."""
    verbs.publish_due()
    verbs.toggle_due_features()


class Application:
    """ASGI: one hub for the life of the process."""

    hub: delivery.Hub
    page_cache: delivery.PageCache

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        """Answer one connection: return what is to be awaited."""
        if scope["type"] == "lifespan":
            return self._live(receive, send)
        if slug := delivery.stream_slug(scope):
            return delivery.serve_stream(self.hub, slug, scope, receive, send)
        return self.page_cache(scope, receive, send)

    async def _live(self, receive: Any, send: Any) -> None:
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.startup":
                self._start()
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return

    def _start(self) -> None:
        self.hub = delivery.Hub()
        self.page_cache = delivery.PageCache(self.hub, _pages, errors.unavailable)
        self.hub.start(_tick)
        _end_streams_first(self.hub)
        _end_with_parent()
        # Streams are many small objects that live long: look at them rarely.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 1000)
        # Threads that read rows shall not keep the loop waiting for 5 ms a time.
        sys.setswitchinterval(0.0005)


def _end_streams_first(hub: delivery.Hub) -> None:
    """End the streams at the signal itself: the server waits for open ones."""
    loop = asyncio.get_running_loop()

    def handle(number: int, frame: Any) -> None:
        loop.call_soon_threadsafe(lambda: loop.create_task(hub.stop()))
        if callable(previous[number]):
            previous[number](number, frame)

    previous: dict[int, Any] = {}
    for number in (signal.SIGTERM, signal.SIGINT):
        previous[number] = signal.getsignal(number)
        try:
            signal.signal(number, handle)
        except ValueError:  # not the main thread: somebody else handles signals
            return


def _end_with_parent() -> None:
    """Stop as on SIGTERM once the process that started this worker has died."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(parent.sentinel)
        signal.raise_signal(signal.SIGTERM)

    loop.add_reader(parent.sentinel, stop)  # readable when the parent is gone


application = BodyLimits(Application())
