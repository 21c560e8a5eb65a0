r"""The Markdown that editors write: what is read as markup, and what stays text.

Python-Markdown with processors of ours. Only what was very likely meant as markup is
read as such; all else, raw HTML and entities included, comes out as it was typed:
`#Mirest`, `2016. It was…`, `* Not her real name.`, `> 50% of votes`, `5*3*2`, `C:\new`,
`[The crew] may…`, `<b>`, `&amp;`. A list has two items at least, and a quotation more
than figures. Addresses are never decoded: `?a&copy=1` and `?a&amp;b` stay as typed.
Left out for that reason: indented code, underlined headings, reference definitions,
footnotes, and raw HTML. Every mark that is read takes at least one character away, so
text that comes out complete was read as text alone.
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

MAX_NESTING: Final = 8  # lists and quotes inside each other, opened on one line
MAX_INDENT: Final = 16  # spaces: four lists deep
MAX_PIPES: Final = 60  # in one row of a table

LINK: Final = re.compile(
    r"!?\[((?:[^\[\]]|\[[^\[\]]*\])*)\]"
    r"""\(([^\s<>()]+(?:\([^\s<>()]*\)[^\s<>()]*)*)(?: {1,3}("[^"\n]*"|'[^'\n]*'))?\)"""
)
IMAGE_START: Final = r"!\[[^\[\]]*\]\(image:"
IMAGE: Final = re.compile(rf" *{IMAGE_START}([\w.-]+)\) *")
SHRUG: Final = r"¯\_(ツ)_/¯"
ESCAPED: Final = re.compile(r"(?<!\\)(\\+)([`*_\[\]#+.!>|~-])")

_HEADING: Final = re.compile(r"^ {0,3}(#{1,6}) +(\S.*)$", re.M)
RULE: Final = re.compile(r" {0,3}([-*_])(?: *\1){2,} *")
_TABLE_RULE: Final = re.compile(r" {0,3}\|? *:?-+:? *(?:\| *:?-+:? *)*\|?")
_BULLET: Final = re.compile(rf"(?!{RULE.pattern}(?:\n|$)) {{0,3}}(?P<mark>[-+*]) +(.*)")
_INNER_BULLET: Final = re.compile(r" {4,}[-+*] +\S")
_NUMBER: Final = re.compile(r"^ {0,3}(([1-9][0-9]?)\.) +(.*)")
_QUOTE: Final = re.compile(r"(^|\n) {0,3}>(?![0-9=]) ?(.*)")
# What follows a “>” that compares, points or smiles: `> 50%`, `>= 3`, `> $5m`, `>:(`.
COMPARED: Final = (
    r"[> ]*(?![1-9][0-9]?\. )(?:$|[<=:;_]|\.[<_]"
    r"|[.,]*(?:[-+−–±~≈] ?)?(?:[A-Za-z]{0,3}[$€£¥₹₽₺₪₩₴₦¢#№] ?)?[.,]?\d)"
)
_COMPARED: Final = re.compile(COMPARED)
_FENCE: Final = re.compile(r" {0,3}(`{3,})[^`]*")
_GAP: Final = re.compile(r"\n\s*\n")
_OPENED: Final = re.compile(r"(?: *(?:>|[-+*](?= )|[0-9]{1,2}\.(?= )))*")
_ORDINAL: Final = re.compile(f"{STX}([0-9]+){ETX}")

# Control characters are taken out of a body before it comes here, so they can stand
# for things of ours: the number of a fenced block follows, a line break inside one.
_CODE: Final = "\x04"
_CODE_BREAK: Final = "\x05"

# Scripts that are written without spaces or add endings without them: there emphasis
# may begin and end inside what Python calls a word.
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
    """A body that cannot be shown; its text tells the editor what to do."""


# Inside blocks


def _edges(mark: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return patterns of the opening and the closing mark of a span.

    Only at the edges of words, so that 5*3*2, snake_case_word, f**k and the ayin in
    Wa`er stay what they are.
    """
    run, char = re.escape(mark), re.escape(mark[0])
    after = "" if char == "`" else r")\],.;:!?"
    opening = (
        rf"(?<![^\s*_~(\[{{\"'“”‘’«»„‹›¿¡–—\-{_UNSPACED}])(?<!{char})"
        rf"{run}(?![\s{char}{after}])"
    )
    closing = rf"(?<![\s{char}]){run}(?!{char})(?![^\W_{_UNSPACED}])"
    return re.compile(opening), re.compile(closing)


