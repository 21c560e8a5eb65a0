"""The story's clock: whole minutes, UTC, called GMT."""

from datetime import UTC, date, datetime


def now() -> datetime:
    """Return this minute in UTC."""
    return whole_minute(datetime.now(UTC))


def whole_minute(at: datetime) -> datetime:
    """Return an aware time in UTC, cut to its minute."""
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def hhmm(at: datetime) -> str:
    """Return the stamp of a time: `1804`."""
    return f"{at.astimezone(UTC):%H%M}"


def day(on: date, beside: date | None = None) -> str:
    """Return `21 December`, with the year where `beside` lies in another."""
    year = "" if beside is not None and beside.year == on.year else f" {on.year}"
    return f"{on.day} {on:%B}{year}"


def stamp(at: datetime, first_day: date | None) -> str:
    """Return `1804 GMT`; the date joins on days other than the story's first."""
    on = at.astimezone(UTC).date()
    date_part = "" if on == first_day else f", {day(on, first_day)}"
    return f"{hhmm(at)} GMT{date_part}"


def dated(at: datetime, beside: date | None = None) -> str:
    """Return `1804 GMT, 20 December`, with the year where `beside` lies in another.

    Without one it is the present year that goes without saying.
    """
    return f"{hhmm(at)} GMT, {day(at.astimezone(UTC).date(), beside or now().date())}"


def machine(at: datetime) -> str:
    """Return the time for `<time datetime>`: `2016-12-20T18:00Z`."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
