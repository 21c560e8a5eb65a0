r"""The Markdown dialect of editors, built from Python-Markdown with our own processors.

Only what was very likely meant as markup is parsed as such. Everything else, including
raw HTML and entities, is output as it was typed: `#Mirest`, `2016. It was…`, `5*3*2`,
`C:\new`, `[The crew] may…`, `<b>`, `&amp;`. That is why there is no indented code, no
underlined headings, reference definitions or footnotes, and no raw HTML. All markup
removes at least one character, so a text that is output in full had no markup.
"""

import re
from collections.abc import Callable
from typing import Any, Final
from xml.etree import ElementTree as ET

from markdown import Markdown
from markdown.blockparser import BlockParser
from markdown.blockprocessors import (
    BlockProcessor,
    BlockQuoteProcessor,
    EmptyBlockProcessor,
    ListIndentProcessor,
    ParagraphProcessor,
)
from markdown.extensions.sane_lists import SaneOListProcessor, SaneUListProcessor
from markdown.extensions.tables import TableProcessor
from markdown.inlinepatterns import InlineProcessor
from markdown.treeprocessors import InlineProcessor as InlineTreeprocessor
from markdown.treeprocessors import UnescapeTreeprocessor
from markdown.util import ETX, STX, AtomicString, Registry

from entries.text import urls

MAX_NESTING: Final = 8  # nested lists and quotes opened by one line
MAX_INDENT: Final = 16  # spaces: four nested lists
MAX_PIPES: Final = 60  # in one row of a table

LINK: Final = re.compile(
    r"!?\[((?:[^\[\]]|\[[^\[\]]*\])*)\]"
    r"""\(([^\s<>()]+(?:\([^\s<>()]*\)[^\s<>()]*)*)(?: {1,3}("[^"\n]*"|'[^'\n]*'))?\)"""
)
IMAGE_START: Final = r"!\[[^\[\]]*\]\(image:"
IMAGE: Final = re.compile(rf" *{IMAGE_START}([\w.-]+)\) *")
ESCAPED: Final = re.compile(r"(?<!\\)(\\+)([`*_\[\]#+.!>|~-])")

_HEADING: Final = re.compile(r"^ {0,3}(#{1,6}) +(\S.*)$", re.M)
RULE: Final = re.compile(r" {0,3}([-*_])(?: *\1){2,} *")
_TABLE_RULE: Final = re.compile(r" {0,3}\|? *:?-+:? *(?:\| *:?-+:? *)*\|?")
_BULLET: Final = re.compile(rf"(?!{RULE.pattern}(?:\n|$)) {{0,3}}[-+*] +(.*)")
_NUMBER: Final = re.compile(r"^ {0,3}(([1-9][0-9]?)\.) +(.*)")
_QUOTE: Final = re.compile(r"(^|\n) {0,3}>(?![0-9=]) ?(.*)")
_FENCE: Final = re.compile(r" {0,3}(`{3,})[^`]*")
_GAP: Final = re.compile(r"\n\s*\n")
_OPENED: Final = re.compile(r"(?: *(?:>|[-+*](?= )|[0-9]{1,2}\.(?= )))*")
_ORDINAL: Final = re.compile(f"{STX}([0-9]+){ETX}")

# Placeholders; bodies contain no control characters, which `rendering.tidy` removes.
_CODE: Final = "\x04"  # followed by the number of a fenced code block
_CODE_BREAK: Final = "\x05"  # a line break inside such a block

# Scripts written without spaces between words, or with suffixes attached: in them,
# emphasis may begin and end inside what Python calls a word.
_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
)
_CODE_SPANS: Final = {"```": "code", "``": "code", "`": "code"}
_SPANS: Final = {
    "***": "strong em",
    "___": "strong em",
    "**": "strong",
    "__": "strong",
    "~~": "del",
    "*": "em",
    "_": "em",
}


class BodyError(ValueError):
    """A body that cannot be rendered; the message tells the editor what to do."""


# ---- inline markup ----------------------------------------------------------------