EDGES: Final = {mark: _edges(mark) for mark in _CODE_SPANS | _SPANS}


class _Inline(InlineProcessor):  # type: ignore[misc]
    def resolve(self, text: str) -> str:
        """Return text without the parser's placeholders."""
        return _ORDINAL.sub(lambda code: chr(int(code[1])), self.unescape(text))

    def anchor(self, typed: str, words: str = "") -> ET.Element | None:
        url = self.resolve(typed)
        if not urls.is_safe(url):
            return None
        link = ET.Element("a", href=url)
        link.text = words if words.strip() else AtomicString(url)
        return link


class _Escape(_Inline):
    """A backslash counts only before a mark; of a run of them, each pair is one."""

    def handleMatch(self, m: re.Match[str], data: str) -> Any:  # noqa: N802
        pairs, odd = divmod(len(m[1]), 2)
        text = "\\" * pairs + (m[2] if odd else "")
        kept = "".join(f"{STX}{ord(char)}{ETX}" for char in text)
        return kept, m.start(), m.end() if odd else m.end(1)


class _Shrug(_Inline):
    """A backslash that everybody means."""

    def handleMatch(self, m: re.Match[str], data: str) -> Any:  # noqa: N802
        return "".join(f"{STX}{ord(char)}{ETX}" for char in m[0]), m.start(), m.end()


class _Link(_Inline):
    """`[text](url)`; an image from elsewhere is only linked, never fetched."""

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
        typed = bare_url(m)
        link = self.anchor(typed)
        if link is None:
            return None, None, None
        return link, m.start(), m.start() + len(typed)


def bare_url(m: re.Match[str]) -> str:
    """Return the URL that a match of `urls.BARE_URL` holds, whole within `<…>`."""
    around = m.string[max(0, m.start() - 1) : m.start()], m.string[m.end() :][:1]
    return m[0] if around == ("<", ">") else urls.without_punctuation(m[0])


class _Span(_Inline):
    """Text between two equal marks."""

    def __init__(self, mark: str, tags: str, md: Markdown) -> None:
        opening, self.closing = EDGES[mark]
        super().__init__(opening.pattern, md)
        self.tags = tags.split()

    def handleMatch(self, m: re.Match[str], data: str) -> Any:  # noqa: N802
        close = self.closing.search(data, m.end())
        if close is None:
            # No later opening has a close either; looking for each is quadratic.
            return None, m.start(), len(data)
        outer = inner = ET.Element(self.tags[0])
        for tag in self.tags[1:]:
            inner = ET.SubElement(inner, tag)
        inner.text = data[m.end() : close.start()]
        if inner.tag == "code":
            inner.text = AtomicString(self.resolve(inner.text))
        return outer, m.start(), close.end()


# Blocks


class _Fence(BlockProcessor):  # type: ignore[misc]
    """Put back a fenced block, which no other processor may look into."""

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
        return super().test(parent, block) and not any(map(self._loses, rows[2:]))

    def _loses(self, row: str) -> bool:
        """Say whether a row has text beyond the last column, which would vanish."""
        cells = self._split_row(row.strip(" "))[len(self.separator) :]
        return any(cell.strip() for cell in cells)


def is_table(block: str) -> bool:
    """Say whether the second line rules off a head of columns."""
    rows = block.split("\n", 2)
    return len(rows) > 1 and "|" in rows[1] and bool(_TABLE_RULE.fullmatch(rows[1]))


class _Heading(BlockProcessor):  # type: ignore[misc]
    """Headings begin below those of the page: h3 and h4."""

    def test(self, parent: ET.Element, block: str) -> bool:
        return _HEADING.search(block) is not None

    def run(self, parent: ET.Element, blocks: list[str]) -> None:
        block = blocks.pop(0)
        before, marks, words, after = _HEADING.split(block, 1)
        if before.strip("\n"):
            self.parser.parseBlocks(parent, [before.strip("\n")])
        unmarked = words.rstrip("#")
        heading = ET.SubElement(parent, "h3" if len(marks) < 3 else "h4")
        heading.text = unmarked.strip() if unmarked.endswith(" ") else words
        if after.strip("\n"):
            blocks.insert(0, after.strip("\n"))


