"""On which days the updates of a file happened, and in which order they stand.

A stamp tells a time, and sometimes a day. Everything else follows from the order:
reading from the oldest update up, a clock that goes back has passed midnight.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from entries.exchange.stamps import Day
from entries.text import gmt

# A clock that goes back this little is a slip of the newsroom, not another day.
SLIP: Final = timedelta(minutes=30)
FAR: Final = 4  # times the other order's span: then the order is hardly that
ONE_DAY: Final = timedelta(days=1)
YEARS_BACK: Final = 8
WEEKDAYS_RETURN: Final = 28  # years in which a date falls on every weekday


@dataclass(frozen=True)
class Timed:
    """What a stamp says."""

    at: time
    day: Day | None = None

    @property
    def clock(self) -> timedelta:
        """Return its time as what has passed since midnight."""
        return timedelta(hours=self.at.hour, minutes=self.at.minute)


@dataclass(frozen=True)
class Dated:
    """The times of updates in the order of the file; faults by place in it."""

    times: list[datetime]
    newest_first: bool
    faults: dict[int, str]
    passed: int = 0  # midnights that only the clock tells of
    slips: int = 0  # faults of a few minutes
    strict: bool = False  # whatever has no date happened on the first day
    certain: bool = True

    @property
    def span(self) -> timedelta:
        """Return how long the story ran."""
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

    `first_day` is the story's, None for "the latest that leaves nothing in the
    future of `now`". `original_first`: the original entry stands above the updates.
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
    """Return how much more likely the newest stand first.

    The form itself speaks for it, with the original entry at the end; so do fewer
    midnights passed, fewer slips, dates as our own page gives them, and a story that
    ran for a shorter time.
    """
    score = -1.0 if original_first else 1.0
    score += (newest.passed < oldest.passed) - (newest.passed > oldest.passed)
    score += 1.5 * ((newest.slips < oldest.slips) - (newest.slips > oldest.slips))
    score += 2 * (newest.strict - oldest.strict)
    if newest.span < oldest.span:
        score += 1.5 if newest.span * FAR < oldest.span else 1
    elif newest.span > oldest.span:
        score -= 1.5 if oldest.span * FAR < newest.span else 1
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
        # Our own page gives the date on every day but the first.
        reading = _walk(rising, first_day, strict=True)
        if reading.faults or not any(stamp.day for stamp in stamps):
            reading = _walk(rising, _beginning(rising, first_day))
    if not newest_first:
        return reading
    last = len(stamps) - 1
    faults = {last - place: fault for place, fault in reading.faults.items()}
    return replace(reading, times=reading.times[::-1], newest_first=True, faults=faults)


def _first_told(rising: Sequence[Timed]) -> tuple[Day | None, timedelta]:
    """Return the first day that is told, and how long before it the updates begin."""
    place = next((n for n, stamp in enumerate(rising) if stamp.day), None)
    before = rising if place is None else rising[: place + 1]
    bare = _walk([Timed(stamp.at) for stamp in before], date.min + ONE_DAY)
    back = bare.times[-1].date() - bare.times[0].date()
    return None if place is None else rising[place].day, back


def _beginning(rising: Sequence[Timed], first_day: date) -> date:
    """Return the day of the oldest update: earlier than the first if a date says so."""
    told, back = _first_told(rising)
    if told is None:
        return first_day
    return min(first_day, _resolve(told, first_day, first_day, first=True) - back)


def _latest(rising: Sequence[Timed], now: datetime) -> Dated:
    """Date the updates as late as they can be with nothing in the future."""
    told, back = _first_told(rising)
    years = {stamp.day.year for stamp in rising if stamp.day and stamp.day.year}
    readings = [_walk(rising, day - back) for day in _candidates(told, now, years)]
    # Years that are told count for more; the candidates come latest first.
    return min(
        readings,
        key=lambda reading: (
            reading.wrong_dates,
            reading.span.days // 300 if years else 0,
            max(reading.times) > now,
        ),
    )


def _candidates(told: Day | None, now: datetime, years: set[int]) -> list[date]:
    """Return the days that a stamp may mean, latest first; `years` are told."""
    today = now.astimezone(UTC).date()
    if told is None or not told.month:
        days = [today - back * ONE_DAY for back in range(9)]
        return [on for on in days if told is None or told.fits(on)]
    near = {year + beside for year in years for beside in (-1, 0, 1)}
    for reach in (YEARS_BACK, WEEKDAYS_RETURN):
        back = range(today.year - reach, today.year + 1)
        found = {on for year in near.union(back) if (on := told.on(year))}
        if fitting := {on for on in found if told.fits(on)}:
            return sorted(fitting, reverse=True)
    return sorted(found, reverse=True)


def _walk(rising: Sequence[Timed], first_day: date, *, strict: bool = False) -> Dated:
    """Date updates from the oldest up, beginning on a day."""
    times: list[datetime] = []
    faults: dict[int, str] = {}
    passed = slips = 0
    day, last = first_day, timedelta()
    for place, stamp in enumerate(rising):
        back = last - stamp.clock
        onward = day + ONE_DAY if back > SLIP else day
        if stamp.day:
            on = _resolve(stamp.day, onward, day, first=place == 0)
        else:
            on = first_day if strict else max(onward, first_day)
            passed += on > day
        times.append(datetime.combine(on, stamp.at, UTC))
        if fault := _fault(stamp, on, day, last, place):
            faults[place] = fault
            slips += on == day and not stamp.day
        if on > day or (on == day and stamp.clock > last) or place == 0:
            day, last = on, stamp.clock
    return Dated(times, False, faults, passed, slips, strict)


def _resolve(told: Day, onward: date, day: date, *, first: bool) -> date:
    """Return the date that a day means, nearest to where the story is."""
    if told.month:
        years = range(onward.year - 4, onward.year + 5)
        days = [on for year in years if (on := told.on(year))]
        fitting = [on for on in days if told.fits(on)]
        return min(fitting or days, key=lambda on: abs(on - onward))
    if told.fits(day) and not told.fits(onward):
        return day
    ahead = (told.weekday - onward.isoweekday()) % 7
    # The oldest may be from the evening before the day that the story is filed under.
    return onward + (ahead - 7 if first and ahead > 3 else ahead) * ONE_DAY


def _fault(stamp: Timed, on: date, day: date, last: timedelta, place: int) -> str:
    if stamp.day and not stamp.day.fits(on):
        return f"{gmt.day(on)} is a {on:%A}"
    if on < day and place:
        return f"{gmt.day(on)} is out of order here"
    if on == day and stamp.clock < last:
        return "its time is out of order here"
    return ""
