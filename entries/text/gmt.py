"""GMT times as readers and editors see them: whole minutes, in UTC."""

from datetime import UTC, date, datetime


def this_minute() -> datetime:
    """Return this minute in UTC."""
    return whole_minute(datetime.now(UTC))


def whole_minute(at: datetime) -> datetime:
    """Return an aware time in UTC, cut to its minute."""
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def format_hhmm(at: datetime) -> str:
    """Return `1804`."""
    return f"{at.astimezone(UTC):%H%M}"


def format_day(on: date, today: date | None = None) -> str:
    """Return `21 December`, with the year unless `today` is in the same one."""
    year = "" if today is not None and today.year == on.year else f" {on.year}"
    return f"{on.day} {on:%B}{year}"


def format_stamp(at: datetime, first_day: date | None) -> str:
    """Return `1804 GMT`, with the date on days other than the story's first."""
    on = at.astimezone(UTC).date()
    suffix = "" if on == first_day else f", {format_day(on, first_day)}"
    return f"{format_hhmm(at)} GMT{suffix}"


def format_dated(at: datetime, today: date | None = None) -> str:
    """Return `1804 GMT, 20 December`, with the year unless it is this year's."""
    day = format_day(at.astimezone(UTC).date(), today or this_minute().date())
    return f"{format_hhmm(at)} GMT, {day}"


def format_iso(at: datetime) -> str:
    """Return the value of `<time datetime>`: `2016-12-20T18:00Z`."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
