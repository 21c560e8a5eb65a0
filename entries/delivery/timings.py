"""All timings of delivery in seconds: heartbeat, poll intervals, timeouts, back-off.

Other modules read them as attributes of this module: `timings.HEARTBEAT_SECONDS`.
"""

from typing import Final

# A stream without changes gets a heartbeat (the event `ping`) this often. Open pages
# reconnect after three missed heartbeats, and open desks somewhat earlier: SILENCE in
# live.js and in desk-stream.js. The interval is also in docs/http.md and nginx.conf.
HEARTBEAT_SECONDS: Final = 15.0
# The hub polls the rows at least this often, even if no notification arrives.
POLL_SECONDS: Final = 1.0
# Back-off of the hub after rows could not be read.
POLL_BACKOFF_SECONDS: Final = 0.5
# A reader whose network takes longer than this for a message is disconnected.
SEND_TIMEOUT_SECONDS: Final = 30.0
# A new stream waits this long for the database, then gets a 503.
SUBSCRIBE_TIMEOUT_SECONDS: Final = 8.0

# PostgreSQL: how often the listening connection is checked, between notifications.
LISTENER_CHECK_SECONDS: Final = 0.9
# A database that has not answered for this long counts as unreachable. This must exceed
# LISTENER_CHECK_SECONDS, so that one late check does not disable the page cache.
UNREACHABLE_AFTER_SECONDS: Final = 2.0
# Back-off of a watcher that lost the database.
RECONNECT_BACKOFF_SECONDS: Final = 0.5
# SQLite: how often PRAGMA data_version is polled.
SQLITE_POLL_SECONDS: Final = 0.05
# SQLite: a poll that takes longer than this is considered stuck on a file lock.
SQLITE_STUCK_SECONDS: Final = 0.4
# A request waits this long for a probe of the database. The second value applies once
# the database is known to be down, so that requests fail fast.
PROBE_TIMEOUT_SECONDS: Final = 1.0
OUTAGE_PROBE_TIMEOUT_SECONDS: Final = 0.05

# The numbers of readers are written to the database at most this often, and again after
# the longer interval if they have not changed.
AUDIENCE_MIN_SECONDS: Final = 10.0
AUDIENCE_MAX_SECONDS: Final = 60.0

# The shortest time between two signals to open desks; the first is sent at once.
DESK_LOOK_SECONDS: Final = 0.4
# The shortest time between two signals that only presence changed.
DESK_PRESENCE_SECONDS: Final = 2.0
# How often desks are read without a commit, so that presence expires.
DESK_POLL_SECONDS: Final = 5.0
# How often Django checks again whether a desk may have its stream.
DESK_CHECK_SECONDS: Final = 60.0
