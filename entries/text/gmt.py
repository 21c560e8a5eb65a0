"""Format times as readers and editors see them: to the minute, in GMT."""

from datetime import UTC, date, datetime


def this_minute() -> datetime:
    """Return the current time in UTC, truncated to the minute."""
    return whole_minute(datetime.now(UTC))


def whole_minute(at: datetime) -> datetime:
    """Convert an aware time to UTC and truncate it to the minute."""
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def format_hhmm(at: datetime) -> str:
    """Format a time as `1804`."""
    return f"{at.astimezone(UTC):%H%M}"


def format_day(on: date, today: date | None = None) -> str:
    """Format a date as `21 December`, with the year unless `today` is in the same."""
    year = "" if today is not None and today.year == on.year else f" {on.year}"
    return f"{on.day} {on:%B}{year}"


def format_stamp(at: datetime, first_day: date | None) -> str:
    """Format a time as `1804 GMT`, with the date unless it is the story's first day."""
    on = at.astimezone(UTC).date()
    suffix = "" if on == first_day else f", {format_day(on, first_day)}"
    return f"{format_hhmm(at)} GMT{suffix}"


def format_dated(at: datetime, today: date | None = None) -> str:
    """Format a time as `1804 GMT, 20 December`, with the year if it is another one."""
    day = format_day(at.astimezone(UTC).date(), today or this_minute().date())
    return f"{format_hhmm(at)} GMT, {day}"


def format_full(at: datetime) -> str:
    """Format a time as `1804 GMT, 20 December 2026`, which is clear on any day."""
    return f"{format_hhmm(at)} GMT, {format_day(at.astimezone(UTC).date())}"


def format_days(first: date, last: date) -> str:
    """Format a span of days: `20 December 2016`, `20–22 December 2016`, …"""
    if first >= last:
        return format_day(first)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{format_day(last)}"
    return f"{format_day(first, last)} – {format_day(last)}"


def format_iso(at: datetime) -> str:
    """Format a time for `<time datetime>`, as `2016-12-20T18:00Z`."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
