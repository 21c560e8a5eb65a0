"""Logs: text whose paragraphs begin with a time, such as “20:16 The bridge is open”.

Times are of the zone that they, the text or the person importing it name, and become
GMT. A day is that of a line above, or follows from the order of the times.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from html import escape
from itertools import pairwise
from pathlib import PurePath
from typing import Final

from entries.exchange.archives.base import (
    ArchiveOptions,
    ArchiveStory,
    Format,
    ReadResult,
    SourceFile,
    What,
    each_file,
)
from entries.exchange.archives.texts import Texts
from entries.exchange.archives.times import day_in
from entries.exchange.document import (
    NO_TEXT,
    Body,
    Document,
    ExchangeError,
)
from entries.exchange.sniffing import markup
from entries.exchange.text.timestamps import WEEKDAY, Day, parse_day
from entries.exchange.text.update_dates import SLIP, Dated, Timed, date_updates
from entries.models import Story
from entries.models.fields import max_length
from entries.text import gmt, rendering, zones
from entries.text.zones import GMT, Zone

ZONE_NOTE: Final = What("note about the time zone", "notes about the time zone")
MIN_STAMPS: Final = 2  # by which a file is recognised

_MONTH: Final = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_NUMBER: Final = r"[0-9]{1,2}(?:st|nd|rd|th)?"
_DATE: Final = (
    rf"(?:{_NUMBER}\s(?:of\s)?{_MONTH}(?:,?\s[0-9]{{4}})?"
    rf"|{_MONTH}\s{_NUMBER}\b(?:,?\s[0-9]{{4}})?|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}"
    r"|[0-9]{1,2}[/.][0-9]{1,2}[/.][0-9]{4})"
)
_DAY: Final = rf"(?:(?:{WEEKDAY},?\s)?{_DATE}|{WEEKDAY})"
_TIME: Final = (
    r"(?P<hour>[01]?[0-9]|2[0-4])(?:(?P<sep>[:.h])?(?P<minute>[0-5][0-9])"
    r"(?::[0-5][0-9](?:\.[0-9]+)?)?)?(?![0-9]|[.,:][0-9])"
    r"(?:\s?(?P<half>[ap])\.?m\b\.?)?(?P<hours>\s?(?:h(?:ou)?rs?|Uhr)\b)?"
)


def _stamp_pattern(zone: str) -> re.Pattern[str]:
    return re.compile(
        r"\s*(?:[-*•·–#>]+\s*)?[*_]{0,2}[(\[]?(?:(?P<word>UPDATE)\b[:,]?\s*)?[(\[]?"
        rf"(?:(?P<before>{_DAY})(?:,|:|T|\s-|\s–)?\s*(?:at\s)?)?{_TIME}{zone}"
        rf"(?:(?:,|\son)?\s[(\[]?(?P<after>{_DAY})[)\]]?(?=\s*[:–—|.\])-]|\s*$))?"
        r"[)\]]?[*_]{0,2}(?P<mark>\s*(?:[:–—|]|[-.](?=\s|$)))?[*_]{0,2}(?P<gap>\s*)",
        re.I,
    )


_STAMP: Final = _stamp_pattern(rf"\s?[(\[]?(?P<zone>{zones.NAME})[)\]]?")
_BARE_STAMP: Final = _stamp_pattern("(?P<zone>)")
_DATE_LINE: Final = re.compile(rf"[\s#*_–—-]*({_DAY})[\s:.*_–—-]*", re.I)
_DATE_IN_TEXT: Final = re.compile(rf"(?<!\w)({_DATE})(?!\w)", re.I)
_ZONE_NOTE: Final = re.compile(
    r"[\s,;(\[*_–—-]*\b(?:all\s)?(?:times?|time\s?zone|zone)\b[^.()\[\]\n]{0,40}?"
    rf"(?<![\w/])(?P<zone>{zones.NAME})(?![\w/])"
    rf"(?:\s?[,(\[]\s?(?:{zones.NAME})(?![\w/]))?[.)\]*_]*",
    re.I,
)
_ZONE_AT_END: Final = re.compile(rf"\s*[(\[](?P<zone>{zones.NAME})[)\]]\W*$", re.I)
_CAPITAL: Final = re.compile(r"[^\w\s]*[A-ZÀ-ÞА-Я]|\W*$")


@dataclass(frozen=True)
class Line:
    """A line of a log, or a block of a document.

    `html` returns what is left of it without its first characters. `gap` is whether
    there is a blank line above, `heading` whether it is a heading there.
    """

    text: str
    html: Callable[[int], str]
    gap: bool = True
    heading: bool = False


@dataclass
class _Update:
    """An update while it is read, with its time in its own zone."""

    at: time
    day: Day | None
    zone: Zone | None
    text: str  # of the line with the time
    under_line: int  # the number of the line with its day, 0 if it has its own
    parts: list[str] = field(default_factory=list)
    headline: str = ""


@dataclass(frozen=True)
class Stamp:
    """The time with which a line begins, and where its text begins."""

    at: time
    day: Day | None
    zone: Zone | None
    end: int


def stamp(line: str) -> Stamp | None:
    """Return the time with which a line begins, if it does."""
    match, zone = _STAMP.match(line), None
    if match:
        zone = _zone(match["zone"], certain=bool(match["mark"]))
    if match is None or zone is None:
        match = _BARE_STAMP.match(line)
    if match is None or not _is_clear(match, line[match.end() :], zone):
        return None
    given = match["before"] or match["after"]
    day = parse_day(given) if given else None
    if given and day is None:
        return None
    hour = int(match["hour"]) % 24
    if match["half"]:
        hour = hour % 12 + (12 if match["half"].lower() == "p" else 0)
    return Stamp(time(hour, int(match["minute"] or 0)), day, zone, match.end())


def _day_of(line: str) -> Day | None:
    """Return the day that a line consists of."""
    match = _DATE_LINE.fullmatch(line)
    return parse_day(match[1]) if match else None


def _zone(name: str, *, certain: bool) -> Zone | None:
    """Return the zone that a name beside a time means, unless it is text.

    “20:16 +3 goals” and “20:16 Est. 40 hurt” name none. It is `certain` if a colon or a
    dash follows.
    """
    spelled = name.isupper() or "/" in name or " " in name or not name.isalpha()
    offset = name[0] in "+-−–" and not re.fullmatch(r".\d\d:?\d\d", name)
    return zones.find_zone(name) if certain or (spelled and not offset) else None


def _is_clear(match: re.Match[str], rest: str, zone: Zone | None) -> bool:
    """Return whether a number at the start of a line is a time."""
    if rest and not (match["gap"] or match["mark"] or match[0][-1] in ")]*"):
        return False
    if match["half"] and not 1 <= int(match["hour"]) <= 12:
        return False
    if match["minute"] is None:
        return bool(match["half"])
    if match["sep"] == ":" or match["half"] or match["hours"] or match["word"] or zone:
        return True
    if match["sep"] is None:
        before = match["before"] or ""
        is_year = match["hour"] in ("19", "20") and not re.search("[0-9]{4}", before)
        return bool((before and not is_year) or match["after"])
    return bool(_CAPITAL.match(rest))  # not “20.16 million”


def _recognises(file: SourceFile) -> bool:
    if markup(file.head):
        return False
    try:
        lines = file.text.split("\n")
    except ExchangeError:
        return False
    found = sum(stamp(line) is not None for line in lines)
    return found >= MIN_STAMPS


def _stories(
    files: Sequence[SourceFile], options: ArchiveOptions
) -> Iterator[ReadResult]:
    def read(file: SourceFile) -> Iterator[ReadResult]:
        yield read_log(_lines(file.text), file.name, Texts(), options)

    yield from each_file(files, read)


def _lines(text: str) -> Iterator[Line]:
    gap = True
    for line in text.split("\n"):
        if rendering.is_blank(line):
            gap = True
        else:
            yield Line(line, partial(_rest, line), gap)
            gap = False


def _rest(line: str, start: int) -> str:
    return escape(line[start:], quote=False)


def read_log(
    lines: Iterator[Line], name: str, texts: Texts, options: ArchiveOptions
) -> ArchiveStory:
    """Return the story in a log. Raises ExchangeError if it has no times."""
    log = _Log(name, texts, options)
    for line in lines:
        log.add(line)
    return log.story()


class _Log:
    """A log while it is read."""

    def __init__(self, name: str, texts: Texts, options: ArchiveOptions) -> None:
        self.name, self.texts, self.options = name, texts, options
        self.headline = ""
        self.intro: list[str] = []
        self.head_text = ""
        self.updates: list[_Update] = []
        self.day: Day | None = None  # of the line above, until the next one
        self.day_lines = 0
        self.zone: Zone | None = None  # that the text names for all times
        self.warnings: list[str] = []

    def add(self, line: Line) -> None:
        """Add the next line."""
        text = line.text
        if not self.updates:
            text = self.without_zone(rendering.one_line(text))
        if day := _day_of(text):
            self.day, self.day_lines = day, self.day_lines + 1
            return
        if found := stamp(line.text):
            self.begin(line, found)
        elif self.updates:
            html = line.html(0)
            self.updates[-1].parts.append(f"<p>{html}" if line.gap else f"<br>{html}")
        else:
            self.add_to_head(line, text)

    def begin(self, line: Line, found: Stamp) -> None:
        """Begin an update."""
        text = rendering.one_line(line.text)[:60]
        under_line = 0 if found.day else self.day_lines
        day = found.day or self.day
        update = _Update(found.at, day, found.zone, text, under_line)
        if line.heading:
            update.headline = rendering.one_line(line.text[found.end :])
        else:
            update.parts = ["<p>", line.html(found.end)]
        self.updates.append(update)

    def add_to_head(self, line: Line, words: str) -> None:
        """Use a line above the updates as headline or introduction."""
        first = not self.head_text
        if not words:
            return
        self.head_text += f"\n{words}"
        if first and len(words) <= max_length(Story, "headline"):
            self.headline = words.lstrip("#*_ ").rstrip("*_ ") or words
        else:
            html = line.html(0)
            self.intro.append(f"<p>{html}" if line.gap else f"<br>{html}")

    def without_zone(self, words: str) -> str:
        """Return a line of the head without a note such as “All times CET”.

        Times become GMT, so it would not be true any more. In longer text it stays.
        """
        whole = zones.find_zone(words.strip(" ().[]"))
        match = _ZONE_NOTE.search(words) or _ZONE_AT_END.search(words)
        zone = whole or (zones.find_zone(match["zone"]) if match else None)
        if zone is None:
            return words
        self.zone = self.zone or zone
        rest = "" if whole or not match else words.replace(match[0], " ").strip()
        if not re.search(r"\w", rest):
            rest = ""
        if self.headline and rest and not _day_of(rest):
            return words
        self.texts.leave_out(
            ZONE_NOTE, words if not rest or not match else match[0].strip()
        )
        return rest

    def story(self) -> ArchiveStory:
        """Return the story. Raises ExchangeError if there are no updates."""
        if not self.updates:
            raise ExchangeError(
                "No paragraph begins with a time such as “20:16”, so there are no "
                "updates. Write the times at the beginning of paragraphs."
            )
        times, newest_first = self.times()
        groups = [
            list(self.texts.updates(self.source(update), at, update.headline))
            for update, at in zip(self.updates, times, strict=True)
        ]
        if not newest_first:
            groups.reverse()
        standfirst, summary = self.introduction()
        headline = self.headline or PurePath(self.name).stem
        document = Document(
            headline=headline,
            markdown=True,
            standfirst=standfirst,
            summary=summary,
            updates=tuple(update for group in groups for update in group),
        )
        return ArchiveStory(
            f"{PurePath(self.name).with_suffix('')} {headline}",
            document,
            tuple(self.texts.left_out),
            tuple(self.texts.images),
            (*self.warnings, *self.texts.warnings),
        )

    def source(self, update: _Update) -> str:
        """Return the text of an update as Markdown."""
        return self.texts.source("".join(update.parts))

    def introduction(self) -> tuple[str, Body]:
        """Return what is above the updates, as a standfirst or as a summary."""
        html = "".join(self.intro)
        return self.texts.standfirst_and_summary(html) if html else ("", NO_TEXT)

    # --- Times

    def times(self) -> tuple[list[datetime], bool]:
        """Return the times in GMT, and whether the newest update comes first."""
        given = self.options.time_zone
        named = Zone(str(given), given, f"the time in {given}") if given else None
        # The first update may name the zone of all.
        default = self.zone or named or self.updates[0].zone or GMT
        own = [update.zone or default for update in self.updates]
        common = Counter(own).most_common(1)[0][0]
        first_day = self.first_day()
        stamps = _without_late_days(
            [
                self.in_zone(update, zone, common, first_day)
                for update, zone in zip(self.updates, own, strict=True)
            ],
            [update.under_line for update in self.updates],
        )
        now = self.options.now.astimezone(common.tz).replace(tzinfo=UTC)
        # If the order is not clear, a log has the oldest first.
        dated = date_updates(stamps, first_day, now, original_first=True)
        self.warn(dated, own, first_day, assumed=default is GMT)
        times = [common.to_gmt(at.date(), at.time()) for at in dated.times]
        return times, dated.newest_first

    @staticmethod
    def in_zone(
        update: _Update, zone: Zone, common: Zone, first_day: date | None
    ) -> Timed:
        """Return the time of an update in the zone of most of them."""
        day = update.day
        if zone == common:
            return Timed(update.at, day)
        reference = first_day or date(2000, 1, 1)
        on = (day.on(reference.year) if day and day.month else None) or reference
        moved = zone.to_gmt(on, update.at).astimezone(common.tz)
        if day and day.month:
            shown = moved.date()
            day = replace(day, day=shown.day, month=shown.month, weekday=0)
            day = replace(day, year=shown.year) if day.year else day
        return Timed(moved.time(), day)

    def first_day(self) -> date | None:
        """Return the day on which the story begins, if anything says so."""
        if self.options.day:
            return self.options.day
        if any(update.day for update in self.updates):
            return None
        for match in _DATE_IN_TEXT.finditer(self.head_text):
            day = parse_day(match[1])
            if day and day.year and (found := day.on(day.year)):
                return found
        return day_in(self.name)

    def warn(
        self,
        dated: Dated,
        own: Sequence[Zone],
        first_day: date | None,
        *,
        assumed: bool,
    ) -> None:
        """Say what was assumed about zones and days."""
        for zone in dict.fromkeys(own):
            if not zone.is_gmt:
                self.warnings.append(f"{zone.describe()}: its times became GMT.")
        if assumed and any(update.zone is None for update in self.updates):
            self.warnings.append(
                "Times without a time zone are read as GMT. If they are of another "
                "zone, name it with --timezone."
            )
        for index, fault in sorted(dated.faults.items()):
            self.warnings.append(f"“{self.updates[index].text}”: {fault}.")
        if not dated.certain:
            order = "newest" if dated.newest_first else "oldest"
            self.warnings.append(
                f"Which update came first is not certain: {order} first."
            )
        years = all(update.day and update.day.year for update in self.updates)
        if first_day is None and not years:
            days = sorted({at.date() for at in dated.times})
            shown = " to ".join(map(gmt.format_day, (days[0], days[-1])[: len(days)]))
            self.warnings.append(
                f"Its days are inferred: {shown}. Name the first with --date, in the "
                "text or in the file’s name."
            )


def _without_late_days(
    stamps: Sequence[Timed], under_lines: Sequence[int]
) -> list[Timed]:
    """Return times without the day of the line above, once they are past midnight.

    Their day follows from the order then.
    """
    clocks = [stamp.clock for stamp in stamps]
    steps = [b - a for a, b in pairwise(clocks)]
    rising = sum(step > timedelta() for step in steps) >= sum(
        step < timedelta() for step in steps
    )
    found, past = list(stamps), 0
    for index in range(1, len(stamps)):
        line = under_lines[index]
        step = steps[index - 1] if rising else -steps[index - 1]
        if line and line == under_lines[index - 1] and step < -SLIP:
            past = line
        if line and line == past:
            found[index] = replace(stamps[index], day=None)
    return found


LOG: Final = Format("log", "a log of times (text)", _recognises, _stories)
