r"""Parse the Markdown dialect of editors: Python-Markdown with custom processors.

Text counts as markup only if it was very likely meant as such. Everything else is
rendered as typed, raw HTML and entities included: `#Mirest`, `2016. It was…`,
`* Not her real name.`, `> 50% of votes`, `5*3*2`, `C:\new`, `[The crew] may…`, `<b>`,
`&amp;`. A list has at least two items, and a quotation more than figures. Entities in
URLs are not decoded: `?a&copy=1` and `?a&amp;b` stay as typed. For the same reason
there is no indented code, no underlined headings, no reference definitions, no
footnotes and no raw HTML.

Every mark that is parsed removes at least one character. So if the rendered text equals
the source, nothing was parsed as markup.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple
from xml.etree import ElementTree as ET

from django.utils.translation import gettext
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

from entries.text import media, quotes, urls

MAX_NESTING: Final = 8  # lists and quotes inside each other, opened on one line
MAX_INDENT: Final = 16  # spaces: four lists deep
MAX_PIPES: Final = 60  # in one row of a table
MAX_NUMBER_LENGTH: Final = 40  # in a cell of a table

LINK: Final = re.compile(
    r"!?\[((?:[^\[\]]|\[[^\[\]]*\])*)\]"
    r"""\(([^\s<>()]+(?:\([^\s<>()]*\)[^\s<>()]*)*)(?: {1,3}("[^"\n]*"|'[^'\n]*'))?\)"""
)
# The line of an image, or of a recording: both words mean the same.
IMAGE_START: Final = r"!\[[^\[\]]*\]\((?:image|media):"
IMAGE: Final = re.compile(rf" *{IMAGE_START}([\w.-]+)\) *")
SHRUG: Final = r"¯\_(ツ)_/¯"
ESCAPED: Final = re.compile(r"(?<!\\)(\\+)([`*_\[\]#+.!>|~-])")

_BY: Final = " — "  # between title and author of a card
_HEADING: Final = re.compile(r"^ {0,3}(#{1,6}) +(\S.*)$", re.M)
RULE: Final = re.compile(r" {0,3}([-*_])(?: *\1){2,} *")
_TABLE_RULE: Final = re.compile(r" {0,3}\|? *:?-+:? *(?:\| *:?-+:? *)*\|?")
# Cells of tables: `1,234.5`, `+3 %`, `£3.5m`, `**(12)**`; and marks for no number
_NUMERIC: Final = re.compile(
    r"[*_~`\\]*\(?[<>~≈±]? ?[+−–-]? ?[$€£¥₹₽₺₪₩₴₦¢]? ?"
    r"\d(?:[\d.,'’٫٬ \xa0\u2009\u202f]*\d)?"
    r" ?(?:[%‰°٪]|pp|pts?|m|bn|tn|k|km|kg|mm|cm|[hs]|min|[KM])?\)?[*_~`†‡\\]*"
)
_NO_VALUE: Final = re.compile(r"[*_ ]*(?:[-–—−…?.*]{0,3}|n/?a|tb[acd])[*_ ]*", re.I)
_BULLET: Final = re.compile(rf"(?!{RULE.pattern}(?:\n|$)) {{0,3}}(?P<mark>[-+*]) +(.*)")
_INNER_BULLET: Final = re.compile(r" {4,}[-+*] +\S")
_NUMBER: Final = re.compile(r"^ {0,3}(([1-9][0-9]?)\.) +(.*)")
_QUOTE: Final = re.compile(r"(^|\n) {0,3}>(?![0-9=]) ?(.*)")
# Text after a “>” that is no quotation mark but a comparison, an arrow or a smiley:
# `> 50%`, `>= 3`, `> $5m`, `>:(`.
COMPARED: Final = (
    r"[> ]*(?![1-9][0-9]?\. )(?:$|[<=:;_]|\.[<_]"
    r"|[.,]*(?:[-+−–±~≈] ?)?(?:[A-Za-z]{0,3}[$€£¥₹₽₺₪₩₴₦¢#№] ?)?[.,]?\d)"
)
_COMPARED: Final = re.compile(COMPARED)
_FENCE: Final = re.compile(r" {0,3}(`{3,})[^`]*")
_GAP: Final = re.compile(r"\n\s*\n")
_OPENED: Final = re.compile(r"(?: *(?:>|[-+*](?= )|[0-9]{1,2}\.(?= )))*")
_ORDINAL: Final = re.compile(f"{STX}([0-9]+){ETX}")

# Placeholders: control characters, which `tidy` removes from every body.
_CODE: Final = "\x04"  # a fenced block; its number follows
_CODE_BREAK: Final = "\x05"  # a line break inside one

# Scripts that are written without spaces, or attach endings to emphasised words: here
# emphasis may begin and end inside what a regular expression considers a word.
_UNSPACED: Final = (
    "\u0e00-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff"
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
    """A body cannot be rendered; the message tells the editor what to do."""


class MediaCard(NamedTuple):
    """A video, post or the like of another site, alone on its line.

    Title and author are Markdown. `poster` is the name of the image on the line
    directly above.
    """

    media: media.Media
    title: str = ""
    author: str = ""
    poster: str = ""


def card(text: str) -> MediaCard | None:
    """Return the card of a paragraph: `https://…` or `[Title — Author](https://…)`.

    The line of an image may precede it directly.
    """
    above, _, line = text.rpartition("\n")
    poster = IMAGE.fullmatch(above) if above else None
    if above and not poster:
        return None
    line = line.strip(" ")
    if line.startswith("["):
        link = LINK.fullmatch(line)
        if not link or link[3]:
            return None
        words, url = link[1].strip(), link[2]
    else:
        words, url = "", line
    if not words and urls.without_punctuation(url) != url:  # the end of a sentence
        return None
    if "\\" in url or not (found := media.find(url)):
        return None
    title, _, author = words.rpartition(_BY)
    if not title:
        title, author = author, ""
    if urls.is_safe(title):  # the URL as its own text
        title = ""
    return MediaCard(found, title.strip(), author.strip(), poster[1] if poster else "")


# --- Inline marks


def _edges(mark: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return the patterns of a span's opening and closing mark.

    They match only at the edges of words, so that 5*3*2, snake_case_word, f**k and the
    ayin in Wa`er stay plain text.
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
        """Replace the parser's placeholders by the text they stand for."""
        return _ORDINAL.sub(lambda code: chr(int(code[1])), self.unescape(text))

    def anchor(self, typed: str, text: str = "") -> ET.Element | None:
        """Return a link, or None if its URL is not safe."""
        url = self.resolve(typed)
        if not urls.is_safe(url):
            return None
        link = ET.Element("a", href=url)
        link.text = text if text.strip() else AtomicString(url)
        return link


class _Escape(_Inline):
    """A backslash escapes only marks; two of them before a mark are a backslash."""

    def handleMatch(self, m: re.Match[str], data: str) -> Any:  # noqa: N802
        pairs, odd = divmod(len(m[1]), 2)
        text = "\\" * pairs + (m[2] if odd else "")
        kept = "".join(f"{STX}{ord(char)}{ETX}" for char in text)
        return kept, m.start(), m.end() if odd else m.end(1)


class _Shrug(_Inline):
    """The shrug emoticon, in which the backslash is no escape."""

    def handleMatch(self, m: re.Match[str], data: str) -> Any:  # noqa: N802
        return "".join(f"{STX}{ord(char)}{ETX}" for char in m[0]), m.start(), m.end()


class _Link(_Inline):
    """`[text](url)`. An image on another site becomes a link and is not loaded."""

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
    """Return the URL in a match of `urls.BARE_URL`, without trailing punctuation.

    Within `<…>` the whole match is the URL.
    """
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
            # No later opening mark has a closing one either, and searching for each
            # would take quadratic time.
            return None, m.start(), len(data)
        outer = inner = ET.Element(self.tags[0])
        for tag in self.tags[1:]:
            inner = ET.SubElement(inner, tag)
        inner.text = data[m.end() : close.start()]
        if inner.tag == "code":
            inner.text = AtomicString(self.resolve(inner.text))
        return outer, m.start(), close.end()


# --- Blocks


class _Fence(BlockProcessor):  # type: ignore[misc]
    """Restore a fenced block, which was hidden from all other processors."""

    def test(self, parent: ET.Element, block: str) -> bool:
        return block.startswith(_CODE)

    def run(self, parent: ET.Element, blocks: list[str]) -> None:
        code = ET.SubElement(ET.SubElement(parent, "pre"), "code")
        code.text = AtomicString(self.parser.md.codes[int(blocks.pop(0)[1:])])


class _Table(TableProcessor):  # type: ignore[misc]
    """A table whose columns of numbers are aligned, with headers for its columns.

    Its first column has headers of the rows if nothing is above them, or if there are
    names in it and numbers in another.
    """

    def run(self, parent: ET.Element, blocks: list[str]) -> None:
        super().run(parent, blocks)
        head, body = parent[-1]
        columns = list(zip(*body, strict=True))
        numeric = [_is_numeric(_typed(cell) for cell in cells) for cells in columns]
        for cell, cells, rule, numbers in zip(
            head[0], columns, self.separator, numeric, strict=True
        ):
            if numbers and ":" not in rule:
                for each in (cell, *cells):
                    each.set("align", "right")
            if _typed(cell):
                cell.set("scope", "col")
            else:
                cell.tag = "td"
        nameless = head[0][0].tag == "td"
        if (
            all(map(_typed, columns[0]))
            and not numeric[0]
            and (nameless or any(numeric))
        ):
            for cell in columns[0]:
                cell.tag = "th"
                cell.set("scope", "row")

    def test(self, parent: ET.Element, block: str) -> bool:
        if not is_table(block):
            return False
        rows = block.split("\n")
        if max(row.count("|") for row in rows) > MAX_PIPES:
            return False
        return super().test(parent, block) and not any(map(self._loses, rows[2:]))

    def _loses(self, row: str) -> bool:
        """Return whether a row has text beyond the last column, which would be lost."""
        cells = self._split_row(row.strip(" "))[len(self.separator) :]
        return any(cell.strip() for cell in cells)


def _typed(cell: ET.Element) -> str:
    return (cell.text or "").strip()


def _is_numeric(cells: Iterable[str]) -> bool:
    """Return whether a column has numbers, and otherwise only empty cells or dashes."""
    typed = list(cells)
    if max(map(len, typed)) > MAX_NUMBER_LENGTH:  # which also keeps matching fast
        return False
    filled = [cell for cell in typed if not _NO_VALUE.fullmatch(cell)]
    return bool(filled) and all(map(_NUMERIC.fullmatch, filled))


def is_table(block: str) -> bool:
    """Return whether the second line of a block separates a table's header."""
    rows = block.split("\n", 2)
    return len(rows) > 1 and "|" in rows[1] and bool(_TABLE_RULE.fullmatch(rows[1]))


class _Heading(BlockProcessor):  # type: ignore[misc]
    """Headings below those of the page: `#` and `##` are h3, deeper ones h4."""

    def test(self, parent: ET.Element, block: str) -> bool:
        return _HEADING.search(block) is not None

    def run(self, parent: ET.Element, blocks: list[str]) -> None:
        block = blocks.pop(0)
        before, marks, text, after = _HEADING.split(block, 1)
        if before.strip("\n"):
            self.parser.parseBlocks(parent, [before.strip("\n")])
        unmarked = text.rstrip("#")
        heading = ET.SubElement(parent, "h3" if len(marks) < 3 else "h4")
        heading.text = unmarked.strip() if unmarked.endswith(" ") else text
        if after.strip("\n"):
            blocks.insert(0, after.strip("\n"))


class _Rule(BlockProcessor):  # type: ignore[misc]
    def test(self, parent: ET.Element, block: str) -> bool:
        return RULE.fullmatch(block) is not None

    def run(self, parent: ET.Element, blocks: list[str]) -> None:
        blocks.pop(0)
        ET.SubElement(parent, "hr")


class _Numbered(SaneOListProcessor):  # type: ignore[misc]
    """A list of at least two items that are numbered 1, 2, 3…

    Other numbers would be changed by a list. So `2016. It was…`, `1. Mai` and
    `12. The last` stay sentences.
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
    """A list of at least two items with the same bullet; inside a list, of one item.

    So `* Not her real name.`, `- 5 degrees` and `+ 3` stay sentences.
    """

    def __init__(self, parser: BlockParser) -> None:
        super().__init__(parser)
        self.RE = _BULLET
        self.marks: dict[ET.Element, str] = {}  # bullets of the lists so far

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
    """Return the bullet at the start of a line, or ""."""
    m = _BULLET.match(line)
    return m["mark"] if m else ""


def _has_two(mark: str, blocks: list[str]) -> bool:
    """Return whether a second item follows, which may be nested in the first."""
    lines = blocks[0].split("\n")[1:]
    if any(_mark(line) == mark or _INNER_BULLET.match(line) for line in lines):
        return True
    later = next((b for b in blocks[1:] if not b.startswith("    ")), "")
    return _mark(later) == mark


class _Cards(BlockProcessor):  # type: ignore[misc]
    """The line of a card within a paragraph, which becomes a block of its own."""

    def test(self, parent: ET.Element, block: str) -> bool:
        if parent.tag != self.parser.md.doc_tag or "\n" not in block or card(block):
            return False
        return any(map(card, block.split("\n"))) and not _spans_card(block)

    def run(self, parent: ET.Element, blocks: list[str]) -> None:
        parts = [""]
        for line in blocks.pop(0).split("\n"):
            if card(line):
                parts += [line, ""]
            else:
                parts[-1] += f"\n{line}"
        blocks[:0] = filter(None, (part.strip("\n") for part in parts))


def _spans_card(block: str) -> bool:
    """Return whether a card's line is within a span, such as emphasis.

    The span begins above it and ends below: `**Watch`, the card, and `now**`.
    """
    lines = block.split("\n")
    shown = ["\0" * len(line) if card(line) else line for line in lines]
    text = "\n".join(shown)
    return any("\0" in text[start:end] for start, end in _spans_of(text))


def _spans_of(text: str) -> Iterator[tuple[int, int]]:
    """Yield where there are spans of each kind."""
    for opening, closing in EDGES.values():
        place = 0
        while (start := opening.search(text, place)) and (
            end := closing.search(text, start.end())
        ):
            yield start.start(), end.end()
            place = end.end()


class _Quote(BlockQuoteProcessor):  # type: ignore[misc]
    """A quotation with at least one line of text: `> 50% of votes` is a comparison."""

    RE = _QUOTE

    def test(self, parent: ET.Element, block: str) -> bool:
        quoted = (unescape(m[2]) for m in _QUOTE.finditer(block))
        words = any(not _COMPARED.match(line) for line in quoted)
        return words and super().test(parent, block)

    def run(self, parent: ET.Element, blocks: list[str]) -> None:
        """Continue the quotation above, unless one of the two is a quoted post."""
        above = self.lastChild(parent)
        if above is not None and above.tag == "blockquote":
            lines = [m[2] for m in _QUOTE.finditer(blocks[0]) if m[2].strip()]
            if post_of(above) or (lines[1:] and quotes.read_line(unescape(lines[-1]))):
                ET.SubElement(parent, "blockquote")
        super().run(parent, blocks)


def post_of(quotation: ET.Element) -> quotes.Quote | None:
    """Return whose post a quotation is, from its last line; None if it does not say.

    The quotation is a tree of blocks, whose text is not parsed yet.
    """
    last = quotation[-1] if len(quotation) else None
    if last is None or last.tag != "p" or len(last):
        return None
    before, _, line = (last.text or "").rpartition("\n")
    return quotes.read_line(unescape(line)) if before or len(quotation) > 1 else None


def without_last_line(quotation: ET.Element) -> ET.Element:
    """Remove the line that says whose post a quotation is; return the rest."""
    last = quotation[-1]
    before, _, _ = (last.text or "").rpartition("\n")
    if before:
        last.text = before
    else:
        quotation.remove(last)
    return quotation


# --- Parser


def unescape(source: str) -> str:
    """Return a source without the backslashes that escape marks."""
    return ESCAPED.sub(lambda m: "\\" * (len(m[1]) // 2) + m[2], source)


class Parser(Markdown):  # type: ignore[misc]
    """Parse one body: call `blocks`, change the tree if needed, then call `html`.

    A parser has state, which an error leaves broken, so each body needs a new one.
    """

    codes: list[str]

    def build_parser(self) -> Markdown:
        """Register the processors of this dialect, and no others."""
        self.preprocessors, self.postprocessors = Registry(), Registry()
        self.inlinePatterns, self.treeprocessors = Registry(), Registry()
        self.parser = BlockParser(self)
        # The first processor that matches a block handles it.
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
            _Cards,
            ParagraphProcessor,
        ]
        for place, kind in enumerate(kinds):
            self.parser.blockprocessors.register(kind(self.parser), str(place), -place)
        # In this order, since each gets only what the earlier ones left: there is no
        # emphasis inside URLs, and there are no URLs inside code.
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
        """Return the tree of blocks, whose text is not parsed yet.

        Raises BodyError if lists and quotes are nested too deeply.
        """
        prose, self.codes = _lift_code(source)
        root: ET.Element = self.parser.parseDocument([_prepared(prose)]).getroot()
        return root

    def html(self, root: ET.Element) -> str:
        """Return the HTML of a tree of blocks, with all text escaped."""
        for processor in self.treeprocessors:
            processor.run(root)
        rendered = (ET.tostring(block, "unicode", method="html") for block in root)
        return "\n".join(
            block.replace("\n", "<br>").replace(_CODE_BREAK, "\n") for block in rendered
        )


def _lift_code(source: str) -> tuple[str, list[str]]:
    """Replace fenced blocks by placeholders; return the source and the blocks."""
    lines = source.split("\n")
    kept: list[str] = []
    codes: list[str] = []
    unclosed = len(source)  # length of the shortest fence that is not closed
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
    """Prepare text for the block parser: no tabs, no spaces in empty lines."""
    lines: list[str] = []
    for typed in _GAP.sub("\n\n", prose).split("\n"):
        line = typed.expandtabs(4).rstrip(" ")
        inner = line.lstrip(" ")
        # Pasted text is often indented further than any list.
        line = line[: min(len(line) - len(inner), MAX_INDENT)] + inner
        if _depth(line) > MAX_NESTING:
            raise BodyError(
                gettext(
                    "The line “%(line)s” opens more than %(number)s lists or quotes "
                    "inside each other. Take some of the marks before it away."
                )
                % {"line": inner[:40], "number": MAX_NESTING}
            )
        # An image is a block of its own, even without empty lines around it, or one
        # with the card below it.
        if (
            len(lines) > 2
            and not lines[-1]
            and IMAGE.fullmatch(lines[-2])
            and card(line)
        ):
            lines[-1:] = [line, ""]
        else:
            lines += ["", line, ""] if IMAGE.fullmatch(line) else [line]
    return "\n".join(lines).strip("\n")


def _depth(line: str) -> int:
    if RULE.fullmatch(line.strip("> ")):
        return line.count(">")
    opened = _OPENED.match(line)
    return len(re.findall(r"[>*+.-]|    ", opened[0])) if opened else 0
