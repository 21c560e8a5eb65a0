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
from entries.exchange.text.timestamps import WEEKDAY, YEARS, Day, parse_day
from entries.exchange.text.update_dates import SLIP, Dated, Timed, date_updates
from entries.models import Story
from entries.models.fields import max_length
from entries.text import gmt, keyboard, rendering, zones
from entries.text.zones import GMT, Zone

ZONE_NOTE: Final = What("note about the time zone", "notes about the time zone")
MIN_STAMPS: Final = 2  # by which a file is recognised
_MAX_STAMP_LENGTH: Final = 200  # letters of a line in which its time is looked for

_MONTH: Final = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_NUMBER: Final = r"[0-9]{1,2}(?:st|nd|rd|th)?"
_DATE: Final = (
    rf"(?:{_NUMBER}\s(?:of\s)?{_MONTH}(?:,?\s[0-9]{{4}})?"
    rf"|{_MONTH}\s{_NUMBER}\b(?:,?\s[0-9]{{4}})?|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}"
    r"|[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}|[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}"
    r"|[0-9]{1,2}-[0-9]{1,2}-[0-9]{4})"
)
_DAY: Final = rf"(?:(?:{WEEKDAY},?\s)?{_DATE}|{WEEKDAY})"
_TIME: Final = (
    r"(?P<hour>[01]?[0-9]|2[0-4])(?:(?P<sep>[:.h])?(?P<minute>[0-5][0-9])"
    r"(?::[0-5][0-9](?:\.[0-9]+)?)?)?(?![0-9]|[.,:][0-9])"
    r"(?:\s?(?P<half>[ap])\.?m\b\.?)?(?P<hours>\s?(?:h(?:ou)?rs?|Uhr)\b)?"
)


def _stamp_pattern(zone: str) -> re.Pattern[str]:
    return re.compile(
        r"\s*(?:[-*•·–#>]+\s*)?[*_]{0,2}[(\[]?(?:(?P<word>UPDATED?)\b[:,]?\s*)?[(\[]?"
        rf"(?:(?P<before>{_DAY})(?:,|:|T|\s-|\s–)?\s*(?:at\s)?)?{_TIME}{zone}"
        rf"(?:(?:,|\son)?\s[(\[]?(?P<after>{_DAY})[)\]]?(?=\s*[:–—|.\])-]|\s*$))?"
        r"[)\]]?[*_]{0,2}(?P<mark>\s*(?:[:–—|]|[-.](?=\s|$)))?[*_]{0,2}(?P<gap>\s*)",
        re.I,
    )


_STAMP: Final = _stamp_pattern(rf"\s?[(\[]?(?P<zone>{zones.NAME})[)\]]?")
_BARE_STAMP: Final = _stamp_pattern("(?P<zone>)")
_DATE_LINE: Final = re.compile(rf"[\s#*_(\[–—-]*({_DAY})[)\]]?[\s:.*_–—-]*", re.I)
_DATE_IN_TEXT: Final = re.compile(rf"(?<!\w)({_DATE})(?!\w)", re.I)
_ZONE: Final = rf"(?P<zone>(?:{zones.NAME})(?:\s?/\s?(?:{zones.NAME}))?)(?![\w/])"
_ZONE_NOTE: Final = re.compile(
    r"[\s,;(\[*_–—-]*\b(?:all\s)?(?:times?|time\s?zone|zone)\b[^.()\[\]\n]{0,40}?"
    rf"(?<![\w/]){_ZONE}(?:\s?[,(\[]\s?(?:{zones.NAME})(?![\w/]))?[.)\]*_]*",
    re.I,
)
# In longer text, only what is nothing but a note.
_CLEAR_NOTE: Final = re.compile(
    r"[\s,;(\[*_–—-]*\b(?:(?:all|the)\s){0,2}(?:times|time\s?zone)\b:?"
    rf"(?:\s(?:are|is|given|shown|listed|here|below|in)\b)*\s{_ZONE}"
    rf"(?:\s?[,(\[]\s?(?:{zones.NAME})(?![\w/]))?(?=[.,;)\]*_]|\s*$)[)\]*_]*",
    re.I,
)
_ZONE_AT_END: Final = re.compile(rf"\s*(?:[(\[]|[,;–—-]\s){_ZONE}[)\]]?\W*$", re.I)
_IN_FIGURES: Final = re.compile(
    rf"(?:({WEEKDAY}),?\s)?([0-9]{{1,2}})([/.-])([0-9]{{1,2}})[/.-]([0-9]{{4}})", re.I
)
_CAPITAL: Final = re.compile(r"[^\w\s]*[A-ZÀ-ÞА-Я]|\W*$")


