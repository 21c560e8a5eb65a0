"""Say what a file seems to be that is no text of a story, such as HTML or JSON.

Such a file is never imported as it is: readers would see its markup.
"""

import json
import re
from typing import Final

from entries.exchange.text.decoding import encoding_of

_LOOKED_AT: Final = 64 * 1024  # characters
_BLANK: Final = "\ufeff\u200b\x00 \t\r\n\f\v\xa0"
_COMMENT: Final = re.compile(r"<!--.*?-->\s*", re.S)
_DECLARATION: Final = re.compile(r"<\?xml\b[^>]*\?>\s*|<\?[\w-]+[^>]*\?>\s*", re.I)
_TAG: Final = re.compile(r"<(!doctype\s+)?([a-z_][\w.:-]*)(?=[\s/>])", re.I)
_HTML: Final = frozenset(
    [
        "html",
        "head",
        "body",
        "div",
        "p",
        "article",
        "section",
        "main",
        "header",
        "h1",
        "h2",
        "h3",
        "h4",
        "ul",
        "ol",
        "li",
        "table",
        "span",
        "a",
        "b",
        "i",
        "em",
        "strong",
        "img",
        "figure",
        "blockquote",
        "script",
        "style",
        "iframe",
        "br",
        "hr",
        "form",
        "nav",
        "meta",
        "link",
        "title",
        "font",
        "center",
        "pre",
        "amp-live-list",
    ]
)
_PAGE: Final = frozenset({"html", "head", "body", "meta", "title"})
_XML: Final = {
    "rss": "an RSS feed",
    "feed": "an Atom feed",
    "rdf:rdf": "an RSS feed",
    "nitf": "XML (NITF)",
    "newsml": "XML (NewsML)",
    "newsitem": "XML (NewsML-G2)",
    "newsmessage": "XML (NewsML-G2)",
    "svg": "a picture (SVG)",
    "urlset": "a sitemap",
    "sitemapindex": "a sitemap",
    "opml": "a list of feeds (OPML)",
}
_WXR: Final = re.compile(r"wordpress\.org/export/|<wp:wxr_version>", re.I)
_JSON_OBJECT: Final = re.compile(r'\{\s*(?:"(?:[^"\\\n]|\\.)*"\s*:|\}\s*$)')
_JSON_LIST: Final = re.compile(
    r'\[\s*(?:\{\s*["}]|\[\s*[\["{\d]|"(?:[^"\\\n]|\\.)*"\s*[,\]])'
)
_OTHERS: Final = (
    (re.compile(r"BEGIN:V(?:CALENDAR|CARD)\b"), "a calendar or a card"),
    (
        re.compile(r"(?:-- (?:MySQL|MariaDB|PostgreSQL)|INSERT INTO |CREATE TABLE )"),
        "SQL",
    ),
    (re.compile(r"MIME-Version: \d", re.I), "an e-mail or a web archive (MIME)"),
    (re.compile(r"(?:a|O|s):\d+:[{\"]"), "serialised PHP"),
)
_MIN_ROWS: Final = 5
_MIN_SEPARATORS: Final = 3


def markup(content: bytes) -> str:
    """Return what a file seems to be, such as “an Atom feed”; "" for plain text."""
    text = _start(content)
    if text.startswith(("{", "[")):
        return _json(content, text)
    if text.startswith("<"):
        return _tags(text)
    for pattern, noun in _OTHERS:
        if pattern.match(text):
            return noun
    return "a table (CSV)" if _is_table(text) else ""


def _start(content: bytes) -> str:
    data = content[: _LOOKED_AT * 2]
    encoding = encoding_of(data)
    return data.decode(encoding, "replace").strip(_BLANK)[:_LOOKED_AT]


def _json(content: bytes, text: str) -> str:
    pattern, noun = (
        (_JSON_OBJECT, "JSON") if text.startswith("{") else (_JSON_LIST, "a JSON list")
    )
    if pattern.match(text):
        return noun
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return ""
    return noun


def _tags(text: str) -> str:
    declared = bool(_DECLARATION.match(text))
    text = _COMMENT.sub("", _DECLARATION.sub("", text)).lstrip()
    if _WXR.search(text):
        return "a WordPress export"
    tag = _TAG.match(text)
    if tag is None:
        return "XML" if declared else ""
    name = tag[2].lower()
    if tag[1]:
        return "a web page (HTML)" if name == "html" else "XML"
    if name in _XML:
        return _XML[name]
    if name in _PAGE:
        return "a web page (HTML)"
    if declared:
        return "XML"
    # A text may begin with a tag that its author meant as text.
    closed = text.rstrip().endswith(">") or len(re.findall(r"</\w", text)) > 2
    if not closed:
        return ""
    return "HTML" if name in _HTML else "XML"


def _is_table(text: str) -> bool:
    rows = [row for row in text.splitlines() if row.strip()][:_MIN_ROWS]
    if len(rows) < _MIN_ROWS:
        return False
    return any(
        len(counts := {row.count(separator) for row in rows}) == 1
        and min(counts) >= _MIN_SEPARATORS
        for separator in ",;\t"
    )
