"""Parse the text format into a document. No text is dropped or invented.

Whatever is not understood stays in the text, with a warning.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from itertools import pairwise
from typing import Final

from entries.exchange import markdown
from entries.exchange.document import (
    NO_ENTRY,
    NO_TEXT,
    Body,
    Document,
    DocumentEntry,
    ExchangeError,
    Item,
    Remark,
)
from entries.exchange.text import headings
from entries.exchange.text.decoding import TextLine
from entries.exchange.text.head import Head, append_block, join_bodies
from entries.exchange.text.lines import (
    Block,
    Mark,
    MarkedLine,
    blocks,
    parse_date,
    quoted,
)
from entries.exchange.text.paragraphs import Hints
from entries.exchange.text.states import HeadState, parse_state
from entries.exchange.text.timestamps import Timestamp
from entries.exchange.text.update_dates import Dated, Timed, date_updates
from entries.models import Entry
from entries.text import gmt

MAX_UPDATES: Final = 20_000
NO_HINTS: Final = Hints()


@dataclass
class _Entry:
    """An entry while it is parsed; `stamp` is None for the original entry.

    `typed` is the line of the timestamp, without the text after it.
    """

    line: int
    gap: int
    stamp: Timestamp | None
    body: Body = NO_TEXT
    values: dict[Mark, str] = field(default_factory=dict)
    typed: str = ""
    at: datetime | None = None

    @property
    def items(self) -> tuple[Item, ...]:
        return self.body.items

    def set_items(self, items: Sequence[Item]) -> None:
        self.body = replace(self.body, items=tuple(items))

    def finished(self) -> DocumentEntry:
        entry = DocumentEntry(
            self.body.items,
            self.body.source,
            self.line,
            self.values.get(Mark.HEADLINE, ""),
            self.values.get(Mark.BYLINE, ""),
            self.at,
        )
        if self.stamp is None or self.stamp.at:
            return entry
        note = f"Imported from {quoted(self.typed)}. Set the right time, then publish."
        return replace(entry, state=Entry.State.DRAFT, note=note)


def read_text(
    lines: Iterable[TextLine],
    *,
    now: datetime,
    first_day: date | None = None,
    hints: Hints = NO_HINTS,
    remarks: Iterable[Remark] = (),
) -> Document:
    """Parse the lines of a file.

    `first_day` is the story's first day. Without it, and without `DATE:` in the file,
    updates are dated as late as possible without any being after `now`.
    """
    reader = _Reader(hints, list(remarks), now)
    reader.run(lines)
    return reader.document(first_day)


class _Reader:
    def __init__(self, hints: Hints, remarks: list[Remark], now: datetime) -> None:
        self.hints, self.remarks, self.now = hints, remarks, now
        self.head = Head(hints, remarks)
        self.entries: list[_Entry] = []
        self.notes: list[str] = []
        self.guessed_day = False

    def run(self, lines: Iterable[TextLine]) -> None:
        for index, block in enumerate(blocks(lines, self.remarks)):
            mark = block.mark
            if block.begins_entry:
                self.entries.append(_entry(block))
            elif isinstance(mark, MarkedLine) and self.entries:
                self.entries[-1].values[mark.mark] = mark.rest
            elif isinstance(mark, MarkedLine):
                self.head.add_mark(block, mark)
            elif self.entries:
                entry = self.entries[-1]
                entry.body = append_block(
                    entry.body, block, self.hints, self.remarks, self.head.markdown
                )
            else:
                self.head.add_text(block, first=index == 0)
        self.head.close()
        if len(self.updates) > MAX_UPDATES:
            raise ExchangeError(f"The file has more than {MAX_UPDATES:,} updates.")

    @property
    def updates(self) -> list[_Entry]:
        return [entry for entry in self.entries if entry.stamp]

    @property
    def original(self) -> _Entry | None:
        return next((entry for entry in self.entries if entry.stamp is None), None)

    def remark(self, line: int, message: str) -> None:
        self.remarks.append(Remark(line, message))

    def document(self, first_day: date | None) -> Document:
        head, values = self.head, self.head.values
        first_day = first_day or parse_date(values.get(Mark.DATE, ""))
        dated = self.dated(first_day)
        if not head.markdown:
            self.find_unmarked(dated)
        standfirst, summary = self.place_intro(dated)
        original = self.original
        state = parse_state(values.get(Mark.STATE, "")) or HeadState("")
        began = min(dated.times, default=None)
        if began is None and first_day:
            began = datetime.combine(first_day, time(), UTC)
        return Document(
            headline=head.headline,
            series=values.get(Mark.SERIES, ""),
            first_day=first_day or (began.date() if began else None),
            language=values.get(Mark.LANGUAGE, ""),
            standfirst=standfirst,
            markdown=head.markdown,
            photo=head.photo,
            links=tuple(head.links),
            summary=summary,
            updates=tuple(update.finished() for update in self.updates),
            newest_first=dated.newest_first,
            original=original.finished() if original else NO_ENTRY,
            warnings=tuple(sorted(set(self.remarks))),
            notes=tuple(self.notes),
            live_at=min(began, self.now) if began else None,
            state=state.state,
            closed_at=state.closed_at,
            begins_at=state.begins_at,
            guessed_day=self.guessed_day,
        )

    def dated(self, first_day: date | None) -> Dated:
        """Date the updates, and warn about contradictions."""
        updates, stamps = [], []
        for entry in self.updates:
            if (stamp := entry.stamp) and stamp.at:
                updates.append(entry)
                stamps.append(Timed(stamp.at, stamp.day, stamp.zone.tz))
        above = bool(self.entries) and self.entries[0].stamp is None
        dated = date_updates(stamps, first_day, self.now, original_first=above)
        for index, fault in dated.faults.items():
            self.remark(updates[index].line, fault)
        for entry, at in zip(updates, dated.times, strict=True):
            entry.at = at
            if at > self.now:
                self.remark(entry.line, f"{gmt.format_stamp(at, None)} is yet to come")
            if entry.stamp and not entry.stamp.zone.is_gmt:
                self.remark(entry.line, _converted(entry.stamp, at))
        if not dated.certain:
            order = "newest" if dated.newest_first else "oldest"
            self.remark(
                updates[0].line,
                f"which update came first is not certain; read as {order} first "
                "(dates in brackets would settle it)",
            )
        self.date_like_neighbours(newest_first=dated.newest_first)
        years = [bool(stamp.day and stamp.day.year) for stamp in stamps]
        if first_day is None and not all(years):
            self.guessed_day = not any(years)
            self.notes.append(_date_note(dated, self.now))
        return dated

    def date_like_neighbours(self, *, newest_first: bool) -> None:
        """Give updates without a time that of the next later one, else an earlier."""
        latest_first = self.updates if newest_first else self.updates[::-1]
        for rows in (latest_first, latest_first[::-1]):
            for later, update in pairwise(rows):
                update.at = update.at or later.at
        for update in latest_first:
            if update.stamp and not update.stamp.at:
                self.remark(update.line, _undated(update))

    def find_unmarked(self, dated: Dated) -> None:
        """Find headings, and an original entry without a mark, by the gaps above."""
        space = headings.spacing(
            [entry.items for entry in self.entries] or [self.head.intro],
            [entry.gap for entry in self.entries],
        )
        self.find_original(dated, space)
        for entry in self.entries:
            if entry.stamp:
                entry.set_items(headings.mark_in_update(entry.items, space))
            else:
                entry.set_items(self.with_headings(entry.items, space))
        if not self.original:
            self.head.intro = self.with_headings(self.head.intro, space)

    def with_headings(
        self, items: Sequence[Item], space: headings.Spacing
    ) -> list[Item]:
        found, doubtful = headings.mark_in_original(items, space)
        for item in doubtful:
            self.remark(item.line, f"{quoted(item.text)} is read as a heading")
        return found

    def find_original(self, dated: Dated, space: headings.Spacing) -> None:
        """Treat text set apart below the last update as the original entry.

        Only if the newest update comes first and no original entry is marked.
        """
        if self.original or not self.entries or not dated.newest_first:
            return
        last = self.entries[-1]
        apart = (n for n, item in enumerate(last.items) if n and space.wide(item))
        if not space.wide_entries or (index := next(apart, None)) is None:
            return
        line = last.items[index].line
        self.entries.append(_Entry(line, 0, None, Body(last.items[index:])))
        last.set_items(last.items[:index])
        self.remark(line, "no ORIGINAL ENTRY; the text from here on is taken for it")

    def place_intro(self, dated: Dated) -> tuple[str, Body]:
        """Return the standfirst and the summary, one of which includes the intro.

        If it can be neither, the intro becomes the original entry.
        """
        head, intro = self.head, self.intro
        standfirst, summary = head.values.get(Mark.STANDFIRST, ""), head.summary
        if not intro.items:
            return standfirst, summary
        has_marks = head.marked or bool(self.entries)
        above = dated.newest_first and len(dated.times) > 1
        if head.standfirst and not standfirst and (self.original or above):
            standfirst, where = head.standfirst, "as the standfirst"
        elif self.original or summary.items:
            summary, where = join_bodies(intro, summary), "in the summary box"
        else:
            self.entries.append(_Entry(head.intro[0].line, 0, None, intro))
            where = "as the original entry"
        if not has_marks:
            first = head.intro[0].line
            self.remark(first, f"no part of the form was found: kept {where}")
            return standfirst, summary
        for item in head.intro:
            unknown = f"nothing says what this is: {quoted(item.text)}"
            self.remark(item.line, f"{unknown}; kept {where}")
        return standfirst, summary

    @property
    def intro(self) -> Body:
        """Return the text of the head that no mark introduces."""
        if not self.head.markdown:
            return Body(tuple(self.head.intro))
        source = "\n\n".join(item.text for item in self.head.intro)
        return markdown.body(source, self.hints.names)


def _entry(block: Block) -> _Entry:
    """Return an entry that a block begins."""
    if not isinstance(block.mark, Timestamp):
        return _Entry(block.line, block.gap, None)
    typed = block.text.removesuffix(block.mark.rest).strip() or block.text
    return _Entry(block.line, block.gap, block.mark, typed=typed)


def _undated(update: _Entry) -> str:
    """Return the warning that an update has no time, and so became a draft."""
    doubt = update.stamp.doubt if update.stamp else ""
    when = (
        f" at its neighbour's time, {gmt.format_full(update.at)}" if update.at else ""
    )
    return (
        f"{doubt}: {quoted(update.typed)} begins a draft{when}; set the right time at "
        "the desk, then publish it"
    )


def _converted(stamp: Timestamp, at: datetime) -> str:
    """Return the warning that a time was converted to GMT."""
    typed = f"{stamp.at:%H%M} {stamp.zone.name}"
    found = gmt.format_full(at)
    return f"{typed} is converted to {found} ({stamp.zone.describe()})"


def _date_note(dated: Dated, now: datetime) -> str:
    days = sorted({at.date() for at in dated.times})
    when = " to ".join(gmt.format_day(on) for on in (days[0], days[-1])[: len(days)])
    reason = ", the latest that leaves nothing in the future"
    if max(dated.times) > now:
        reason = ""
    return f"Without --date the updates are dated {when}{reason}."
