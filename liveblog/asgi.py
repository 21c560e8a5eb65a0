"""The server's entry point: streams here, static files there, the rest to Django."""

import asyncio
import gc
import os
import re
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liveblog.settings")

import django

django.setup(set_prefix=False)

from asgiref.sync import ThreadSensitiveContext, sync_to_async  # noqa: E402 - after the applications are loaded
from django.conf import settings  # noqa: E402
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from servestatic import ServeStaticASGI  # noqa: E402

from entries import delivery, linking, publishing  # noqa: E402
from liveblog.limits import Limits  # noqa: E402

LANES = 8  # requests that Django works on at the same moment
_HASHED = re.compile(r"\.[0-9a-f]{12}\.")


def _immutable(_path: str, url: str) -> bool:
    return bool(_HASHED.search(url))


class _Django(ASGIHandler):
    """Django for synchronous middlewares and views: one change of threads a request.

    Django itself starts a thread for each request, and changes threads twice for
    each middleware. A lane is a thread that stays, and keeps its connection.
    """

    def __init__(self) -> None:
        super().__init__()
        self._free: asyncio.LifoQueue[ThreadPoolExecutor] = asyncio.LifoQueue()
        for number in range(LANES):
            name = f"django-{number}"
            self._free.put_nowait(ThreadPoolExecutor(1, thread_name_prefix=name))

    def load_middleware(self, is_async: bool = False) -> None:
        """Make the chain a synchronous one, entered once a request."""
        super().load_middleware(is_async=False)
        chain = cast("Callable[..., Any]", self._middleware_chain)  # type: ignore[has-type]
        self._middleware_chain = sync_to_async(chain, thread_sensitive=True)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request in the lane that was free last."""
        lane = await self._free.get()
        try:
            async with ThreadSensitiveContext(executor=lane):
                await self.handle(scope, receive, send)
        finally:
            self._free.put_nowait(lane)


def _never_guess(headers: Any, _path: str, _url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"


_pages = ServeStaticASGI(
    _Django(),
    root=str(settings.STATIC_ROOT) if settings.STATIC_ROOT.is_dir() else None,
    prefix=settings.STATIC_URL,
    immutable_file_test=_immutable,
    add_headers_function=_never_guess,
)


def _tick() -> None:
    """Do what time brings; called every second in every process."""
    publishing.publish_due()
    linking.turn_due()


class Application:
    """ASGI: one hub for the life of the process."""

    hub: delivery.Hub
    door: delivery.Door

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one connection."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif slug := delivery.slug_of(scope):
            await delivery.serve(self.hub, slug, scope, receive, send)
        else:
            await self.door(scope, receive, send)

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
        self.door = delivery.Door(self.hub, _pages)
        self.hub.start(_tick)
        _end_streams_first(self.hub)
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


application = Limits(Application())