def _edges(marker: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return the patterns of a span's opening and closing marker.

    They match only at the edges of words, so that 5*3*2, snake_case_word, f**k and the
    ayin in Wa`er remain plain text.
    """
    run, char = re.escape(marker), re.escape(marker[0])
    after = "" if char == "`" else r")\],.;:!?"
    opening = (
        rf"(?<![^\s*_~(\[{{\"'“”‘’«»„‹›¿¡–—\-{_UNSPACED}])(?<!{char})"
        rf"{run}(?![\s{char}{after}])"
    )
    closing = rf"(?<![\s{char}]){run}(?!{char})(?![^\W_{_UNSPACED}])"
    return re.compile(opening), re.compile(closing)


EDGES: Final = {marker: _edges(marker) for marker in _CODE_SPANS | _SPANS}


class _Inline(InlineProcessor):  # type: ignore[misc]
    def resolve(self, text: str) -> str:
        """Replace the parser's placeholders in a text by what they stand for."""
        return _ORDINAL.sub(lambda code: chr(int(code[1])), self.unescape(text))

    def anchor(self, source: str, label: str = "") -> ET.Element | None:
        """Return an `<a>`, or None if the URL is not safe to link."""
        url = self.resolve(source)
        if not urls.is_safe(url):
            return None
        link = ET.Element("a", href=url)
        link.text = label if label.strip() else AtomicString(url)
        return link


class _Escape(_Inline):
    """Backslash escapes, only before markup characters; a pair is one backslash."""

    def handleMatch(self, m: re.Match[str], data: str) -> Any:  # noqa: N802
        pairs, odd = divmod(len(m[1]), 2)
        text = "\\" * pairs + (m[2] if odd else "")
        escaped = "".join(f"{STX}{ord(char)}{ETX}" for char in text)
        return escaped, m.start(), m.end() if odd else m.end(1)


class _Link(_Inline):
    """`[text](url)`, and `![text](url)`: images of other sites become links too."""

    ANCESTOR_EXCLUDES = ("a",)

    def handleMatch(self, m: re.Match[str], data: str) -> Any:  # noqa: N802
        link = self.anchor(m[2], m[1])
        if link is None:
            return None, None, None
        if m[3]:
            link.set("title", self.resolve(m[3][1:-1]))
        return link, m.start(), m.end()


class _BareLink(_Inline):
    ANCESTOR_EXCLUDES = ("a",)

    def handleMatch(self, m: re.Match[str], data: str) -> Any:  # noqa: N802
        url = urls.without_punctuation(m[0])
        link = self.anchor(url)
        if link is None:
            return None, None, None
        return link, m.start(), m.start() + len(url)


class _Span(_Inline):
    """Text between two equal markers, such as `**`."""

    def __init__(self, marker: str, tags: str, md: Markdown) -> None:
        opening, self.closing = EDGES[marker]
        super().__init__(opening.pattern, md)
        self.tags = tags.split()

    def handleMatch(self, m: re.Match[str], data: str) -> Any:  # noqa: N802
        close = self.closing.search(data, m.end())
        if close is None:
            # No later opening marker can be closed either, so skip the rest of the
            # text: searching for each of them would take quadratic time.
            return None, m.start(), len(data)
        outer = inner = ET.Element(self.tags[0])
        for tag in self.tags[1:]:
            inner = ET.SubElement(inner, tag)
        inner.text = data[m.end() : close.start()]
        if inner.tag == "code":
            inner.text = AtomicString(self.resolve(inner.text))
        return outer, m.start(), close.end()


# ---- blocks -----------------------------------------------------------------------


class _Fence(BlockProcessor):  # type: ignore[misc]
    """Replace the placeholder of a fenced code block, which hid it from the others."""

    def test(self, parent: ET.Element, block: str) -> bool:
        return block.startswith(_CODE)

    def run(self, parent: ET.Element, blocks: list[str]) -> None:
        code = ET.SubElement(ET.SubElement(parent, "pre"), "code")
        code.text = AtomicString(self.parser.md.codes[int(blocks.pop(0)[1:])])


