"""Parse the times that editors type, and describe what was understood.

Strings and times in, times and strings out. All times are GMT, and callers pass the
current time.
"""

import calendar
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Final, NamedTuple

from django.utils.translation import get_language, gettext, ngettext

from entries.text import cldr, gmt, keyboard

LONG_AGO: Final = timedelta(hours=12)
MIN_YEAR: Final = 1900
MAX_SPAN: Final = timedelta(days=366)  # of relative times: +10, in 2 hours

_MONTHS: Final = tuple(month.lower() for month in calendar.month_name[1:])
_WEEKDAYS: Final = tuple(day.lower() for day in calendar.day_name)
_WORDS: Final = {"yesterday": -1, "today": 0, "tomorrow": 1}
_NAMED: Final = {"noon": time(12), "midday": time(12), "midnight": time()}
_TIMES: Final = (
    r"(?P<hour>\d\d?)(?:\.| ?[:h] ?)(?P<minute>\d\d)(?: ?(?:h|hrs?|uhr))?",
    r"(?P<hour>\d\d)(?P<minute>\d\d)(?: ?(?:h|hrs?|uhr))?",
    r"(?P<hour>\d\d?)(?:(?:[.]| ?[:h] ?)?(?P<minute>\d\d))? ?(?P<half>[ap])\.? ?m\.?",
    r"(?P<half>[ap])m (?P<hour>\d\d?)(?:(?:[.]| ?[:h] ?)?(?P<minute>\d\d))?",
    rf"(?P<named>{'|'.join(_NAMED)})",
)
_MONTH: Final = r"(?P<month>[a-z]{3,9})\.?"
_DAY: Final = r"(?P<day>\d\d?)(?:st|nd|rd|th|er|\.)?"
_WEEKDAY: Final = r"(?P<weekday>(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6})\.?"
_DATES: Final = (
    rf"(?:{_WEEKDAY} )?{_DAY} {_MONTH}(?: (?P<year>\d{{4}}))?",
    rf"(?:{_WEEKDAY} )?{_MONTH} {_DAY}(?: (?P<year>\d{{4}}))?",
    r"(?P<isoyear>\d{4})[-/.](?P<isomonth>\d\d?)[-/.](?P<isoday>\d\d?)",
    rf"(?P<word>{'|'.join(_WORDS)})",
    _WEEKDAY,
)
_FORMS: Final = [
    re.compile(form, re.ASCII)
    for time_form in _TIMES
    for form in (
        time_form,
        *(f"{time_form} {date_form}" for date_form in _DATES),
        *(f"{date_form} {time_form}" for date_form in _DATES),
    )
]
# Words of this input, which mean in every language what they mean in English.
_ENGLISH: Final = frozenset(
    {name[:n] for name in (*_MONTHS, *_WEEKDAYS) for n in range(3, len(name) + 1)}
    | {*_WORDS, *_NAMED, "now", "am", "pm", "ago", "in", "at", "on", "and", "a", "an"}
    | {"st", "nd", "rd", "th"}
)
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
_AMOUNT: Final = (
    r"(?P<{0}>[1-9]\d{{0,3}}|an?|half an) ?"
    r"(?P<{0}unit>m|mins?|minutes?|h|hrs?|hours?|d|days?)"
)
_SPAN: Final = rf"{_AMOUNT.format('first')}(?: ?(?:and )?{_AMOUNT.format('second')})?"
_FROM_NOW: Final = [
    re.compile(form, re.ASCII)
    for form in (
        rf"(?:in |(?P<sign>[+−-]) ?)(?:{_SPAN}|(?P<minutes>[1-9]\d{{0,2}}))",
        rf"{_SPAN} (?P<sign>ago)",
    )
]
# As they are written in Chinese, Japanese and Korean.
_YEAR_FIRST: Final = re.compile(
    r"(?:(\d{4}) ?[年년] ?)?(?<!\d)(\d\d?) ?[月월] ?(\d\d?) ?[日일]", re.ASCII
)
_HOUR_SIGN: Final = re.compile(r"(\d\d?) ?[時时点點시] ?(\d\d) ?[分분]?", re.ASCII)
_ZONE: Final = re.compile(r"(?<=\d)z\b|\b(?:gmt|utc)\b(?! ?[+−-])")


