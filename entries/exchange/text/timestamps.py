"""Parse the timestamps of updates: `UPDATE 1800 GMT, 20 December:` and variants.

To accept another notation of times, change `_TIME`; of days, `_DATE`. The names of
time zones are in `entries.text.zones`.
"""

import calendar
import re
from dataclasses import dataclass, replace
from datetime import date, time
from typing import Final

from entries.text import keyboard, zones

_MONTHS: Final = {name.lower(): n for n, name in enumerate(calendar.month_abbr) if n}
_WEEKDAYS: Final = {name.lower(): n for n, name in enumerate(calendar.day_abbr)}

_MONTH: Final = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
WEEKDAY: Final = (
    r"(?:mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:rs?(?:day)?)?|fri(?:day)?"
    r"|sat(?:urday)?|sun(?:day)?)\b\.?"
)
YEARS: Final = range(1900, 2200)
_S: Final = r"\s{0,9}"  # bounded, to avoid slow backtracking on a line of spaces
_NUMBER: Final = r"[0-9]{1,2}(?:st|nd|rd|th)?"
_YEAR: Final = rf"(?:,?{_S}[0-9]{{4}})?"
_SLASHED: Final = "|".join(
    rf"[0-9]{{1,2}}\{x}[0-9]{{1,2}}\{x}[0-9]{{4}}" for x in "/.-"
)
_DATE: Final = (
    rf"(?:{_NUMBER}{_S}(?:of )?{_MONTH}{_YEAR}|{_MONTH}{_S}{_NUMBER}\b{_YEAR}"
    rf"|[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}|{_SLASHED})"
)
_DAY: Final = rf"(?:(?:{WEEKDAY},?{_S})?{_DATE}|{WEEKDAY})"
_TIME: Final = (
    r"(?:(?P<named>noon|midday|midnight)\b"
    r"|(?P<hour>[0-9]{1,2})(?:(?:[:.h]|\sh\s)?(?P<minute>[0-9]{2})(?::[0-9]{2})?)?(?![0-9])"
    rf"(?:{_S}(?P<half>[ap])\.?m\b\.?)?(?:{_S}h(?:ou)?rs?\b)?)"
)
_ZONE: Final = rf"{_S}(?P<zone>{zones.NAME})"
_GAP: Final = rf"{_S}[:,.;–—-]?{_S}"

_FIRST: Final = re.compile(
    rf"[(\[]?(?P<word>UPDATED?)\b{_GAP}(?:[(\[]?(?P<day>{_DAY})[)\]]?{_GAP}"
    rf"(?:at )?)?[(\[]?{_TIME}{_ZONE}[)\]]?",
    re.I,
)
_LAST: Final = re.compile(
    rf"[(\[]?{_TIME}{_ZONE}[)\]]?{_GAP}(?:[(\[]?(?P<day>{_DAY})[)\]]?{_GAP})?"
    r"(?P<word>UPDATE)\b[)\]]?",
    re.I,
)
# The same time in another zone: `UPDATE 1600 EST / 2100 GMT:`
_SECOND: Final = re.compile(
    rf"{_S}(?:[/,|]{_S}[(\[]?|[(\[]){_TIME}{_ZONE}[)\]]?"
    rf"(?={_S}(?:[:,.;/|(\[–—]|-\s|$))",
    re.I,
)
_AHEAD: Final = re.compile(rf"({_DAY}){_GAP}(?=UPDATED?\b)", re.I)
_ZONELESS: Final = re.compile(
    rf"(?P<word>UPDATED?)\b[:,]?{_S}(?i:{_TIME})(?P<day>)(?P<zone>)"
    rf"(?={_S}(?:,?{_S}[(\[]?(?i:{_DAY})[)\]]?{_S})?:(?![0-9]))"
)
_HOURS: Final = r"(?:[0-9][0-9:.h]{0,9}|[?x_:–-]{1,6}|tb[acd])(?![^\W_])"
# `UPDATE:`, `UPDATE 18000 GMT:`, `UPDATE 1800 XYZ, 20 December:`, `UPDATE ?? GMT:`
_UNDATED: Final = re.compile(
    rf"[(\[]?UPDATE\b(?i:[\s,.;()\[\]]|{_DAY}|at\b){{0,9}}"
    rf"(?:(?i:{_HOURS}{_S}(?:[ap]\.?m\b\.?|h(?:ou)?rs?\b)?{_S}(?:local time\b)?)"
    rf"(?:[A-Z]{{2,5}}\b(?:[+−-][0-9:]{{1,5}})?)?|(?i:{zones.NAME}))?"
    rf"(?i:[\s,.;()\[\]]|{_DAY}){{0,9}}(?:[:–—]|-\s|$)\s*"
)
# `UPDATE #3 1800 GMT:`, `UPDATE half past nine:`, `UPDATE dusk GMT:`
_WITHOUT_TIME: Final = re.compile(
    r"[(\[]?UPDATE\b(?:\W{0,4}[0-9]|\s(?:[^\s:]{1,20}\s{0,9}){1,4}:)"
)
_WORDS_BEFORE: Final = re.compile(r"(?:[A-Z][A-Z’'-]{1,20}\s{1,9}){1,2}(?=UPDATE\b)")
_MAX_LENGTH: Final = 200  # letters of a line in which its timestamp is looked for
_NO_TIME: Final = "it has no time that is clear"
_IN_BRACKETS: Final = re.compile(r"\s*[(\[]([^()\[\]]{1,40})[)\]]")
_BARE: Final = re.compile(
    rf"{_S},?{_S}({_DAY})(?={_S}(?:[:.–—](?!\S*[0-9]:)|-\s|$))", re.I
)
_END: Final = re.compile(r"\s*(?:[:–—]|[.,;-](?=\s|$))?\s*")
_SUSPECT: Final = re.compile(
    r"\W*(?:(?i:UPDATE)\b\W{0,4}[0-9]|UPDATE\b\s{0,9}[:,([]"
    r"|.{0,20}\bUPDATE\b.{0,30}\bGMT\b"
    r"|[0-9]{1,2}[:.h]?[0-9]{2}\s{0,9}(?i:GMT|UTC)\s{0,9}:)"
)


