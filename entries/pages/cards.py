"""Videos, posts and quoted posts in the HTML of entries, as data.

They are read from the HTML that templates rendered (`_card.html`, `_quote.html`), which
saves parsing the text again. Authors cannot write such elements, and in what we
rendered text has no "<" and attributes no ">".
"""

import html
import re
from typing import Final, NamedTuple

from entries.text import rendering

_CARD: Final = re.compile(
    r'<figure class="media \w*" data-kind="(\w+)" data-provider="([^"]*)">'
    r"(.*?)</figure>",
    re.S,
)
_LINK: Final = re.compile(r'<p class="what"><a href="([^"]*)"[^>]*>([^<]*)</a>')
_FRAME: Final = re.compile(r'<media-frame\s+src="([^"]*)"')
_QUOTE: Final = re.compile(
    r'<figure class="quote" dir="auto">\s*<blockquote>(.*?)</blockquote>\s*'
    r"<figcaption>(.*?)</figcaption></figure>",
    re.S,
)
_TIME: Final = re.compile(r'<time\s[^>]*datetime="([^"]*)"')
_POST: Final = re.compile(r'<a\s+class="post"\s+href="([^"]*)"')


class SharedMedia(NamedTuple):
    """A video or post of another site; `title` is "" if nobody wrote one."""

    kind: str
    provider: str
    url: str
    label: str
    title: str
    author: str
    frame: str


class QuotedPost(NamedTuple):
    """A post whose words are part of the text; `posted_at` is ISO 8601."""

    text: str
    name: str
    handle: str
    network: str
    posted_at: str
    url: str


def cards_in(markup: str) -> list[SharedMedia]:
    """Return the cards in the HTML of an entry, in order."""
    found = []
    for kind, provider, inside in _CARD.findall(markup):
        link = _LINK.search(inside)
        if not link:
            continue
        frame, site = _FRAME.search(inside), _text(inside, "site")
        found.append(
            SharedMedia(
                kind,
                html.unescape(provider),
                html.unescape(link[1]),
                label := html.unescape(link[2]),
                label if site else "",
                _text(inside, "author"),
                html.unescape(frame[1]) if frame else "",
            )
        )
    return found


def quoted_posts_in(markup: str) -> list[QuotedPost]:
    """Return the quoted posts in the HTML of an entry, in order."""
    return [
        QuotedPost(
            rendering.plain_text(words),
            _text(caption, "", "cite"),
            _text(caption, "handle", "bdi"),
            _text(caption, "site"),
            _value(_TIME, caption),
            _value(_POST, caption),
        )
        for words, caption in _QUOTE.findall(markup)
    ]


def _text(markup: str, name: str, tag: str = "span") -> str:
    """Return the text of the element with a class, or ""."""
    attribute = rf'\s+class="{name}"\s*' if name else ""
    return _value(re.compile(rf"<{tag}{attribute}>([^<]*)</{tag}>"), markup)


def _value(pattern: re.Pattern[str], markup: str) -> str:
    found = pattern.search(markup)
    return html.unescape(found[1]) if found else ""
