"""Format times as readers and editors see them: to the minute, in GMT.

Dates are in the active language, as CLDR has them, in the Gregorian calendar. All
digits, also those of times, are the usual ones of that language: `١٤١٠ GMT`. What
scripts and other programs read (`format_iso`) is the same in every language.
"""

from datetime import UTC, date, datetime

from django.utils.translation import get_language_bidi, gettext

from entries.text import cldr


def this_minute() -> datetime:
    """Return the current time in UTC, truncated to the minute."""
    return whole_minute(datetime.now(UTC))


def whole_minute(at: datetime) -> datetime:
    """Convert an aware time to UTC and truncate it to the minute."""
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def format_hhmm(at: datetime) -> str:
    """Format a time as `1804`."""
    return cldr.localize_digits(f"{at.astimezone(UTC):%H%M}")


def format_day(on: date, today: date | None = None) -> str:
    """Format a date as `21 December`, with the year unless `today` is in the same."""
    return cldr.format_date(on, year=today is None or today.year != on.year)


def format_stamp(at: datetime, first_day: date | None) -> str:
    """Format a time as `1804 GMT`, with the date unless it is the story's first day."""
    on = at.astimezone(UTC).date()
    if on == first_day:
        return gettext("%(time)s GMT") % {"time": format_hhmm(at)}
    return join_day(format_hhmm(at), format_day(on, first_day))


def format_dated(at: datetime, today: date | None = None) -> str:
    """Format a time as `1804 GMT, 20 December`, with the year if it is another one."""
    on = at.astimezone(UTC).date()
    return join_day(format_hhmm(at), format_day(on, today or this_minute().date()))


def format_full(at: datetime) -> str:
    """Format a time as `1804 GMT, 20 December 2026`, which is clear on any day."""
    return join_day(format_hhmm(at), format_day(at.astimezone(UTC).date()))


def join_day(time: str, day: str) -> str:
    """Return a time in GMT and its day as one text, both formatted."""
    text = gettext("%(time)s GMT, %(day)s") % {"time": time, "day": day}
    # A right-to-left mark, since the day's number would otherwise follow GMT as if it
    # were part of it, which puts the two in the wrong order.
    return text.replace("GMT", "GMT\u200f") if get_language_bidi() else text


def format_days(first: date, last: date) -> str:
    """Format a span of days: `20 December 2016`, `20–22 December 2016`, …"""
    return format_day(first) if first >= last else cldr.format_dates(first, last)


def format_weekday(on: date) -> str:
    """Format the day of the week: `Tuesday`."""
    return cldr.weekday_name(on)


def format_iso(at: datetime) -> str:
    """Format a time for `<time datetime>`, as `2016-12-20T18:00Z`."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
