"""Render an editor's Markdown to the clean HTML that is stored and shown everywhere.

The parser escapes all text, and its output passes through two sanitizers that share
nothing but the allow-lists: bleach, then nh3. Trusted HTML, such as figures, is added
last, at placeholders with a random token that no author can guess.
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
from markdown.util import AtomicString

from entries.text import limits, markdown, urls
from entries.text.markdown import (
    BodyError as BodyError,  # part of this module's interface
)

# The tags that a body may have. `markdown` has the marks that make them.
INLINE_TAGS: Final = frozenset({"a", "em", "strong", "del", "code"})
TAGS: Final = INLINE_TAGS | (
    {"p", "br", "pre", "blockquote", "h3", "h4", "ul", "ol", "li", "hr"}
    | {"table", "thead", "tbody", "tr", "th", "td"}
)
ATTRIBUTES: Final = {"a": {"href", "title"}, "th": {"align"}, "td": {"align"}}

_BREAKS: Final = re.compile("\r\n?|[\x0b\x0c\x85]")
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]"
)
# Tags that do not end a line of plain text: those above, and those of our templates.
_WITHIN_LINE: Final = INLINE_TAGS | {"span", "b", "i", "cite", "small", "time"}

_GAPS: Final = re.compile(r"(\A\s*\n|\n\s*(?:\n|\Z))")
_MARKS: Final = re.compile(r"(?<!\\)(\\*)([`*_\[\]#+.!>|~-])")
_LINE_MARKS: Final = re.compile(
    r"^ {0,3}(?=#{1,6}[ \t]+\S|>(?![0-9=])|`{3})"
    rf"|^[ \t]*(?={markdown.IMAGE_START})",
    re.M,
)


def tidy(body: str) -> str:
    r"""Normalize line breaks to \n and remove control characters.

    The result is what is stored: PostgreSQL and XML feeds reject some of the rest.
    """
    return _UNPRINTABLE.sub("", _BREAKS.sub("\n", body))


def one_line(text: str) -> str:
    """Tidy a text and collapse its whitespace, for single-line fields."""
    return " ".join(tidy(text).split())


class ParsedBody:
    """A Markdown body, parsed once for both its image names and its HTML.

    Raises BodyError if the body is too long or cannot be parsed.
    """

    def __init__(self, source: str) -> None:
        self.source = tidy(source)
        if len(self.source) > limits.MAX_BODY_LENGTH:
            raise BodyError(
                f"This text has {len(self.source):,} characters, and "
                f"{limits.MAX_BODY_LENGTH:,} is the limit. Divide it into several "
                "updates."
            )
        self._parser = markdown.Parser()
        with _body_errors():
            self._root = self._parser.blocks(self.source)
            names = (block for block in _blocks(self._root) if isinstance(block, str))
            self.image_names = list(dict.fromkeys(names))

    def render(
        self,
        figures: Mapping[str, str] = MappingProxyType({}),
        lines: Mapping[str, str] = MappingProxyType({}),
    ) -> SafeString:
        """Return the body's clean HTML. Call it only once: it modifies the tree.

        `figures` maps image names to trusted HTML that replaces the lines
        `![](image:name)`; lines of other names are dropped. Several such lines in a
        row are grouped in `<div class="figures">`. `lines` maps the source of one-line
        paragraphs to trusted HTML that replaces them.
        """
        token = secrets.token_hex(16)
        with _body_errors():
            trusted = _insert_placeholders(self._root, figures, lines, token)
            cleaned = _clean(self._parser.html(self._root))
        placeholder = re.compile(f"<p>{token}([0-9]+)</p>")
        html = placeholder.sub(lambda m: trusted[int(m[1])], cleaned)
        return mark_safe(html)  # noqa: S308 - cleaned above


def render(
    body: str,
    figures: Mapping[str, str] = MappingProxyType({}),
    lines: Mapping[str, str] = MappingProxyType({}),
) -> SafeString:
    """Render a Markdown body to clean HTML (see `ParsedBody.render`)."""
    return ParsedBody(body).render(figures, lines)


def image_names(body: str) -> list[str]:
    """Return the names of the images in a body, in order and without duplicates."""
    return ParsedBody(body).image_names


@contextmanager
def _body_errors() -> Iterator[None]:
    """Convert any exception of the parser, such as RecursionError, to a BodyError."""
    try:
        yield
    except BodyError:
        raise
    except Exception as error:
        raise BodyError(
            "This text cannot be shown, because its markup is too entangled. Take away "
            "brackets, asterisks, lists or quotes that are not needed."
        ) from error


def _blocks(root: ET.Element) -> Iterator[ET.Element | str]:
    """Yield the top-level blocks, with image lines replaced by the images' names."""
    for block in root:
        m = markdown.IMAGE.fullmatch(block.text or "") if block.tag == "p" else None
        yield m[1] if m else block


def _paragraph(text: str) -> ET.Element:
    paragraph = ET.Element("p")
    paragraph.text = text
    return paragraph


def _insert_placeholders(
    root: ET.Element, figures: Mapping[str, str], lines: Mapping[str, str], token: str
) -> list[str]:
    """Replace blocks by placeholders, and return the trusted HTML for each of them."""
    html_by_line = {_line(text): html for text, html in lines.items()}
    blocks: list[ET.Element] = []
    trusted: list[str] = []

    def insert(html: str) -> None:
        blocks.append(_paragraph(AtomicString(f"{token}{len(trusted)}")))
        trusted.append(html)

    for _, group in groupby(_blocks(root), type):
        names = []
        for block in group:
            if isinstance(block, str):
                names.append(block)
            elif (line := _line(block.text or "")) in html_by_line and _is_line(block):
                insert(html_by_line[line])
            else:
                _label_platform(block)
                blocks.append(block)
        if found := [figures[name] for name in names if name in figures]:
            html = "".join(found)
            insert(f'<div class="figures">{html}</div>' if len(found) > 1 else html)
    root[:] = blocks
    return trusted


