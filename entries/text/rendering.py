"""Render an editor's Markdown as the sanitised HTML that is stored with an entry.

Strings in, strings out. The parser escapes all text. Its HTML then passes through two
cleaners which share only the allow-lists: bleach, then nh3. Trusted HTML (figures,
cards, lines) is inserted last, at placeholders that no author can guess.
"""

import html
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from html.parser import HTMLParser
from itertools import groupby
from types import MappingProxyType
from typing import Final
from xml.etree import ElementTree as ET

import bleach.sanitizer
import nh3
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, gettext_lazy
from markdown.util import AtomicString

from entries.text import limits, markdown, urls
from entries.text.markdown import (
    BodyError as BodyError,  # re-exported
)
from entries.text.markdown import MediaCard
from entries.text.quotes import Quote

# The allowed tags. The marks that produce them are in `entries.text.markdown`.
INLINE_TAGS: Final = frozenset({"a", "em", "strong", "del", "code"})
TAGS: Final = INLINE_TAGS | (
    {"p", "br", "pre", "blockquote", "h3", "h4", "ul", "ol", "li", "hr"}
    | {"table", "thead", "tbody", "tr", "th", "td"}
)
ATTRIBUTES: Final = {
    "a": {"href", "title"},
    "th": {"align", "scope"},
    "td": {"align"},
}

_BREAKS: Final = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_UNPRINTABLE: Final = re.compile(
    "\\A\ufeff+|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"
    "\ufff9-\ufffc\ud800-\udfff\ufffe\uffff]"
)
# Directional formatting characters: those that stay in effect until they are closed,
# and those that close them.
_BIDI: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_PDF, _PDI = "\u202c", "\u2069"
_INVISIBLE: Final = re.compile(
    r"[\s\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0]*"
)
# Tags that do not end a line of plain text: those above, and those in templates.
_WITHIN_LINE: Final = INLINE_TAGS | {"span", "b", "bdi", "i", "cite", "small", "time"}

_MAX_BOX_NAME_LENGTH: Final = 150  # of a table, read out by screen readers
_HEADER: Final = re.compile("<th(?: [^>]*)?>(.*?)</th>", re.S)

_GAPS: Final = re.compile(r"(\A\s*\n|\n\s*(?:\n|\Z))")
_MARKS: Final = re.compile(r"(?<!\\)(\\*)([`*_\[\]#+.!>|~-])")
_LINE_MARKS: Final = re.compile(
    rf"^ {{0,3}}(?=#{{1,6}}[ \t]+\S|>(?!{markdown.COMPARED})|`{{3}})"
    rf"|^[ \t]*(?={markdown.IMAGE_START})",
    re.M,
)


def tidy(body: str) -> str:
    r"""Normalise line breaks to \n, and remove control characters.

    PostgreSQL and XML feeds reject the characters that are removed. Directional
    formatting is closed at the end of each line, so that it does not affect the rest of
    the page.
    """
    tidied = _UNPRINTABLE.sub("", _BREAKS.sub("\n", body))
    if not _BIDI.search(tidied):
        return tidied
    return "\n".join(map(_closed, tidied.split("\n")))


def _closed(line: str) -> str:
    """Return a line with all its directional formatting closed."""
    closers: list[str] = []
    for mark in _BIDI.findall(line):
        if mark not in (_PDF, _PDI):
            closers.append(_PDI if mark >= "\u2066" else _PDF)
        elif mark == _PDI and _PDI in closers:
            while closers.pop() != _PDI:
                pass
        elif mark == _PDF and closers[-1:] == [_PDF]:
            closers.pop()
    return line + "".join(reversed(closers))


def one_line(text: str) -> str:
    """Normalise the text of a single-line field; return "" if nothing is visible."""
    line = " ".join(tidy(text).replace("\ufeff", "").split())
    return "" if is_blank(line) else line


def is_blank(text: str) -> bool:
    """Return whether a text has no visible characters."""
    return _INVISIBLE.fullmatch(text) is not None