class _Table(TableProcessor):  # type: ignore[misc]
    def test(self, parent: ET.Element, block: str) -> bool:
        if not is_table(block):
            return False
        rows = block.split("\n")
        if max(row.count("|") for row in rows) > MAX_PIPES:
            return False
        return super().test(parent, block) and not any(map(self._overflows, rows[2:]))

    def _overflows(self, row: str) -> bool:
        """Return whether a row has text beyond the last column, which would be lost."""
        cells = self._split_row(row.strip(" "))[len(self.separator) :]
        return any(cell.strip() for cell in cells)


def is_table(block: str) -> bool:
    """Return whether the second line of a block is the delimiter row of a table."""
    rows = block.split("\n", 2)
    return len(rows) > 1 and "|" in rows[1] and bool(_TABLE_RULE.fullmatch(rows[1]))


class _Heading(BlockProcessor):  # type: ignore[misc]
    """Headings, as `<h3>` and `<h4>`: the page uses the levels above."""

    def test(self, parent: ET.Element, block: str) -> bool:
        return _HEADING.search(block) is not None

    def run(self, parent: ET.Element, blocks: list[str]) -> None:
        block = blocks.pop(0)
        before, marker, text, after = _HEADING.split(block, 1)
        if before.strip("\n"):
            self.parser.parseBlocks(parent, [before.strip("\n")])
        without_closing = text.rstrip("#")
        heading = ET.SubElement(parent, "h3" if len(marker) < 3 else "h4")
        heading.text = (
            without_closing.strip() if without_closing.endswith(" ") else text
        )
        if after.strip("\n"):
            blocks.insert(0, after.strip("\n"))


class _Rule(BlockProcessor):  # type: ignore[misc]
    def test(self, parent: ET.Element, block: str) -> bool:
        return RULE.fullmatch(block) is not None

    def run(self, parent: ET.Element, blocks: list[str]) -> None:
        blocks.pop(0)
        ET.SubElement(parent, "hr")


class _Numbered(SaneOListProcessor):  # type: ignore[misc]
    """Ordered lists, which need two items or more, numbered 1, 2, 3…

    So `2016. It was…`, `1. Mai` and `12. The last` remain sentences, and no list is
    renumbered.
    """

    def __init__(self, parser: BlockParser) -> None:
        super().__init__(parser)
        self.RE = self.CHILD_RE = _NUMBER

    def test(self, parent: ET.Element, block: str) -> bool:
        if not _NUMBER.match(block):
            return False
        matches = [_NUMBER.match(line) for line in block.split("\n")]
        numbers = [int(m[2]) for m in matches if m]
        first = 1 if numbers[0] == 1 else self._next(parent)
        return numbers == list(range(first, first + len(numbers)))

    def run(self, parent: ET.Element, blocks: list[str]) -> bool | None:
        is_first = blocks[0].lstrip().startswith("1.")
        later = next((b for b in blocks[1:] if not b.startswith("    ")), "")
        if is_first and not re.search(r"(?:^|\n) {0,3}2\. ", f"{blocks[0]}\n{later}"):
            return False
        self.SIBLING_TAGS = [] if is_first else ["ol"]
        super().run(parent, blocks)
        return None

    def _next(self, parent: ET.Element) -> int:
        sibling = self.lastChild(parent)
        return len(sibling) + 1 if sibling is not None and sibling.tag == "ol" else 1


class _Bulleted(SaneUListProcessor):  # type: ignore[misc]
    def __init__(self, parser: BlockParser) -> None:
        super().__init__(parser)
        self.RE = _BULLET


class _Quote(BlockQuoteProcessor):  # type: ignore[misc]
    RE = _QUOTE


# ---- the parser -------------------------------------------------------------------


