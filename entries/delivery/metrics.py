"""The metrics of delivery, for `/metrics` (Prometheus' text format, version 0.0.4).

Hot paths only increment plain integers, which the hub exports once a second. If there
are several workers, `serve` sets `PROMETHEUS_MULTIPROC_DIR`, and any of them responds
with the totals of all.
"""

import os
from dataclasses import dataclass, fields
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@dataclass
class Tally:
    """Counters of this process since it started."""

    deliveries: int = 0
    dropped: int = 0
    refused: int = 0
    catch_ups: int = 0
    hits: int = 0
    not_modified: int = 0
    stored: int = 0
    stale: int = 0


tally = Tally()
_exported = Tally()
_known_stories: set[int] = set()
_COUNTERS = {
    "deliveries": Counter("liveblog_deliveries", "Messages sent to readers"),
    "dropped": Counter("liveblog_readers_dropped", "Readers too slow to follow"),
    "refused": Counter("liveblog_streams_refused", "Streams refused with 503"),
    "catch_ups": Counter("liveblog_catch_ups", "Queries for readers that reconnected"),
    "hits": Counter("liveblog_pages_kept", "Responses from the page cache"),
    "not_modified": Counter(
        "liveblog_pages_unchanged", "Responses 304 from the page cache"
    ),
    "stored": Counter("liveblog_pages_made", "Responses stored in the page cache"),
    "stale": Counter("liveblog_pages_stale", "Stale responses during an outage"),
}
_READERS = Gauge("liveblog_readers", "Open streams", multiprocess_mode="livesum")
_STORY_READERS = Gauge(
    "liveblog_story_readers", "Open streams", ["story"], multiprocess_mode="livesum"
)
_LAG = Gauge(
    "liveblog_watcher_lag_seconds",
    "Time since the watcher last heard the database",
    multiprocess_mode="livemax",
)
FANOUT = Histogram(
    "liveblog_fanout_seconds",
    "From wake-up to the last reader",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)


def export_tally(count: int, stories: dict[int, int], lag: float) -> None:
    """Export the tally, the total of readers, their number by story, and the lag."""
    for name in (field.name for field in fields(Tally)):
        now = getattr(tally, name)
        _COUNTERS[name].inc(now - getattr(_exported, name))
        setattr(_exported, name, now)
    _READERS.set(count)
    _LAG.set(lag)
    for story in _known_stories - stories.keys():
        _STORY_READERS.labels(story).set(0)
    for story, readers in stories.items():
        _STORY_READERS.labels(story).set(readers)
    _known_stories.update(stories)


def render_metrics() -> tuple[bytes, str]:
    """Return the metrics of all workers, and their content type."""
    folder = os.environ.get(_FOLDER_VARIABLE)
    if not folder:
        return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
    for path in Path(folder).glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        if not _is_running(pid):
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