class ParsedBody:
    """A Markdown body, parsed once for its HTML, its cards and the names of its images.

    Raises BodyError if the body is too long or cannot be parsed.
    """

    def __init__(self, source: str) -> None:
        self.source = tidy(source)
        if len(self.source) > limits.MAX_BODY_LENGTH:
            raise BodyError(
                gettext(
                    "This text has %(length)s characters, and %(limit)s is the limit. "
                    "Divide it into several updates."
                )
                % {
                    "length": f"{len(self.source):,}",
                    "limit": f"{limits.MAX_BODY_LENGTH:,}",
                }
            )
        self._parser = markdown.Parser()
        with _refusing():
            self._root = self._parser.blocks(self.source)
            found = [found for _, found in _blocks(self._root)]
            self.cards = [one for one in found if isinstance(one, MediaCard | Quote)]
            names = (one.poster if isinstance(one, MediaCard) else one for one in found)
            named = (name for name in names if isinstance(name, str) and name)
            self.image_names = list(dict.fromkeys(named))

    def render(
        self,
        figures: Mapping[str, str] = MappingProxyType({}),
        lines: Mapping[str, str] = MappingProxyType({}),
        cards: Mapping[MediaCard | Quote, str] = MappingProxyType({}),
    ) -> SafeString:
        """Return the body's sanitised HTML. Call it only once: it changes the tree.

        `figures` maps names of images to the trusted HTML that replaces the line
        `![](image:name)`. An image without a figure is left out. Several in succession
        are wrapped in `<div class="figures">`.
        `lines` maps one-line paragraphs of the source to the trusted HTML that replaces
        them, and `cards` the cards of the body and the captions of its quoted posts.
        Without HTML they are links and quotations.
        """
        token = secrets.token_hex(16)
        with _refusing():
            slots = _arrange(self._root, figures, lines, cards, token)
            _enclose_tables(self._root, token)
            cleaned = _clean(self._parser.html(self._root))
        slot = re.compile(f"<p>{token}([0-9]+)</p>")
        if f"{token}-table" in cleaned:
            first, last = f"<p>{token}-table</p>", f"<p>{token}-end</p>"
            table = re.compile(f"{first}\n?(.*?)\n?{last}", re.S)
            cleaned = table.sub(lambda m: _scrolling(m[1]), cleaned)
        return mark_safe(slot.sub(lambda m: slots[int(m[1])], cleaned))  # noqa: S308


def render(
    body: str,
    figures: Mapping[str, str] = MappingProxyType({}),
    lines: Mapping[str, str] = MappingProxyType({}),
) -> SafeString:
    """Return the sanitised HTML of a Markdown body (see `ParsedBody.render`)."""
    return ParsedBody(body).render(figures, lines)


def image_names(body: str) -> list[str]:
    """Return the names of the images in a body, in order and without duplicates.

    A body that cannot be rendered has none.
    """
    try:
        return ParsedBody(body).image_names
    except BodyError:
        return []


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn any exception of the parser, such as RecursionError, into a BodyError."""
    try:
        yield
    except BodyError:
        raise
    except Exception as error:
        # Lazy: for the editor, though the text is rendered in the story's language.
        raise BodyError(
            gettext_lazy(
                "This text cannot be shown, because its markup is too entangled. "
                "Remove brackets, asterisks, lists or quotes that are not needed."
            )
        ) from error


def _blocks(
    root: ET.Element,
) -> Iterator[tuple[ET.Element, str | MediaCard | Quote | None]]:
    """Yield the top-level blocks, with an image's name, a card or a quoted post."""
    for block in root:
        text = block.text or "" if block.tag == "p" else ""
        if block.tag == "blockquote":
            yield block, markdown.post_of(block)
        elif m := markdown.IMAGE.fullmatch(text):
            yield block, m[1]
        else:
            yield block, markdown.card(text)


def _paragraph(text: str) -> ET.Element:
    paragraph = ET.Element("p")
    paragraph.text = text
    return paragraph