class TimeError(ValueError):
    """A time cannot be parsed; the message tells the editor what to write."""


class _Parsed(NamedTuple):
    at: datetime
    has_day: bool


def parse_time(text: str, now: datetime) -> datetime | None:
    """Parse a time to the minute; return None for an empty text.

    A time without a day is today, and `midnight` the nearest one. A weekday is today or
    the next of that name. A date without a year is the nearest one. Raises TimeError.
    """
    parsed = _parse(text, now)
    return parsed.at if parsed else None


def coming_time(text: str, now: datetime) -> datetime | None:
    """Return the time tomorrow if a time without a day is long past, else None."""
    parsed = _parse(text, now)
    if not parsed or parsed.has_day or now - parsed.at < LONG_AGO:
        return None
    return parsed.at + timedelta(days=1)


def means_now(text: str) -> bool:
    """Return whether a text is empty or `now`."""
    return _plain(text) in ("", "now")


def _parse(text: str, now: datetime) -> _Parsed | None:
    plain = _plain(text)
    if not plain:
        return None
    if plain == "now":
        return _Parsed(gmt.whole_minute(now), has_day=True)
    if (span := _from_now(plain, text)) is not None:
        return _Parsed(gmt.whole_minute(now) + span, has_day=True)
    match = next(filter(None, (form.fullmatch(plain) for form in _FORMS)), None)
    if match is None:
        raise _unreadable(text)
    parts = {name: part for name, part in match.groupdict().items() if part}
    today = now.astimezone(UTC).date()
    if _may_be_a_year(plain, parts, today):
        raise TimeError(
            gettext("Is %(year)s the year? Write the time as %(time)s, or add one.")
            % {"year": plain[-4:], "time": f"{plain[-4:-2]}:{plain[-2:]}"}
        )
    clock, day = _time(parts), _date(parts, today)
    if plain == "midnight" and now.astimezone(UTC).hour >= 12:
        day += timedelta(days=1)
    has_day = plain == "midnight" or not parts.keys() <= _CLOCK_PARTS
    return _Parsed(datetime.combine(day, clock, UTC), has_day)


_CLOCK_PARTS: Final = {"hour", "minute", "half", "named"}


def is_time_alone(text: str, now: datetime) -> bool:
    """Return whether a text is a time without a day. Raises TimeError."""
    parsed = _parse(text, now)
    return parsed is not None and not parsed.has_day


def _plain(text: str) -> str:
    text = _in_english(keyboard.as_ascii(text).lower().replace(",", " "))
    text = re.sub(r"\b(?:at|on)\b", " ", text)
    text = re.sub(r"(?<=\d)t(?=\d)", " ", _ZONE.sub(" ", text))
    return " ".join(text.split())


def _in_english(plain: str) -> str:
    """Replace the names of days, months and so on in the editor's language."""
    plain = _HOUR_SIGN.sub(r"\1:\2", plain)
    plain = _YEAR_FIRST.sub(_english_date, plain)
    if not (english := _english_words(get_language() or "en")):
        return plain
    longest_first = sorted(english, key=len, reverse=True)
    names = "|".join(map(re.escape, longest_first))
    pattern = rf"(?<![^\W\d_])({names})(?![^\W\d_])\.?"
    return re.sub(pattern, lambda match: f" {english[match[1]]} ", plain)


