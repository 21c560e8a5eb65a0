"""Changes on their way to readers: the door to the package."""

from entries.delivery.changes import Changes, Cursor, changes_after
from entries.delivery.hub import Hub
from entries.delivery.metrics import render_metrics
from entries.delivery.page_cache import PageCache
from entries.delivery.stream import serve_stream, stream_slug
from entries.delivery.watchers import nudge

__all__ = [
    "Changes",
    "Cursor",
    "Hub",
    "PageCache",
    "changes_after",
    "nudge",
    "render_metrics",
    "serve_stream",
    "stream_slug",
]
