"""Delivery: how changes reach open pages. The only asynchronous code.

An open page follows its story in three steps:

1. Subscribe. `stream` admits the reader, and the `hub` (one for each process) gives it
   the story's channel (`channels`). From now on the channel is kept current.
2. Replay. The page names its cursor, `<epoch>-<seq>`, and the stream sends what the
   page missed: from the channel's log if the cursor is in it, else from the rows
   (`changes`). If the page missed too much for a stream, the stream ends with the event
   `behind`, and the page reads the change feed, `/changes`, batch by batch.
3. Stream. The reader joins the channel with no gap in between. Each new message is
   rendered once and is the same bytes for every reader. Silent streams get heartbeats.

A change becomes a message as follows. A verb commits and calls `nudge()`. The
`watchers` of every process notice the commit (PostgreSQL: LISTEN and NOTIFY; SQLite:
PRAGMA data_version) and wake the hub. The hub compares the sequence numbers in the
rows (`seqs`) with those of its channels and reads what changed. A notification carries
no data and may be lost: the hub also polls every second, and the rows are the truth.

Editors' pages follow their story too: `desks` serves streams that only say when to
poll. `nudge_desks()` wakes them for changes that readers do not see.

The `page_cache` uses the hub to serve finished responses before Django (`cache_keys`
decides which requests share a response). `outage` decides what readers get while the
database is unreachable: a stale page for a while, then a 503.

All timings (heartbeat, poll intervals, timeouts, back-off) are in `timings`.
"""

from entries.delivery.changes import Changes, Cursor, changes_after
from entries.delivery.desks import ADMITTED, Desks, Look
from entries.delivery.hub import Hub
from entries.delivery.metrics import render_metrics
from entries.delivery.page_cache import PageCache
from entries.delivery.stream import Streams
from entries.delivery.watchers import nudge, nudge_desks

__all__ = [
    "ADMITTED",
    "Changes",
    "Cursor",
    "Desks",
    "Hub",
    "Look",
    "PageCache",
    "Streams",
    "changes_after",
    "nudge",
    "nudge_desks",
    "render_metrics",
]
