"""Recognize the names of time zones in texts, and convert times to GMT.

Strings and times in, times out. `NAME` is a pattern for what may follow a time (`1100
BST`, `9:10 pm CET`, `1800 UTC+3`, `0930 Moscow time`); `find_zone` resolves its match.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

_MAX_OFFSET: Final = 14 * 60  # minutes

# Abbreviation, offset from GMT and name. Of several zones with one abbreviation, the
# one that English-language newsrooms mean most often comes first.
_ABBREVIATIONS: Final = """
    WET +0 Western European Time
    WEST +1 Western European Summer Time
    BST +1 British Summer Time
    BST +6 Bangladesh Standard Time
    IST +5:30 Indian Standard Time
    IST +1 Irish Standard Time
    IST +2 Israel Standard Time
    IDT +3 Israel Daylight Time
    CET +1 Central European Time
    CEST +2 Central European Summer Time
    MEZ +1 Mitteleuropäische Zeit
    MESZ +2 Mitteleuropäische Sommerzeit
    EET +2 Eastern European Time
    EEST +3 Eastern European Summer Time
    MSK +3 Moscow Standard Time
    TRT +3 Turkey Time
    GET +4 Georgia Time
    AZT +4 Azerbaijan Time
    IRST +3:30 Iran Standard Time
    IRDT +4:30 Iran Daylight Time
    GST +4 Gulf Standard Time
    AFT +4:30 Afghanistan Time
    PKT +5 Pakistan Time
    UZT +5 Uzbekistan Time
    NPT +5:45 Nepal Time
    MMT +6:30 Myanmar Time
    ICT +7 Indochina Time
    WIB +7 Western Indonesian Time
    WITA +8 Central Indonesian Time
    WIT +9 Eastern Indonesian Time
    SGT +8 Singapore Time
    HKT +8 Hong Kong Time
    MYT +8 Malaysia Time
    PHT +8 Philippine Time
    JST +9 Japan Standard Time
    KST +9 Korea Standard Time
    AWST +8 Australian Western Standard Time
    ACST +9:30 Australian Central Standard Time
    ACDT +10:30 Australian Central Daylight Time
    AEST +10 Australian Eastern Standard Time
    AEDT +11 Australian Eastern Daylight Time
    NZST +12 New Zealand Standard Time
    NZDT +13 New Zealand Daylight Time
    EAT +3 East Africa Time
    CAT +2 Central Africa Time
    SAST +2 South African Standard Time
    WAT +1 West Africa Time
    BRT -3 Brasília Time
    ART -3 Argentina Time
    CLT -4 Chile Standard Time
    CLST -3 Chile Summer Time
    COT -5 Colombia Time
    PET -5 Peru Time
    VET -4 Venezuela Time
    BOT -4 Bolivia Time
    NST -3:30 Newfoundland Standard Time
    NDT -2:30 Newfoundland Daylight Time
    AST -4 Atlantic Standard Time
    AST +3 Arabia Standard Time
    ADT -3 Atlantic Daylight Time
    EST -5 Eastern Standard Time
    EDT -4 Eastern Daylight Time
    CST -6 Central Standard Time
    CST +8 China Standard Time
    CDT -5 Central Daylight Time
    MST -7 Mountain Standard Time
    MDT -6 Mountain Daylight Time
    PST -8 Pacific Standard Time
    PDT -7 Pacific Daylight Time
    AKST -9 Alaska Standard Time
    AKDT -8 Alaska Daylight Time
    HST -10 Hawaii Standard Time
