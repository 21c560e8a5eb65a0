"""The text form of a story → what it tells. Nothing is dropped, nothing invented.

Whatever is not understood stays as text where it stands and becomes a warning.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from entries.exchange import bodies, headings, marks, paragraphs
from entries.exchange.chunks import Chunk, chunks, quoted
from entries.exchange.days import Dated, Timed, date_updates
from entries.exchange.decoding import Line
from entries.exchange.head import Head, joined, source
from entries.exchange.marks import Mark, Marked
from entries.exchange.paragraphs import Hints
from entries.exchange.stamps import Stamp
from entries.exchange.told import Body, ExchangeError, Item, Remark, Told, Update
from entries.text import gmt

UPDATES_LIMIT: Final = 20_000
NO_HINTS: Final = Hints()


@dataclass
class _Entry:
    """An entry while it is read; `stamp` is None for the original one."""

    line: int
    gap: int
    stamp: Stamp | None
    items: list[Item] = field(default_factory=list)
    source: str = ""
    heads: dict[Mark, str] = field(default_factory=dict)

    @property
    def body(self) -> Body:
        return Body(
            tuple(self.items),
            self.source,
            self.heads.get(Mark.HEADLINE, ""),
            self.heads.get(Mark.BYLINE, ""),
            self.line,
        )


def read(
    lines: Iterable[Line],
    *,
    now: datetime,
    first_day: date | None = None,
    hints: Hints = NO_HINTS,
    remarks: Iterable[Remark] = (),
) -> Told:
    """Return what the lines of a file tell, its updates in their order there.

    `first_day` is the story's first day; without it, and without `DATE:` in the
    file, the updates are dated as late as can be with none of them after `now`.
    """
    reading = _Reading(hints, list(remarks))
    reading.run(lines)
    return reading.told(now, first_day)


class _Reading:
    def __init__(self, hints: Hints, remarks: list[Remark]) -> None:
        self.hints, self.remarks = hints, remarks
        self.head = Head(hints, remarks)
        self.entries: list[_Entry] = []
        self.notes: list[str] = []

    def run(self, lines: Iterable[Line]) -> None:
        for place, chunk in enumerate(chunks(lines, self.remarks)):
            if chunk.entry:
                stamp = chunk.what if isinstance(chunk.what, Stamp) else None
                self.entries.append(_Entry(chunk.line, chunk.gap, stamp))
            elif chunk.what is None:
                self.text(chunk, first=place == 0)
            elif self.entries and isinstance(chunk.what, Marked):
                self.entries[-1].heads[chunk.what.mark] = chunk.what.rest
            elif isinstance(chunk.what, Marked):
                self.head.mark(chunk, chunk.what)
        self.head.close()
        if len(self.updates) > UPDATES_LIMIT:
            raise ExchangeError(f"The file has more than {UPDATES_LIMIT:,} updates.")

    @property
    def markdown(self) -> bool:
        return Mark.MARKUP in self.head.values

    @property
    def updates(self) -> list[_Entry]:
        return [entry for entry in self.entries if entry.stamp]

    @property
    def original(self) -> _Entry | None:
        return next((entry for entry in self.entries if entry.stamp is None), None)

    def text(self, chunk: Chunk, *, first: bool) -> None:
        if not self.entries:
            self.head.text(chunk, first=first, markdown=self.markdown)
            return
        entry = self.entries[-1]
        if self.markdown:
            entry.source = joined(entry.source, source(chunk))
            entry.items += bodies.items(source(chunk), self.hints.names)
        else:
            entry.items += paragraphs.items(chunk, self.hints, self.remarks)

    def remark(self, line: int, message: str) -> None:
        self.remarks.append(Remark(line, message))

    # --- The whole

    def told(self, now: datetime, first_day: date | None) -> Told:
        values = self.head.values
        first_day = first_day or marks.day(values.get(Mark.DATE, ""))
        dated = self.dated(now, first_day)
        if not self.markdown:
            self.find_parts(dated)
        standfirst, summary = self.place_intro(dated)
        original = self.original
        bodies_ = [entry.body for entry in self.updates]
        return Told(
            headline=self.head.headline,
            series=values.get(Mark.SERIES, ""),
            first_day=first_day or (min(dated.times).date() if dated.times else None),
            language=values.get(Mark.LANGUAGE, ""),
            standfirst=standfirst,
            markdown=self.markdown,
            photo=self.head.photo,
            latest=tuple(self.head.latest),
            features=tuple(self.head.features),
            summary=summary,
            updates=tuple(map(Update, dated.times, bodies_)),
            newest_first=dated.newest_first,
            original=original.body if original else Body(),
            warnings=tuple(sorted(set(self.remarks))),
            notes=tuple(self.notes),
        )

    def dated(self, now: datetime, first_day: date | None) -> Dated:
        updates = self.updates
        stamps = [Timed(e.stamp.at, e.stamp.day) for e in updates if e.stamp]
        above = bool(self.entries) and self.entries[0].stamp is None
        dated = date_updates(stamps, first_day, now, original_first=above)
        for place, fault in dated.faults.items():
            self.remark(updates[place].line, fault)
        for entry, at in zip(updates, dated.times, strict=True):
            if at > now:
                self.remark(entry.line, f"{gmt.stamp(at, None)} is yet to come")
        if not dated.certain:
            order = "newest" if dated.newest_first else "oldest"
            self.remark(
                updates[0].line,
                f"which update came first is not certain; read as {order} first "
                "(dates in brackets would settle it)",
            )
        full = all(stamp.day and stamp.day.year for stamp in stamps)
        if first_day is None and not full:
            self.notes.append(_date_note(dated, now))
        return dated

    def find_parts(self, dated: Dated) -> None:
        """Find what only the spacing tells: headings, and an unnamed original entry."""
        space = headings.spacing(
            [entry.items for entry in self.entries] or [self.head.intro],
            [entry.gap for entry in self.entries],
        )
        self.find_original(dated, space)
        for entry in self.entries:
            if entry.stamp:
                entry.items = headings.in_update(entry.items, space)
            else:
                entry.items = self.headed(entry.items, space)
        if not self.original:
            self.head.intro = self.headed(self.head.intro, space)

    def headed(self, items: Sequence[Item], space: headings.Spacing) -> list[Item]:
        found, doubtful = headings.in_original(items, space)
        for item in doubtful:
            self.remark(item.line, f"{quoted(item.text)} is read as a heading")
        return found

    def find_original(self, dated: Dated, space: headings.Spacing) -> None:
        """Let what stands apart below the last update be the original entry.

        So in a file that has its newest update first and names no original entry.
        """
        if self.original or not self.entries or not dated.newest_first:
            return
        last = self.entries[-1]
        apart = (n for n, item in enumerate(last.items) if n and space.wide(item))
        if not space.wide_parts or (place := next(apart, None)) is None:
            return
        line = last.items[place].line
        self.entries.append(_Entry(line, 0, None, last.items[place:]))
        del last.items[place:]
        self.remark(line, "no ORIGINAL ENTRY; the text from here on is taken for it")

    def place_intro(self, dated: Dated) -> tuple[str, Body]:
        """Return standfirst and summary, with the text that nothing explains."""
        head, intro = self.head, self.intro
        standfirst = head.values.get(Mark.STANDFIRST, "")
        summary = Body(tuple(head.summary), head.source)
        if not intro.items:
            return standfirst, summary
        formed = head.marked or bool(self.entries)
        above = dated.newest_first and len(dated.times) > 1
        if head.standfirst and not standfirst and (self.original or above):
            standfirst, where = head.standfirst, "as the standfirst"
        elif self.original or summary.items:
            text = joined(intro.source, summary.source)
            summary = Body(intro.items + summary.items, text)
            where = "in the summary box"
        else:
            entry = _Entry(head.intro[0].line, 0, None, list(intro.items), intro.source)
            self.entries.append(entry)
            where = "as the original entry"
        if not formed:
            first = head.intro[0].line
            self.remark(first, f"no part of the form was found: kept {where}")
            return standfirst, summary
        for item in head.intro:
            unknown = f"nothing says what this is: {quoted(item.text)}"
            self.remark(item.line, f"{unknown}; kept {where}")
        return standfirst, summary

    @property
    def intro(self) -> Body:
        """Return the text in the head that nothing explains."""
        items = tuple(self.head.intro)
        if not self.markdown:
            return Body(items)
        source = "\n\n".join(item.text for item in items)
        return Body(bodies.items(source, self.hints.names), source)


def _date_note(dated: Dated, now: datetime) -> str:
    days = sorted({at.date() for at in dated.times})
    when = " to ".join(gmt.day(on) for on in (days[0], days[-1])[: len(days)])
    reason = ", the latest that leaves nothing in the future"
    if max(dated.times) > now:
        reason = ""
    return f"Without --date the updates are dated {when}{reason}."