@dataclass(frozen=True)
class Line:
    """A line of a log, or a block of a document.

    `html` returns its characters from one on, or as far as another. `gap` is whether
    there is a blank line above, `heading` whether it is a heading there.
    """

    text: str
    html: Callable[..., str]
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
    typed_day: str = ""
    unclear_day: str = ""  # its day or one above, if it is not clear which it is
    stamp: str = ""
    parts: list[str] = field(default_factory=list)
    headline: str = ""


@dataclass(frozen=True)
class Stamp:
    """The time with which a line begins, and where its text begins.

    `unclear_day` is a day as typed, if it is not clear which it is.
    """

    at: time
    day: Day | None
    zone: Zone | None
    end: int
    typed_day: str = ""
    unclear_day: str = ""


def stamp(line: str) -> Stamp | None:
    """Return the time with which a line begins, if it does.

    Digits may be of any script.
    """
    plain, places = keyboard.start_as_ascii(line, _MAX_STAMP_LENGTH)
    found = _stamp(plain)
    return replace(found, end=places[found.end]) if found and places else found


def _stamp(line: str) -> Stamp | None:
    match, zone = _STAMP.match(line), None
    if match:
        zone = _zone(match["zone"], certain=bool(match["mark"]))
    if match is None or zone is None:
        match = _BARE_STAMP.match(line)
    if match is None or not _is_clear(match, line[match.end() :], zone):
        return None
    given = match["before"] or match["after"]
    day = _clear_day(given) if given else None
    hour = int(match["hour"]) % 24
    if match["half"]:
        hour = hour % 12 + (12 if match["half"].lower() == "p" else 0)
    at = time(hour, int(match["minute"] or 0))
    unclear = given if given and not day else ""
    return Stamp(at, day, zone, match.end(), given or "", unclear)


def _day_line(line: str) -> str:
    """Return the day that a line consists of, as typed."""
    match = _DATE_LINE.fullmatch(keyboard.start_as_ascii(line, _MAX_STAMP_LENGTH)[0])
    return match[1] if match else ""


def _find_zone(name: str) -> Zone | None:
    return zones.find_zone(re.sub(r"\s?/\s?", "/", name))


def _without(text: str, start: int, end: int) -> str:
    """Return text on one line, without some of its characters."""
    return rendering.one_line(f"{text[:start]} {text[end:]}")


def _readings(given: str) -> tuple[Day | None, Day | None]:
    """Return a day in figures, read with the day first and with the month first."""
    match = _IN_FIGURES.fullmatch(given.strip())
    if not match:
        return None, None
    first, second, year = int(match[2]), int(match[4]), int(match[5])
    weekday = parse_day(match[1]) if match[1] else None
    found: list[Day | None] = []
    for day, month in ((first, second), (second, first)):
        each = Day(day, month, year, weekday.weekday if weekday else 0)
        on = each.on(year) if year in YEARS else None
        # Nobody writes the month first with dots.
        possible = on and each.fits(on) and (match[3] != "." or day == first)
        found.append(each if possible else None)
    return found[0], found[1]


def _clear_day(given: str) -> Day | None:
    """Return a day, unless it may be one or another."""
    day_first, month_first = _readings(given)
    if day_first and month_first and day_first != month_first:
        return None
    return day_first or month_first or parse_day(given)


def _day_first(days: Sequence[str], first: date | None, now: date) -> bool | None:
    """Return whether days in figures have the day first; None if nothing says so.

    Other days in figures do, or else the order: it rises or falls, as far as possible
    within few days.
    """
    readings = [_readings(each) for each in days]
    votes = {bool(day) for day, month in readings if bool(day) != bool(month)}
    if len(votes) == 1:
        return votes.pop()
    ranks: dict[bool, tuple[bool, timedelta]] = {}
    for day_first in (True, False):
        read = [_clear_day(each) or _readings(each)[not day_first] for each in days]
        known = [day.on(day.year) for day in read if day and day.year]
        dates = [each for each in known if each]
        if dates and max(dates) <= now:
            in_order = dates in (sorted(dates), sorted(dates, reverse=True))
            both = [*dates, first] if first else dates
            ranks[day_first] = (not in_order, max(both) - min(both))
    if not ranks or (len(ranks) == 2 and ranks[True] == ranks[False]):
        return None
    return min(ranks, key=lambda each: ranks[each])


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
        yield read_log(_lines(file.text), file, Texts(), options)

    yield from each_file(files, read)


def _lines(text: str) -> Iterator[Line]:
    gap = True
    for line in text.split("\n"):
        if rendering.is_blank(line):
            gap = True
        else:
            yield Line(line, partial(_part, line), gap)
            gap = False


