"""An extractor of visible text, independent of the importers that it checks."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from html.parser import HTMLParser
from typing import Any

_BLOCKS = re.compile(
    "p|div|[uo]l|li|blockquote|table|caption|t[rdh]|h[1-6]|pre|figure|figcaption"
    "|section|article|header|footer|aside|d[ltd]|center|[bh]r|body"
)
_UNSEEN = {"script", "style", "head", "template"}


class _Extractor(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.unseen = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.unseen += tag in _UNSEEN
        if _BLOCKS.fullmatch(tag):
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self.unseen -= tag in _UNSEEN and self.unseen > 0
        if _BLOCKS.fullmatch(tag):
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self.unseen:
            self.parts.append(data)


def visible_words(html: str) -> list[str]:
    """Return the words that a browser shows; raised figures are ordinary ones."""
    return unicodedata.normalize("NFKC", "".join(_Extractor(html).parts)).split()


def visible_characters(html: str) -> Counter[str]:
    """Count the characters that a browser shows, without spaces."""
    return Counter("".join(visible_words(html)))
