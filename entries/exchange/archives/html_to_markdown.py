"""Convert the HTML of other systems to the Markdown of entries.

`_prepare` reduces a tree to what has a place here, and markdownify walks it. The marks
that our converter returns are between control characters, so that they can be told from
text until a block is complete: only then is it known which of its characters need a
backslash, and which emphasis `entries.text.markdown` can read (see `_finished`).
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final
from urllib.parse import parse_qs, urljoin, urlsplit

from bs4 import BeautifulSoup
from bs4.element import CData, NavigableString, PreformattedString, Tag
from markdownify import MarkdownConverter

from entries.exchange.archives.base import FORM, SCRIPT, LeftOut, Picture, What
from entries.exchange.text.references import IMAGE_SUFFIX
from entries.models import Image
from entries.models.fields import max_length
from entries.text import markdown, rendering, urls

STYLE: Final = What("style sheet", "style sheets")
HIDDEN: Final = What("hidden text", "hidden texts")
TRACKER: Final = What("tracking pixel", "tracking pixels")
DRAWING: Final = What("drawing (SVG)", "drawings (SVG)")
FALLBACK: Final = What(
    "text for browsers without a player", "texts for browsers without a player"
)
INNER_PAGE: Final = What("page within the page", "pages within the page")
INLINE_PICTURE: Final = What("picture without a file", "pictures without a file")
DEAD_LINK: Final = What("link that cannot be kept", "links that cannot be kept")

MAX_DEPTH: Final = 100  # of elements; deeper ones are replaced by their contents
_MAX_LISTS: Final = 3  # inside each other
_MAX_QUOTES: Final = 3
_MAX_COLUMNS: Final = markdown.MAX_PIPES - 1
_MAX_ROWSPAN: Final = 500

_HEADINGS: Final = {"h1", "h2", "h3", "h4", "h5", "h6"}
_CONTAINERS: Final = (
    "address article aside body center dd details dialog div dl dt fieldset figcaption "
    "figure footer form header hgroup html legend main nav noscript option section "
    "summary tbody template tfoot thead"
).split()
_BLOCKS: Final = {*_CONTAINERS, *_HEADINGS} | set(
    "blockquote hr li ol p pre table td th tr ul".split()
)
# Elements in which a picture or an embed cannot stand. It comes after the outermost one.
_HOLDERS: Final = _HEADINGS | {"blockquote", "dl", "ol", "pre", "table", "ul"}
_CONTROLS: Final = ["button", "datalist", "input", "select", "textarea"]
_PLAYERS: Final = ["video", "audio", "object", "embed", "applet"]
# Posts as social networks give them out for other pages.
_POSTS: Final = re.compile(
    r"\b(?:twitter-(?:tweet|video)|instagram-media|tiktok-embed|bluesky-embed|fb-(?:post"
    r"|video)|mastodon-embed|reddit-(?:embed-bq|card)|text-post-media|imgur-embed-pub)\b"
)
_POST_URLS: Final = (
    "data-instgrm-permalink",
    "data-text-post-permalink",
    "data-embed-url",
    "data-href",
    "cite",
)
_SOURCES: Final = (
    "src",
    "data-src",
    "data-lazy-src",
    "data-original",
    "data-orig-file",
)
_CREDIT: Final = re.compile(r"credit|copyright|photographer|attribution|byline", re.I)
_EMOJI: Final = re.compile(r"\b(?:emoji|wp-smiley)\b")
_SHORTCODE: Final = re.compile(
    r"\[(embed|youtube|vimeo|video|audio|tweet|twitter|instagram|facebook|tiktok"
    r"|soundcloud|spotify)(?=[\s=\]])([^\[\]]*)\](?:\s*([^\[\]\s]*)\s*\[/\1\])?"
)
_SHORTCODE_URL: Final = re.compile(r"""https?://[^\s"'<>\[\]]+""")
_INVISIBLE: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_BOLD: Final = re.compile(r"font-weight\s*:\s*(bold|[6-9]00)", re.I)
_NOT_BOLD: Final = re.compile(r"font-weight\s*:\s*(normal|lighter|[1-5]00)", re.I)
_ITALIC: Final = re.compile(r"font-style\s*:\s*(italic|oblique)", re.I)
_STRUCK: Final = re.compile(r"text-decoration[\w-]*\s*:[^;]*line-through", re.I)
_ALIGN: Final = re.compile(r"(?:text-align(?:\s*:\s*|-)|^)(left|center|right)\b", re.I)
_SUPERSCRIPTS: Final = str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻")
_SUBSCRIPTS: Final = str.maketrans("0123456789+-", "₀₁₂₃₄₅₆₇₈₉₊₋")

