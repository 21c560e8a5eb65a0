"""The dates of a file's updates, and whether the newest or the oldest is first.

A timestamp gives a time, and sometimes a day. Everything else follows from the order:
from the oldest update on, a time that is earlier than the one before is the next day's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from entries.exchange.text.timestamps import Day
from entries.text import gmt

# A time that is earlier by no more than this is a slip of the newsroom, not a new day.
SLIP: Final = timedelta(minutes=30)
LONGER: Final = 4  # times the span of the other order makes an order unlikely
ONE_DAY: Final = timedelta(days=1)
YEARS_BACK: Final = 8
WEEKDAY_CYCLE: Final = 28  # years, in which a date falls on every weekday


@dataclass(frozen=True)
class Timed:
    """The time and the day in a timestamp."""

    at: time
    day: Day | None = None

    @property
    def clock(self) -> timedelta:
        """Return its time since midnight."""
        return timedelta(hours=self.at.hour, minutes=self.at.minute)


@dataclass(frozen=True)
class Dated:
    """The dates of updates in the order of the file; `faults` are by place in it."""

    times: list[datetime]
    newest_first: bool
    faults: dict[int, str]
    midnights: int = 0  # that follow from times alone
    slips: int = 0  # faults of a few minutes
    strict: bool = False  # updates without a date are of the first day
    certain: bool = True

    @property
    def span(self) -> timedelta:
        """Return the time from the oldest update to the newest."""
        return max(self.times) - min(self.times)

    @property
    def wrong_dates(self) -> int:
        """Return how many dates contradict this reading."""
        return len(self.faults) - self.slips


def date_updates(
    stamps: Sequence[Timed],
    first_day: date | None,
    now: datetime,
    *,
    original_first: bool = False,
) -> Dated:
    """Return when each update happened.

    `first_day` is the story's; None for the latest with which no update is after
    `now`. `original_first` says that the original entry is above the updates.
    """
    if not stamps:
        return Dated([], True, {})
    newest = _best(stamps, first_day, now, newest_first=True)
    oldest = _best(stamps, first_day, now, newest_first=False)
    if newest.wrong_dates != oldest.wrong_dates:
        return min(newest, oldest, key=lambda reading: reading.wrong_dates)
    score = _score(newest, oldest, original_first)
    best = newest if score >= 0 else oldest
    certain = abs(score) >= 1 or newest.times == oldest.times
    return replace(best, certain=certain)


def _score(newest: Dated, oldest: Dated, original_first: bool) -> float:
    """Return how much more likely it is that the newest update is first.

    The form has it so, with the original entry at the end. Of two orders, the likely
    one has fewer midnights, fewer slips, dates as our own pages give them, and a
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


def _best(
    stamps: Sequence[Timed],
    first_day: date | None,
    now: datetime,
    *,
    newest_first: bool,
) -> Dated:
    rising = stamps[::-1] if newest_first else stamps
    if first_day is None:
        reading = _latest(rising, now)
    else:
        # Our own pages give the date on every day but the first.
        reading = _walk(rising, first_day, strict=True)
        if reading.faults or not any(stamp.day for stamp in stamps):
            reading = _walk(rising, _beginning(rising, first_day))
    if not newest_first:
        return reading
    last = len(stamps) - 1
    faults = {last - place: fault for place, fault in reading.faults.items()}
    return replace(reading, times=reading.times[::-1], newest_first=True, faults=faults)


def _first_given(rising: Sequence[Timed]) -> tuple[Day | None, timedelta]:
    """Return the first day that is given, and how long before it the updates begin."""
    place = next((n for n, stamp in enumerate(rising) if stamp.day), None)
    before = rising if place is None else rising[: place + 1]
    bare = _walk([Timed(stamp.at) for stamp in before], date.min + ONE_DAY)
    back = bare.times[-1].date() - bare.times[0].date()
    return None if place is None else rising[place].day, back


def _beginning(rising: Sequence[Timed], first_day: date) -> date:
    """Return the day of the oldest update: earlier than the first if a date says so."""
    given, back = _first_given(rising)
    if given is None:
        return first_day
    return min(first_day, _resolve(given, first_day, first_day, first=True) - back)


def _latest(rising: Sequence[Timed], now: datetime) -> Dated:
    """Date the updates as late as possible with none of them in the future."""
    given, back = _first_given(rising)
    years = {stamp.day.year for stamp in rising if stamp.day and stamp.day.year}
    readings = [_walk(rising, day - back) for day in _candidates(given, now, years)]
    # Given years count for more. Candidates are sorted, the latest first.
    return min(
        readings,
        key=lambda reading: (
            reading.wrong_dates,
            reading.span.days // 300 if years else 0,
            max(reading.times) > now,
        ),
    )


def _candidates(given: Day | None, now: datetime, years: set[int]) -> list[date]:
    """Return the days a timestamp may mean, latest first; `years` are in the file."""
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


def _walk(rising: Sequence[Timed], first_day: date, *, strict: bool = False) -> Dated:
    """Date updates from the oldest on, beginning with a day."""
    times: list[datetime] = []
    faults: dict[int, str] = {}
    midnights = slips = 0
    day, last = first_day, timedelta()
    for place, stamp in enumerate(rising):
        back = last - stamp.clock
        onward = day + ONE_DAY if back > SLIP else day
        if stamp.day:
            on = _resolve(stamp.day, onward, day, first=place == 0)
        else:
            on = first_day if strict else max(onward, first_day)
            midnights += on > day
        times.append(datetime.combine(on, stamp.at, UTC))
        if fault := _fault(stamp, on, day, last, place):
            faults[place] = fault
            slips += on == day and not stamp.day
        if on > day or (on == day and stamp.clock > last) or place == 0:
            day, last = on, stamp.clock
    return Dated(times, False, faults, midnights, slips, strict)


def _resolve(given: Day, onward: date, day: date, *, first: bool) -> date:
    """Return the date that a day means, nearest to where the story is."""
    if given.month:
        years = range(onward.year - 4, onward.year + 5)
        days = [on for year in years if (on := given.on(year))]
        fitting = [on for on in days if given.fits(on)]
        return min(fitting or days, key=lambda on: abs(on - onward))
    if given.fits(day) and not given.fits(onward):
        return day
    ahead = (given.weekday - onward.isoweekday()) % 7
    # The oldest may be from the evening before the story's first day.
    return onward + (ahead - 7 if first and ahead > 3 else ahead) * ONE_DAY


def _fault(stamp: Timed, on: date, day: date, last: timedelta, place: int) -> str:
    if stamp.day and not stamp.day.fits(on):
        return f"{gmt.format_day(on)} is a {on:%A}"
    if on < day and place:
        return f"{gmt.format_day(on)} is out of order here"
    if on == day and stamp.clock < last:
        return "its time is out of order here"
    return ""
