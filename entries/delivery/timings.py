"""Every timing of delivery: heartbeat, poll intervals, timeouts and back-off.

All are in seconds. Other modules read them as `timings.HEARTBEAT_SECONDS`.
"""

from typing import Final

# A stream without changes gets a heartbeat (the event `ping`) this often. The script
# of open pages reconnects after three silent heartbeats: SILENCE in live.js.
HEARTBEAT_SECONDS: Final = 15.0
# The hub reads the rows at least this often, even if no notification arrives.
POLL_SECONDS: Final = 1.0
# Back-off of the hub after rows could not be read.
POLL_BACKOFF_SECONDS: Final = 0.5
# A reader that takes longer than this for what was sent to it is disconnected.
SEND_TIMEOUT_SECONDS: Final = 30.0
# A new stream waits this long for the database, then gets a 503.
SUBSCRIBE_TIMEOUT_SECONDS: Final = 8.0

# PostgreSQL: how often the listening connection is checked, between notifications.
LISTENER_CHECK_SECONDS: Final = 0.7
# A database that was last heard this long ago counts as unreachable. Longer than
# LISTENER_CHECK_SECONDS, so that one late check does not close the page cache.
UNREACHABLE_AFTER_SECONDS: Final = 2.0
# Back-off of a watcher that lost the database.
RECONNECT_BACKOFF_SECONDS: Final = 0.5
# SQLite: how often PRAGMA data_version is polled.
SQLITE_POLL_SECONDS: Final = 0.03
# SQLite: a poll that takes longer than this is taken to be stuck on a file lock.
SQLITE_STUCK_SECONDS: Final = 0.4
# A request waits this long to learn whether the database answers; the second value
# counts once the database is known to be down, so that requests fail fast.
PROBE_TIMEOUT_SECONDS: Final = 1.0
OUTAGE_PROBE_TIMEOUT_SECONDS: Final = 0.05

# The number of readers is written to the database at most this often, and again
# after the longer interval if it has not changed.
AUDIENCE_MIN_SECONDS: Final = 10.0
AUDIENCE_MAX_SECONDS: Final = 60.0