@dataclass(frozen=True)
class Day:
    """The day in a timestamp; 0 for missing parts. Monday is weekday 1."""

    day: int = 0
    month: int = 0
    year: int = 0
    weekday: int = 0

    def on(self, year: int) -> date | None:
        """Return the date in a year, or None if there is none (29 February)."""
        try:
            return date(self.year or year, self.month, self.day)
        except ValueError:
            return None

    def fits(self, on: date) -> bool:
        """Whether a date falls on the weekday, if one is given."""
        return not self.weekday or on.isoweekday() == self.weekday


@dataclass(frozen=True)
class Timestamp:
    """The time of an update, its day if one is given, and the rest of the line.

    The time and the day are those of its zone. `at` is None if the line begins an
    update, but its time is missing or impossible. `doubt` is a warning about the line.
    """

    at: time | None
    day: Day | None
    rest: str
    doubt: str = ""
    zone: zones.Zone = zones.GMT


@dataclass(frozen=True)
class Doubt:
    """The reason why a line that looks like a timestamp is not read as one."""

    reason: str


def timestamp(line: str, *, starts: bool = True) -> Timestamp | Doubt | None:
    """Parse the timestamp at the beginning of a line; return None for ordinary text.

    `starts` is whether the line begins a paragraph. Inside a paragraph, only timestamps
    in capitals or with a colon are recognized. Digits may be of any script.
    """
    plain, places = keyboard.start_as_ascii(line, _MAX_LENGTH)
    found = _timestamp(plain, starts=starts)
    if places and isinstance(found, Timestamp):
        return replace(found, rest=line[places[len(plain) - len(found.rest)] :])
    return found


def _timestamp(line: str, *, starts: bool) -> Timestamp | Doubt | None:
    if ahead := _AHEAD.match(line):
        found = _timestamp(line[ahead.end() :], starts=starts)
        if not isinstance(found, Timestamp):
            return found
        if day := parse_day(ahead[1]):
            return replace(found, day=day)
        return replace(found, at=None, day=None, doubt=f"“{ahead[1]}” is no date")
    if match := _FIRST.match(line) or _LAST.match(line):
        return _read(line, match, starts)
    if match := _ZONELESS.match(line):
        found = _read(line, match, starts)
        if found and found.at:
            doubts = filter(None, ["it names no GMT; read as GMT", found.doubt])
            return replace(found, doubt="; ".join(doubts))
        return found
    if starts:
        return _undated(line)
    match = _UNDATED.match(line)
    return _without_time(line, match) if match and match[0].strip()[-1] == ":" else None


def _read(line: str, match: re.Match[str], starts: bool) -> Timestamp | None:
    rest = line[match.end() :]
    day = parse_day(match["day"] or "")
    at, zone = _time(match), zones.find_zone(match["zone"] or "GMT")
    second_doubt = ""
    if at and zone and match.re is _FIRST:
        # A day before the first time is of its zone.
        at, zone, rest, second_doubt = _with_other_zones(
            rest, at, zone, prefer_gmt=day is None
        )
    no_date = bool(match["day"]) and day is None
    doubt = ""
    if day is None:
        day, rest, doubt = _day_after(rest)
    end = _END.match(rest)
    marked = bool(end and end[0].strip())
    ended = marked or not rest.strip()
    if match["word"].upper() == "UPDATED" and not marked:
        return None  # the line of a page that says when it was changed
    if match["word"] != "UPDATE" and not ended:
        is_timestamp = starts and match.re is _FIRST
        if not is_timestamp:
            return None
    text = rest[end.end() :] if end else rest
    doubt = "; ".join(filter(None, [second_doubt, doubt]))
    if no_date:
        return Timestamp(None, None, text, f"“{match['day']}” is no date")
    if at is None:
        return Timestamp(None, day, text, "there is no such time")
    if zone is None:
        return Timestamp(None, day, line, f"“{match['zone']}” is no known time zone")
    return Timestamp(at, day, text, doubt, zone)