# Control characters, which no text contains: marks, the starts and ends of spans, the
# ends of cells and rows, and line breaks inside marks.
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MARK, _END = "\x01", "\x02"
_ON, _OFF = "\x03", "\x04"
_CELL, _ROW = "\x05", "\x06"
_CODE, _CODE_END = "\x07", "\x08"
_BREAK: Final = "\x0b"
_CELL_END: Final = re.compile(f"([^{_CELL}]*){_CELL}([ht])(\\d+),(\\d+),(\\w*);")
_TOKEN: Final = re.compile(
    f"({_MARK}[^{_END}]*{_END}|[{_ON}{_OFF}][bis]|{_CODE}[^{_CODE_END}]*{_CODE_END})"
)
_STRUCTURE: Final = re.compile(rf"{_MARK}(?!\[|\]\(|\\)")  # no mark within a line
_PREFIX: Final = re.compile(f"(?:{_MARK}(?!\\[|\\]\\(|\\\\|http)[^{_END}]*{_END})*")
_LIST_LINE: Final = re.compile(f"{_MARK}(?:- |[0-9]+\\. |    ){_END}")
_LISTED: Final = re.compile(f"(?:{_MARK}[> ]+{_END})*{_MARK}?(?:[-+*]|[0-9]+\\.) ")
_TOGGLE: Final = re.compile(f"[{_ON}{_OFF}][bis]")
_JOINED: Final = re.compile(f"{_OFF}([bis]){_ON}\\1")
_SPANS: Final = {"b": "**", "i": "*", "s": "~~"}
_SPECIAL: Final = re.compile(r"\\+|\*+|_+|~{2,}|`+|[\[\]!]")
_MARKS: Final = frozenset("`*_[]#+.!>|~-")
_LINE_START: Final = re.compile(rf"#{{1,6}} +\S|>(?!{markdown.COMPARED})|`{{3}}")
_QUOTED: Final = re.compile(rf">(?![0-9=]) ?(?!{markdown.COMPARED})")
_ITEM_START: Final = re.compile(r"([-+*](?= )|[0-9]{1,2}(?=\. ))")


