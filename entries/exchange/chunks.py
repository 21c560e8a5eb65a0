"""Lines of a file → its chunks: a mark, or a run of text without a blank line."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from entries.exchange import marks
from entries.exchange.decoding import Line
from entries.exchange.marks import Mark, Marked
from entries.exchange.stamps import Doubt, Stamp, stamp
from entries.exchange.told import Remark

QUOTED: Final = 120  # characters of a line in a warning
_ONCE: Final = frozenset(Mark) - {Mark.FEATURE, Mark.JUMP, Mark.BYLINE}
_LEADING: Final = (  # marks behind which text may follow on the same line
    Mark.ORIGINAL,
    Mark.SUMMARY,
    Mark.PHOTO,
    Mark.LATEST,
    Mark.FEATURE,
)
_ENTRIES: Final = (Mark.ORIGINAL, Mark.SUMMARY)

What = Stamp | Marked | None


@dataclass
class Chunk:
    """A mark, or (where `what` is None) text; `gap` counts the blank lines above."""

    line: int
    gap: int
    what: What = None
    lines: list[Line] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Return its text as typed, its lines without the space around them."""
        return "\n".join(line.text for line in self.lines)

    def is_mark(self, *kinds: Mark) -> bool:
        """Whether it is one of these marks; a stamp is none."""
        return isinstance(self.what, Marked) and self.what.mark in kinds

    @property
    def entry(self) -> bool:
        """Whether an entry begins here."""
        return isinstance(self.what, Stamp) or self.is_mark(Mark.ORIGINAL)


def quoted(text: str) -> str:
    """Return the beginning of a line for a warning."""
    return f"“{text if len(text) <= QUOTED else text[: QUOTED - 1] + '…'}”"


def flat(text: str) -> str:
    """Return a line with plain single spaces."""
    return " ".join(text.split())


def chunks(lines: Iterable[Line], remarks: list[Remark]) -> list[Chunk]:
    """Return the chunks of a file; adds a remark for each mark that is doubtful."""
    return _with_text(_Chunker(remarks).run(lines), remarks)


def _with_text(found: list[Chunk], remarks: list[Remark]) -> list[Chunk]:
    """Make text of each stamp under which there is none: no update is empty."""
    text_follows = False
    for chunk in reversed(found):
        stamped = isinstance(chunk.what, Stamp)
        if stamped and not text_follows:
            chunk.what = None
            message = f"no text follows {quoted(chunk.text)}; the line stays text"
            remarks.append(Remark(chunk.line, message))
        if stamped or chunk.entry:
            text_follows = False
        elif chunk.what is None:
            text_follows = True
    return found


class _Chunker:
    """The reading of lines, one after the other."""

    def __init__(self, remarks: list[Remark]) -> None:
        self.remarks = remarks
        self.found: list[Chunk] = []
        self.open: Chunk | None = None  # text that the next line may continue
        self.gap = 0
        self.seen: set[Mark] = set()
        self.inside = False  # an entry, no longer the head of the page
        self.markdown = False
        self.fresh = False  # on the line below a stamp

    def run(self, lines: Iterable[Line]) -> list[Chunk]:
        for line in lines:
            if self.markdown and self.inside:
                self.markdown_line(line)
            elif line.text:
                self.line(line)
            else:
                self.gap += 1
                self.open, self.fresh = None, False
        return self.found

    def line(self, line: Line) -> None:
        what = self.recognise(line)
        if what is None:
            self.add_text(line)
            return
        self.mark(line, what)
        leads = isinstance(what, Stamp) or what.mark in _LEADING
        if leads and what.rest:
            self.add_text(Line(line.number, what.rest))

    def mark(self, line: Line, what: Stamp | Marked) -> None:
        self.found.append(Chunk(line.number, self.gap, what, [line]))
        self.open, self.gap = None, 0
        if isinstance(what, Stamp):
            self.inside = self.fresh = True
            return
        self.seen.add(what.mark)
        self.inside |= what.mark in _ENTRIES
        self.markdown |= what.mark == Mark.MARKUP
        self.fresh = what.mark == Mark.ORIGINAL or (self.fresh and self.inside)

    def add_text(self, line: Line) -> None:
        if self.open is None:
            self.open = Chunk(line.number, self.gap)
            self.found.append(self.open)
        self.open.lines.append(line)
        self.gap, self.fresh = 0, False

    def recognise(self, line: Line) -> What:
        words = flat(line.text)
        if self.fresh and (marked := marks.entry_head(words)):
            return marked
        marked = marks.part(line.text) or marks.part(words)
        marked = marked or self.head_mark(line, words)
        if marked and marked.mark in self.seen & _ONCE:
            self.remark(line, f"a second {quoted(words)} stays text")
            return None
        return marked or self.stamp(line)

    def stamp(self, line: Line) -> Stamp | None:
        found = stamp(line.text, starts=self.open is None)
        if isinstance(found, Doubt):
            self.remark(line, f"{found.reason}: {quoted(line.text)} stays text")
            return None
        if found and found.doubt:
            self.remark(line, found.doubt)
        return found

    def head_mark(self, line: Line, words: str) -> Marked | None:
        marked = marks.head(words)
        if marked and (self.inside or self.bad_day(marked)):
            if words == words.upper() or marked.mark == Mark.PHOTO:
                self.remark(line, f"{quoted(words)} has no meaning here; it stays text")
            return None
        return marked

    def bad_day(self, marked: Marked) -> bool:
        return marked.mark == Mark.DATE and marks.day(marked.rest) is None

    def remark(self, line: Line, message: str) -> None:
        self.remarks.append(Remark(line.number, message))

    def markdown_line(self, line: Line) -> None:
        """Take a line of a body in Markdown: only parts are marks, unless escaped."""
        bare = line.raw.lstrip("\\")
        if begins_part(bare):
            if bare == line.raw:
                self.open = None
                self.line(line)
                return
            line = Line(line.number, line.raw[1:])
        elif self.fresh and (marked := marks.entry_head(flat(line.text))):
            self.mark(line, marked)
            return
        if self.open is None and not line.text:
            self.fresh = False
            return
        self.add_text(line)


def begins_part(line: str) -> bool:
    """Whether a line of a Markdown body would begin another part of the file."""
    found = stamp(line)
    if isinstance(found, Stamp):
        return True
    marked = marks.part(line)
    return marked is not None and marked.mark == Mark.ORIGINAL
