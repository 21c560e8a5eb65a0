"""Reduce the HTML of other systems to what has a place in an entry.

The rest is left out, and listed with its visible words. What remains is in the forms
that `html_to_markdown` converts.
"""

import re
from collections.abc import Iterator
from typing import Final

from bs4 import BeautifulSoup
from bs4.element import CData, NavigableString, PreformattedString, Tag

from entries.exchange.archives.base import FORM, SCRIPT, LeftOut, What
from entries.exchange.text.references import IMAGE_SUFFIX, MEDIA_SUFFIX
from entries.models import Image
from entries.models.fields import max_length
from entries.text import embeds, markdown, rendering

STYLE: Final = What("style sheet", "style sheets")
HIDDEN: Final = What("hidden text", "hidden texts")
TRACKER: Final = What("tracking pixel", "tracking pixels")
SVG: Final = What("drawing (SVG)", "drawings (SVG)")
FALLBACK: Final = What(
    "text for browsers without a player", "texts for browsers without a player"
)
EMBED_TEXT: Final = What("text of an embed", "texts of embeds")
INNER_PAGE: Final = What("page within the page", "pages within the page")
DEAD_LINK: Final = What("link that cannot be kept", "links that cannot be kept")

MAX_DEPTH: Final = 100  # of elements; deeper ones are replaced by their contents
MAX_COLUMNS: Final = markdown.MAX_PIPES - 1
_MAX_ROWSPAN: Final = 500

