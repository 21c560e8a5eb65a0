"""Embed codes that editors paste: HTML of other sites, reduced to their URLs.

The code of a post that has its words becomes a quotation that keeps them. Nothing is
fetched: everything comes from the code. Every visible word of a code is kept, in
paragraphs around its card. Other HTML, and code of which something would be lost, stays
as it was typed.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import islice
from typing import Final, NamedTuple

from entries.text import limits, markdown, media, quotes, rendering, urls

_START: Final = re.compile(
    r"<(iframe|blockquote|script|div|figure|object|embed)\b", re.I
)
_REST_OF_TAG: Final = re.compile(r"""(?:[^<>"']|"[^"]*"|'[^']*')*>|[^<>]*>""")
# What a site adds after its frame: scripts, and lines that lead to it.
_MORE: Final = re.compile(r"\s*<(script|noscript|div|p|small|br|style)\b", re.I)
# What Facebook puts before its posts.
_BEFORE: Final = re.compile(
    r'<div id="fb-root"></div>\s*'
    r"(?:<script\b[^<>]*\bconnect\.facebook\.net/[^<>]*></script>\s*)?\Z"
)
# So that no text takes long.
_MAX_TEXT: Final = 4 * limits.MAX_BODY_LENGTH
_MAX_CODE: Final = 15_000
_MAX_STARTS: Final = 60
_MAX_MORE: Final = 6
_MAX_TAG: Final = 5_000
_ALONE: Final = {"br", "embed"}
_FENCE: Final = re.compile(r"^ {0,3}`{3,}", re.M)
# Lists, quotations and tables, which a card would cut in two.
_WITHIN: Final = re.compile(r"^ *(?:>|[-+*] |[0-9]{1,2}\. |\|)|\|[^\n]*\Z", re.M)
# The codes of posts, whose URL is that of a link.
_POSTS: Final = {
    "twitter-tweet",
    "twitter-video",
    "bluesky-embed",
    "mastodon-embed",
    "instagram-media",
    "tiktok-embed",
    "fb-xfbml-parse-ignore",
    "text-post-media",
    "reddit-embed-bq",
    "reddit-card",
}
# Elements whose words can become paragraphs, and those that show things of their own.
_PROSE: Final = frozenset(
    {"a", "blockquote", "br", "center", "div", "embed", "figcaption"}
    | {"figure", "iframe", "noscript", "object", "p", "param", "script"}
    | {"section", "small", "span", "style"}
)
_THINGS: Final = frozenset(
    {"audio", "button", "canvas", "form", "img", "input", "math", "picture"}
    | {"select", "table", "textarea", "video"}
)
_FRAMES: Final = frozenset({"iframe", "embed", "object"})
_BREAKS: Final = frozenset(
    {"br", "center", "div", "figcaption", "figure", "p", "section", "small"}
    | {"li", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6"}
)
# Titles that say nothing about what is shown.
_NO_TITLE: Final = re.compile(
    r"\W*(?:(?:youtube|vimeo|dailymotion|spotify|soundcloud|flourish|telegram|tiktok|"
    r"instagram|facebook|x|twitter|bluesky|mastodon)?\s*"
    r"(?:video|audio|post|embed|embedded)?\s*(?:player|content|frame|iframe|map)?|"
    r"interactive or visual content|made with flourish|(?:view )?larger map)\W*",
    re.I,
)
_PHRASES: Final = re.compile(
    r"(?:View (?:this post )?on (?:Instagram|Mastodon|Threads)|Spotify Embed:)"
)
# Of a line like “Fog from Ada on Vimeo”, besides the texts of its links.
_JOINING: Final = {"from", "on", "by", "in"}
_SIGNED: Final = re.compile(
    r"[—–-] ?(?P<name>.+?) ?\((?P<handle>@[^()\s]+)\) ?(?P<date>.*)"
)
_POSTED: Final = re.compile(r"Posted by (?P<name>.+?) on (?P<date>.*)(?P<handle>)")
_MAX_TITLE: Final = 150
_PERMALINKS: Final = (
    "cite",
    "data-href",
    "data-instgrm-permalink",
    "data-text-post-permalink",
)
_UNSEEN: Final = frozenset({"script", "style", "svg", "noscript"})
# Sites whose posts are signed with a date, and those with several URLs for one thing.
_SIGNING: Final = frozenset({"X", "Bluesky", "Facebook"})
_OPAQUE: Final = frozenset({"SoundCloud", "OpenStreetMap"})


def reduce_embeds(body: str) -> str:
    """Return a body with its embed codes reduced to blocks of Markdown."""
    if len(body) > _MAX_TEXT or not _START.search(body):
        return body
    parts: list[str] = []
    place = 0
    for start in islice(_START.finditer(body), _MAX_STARTS):
        if start.start() < place or _is_within(body, start.start()):
            continue
        # An element that is left as it was may have an embed code inside.
        if reduced := _reduce(body, start):
            found, end = reduced
            before = _BEFORE.sub("", body[place : start.start()])
            parts += [before.rstrip(), found]
            place = end
    rest = body[place:]
    return "\n\n".join(filter(None, [*parts, rest.lstrip() if parts else rest]))


def _reduce(body: str, start: re.Match[str]) -> tuple[str, int] | None:
    """Return the Markdown of an embed code, and where the code ends."""
    limit = start.start() + _MAX_CODE
    end = _end(body, start, limit)
    ends = [end]
    scripts = end  # where the scripts end that follow directly
    while len(ends) <= _MAX_MORE and (more := _MORE.match(body, ends[-1], limit)):
        if ends[-1] == scripts and more[1].lower() in ("script", "style", "br"):
            scripts = _end(body, more, limit)
        ends.append(_end(body, more, limit))
    if not _Embed.read(body[start.start() : ends[-1]]).subjects():
        return None
    # With the lines that a site adds, unless they say more than the card.
    for last in reversed(ends):
        if found := _Embed.read(body[start.start() : last]).markdown(alone=True):
            return found, last
    for last in dict.fromkeys((scripts, end)):
        if found := _Embed.read(body[start.start() : last]).markdown():
            return found, last
    return None


def _end(body: str, start: re.Match[str], limit: int) -> int:
    """Return where an element ends; where its start tag does, if it is not closed."""
    tag = start[1].lower()
    opened = _REST_OF_TAG.match(body, start.end(), min(limit, start.end() + _MAX_TAG))
    if not opened:
        return start.end()
    depth = 0 if tag in _ALONE else 1
    place = opened.end()
    for found in re.compile(rf"<(/?){tag}\b[^<>]*", re.I).finditer(body, place, limit):
        depth += -1 if found[1] else 1
        if depth <= 0:
            end = body.find(">", found.end(), found.end() + 1)
            return end + 1 if depth == 0 and end >= 0 else place
    return place


def _is_within(body: str, place: int) -> bool:
    """Return whether a place is in code, or in a list, a quotation or a table."""
    if len(_FENCE.findall(body, 0, place)) % 2:
        return True
    first = body.rfind("\n\n", 0, place) + 2 if "\n\n" in body[:place] else 0
    last = body.find("\n\n", place)
    before, after = body[first:place], body[place : last if last >= 0 else None]
    if before.count("`") % 2 and "`" in after:
        return True
    if before and not before.strip() and before.startswith(("    ", "\t")):
        return _WITHIN.search(body, 0, first) is not None
    return bool(_WITHIN.search(before)) or markdown.is_table(before + after)


class _Node(NamedTuple):
    """What an embed code has, in its order: text, a link, or the URL of a frame."""

    kind: str
    text: str = ""
    url: str = ""


class _Embed(HTMLParser):
    """An embed code: its URLs, links and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[_Node] = []
        self.words = ""  # of the post, in paragraphs
        self.rest = ""  # of the post, outside paragraphs
        self.outside = ""  # not of the post
        self.classes: set[str] = set()
        self.is_whole = True  # nothing but known frames, and the text
        self.is_plain = True  # no markup that paragraphs would lose
        self._link: int | None = None
        self._unseen = self._paragraphs = self._quotes = 0

    @classmethod
    def read(cls, html: str) -> "_Embed":
        """Parse an embed code; one that cannot be parsed is empty."""
        parser = cls()
        try:
            parser.feed(html)
            parser.close()
        except (AssertionError, ValueError):  # `<![foo[`
            return cls()
        return parser

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the URLs that an element names."""
        given = {name: (value or "").strip() for name, value in attrs}
        classes = set(given.get("class", "").split())
        if tag in _UNSEEN:
            self._unseen += 1
        if not self._unseen:
            self.is_whole &= tag not in _THINGS
            self.is_plain &= tag in _PROSE
        if tag in _BREAKS:
            self._add("\n" if tag == "br" else "\n\n")
        if tag == "a":
            self._link = len(self.nodes)
            self.nodes.append(_Node("link", url=given.get("href", "")))
        elif tag == "p":
            self._paragraphs += 1
        elif tag == "blockquote":
            self._quotes += bool(self._quotes or not classes.isdisjoint(_POSTS))
        if tag in ("blockquote", "iframe"):
            self.classes |= classes
        known = next(filter(media.find, _urls(tag, given)), "")
        if known:
            self.nodes.append(_Node("frame", given.get("title", ""), known))
        if tag in _FRAMES and (tag != "object" or given.get("data")):
            self.is_whole &= bool(known)

    def handle_endtag(self, tag: str) -> None:
        """Return to the element around this one."""
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag == "a":
            self._link = None
        elif tag == "p":
            self._paragraphs = max(0, self._paragraphs - 1)
        if tag in _BREAKS:
            self._add("\n\n")
        if tag == "blockquote":
            self._quotes = max(0, self._quotes - 1)

    def handle_data(self, data: str) -> None:
        """Collect text."""
        self._add(re.sub(r"\s+", " ", data))

    def _add(self, text: str) -> None:
        if self._unseen:
            return
        if self._link is not None:
            link = self.nodes[self._link]
            self.nodes[self._link] = link._replace(text=link.text + text)
        else:
            self.nodes.append(_Node("text", text))
        if not self._quotes:
            self.outside += text
        elif self._paragraphs:
            self.words += text
        else:
            self.rest += text

    @property
    def _of_post(self) -> bool:
        return not self.classes.isdisjoint(_POSTS)

    def _links(self) -> list[tuple[media.Media, str]]:
        """Return the links to videos and posts, and their texts."""
        links = (node for node in self.nodes if node.kind == "link")
        return [(one, p.text) for p in links if (one := media.find(p.url))]

    def subjects(self) -> list[tuple[media.Media, str]]:
        """Return what is shown, without duplicates, and the titles of the frames."""
        found: list[tuple[media.Media, str]] = []
        for node in self.nodes:
            one = media.find(node.url) if node.kind == "frame" else None
            if one and (one.frame or self._of_post):
                found += [(one, node.text)] * (not _has(found, one))
        return found or (self._links()[-1:] if self._of_post else [])

    def markdown(self, *, alone: bool = False) -> str:
        """Return a quotation, or the lines of cards and the rest of the text.

        "" if something would be lost, or if `alone` and there is a rest.
        """
        subjects = self.subjects()
        if not (subjects and self.is_whole):
            return ""
        if len(subjects) > 1 and (alone or self._of_post):
            return ""
        if self._of_post and self.outside.strip():
            return ""  # the post is read by itself
        if self._of_post and (quote := self._quote(subjects[0][0])):
            return quote
        if len(subjects) == 1:
            lines = [self._card(*subjects[0])]
        else:
            lines = [_line(_public(one), _title(title), "") for one, title in subjects]
        blocks = self._blocks(subjects, lines)
        rest = [block for block in blocks if block not in lines]
        if rest and (alone or not (self.is_plain or self._of_post)):
            return ""
        # Marks that were typed inside HTML are not for us to read.
        if not self._of_post and any(map(_has_marks, rest)):
            return ""
        return "\n\n".join(
            block if block in lines else rendering.escape_markdown(block)
            for block in blocks
        )

    def _blocks(
        self, subjects: list[tuple[media.Media, str]], lines: list[str]
    ) -> list[str]:
        """Return the lines of cards, among the paragraphs that say more than they."""
        said = _words_of(rendering.unescape_markdown(" ".join(lines)))
        pending, blocks = list(zip(subjects, lines, strict=True)), list[str]()
        text = needed = ""

        def end_paragraphs() -> None:
            nonlocal text, needed
            for typed, own in zip(
                text.split("\n\n"), needed.split("\n\n"), strict=True
            ):
                if _words_of(own) - said - _JOINING:
                    blocks.append(_tidy(typed))
            text = needed = ""

        for node in self.nodes:
            if node.kind == "text":
                text, needed = text + node.text, needed + node.text
            elif node.kind == "link":
                full, own = self._link_words(node, subjects)
                text, needed = text + full, f"{needed} {own} "
            elif self._of_post or not pending:
                continue
            elif media.find(node.url) == pending[0][0][0]:
                end_paragraphs()
                blocks.append(pending.pop(0)[1])
        end_paragraphs()
        return [*(line for _, line in pending), *blocks]

    def _link_words(
        self, link: _Node, subjects: list[tuple[media.Media, str]]
    ) -> tuple[str, str]:
        """Return the text of a link, with its URL, and what of it must be kept."""
        what = subjects[0][0]
        one, text = media.find(link.url), link.text
        breaks = "\n\n" * text.count("\n\n")
        if one and _has(subjects, one):
            return text, _PHRASES.sub(" ", text) if _title(text) else breaks
        words = " ".join(text.split())
        if (
            not urls.is_safe(link.url)
            or words == link.url
            or (self._of_post and not one)
        ):
            return text, text
        full = f"{text.rstrip()} ({link.url})" if words else link.url
        if media.is_of_site(link.url, what) and not one:
            return full, breaks if words.lower() == what.provider.lower() else text
        return full, full

    def _card(self, what: media.Media, title: str) -> str:
        """Return the line of the only card."""
        pages = [pair for pair in self._links() if _are_same(pair[0], what)]
        page = pages[-1][0] if pages else what
        if _public(what).startswith(_public(page)):  # and says more
            page = what
        titles = [_title(text) for _, text in pages] + [_title(title)]
        if self._of_post and what.provider in _SIGNING:  # its link is a date
            titles = []
        author = self._author(page)
        if self._of_post and what.kind == "video":
            texts = (node.text for node in self.nodes if node.kind != "frame")
            words = " ".join("".join(texts).split()).removeprefix(author).strip()
            titles += [words] * (len(words) < _MAX_TITLE)
        best = next(filter(None, titles), "")
        return _line(_public(page), best, author if best else "")

    def _quote(self, post: media.Media) -> str:
        """Return the post as a quotation, or "" if the code does not have its words."""
        rest = " ".join(self.rest.split())
        signed = _SIGNED.fullmatch(rest) or _POSTED.fullmatch(rest)
        words = _tidy(self.words.replace("[image or embed]", ""))
        if not (signed and words) or post.kind != "post":
            return ""
        name, handle, date = (signed[part] for part in ("name", "handle", "date"))
        pages = [one for one, _ in self._links()]
        page = next((p for p in reversed(pages) if _are_same(p, post)), post)
        when = quotes.posted_at(page.url, date)
        quote = quotes.Quote(name, handle, post.provider, when, _public(page))
        if (date and not when) or quotes.read_line(quote.line) != quote:
            return ""
        others = [one.url for one in pages if not _are_same(one, post)]
        words = "\n".join([words, *(url for url in others if url not in words)])
        return quote.markdown(rendering.escape_markdown(words))

    def _author(self, what: media.Media) -> str:
        """Return the text of the first link to an account of the site."""
        for node in self.nodes:
            name = " ".join(node.text.split())
            if node.kind != "link" or not name or media.find(node.url):
                continue
            if name.lower() != what.provider.lower():
                return name if media.is_of_site(node.url, what) else ""
        return ""


def _public(what: media.Media) -> str:
    """Return the public URL, without what a code adds to count readers."""
    return what.page or what.url


def _has(found: list[tuple[media.Media, str]], what: media.Media) -> bool:
    return any(_are_same(one, what) for one, _ in found)


def _are_same(one: media.Media, other: media.Media) -> bool:
    """Return whether two URLs of a code show the same, as far as they say."""
    if (one.provider, one.kind) != (other.provider, other.kind):
        return False
    # The URLs of their frames have other numbers than those of their pages.
    if one.provider in _OPAQUE or one.frame == other.frame != "":
        return True
    pages = [_public(each).partition("?")[0].partition("#")[0] for each in (one, other)]
    return _public(one) == _public(other) or (
        one.provider == "Vimeo" and min(pages) in max(pages)
    )


def _words_of(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def _has_marks(text: str) -> bool:
    return rendering.escape_markdown(text) != text


def _tidy(text: str) -> str:
    """Return text with single spaces, and with at most one empty line in a row."""
    lines = (" ".join(line.split()) for line in text.strip().split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def _urls(tag: str, given: dict[str, str]) -> Iterator[str]:
    """Yield the URLs that the attributes of an element name."""
    for url in filter(None, _typed_urls(tag, given)):
        yield f"https:{url}" if url.startswith("//") else url


def _typed_urls(tag: str, given: dict[str, str]) -> Iterator[str]:
    if tag in _FRAMES:
        for name in ("src", "data-src", "data"):
            yield given.get(name, "")
            yield given.get(name, "").partition("?")[0].removesuffix("/embed")
    if tag == "param" and given.get("name", "").lower() == "movie":
        yield given.get("value", "")
    if tag in ("blockquote", "div"):
        for name in _PERMALINKS:
            yield given.get(name, "")
        yield given.get("data-embed-url", "").removesuffix("/embed")
    uri = given.get("data-bluesky-uri", "")
    if match := re.fullmatch(r"at://([^/]+)/app\.bsky\.feed\.post/(\w+)", uri):
        yield f"https://bsky.app/profile/{match[1]}/post/{match[2]}"
    if path := given.get("data-src", ""):
        yield f"https://public.flourish.studio/{path.removeprefix('/')}"
    if tag == "script":
        yield from _script_urls(given.get("src", ""), given)


def _script_urls(source: str, given: dict[str, str]) -> Iterator[str]:
    if post := given.get("data-telegram-post"):
        yield f"https://t.me/{post}"
    if "geo.dailymotion.com/player" in source:
        yield f"https://www.dailymotion.com/video/{given.get('data-video', '')}"
    if "dwcdn.net" in source:
        yield source.rpartition("/")[0] + "/"


def _title(text: str) -> str:
    """Return a text that says what is shown, or ""."""
    title = " ".join(_PHRASES.sub(" ", text).split())
    if len(title) > _MAX_TITLE:  # long to match, and no empty phrase
        return title
    return "" if _NO_TITLE.fullmatch(title) or urls.is_safe(title) else title


def _line(url: str, title: str, author: str) -> str:
    """Return the line of a card: the URL alone, or `[Title — Author](URL)`."""
    if not title:
        return url
    title = title.replace(" — ", " – ")  # which would begin the author
    words = f"{title} — {author}" if author else title
    escaped = re.sub(r"([][*_`~\\])", r"\\\1", words)
    return f"[{escaped}]({url})"