class _Rule(BlockProcessor):  # type: ignore[misc]
    def test(self, parent: ET.Element, block: str) -> bool:
        return RULE.fullmatch(block) is not None

    def run(self, parent: ET.Element, blocks: list[str]) -> None:
        blocks.pop(0)
        ET.SubElement(parent, "hr")


class _Numbered(SaneOListProcessor):  # type: ignore[misc]
    """A list is two items at least, numbered 1, 2, 3…: numbers come out as typed.

    So `2016. It was…`, `1. Mai` and `12. The last` stay sentences.
    """

    def __init__(self, parser: BlockParser) -> None:
        super().__init__(parser)
        self.RE = self.CHILD_RE = _NUMBER

    def test(self, parent: ET.Element, block: str) -> bool:
        if not _NUMBER.match(block):
            return False
        found = [_NUMBER.match(line) for line in block.split("\n")]
        numbers = [int(m[2]) for m in found if m]
        first = 1 if numbers[0] == 1 else self._next(parent)
        return numbers == list(range(first, first + len(numbers)))

    def run(self, parent: ET.Element, blocks: list[str]) -> bool | None:
        begins = blocks[0].lstrip().startswith("1.")
        later = next((b for b in blocks[1:] if not b.startswith("    ")), "")
        if begins and not re.search(r"(?:^|\n) {0,3}2\. ", f"{blocks[0]}\n{later}"):
            return False
        self.SIBLING_TAGS = [] if begins else ["ol"]
        super().run(parent, blocks)
        return None

    def _next(self, parent: ET.Element) -> int:
        sibling = self.lastChild(parent)
        return len(sibling) + 1 if sibling is not None and sibling.tag == "ol" else 1


class _Bulleted(SaneUListProcessor):  # type: ignore[misc]
    """A list is two items at least, with one mark; inside a list, one will do.

    So `* Not her real name.`, `- 5 degrees` and `+ 3` stay sentences.
    """

    def __init__(self, parser: BlockParser) -> None:
        super().__init__(parser)
        self.RE = _BULLET
        self.marks: dict[ET.Element, str] = {}  # of the lists made so far

    def test(self, parent: ET.Element, block: str) -> bool:
        return _BULLET.match(block) is not None

    def run(self, parent: ET.Element, blocks: list[str]) -> bool | None:
        mark = _mark(blocks[0])
        sibling = self.lastChild(parent)
        follows = sibling is not None and self.marks.get(sibling) == mark
        if not (follows or parent.tag in {"li", "ul", "ol"} or _has_two(mark, blocks)):
            return False
        self.SIBLING_TAGS = ["ul"] if follows else []
        super().run(parent, blocks)
        if (made := self.lastChild(parent)) is not None and made.tag == "ul":
            self.marks[made] = mark
        return None


def _mark(line: str) -> str:
    """Return the bullet that a line begins with, or an empty text."""
    m = _BULLET.match(line)
    return m["mark"] if m else ""


def _has_two(mark: str, blocks: list[str]) -> bool:
    """Say whether another item follows that of the first line, perhaps inside it."""
    lines = blocks[0].split("\n")[1:]
    if any(_mark(line) == mark or _INNER_BULLET.match(line) for line in lines):
        return True
    later = next((b for b in blocks[1:] if not b.startswith("    ")), "")
    return _mark(later) == mark


class _Quote(BlockQuoteProcessor):  # type: ignore[misc]
    """A quotation needs a line of words: `> 50% of votes` alone compares."""

    RE = _QUOTE

    def test(self, parent: ET.Element, block: str) -> bool:
        quoted = (unescape(m[2]) for m in _QUOTE.finditer(block))
        words = any(not _COMPARED.match(line) for line in quoted)
        return words and super().test(parent, block)


# The whole