@cache
def _english_words(language: str) -> dict[str, str]:
    """Return names in the active language, without those that are English too.

    French “mar.” is Tuesday, but stays March.
    """
    words = ("yesterday", "today", "tomorrow", "now")
    own = cldr.english_of_dates() | {gettext(word): word for word in words}
    if language.startswith(("es", "pt")):
        own["de"] = ""  # 20 de diciembre
    plain = {keyboard.as_ascii(name).lower().strip(" ."): own[name] for name in own}
    return {name: plain[name].lower() for name in plain.keys() - _ENGLISH}


def _english_date(match: re.Match[str]) -> str:
    year, month, day = match.groups()
    if year or not 1 <= int(month) <= 12:
        return f" {year or '0000'}-{month}-{day} "
    return f" {day} {_MONTHS[int(month) - 1]} "


def _unreadable(text: str) -> TimeError:
    return TimeError(
        gettext(
            "Can't read “%(text)s” as a time. Try 1015, 10:15, +10 or yesterday 2310."
        )
        % {"text": text.strip()}
    )


def _from_now(plain: str, text: str) -> timedelta | None:
    """Parse a relative time (`+10`, `in 2 hours`, `10 min ago`), or return None."""
    found = (form.fullmatch(plain) for form in _FROM_NOW)
    match = next(filter(None, found), None)
    if match is None:
        return None
    parts = match.groupdict()
    span = timedelta(minutes=int(parts.get("minutes") or 0))
    for name in ("first", "second"):
        if amount := parts[name]:
            unit = _UNITS[parts[f"{name}unit"][0]]
            number = 0.5 if amount == "half an" else 1 if amount[0] == "a" else amount
            span += timedelta(**{unit: float(number)})
    if span > MAX_SPAN:
        raise _unreadable(text)
    return -span if parts["sign"] in ("-", "−", "ago") else span


def _may_be_a_year(plain: str, parts: dict[str, str], today: date) -> bool:
    """Return whether a time may be a year, as in `20 Dec 2026` without a time."""
    last = plain[-4:]
    return (
        "month" in parts
        and "year" not in parts
        and last == parts.get("hour", "") + parts.get("minute", "")
        and abs(int(last) - today.year) <= 1
    )


def _time(parts: dict[str, str]) -> time:
    if "named" in parts:
        return _NAMED[parts["named"]]
    hour, minute, half = (
        int(parts["hour"]),
        int(parts.get("minute", 0)),
        parts.get("half"),
    )
    if hour > (12 if half else 23) or minute > 59 or (half == "p" and not hour):
        given = f"{parts['hour']}:{minute:02}" + (f" {half}m" if half else "")
        raise TimeError(gettext("%(time)s isn't a valid time.") % {"time": given})
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return time(hour, minute)


def _date(parts: dict[str, str], today: date) -> date:
    if "word" in parts:
        return today + timedelta(days=_WORDS[parts["word"]])
    if "isoyear" in parts:
        year, month = int(parts["isoyear"]), int(parts["isomonth"])
        return _existing([year], month, int(parts["isoday"]), today)
    weekday = _weekday(parts["weekday"]) if "weekday" in parts else None
    if "month" not in parts:
        return today if weekday is None else _next(weekday, today)
    years = [int(parts["year"])] if "year" in parts else _around(today.year)
    month, day = _month(parts["month"]), int(parts["day"])
    found = _existing(years, month, day, today, weekday)
    if weekday not in (None, found.weekday()):
        raise TimeError(
            gettext("%(day)s is a %(weekday)s. Correct the day or the date.")
            % {"day": gmt.format_day(found), "weekday": gmt.format_weekday(found)}
        )
    return found


def _weekday(name: str) -> int:
    for number, day in enumerate(_WEEKDAYS):
        if day.startswith(name):
            return number
    raise _unreadable(name)


def _next(weekday: int, today: date) -> date:
    return today + timedelta(days=(weekday - today.weekday()) % 7)


def _around(year: int) -> list[int]:
    return [year, year - 1, year + 1]


def _month(name: str) -> int:
    for number, month in enumerate(_MONTHS, 1):
        if month.startswith(name):
            return number
    raise TimeError(
        gettext("“%(name)s” isn't a month. Try 1015 20 Dec.") % {"name": name}
    )