def _with_other_zones(
    rest: str, at: time, zone: zones.Zone, *, prefer_gmt: bool
) -> tuple[time, zones.Zone, str, str]:
    """Read the same time in other zones; return it, the rest and a warning."""
    doubt = ""
    while match := _SECOND.match(rest):
        other, other_zone = _time(match), zones.find_zone(match["zone"])
        if other is None or other_zone is None:
            break
        if not _is_one_time(at, zone, other, other_zone):
            doubt = "its times in two zones are not one time"
        if other_zone.is_gmt and prefer_gmt:
            at, zone = other, other_zone
        rest = rest[match.end() :]
    return at, zone, rest, doubt


def _is_one_time(
    at: time, zone: zones.Zone, at_other: time, other_zone: zones.Zone
) -> bool:
    """Whether two times may be one, in winter or in summer."""
    return any(
        zone.to_gmt(on, at).time() == other_zone.to_gmt(on, at_other).time()
        for on in (date(2001, 1, 15), date(2001, 7, 15))
    )


def _undated(line: str) -> Timestamp | Doubt | None:
    """Parse a line that begins an update without saying when, or only resembles one."""
    if match := _UNDATED.match(line):
        return _without_time(line, match)
    if _WITHOUT_TIME.match(line):
        return Timestamp(None, None, line, _NO_TIME)
    if before := _WORDS_BEFORE.match(line):
        found = _timestamp(line[before.end() :], starts=True)
        if isinstance(found, Timestamp) and found.at:
            words = before[0].strip()
            return replace(found, rest=line, doubt=f"“{words}” stays in its text")
    if _SUSPECT.match(line):
        return Doubt("this looks like an update, but has no time in GMT that is clear")
    return None


def _without_time(line: str, match: re.Match[str]) -> Timestamp:
    return Timestamp(None, None, line[match.end() :], _NO_TIME)


def _time(match: re.Match[str]) -> time | None:
    if named := match["named"]:
        return time(0) if named.lower() == "midnight" else time(12)
    if not match["minute"] and not match["half"]:
        return None
    hour, minute = int(match["hour"]), int(match["minute"] or 0)
    if half := match["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half.lower() == "p" else 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None


def _day_after(rest: str) -> tuple[Day | None, str, str]:
    """Parse the day after a time; return it, the rest of the line, and a warning."""
    if match := _IN_BRACKETS.match(rest):
        day = parse_day(match[1])
        if day:
            return day, rest[match.end() :], ""
        doubt = f"“{match[0].strip()}” is no day that is clear; it stays text"
        return None, rest, doubt
    match = _BARE.match(rest)
    if match and (day := parse_day(match[1])):
        return day, rest[match.end() :], ""
    doubt = f"“{match[1]}” is no date; it stays text" if match else ""
    return None, rest, doubt


def parse_day(text: str) -> Day | None:
    """Parse `Tuesday`, `20 December`, `Dec. 20, 2016`, `2016-12-20`, …"""
    # Like the patterns, in which “ſun” matches “sun”.
    words = keyboard.as_ascii(text).strip().casefold()
    weekday = 0
    if match := re.match(rf"({WEEKDAY}),?\s*", words):
        weekday = _WEEKDAYS[match[1][:3]] + 1
        words = words[match.end() :]
        if not words:
            return Day(weekday=weekday)
    if not re.fullmatch(_DATE, words):
        return None
    day = (
        _date_in_words(words)
        if re.search("[a-z]{3}", words)
        else _date_in_figures(words)
    )
    if day is None or day.on(2024) is None or (day.year and day.year not in YEARS):
        return None
    return Day(day.day, day.month, day.year, weekday)


def _date_in_words(words: str) -> Day | None:
    month = next(
        _MONTHS[w[:3]] for w in re.findall("[a-z]+", words) if w[:3] in _MONTHS
    )
    numbers = [int(number) for number in re.findall("[0-9]+", words)]
    return Day(numbers[0], month, numbers[1] if len(numbers) > 1 else 0)


def _date_in_figures(words: str) -> Day | None:
    """Parse a numeric date; return None if day and month cannot be told apart."""
    first, second, third = (int(number) for number in re.findall("[0-9]+", words))
    if first > 31:
        return Day(third, second, first)
    if first > 12 or first == second:
        return Day(first, second, third)
    return Day(second, first, third) if second > 12 else None