"""
# Zones whose offset depends on the date: IANA keys, and names besides those of cities.
_REGIONS: Final = {
    "America/New_York": ("ET", "Eastern Time", "US Eastern Time"),
    "America/Chicago": ("CT", "Central Time", "US Central Time"),
    "America/Denver": ("MT", "Mountain Time", "US Mountain Time"),
    "America/Los_Angeles": ("PT", "Pacific Time", "US Pacific Time"),
    "Europe/London": ("UK time", "British time"),
}
# Their names in winter and in summer: “CET/CEST” is one zone.
_PAIRS: Final = """
    GMT/BST Europe/London
    GMT/IST Europe/Dublin
    WET/WEST Europe/Lisbon
    CET/CEST Europe/Berlin
    MEZ/MESZ Europe/Berlin
    EET/EEST Europe/Athens
    IST/IDT Asia/Jerusalem
    IRST/IRDT Asia/Tehran
    NST/NDT America/St_Johns
    AST/ADT America/Halifax
    EST/EDT America/New_York
    CST/CDT America/Chicago
    MST/MDT America/Denver
    PST/PDT America/Los_Angeles
    AKST/AKDT America/Anchorage
    CLT/CLST America/Santiago
    ACST/ACDT Australia/Adelaide
    AEST/AEDT Australia/Sydney
    NZST/NZDT Pacific/Auckland
