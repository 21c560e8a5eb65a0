"""Read the times of other systems: ISO 8601, RFC 5322, seconds since 1970."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any, Final

from entries.exchange.document import DocumentEntry
from entries.exchange.text.update_dates import SLIP
from entries.text.zones import find_zone

_YEARS: Final = range(1900, 2200)
_DAY_ONLY: Final = re.compile(r"\d{4}-?\d{2}-?\d{2}|\d{4}-\d{2}|\d{4}")
_ZONE_NAME: Final = re.compile(r"(.*\d)\s*\(?([A-Za-z][A-Za-z_/ ]{0,40})\)?")
_MILLISECONDS: Final = 100_000_000_000  # as seconds, the year 5138
_ISO_IN_TEXT: Final = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-/_]?(\d\d)[-/_]?(\d\d)(?!\d)"
)


class Clock:
    """Reads times, and notes if one names no time zone.

    Such times are of `zone`, or GMT.
    """

    def __init__(self, zone: tzinfo | None = None) -> None:
        self.zone = zone
        self.assumed = 0  # times without a zone

    def read(self, value: Any) -> datetime | None:
        """Return a time in GMT, or None if a value is no time."""
        at = _parsed(value)
        if at is not None and at.tzinfo is None:
            self.assumed += 1
            at = at.replace(tzinfo=self.zone or UTC)
        try:
            at = at.astimezone(UTC) if at else None
        except (OverflowError, ValueError):
            return None
        return at if at and at.year in _YEARS else None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return a warning if the zone of some times was assumed."""
        if not self.assumed:
            return ()
        if self.zone:
            return (f"Times without a zone are of {self.zone}, and became GMT.",)
        return (
            "Times without a time zone are read as GMT. If they are of another zone, "
            "name it with --timezone.",
        )


def _parsed(value: Any) -> datetime | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        if isinstance(value, int | float) or re.fullmatch(r"\d{10}|\d{13}", str(value)):
            number = float(value)
            seconds = number / 1000 if number >= _MILLISECONDS else number
            return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None
    text = " ".join(str(value).split())
    if _DAY_ONLY.fullmatch(text):
        return None
    for reading in (text, re.sub(r"(?<=\d) (?=[+-]\d)", "", text)):
        try:
            return datetime.fromisoformat(reading)
        except ValueError:
            continue
    return _with_zone_name(text)


def _with_zone_name(text: str) -> datetime | None:
    """Read a time as mails and RSS have it, also with a zone that they do not know."""
    named = _ZONE_NAME.fullmatch(text)
    zone = find_zone(named[2]) if named else None
    bare = named[1] if named and zone else text
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            at = read(bare)
        except (IndexError, TypeError, ValueError):
            continue
        return at.replace(tzinfo=zone.tz) if zone else at
    return None


def day_in(*texts: str) -> date | None:
    """Return the first date in texts such as a file's name: 2016-12-20, 2016/12/20."""
    for match in (m for text in texts for m in _ISO_IN_TEXT.finditer(text)):
        try:
            return date(int(match[1]), int(match[2]), int(match[3]))
        except ValueError:
            continue
    return None


def days_of(clocks: Sequence[timedelta]) -> list[int]:
    """Return on which day each clock time is, from the oldest on: 0, 1, …

    A time that is earlier than the one before is of the next day, unless it is so by a
    newsroom's slip.
    """
    days, day, last = [], 0, timedelta()
    for clock in clocks:
        if last - clock > SLIP:
            day, last = day + 1, clock
        last = max(last, clock)
        days.append(day)
    return days


def newest_first(updates: Sequence[DocumentEntry]) -> tuple[DocumentEntry, ...]:
    """Return updates with the newest first, if they are in the order of their times.

    Most systems have the newest first, and updates of one minute keep that order.
    """
    times = [update.at for update in updates if update.at]
    ups = sum(a < b for a, b in pairwise(times))
    downs = sum(a > b for a, b in pairwise(times))
    return tuple(updates[::-1]) if ups > downs else tuple(updates)