class Parser(Markdown):  # type: ignore[misc]
    """Parser of one body: call `blocks`, modify the tree if needed, then call `html`.

    Create one for each body: it has state, which an error leaves inconsistent.
    """

    codes: list[str]

    def build_parser(self) -> Markdown:
        """Register the processors of this dialect, instead of Markdown's defaults."""
        self.preprocessors, self.postprocessors = Registry(), Registry()
        self.inlinePatterns, self.treeprocessors = Registry(), Registry()
        self.parser = BlockParser(self)
        # By priority: a block goes to the first processor that matches it.
        kinds: list[Callable[[BlockParser], BlockProcessor]] = [
            EmptyBlockProcessor,
            ListIndentProcessor,
            _Fence,
            lambda parser: _Table(parser, {"use_align_attribute": True}),
            _Heading,
            _Rule,
            _Numbered,
            _Bulleted,
            _Quote,
            ParagraphProcessor,
        ]
        for index, kind in enumerate(kinds):
            self.parser.blockprocessors.register(kind(self.parser), str(index), -index)
        # Each pattern sees only what the ones before it left: so there is no emphasis
        # inside URLs, and there are no URLs inside code.
        inlines = [
            *(_Span(marker, tags, self) for marker, tags in _CODE_SPANS.items()),
            _Escape(ESCAPED.pattern, self),
            _Link(LINK.pattern, self),
            _BareLink(urls.BARE_URL.pattern, self),
            *(_Span(marker, tags, self) for marker, tags in _SPANS.items()),
        ]
        for index, inline in enumerate(inlines):
            self.inlinePatterns.register(inline, str(index), -index)
        self.treeprocessors.register(InlineTreeprocessor(self), "inline", 2)
        self.treeprocessors.register(UnescapeTreeprocessor(self), "unescape", 1)
        return self

    def blocks(self, source: str) -> ET.Element:
        """Parse a body into a tree of blocks, whose text is not parsed yet.

        Raises BodyError if lists and quotes are nested too deeply.
        """
        prose, self.codes = _extract_code(source)
        root: ET.Element = self.parser.parseDocument([_normalized(prose)]).getroot()
        return root

    def html(self, root: ET.Element) -> str:
        """Parse the text in a tree of blocks, and return HTML with all text escaped."""
        for processor in self.treeprocessors:
            processor.run(root)
        rendered = (ET.tostring(block, "unicode", method="html") for block in root)
        return "\n".join(
            block.replace("\n", "<br>").replace(_CODE_BREAK, "\n") for block in rendered
        )


def _extract_code(source: str) -> tuple[str, list[str]]:
    """Replace fenced code blocks by placeholders; return the rest and the blocks."""
    lines = source.split("\n")
    prose: list[str] = []
    codes: list[str] = []
    # The shortest fence found to be unclosed. Later ones of its length or more cannot
    # be closed either; searching for the end of each would take quadratic time.
    unclosed = len(source)
    index = 0
    while index < len(lines):
        m = _FENCE.fullmatch(lines[index])
        if m and len(m[1]) < unclosed:
            if end := _end_of_code(lines, index + 1, m[1]):
                prose += ["", f"{_CODE}{len(codes)}", ""]
                codes.append(_CODE_BREAK.join(lines[index + 1 : end]))
                index = end + 1
                continue
            unclosed = len(m[1])
        prose.append(lines[index])
        index += 1
    return "\n".join(prose), codes


def _end_of_code(lines: list[str], start: int, fence: str) -> int | None:
    for index in range(start, len(lines)):
        line = lines[index].strip(" ")
        if line.startswith(fence) and not line.strip("`"):
            return index
    return None


def _normalized(prose: str) -> str:
    """Normalize whitespace for the block parser, and isolate image lines.

    Raises BodyError if lists and quotes are nested too deeply.
    """
    lines: list[str] = []
    for source in _GAP.sub("\n\n", prose).split("\n"):
        line = source.expandtabs(4).rstrip(" ")
        inner = line.lstrip(" ")
        # Pasted text often has far more indentation than any list needs.
        line = line[: min(len(line) - len(inner), MAX_INDENT)] + inner
        if _depth(line) > MAX_NESTING:
            raise BodyError(
                f"The line “{inner[:40]}” opens more than {MAX_NESTING} lists or "
                "quotes inside each other. Take some of the marks before it away."
            )
        # An image is a block of its own, even on a line inside a paragraph.
        lines += ["", line, ""] if IMAGE.fullmatch(line) else [line]
    return "\n".join(lines).strip("\n")


def _depth(line: str) -> int:
    if RULE.fullmatch(line.strip("> ")):
        return line.count(">")
    opened = _OPENED.match(line)
    return len(re.findall(r"[>*+.-]|    ", opened[0])) if opened else 0