def _arrange(
    root: ET.Element,
    figures: Mapping[str, str],
    lines: Mapping[str, str],
    cards: Mapping[MediaCard | Quote, str],
    token: str,
) -> list[str]:
    """Put placeholders where trusted HTML belongs; return that HTML in their order."""
    wanted = {_line(text): trusted for text, trusted in lines.items()}
    blocks: list[ET.Element] = []
    slots: list[str] = []

    def put(trusted: str) -> None:
        blocks.append(_paragraph(AtomicString(f"{token}{len(slots)}")))
        slots.append(trusted)

    for _, group in groupby(_blocks(root), lambda pair: isinstance(pair[1], str)):
        names = []
        for block, what in group:
            if isinstance(what, str):
                names.append(what)
            elif isinstance(what, MediaCard) and what in cards:
                put(cards[what])
            elif isinstance(what, Quote) and what in cards:
                put('<figure class="quote" dir="auto">')
                blocks.append(markdown.without_last_line(block))
                put(f"{cards[what]}</figure>")
            elif (line := _line(block.text or "")) in wanted and _is_line(block):
                put(wanted[line])
            else:
                if isinstance(what, MediaCard) and what.poster:
                    put(figures.get(what.poster, ""))
                    block.text = (block.text or "").rpartition("\n")[2]
                _label_platform(block)
                blocks.append(block)
        if found := [figures[name] for name in names if name in figures]:
            html = "".join(found)
            put(f'<div class="figures">{html}</div>' if len(found) > 1 else html)
    root[:] = blocks
    return slots


def _line(text: str) -> str:
    return " ".join(unescape_markdown(text).split())


def _is_line(block: ET.Element) -> bool:
    return block.tag == "p" and "\n" not in (block.text or "")


def _label_platform(block: ET.Element) -> None:
    """Replace a post's or video's URL, alone in its paragraph, by a labelled link."""
    url = (block.text or "").strip()
    if urls.without_punctuation(url) != url:  # the end of a sentence
        return
    if _is_line(block) and (label := urls.platform_label(url)):
        block.text = None
        ET.SubElement(block, "a", href=url).text = AtomicString(label)


def _allowed(tag: str, name: str, value: str) -> bool:
    """Return whether an attribute is allowed; `value` has its entities decoded."""
    if name not in ATTRIBUTES.get(tag, ()):
        return False
    if name == "href":
        return urls.is_safe(value)
    allowed = {"align": {"left", "center", "right"}, "scope": {"col", "row"}}
    return value in allowed.get(name, {value})


_NH3: Final = nh3.Cleaner(
    tags=set(TAGS),
    attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
    attribute_filter=lambda tag, name, value: (
        value if name == "rel" or _allowed(tag, name, value) else None
    ),
    url_schemes=set(urls.SCHEMES),
    link_rel="nofollow noopener",
)


def _bleached(markup: str) -> str:
    # A new cleaner for each call, since bleach's is not thread-safe. It passes values
    # with their entities. nh3 passes decoded ones, which must not be decoded again:
    # `?id=1&gtin=5` contains `&gt`.
    cleaner = bleach.sanitizer.Cleaner(
        TAGS,
        lambda tag, name, value: _allowed(tag, name, html.unescape(value)),
        urls.SCHEMES,
    )
    cleaned: str = cleaner.clean(markup)
    return cleaned


def _washed(markup: str) -> str:
    return _NH3.clean(markup).replace("&nbsp;", "\xa0")


def _clean(markup: str) -> str:
    # Both decode entities, which may be line breaks or control characters.
    return tidy(_washed(_bleached(markup)))


def _enclose_tables(root: ET.Element, token: str) -> None:
    """Put placeholders before and after each table."""
    for parent in list(root.iter()):
        if parent.find("table") is not None:
            parent[:] = [part for child in parent for part in _enclosed(child, token)]


def _enclosed(block: ET.Element, token: str) -> list[ET.Element]:
    if block.tag != "table":
        return [block]
    first, last = (AtomicString(f"{token}-{what}") for what in ("table", "end"))
    return [_paragraph(first), block, _paragraph(last)]


def _scrolling(table: str) -> str:
    """Return a table in a box that scrolls sideways, also with the keyboard.

    The headers of its columns name the box.
    """
    head = table.partition("</thead>")[0]
    columns = ", ".join(filter(None, map(plain_text, _HEADER.findall(head))))
    label = gettext("Table")
    if columns:
        label = gettext("Table: %(columns)s") % {
            "columns": columns[:_MAX_BOX_NAME_LENGTH]
        }
    return (
        '<div class="table" role="group" tabindex="0" '
        f'aria-label="{html.escape(label)}">{table}</div>'
    )


