"""Divide a block of text into paragraphs, references and images."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from entries.exchange.document import Item, Kind, Remark
from entries.exchange.text.decoding import TextLine
from entries.exchange.text.headings import ends_like_sentence
from entries.exchange.text.lines import Block, flat, quoted
from entries.exchange.text.references import (
    may_name_image,
    names_image,
    reference,
    see,
)

_CROSS_POST_INSIDE: Final = re.compile(r"[(\[]\s?cross[- ]?posted from", re.I)
_FILE: Final = re.compile(r"\S\.(?:jpe?g|png|webp|gif|avif)$", re.I)


@dataclass(frozen=True)
class Hints:
    """Known names, which help to parse a file.

    `files` are the casefolded names in the folder of images, with and without their
    extension. `names` are those of series, which may contain an "and".
    """

    files: Collection[str] = ()
    names: Collection[str] = ()


def paragraphs(block: Block, hints: Hints, remarks: list[Remark]) -> list[Item]:
    """Return the items of a block of text; add a remark for each doubtful line."""
    parser = _ParagraphParser(block, hints, remarks)
    for index in range(len(block.lines)):
        parser.line(index)
    parser.close()
    return parser.found


class _ParagraphParser:
    def __init__(self, block: Block, hints: Hints, remarks: list[Remark]) -> None:
        self.lines = block.lines
        self.gap = block.gap
        self.hints, self.remarks = hints, remarks
        self.found: list[Item] = []
        self.open: list[TextLine] = []
        self.alone = len(block.lines) == 1
        self.only_images = all(names_image(x.text, hints.files) for x in block.lines)
        self.only_words = all(may_name_image(x.text) for x in block.lines)

    def line(self, index: int) -> None:
        line = self.lines[index]
        item = self.image(line.text) or self.reference(index)
        if item is None:
            self.open.append(line)
            return
        self.close()
        self.add(item, line)

    def close(self) -> None:
        if not self.open:
            return
        text = "\n".join(line.text for line in self.open)
        first = self.open[0]
        self.add(Item(Kind.TEXT, text), first)
        if _CROSS_POST_INSIDE.search(text):
            self.remark(first, "a cross-post note inside a paragraph stays text")
        if self.alone and _FILE.search(text):
            self.remark(first, f"no picture is called {quoted(text)}; it stays text")
        for line in self.open if self.only_words else ():
            doubt = f"perhaps the name of a picture: {quoted(line.text)}; it stays text"
            self.remark(line, f"{doubt} (write {line.text}.jpg if it is one)")
        self.open = []

    def add(self, item: Item, line: TextLine) -> None:
        self.found.append(replace(item, line=line.number, gap=self.gap))
        self.gap = 0

    def image(self, text: str) -> Item | None:
        """Return an image item if a line is the name of an image.

        Between lines of text, the name has to be unmistakable.
        """
        if not names_image(text, self.hints.files):
            return None
        known = text.casefold() in self.hints.files or bool(_FILE.search(text))
        if self.only_images or known or re.search(r"\d.*[-_]|[-_].*\d", text):
            return Item(Kind.IMAGE, text)
        return None

    def reference(self, index: int) -> Item | None:
        line = self.lines[index]
        text = flat(line.text)
        if self.alone:
            _, certain = see(text) or ("", True)
            if not certain:
                doubt = f"perhaps a “See” line, but not clearly: {quoted(text)}"
                self.remark(line, doubt)
        elif not (text.startswith(("(", "[")) or self.between_sentences(index)):
            return None
        return reference(text, self.hints.names)

    def between_sentences(self, index: int) -> bool:
        """Whether no sentence runs on from the line above or into the line below."""
        above = self.open[-1].text[-20:] if self.open else "."
        after = self.lines[index + 1].text if index + 1 < len(self.lines) else "A"
        runs_on = after[0].islower() and self.image(after) is None
        return ends_like_sentence(above) and not runs_on

    def remark(self, line: TextLine, message: str) -> None:
        self.remarks.append(Remark(line.number, message))
