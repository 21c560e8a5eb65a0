"""Parse the head of a text: photo, LATEST, FEATURE and all else above the entries."""

import re
from dataclasses import dataclass, field
from typing import Final

from entries.exchange import markdown
from entries.exchange.document import NO_TEXT, Body, Item, Kind, Remark, append_link
from entries.exchange.text.headings import (
    MAX_TITLE_LENGTH,
    ends_like_sentence,
    may_be_heading,
    title_case,
)
from entries.exchange.text.lines import Block, Mark, MarkedLine, flat, quoted
from entries.exchange.text.paragraphs import Hints, paragraphs
from entries.models import Image, Link, Story
from entries.models.fields import max_length
from entries.pages.story_data import LinkData

MAX_CAPTION_LENGTH: Final = max_length(Image, "caption")
MAX_FEATURE_LENGTH: Final = max_length(Link, "title")
MAX_STANDFIRST_LENGTH: Final = max_length(Story, "standfirst")
_BULLET: Final = re.compile(r"(?:[•·‣*–—-]|\d{1,2}[.)])\s+(?=\S)")


@dataclass
class Head:
    """The head of a text while it is parsed; `intro` is text without a mark."""

    hints: Hints
    remarks: list[Remark]
    headline: str = ""
    values: dict[Mark, str] = field(default_factory=dict)
    photo: str = ""
    links: list[LinkData] = field(default_factory=list)
    summary: Body = NO_TEXT
    intro: list[Item] = field(default_factory=list)
    marked: bool = False  # whether any mark of the format was found
    feature: Block | None = None  # a FEATURE line whose title has not come yet
    zone: Mark | None = None  # the mark above the next text

    def add_mark(self, block: Block, marked: MarkedLine) -> None:
        """Add a line with a mark."""
        self.close()
        self.marked, self.zone = True, marked.mark
        if marked.mark == Mark.FEATURE:
            self.feature = block
        elif marked.mark == Mark.HEADLINE:
            if self.headline:  # the first line only looked like the headline
                self.intro.insert(0, Item(Kind.TEXT, self.headline, line=1))
            self.headline = marked.rest
        elif marked.mark not in (Mark.PHOTO, Mark.LATEST, Mark.JUMP, Mark.SUMMARY):
            self.values[marked.mark] = marked.rest

    def add_text(self, block: Block, *, first: bool) -> None:
        """Add a block of text; `first` is whether it begins the file."""
        if self.zone == Mark.SUMMARY:
            self.summary = append_block(
                self.summary, block, self.hints, self.remarks, self.markdown
            )
        elif not self._use(block):
            self.zone = None
            if first and not self.headline:
                block = self._use_headline(block)
            if block.lines:
                self.intro += paragraphs(block, self.hints, self.remarks)

    @property
    def markdown(self) -> bool:
        """Whether the file is in Markdown."""
        return Mark.MARKUP in self.values

    def _use(self, block: Block) -> bool:
        """Use a block as what the mark above it introduces, if possible."""
        text = flat(block.text)
        if self.zone == Mark.PHOTO and block.gap == 0:
            self.zone = None
            if len(text) <= MAX_CAPTION_LENGTH:
                self.photo = text
            return len(text) <= MAX_CAPTION_LENGTH
        if self.zone == Mark.LATEST:
            return self._use_titles(block)
        return self.zone == Mark.FEATURE and self._use_feature(text)

    def _use_titles(self, block: Block) -> bool:
        titles = [_BULLET.sub("", flat(line.text), count=1) for line in block.lines]
        if any(
            len(one) > MAX_TITLE_LENGTH or ends_like_sentence(one) for one in titles
        ):
            return False
        for title in titles:
            append_link(self.links, Link.Kind.LATEST, title)
        return True

    def _use_feature(self, title: str) -> bool:
        if self.feature is None or len(title) > MAX_FEATURE_LENGTH:
            return False
        if any(link.kind == Link.Kind.FEATURE for link in self.links):
            message = f"a second feature: {quoted(title)}"
            self.remarks.append(Remark(self.feature.line, message))
        append_link(self.links, Link.Kind.FEATURE, title, _label(self.feature))
        self.feature, self.zone = None, None
        return True

    def _use_headline(self, block: Block) -> Block:
        """Use the first line of a file as its headline, if it looks like one.

        Return the rest of the block.
        """
        line = flat(block.lines[0].text)
        alone, in_title_case = len(block.lines) == 1, title_case(line)
        looks_like_one = may_be_heading(line, set_apart=alone and in_title_case)
        if len(line) > MAX_TITLE_LENGTH or not looks_like_one:
            return block
        if not (alone or in_title_case):
            return block
        self.headline = line
        rest = block.lines[1:]
        return Block(rest[0].number if rest else block.line, 0, None, rest)

    def close(self) -> None:
        """End the zone of the last mark, and warn if a FEATURE line has no title."""
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
        return text if len(text) <= MAX_STANDFIRST_LENGTH else ""


def _label(block: Block) -> str:
    return block.mark.label if isinstance(block.mark, MarkedLine) else ""


def append_block(
    body: Body, block: Block, hints: Hints, remarks: list[Remark], is_markdown: bool
) -> Body:
    """Return a body with a block of text appended."""
    if not is_markdown:
        return Body((*body.items, *paragraphs(block, hints, remarks)), "", body.line)
    added = markdown.body(block.source, hints.names)
    return join_bodies(body, added)


def join_bodies(first: Body, second: Body) -> Body:
    """Concatenate two bodies."""
    source = "\n\n".join(filter(None, (first.source, second.source)))
    return Body(first.items + second.items, source, first.line)
