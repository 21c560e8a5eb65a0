"""Google Docs, downloaded as a web page: logs, or texts in our own form.

Formats are classes of a style sheet there, links lead through Google, and lists inside
lists are beside them.
"""

import re
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Final

from bs4 import BeautifulSoup
from bs4.element import NavigableString, Tag

from entries.exchange.archives.base import (
    ArchiveOptions,
    ArchiveStory,
    Format,
    ReadResult,
    SourceFile,
    What,
    each_file,
)
from entries.exchange.archives.html_tree import HEADINGS, visible_text
from entries.exchange.archives.logs import MIN_STAMPS, Line, read_log, stamp
from entries.exchange.archives.texts import Texts
from entries.exchange.document import Document
from entries.exchange.text.decoding import TextLine
from entries.exchange.text.lines import Mark, MarkedLine, blocks, mark_in_entry
from entries.exchange.text.reader import read_text
from entries.exchange.text.timestamps import Timestamp, timestamp
from entries.text import urls

COMMENT: Final = What("comment in the document", "comments in the document")
SUGGESTION: Final = What("suggested change", "suggested changes")
_SIGNS: Final = re.compile(
    rb"doc-content|themes\.googleusercontent\.com/fonts|\blst-kix_|docs-internal-guid"
    rb"|id=\"cmnt|google\.com/url\?q="
)
_RULE: Final = re.compile(r"\.(c\d+)\s*\{([^{}]*)\}")
_KEPT: Final = re.compile(
    r"(?:font-weight|font-style|text-decoration|text-align)\s*:[^;]*", re.I
)
_LEVEL: Final = re.compile(r"^lst-kix_.*-(\d)$")
_SUGGESTED: Final = re.compile(r"suggest", re.I)
_GROUPS: Final = ["ol", "table", "ul"]
_LINE_START: Final = re.compile(r"(?<=\n)|^")
_BLOCKS: Final = [*_GROUPS, *HEADINGS, "blockquote", "hr", "p", "pre"]


def _recognises(file: SourceFile) -> bool:
    start = file.head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return start == b"<" and _SIGNS.search(file.head) is not None


def _stories(
    files: Sequence[SourceFile], options: ArchiveOptions
) -> Iterator[ReadResult]:
    def read(file: SourceFile) -> Iterator[ReadResult]:
        texts = Texts()
        body = _body(file, texts)
        found = list(_blocks(body))
        if any(_is_ours(block) for block in found):
            yield _own_story(found, file, texts, options)
        else:
            yield read_log(_lines(found), file, texts, options)

    yield from each_file(files, read)


def _body(file: SourceFile, texts: Texts) -> Tag:
    """Return a document's body in ordinary HTML, without what was not part of it."""
    soup = BeautifulSoup(file.text, "html.parser")
    sheets = "".join(style.get_text() for style in soup.find_all("style"))
    styles = {
        name: "; ".join(_KEPT.findall(rules)) for name, rules in _RULE.findall(sheets)
    }
    for element in soup.find_all(class_=True):
        given = [styles.get(name, "") for name in _classes(element)]
        own = str(element.get("style") or "")
        element["style"] = "; ".join(filter(None, [*given, own]))
    _leave_out(soup, texts)
    for number in soup.find_all(id=re.compile(r"^ftnt\d")):
        _move_footnote(soup, number)
    for listed in soup.find_all(["ol", "ul"]):
        _nest(listed)
    name = PurePosixPath(file.name)
    for image in soup.find_all("img", src=True):
        if not re.match(r"[a-z]+:|//", str(image["src"]), re.I):
            folder = name.parent / str(image["src"])
            image["src"] = f"//{urls.slug(name.stem) or 'document'}/{folder}"
    # A published document is inside another page.
    return soup.find(class_="doc-content") or soup.body or soup


def _leave_out(soup: BeautifulSoup, texts: Texts) -> None:
    """Remove comments and suggested changes, which are no part of the text yet."""
    for reference in soup.find_all("a", id=re.compile(r"^cmnt_ref\d")):
        (reference.find_parent("sup") or reference).extract()
    for number in soup.find_all("a", id=re.compile(r"^cmnt\d")):
        comment = number.find_parent("div") or number.find_parent("p")
        if comment is not None and comment.name != "body":
            number.extract()
            texts.leave_out(COMMENT, visible_text(comment))
            comment.extract()
    for change in soup.find_all(_is_suggestion):
        words = visible_text(change)
        texts.leave_out(SUGGESTION, words)
        if change.name == "del" or "delet" in " ".join(_classes(change)):
            change.unwrap()  # not deleted yet
        else:
            change.extract()


def _is_suggestion(element: Tag) -> bool:
    if element.name in {"ins", "del"}:
        return True
    classes = " ".join(_classes(element))
    given = [name for name in element.attrs if _SUGGESTED.search(name)]
    return bool(given or _SUGGESTED.search(f"{classes} {element.get('id') or ''}"))


def _move_footnote(soup: BeautifulSoup, number: Tag) -> None:
    """Move a footnote after the paragraph that refers to it."""
    note = number.find_parent("div") or number.find_parent("p")
    reference = soup.find(id=str(number["id"]).replace("ftnt", "ftnt_ref", 1))
    around = reference.find_parent(_BLOCKS) if isinstance(reference, Tag) else None
    outer = around.find_parent(["ol", "table", "ul"]) if around else None
    if note is not None and around is not None and note.name != "body":
        (outer or around).insert_after(note.extract())


def _classes(element: Tag) -> list[str]:
    return [str(name) for name in element.get_attribute_list("class") if name]


def _level(listed: Tag) -> int | None:
    """Return how deep a list is, by its class."""
    for name in _classes(listed):
        if match := _LEVEL.match(str(name)):
            return int(match[1])
    return None


