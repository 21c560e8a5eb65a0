"""Parse the times that editors type, and describe how they were understood.

All times are GMT. Callers pass the current time.
"""

import calendar
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from entries.text import gmt

EXAMPLES: Final = "Write it as 1015, 10:15, 1015 20 Dec or yesterday 2310"
LONG_AGO: Final = timedelta(hours=12)
MIN_YEAR: Final = 1900

_MONTHS: Final = tuple(month.lower() for month in calendar.month_name[1:])
_WORDS: Final = {"yesterday": -1, "today": 0, "tomorrow": 1}
_TIME: Final = r"(?P<hour>\d\d|\d(?=:)):?(?P<minute>\d\d)"
_MONTH: Final = r"(?P<month>[a-z]{3,9})\.?"
_DAY: Final = r"(?P<day>\d\d?)(?:st|nd|rd|th)?"
_DATES: Final = (
    rf"{_DAY} {_MONTH}(?: (?P<year>\d{{4}}))?",
    rf"{_MONTH} {_DAY}(?: (?P<year>\d{{4}}))?",
    r"(?P<isoyear>\d{4})-(?P<isomonth>\d\d)-(?P<isoday>\d\d)",
    rf"(?P<word>{'|'.join(_WORDS)})",
)
_FORMS: Final = [
    re.compile(form, re.ASCII)
    for date_form in _DATES
    for form in (f"{_TIME} {date_form}", f"{date_form} {_TIME}")
]
_FORMS.append(re.compile(_TIME, re.ASCII))
_ZONE: Final = re.compile(r"(?<=\d)z\b|\b(?:gmt|utc)\b")


class TimeError(ValueError):
    """A time that cannot be parsed; the message tells the editor what to type."""


def parse_time(text: str, now: datetime) -> datetime | None:
    """Parse a time to the minute; an empty text gives None, which means "now".

    A time without a date is today's, and a date without a year is the one nearest to
    today. Raises TimeError.
    """
    plain = _normalized(text)
    if not plain:
        return None
    match = next(filter(None, (form.fullmatch(plain) for form in _FORMS)), None)
    if match is None:
        raise TimeError(f"“{text.strip()}” is no time. {EXAMPLES}.")
    parts = {name: part for name, part in match.groupdict().items() if part}
    today = now.astimezone(UTC).date()
    if _may_be_a_year(plain, parts, today):
        raise TimeError(
            f"Is {plain[-4:]} the year? Write the time as {plain[-4:-2]}:{plain[-2:]}, "
            "or add one."
        )
    return datetime.combine(_date(parts, today), _time(parts), UTC)


def _normalized(text: str) -> str:
    text = _ZONE.sub(" ", text.lower().replace(",", " "))
    text = re.sub(r"(?<=\d)t(?=\d)", " ", text)
    return " ".join(text.split())


def _may_be_a_year(plain: str, parts: dict[str, str], today: date) -> bool:
    """Return whether the time may be a year, as in `20 Dec 2026` without a time."""
    last = plain[-4:]
    return (
        "month" in parts
        and "year" not in parts
        and last == parts["hour"] + parts["minute"]
        and abs(int(last) - today.year) <= 1
    )


def _time(parts: dict[str, str]) -> time:
    hour, minute = int(parts["hour"]), int(parts["minute"])
    if hour > 23 or minute > 59:
        raise TimeError(
            f"There is no {parts['hour']}:{parts['minute']}: hours go to 23 and "
            "minutes to 59."
        )
    return time(hour, minute)


def _date(parts: dict[str, str], today: date) -> date:
    if "word" in parts:
        return today + timedelta(days=_WORDS[parts["word"]])
    if "isoyear" in parts:
        year, month = int(parts["isoyear"]), int(parts["isomonth"])
        return _nearest([year], month, int(parts["isoday"]), today)
    if "month" not in parts:
        return today
    years = [int(parts["year"])] if "year" in parts else _years_around(today.year)
    return _nearest(years, _month(parts["month"]), int(parts["day"]), today)


def _years_around(year: int) -> list[int]:
    return [year, year - 1, year + 1]


def _month(name: str) -> int:
    for number, month in enumerate(_MONTHS, 1):
        if month.startswith(name):
            return number
    raise TimeError(f"“{name}” is no month. {EXAMPLES}.")


def _nearest(years: list[int], month: int, day: int, today: date) -> date:
    """Return the day and month in that one of the years which is nearest to today."""
    days = list(_days(years, month, day))
    if years[0] < MIN_YEAR:
        raise TimeError(f"{years[0]} is too long ago. {EXAMPLES}.")
    if not days:
        name = _MONTHS[month - 1].title() if 1 <= month <= 12 else f"month {month}"
        raise TimeError(f"There is no {day} {name}.")
    return min(days, key=lambda found: abs(found - today))


def _days(years: list[int], month: int, day: int) -> Iterator[date]:
    for year in years:
        try:
            yield date(year, month, day)
        except ValueError:
            continue


def format_typed(at: datetime) -> str:
    """Format a time for the input field, as `parse_time` accepts it."""
    at = at.astimezone(UTC)
    return f"{at:%H%M} {at.day} {calendar.month_abbr[at.month]} {at.year}"


def describe_time(at: datetime | None, now: datetime) -> str:
    """Return the hint under the input field: what a time was taken to mean."""
    if at is None:
        return "Now: the minute in which it is published."
    if at > now:
        return f"Scheduled for {describe_moment(at, now)}."
    late = now - at
    ago = f", {_length(late)} ago" if late >= LONG_AGO else ""
    return f"Dated {describe_moment(at, now)}{ago}."


def describe_moment(at: datetime, now: datetime) -> str:
    """Format a time relative to now: `1015 GMT today` or `1015 GMT, 20 December`."""
    on, today = at.astimezone(UTC).date(), now.astimezone(UTC).date()
    name = next((w for w, d in _WORDS.items() if d == (on - today).days), "")
    day = f" {name}" if name else f", {gmt.format_day(on, today)}"
    return f"{gmt.format_hhmm(at)} GMT{day}"


def _length(span: timedelta) -> str:
    if span.days >= 2:
        return f"{span.days} days"
    return f"{span // timedelta(hours=1)} hours"
