"""What delivery counts, for `/metrics` (Prometheus' text format, version 0.0.4).

Counting costs the hot paths an addition to a plain number; once a second the hub
hands the sums on. With several workers (`PROMETHEUS_MULTIPROC_DIR` is set by
`serve`) the answer of any of them holds the sums of all.
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
    """Sums since the process began."""

    deliveries: int = 0
    dropped: int = 0
    refused: int = 0
    catch_ups: int = 0
    hits: int = 0
    not_modified: int = 0
    stored: int = 0
    stale: int = 0


tally = Tally()
_counted = Tally()
_followed: set[int] = set()
_COUNTERS = {
    "deliveries": Counter("liveblog_deliveries", "Messages handed to readers"),
    "dropped": Counter("liveblog_readers_dropped", "Readers too slow to follow"),
    "refused": Counter("liveblog_streams_refused", "Streams answered with 503"),
    "catch_ups": Counter("liveblog_catch_ups", "Reads for readers who came back"),
    "hits": Counter("liveblog_pages_kept", "Answers given from memory"),
    "not_modified": Counter("liveblog_pages_unchanged", "Answers 304"),
    "stored": Counter("liveblog_pages_made", "Answers made by Django and kept"),
    "stale": Counter("liveblog_pages_stale", "Given while the database was silent"),
}
_READERS = Gauge("liveblog_readers", "Open streams", multiprocess_mode="livesum")
_STORY_READERS = Gauge(
    "liveblog_story_readers", "Open streams", ["story"], multiprocess_mode="livesum"
)
_LAG = Gauge(
    "liveblog_watcher_lag_seconds",
    "Since the database was last known to be heard",
    multiprocess_mode="livemax",
)
FANOUT = Histogram(
    "liveblog_fanout_seconds",
    "From waking to the last reader",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)


def export_tally(count: int, stories: dict[int, int], lag: float) -> None:
    """Hand on what was counted, once a second: readers, also by story; the lag."""
    for name in (field.name for field in fields(Tally)):
        now = getattr(tally, name)
        _COUNTERS[name].inc(now - getattr(_counted, name))
        setattr(_counted, name, now)
    _READERS.set(count)
    _LAG.set(lag)
    for story in _followed - stories.keys():
        _STORY_READERS.labels(story).set(0)
    for story, readers in stories.items():
        _STORY_READERS.labels(story).set(readers)
    _followed.update(stories)


def render_metrics() -> tuple[bytes, str]:
    """Return the figures of all workers, and their content type."""
    folder = os.environ.get(_FOLDER_VARIABLE)
    if not folder:
        return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
    for path in Path(folder).glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        if not _runs(pid):
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