def _nest(listed: Tag) -> None:
    """Move a list inside another from beside it into its last item."""
    before = listed.find_previous_sibling(True)
    if not (level := _level(listed)) or not isinstance(before, Tag):
        return
    while before.name in {"ol", "ul"} and (
        items := before.find_all("li", recursive=False)
    ):
        around = _level(before)
        if around is None or around >= level:
            before.insert_after(listed.extract())
            return
        inner = items[-1].find_all(["ol", "ul"], recursive=False)
        if not inner:
            items[-1].append(listed.extract())
            return
        before = inner[-1]


def _blocks(parent: Tag) -> Iterator[Tag]:
    """Yield the blocks of a document that have words or pictures, in order."""
    for child in list(parent.children):
        if isinstance(child, Tag) and child.name not in _BLOCKS and child.find(_BLOCKS):
            yield from _blocks(child)
        elif isinstance(child, Tag) and (visible_text(child) or child.find("img")):
            yield child
        elif type(child) is NavigableString and child.strip():
            paragraph = Tag(name="p", builder=None)
            child.wrap(paragraph)
            yield paragraph


def _text(block: Tag) -> str:
    """Return the text of a block, in which line breaks count as one character."""
    return "".join(
        "\n" if isinstance(node, Tag) else str(node)
        for node in block.descendants
        if type(node) is NavigableString
        or (isinstance(node, Tag) and node.name == "br")
    )


def _part(block: Tag, start: int, end: int | None = None) -> Tag:
    """Return a copy of a block with some of its characters."""
    part, at = copy(block), 0
    for node in list(part.descendants):
        if isinstance(node, Tag) and node.name == "br":
            if at < start or (end is not None and at >= end):
                node.extract()
            at += 1
        elif type(node) is NavigableString:
            text = str(node)
            last = None if end is None else max(0, end - at)
            node.replace_with(NavigableString(text[max(0, start - at) : last]))
            at += len(text)
    return part


def _divided(block: Tag) -> Iterator[Tag]:
    """Yield the parts of a block that begin with a time: rows, items or lines."""
    if block.name in _GROUPS:
        rows = list(_rows(block))
        timed = sum(stamp(_text(row)) is not None for row in rows)
        yield from rows if timed >= MIN_STAMPS else [block]
        return
    text = _text(block)
    starts = [m.start() for m in _LINE_START.finditer(text) if stamp(text[m.start() :])]
    places = sorted({0, *starts, len(text)})
    if len(places) <= 2:
        yield block
        return
    for start, end in pairwise(places):
        yield _part(block, start, end)


def _rows(block: Tag) -> Iterator[Tag]:
    """Yield the items of a list, or the rows of a table, as blocks."""
    for row in block.find_all(["li", "tr"]):
        if row.find_parent(_GROUPS) is not block:
            continue
        part = Tag(name="div", builder=None)
        for cell in row.find_all(["td", "th"], recursive=False) or [row]:
            part.extend([*copy(cell).contents, NavigableString(" ")])
        yield part


def _lines(found: Sequence[Tag]) -> Iterator[Line]:
    for block in (part for each in found for part in _divided(each)):
        text = "" if block.name in _GROUPS else _text(block)
        heading = block.name in HEADINGS
        yield Line(text or visible_text(block), partial(_html, block), heading=heading)


def _html(block: Tag, start: int, end: int | None = None) -> str:
    if not start and end is None:
        return str(block)
    part = _part(block, start, end)
    part.name = "p" if part.name != "div" else "div"
    return str(part)


# --- Texts in our own form


def _is_ours(block: Tag) -> bool:
    return _mark(visible_text(block)) is not None


def _mark(text: str) -> Timestamp | MarkedLine | None:
    """Return the mark with which a paragraph begins, also if no text follows."""
    if isinstance(found := timestamp(text), Timestamp):
        return found
    marks = (each.mark for each in blocks([TextLine(1, text)], []) if each.mark)
    return next(marks, None)


def _before_last(text: str, length: int) -> int:
    """Return where the last characters of a text begin; spaces do not count."""
    start = len(text)
    while length and start:
        start -= 1
        length -= not text[start].isspace()
    return start


def _own_story(
    found: Sequence[Tag], file: SourceFile, texts: Texts, options: ArchiveOptions
) -> ArchiveStory:
    """Return the story of a document in our text form: its entries are Markdown."""
    lines: list[str] = []
    in_entries = False
    for block in found:
        text = _text(block).replace("\xa0", " ").strip() or visible_text(block)
        mark = _mark(text)
        begins = isinstance(mark, Timestamp) or (
            mark is not None and mark.mark in (Mark.ORIGINAL, Mark.SUMMARY)
        )
        if begins and not in_entries:
            lines += ["MARKUP: Markdown", ""]
            in_entries = True
        if mark is not None and begins and mark.rest:
            length = len("".join(mark.rest.split()))
            start = _before_last(text, length)
            rest = _part(block, _before_last(_text(block), length))
            lines += [text[:start].rstrip(), "", texts.source(str(rest)), ""]
        elif begins or not in_entries or mark_in_entry(text):
            lines += [text, ""]
        else:
            lines += [texts.source(str(block)), ""]
    numbered = [
        TextLine(number, line)
        for number, line in enumerate("\n".join(lines).split("\n"), 1)
    ]
    document: Document = read_text(numbered, now=options.now, first_day=options.day)
    return ArchiveStory(
        file.digest,
        replace(document, file_name=file.name),
        tuple(texts.left_out),
        tuple(texts.images),
        tuple(texts.warnings),
    )


GOOGLE_DOCS: Final = Format(
    "google-docs", "Google Docs, as a web page (HTML)", _recognises, _stories
)
