"""Embed codes that editors paste: HTML of other sites, reduced to their URLs.

The code of a post that has its words becomes a quotation that keeps them. Nothing is
fetched: everything comes from the code. HTML without the URL of a known site stays
as it was typed.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import islice
from typing import Final

from entries.text import limits, media, quotes, rendering, urls

_HINT: Final = re.compile(
    r"<(?:iframe|blockquote|script|div|figure)\b[^<>]*\b(?:src|class|data-[\w-]+)\s*=",
    re.I,
)
_START: Final = re.compile(r"<(iframe|blockquote|script|div|figure)\b[^<>]*>", re.I)
# What a site adds after its frame: scripts, and lines that lead to it.
_MORE: Final = re.compile(r"\s*<(script|noscript|div|p|small|br|style)\b[^<>]*>", re.I)
# So that no text takes long.
_MAX_TEXT: Final = 4 * limits.MAX_BODY_LENGTH
_MAX_CODE: Final = 15_000
_MAX_STARTS: Final = 60
_ALONE: Final = {"br"}
_FENCE: Final = re.compile(r"^ {0,3}`{3,}", re.M)
# The codes of posts, whose URL is that of a link.
_POSTS: Final = {
    "twitter-tweet",
    "twitter-video",
    "bluesky-embed",
    "mastodon-embed",
    "instagram-media",
    "tiktok-embed",
}
# Titles that say nothing about what is shown.
_NO_TITLE: Final = re.compile(
    r"\W*(?:(?:youtube|vimeo|dailymotion|spotify|soundcloud|flourish|telegram|tiktok|"
    r"instagram|facebook|x|twitter|bluesky|mastodon)?\s*"
    r"(?:video|audio|post|embed|embedded)?\s*(?:player|content|frame|iframe|map)?|"
    r"interactive or visual content|(?:view )?larger map)\W*",
    re.I,
)
_PHRASES: Final = re.compile(
    r"\s*(?:View (?:this post )?on (?:Instagram|Mastodon|Threads)|Spotify Embed:)\s*"
)
_SIGNED: Final = re.compile(r"\s*[—–-]\s*(.+?)\s*\((@[^()\s]+)\)\s*(.*?)\s*", re.S)
_MAX_TITLE: Final = 150


def reduce_embeds(body: str) -> str:
    """Return a body with its embed codes reduced to blocks of Markdown."""
    if len(body) > _MAX_TEXT or not _HINT.search(body):
        return body
    parts: list[str] = []
    place = 0
    for start, end in _codes(body):
        if start < place or _in_code(body, start):
            continue
        if found := _Embed.read(body[start:end]).markdown():
            parts += [body[place:start].rstrip(), found]
            place = end
    rest = body[place:]
    return "\n\n".join(filter(None, [*parts, rest.lstrip() if parts else rest]))


def _codes(body: str) -> Iterator[tuple[int, int]]:
    """Yield where elements that may be embed codes begin and end."""
    # An element without a URL may have an embed code inside.
    for start in islice(_START.finditer(body), _MAX_STARTS):
        end = _end(body, start[1], start.end())
        while more := _MORE.match(body, end):
            inner = _end(body, more[1], more.end())
            if more[1].lower() in ("div", "p") and not _only_links(body[end:inner]):
                break
            end = inner
        if end - start.start() <= _MAX_CODE:
            yield start.start(), end


def _end(body: str, tag: str, place: int) -> int:
    """Return where the element ends whose start tag ends at `place`."""
    if tag.lower() in _ALONE:
        return place
    depth = 1
    for found in re.compile(rf"<(/?){tag}\b[^<>]*>", re.I).finditer(body, place):
        depth += -1 if found[1] else 1
        if not depth:
            return found.end()
    return place


def _only_links(html: str) -> bool:
    """Return whether an element has no text of its own but around links."""
    found = _Embed.read(html)
    return bool(found.links) and len(found.own_text.strip()) < 40


def _in_code(body: str, place: int) -> bool:
    """Return whether a place is in a fenced block, or right after a code mark."""
    fences = len(_FENCE.findall(body, 0, place))
    return fences % 2 == 1 or body[max(0, place - 1) : place] == "`"


class _Embed(HTMLParser):
    """An embed code: its URLs, links and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[tuple[str, str]] = []  # URL, title
        self.links: list[tuple[str, str]] = []  # URL, text
        self.words = ""  # in paragraphs
        self.rest = ""  # outside paragraphs
        self.own_text = ""  # outside links
        self.classes: set[str] = set()
        self._href: str | None = None
        self._skipped = self._paragraphs = 0

    @classmethod
    def read(cls, html: str) -> "_Embed":
        """Parse an embed code."""
        parser = cls()
        parser.feed(html)
        parser.close()
        return parser

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the URLs that an element names."""
        given = {name: (value or "").strip() for name, value in attrs}
        if tag in ("script", "style", "svg"):
            self._skipped += 1
        if tag == "a":
            self._href = given.get("href", "")
            self.links.append((self._href, ""))
        elif tag == "p":
            self._paragraphs += 1
        if tag in ("p", "br", "div", "section"):
            self.handle_data("\n" if tag == "br" else "\n\n")
        if tag in ("blockquote", "iframe"):
            self.classes.update(given.get("class", "").split())
        title = given.get("title", "")
        self.sources += [(url, title) for url in _urls(tag, given)]

    def handle_endtag(self, tag: str) -> None:
        """Return to the element around this one."""
        if tag in ("script", "style", "svg"):
            self._skipped = max(0, self._skipped - 1)
        if tag == "a":
            self._href = None
        if tag == "p":
            self._paragraphs = max(0, self._paragraphs - 1)

    def handle_data(self, data: str) -> None:
        """Collect text."""
        if self._skipped:
            return
        if self._href is not None:
            url, text = self.links[-1]
            self.links[-1] = url, text + data
        else:
            self.own_text += data
        if self._paragraphs:
            self.words += data
        else:
            self.rest += data

    def markdown(self) -> str:
        """Return a quotation or the line of a card; "" if no URL is known."""
        of_post = not self.classes.isdisjoint(_POSTS)
        found = [(media.find(url), title) for url, title in self.sources]
        known = [(one, title) for one, title in found if one and (one.frame or of_post)]
        pages = [(one, text) for url, text in self.links if (one := media.find(url))]
        if not known and of_post:
            known = pages[-1:]
        if not known:
            return ""
        what = known[0][0]
        pages = [pair for pair in pages if _are_same(pair[0], what)]
        page = pages[-1][0] if pages else None
        if (quote := self._quote(page or what)) and of_post:
            return quote
        titles = [_title(text) for _, text in pages] + [_title(known[0][1])]
        if (
            what.kind == "video"
            and len(words := " ".join(self.words.split())) < _MAX_TITLE
        ):
            titles.append(words)
        title = next(filter(None, titles), "")
        author = self._author(page or what) if title else ""
        return _line(_public(page or what), title, author)

    def _quote(self, post: media.Media) -> str:
        """Return the post as a quotation, or "" if the code does not have its words."""
        signed = _SIGNED.fullmatch(self.rest)
        words = _tidy(self.words.replace("[image or embed]", ""))
        if not (signed and words):
            return ""
        name, handle, date = (" ".join(part.split()) for part in signed.groups())
        quote = quotes.Quote(
            name, handle, post.provider, quotes.posted_at(post.url, date), _public(post)
        )
        return quote.markdown(rendering.escape_markdown(words))

    def _author(self, what: media.Media) -> str:
        """Return the text of the first link to an account of the site."""
        for url, text in self.links:
            name = " ".join(text.split())
            other = media.find(url)
            if name and not other and name.lower() != what.provider.lower():
                return name if media.is_of_site(url, what) else ""
        return ""


def _public(what: media.Media) -> str:
    """Return the public URL, without what a code adds to count readers."""
    return what.page or what.url


def _are_same(one: media.Media, other: media.Media) -> bool:
    return (one.provider, one.kind) == (other.provider, other.kind)


def _tidy(text: str) -> str:
    """Return text with single spaces, and with at most one empty line in a row."""
    lines = (" ".join(line.split()) for line in text.strip().split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def _urls(tag: str, given: dict[str, str]) -> Iterator[str]:
    """Yield the URLs that the attributes of an element name."""
    if tag == "iframe":
        for name in ("src", "data-src"):
            yield given.get(name, "")
            yield given.get(name, "").partition("?")[0].removesuffix("/embed")
    if tag in ("blockquote", "div"):
        for name in ("cite", "data-href", "data-instgrm-permalink"):
            yield given.get(name, "")
        yield given.get("data-embed-url", "").removesuffix("/embed")
    uri = given.get("data-bluesky-uri", "")
    if match := re.fullmatch(r"at://([^/]+)/app\.bsky\.feed\.post/(\w+)", uri):
        yield f"https://bsky.app/profile/{match[1]}/post/{match[2]}"
    if post := given.get("data-telegram-post"):
        yield f"https://t.me/{post}"
    if shown := given.get("data-src", ""):
        yield f"https://public.flourish.studio/{shown.removeprefix('/')}"
    if tag == "script" and "dwcdn.net" in given.get("src", ""):
        yield given["src"].rpartition("/")[0] + "/"


def _title(text: str) -> str:
    """Return a text that says what is shown, or ""."""
    title = " ".join(_PHRASES.sub(" ", text).split())
    return "" if _NO_TITLE.fullmatch(title) or urls.is_safe(title) else title


def _line(url: str, title: str, author: str) -> str:
    """Return the line of a card: the URL alone, or `[Title — Author](URL)`."""
    if not title:
        return url
    words = f"{title} — {author}" if author else title
    escaped = re.sub(r"([][*_`~\\])", r"\\\1", words)
    return f"[{escaped}]({url})"
