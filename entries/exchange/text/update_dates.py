"""Date a file's updates, and detect whether the newest or the oldest comes first.

A timestamp has a time, and sometimes a day. The other days follow from the order: going
from the oldest update on, a time earlier than the one before belongs to the next day.
Times and days are those of the timestamp's zone. The results are in GMT.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from entries.exchange.text.timestamps import Day
from entries.text import gmt

# A time earlier by no more than this is a newsroom's slip, not a new day.
SLIP: Final = timedelta(minutes=30)
LONGER: Final = 4  # an order with this many times the span of the other is unlikely
ONE_DAY: Final = timedelta(days=1)
_ANY_DAY: Final = date(2001, 1, 15)
YEARS_BACK: Final = 8
WEEKDAY_CYCLE: Final = 28  # years, within which a date falls on every weekday


@dataclass(frozen=True)
class Timed:
    """The time in a timestamp, its day if there is one, and its time zone."""

    at: time
    day: Day | None = None
    tz: tzinfo = UTC

    @property
    def clock(self) -> timedelta:
        """Return the time since midnight."""
        return timedelta(hours=self.at.hour, minutes=self.at.minute)


@dataclass(frozen=True)
class Dated:
    """One reading of a file: a time for each update, and `faults` by update index."""

    times: list[datetime]
    newest_first: bool
    faults: dict[int, str]
    midnights: int = 0  # day changes inferred from times alone
    slips: int = 0  # faults that are slips
    strict: bool = False  # updates without a date belong to the first day
    certain: bool = True

    @property
    def span(self) -> timedelta:
        """Return the time from the oldest update to the newest."""
        return max(self.times) - min(self.times)

    @property
    def wrong_dates(self) -> int:
        """Return the number of dates in the file that contradict this reading."""
        return len(self.faults) - self.slips


def date_updates(
    stamps: Sequence[Timed],
    first_day: date | None,
    now: datetime,
    *,
    original_first: bool = False,
) -> Dated:
    """Return the likeliest reading of the updates' timestamps.

    If the story's `first_day` is None, assume the latest day with which no update is
    after `now`. `original_first` is whether the original entry is above the updates.
    """
    if not stamps:
        return Dated([], True, {})
    newest = _best_reading(stamps, first_day, now, newest_first=True)
    oldest = _best_reading(stamps, first_day, now, newest_first=False)
    if newest.wrong_dates != oldest.wrong_dates:
        return min(newest, oldest, key=lambda reading: reading.wrong_dates)
    score = _score(newest, oldest, original_first)
    best = newest if score >= 0 else oldest
    certain = abs(score) >= 1 or newest.times == oldest.times
    return replace(best, certain=certain)


def _score(newest: Dated, oldest: Dated, original_first: bool) -> float:
    """Return how much likelier it is that the newest update comes first.

    That is the usual order, with the original entry at the end. The likelier reading
    has fewer midnights, fewer slips, dates where our own pages have them, and a
    shorter span.
    """
    score = -1.0 if original_first else 1.0
    score += (newest.midnights < oldest.midnights) - (
        newest.midnights > oldest.midnights
    )
    score += 1.5 * ((newest.slips < oldest.slips) - (newest.slips > oldest.slips))
    score += 2 * (newest.strict - oldest.strict)
    if newest.span < oldest.span:
        score += 1.5 if newest.span * LONGER < oldest.span else 1
    elif newest.span > oldest.span:
        score -= 1.5 if oldest.span * LONGER < newest.span else 1
    return score


def _best_reading(
    stamps: Sequence[Timed],
    first_day: date | None,
    now: datetime,
    *,
    newest_first: bool,
) -> Dated:
    chronological = stamps[::-1] if newest_first else stamps
    if first_day is None:
        reading = _latest_reading(chronological, now)
    else:
        # Our own pages show the date on every day but the first.
        reading = _walk(chronological, first_day, strict=True)
        if reading.faults or not any(stamp.day for stamp in stamps):
            reading = _walk(chronological, _start_day(chronological, first_day))
    if not newest_first:
        return reading
    last = len(stamps) - 1
    faults = {last - index: fault for index, fault in reading.faults.items()}
    return replace(reading, times=reading.times[::-1], newest_first=True, faults=faults)


def _first_given(chronological: Sequence[Timed]) -> tuple[Day | None, timedelta]:
    """Return the first day in a timestamp, and how long before it the updates begin."""
    index = next((n for n, stamp in enumerate(chronological) if stamp.day), None)
    before = chronological if index is None else chronological[: index + 1]
    bare = [Timed(stamp.at, tz=stamp.tz) for stamp in before]
    times = _walk(bare, _ANY_DAY).times
    first, last = (times[n].astimezone(bare[n].tz).date() for n in (0, -1))
    back = last - first
    return None if index is None else chronological[index].day, back


def _start_day(chronological: Sequence[Timed], first_day: date) -> date:
    """Return the day of the oldest update: the first day, or earlier if dated so."""
    given, back = _first_given(chronological)
    if given is None:
        return first_day
    return min(first_day, _resolve(given, first_day, first_day, first=True) - back)


def _latest_reading(chronological: Sequence[Timed], now: datetime) -> Dated:
    """Date the updates as late as possible without any being in the future."""
    given, back = _first_given(chronological)
    years = {stamp.day.year for stamp in chronological if stamp.day and stamp.day.year}
    readings = [
        _walk(chronological, day - back) for day in _candidates(given, now, years)
    ]
    # Years in the file count for more. Ties go to the first candidate, the latest.
    return min(
        readings,
        key=lambda reading: (
            reading.wrong_dates,
            reading.span.days // 300 if years else 0,
            max(reading.times) > now,
        ),
    )


def _candidates(given: Day | None, now: datetime, years: set[int]) -> list[date]:
    """Return the dates that a day may mean, latest first; `years` are in the file."""
    today = now.astimezone(UTC).date()
    if given is None or not given.month:
        days = [today - back * ONE_DAY for back in range(9)]
        return [on for on in days if given is None or given.fits(on)]
    near = {year + offset for year in years for offset in (-1, 0, 1)}
    for reach in (YEARS_BACK, WEEKDAY_CYCLE):
        back = range(today.year - reach, today.year + 1)
        found = {on for year in near.union(back) if (on := given.on(year))}
        if fitting := {on for on in found if given.fits(on)}:
            return sorted(fitting, reverse=True)
    return sorted(found, reverse=True)


def _walk(
    chronological: Sequence[Timed], first_day: date, *, strict: bool = False
) -> Dated:
    """Date the updates from the oldest on, starting on a day."""
    times: list[datetime] = []
    faults: dict[int, str] = {}
    midnights = slips = 0
    latest: datetime | None = None
    earliest = first_day  # for updates without a day, if the oldest is from before it
    for index, stamp in enumerate(chronological):
        day, last = _local(latest, stamp.tz) if latest else (first_day, timedelta())
        back = last - stamp.clock
        expected = day + ONE_DAY if back > SLIP else day
        if stamp.day:
            on = _resolve(stamp.day, expected, day, first=index == 0)
        else:
            on = first_day if strict else max(expected, earliest)
            midnights += on > day
        times.append(datetime.combine(on, stamp.at, stamp.tz).astimezone(UTC))
        if fault := _fault(stamp, on, day, last, index):
            faults[index] = fault
            slips += on == day and not stamp.day
        if index == 0 and on >= first_day:
            earliest = date.min  # in another zone it may still be the day before
        if latest is None or times[-1] > latest:
            latest = times[-1]
    return Dated(times, False, faults, midnights, slips, strict)


def _local(at: datetime, tz: tzinfo) -> tuple[date, timedelta]:
    """Return the day and the time since midnight in a time zone."""
    there = at.astimezone(tz)
    return there.date(), timedelta(hours=there.hour, minutes=there.minute)


def _resolve(given: Day, expected: date, day: date, *, first: bool) -> date:
    """Return the date that a day means: the one nearest to the expected date."""
    if given.month:
        years = range(expected.year - 4, expected.year + 5)
        days = [on for year in years if (on := given.on(year))]
        fitting = [on for on in days if given.fits(on)]
        return min(fitting or days, key=lambda on: abs(on - expected))
    if given.fits(day) and not given.fits(expected):
        return day
    ahead = (given.weekday - expected.isoweekday()) % 7
    # The oldest update may be from the evening before the story's first day.
    return expected + (ahead - 7 if first and ahead > 3 else ahead) * ONE_DAY


def _fault(stamp: Timed, on: date, day: date, last: timedelta, index: int) -> str:
    if stamp.day and not stamp.day.fits(on):
        return f"{gmt.format_day(on)} is a {on:%A}"
    if on < day and index:
        return f"{gmt.format_day(on)} is out of order here"
    if on == day and stamp.clock < last:
        return "its time is out of order here"
    return ""