@dataclass(frozen=True)
class Converted:
    """Markdown, the pictures that it names, and what of the HTML has no place in it."""

    markdown: str
    pictures: tuple[Picture, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def to_markdown(
    html: str, base_url: str = "", *, line_breaks: bool = False
) -> Converted:
    """Convert HTML, whose relative URLs are resolved against `base_url`.

    With `line_breaks`, line breaks of the source count, as they do in WordPress: two of
    them begin a paragraph. Nothing is raised for bad HTML.
    """
    text = _SHORTCODE.sub(_short_code, rendering.tidy(html))
    # With a line break, since Beautiful Soup warns if it is given only a URL.
    soup = BeautifulSoup(f"{text}\n", "html.parser")
    left_out = list(_prepare(soup, line_breaks=line_breaks))
    converter = _Converter(base_url)
    source = _finished(converter.convert_soup(soup))
    return Converted(
        source,
        tuple(converter.pictures.values()),
        (*left_out, *converter.left_out),
    )


def visible_text(element: Tag | NavigableString) -> str:
    """Return the text of an element, on one line."""
    return rendering.one_line(element.get_text(" "))


def safe_address(typed: str, base_url: str = "") -> str:
    """Return a link's URL as typed, but absolute; "" if it cannot be linked.

    Google's redirects are replaced by their targets. Characters that would end a URL in
    Markdown are percent-encoded.
    """
    url = re.sub(r"[\t\n\r]", "", typed.strip())
    try:
        if not re.match(r"[a-z][a-z0-9+.-]*:", url, re.I):
            url = urljoin(base_url, url) if base_url else _with_scheme(url)
        url = _redirected(url)
    except ValueError:
        return ""
    url = re.sub(r'[\s<>"\\`|]', lambda m: f"%{ord(m[0]):02X}", url)
    if not re.fullmatch(r"[^()]*(?:\([^()]*\)[^()]*)*", url) or url.endswith("("):
        url = url.replace("(", "%28").replace(")", "%29")
    return url if urls.is_safe(url) else ""


def _with_scheme(url: str) -> str:
    return f"https:{url}" if url.startswith("//") else url


def _redirected(url: str) -> str:
    """Return the target of a link that Google Docs or a Google search wrote."""
    if "google." not in url[:40]:
        return url
    parts = urlsplit(url)
    host = (parts.hostname or "").removeprefix("www.")
    if parts.path != "/url" or not re.fullmatch(r"google(\.\w{2,3}){1,2}", host):
        return url
    query = parse_qs(parts.query)
    return next((query[name][0] for name in ("q", "url") if name in query), url)


def _short_code(match: re.Match[str]) -> str:
    """Replace an embed of WordPress by its address, on a line of its own."""
    found = _SHORTCODE_URL.search(f"{match[2]} {match[3] or ''}")
    return f"<p>{found[0]}</p>" if found else match[0]


# --- Preparing the tree


def _prepare(soup: BeautifulSoup, *, line_breaks: bool) -> Iterator[LeftOut]:
    """Remove what has no place here, and give the rest the forms that are converted."""
    for node in soup.find_all(string=lambda s: isinstance(s, PreformattedString)):
        if isinstance(node, CData):
            node.replace_with(NavigableString(str(node)))
        else:
            node.extract()
    _flatten(soup)
    _end_elements(soup)
    yield from _remove_unseen(soup)
    yield from _replace_embeds(soup)
    for figure in soup.find_all("figure"):
        yield from _describe_picture(figure)
    for table in soup.find_all("table"):
        _prepare_table(table)
    for cell in soup.find_all(["td", "th", "tr"]):
        if cell.find_parent("table") is None:
            cell.name = "div"
    for element in soup.find_all(style=True):
        _apply_style(element)
    if line_breaks:
        _break_lines(soup)


# By element, those that it ends if its end tag was left out, and those that keep it.
_ENDED: Final = {
    "li": ({"li"}, {"ol", "ul"}),
    "dt": ({"dt", "dd"}, {"dl"}),
    "dd": ({"dt", "dd"}, {"dl"}),
    "td": ({"td", "th"}, {"tr", "table"}),
    "th": ({"td", "th"}, {"tr", "table"}),
    "tr": ({"tr"}, {"table"}),
    "tbody": ({"thead", "tbody", "tfoot"}, {"table"}),
    "tfoot": ({"thead", "tbody", "tfoot"}, {"table"}),
}


def _end_elements(soup: BeautifulSoup) -> None:
    """End items and cells where the next begins, as browsers do."""
    moved: dict[int, Tag] = {}  # by the id of an element, what was moved after it
    for element in soup.find_all(list(_ENDED)):
        ended, keeping = _ENDED[element.name]
        around = element.find_parent(list(ended | keeping))
        if around is not None and around.name in ended:
            first = last = around
            while id(last) in moved:
                last = moved[id(last)]
            moved[id(first)] = element.extract()
            last.insert_after(element)


def _flatten(soup: BeautifulSoup) -> None:
    """Replace elements deeper than any page has them by their contents."""
    deep = []
    pending: list[tuple[Tag, int]] = [(soup, 0)]
    while pending:
        element, depth = pending.pop()
        if depth > MAX_DEPTH:
            deep.append(element)
        pending += [(c, depth + 1) for c in element.children if isinstance(c, Tag)]
    for element in deep:
        if element.name not in {"script", "style", "img", "iframe"}:
            element.unwrap()


def _remove_unseen(soup: BeautifulSoup) -> Iterator[LeftOut]:
    for script in soup.find_all("script"):
        yield LeftOut(SCRIPT, str(script.get("src") or ""))
        script.extract()
    for element in soup.find_all(["style", "head", "title", "meta", "link", "base"]):
        if element.name == "style":
            yield LeftOut(STYLE)
        element.extract()
    everything = len(soup.get_text())
    for form in soup.find_all("form"):
        # Some systems wrap a whole page in a form.
        if (
            len(form.get_text()) * 2 <= everything
            or form.find(["p", "article"]) is None
        ):
            yield LeftOut(FORM, visible_text(form))
            form.extract()
    for control in soup.find_all(_CONTROLS):
        if words := visible_text(control):
            yield LeftOut(FORM, words)
        control.extract()
    for drawing in soup.find_all("svg"):
        yield LeftOut(DRAWING, visible_text(drawing))
        drawing.extract()
    for element in soup.find_all(_is_hidden):
        if element.name in {"img", "iframe"}:
            yield LeftOut(TRACKER, _source(element))
        elif words := visible_text(element):
            yield LeftOut(HIDDEN, words)
        element.extract()


def _is_hidden(element: Tag) -> bool:
    style = str(element.get("style") or "")
    if element.has_attr("hidden") or _INVISIBLE.search(style):
        return True
    if element.name not in {"img", "iframe"}:
        return False
    sizes = [
        str(element.get(name) or "").removesuffix("px") for name in ("width", "height")
    ]
    return all(size in {"0", "1"} for size in sizes)


def _replace_embeds(soup: BeautifulSoup) -> Iterator[LeftOut]:
    for post in soup.find_all(class_=_POSTS):
        _replace_post(soup, post)
    for frame in soup.find_all(["iframe", "frame", *_PLAYERS]):
        if frame.name == "iframe" and frame.get("srcdoc"):
            inner = BeautifulSoup(str(frame["srcdoc"]), "html.parser")
            yield LeftOut(INNER_PAGE, visible_text(inner))
        address = _source(frame) or str(frame.get("data") or "")
        for source in frame.find_all("source"):
            address = address or _source(source)
        if words := visible_text(frame):
            yield LeftOut(FALLBACK, words)
        frame.replace_with(_address_line(soup, address))


def _replace_post(soup: BeautifulSoup, post: Tag) -> None:
    """Put the address of a post after its words."""
    address = next((str(post[name]) for name in _POST_URLS if post.get(name)), "")
    anchors = post.find_all("a", href=True)
    if not address and anchors:
        address = str(anchors[-1]["href"])
    address = address.partition("?")[0] if "facebook." not in address else address
    for anchor in anchors:
        if str(anchor["href"]).partition("?")[0] == address:
            anchor.unwrap()
    post.insert_after(_address_line(soup, address))


def _address_line(soup: BeautifulSoup, address: str) -> Tag:
    return soup.new_tag("address-line", attrs={"data-url": address})


def _source(element: Tag) -> str:
    """Return the URL of a picture or a frame, also of one that loads late."""
    found = [str(element[name]).strip() for name in _SOURCES if element.get(name)]
    if element.get("srcset") and element.name == "img":
        found.append(_largest(str(element["srcset"])))
    usable = (
        url for url in found if not re.match("data:|about:|javascript:", url, re.I)
    )
    return next(usable, "")


def _largest(srcset: str) -> str:
    """Return the URL of the largest picture in a `srcset`."""
    candidates = [part.split() for part in re.split(r",\s+", srcset) if part.strip()]
    sized = [
        (float((c[1:] or ["0"])[0][:-1] or 0), c[0])
        for c in candidates
        if re.fullmatch(r"[\d.]+[wx]", (c[1:] or ["1x"])[0])
    ]
    return max(sized)[1].rstrip(",") if sized else ""


def _describe_picture(figure: Tag) -> Iterator[LeftOut]:
    """Move the caption and the credit of a figure to its picture, if it has just one."""
    pictures = figure.find_all("img")
    caption = figure.find("figcaption")
    if len(pictures) != 1 or caption is None or pictures[0].get("data-our-caption"):
        return
    credits = [
        each
        for each in caption.find_all(class_=_CREDIT)
        if each.find(class_=_CREDIT) is None
    ]
    words = [visible_text(each) for each in credits]
    lost = [str(a["href"]) for a in caption.find_all("a", href=True)]
    for each in credits:
        each.extract()
    text = visible_text(caption)
    limits = [max_length(Image, name) for name in ("caption", "credit")]
    if len(text) > limits[0] or len(" ".join(words)) > limits[1] or caption.find("img"):
        for each in credits:
            caption.append(each)
        return
    caption.extract()
    pictures[0]["data-our-caption"] = text
    pictures[0]["data-our-credit"] = " ".join(words)
    for address in lost:
        yield LeftOut(DEAD_LINK, address)


def _prepare_table(table: Tag) -> None:
    """Move the caption out of a table; dissolve one that only arranges its contents."""
    if (caption := table.find("caption")) and caption.find_parent("table") is table:
        caption.name = "p"
        table.insert_before(caption.extract())
    own = [tr for tr in table.find_all("tr") if tr.find_parent("table") is table]
    rows = [tr.find_all(["td", "th"], recursive=False) for tr in own]
    columns = max((sum(_span(c, "colspan") for c in row) for row in rows), default=0)
    arranging = table.find(["table", "ul", "ol", "blockquote", "pre"]) is not None
    if not 2 <= columns <= _MAX_COLUMNS or arranging:
        for part in (*(cell for row in rows for cell in row), *own, table):
            part.name = "div"


def _span(cell: Tag, name: str) -> int:
    value = str(cell.get(name) or "")
    limit = _MAX_COLUMNS + 1 if name == "colspan" else _MAX_ROWSPAN
    return max(1, min(limit, int(value))) if value.isdecimal() and len(value) < 6 else 1


def _apply_style(element: Tag) -> None:
    """Replace emphasis by style sheet by elements: `<span style="font-weight:700">`."""
    style = str(element["style"])
    if element.name in {"b", "strong"} and _NOT_BOLD.search(style):
        element.name = "span"
    if element.name in _HEADINGS | {
        "table",
        "thead",
        "tbody",
        "tfoot",
        "tr",
        "ul",
        "ol",
    }:
        return
    for pattern, name in ((_BOLD, "strong"), (_ITALIC, "em"), (_STRUCK, "del")):
        if pattern.search(style):
            inner = Tag(name=name, builder=None)
            inner.extend(list(element.contents))
            element.append(inner)


def _break_lines(soup: BeautifulSoup) -> None:
    """Replace the line breaks in texts by elements."""
    for text in soup.find_all(string=re.compile("\n")):
        if text.find_parent("pre") or not isinstance(text, NavigableString):
            continue
        parts = str(text).split("\n")
        new: list[Tag | NavigableString] = [NavigableString(parts[0])]
        for part in parts[1:]:
            new += [soup.new_tag("br"), NavigableString(part)]
        text.replace_with(*new)


# --- Converting the tree


def _mark(marks: str) -> str:
    return f"{_MARK}{marks}{_END}"


def _chomped(text: str) -> tuple[str, str, str]:
    """Divide a text into the space around it and what is between."""
    core = text.strip()
    if not core:
        return text, "", ""
    start = text.index(core)
    return text[:start], core, text[start + len(core) :]


def _around_paragraphs(text: str, before: str, after: str) -> str:
    """Put marks around each paragraph, but not around lists, pictures and addresses."""
    if before[0] == _ON:  # the same inside has no meaning
        text = text.replace(before, "").replace(after, "")
    parts = re.split(r"(\s*\n\s*\n\s*)", text)
    for place in range(0, len(parts), 2):
        left, core, right = _chomped(parts[place])
        if core and not any(map(_STRUCTURE.match, core.split("\n"))):
            parts[place] = f"{left}{before}{core}{after}{right}"
    return "".join(parts)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


class _Converter(MarkdownConverter):  # type: ignore[misc]
    """markdownify, for the dialect of `entries.text.markdown`."""

    def __init__(self, base_url: str) -> None:
        super().__init__(wrap=True, wrap_width=None)  # source line breaks are spaces
        self.base_url = base_url
        self.pictures: dict[str, Picture] = {}
        self.left_out: list[LeftOut] = []
        self._numbers: Counter[int] = Counter()  # items so far, by the id of a list
        self._lifted: list[str] = []  # blocks that come after the element around them

    def process_tag(self, node: Tag, parent_tags: set[str] | None = None) -> str:
        """Convert an element; pictures inside a list or a table come after it."""
        text: str = super().process_tag(node, parent_tags)
        outermost = node.name in _HOLDERS and not _HOLDERS & (parent_tags or set())
        if outermost and self._lifted:
            text = "\n\n".join([text, *self._lifted, ""])
            self._lifted = []
        return text

    def escape(self, text: str, parent_tags: set[str]) -> str:
        """Escape nothing yet: see `_finished`."""
        return text

    def process_text(self, el: NavigableString, parent_tags: set[str]) -> str:
        """Return a text without control characters."""
        clean = _CONTROL.sub("", str(super().process_text(el, parent_tags)))
        return clean

    # --- Within a line

    def _span(self, kind: str, text: str, parent_tags: set[str]) -> str:
        if "_noformat" in parent_tags:
            return text
        return _around_paragraphs(text, _ON + kind, _OFF + kind)

    def convert_b(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Mark bold text; headings are bold as a whole."""
        return text if _HEADINGS & parent_tags else self._span("b", text, parent_tags)

    def convert_i(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Mark text in italics."""
        return self._span("i", text, parent_tags)

    def convert_s(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Mark text that is struck out."""
        return self._span("s", text, parent_tags)

    convert_strong = convert_b
    convert_em = convert_cite = convert_i
    convert_del = convert_strike = convert_s

    def convert_code(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Mark code, unless it contains other marks."""
        left, core, right = _chomped(text)
        if "_noformat" in parent_tags or not core or _CONTROL.search(core):
            return text
        return f"{left}{_CODE}{' '.join(core.split())}{_CODE_END}{right}"

    convert_kbd = convert_samp = convert_tt = convert_code

    def convert_sup(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return figures as raised characters: 10² is not 102."""
        return text.translate(_SUPERSCRIPTS) if _is_figure(text) else text

    def convert_sub(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return figures as lowered characters."""
        return text.translate(_SUBSCRIPTS) if _is_figure(text) else text

    def convert_q(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return the quotation marks that browsers add."""
        left, core, right = _chomped(text)
        return f"{left}“{core}”{right}"

    def convert_br(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Break a line."""
        return (" " if "_inline" in parent_tags else "\n") + text

    def convert_a(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Link a text; an address that links to itself stays bare."""
        typed = str(el.get("href") or "").strip()
        if not typed or "a" in parent_tags or "pre" in parent_tags:
            return text
        address = safe_address(typed, self.base_url)
        core = text.strip()
        if not address:
            if not re.match(r"#|(?:java|vb)script:|data:", typed, re.I):
                self.left_out.append(LeftOut(DEAD_LINK, typed))
            return text
        if core == address and _is_bare(address, el):
            return text
        linked = _around_paragraphs(text, _mark("["), _mark(f"]({address})"))
        if linked == text and not IMAGE_SUFFIX.search(urlsplit(address).path):
            self.left_out.append(LeftOut(DEAD_LINK, address))
        if _mark("[") not in linked:
            return linked
        parts = re.split(
            f"({_MARK}\\[{_END}.*?{_MARK}\\]\\([^{_END}]*{_END})", linked, flags=re.S
        )
        parts[1::2] = (part.replace("\n", " ") for part in parts[1::2])
        return "".join(parts)

    # --- Pictures and embeds

    def _block(self, marks: str, parent_tags: set[str]) -> str:
        """Return a line of its own, or keep it for the end of the element around it."""
        if _HOLDERS & parent_tags:
            self._lifted.append(_mark(marks))
            return " "
        return f"\n\n{_mark(marks)}\n\n"

    def convert_img(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return the line of a picture; of an emoji, the character."""
        alt = rendering.one_line(str(el.get("alt") or ""))
        if alt and _EMOJI.search(" ".join(el.get_attribute_list("class", ""))):
            return alt
        caption, credit = (
            str(el.get(f"data-our-{x}") or "") for x in ("caption", "credit")
        )
        url = self._picture_url(el)
        if not url:
            words = " ".join(filter(None, (alt, caption, credit)))
            self.left_out.append(LeftOut(INLINE_PICTURE, words))
            return ""
        picture = Picture(url, alt, caption, credit)
        known = self.pictures.get(picture.name)
        if known is None or (picture.alt and not known.alt):
            self.pictures[picture.name] = picture
        return self._block(f"![](image:{picture.name})", parent_tags)

    def _picture_url(self, el: Tag) -> str:
        """Return the URL of a picture, or that of a larger one to which it is linked."""
        typed = _source(el)
        if not typed and isinstance(el.parent, Tag) and el.parent.name == "picture":
            srcsets = (str(s.get("srcset") or "") for s in el.parent.find_all("source"))
            typed = next(filter(None, map(_largest, srcsets)), "")
        link = el.find_parent("a")
        larger = str(link.get("href") or "") if link else ""
        for candidate in (larger, typed):
            if candidate == larger and not IMAGE_SUFFIX.search(
                larger.partition("?")[0]
            ):
                continue
            try:
                url = urljoin(self.base_url, candidate.strip())
                urlsplit(url)
            except ValueError:
                continue
            return url
        return ""

    def convert_address_line(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return the address of an embed, on a line of its own."""
        typed = str(el.get("data-url") or "")
        address = safe_address(typed, self.base_url)
        if not address and typed:
            self.left_out.append(LeftOut(DEAD_LINK, typed))
        return self._block(address, parent_tags) + text if address else text

    # --- Blocks

    def convert_div(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return a block of its own."""
        text = text.strip()
        if "_inline" in parent_tags:
            return f" {text} "
        return f"\n\n{text}\n\n" if text else "\n\n"

    convert_p = convert_dd = convert_div

    def convert_dt(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return a term that is defined, in bold."""
        return self.convert_div(el, self.convert_b(el, text, parent_tags), parent_tags)

    def convert_hN(  # noqa: N802
        self, n: int, el: Tag, text: str, parent_tags: set[str]
    ) -> str:
        """Return a heading; inside a list or a cell, its text."""
        words = " ".join(_lines(text))
        if not words or {"_inline", "li"} & parent_tags:
            return self.convert_div(el, words, parent_tags)
        return f"\n\n{_mark('## ' if n < 3 else '### ')}{words}\n\n"

    def convert_hr(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return a rule; inside other blocks, nothing."""
        return " " if _HOLDERS & parent_tags else f"\n\n{_mark('---')}\n\n"

    def convert_blockquote(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Quote all lines."""
        if {"_inline", "li"} & parent_tags:
            return self.convert_div(el, text, parent_tags)
        depth = sum(parent.name == "blockquote" for parent in el.parents)
        paragraphs = [_lines(part) for part in re.split(r"\n\s*\n", text)]
        lines = [line for part in filter(None, paragraphs) for line in ["", *part]][1:]
        if depth >= _MAX_QUOTES or not lines:
            return self.convert_div(el, text, parent_tags)
        quoted = (f"{_mark('> ')}{line}" if line else _mark(">") for line in lines)
        return "\n\n" + "\n".join(quoted) + "\n\n"

    def convert_pre(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Fence code; keep the line breaks of other preformatted text."""
        if (
            el.find(["a", "img", "p"])
            or _HOLDERS & parent_tags
            or "wp-block-verse" in str(el.get("class"))
        ):
            return self.convert_div(el, text, parent_tags)
        code = el.get_text().strip("\n")
        if not code.strip():
            return "\n\n"
        longest = max(map(len, re.findall("`+", code)), default=0)
        fence = "`" * max(3, longest + 1)
        inner = _CONTROL.sub("", code).replace("\n", _BREAK)
        return f"\n\n{_mark(f'{fence}{_BREAK}{inner}{_BREAK}{fence}')}\n\n"

    # --- Lists

    def convert_ul(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return the items of a list, indented if another list is around it."""
        if "_inline" in parent_tags:
            return f" {text} "
        lines = _lines(text)
        if el.parent is not None and el.parent.name in {"ol", "ul"}:
            lines = [
                _mark("    ") + line for line in lines if _depth(el) < _MAX_LISTS
            ] or lines
        gap = "\n" if {"li", "ol", "ul"} & parent_tags else "\n\n"
        return gap + "\n".join(lines) + gap

    convert_ol = convert_list = convert_ul

    def convert_li(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return an item: its own lines, and then those of lists inside it."""
        if "_inline" in parent_tags:
            return f" {text} "
        own, inner = [], []
        for line in _lines(text):
            (inner if _LIST_LINE.match(line) else own).append(line)
        if not own:
            return "\n".join(["", *inner, ""])
        if _depth(el) < _MAX_LISTS + 1:
            inner = [_mark("    ") + line for line in inner]
        own[0] = self._bullet(el) + own[0]
        return "\n".join(["", *own, *inner, ""])

    def _bullet(self, el: Tag) -> str:
        around = el.parent
        if around is None or around.name != "ol":
            return _mark("- ")
        self._numbers[id(around)] += 1
        start = str(around.get("start") or "1")
        first = int(start) if start.isdecimal() and len(start) < 6 else 1
        return _mark(f"{first + self._numbers[id(around)] - 1}. ")

    # --- Tables

    def _cell(self, el: Tag, text: str) -> str:
        # Code would have to be told from cells by its backticks.
        words = re.sub(f"\\s*\n\\s*|[{_CODE}{_CODE_END}]", " ", text).strip()
        words = words.replace("|", _mark("\\|"))
        align = _alignment(el)
        kind = "h" if el.name == "th" else "t"
        spans = f"{_span(el, 'colspan')},{_span(el, 'rowspan')}"
        return f"{words}{_CELL}{kind}{spans},{align};"

    def convert_td(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return a cell, with what `convert_table` needs to know about it."""
        inside = sum(parent.name == "table" for parent in el.parents) > 1
        return f" {text} " if inside or "li" in parent_tags else self._cell(el, text)

    convert_th = convert_td

    def convert_tr(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return a row of cells."""
        return text + (_ROW if _CELL in text else " ")

    def convert_table(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return a table, whose first row is its header."""
        if _CELL not in text:
            return self.convert_div(el, text, parent_tags)
        rows, columns, alignments = _grid(text)
        stray = " ".join(_CELL_END.sub("", text).replace(_ROW, " ").split())
        rule = (_RULES[alignments.get(column, "")] for column in range(columns))
        bar = _mark(" | ")
        lines = [
            f"{_mark('| ')}{bar.join(row)}{_mark(' |')}" for row in rows if any(row)
        ]
        if not lines:
            return f"\n\n{stray}\n\n"
        lines.insert(1, _mark(f"| {' | '.join(rule)} |"))
        return f"\n\n{stray}\n\n" + "\n".join(lines) + "\n\n"


for _name in _CONTAINERS:
    if not hasattr(_Converter, f"convert_{_name}") or _name in {"article", "section"}:
        setattr(_Converter, f"convert_{_name}", _Converter.convert_div)

_RULES: Final = {"": "---", "left": ":---", "center": ":---:", "right": "---:"}


def _is_figure(text: str) -> bool:
    return re.fullmatch(r"\s*[-+]?[0-9]{1,3}\s*", text) is not None


def _is_bare(address: str, link: Tag) -> bool:
    """Return whether an address is linked without marks, and what follows is not."""
    match = urls.BARE_URL.fullmatch(address)
    following = link.next_sibling
    after = str(following) if isinstance(following, NavigableString) else ""
    ends = following is None or re.match(r"[.,;:!?]*(?:\s|$)", after) is not None
    return bool(match and urls.without_punctuation(address) == address and ends)


def _depth(el: Tag) -> int:
    """Return how many lists are around an element."""
    return sum(parent.name in {"ol", "ul"} for parent in el.parents)


def _alignment(cell: Tag) -> str:
    given = (
        cell.get("align"),
        cell.get("data-align"),
        cell.get("style"),
        cell.get("class"),
    )
    for value in given:
        text = " ".join(value) if isinstance(value, list) else str(value or "")
        if match := _ALIGN.search(text):
            return match[1].lower()
    return ""


def _grid(text: str) -> tuple[list[list[str]], int, dict[int, str]]:
    """Return the cells of a table by row, its number of columns and their alignment.

    Cells that span several columns or rows leave the others empty. Header cells below
    the header are bold.
    """
    rows: list[list[str]] = []
    taken: Counter[int] = Counter()  # by column, rows that a cell above still spans
    alignments: dict[int, str] = {}
    for part in filter(None, text.split(_ROW)):
        row: list[str] = []
        for words, kind, columns, height, align in _CELL_END.findall(part):
            while taken[len(row)] > 0:
                taken[len(row)] -= 1
                row.append("")
            words = words.strip()
            if kind == "h" and rows and words:
                words = _around_paragraphs(words, f"{_ON}b", f"{_OFF}b")
            for extra in range(int(columns)):
                if int(height) > 1:
                    taken[len(row)] = int(height) - 1
                if align:
                    alignments.setdefault(len(row), align)
                row.append("" if extra else words)
        while taken[len(row)] > 0:
            taken[len(row)] -= 1
            row.append("")
        rows.append(row)
    width = max(map(len, rows), default=0)
    return [row + [""] * (width - len(row)) for row in rows], width, alignments


# --- Finishing blocks


def _finished(marked: str) -> str:
    """Return Markdown: marks as they are, and text with the backslashes it needs."""
    blocks = []
    for part in re.split(r"\n\s*\n", marked):
        lines = [line.strip() for line in part.split("\n")]
        block = "\n".join(line for line in lines if not rendering.is_blank(line))
        if any(_shown(token).strip() for token in _TOKEN.split(block) if token):
            blocks.append(block)
    lines = (_TOGGLE.sub("", line) for block in blocks for line in block.split("\n"))
    many = sum(bool(_LISTED.match(line)) for line in lines) > 1
    written = (_guarded(_written(block), many=many) for block in blocks)
    return "\n\n".join(written).replace(_BREAK, "\n")


def _written(block: str) -> str:
    """Return a block with its marks; those that begin a line are still in _MARK…_END."""
    while _JOINED.search(block):
        block = _JOINED.sub("", block)
    tokens = [token for token in _TOKEN.split(block) if token]
    starts = _starts(tokens)
    # What surrounds each character: without spans, and without bare URLs, in which
    # nothing is parsed.
    shown = _without_urls("".join(map(_shown, tokens)), tokens, starts)
    spans = _readable_spans(tokens, shown, starts)
    live = _live_marks(shown, tokens, spans)
    written = ""
    in_link = False
    for place in range(len(tokens) - 1, -1, -1):
        token, start = tokens[place], starts[place]
        if token[0] in _ON + _OFF:
            written = spans.get(place, "") + written
        elif token[0] == _CODE:
            inside = token[1:-1]
            code = (
                f"`{inside}`"
                if place in spans
                else _escaped(inside, shown, start, live, written[:1], in_link=in_link)
            )
            written = code + written
        elif token[0] == _MARK:
            if token[1] in "[]":
                in_link = token[1] == "]"
            structural = _PREFIX.fullmatch(token) is not None
            written = (token if structural else token[1:-1]) + written
        else:
            after = written.lstrip(_MARK)[:1]
            written = (
                _escaped(token, shown, start, live, after, in_link=in_link) + written
            )
    return written


def _shown(token: str) -> str:
    """Return what a token contributes to the text around others."""
    if token[0] in _ON + _OFF:
        return ""
    return token[1:-1] if token[0] in _MARK + _CODE else token


def _starts(tokens: Iterable[str]) -> list[int]:
    starts, total = [], 0
    for token in tokens:
        starts.append(total)
        total += len(_shown(token))
    return starts


def _readable_spans(tokens: list[str], shown: str, starts: list[int]) -> dict[int, str]:
    """Map the places of tokens to their marks, if the parser would read them as such.

    It reads them only at the edges of words.
    """
    found: dict[int, str] = {}
    # Beside bold text, whose asterisks could be mistaken for those of italics.
    spans = _SPANS | ({"i": "_"} if f"{_ON}b" in tokens else {})
    opened: dict[str, list[int]] = {}
    for place, token in enumerate(tokens):
        at = starts[place]
        if token[0] == _ON:
            opened.setdefault(token[1], []).append(place)
        elif token[0] == _OFF and opened.get(token[1]):
            first = opened[token[1]].pop()
            mark = spans[token[1]]
            if _begins(tokens, first) and _readable(mark, shown, starts[first], at):
                found[first] = found[place] = mark
        elif token[0] == _CODE:
            inside = token[1:-1]
            readable = _readable("`", shown, at, at + len(inside))
            if readable and "`" not in inside and _begins(tokens, place):
                found[place] = "`"
    return found


def _begins(tokens: list[str], place: int) -> bool:
    """Return whether a span may begin after the token before it.

    What is parsed earlier, such as another span or an escaped mark, is no edge of a word
    any more for what is parsed later.
    """
    while place and tokens[place - 1][0] == _ON:
        place -= 1
    if not place or tokens[place - 1] == _mark("["):
        return True
    before = tokens[place - 1]
    if before[0] == _MARK:
        return _PREFIX.fullmatch(before) is not None
    return before[0] not in _OFF + _CODE and before[-1] not in "*_~`"


def _readable(mark: str, shown: str, start: int, end: int) -> bool:
    opening, closing = markdown.EDGES[mark]
    before, first = shown[max(0, start - 1) : start], shown[start : start + 1]
    last, after = shown[max(0, end - 1) : end], shown[end : end + 1]
    if not first or mark[0] in (before, after) or last == after == _END:
        return False  # the last: within a bare URL
    opens = opening.match(f"{before}{mark}{first}", len(before))
    return bool(opens and closing.match(f"{last}{mark}{after}", len(last)))


def _live_marks(shown: str, tokens: list[str], spans: dict[int, str]) -> set[str]:
    """Return the characters of marks that the block has, or would be read to have."""
    live = {mark[0] for mark in spans.values()}
    live |= {"`"} if any(token.startswith(f"{_MARK}|") for token in tokens) else set()
    # Also as it will be written, since the marks of spans are edges too.
    parts = (spans.get(n, "") + _shown(token) for n, token in enumerate(tokens))
    for text in {shown, "".join(parts)}:
        for mark, (opening, closing) in markdown.EDGES.items():
            if mark[0] not in live and (m := opening.search(text)):
                live |= {mark[0]} if closing.search(text, m.end()) else set()
    return live


def _without_urls(text: str, tokens: list[str], starts: list[int]) -> str:
    """Return a text with its bare URLs masked; inside links, they are none."""
    linked = zip(
        (at for at, token in zip(starts, tokens, strict=True) if token == _mark("[")),
        (at for at, token in zip(starts, tokens, strict=True) if token[1:2] == "]"),
        strict=False,
    )
    links = list(linked)
    for match in urls.BARE_URL.finditer(text):
        url, at = markdown.bare_url(match), match.start()
        if urls.is_safe(url) and not any(start <= at < end for start, end in links):
            text = text[:at] + _END * len(url) + text[at + len(url) :]
    return text


def _escaped(
    text: str,
    shown: str,
    start: int,
    live: set[str],
    following: str,
    *,
    in_link: bool,
) -> str:
    """Return a text with backslashes before the characters that would be marks.

    It is at `start` of `shown`, and `following` is written after it.
    """

    def replace(match: re.Match[str]) -> str:
        run, at, end = match[0], start + match.start(), start + match.end()
        after = text[match.end() : match.end() + 1] or following
        before = shown[max(0, at - 1) : at] if match.start() else ""
        if run[0] == "\\":
            return run * 2 if after and after in _MARKS | {"\\"} else run
        if shown[at] == _END:
            return run
        if run == "!":
            return "\\!" if after == "[" else run
        if run in "[]":
            literal = not in_link and not (run == "]" and after == "(")
            return run if literal else f"\\{run}"
        around = [(before, after), (shown[max(0, at - 1) : at], shown[end : end + 1])]
        if run[0] not in live or not any(
            _may_be_read(run[0], *each) for each in around
        ):
            return run
        return "".join(f"\\{char}" for char in run)

    return _SPECIAL.sub(replace, text)


def _may_be_read(char: str, before: str, after: str) -> bool:
    """Return whether a run of a mark's characters could open or close a span.

    At the start of a text, nothing is before it, since marks may be there.
    """
    mark = "~~" if char == "~" else char
    opening, closing = markdown.EDGES[mark]
    around = f"{before}{mark}{after}"
    return (
        char == "`"
        or char in before + after
        or opening.match(around, len(before)) is not None
        or closing.match(around, len(before)) is not None
    )


def _guarded(block: str, *, many: bool) -> str:
    """Escape what would be a mark at the start of a line, and finish the marks there.

    `many` says whether the whole text has several lines that look like list items.
    """
    lines = []
    for number, line in enumerate(block.split("\n")):
        prefix = _prefix(line)
        rest, marks = line[len(prefix) :], _unmarked(prefix)
        if not marks.startswith("|"):
            rest = _guarded_line(rest, listed=many or bool(marks))
        if number and markdown.is_table(f"|\n{marks[-2:]}{rest}") and marks[:1] != "|":
            rest = rest.replace("|", "\\|", 1)
        lines.append((marks, rest))
    if any(marks.startswith(">") for marks, _ in lines):
        lines = _without_comparisons(lines)
    return _unmarked("\n".join(marks + rest for marks, rest in lines))


def _without_comparisons(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Remove the marks of quotations such as `> 20 people`.

    The parser takes them for comparisons, and would show the marks.
    """
    for depth in range(_MAX_QUOTES, 0, -1):
        kept = []
        for quoted, group in groupby(lines, lambda line: line[0].count(">") >= depth):
            found, at = list(group), 2 * (depth - 1)
            texts = (marks[at:] + markdown.unescape(rest) for marks, rest in found)
            if quoted and not any(map(_QUOTED.match, texts)):
                found = [(marks[:at] + marks[at + 2 :], rest) for marks, rest in found]
            kept += found
        lines = kept
    return lines


def _prefix(line: str) -> str:
    match = _PREFIX.match(line)
    return match[0] if match else ""


def _unmarked(text: str) -> str:
    return text.replace(_MARK, "").replace(_END, "")


def _guarded_line(line: str, *, listed: bool) -> str:
    if listed and (match := _ITEM_START.match(line)):
        char = match[0]
        return f"\\{line}" if char in "-+*" else f"{char}\\{line[len(char) :]}"
    ruled = [line, f"- {line}"] if listed else [line]
    is_rule = any(map(markdown.RULE.fullmatch, ruled)) and line[:1] in "-*_"
    if _LINE_START.match(line) or is_rule:
        return f"\\{line}"
    return line