def _part(line: str, start: int, end: int | None = None) -> str:
    return escape(line[start:end], quote=False)


def read_log(
    lines: Iterator[Line], file: SourceFile, texts: Texts, options: ArchiveOptions
) -> ArchiveStory:
    """Return the story in a log. Raises ExchangeError if it has no times."""
    log = _Log(file, texts, options)
    for line in lines:
        log.add(line)
    return log.story()


class _Log:
    """A log while it is read."""

    def __init__(self, file: SourceFile, texts: Texts, options: ArchiveOptions) -> None:
        self.file, self.texts, self.options = file, texts, options
        self.headline = ""
        self.intro: list[str] = []
        self.head_text = ""
        self.updates: list[_Update] = []
        self.day: Day | None = None  # of the line above, until the next one
        self.typed_day = ""  # the same as typed
        self.unclear_day = ""  # of the last line or update with a day
        self.day_lines = 0
        self.days: list[str] = []  # all, as typed
        self.zone: Zone | None = None  # that the text names for all times
        self.warnings: list[str] = []

    def add(self, line: Line) -> None:
        """Add the next line."""
        text, html = line.text, ""
        if not self.updates:
            text, html = self.without_zone(line)
        if day := _day_line(text):
            self.begin_day(day)
            return
        if found := stamp(line.text):
            self.begin(line, found)
        elif self.updates:
            html = line.html(0)
            self.updates[-1].parts.append(f"<p>{html}" if line.gap else f"<br>{html}")
        else:
            self.add_to_head(line, text, html)

    def begin_day(self, typed: str) -> None:
        """Note the day of the updates below."""
        self.day, self.day_lines = _clear_day(typed), self.day_lines + 1
        self.typed_day, self.unclear_day = typed, "" if self.day else typed
        self.days.append(typed)

    def begin(self, line: Line, found: Stamp) -> None:
        """Begin an update."""
        text = rendering.one_line(line.text)[:60]
        under_line = 0 if found.typed_day else self.day_lines
        day = found.day or self.day
        if found.typed_day:
            self.days.append(found.typed_day)
            self.unclear_day = found.unclear_day
        update = _Update(
            found.at,
            None if self.unclear_day else day,
            found.zone,
            text,
            under_line,
            found.typed_day or self.typed_day,
            self.unclear_day,
            line.text[: found.end].strip(),
        )
        if line.heading:
            update.headline = rendering.one_line(line.text[found.end :])
        else:
            update.parts = ["<p>", line.html(found.end)]
        self.updates.append(update)

    def add_to_head(self, line: Line, words: str, html: str) -> None:
        """Use a line above the updates as headline or introduction."""
        first = not self.head_text
        if not words:
            return
        self.head_text += f"\n{words}"
        if first and len(words) <= max_length(Story, "headline"):
            self.headline = words.lstrip("#*_ ").rstrip("*_ ") or words
        else:
            self.intro.append(f"<p>{html}" if line.gap else f"<br>{html}")

    def without_zone(self, line: Line) -> tuple[str, str]:
        """Return the words and the HTML of a line above the updates, without a note.

        Times become GMT, so “All times CET” would not be true any more. In longer text,
        what is not clearly a note stays.
        """
        text, words = line.text, rendering.one_line(line.text)
        whole = _find_zone(words.strip(" ().[]"))
        match = _ZONE_NOTE.search(text) or _ZONE_AT_END.search(text)
        zone = whole or (_find_zone(match["zone"]) if match else None)
        if zone is None:
            return words, line.html(0)
        self.zone = self.zone or zone
        rest = "" if whole or not match else _without(text, *match.span())
        if whole or not match or not re.search(r"\w", rest):
            self.texts.leave_out(ZONE_NOTE, words)
            return "", ""
        if self.headline and not _day_line(rest):
            match = _CLEAR_NOTE.search(text)
            if match is None or _find_zone(match["zone"]) is None:
                return words, line.html(0)
        start, end = match.span()
        if text[start:end].lstrip()[0].isalnum() and text[end : end + 1] == ".":
            end += 1  # it is a sentence
        self.texts.leave_out(ZONE_NOTE, rendering.one_line(text[start:end]))
        return _without(text, start, end), line.html(0, start) + line.html(end)

    def story(self) -> ArchiveStory:
        """Return the story. Raises ExchangeError if there are no updates."""
        if not self.updates:
            raise ExchangeError(
                "No paragraph begins with a time such as “20:16”, so there are no "
                "updates. Write the times at the beginning of paragraphs."
            )
        self.read_unclear_days()
        times, newest_first = self.times()
        following = iter(times)
        groups = [
            list(
                self.texts.updates(
                    self.source(update),
                    None if update.unclear_day else next(following),
                    update.headline,
                )
            )
            for update in self.updates
        ]
        if not newest_first:
            groups.reverse()
        standfirst, summary = self.introduction()
        document = Document(
            headline=self.headline or PurePath(self.file.name).stem,
            markdown=True,
            standfirst=standfirst,
            summary=summary,
            updates=tuple(update for group in groups for update in group),
            file_name=self.file.name,
            guessed_day=self.guessed_day(),
        )
        return ArchiveStory(
            self.file.digest,
            document,
            tuple(self.texts.left_out),
            tuple(self.texts.images),
            tuple(dict.fromkeys([*self.warnings, *self.texts.warnings])),
        )

    def source(self, update: _Update) -> str:
        """Return the text of an update as Markdown, with a time that is not read."""
        source = self.texts.source("".join(update.parts))
        if not update.unclear_day:
            return source
        return f"{rendering.escape_markdown(update.stamp)}\n\n{source}".strip()

    def introduction(self) -> tuple[str, Body]:
        """Return what is above the updates, as a standfirst or as a summary."""
        html = "".join(self.intro)
        return self.texts.standfirst_and_summary(html) if html else ("", NO_TEXT)

    # --- Times

    def read_unclear_days(self) -> None:
        """Read days such as 10/12/2018 as the others are, or as their order says."""
        day_first = _day_first(self.days, self.first_day(), self.options.now.date())
        for update in self.updates:
            if not (typed := update.unclear_day):
                continue
            day = None if day_first is None else _readings(typed)[not day_first]
            on = day.on(day.year) if day else None
            if on is None:
                self.warnings.append(
                    f"“{typed}” is no day that is clear: updates of it are drafts "
                    "without a time. Write its month in words, or name the first day "
                    "with --date."
                )
                continue
            # An update without a day of its own follows from the order.
            update.day = day if update.typed_day == typed else None
            update.unclear_day = ""
            self.warnings.append(
                f"“{typed}” is read as {gmt.format_day(on)}. If it is another day, "
                "write its month in words."
            )

    def times(self) -> tuple[list[datetime], bool]:
        """Return the times in GMT, and whether the newest update comes first."""
        updates = self.dated_updates
        if not updates:
            return [], False
        given = self.options.time_zone
        named = Zone(str(given), given, f"the time in {given}") if given else None
        # The first update may name the zone of all.
        default = self.zone or named or updates[0].zone or GMT
        own = [update.zone or default for update in updates]
        common = Counter(own).most_common(1)[0][0]
        first_day = self.first_day()
        stamps = _without_late_days(
            [
                self.in_zone(update, zone, common, first_day)
                for update, zone in zip(updates, own, strict=True)
            ],
            [update.under_line for update in updates],
        )
        now = self.options.now.astimezone(common.tz).replace(tzinfo=UTC)
        # If the order is not clear, a log has the oldest first.
        dated = date_updates(stamps, first_day, now, original_first=True)
        self.warn(dated, own, first_day, assumed=default is GMT)
        times = [common.to_gmt(at.date(), at.time()) for at in dated.times]
        return times, dated.newest_first

    @property
    def dated_updates(self) -> list[_Update]:
        """Return the updates whose day is clear."""
        return [update for update in self.updates if not update.unclear_day]

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
        if any(update.day for update in self.dated_updates):
            return None
        for match in _DATE_IN_TEXT.finditer(self.head_text):
            day = _clear_day(match[1])
            if day and day.year and (found := day.on(day.year)):
                return found
        return day_in(self.file.name)

    def guessed_day(self) -> bool:
        """Return whether nothing says in which year the updates are."""
        years = any(update.day and update.day.year for update in self.updates)
        return self.first_day() is None and not years

    def warn(
        self,
        dated: Dated,
        own: Sequence[Zone],
        first_day: date | None,
        *,
        assumed: bool,
    ) -> None:
        """Say what was assumed about zones and days."""
        updates = self.dated_updates
        for zone in dict.fromkeys(own):
            if not zone.is_gmt:
                self.warnings.append(f"{zone.describe()}: its times became GMT.")
        if assumed and any(update.zone is None for update in updates):
            self.warnings.append(
                "Times without a time zone are read as GMT. If they are of another "
                "zone, name it with --timezone."
            )
        for index, fault in sorted(dated.faults.items()):
            self.warnings.append(f"“{updates[index].text}”: {fault}.")
        if not dated.certain:
            order = "newest" if dated.newest_first else "oldest"
            self.warnings.append(
                f"Which update came first is not certain: {order} first."
            )
        years = all(update.day and update.day.year for update in updates)
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
