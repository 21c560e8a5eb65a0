"""The head of a text: photo, LATEST, FEATURE, and what else is above the entries."""

import re
from dataclasses import dataclass, field
from typing import Final

from entries.exchange import markdown
from entries.exchange.document import NO_TEXT, Body, Item, Kind, Remark, append_link
from entries.exchange.text.headings import (
    TITLE_LIMIT,
    ends_like_sentence,
    may_be_heading,
    title_case,
)
from entries.exchange.text.lines import Block, Mark, MarkedLine, flat, quoted
from entries.exchange.text.paragraphs import Hints, paragraphs
from entries.exchange.text.timestamps import timestamp
from entries.models import Link
from entries.pages.story_data import LinkData

CAPTION_LIMIT: Final = 1000  # characters, as the rows hold them
FEATURE_LIMIT: Final = 300
STANDFIRST_LIMIT: Final = 500
_BULLET: Final = re.compile(r"(?:[•·‣*–—-]|\d{1,2}[.)])\s+(?=\S)")


@dataclass
class Head:
    """The head of a text while it is read; `intro` is text without a mark above it."""

    hints: Hints
    remarks: list[Remark]
    headline: str = ""
    values: dict[Mark, str] = field(default_factory=dict)
    photo: str = ""
    links: list[LinkData] = field(default_factory=list)
    summary: Body = NO_TEXT
    intro: list[Item] = field(default_factory=list)
    marked: bool = False  # whether any mark of the form was found
    feature: Block | None = None  # a FEATURE line that waits for its title
    zone: Mark | None = None  # the mark above the next text

    def add_mark(self, block: Block, marked: MarkedLine) -> None:
        """Take a mark of the head."""
        self.close()
        self.marked, self.zone = True, marked.mark
        if marked.mark == Mark.FEATURE:
            self.feature = block
        elif marked.mark == Mark.HEADLINE:
            if self.headline:  # a first line that only looked like one
                self.intro.insert(0, Item(Kind.TEXT, self.headline, line=1))
            self.headline = marked.rest
        elif marked.mark not in (Mark.PHOTO, Mark.LATEST, Mark.JUMP, Mark.SUMMARY):
            self.values[marked.mark] = marked.rest

    def add_text(self, block: Block, *, first: bool) -> None:
        """Take text; `first` says that nothing is above it in the file."""
        if self.zone == Mark.SUMMARY:
            self.summary = extended(
                self.summary, block, self.hints, self.remarks, self.markdown
            )
        elif not self._take(block):
            self.zone = None
            if first and not self.headline:
                block = self._take_headline(block)
            if block.lines:
                self.intro += paragraphs(block, self.hints, self.remarks)

    @property
    def markdown(self) -> bool:
        """Whether the texts of the file are Markdown."""
        return Mark.MARKUP in self.values

    def _take(self, block: Block) -> bool:
        """Take a block as what the mark above it announces, if it can be that."""
        text = flat(block.text)
        if self.zone == Mark.PHOTO and block.gap == 0:
            self.zone = None
            if len(text) <= CAPTION_LIMIT:
                self.photo = text
            return len(text) <= CAPTION_LIMIT
        if self.zone == Mark.LATEST:
            return self._take_titles(block)
        return self.zone == Mark.FEATURE and self._take_feature(text)

    def _take_titles(self, block: Block) -> bool:
        titles = [_BULLET.sub("", flat(line.text), count=1) for line in block.lines]
        if any(len(one) > TITLE_LIMIT or ends_like_sentence(one) for one in titles):
            return False
        for title in titles:
            append_link(self.links, Link.Kind.LATEST, title)
        return True

    def _take_feature(self, title: str) -> bool:
        if self.feature is None or len(title) > FEATURE_LIMIT:
            return False
        if any(link.kind == Link.Kind.FEATURE for link in self.links):
            message = f"a second feature: {quoted(title)}"
            self.remarks.append(Remark(self.feature.line, message))
        append_link(self.links, Link.Kind.FEATURE, title, _label(self.feature))
        self.feature, self.zone = None, None
        return True

    def _take_headline(self, block: Block) -> Block:
        """Take the first line of a file as its headline, if it looks like one.

        Return the rest of the block.
        """
        line = flat(block.lines[0].text)
        alone = len(block.lines) == 1
        if not may_be_heading(line) or not (alone or title_case(line)):
            return block
        if timestamp(line):  # of an update that has no text
            return block
        self.headline = line
        rest = block.lines[1:]
        return Block(rest[0].number if rest else block.line, 0, None, rest)

    def close(self) -> None:
        """End the head, or its zone; warn about a FEATURE without a title."""
        if self.feature is None:
            return
        label = _label(self.feature)
        append_link(self.links, Link.Kind.FEATURE, "", label)
        message = f"there is no title under {quoted(label)}"
        self.remarks.append(Remark(self.feature.line, message))
        self.feature = None

    @property
    def standfirst(self) -> str:
        """Return the intro if it is short enough for a standfirst."""
        if len(self.intro) != 1 or self.intro[0].kind != Kind.TEXT:
            return ""
        text = flat(self.intro[0].text)
        return text if len(text) <= STANDFIRST_LIMIT else ""


def _label(block: Block) -> str:
    return block.mark.label if isinstance(block.mark, MarkedLine) else ""


def extended(
    body: Body, block: Block, hints: Hints, remarks: list[Remark], is_markdown: bool
) -> Body:
    """Return a body with a block of text added to it."""
    if not is_markdown:
        return Body((*body.items, *paragraphs(block, hints, remarks)), "", body.line)
    added = markdown.body(block.source, hints.names)
    return joined(body, added)


def joined(first: Body, second: Body) -> Body:
    """Return two bodies as one."""
    source = "\n\n".join(filter(None, (first.source, second.source)))
    return Body(first.items + second.items, source, first.line)