def _existing(
    years: list[int], month: int, day: int, today: date, weekday: int | None = None
) -> date:
    """Return the date nearest to today, or this year's if it is on `weekday`."""
    days = list(_days(years, month, day))
    if years[0] < MIN_YEAR:
        raise TimeError(
            gettext("%(year)s is too long ago. Try 1015 20 Dec.") % {"year": years[0]}
        )
    if not days:
        name = _MONTHS[month - 1].title() if 1 <= month <= 12 else f"month {month}"
        raise TimeError(gettext("There is no %(day)s.") % {"day": f"{day} {name}"})
    wanted = [d for d in days if d.weekday() == weekday and d.year == today.year]
    return min(wanted or days, key=lambda found: abs(found - today))


def _days(years: list[int], month: int, day: int) -> Iterator[date]:
    for year in years:
        try:
            yield date(year, month, day)
        except ValueError:
            continue


def format_typed(at: datetime) -> str:
    """Format a time for the input field, in a form that `parse_time` can parse."""
    at = at.astimezone(UTC)
    return f"{at:%H%M} {at.day} {calendar.month_abbr[at.month]} {at.year:04}"


def describe_time(at: datetime | None, now: datetime) -> str:
    """Return the hint below the field, which describes the time that was parsed."""
    if at is None:
        return gettext("Stamped with the time you publish.")
    what = (
        gettext("Scheduled for %(moment)s.")
        if at > now
        else gettext("Dated %(moment)s.")
    )
    return what % {"moment": describe_from_now(at, now)}


def describe_from_now(at: datetime, now: datetime) -> str:
    """Format as `2010 today, in 10 min` or `Friday 4 December, 0900 GMT, in 5 days`."""
    on, today = at.astimezone(UTC).date(), now.astimezone(UTC).date()
    if name := _day_name(on, today):
        moment = f"{gmt.format_hhmm(at)} {name}"
    else:
        day = f"{gmt.format_weekday(on)} {gmt.format_day(on, today)}"
        moment = f"{day}, {gmt.format_hhmm(at)} GMT"
    parts = {"moment": moment, "distance": from_now(at, now)}
    return gettext("%(moment)s, %(distance)s") % parts


def describe_moment(at: datetime, now: datetime) -> str:
    """Format a time as `1015 GMT today` or `1015 GMT, 20 December`."""
    on, today = at.astimezone(UTC).date(), now.astimezone(UTC).date()
    if name := _day_name(on, today):
        time = gmt.format_hhmm(at)
        return gettext("%(time)s GMT %(day)s") % {"time": time, "day": name}
    return gmt.format_dated(at, today)


def _day_name(on: date, today: date) -> str:
    names = {-1: gettext("yesterday"), 0: gettext("today"), 1: gettext("tomorrow")}
    return names.get((on - today).days, "")


def from_now(at: datetime, now: datetime) -> str:
    """Format the distance to a time: `in 10 min`, `5 days ago`, `now`."""
    span = gmt.whole_minute(at) - gmt.whole_minute(now)
    if not span:
        return gettext("now")
    days = abs((at.astimezone(UTC).date() - now.astimezone(UTC).date()).days)
    length = _length(abs(span), days)
    if span > timedelta():
        return gettext("in %(length)s") % {"length": length}
    return gettext("%(length)s ago") % {"length": length}


def _length(span: timedelta, days: int) -> str:
    if days >= 2:
        return ngettext("%(n)d day", "%(n)d days", days) % {"n": days}
    hours, minutes = divmod(span // timedelta(minutes=1), 60)
    in_hours = ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}
    in_minutes = gettext("%(n)d min") % {"n": minutes}
    if not hours:
        return in_minutes
    if hours >= 2 or not minutes:
        return in_hours
    both = {"hours": in_hours, "minutes": in_minutes}
    return gettext("%(hours)s %(minutes)s") % both
