"""Convert the HTML of other systems to the Markdown of entries.

`html_tree` reduces a tree to what has a place here, markdownify walks it, and our
converter returns marks that `marks` makes Markdown of, once blocks are complete.
"""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urljoin, urlsplit

from bs4 import BeautifulSoup
from bs4.element import NavigableString, Tag
from markdownify import MarkdownConverter

from entries.exchange.archives.base import LeftOut, SourceImage, What
from entries.exchange.archives.html_tree import (
    DEAD_LINK,
    HEADINGS,
    cell_span,
    is_image_url,
    largest_source,
    reduce_tree,
    source_url,
)
from entries.exchange.archives.marks import (
    BREAK,
    CODE,
    CODE_END,
    CONTROL,
    END,
    MARK,
    MAX_QUOTES,
    OFF,
    ON,
    finished,
    mark,
)
from entries.text import rendering, urls

INLINE_IMAGE: Final = What("picture without a file", "pictures without a file")

_MAX_LISTS: Final = 3  # inside each other
_CONTAINERS: Final = (
    "address article aside body center dd details dialog div dl dt fieldset figcaption",
    "figure footer form header hgroup html legend main nav noscript option section",
    "summary tbody template tfoot thead",
)
# Elements after which a picture or an embed in them comes, since it needs a line.
_HOLDERS: Final = HEADINGS | {"blockquote", "dl", "ol", "pre", "table", "ul"}
_EMOJI: Final = re.compile(r"\b(?:emoji|wp-smiley)\b")
_SHORTCODE: Final = re.compile(
    r"\[(embed|youtube|vimeo|video|audio|tweet|twitter|instagram|facebook|tiktok"
    r"|soundcloud|spotify)(?=[\s=\]])([^\[\]]*)\](?:\s*([^\[\]\s]*)\s*\[/\1\])?"
)
_SHORTCODE_URL: Final = re.compile(r"""https?://[^\s"'<>\[\]]+""")
_ALIGN: Final = re.compile(r"(?:text-align(?:\s*:\s*|-)|^)(left|center|right)\b", re.I)
_SUPERSCRIPTS: Final = str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻")
_SUBSCRIPTS: Final = str.maketrans("0123456789+-", "₀₁₂₃₄₅₆₇₈₉₊₋")
_CELL, _ROW = "\x05", "\x06"  # control characters, as those in `marks`
_CELL_END: Final = re.compile(f"([^{_CELL}]*){_CELL}([ht])(\\d+),(\\d+),(\\w*);")
_STRUCTURE: Final = re.compile(rf"{MARK}(?!\[|\]\(|\\)")  # no mark within a line
# An item alone is no list here, and its hyphen would be shown.
_BULLET: Final = re.compile(f"^{MARK}- {END}")
_LIST_LINE: Final = re.compile(f"{MARK}(?:- |[0-9]+\\. |    ){END}")


@dataclass(frozen=True)
class Converted:
    """Markdown, the pictures that it names, and what of the HTML has no place in it."""

    markdown: str
    images: tuple[SourceImage, ...] = ()
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
    left_out = list(reduce_tree(soup, line_breaks=line_breaks))
    converter = _Converter(base_url)
    source = finished(converter.convert_soup(soup))
    return Converted(
        source,
        tuple(converter.images.values()),
        (*left_out, *converter.left_out),
    )


def safe_url(typed: str, base_url: str = "") -> str:
    """Return a link's URL as typed, but absolute; "" if it cannot be linked.

    Google's redirects are replaced by their targets. Characters that would end a URL in
    Markdown are percent-encoded.
    """
    url = re.sub(r"[\t\n\r]", "", typed.strip())
    if not url:
        return ""
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


# --- Converting the tree


def _chomped(text: str) -> tuple[str, str, str]:
    """Divide a text into the space around it and what is between."""
    core = text.strip()
    if not core:
        return text, "", ""
    start = text.index(core)
    return text[:start], core, text[start + len(core) :]


def _around_paragraphs(text: str, before: str, after: str) -> str:
    """Put marks around each paragraph, but not around lists, pictures and addresses."""
    if before[0] == ON:  # the same inside has no meaning
        text = text.replace(before, "").replace(after, "")
    parts = re.split(r"(\s*\n\s*\n\s*)", text)
    for place in range(0, len(parts), 2):
        left, core, right = _chomped(parts[place])
        if core and not any(map(_STRUCTURE.match, core.split("\n"))):
            parts[place] = f"{left}{before}{core}{after}{right}"
    return "".join(parts)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


