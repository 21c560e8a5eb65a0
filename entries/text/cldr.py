"""Dates, digits, lists and plurals of the active language, by CLDR (with Babel).

English is British. The results are cached, since long pages have thousands of dates.
"""

import re
from collections.abc import Sequence
from datetime import date
from functools import cache, lru_cache
from itertools import takewhile
from typing import Final

from babel import Locale, UnknownLocaleError, dates, lists
from django.conf import settings
from django.utils.translation import get_language

CATEGORIES: Final = ("zero", "one", "two", "few", "many", "other")
_ZEROS: Final = {"arab": "٠", "arabext": "۰", "beng": "০", "deva": "०", "mymr": "၀"}
_SAMPLES: Final = (*range(201), 1000, 1000000)  # among them each category of integers


def _code() -> str:
    return get_language() or str(settings.LANGUAGE_CODE)


@cache
def _locale(code: str) -> Locale:
    if code.partition("-")[0] == "en":
        return Locale("en", "GB")
    try:
        return Locale.parse(code, sep="-")
    except (ValueError, UnknownLocaleError):
        return Locale.parse(code.partition("-")[0])


@cache
def _digits(code: str) -> dict[int, int]:
    """Return the table that replaces ASCII digits by those of a language."""
    zero = ord(_ZEROS.get(_locale(code).default_numbering_system, "0"))
    return {ord("0") + n: zero + n for n in range(10)} if zero != ord("0") else {}


def digits() -> str:
    """Return the ten digits of the active language, from 0 to 9."""
    return localize_digits("0123456789")


def browser_locale() -> str:
    """Return the locale with which scripts format times as we do (`Intl`)."""
    locale = _locale(_code())
    numbers = locale.default_numbering_system
    return f"{str(locale).replace('_', '-')}-u-ca-gregory-nu-{numbers}"


def localize_digits(text: object) -> str:
    """Return a text or a number with the digits of the active language."""
    return str(text).translate(_digits(_code()))


def format_date(on: date, *, year: bool) -> str:
    """Format a date as `21 December` or `21 December 2016`."""
    return _date(_code(), on, year)


@lru_cache(maxsize=4096)
def _date(code: str, on: date, year: bool) -> str:
    locale = _locale(code)
    if year:
        found = dates.format_date(on, "long", locale)
    else:
        found = dates.format_skeleton("MMMMd", on, locale=locale)
    return found.translate(_digits(code))


def date_patterns() -> dict[str, tuple[str, list[str]]]:
    """Return how scripts format the same dates, `full` and `short` (without the year).

    Each is a pattern with `{day}`, `{month}` and perhaps `{year}`, and its months.
    """
    return _date_patterns(_code())


@cache
def _date_patterns(code: str) -> dict[str, tuple[str, list[str]]]:
    return {"full": _pattern(code, True), "short": _pattern(code, False)}


def _pattern(code: str, year: bool) -> tuple[str, list[str]]:
    digits = _digits(code)
    day, of_year = "27".translate(digits), "1983".translate(digits)
    texts = [
        _date(code, date(1983, month, 27), year)
        .replace(day, "{day}")
        .replace(of_year, "{year}")
        for month in range(1, 13)
    ]
    start = _common_start(texts)
    end = _common_start([text[len(start) :][::-1] for text in texts])[::-1]
    months = [text[len(start) : len(text) - len(end)] for text in texts]
    return f"{start}{{month}}{end}", months


def _common_start(texts: Sequence[str]) -> str:
    """Return what all texts begin with."""
    same = takewhile(lambda column: len(set(column)) == 1, zip(*texts, strict=False))
    return "".join(column[0] for column in same)


def weekday_name(on: date) -> str:
    """Format the day of the week: `Tuesday`."""
    return str(_locale(_code()).days["stand-alone"]["wide"][on.weekday()])


def format_full_date(on: date) -> str:
    """Format a date with its day of the week: `Monday 21 December 2016`."""
    locale = _locale(_code())
    found = dates.format_date(on, "full", locale)
    if locale.language == "en":  # as the desk has always written it
        found = found.replace(",", "")
    return localize_digits(found)


def format_dates(first: date, last: date) -> str:
    """Format a span of days: `20–22 December 2016`, `30 December 2016 – 2 January …`"""
    return _dates(_code(), first, last)


@lru_cache(maxsize=1024)
def _dates(code: str, first: date, last: date) -> str:
    locale, unit = _locale(code), _largest_difference(first, last)
    if locale.language == "en":  # without the spaces of CLDR
        start = str(first.day) if unit == "d" else _date(code, first, unit == "y")
        return f"{start}{'–' if unit == 'd' else ' – '}{_date(code, last, True)}"
    parts = locale.interval_formats["yMMMd"][unit]
    if "MMMM" in locale.date_formats["long"].pattern:  # not in Chinese
        parts = [re.sub("MMM+", "MMMM", part) for part in parts]
    found = "".join(
        dates.parse_pattern(part).apply(on, locale)
        for part, on in zip(parts, (first, last), strict=True)
    )
    return found.translate(_digits(code))


def _largest_difference(first: date, last: date) -> str:
    if first.year != last.year:
        return "y"
    return "M" if first.month != last.month else "d"


def english_of_dates() -> dict[str, str]:
    """Return the active language's months, weekdays, am and pm, with the English ones.

    Names are as CLDR has them in long and in short, such as `Dez.` or `Mi`.
    """
    return _english_of_dates(_code())


@cache
def _english_of_dates(code: str) -> dict[str, str]:
    own, english, found = _locale(code), _locale("en"), {}
    for kind in ("months", "days", "day_periods"):
        for widths in getattr(own, kind).values():
            for width in {"wide", "abbreviated", "short"} & widths.keys():
                for key, name in widths[width].items():
                    if key not in ("am", "pm") and kind == "day_periods":
                        continue
                    found[name] = getattr(english, kind)["format"]["wide"][key]
    return found


def join(items: Sequence[str]) -> str:
    """Join items as a list: `A, B and C`."""
    return lists.format_list(items, locale=_locale(_code())) if items else ""


def plural_samples() -> dict[str, int]:
    """Return a number of each plural category that whole numbers have."""
    return _plural_samples(_code())


@cache
def _plural_samples(code: str) -> dict[str, int]:
    category = _locale(code).plural_form
    found: dict[str, int] = {}
    for number in _SAMPLES:
        found.setdefault(category(number), number)
    return found
