"""The state of a story in the head of a text: `STATE: closed 2026-03-14 1804 GMT`.

The time is when a closed story ended, or when an announced one begins.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Final

from django.utils.translation import override

from entries.exchange.text.timestamps import parse_day
from entries.models import Story
from entries.text import gmt, keyboard

State = Story.State
_TIMED: Final = (State.CLOSED, State.ANNOUNCED)
_WORD: Final = r"(?P<state>[a-z]+)"
_CLOCK: Final = r"(?P<hour>[01]?[0-9]|2[0-3]):?(?P<minute>[0-5][0-9])"
_ZONE: Final = r"\s?(?:GMT|UTC|Z|\+00:?00)"
_FORMS: Final = tuple(
    re.compile(form, re.I)
    for form in (
        _WORD,
        rf"{_WORD}[\s,]+(?P<day>[0-9-]+)[\sT]+{_CLOCK}(?::[0-9.]+)?(?:{_ZONE})?",
        rf"{_WORD}[\s,]+{_CLOCK}{_ZONE}[\s,]+(?P<day>\S.*)",
    )
)


@dataclass(frozen=True)
class HeadState:
    """A story's state, and when it ended or begins."""

    state: str
    at: datetime | None = None

    @property
    def closed_at(self) -> datetime | None:
        return self.at if self.state == State.CLOSED else None

    @property
    def begins_at(self) -> datetime | None:
        return self.at if self.state == State.ANNOUNCED else None


def parse_state(text: str) -> HeadState | None:
    """Parse the value of `STATE:`; return None unless it is clear."""
    text = keyboard.as_ascii(text)
    match = next(filter(None, (form.fullmatch(text) for form in _FORMS)), None)
    if match is None or (state := match["state"].lower()) not in State.values:
        return None
    values = match.groupdict()
    if not (text := values.get("day", "")):
        return HeadState(state)
    day = parse_day(text)
    on = day.on(day.year) if day and day.year else None
    if on is None or state not in _TIMED:
        return None
    at = time(int(values["hour"]), int(values["minute"]))
    return HeadState(state, datetime.combine(on, at, UTC))


def format_state(state: str, at: datetime | None) -> str:
    """Format a state for the head; its time counts only if the state has one."""
    if at is None or state not in _TIMED:
        return str(state)
    with override("en"):
        return f"{state} {at.astimezone(UTC):%Y-%m-%d} {gmt.format_hhmm(at)} GMT"