class _Converter(MarkdownConverter):
    """markdownify, for the dialect of `entries.text.markdown`."""

    def __init__(self, base_url: str) -> None:
        super().__init__(wrap=True, wrap_width=None)  # source line breaks are spaces
        self.base_url = base_url
        self.images: dict[str, SourceImage] = {}
        self.left_out: list[LeftOut] = []
        self._numbers: Counter[int] = Counter()  # items so far, by the id of a list
        self._lifted: list[str] = []  # blocks that come after the element around them

    def process_tag(self, node: Tag, parent_tags: set[str] | None = None) -> str:
        """Convert an element; pictures inside a list or a table come after it."""
        text: str = super().process_tag(node, parent_tags)  # type: ignore[misc]
        outermost = node.name in _HOLDERS and not _HOLDERS & (parent_tags or set())
        if outermost and self._lifted:
            text = "\n\n".join([text, *self._lifted, ""])
            self._lifted = []
        return text

    def escape(self, text: str, parent_tags: set[str]) -> str:
        """Escape nothing yet: see `finished`."""
        return text

    def process_text(self, el: NavigableString, parent_tags: set[str]) -> str:
        """Return a text without control characters."""
        text: str = super().process_text(el, parent_tags)  # type: ignore[misc]
        return CONTROL.sub("", text)

    # --- Within a line

    def _emphasis(self, kind: str, text: str, parent_tags: set[str]) -> str:
        if "_noformat" in parent_tags:
            return text
        return _around_paragraphs(text, ON + kind, OFF + kind)

    def convert_b(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Mark bold text; headings are bold as a whole."""
        if HEADINGS & parent_tags:
            return text
        return self._emphasis("b", text, parent_tags)

    def convert_i(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Mark text in italics."""
        return self._emphasis("i", text, parent_tags)

    def convert_s(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Mark text that is struck out."""
        return self._emphasis("s", text, parent_tags)

    convert_strong = convert_b
    convert_em = convert_cite = convert_i
    convert_del = convert_strike = convert_s

    def convert_code(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Mark code, unless it contains other marks."""
        left, core, right = _chomped(text)
        if "_noformat" in parent_tags or not core or CONTROL.search(core):
            return text
        return f"{left}{CODE}{' '.join(core.split())}{CODE_END}{right}"

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
        url = safe_url(typed, self.base_url)
        core = text.strip()
        if not url:
            if not re.match(r"#|(?:java|vb)script:|data:", typed, re.I):
                self.left_out.append(LeftOut(DEAD_LINK, typed))
            return text
        if core == url and _is_bare(url, el):
            return text
        linked = _around_paragraphs(text, mark("["), mark(f"]({url})"))
        if linked == text and not is_image_url(url):
            self.left_out.append(LeftOut(DEAD_LINK, url))
        if mark("[") not in linked:
            return linked
        parts = re.split(
            f"({MARK}\\[{END}.*?{MARK}\\]\\([^{END}]*{END})", linked, flags=re.S
        )
        parts[1::2] = (part.replace("\n", " ") for part in parts[1::2])
        return "".join(parts)

    # --- Pictures and embeds

    def _block(self, marks: str, parent_tags: set[str]) -> str:
        """Return a line of its own, or keep it for the end of the element around it."""
        if _HOLDERS & parent_tags:
            self._lifted.append(mark(marks))
            return " "
        return f"\n\n{mark(marks)}\n\n"

    def convert_img(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return the line of a picture; of an emoji, the character."""
        alt = rendering.one_line(str(el.get("alt") or ""))
        if alt and _EMOJI.search(str(el.get("class"))):
            return alt
        caption, credit = (
            str(el.get(f"data-our-{x}") or "") for x in ("caption", "credit")
        )
        url = self._image_url(el)
        if not url:
            words = " ".join(filter(None, (alt, caption, credit)))
            self.left_out.append(LeftOut(INLINE_IMAGE, words))
            return ""
        image = SourceImage(url, alt, caption, credit)
        known = self.images.get(image.name)
        if known is None or (image.alt and not known.alt):
            self.images[image.name] = image
        return self._block(f"![](image:{image.name})", parent_tags)

    def _image_url(self, el: Tag) -> str:
        """Return the URL of a picture, or of a larger one to which it is linked."""
        typed = source_url(el)
        if not typed and isinstance(el.parent, Tag) and el.parent.name == "picture":
            srcsets = (str(s.get("srcset") or "") for s in el.parent.find_all("source"))
            typed = next(filter(None, map(largest_source, srcsets)), "")
        link = el.find_parent("a")
        larger = str(link.get("href") or "") if link else ""
        for candidate in (larger, typed):
            if candidate == larger and not is_image_url(larger):
                continue
            try:
                url = urljoin(self.base_url, candidate.strip())
                urlsplit(url)
            except ValueError:
                continue
            return url
        return ""

    def convert_url_line(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return the address of an embed, on a line of its own."""
        typed = str(el.get("data-url") or "")
        url = safe_url(typed, self.base_url)
        if not url and typed:
            self.left_out.append(LeftOut(DEAD_LINK, typed))
        return self._block(url, parent_tags) + text if url else text

    def convert_markdown_block(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return what is Markdown already."""
        source = CONTROL.sub("", str(el.get("data-source") or ""))
        if not source:
            return text
        return self._block(source.replace("\n", BREAK), parent_tags) + text

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
        return f"\n\n{mark('## ' if n < 3 else '### ')}{words}\n\n"

    def convert_hr(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return a rule; inside other blocks, nothing."""
        return " " if _HOLDERS & parent_tags else f"\n\n{mark('---')}\n\n"

    def convert_blockquote(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Quote all lines."""
        if {"_inline", "li"} & parent_tags:
            return self.convert_div(el, text, parent_tags)
        depth = sum(parent.name == "blockquote" for parent in el.parents)
        paragraphs = [_lines(part) for part in re.split(r"\n\s*\n", text)]
        lines = [line for part in filter(None, paragraphs) for line in ["", *part]][1:]
        if depth >= MAX_QUOTES or not lines:
            return self.convert_div(el, text, parent_tags)
        quoted = (f"{mark('> ')}{line}" if line else mark(">") for line in lines)
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
        inner = CONTROL.sub("", code).replace("\n", BREAK)
        return f"\n\n{mark(f'{fence}{BREAK}{inner}{BREAK}{fence}')}\n\n"

    # --- Lists

    def convert_ul(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return the items of a list, indented if another list is around it."""
        if "_inline" in parent_tags:
            return f" {text} "
        lines = _lines(text)
        if el.parent is not None and el.parent.name in {"ol", "ul"}:
            lines = [
                mark("    ") + line for line in lines if _depth(el) < _MAX_LISTS
            ] or lines
        inside = {"li", "ol", "ul"} & parent_tags
        if not inside and sum(map(bool, map(_LIST_LINE.match, lines))) == 1:
            lines = [
                line if _next_to_list(el) else _BULLET.sub("", line) for line in lines
            ]
        gap = "\n" if inside else "\n\n"
        return gap + "\n".join(lines) + gap

    convert_ol = convert_list = convert_ul

    def convert_li(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Return an item: its own lines and those of lists inside it, in order."""
        if "_inline" in parent_tags:
            return f" {text} "
        lines = _lines(text)
        own = [n for n, line in enumerate(lines) if not _LIST_LINE.match(line)]
        if own:
            indent = mark("    ") if _depth(el) < _MAX_LISTS + 1 else ""
            below = range(own[0] + 1, len(lines))
            for number in set(below) - set(own):
                lines[number] = indent + lines[number]
            lines[own[0]] = self._bullet(el) + lines[own[0]]
        return "\n".join(["", *lines, ""])

    def _bullet(self, el: Tag) -> str:
        around = el.parent
        if around is None or around.name != "ol":
            return mark("- ")
        self._numbers[id(around)] += 1
        start = str(around.get("start") or "1")
        first = int(start) if start.isdecimal() and len(start) < 6 else 1
        return mark(f"{first + self._numbers[id(around)] - 1}. ")

    # --- Tables

    def _cell(self, el: Tag, text: str) -> str:
        # The backticks of code could be confused with the borders of cells.
        words = re.sub(f"\\s*\n\\s*|[{CODE}{CODE_END}]", " ", text).strip()
        words = words.replace("|", mark("\\|"))
        align = _alignment(el)
        kind = "h" if el.name == "th" else "t"
        spans = f"{cell_span(el, 'colspan')},{cell_span(el, 'rowspan')}"
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
        bar = mark(" | ")
        lines = [f"{mark('| ')}{bar.join(row)}{mark(' |')}" for row in rows if any(row)]
        if not lines:
            return f"\n\n{stray}\n\n"
        lines.insert(1, mark(f"| {' | '.join(rule)} |"))
        return f"\n\n{stray}\n\n" + "\n".join(lines) + "\n\n"


for _name in " ".join(_CONTAINERS).split():
    if not hasattr(_Converter, f"convert_{_name}") or _name in {"article", "section"}:
        setattr(_Converter, f"convert_{_name}", _Converter.convert_div)

_RULES: Final = {"": "---", "left": ":---", "center": ":---:", "right": "---:"}


def _is_figure(text: str) -> bool:
    return re.fullmatch(r"\s*[-+]?[0-9]{1,3}\s*", text) is not None


def _is_bare(url: str, link: Tag) -> bool:
    """Return whether an address is linked without marks, and what follows is not."""
    match = urls.BARE_URL.fullmatch(url)
    following = link.next_sibling
    after = str(following) if isinstance(following, NavigableString) else ""
    ends = following is None or re.match(r"[.,;:!?]*(?:\s|$)", after) is not None
    return bool(match and urls.without_punctuation(url) == url and ends)


def _next_to_list(el: Tag) -> bool:
    """Return whether another list is right above or below, so that both are one."""
    last = list(el.descendants)[-1:] or [el]
    neighbours = (
        el.find_previous(string=re.compile(r"\S")),
        last[0].find_next(string=re.compile(r"\S")),
    )
    lists = (text.find_parent(["ol", "ul"]) for text in neighbours if text is not None)
    return any(each is not None and each.name == el.name for each in lists)


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
                words = _around_paragraphs(words, f"{ON}b", f"{OFF}b")
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