"""
_GMT_NAMES: Final = ("GMT", "UTC", "UT", "Z", "Zulu", "Greenwich Mean Time")
# Abbreviations that in lower case are words, of English or of another language.
_WORDS: Final = frozenset(
    [
        "ART",
        "BOT",
        "CAT",
        "COT",
        "CT",
        "EAT",
        "EST",
        "ET",
        "GET",
        "GST",
        "IST",
        "MT",
        "PET",
        "PT",
        "UT",
        "VET",
        "WAT",
        "WEST",
        "WET",
        "WIT",
    ]
)
_OFFSET: Final = re.compile(
    r"(?:GMT|UTC|UT)?\s?([+−–-])([0-9]{1,2})(?::?([0-9]{2}))?", re.I
)


@dataclass(frozen=True)
class Zone:
    """A time zone as a text names it.

    `meaning` says what the name was read as; it is empty for GMT. `others` are the
    zones that have the same abbreviation.
    """

    name: str
    tz: tzinfo
    meaning: str = ""
    others: tuple[str, ...] = ()

    @property
    def is_gmt(self) -> bool:
        """Whether this is GMT, under one of its own names."""
        return self.tz is UTC

    def to_gmt(self, on: date, at: time) -> datetime:
        """Return the time in GMT at a day and a time in this zone."""
        return datetime.combine(on, at, self.tz).astimezone(UTC)

    def describe(self) -> str:
        """Return what the name was read as: `BST is British Summer Time, UTC+1`.

        If other zones have the same abbreviation, it names them.
        """
        if not self.others:
            return f"{self.name} is {self.meaning or 'GMT'}"
        others = " or ".join(self.others)
        return f"{self.name} is taken for {self.meaning}, but may be {others}"


GMT: Final = Zone("GMT", UTC)


def find_zone(typed: str) -> Zone | None:
    """Return the zone that a name means, in any case, or None if it is not known.

    The name is an abbreviation (`CEST`), a full name (`British Summer Time`), an offset
    (`UTC+3`, `GMT-5:30`, `+0530`), a city (`Moscow time`) or a key of the IANA database
    (`Europe/London`).
    """
    name = " ".join(typed.split())
    if match := _OFFSET.fullmatch(name):
        minutes = _minutes(*match.groups())
        if abs(minutes) > _MAX_OFFSET or int(match[3] or 0) > 59:
            return None
        return _fixed(name, minutes, [_format_offset(minutes)])
    if zone := _known().get(name.casefold()):
        return zone
    called, key = _regions().get(name.casefold(), ("", ""))
    try:
        return Zone(called, ZoneInfo(key), f"the time in {_city(key)}") if key else None
    except ZoneInfoNotFoundError:  # this system has no database of time zones
        return None


def _minutes(sign: str, hours: str, minutes: str | None) -> int:
    """Return an offset in minutes."""
    return (int(hours) * 60 + int(minutes or 0)) * (1 if sign == "+" else -1)


def _format_offset(minutes: int) -> str:
    hours, rest = divmod(abs(minutes), 60)
    sign = "−" if minutes < 0 else "+"
    return f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")


def _fixed(name: str, minutes: int, meanings: Iterable[str]) -> Zone:
    meaning, *others = meanings
    return Zone(name, timezone(timedelta(minutes=minutes)), meaning, tuple(others))


@cache
def _rows() -> list[tuple[str, int, str]]:
    """Return the abbreviation, the offset in minutes and the name of each zone."""
    rows = []
    for line in _ABBREVIATIONS.strip().splitlines():
        abbreviation, offset, name = line.split(maxsplit=2)
        hours, _, minutes = offset[1:].partition(":")
        rows.append((abbreviation, _minutes(offset[0], hours, minutes), name))
    return rows


@cache
def _known() -> dict[str, Zone]:
    """Map casefolded names and abbreviations to their zones, regions excepted."""
    meanings: dict[str, list[str]] = {}
    for abbreviation, minutes, name in _rows():
        meaning = f"{name}, {_format_offset(minutes)}"
        meanings.setdefault(abbreviation, []).append(meaning)
    found = {name.casefold(): Zone(name, UTC) for name in _GMT_NAMES}
    for abbreviation, minutes, name in _rows():
        short = _fixed(abbreviation, minutes, meanings[abbreviation])
        found.setdefault(abbreviation.casefold(), short)
        full = _fixed(name, minutes, [_format_offset(minutes)])
        found.setdefault(name.casefold(), full)
    return found


@cache
def _regions() -> dict[str, tuple[str, str]]:
    """Map casefolded names of regions and cities to their name and their IANA key."""
    found = {}
    for key in sorted(available_timezones()):
        if "/" in key:
            found[key.casefold()] = (key, key)
        if not key.startswith("Etc/"):
            city = f"{_city(key)} time"  # of a country: `Israel time`
            found.setdefault(city.casefold(), (city, key))
    for line in _PAIRS.strip().splitlines():
        pair, key = line.split()
        winter, summer = pair.split("/")
        for name in (pair, f"{summer}/{winter}"):
            found[name.casefold()] = (name, key)
    for key, names in _REGIONS.items():
        found |= {name.casefold(): (name, key) for name in names}
    return found


def _city(key: str) -> str:
    return key.rpartition("/")[2].replace("_", " ")


def _pattern() -> str:
    """Return a pattern for the name of a zone after a time, to be used with re.I."""
    regions = [name for names in _REGIONS.values() for name in names]
    names = {*_GMT_NAMES, *regions, *(row[0] for row in _rows())}
    names |= {row[2] for row in _rows()}
    short = {name for name in names if name.isupper()}

    def either(names: Iterable[str]) -> str:
        longest_first = sorted(names, key=lambda name: (-len(name), name))
        return "|".join(map(re.escape, longest_first)).replace("\\ ", r"\s")

    end = r"(?=\s{0,9}(?:[:,;.)\]–—-]|\(|UPDATE\b|$))"
    city = r"[A-Z][A-Za-z]{1,15}(?:\s[A-Z][a-z]{2,15}){0,2}\stime"
    key = r"[A-Z][A-Za-z]{2,11}(?:/[A-Z][A-Za-z_-]{1,30}){1,2}"
    return (
        r"(?:GMT|UTC|UT)?\s?\+[0-9]{1,2}(?::?[0-9]{2})?(?![0-9])"
        # A minus sign may also be a dash: `GMT-5 people`
        rf"|(?:GMT|UTC|UT)[−–-][0-9]{{1,2}}(?::?[0-9]{{2}})?(?![0-9]){end}"
        rf"|[−-][0-9]{{2}}:?[0-9]{{2}}(?![0-9]){end}"
        rf"|(?:{either(names - short)})\b|(?-i:{key}|{city})\b"
        rf"|(?:{either(short - _WORDS)})\b(?!\s?[+-][0-9])|(?-i:{either(_WORDS)})\b"
    )


NAME: Final = _pattern()
