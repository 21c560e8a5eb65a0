"""A run of text → its items: paragraphs, and the lines that stand between them."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from entries.exchange import bodies, marks
from entries.exchange.chunks import Chunk, flat, quoted
from entries.exchange.decoding import Line
from entries.exchange.told import Item, Kind, Remark

_INSIDE: Final = re.compile(r"[(\[]\s?cross[- ]?posted from", re.I)
_FILE: Final = re.compile(r"\S\.(?:jpe?g|png|webp|gif|avif)$", re.I)


@dataclass(frozen=True)
class Hints:
    """What helps to understand a file.

    `files` are the names in the folder of pictures, folded, with and without their
    extension; `names` those of series, which may hold an "and" of their own.
    """

    files: Collection[str] = ()
    names: Collection[str] = ()


def items(chunk: Chunk, hints: Hints, remarks: list[Remark]) -> list[Item]:
    """Return the items of a chunk of text."""
    reader = _Paragraphs(chunk, hints, remarks)
    for place in range(len(chunk.lines)):
        reader.line(place)
    reader.close()
    return reader.found


class _Paragraphs:
    def __init__(self, chunk: Chunk, hints: Hints, remarks: list[Remark]) -> None:
        self.lines = chunk.lines
        self.gap = chunk.gap
        self.hints, self.remarks = hints, remarks
        self.found: list[Item] = []
        self.open: list[Line] = []
        self.alone = len(chunk.lines) == 1
        self.gallery = all(marks.picture(x.text, hints.files) for x in chunk.lines)

    def line(self, place: int) -> None:
        line = self.lines[place]
        item = self.picture(line.text) or self.special(place)
        if item is None:
            self.open.append(line)
            return
        self.close()
        self.add(item, line.number)

    def close(self) -> None:
        if not self.open:
            return
        text = "\n".join(line.text for line in self.open)
        first = self.open[0]
        self.add(Item(Kind.TEXT, text), first.number)
        if _INSIDE.search(text):
            self.remark(first, "a cross-post note inside a paragraph stays text")
        if self.alone and _FILE.search(text):
            self.remark(first, f"no picture is called {quoted(text)}; it stays text")
        self.open = []

    def add(self, item: Item, number: int) -> None:
        self.found.append(Item(item.kind, item.text, item.names, number, self.gap))
        self.gap = 0

    def picture(self, text: str) -> Item | None:
        """Return the item of a picture's name.

        In the midst of other lines it has to be unmistakable.
        """
        if not marks.picture(text, self.hints.files):
            return None
        known = text.casefold() in self.hints.files or bool(_FILE.search(text))
        if self.gallery or known or re.search(r"\d.*[-_]|[-_].*\d", text):
            return Item(Kind.PICTURE, text)
        return None

    def special(self, place: int) -> Item | None:
        line = self.lines[place]
        text = flat(line.text)
        if self.alone:
            self.doubt(line, text)
        elif not (text.startswith(("(", "[")) or self.between_sentences(place)):
            return None
        return bodies.line(text, self.hints.names)

    def between_sentences(self, place: int) -> bool:
        """Whether the lines above and below do not run on into this one."""
        above = self.open[-1].text[-20:] if self.open else "."
        after = self.lines[place + 1].text if place + 1 < len(self.lines) else "A"
        runs_on = after[0].islower() and self.picture(after) is None
        return marks.ends_like_sentence(above) and not runs_on

    def doubt(self, line: Line, text: str) -> None:
        seen = marks.see(text)
        if seen and not seen[1]:
            self.remark(line, f"perhaps a “See” line, but not clearly: {quoted(text)}")

    def remark(self, line: Line, message: str) -> None:
        self.remarks.append(Remark(line.number, message))
