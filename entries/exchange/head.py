"""The head of a page: photo, LATEST, FEATURE, and what stands above the entries."""

import re
from dataclasses import dataclass, field
from typing import Final

from entries.exchange import bodies, marks, paragraphs
from entries.exchange.chunks import Chunk, flat, quoted
from entries.exchange.marks import Mark, Marked
from entries.exchange.paragraphs import Hints
from entries.exchange.stamps import stamp
from entries.exchange.told import Feature, Item, Kind, Remark

CAPTION_LIMIT: Final = 1000  # characters, as the rows hold them
TITLE_LIMIT: Final = 300
STANDFIRST_LIMIT: Final = 500
_BULLET: Final = re.compile(r"(?:[•·‣*–—-]|\d{1,2}[.)])\s+(?=\S)")


@dataclass
class Head:
    """What the head tells; `intro` is text of which nothing says what it is."""

    hints: Hints
    remarks: list[Remark]
    headline: str = ""
    values: dict[Mark, str] = field(default_factory=dict)
    photo: str = ""
    latest: list[str] = field(default_factory=list)
    features: list[Feature] = field(default_factory=list)
    summary: list[Item] = field(default_factory=list)
    source: str = ""  # of the summary, where bodies are Markdown
    intro: list[Item] = field(default_factory=list)
    marked: bool = False  # whether any mark of the form was found
    label: Chunk | None = None  # a FEATURE that waits for its title
    zone: Mark | None = None

    def mark(self, chunk: Chunk, mark: Marked) -> None:
        """Take a mark of the head."""
        self.close()
        self.marked, self.zone = True, mark.mark
        if mark.mark == Mark.FEATURE:
            self.label = chunk
        elif mark.mark == Mark.HEADLINE:
            if self.headline:  # a first line that only looked like one
                self.intro.insert(0, Item(Kind.TEXT, self.headline, line=1))
            self.headline = mark.rest
        elif mark.mark not in (Mark.PHOTO, Mark.LATEST, Mark.JUMP, Mark.SUMMARY):
            self.values[mark.mark] = mark.rest

    def text(self, chunk: Chunk, *, first: bool, markdown: bool = False) -> None:
        """Take text; `first` says that nothing stands above it in the file."""
        if self.zone == Mark.SUMMARY:
            if markdown:
                self.source = joined(self.source, source(chunk))
                self.summary += bodies.items(source(chunk), self.hints.names)
            else:
                self.summary += self.items(chunk)
            return
        taken = self.furniture(chunk)
        if not taken:
            self.zone = None
            if first and not self.headline:
                chunk = self.title(chunk)
            if chunk.lines:
                self.intro += self.items(chunk)

    def furniture(self, chunk: Chunk) -> bool:
        """Take a chunk as what the mark above it asks for, if it can be that."""
        if self.zone == Mark.PHOTO and chunk.gap == 0:
            self.zone = None
            return self.caption(flat(chunk.text))
        if self.zone == Mark.LATEST:
            return self.titles(chunk)
        return self.zone == Mark.FEATURE and self.feature(flat(chunk.text))

    def caption(self, text: str) -> bool:
        if len(text) > CAPTION_LIMIT:
            return False
        self.photo = text
        return True

    def titles(self, chunk: Chunk) -> bool:
        lines = [_BULLET.sub("", flat(line.text), count=1) for line in chunk.lines]
        for line in lines:
            if len(line) > marks.TITLE_LIMIT or marks.ends_like_sentence(line):
                return False
        self.latest += lines
        return True

    def feature(self, title: str) -> bool:
        if self.label is None or len(title) > TITLE_LIMIT:
            return False
        if self.features:
            message = f"a second feature: {quoted(title)}"
            self.remarks.append(Remark(self.label.line, message))
        self.features.append(Feature(_words(self.label), title))
        self.label, self.zone = None, None
        return True

    def title(self, chunk: Chunk) -> Chunk:
        """Take the first line of a file as its headline, if it looks like one.

        Return what is left of the chunk.
        """
        line = flat(chunk.lines[0].text)
        alone = len(chunk.lines) == 1
        if not marks.may_head(line) or not (alone or marks.title_case(line)):
            return chunk
        if stamp(line):  # of an update that has no text
            return chunk
        self.headline = line
        rest = chunk.lines[1:]
        return Chunk(rest[0].number if rest else chunk.line, 0, None, rest)

    def items(self, chunk: Chunk) -> list[Item]:
        return paragraphs.items(chunk, self.hints, self.remarks)

    def close(self) -> None:
        """Say of a FEATURE that it has no title."""
        if self.label is None:
            return
        label = _words(self.label)
        self.features.append(Feature(label, ""))
        message = f"no title stands under {quoted(label)}"
        self.remarks.append(Remark(self.label.line, message))
        self.label = None

    @property
    def standfirst(self) -> str:
        """Return the intro where it is short enough for a standfirst."""
        if len(self.intro) != 1 or self.intro[0].kind != Kind.TEXT:
            return ""
        text = flat(self.intro[0].text)
        return text if len(text) <= STANDFIRST_LIMIT else ""


def _words(chunk: Chunk) -> str:
    return chunk.what.words if isinstance(chunk.what, Marked) else ""


def source(chunk: Chunk) -> str:
    """Return the Markdown of a chunk, where bodies are Markdown."""
    return "\n".join(line.raw.rstrip() for line in chunk.lines).strip("\n")


def joined(*sources: str) -> str:
    """Return several Markdown texts as one."""
    return "\n\n".join(filter(None, sources))