class _TextExtractor(HTMLParser):
    """Collect the visible text of HTML, including the numbers of list items."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.counts: list[int | None] = []  # of the open lists; None if bulleted
        self.number = ""
        self.in_pre = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._tag(tag, opens=True)
        if tag in {"ol", "ul"}:
            self.counts.append(0 if tag == "ol" else None)
        elif tag == "li" and self.counts and (count := self.counts[-1]) is not None:
            self.counts[-1] = count + 1
            self.number = f"{count + 1}. "

    def handle_endtag(self, tag: str) -> None:
        self._tag(tag, opens=False)
        if tag in {"ol", "ul"} and self.counts:
            self.counts.pop()

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.parts.append(self.number)
            self.number = ""
        self.parts.append(data if self.in_pre else data.replace("\n", " "))

    def _tag(self, tag: str, *, opens: bool) -> None:
        if tag == "pre":
            self.in_pre = opens
        if tag in {"td", "th"}:
            self.parts.append(" ")
        elif tag not in _WITHIN_LINE:
            self.parts.append("\n")


@lru_cache(maxsize=2000)
def plain_text(markup: str) -> str:
    """Return the visible text of rendered HTML, one line for each block or break.

    Cached, because most updates of a page have not changed since the last request.
    """
    extractor = _TextExtractor()
    extractor.feed(markup)
    extractor.close()
    lines = "".join(extractor.parts).split("\n")
    return "\n".join(filter(None, (re.sub("[ \t]+", " ", s).strip() for s in lines)))


def without_markup(line: str) -> str:
    """Return the visible text of a line of Markdown."""
    if not re.search(r"[*_`~\\]", line):
        return _closed(line)
    # After a word, a mark such as “#” or “1.” begins no block.
    return _closed(plain_text(render(f"x {line.strip()}"))[2:])


def first_words(html: str, words: int) -> str:
    """Return the first words of a text, with “…” if there are more."""
    found = plain_text(html).split()
    begun = " ".join(found[:words])
    return begun if len(found) <= words else f"{_closed(begun.rstrip('.,;:–—'))}…"


def escape_markdown(text: str) -> str:
    """Return a source that `render` renders as exactly this text.

    Only marks that would be parsed get a backslash. URLs still become links, and those
    of videos and posts alone on their lines become cards.
    """
    text = tidy(text)
    # Marks of list items, if there may be a second item.
    items = [r"1(?=\.[ \t])"] if re.search(r"^ {0,3}2\.[ \t]", text, re.M) else []
    if len(re.findall(r"^[ \t]*[-+*][ \t]", text, re.M)) > 1:
        items.append(r"(?=[-+*][ \t])")
    first = re.compile(rf" {{0,3}}(?:{'|'.join(items)})") if items else None
    return "".join(_escape_block(block, first) for block in _GAPS.split(text))


def _escape_block(block: str, first: re.Pattern[str] | None) -> str:
    places = {m.end() for m in _LINE_MARKS.finditer(block)}
    if first and (m := first.match(block)):
        places.add(m.end())
    if markdown.RULE.fullmatch(block.expandtabs(4)):
        places.add(len(block) - len(block.lstrip(" ")))
    rows = [row.expandtabs(4).rstrip(" ") for row in block.split("\n")]
    if markdown.is_table("\n".join(rows)):
        places.add(block.find("|", block.find("\n")))
    # If one of these is escaped, the next may close a span instead.
    chars = _inline_marks(block) | {block[place] for place in places} & set("`~*_")
    places.update(place for place, char in enumerate(block) if char in chars)
    return _MARKS.sub(
        lambda m: m[1] * 2 + ("\\" if m.start(2) in places else "") + m[2], block
    )


def _inline_marks(block: str) -> set[str]:
    """Return the first characters of the inline marks that a block's text contains."""
    masked = urls.BARE_URL.sub(_masked, block)
    chars = set()
    for mark, (opening, closing) in markdown.EDGES.items():
        text = block if mark[0] == "`" else masked
        if (m := opening.search(text)) and closing.search(text, m.end()):
            chars.add(mark[0])
    if any(urls.is_safe(m[2]) for m in markdown.LINK.finditer(block)):
        chars.add("[")
    return chars


def _masked(url: re.Match[str]) -> str:
    """Mask a URL, in which the parser does not look for emphasis."""
    bare = markdown.bare_url(url)
    rest = url[0][len(bare) :]
    return ("\x02" * len(bare) if urls.is_safe(bare) else bare) + rest


def unescape_markdown(source: str) -> str:
    """Return the text of a source that `escape_markdown` made."""
    return markdown.unescape(source)