def unescape(source: str) -> str:
    """Return a source without the backslashes that make marks plain."""
    return ESCAPED.sub(lambda m: "\\" * (len(m[1]) // 2) + m[2], source)


class Parser(Markdown):  # type: ignore[misc]
    """Read one body: `blocks`, then (perhaps after changes to these) `html`.

    Made anew for each body: it keeps state, and broken state after an error.
    """

    codes: list[str]

    def build_parser(self) -> Markdown:
        """Take the processors of this dialect and no others."""
        self.preprocessors, self.postprocessors = Registry(), Registry()
        self.inlinePatterns, self.treeprocessors = Registry(), Registry()
        self.parser = BlockParser(self)
        # The first that matches a block takes it.
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
        for place, kind in enumerate(kinds):
            self.parser.blockprocessors.register(kind(self.parser), str(place), -place)
        # Each sees what those before it left: no emphasis inside URLs, no
        # URLs inside code.
        inlines = [
            *(_Span(mark, tags, self) for mark, tags in _CODE_SPANS.items()),
            _Shrug(re.escape(SHRUG), self),
            _Escape(ESCAPED.pattern, self),
            _Link(LINK.pattern, self),
            _BareLink(urls.BARE_URL.pattern, self),
            *(_Span(mark, tags, self) for mark, tags in _SPANS.items()),
        ]
        for place, inline in enumerate(inlines):
            self.inlinePatterns.register(inline, str(place), -place)
        self.treeprocessors.register(InlineTreeprocessor(self), "inline", 2)
        self.treeprocessors.register(UnescapeTreeprocessor(self), "unescape", 1)
        return self

    def blocks(self, source: str) -> ET.Element:
        """Return the tree of blocks, the text in them as it was typed.

        Raises BodyError where lists and quotes are nested too deeply.
        """
        prose, self.codes = _lift_code(source)
        root: ET.Element = self.parser.parseDocument([_prepared(prose)]).getroot()
        return root

    def html(self, root: ET.Element) -> str:
        """Return HTML of a tree of blocks, in which all text is escaped."""
        for processor in self.treeprocessors:
            processor.run(root)
        rendered = (ET.tostring(block, "unicode", method="html") for block in root)
        return "\n".join(
            block.replace("\n", "<br>").replace(_CODE_BREAK, "\n") for block in rendered
        )


def _lift_code(source: str) -> tuple[str, list[str]]:
    """Return the source with marks in place of fenced blocks, and these."""
    lines = source.split("\n")
    kept: list[str] = []
    codes: list[str] = []
    unclosed = len(source)  # the shortest fence without an end; none needs two looks
    place = 0
    while place < len(lines):
        m = _FENCE.fullmatch(lines[place])
        if m and len(m[1]) < unclosed:
            if end := _end_of_code(lines, place + 1, m[1]):
                kept += ["", f"{_CODE}{len(codes)}", ""]
                codes.append(_CODE_BREAK.join(lines[place + 1 : end]))
                place = end + 1
                continue
            unclosed = len(m[1])
        kept.append(lines[place])
        place += 1
    return "\n".join(kept), codes


def _end_of_code(lines: list[str], start: int, fence: str) -> int | None:
    for place in range(start, len(lines)):
        line = lines[place].strip(" ")
        if line.startswith(fence) and not line.strip("`"):
            return place
    return None


def _prepared(prose: str) -> str:
    """Return prose as the block parser wants it: no tabs, no blanks in empty lines."""
    lines: list[str] = []
    for typed in _GAP.sub("\n\n", prose).split("\n"):
        line = typed.expandtabs(4).rstrip(" ")
        inner = line.lstrip(" ")
        # No list goes deeper, and text is often pasted with far more before it.
        line = line[: min(len(line) - len(inner), MAX_INDENT)] + inner
        if _depth(line) > MAX_NESTING:
            raise BodyError(
                f"The line “{inner[:40]}” opens more than {MAX_NESTING} lists or "
                "quotes inside each other. Take some of the marks before it away."
            )
        # A picture is a block of its own wherever its line stands.
        lines += ["", line, ""] if IMAGE.fullmatch(line) else [line]
    return "\n".join(lines).strip("\n")


def _depth(line: str) -> int:
    if RULE.fullmatch(line.strip("> ")):
        return line.count(">")
    opened = _OPENED.match(line)
    return len(re.findall(r"[>*+.-]|    ", opened[0])) if opened else 0