HEADINGS: Final = {"h1", "h2", "h3", "h4", "h5", "h6"}
_CONTROLS: Final = ["button", "datalist", "input", "select", "textarea"]
_PLAYERS: Final = ["video", "audio", "object", "embed", "applet"]
# Posts as social networks give them out for other pages.
_POSTS: Final = re.compile(
    r"\b(?:twitter-(?:tweet|video)|instagram-media|tiktok-embed|bluesky-embed|fb-(?:post"
    r"|video)|mastodon-embed|reddit-(?:embed-bq|card)|text-post-media|imgur-embed-pub|flourish-embed)\b"
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
_INVISIBLE: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_BOLD: Final = re.compile(r"font-weight\s*:\s*(bold|[6-9]00)", re.I)
_NOT_BOLD: Final = re.compile(r"font-weight\s*:\s*(normal|lighter|[1-5]00)", re.I)
_ITALIC: Final = re.compile(r"font-style\s*:\s*(italic|oblique)", re.I)
_STRUCK: Final = re.compile(r"text-decoration[\w-]*\s*:[^;]*line-through", re.I)


def is_image_url(url: str) -> bool:
    """Return whether a URL is that of a picture's file."""
    path = url.partition("#")[0].partition("?")[0]
    return bool(IMAGE_SUFFIX.search(path) and not MEDIA_SUFFIX.search(path))


def visible_text(element: Tag | NavigableString) -> str:
    """Return the text of an element, on one line."""
    return rendering.one_line(element.get_text(" "))


def reduce_tree(soup: BeautifulSoup, *, line_breaks: bool) -> Iterator[LeftOut]:
    """Remove what has no place here, and give the rest the forms that are converted."""
    for node in soup.find_all(string=lambda s: isinstance(s, PreformattedString)):
        if isinstance(node, CData):
            node.replace_with(NavigableString(str(node)))
        else:
            node.extract()
    _flatten(soup)
    _end_elements(soup)
    yield from _reduce_embeds(soup)
    yield from _remove_unseen(soup)
    yield from _replace_embeds(soup)
    yield from _prepare_images(soup)
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
    for sheet in soup.find_all("style"):
        yield LeftOut(STYLE)
        sheet.extract()
    for element in soup.find_all(["head", "title", "meta", "link", "base"]):
        element.extract()
    yield from _remove_forms(soup)
    for svg in soup.find_all("svg"):
        yield LeftOut(SVG, visible_text(svg))
        svg.extract()
    for element in soup.find_all(_is_hidden):
        if element.name in {"img", "iframe"}:
            yield LeftOut(TRACKER, source_url(element))
        elif words := visible_text(element):
            yield LeftOut(HIDDEN, words)
        element.extract()


def _remove_forms(soup: BeautifulSoup) -> Iterator[LeftOut]:
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


def _reduce_embeds(soup: BeautifulSoup) -> Iterator[LeftOut]:
    """Replace the embed codes of known sites by the Markdown that editors get."""
    for code in soup.find_all(_may_be_embed):
        for name in ("src", "data-src"):
            if str(code.get(name) or "").startswith("//"):
                code[name] = f"https:{code[name]}"
        html = str(code)
        source = embeds.reduce_embeds(html)
        if source == html:
            continue
        known = set(re.findall(r"\w+", rendering.unescape_markdown(source)))
        words = visible_text(code)
        if any(word not in known for word in re.findall(r"\w+", words)):
            yield LeftOut(EMBED_TEXT, words)
        code.replace_with(soup.new_tag("markdown-block", attrs={"data-source": source}))


def _may_be_embed(element: Tag) -> bool:
    if element.name == "script":
        source = str(element.get("src") or "")
        return "dwcdn.net" in source or element.has_attr("data-telegram-post")
    classes = str(element.get("class") or "")
    return element.name == "iframe" or _POSTS.search(classes) is not None


def _replace_embeds(soup: BeautifulSoup) -> Iterator[LeftOut]:
    for post in soup.find_all(class_=_POSTS):
        _replace_post(soup, post)
    for frame in soup.find_all(["iframe", "frame", *_PLAYERS]):
        if frame.name == "iframe" and frame.get("srcdoc"):
            inner = BeautifulSoup(str(frame["srcdoc"]), "html.parser")
            yield LeftOut(INNER_PAGE, visible_text(inner))
        url = source_url(frame) or str(frame.get("data") or "")
        for source in frame.find_all("source"):
            url = url or source_url(source)
        if words := visible_text(frame):
            yield LeftOut(FALLBACK, words)
        frame.replace_with(_url_line(soup, url))


def _replace_post(soup: BeautifulSoup, post: Tag) -> None:
    """Put the address of a post after its words."""
    url = next((str(post[name]) for name in _POST_URLS if post.get(name)), "")
    anchors = post.find_all("a", href=True)
    if not url and anchors:
        url = str(anchors[-1]["href"])
    url = url.partition("?")[0] if "facebook." not in url else url
    for anchor in anchors:
        if str(anchor["href"]).partition("?")[0] == url:
            anchor.unwrap()
    post.insert_after(_url_line(soup, url))


def _url_line(soup: BeautifulSoup, url: str) -> Tag:
    return soup.new_tag("url-line", attrs={"data-url": url})


def source_url(element: Tag) -> str:
    """Return the URL of a picture or a frame, also of one that loads late."""
    found = [str(element[name]).strip() for name in _SOURCES if element.get(name)]
    if element.get("srcset") and element.name == "img":
        found.append(largest_source(str(element["srcset"])))
    usable = (
        url for url in found if not re.match("data:|about:|javascript:", url, re.I)
    )
    return next(usable, "")


def largest_source(srcset: str) -> str:
    """Return the URL of the largest picture in a `srcset`."""
    candidates = [part.split() for part in re.split(r",\s+", srcset) if part.strip()]
    sized = [
        (float((c[1:] or ["0"])[0][:-1] or 0), c[0])
        for c in candidates
        if re.fullmatch(r"[\d.]+[wx]", (c[1:] or ["1x"])[0])
    ]
    return max(sized)[1].rstrip(",") if sized else ""


def _prepare_images(soup: BeautifulSoup) -> Iterator[LeftOut]:
    _remove_copies(soup)
    for name, tag in (("wp-caption", "figure"), ("wp-caption-text", "figcaption")):
        for element in soup.find_all(class_=name):
            element.name = tag
    for figure in soup.find_all("figure"):
        yield from _describe_image(figure)


def _remove_copies(soup: BeautifulSoup) -> None:
    """Remove pictures that pages repeat for browsers without scripts."""
    for noscript in soup.find_all("noscript"):
        late = noscript.find_previous_sibling(True)
        if not isinstance(late, Tag) or late.name != "img":
            continue
        for image in noscript.find_all("img"):
            if source_url(late) in ("", source_url(image)):
                late.extract()


def _describe_image(figure: Tag) -> Iterator[LeftOut]:
    """Move the caption and the credit of a figure to its only picture."""
    images = figure.find_all("img")
    caption = figure.find("figcaption")
    if len(images) != 1 or caption is None or images[0].get("data-our-caption"):
        return
    credited = [
        each
        for each in caption.find_all(class_=_CREDIT)
        if each.find(class_=_CREDIT) is None
    ]
    words = [visible_text(each) for each in credited]
    lost = [str(a["href"]) for a in caption.find_all("a", href=True)]
    for each in credited:
        each.extract()
    text = visible_text(caption)
    limits = [max_length(Image, name) for name in ("caption", "credit")]
    if len(text) > limits[0] or len(" ".join(words)) > limits[1] or caption.find("img"):
        for each in credited:
            caption.append(each)
        return
    caption.extract()
    images[0]["data-our-caption"] = text
    images[0]["data-our-credit"] = " ".join(words)
    for url in lost:
        yield LeftOut(DEAD_LINK, url)


def _prepare_table(table: Tag) -> None:
    """Move the caption out of a table; dissolve one that only arranges its contents."""
    if (caption := table.find("caption")) and caption.find_parent("table") is table:
        caption.name = "p"
        table.insert_before(caption.extract())
    parts = ["tr", "tbody", "thead", "tfoot"]
    own = [tr for tr in table.find_all("tr") if tr.find_parent("table") is table]
    for part in (table, *table.find_all(parts)):
        # What is in no cell is shown above the table.
        for child in list(part.children):
            stray = type(child) is NavigableString and child.strip()
            if stray and (part is table or part.find_parent("table") is table):
                paragraph = Tag(name="p", builder=None)
                paragraph.append(child.extract())
                table.insert_before(paragraph)
    rows = [tr.find_all(["td", "th"], recursive=False) for tr in own]
    columns = max(
        (sum(cell_span(c, "colspan") for c in row) for row in rows), default=0
    )
    arranging = table.find(["table", "ul", "ol", "blockquote", "pre"]) is not None
    if not 2 <= columns <= MAX_COLUMNS or arranging:
        for part in (*(cell for row in rows for cell in row), *own, table):
            part.name = "div"


def cell_span(cell: Tag, name: str) -> int:
    value = str(cell.get(name) or "")
    limit = MAX_COLUMNS + 1 if name == "colspan" else _MAX_ROWSPAN
    return max(1, min(limit, int(value))) if value.isdecimal() and len(value) < 6 else 1


def _apply_style(element: Tag) -> None:
    """Replace emphasis by style sheet by elements: `<span style="font-weight:700">`."""
    style = str(element["style"])
    if element.name in {"b", "strong"} and _NOT_BOLD.search(style):
        element.name = "span"
    if element.name in HEADINGS | {
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