def _line(text: str) -> str:
    return " ".join(unescape_markdown(text).split())


def _is_line(block: ET.Element) -> bool:
    return block.tag == "p" and "\n" not in (block.text or "")


def _label_platform(block: ET.Element) -> None:
    """Link a post or video by its platform's name if a paragraph is only its URL."""
    url = (block.text or "").strip()
    if _is_line(block) and (label := urls.platform_label(url)):
        block.text = None
        ET.SubElement(block, "a", href=url).text = AtomicString(label)


def _allowed(tag: str, name: str, value: str) -> bool:
    """Return whether an attribute is allowed, for both sanitizers."""
    if name not in ATTRIBUTES.get(tag, ()):
        return False
    if name == "href":
        return urls.is_safe(html.unescape(value))
    return name != "align" or value in {"left", "center", "right"}


_NH3: Final = nh3.Cleaner(
    tags=set(TAGS),
    attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
    attribute_filter=lambda tag, name, value: (
        value if name == "rel" or _allowed(tag, name, value) else None
    ),
    url_schemes=set(urls.SCHEMES),
    link_rel="nofollow noopener",
)


def _clean_with_bleach(markup: str) -> str:
    # A new cleaner for each call, because bleach's are not thread-safe.
    cleaner = bleach.sanitizer.Cleaner(TAGS, _allowed, urls.SCHEMES)
    cleaned: str = cleaner.clean(markup)
    return cleaned


def _clean_with_nh3(markup: str) -> str:
    return _NH3.clean(markup).replace("&nbsp;", "\xa0")


def _clean(markup: str) -> str:
    # Both sanitizers resolve entities, which may produce control characters.
    return tidy(_clean_with_nh3(_clean_with_bleach(markup)))


class _TextExtractor(HTMLParser):
    """Collect the visible text of HTML, including the numbers of ordered lists."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.counts: list[int | None] = []  # items of each open list; None if unordered
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
    """Return the visible text of rendered HTML, with a line for each block or `<br>`.

    Cached, because most updates of a page have not changed since it was last rendered.
    """
    extractor = _TextExtractor()
    extractor.feed(markup)
    extractor.close()
    lines = "".join(extractor.parts).split("\n")
    return "\n".join(filter(None, (re.sub("[ \t]+", " ", s).strip() for s in lines)))


def first_words(html: str, count: int) -> str:
    """Return the first words of rendered HTML, with an ellipsis if there are more."""
    words = plain_text(html).split()
    start = " ".join(words[:count])
    return start if len(words) <= count else f"{start.rstrip('.,;:–—')}…"


def escape_markdown(text: str) -> str:
    """Return Markdown that renders as exactly this text.

    Only characters that would count as markup are escaped. URLs still become links.
    """
    text = tidy(text)
    listed = re.search(r"^ {0,3}2\.[ \t]", text, re.M) is not None
    return "".join(_escape_block(block, listed) for block in _GAPS.split(text))


def _escape_block(block: str, listed: bool) -> str:
    """Escape the markup of one block; `listed` if the text has an item `2.`."""
    positions = {m.end() for m in _LINE_MARKS.finditer(block)}
    if m := re.match(r" {0,3}(?=[-+*][ \t])", block):
        positions.add(m.end())
    if listed and (m := re.match(r" {0,3}1(?=\.[ \t])", block)):
        positions.add(m.end())
    if markdown.RULE.fullmatch(block.expandtabs(4)):
        positions.add(len(block) - len(block.lstrip(" ")))
    rows = [row.expandtabs(4).rstrip(" ") for row in block.split("\n")]
    if markdown.is_table("\n".join(rows)):
        positions.add(block.find("|", block.find("\n")))
    # Escaping only one of these characters may make the next one close a span.
    chars = _span_markers(block) | {block[at] for at in positions} & set("`~*_")
    positions.update(at for at, char in enumerate(block) if char in chars)
    return _MARKS.sub(
        lambda m: m[1] * 2 + ("\\" if m.start(2) in positions else "") + m[2], block
    )


def _span_markers(block: str) -> set[str]:
    """Return the first characters of the markers that open a span in a block."""
    without_urls = urls.BARE_URL.sub(_masked, block)
    chars = set()
    for marker, (opening, closing) in markdown.EDGES.items():
        text = block if marker[0] == "`" else without_urls
        if (m := opening.search(text)) and closing.search(text, m.end()):
            chars.add(marker[0])
    if any(urls.is_safe(m[2]) for m in markdown.LINK.finditer(block)):
        chars.add("[")
    return chars


def _masked(url: re.Match[str]) -> str:
    """Mask a URL, inside which the parser does not look for emphasis."""
    bare = urls.without_punctuation(url[0])
    rest = url[0][len(bare) :]
    return ("\x02" * len(bare) if urls.is_safe(bare) else bare) + rest


def unescape_markdown(source: str) -> str:
    """Remove backslash escapes: the reverse of `escape_markdown`."""
    return markdown.ESCAPED.sub(lambda m: "\\" * (len(m[1]) // 2) + m[2], source)
