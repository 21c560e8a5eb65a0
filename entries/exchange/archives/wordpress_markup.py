"""Make plain HTML of what WordPress and its plugins keep in texts."""

import html
import re
from collections.abc import Callable
from typing import Final

from entries.exchange.archives.base import FORM, POLL, SourceImage, What

BLOCK: Final = What("block of a plugin", "blocks of plugins")
SHORTCODE: Final = What("shortcode", "shortcodes")
LeaveOut = Callable[[What, str], None]

_CAPTION: Final = re.compile(
    r"\[(wp_)?caption\b([^\]]*)\](.*?)\[/(?:wp_)?caption\]", re.S
)
_IMAGE: Final = re.compile(
    r"^\s*((?:<a\b[^>]*>)?\s*<img\b[^>]*>\s*(?:</a>)?)", re.S | re.I
)
_GALLERY: Final = re.compile(r"\[gallery\b([^\]]*)\]")
_IDS: Final = re.compile(r"\b(?:ids|include)=[\"']?([\d,\s]+)")
_ATTRIBUTE: Final = re.compile(r"\bcaption=[\"']([^\"']*)[\"']")
# With a value or a closing tag, since “[sic]” and “[The crew] may go” are text.
_SHORTCODE: Final = re.compile(
    r"(?<!\[)\[/?([a-z][\w-]*)((?:\s+[\w-]+=(?:\"[^\"]*\"|'[^']*'|[^\s\]\"']+))+\s*/?|/)\](?!\])",
    re.I,
)
_KNOWN: Final = frozenset(  # which the converter of HTML reads
    [
        "embed",
        "youtube",
        "vimeo",
        "video",
        "audio",
        "tweet",
        "twitter",
        "instagram",
        "facebook",
        "tiktok",
        "soundcloud",
        "spotify",
    ]
)
_BARE: Final = re.compile(
    r"\[/?(liveblog|liveblog_key_events|elb_liveblog|easy_liveblog|caption|gallery|more)\]"
)
_CLOSING: Final = re.compile(r"\[/([a-z][\w-]*)\]", re.I)
_DYNAMIC: Final = re.compile(r"<!--\s*wp:([\w/-]+)(?:(?!-->).)*/-->", re.S)
_KEY: Final = re.compile(
    r"<span\b[^>]*\bclass=[\"'][^\"']*\btype-key\b[^\"']*[\"'][^>]*>.*?</span>\s*"
    r"|^\s*/key\b\s*|(?<=<p>)\s*/key\b\s*",
    re.S | re.I,
)
_EMOJI: Final = re.compile(
    r"<img\b[^>]*\bclass=[\"'][^\"']*\b(?:liveblog-emoji|wp-smiley|emoji)\b[^>]*>", re.I
)
_ALT: Final = re.compile(r"\balt=[\"']([^\"']*)[\"']")
_BLOCK_TAGS: Final = (
    "address|article|aside|blockquote|center|dd|details|div|dl|dt|fieldset|figcaption|"
    "figure|footer|form|h[1-6]|header|hr|iframe|li|main|nav|ol|p|pre|script|section|"
    "style|summary|table|tbody|td|tfoot|th|thead|tr|ul|video"
)
_PRE: Final = re.compile(r"<pre\b.*?</pre>", re.S | re.I)
_BETWEEN: Final = re.compile(rf"\s*(</?(?:{_BLOCK_TAGS})\b[^>]*>)\s*", re.I)


def without_commands(content: str) -> tuple[str, bool]:
    """Remove the command for key events from an update; return if it was there."""
    text, count = _KEY.subn("", content)
    return text, bool(count)


def to_html(
    content: str, leave_out: LeaveOut, attachment: Callable[[str], SourceImage | None]
) -> str:
    """Return the content of a post with its shortcodes as HTML.

    `attachment` returns the picture with an id, for galleries.
    """

    def gallery(match: re.Match[str]) -> str:
        ids = _IDS.search(match[1])
        found = [attachment(pk.strip()) for pk in ids[1].split(",")] if ids else []
        if not any(found):
            leave_out(SHORTCODE, match[0])
        return "".join(map(_figure, filter(None, found)))

    def block(match: re.Match[str]) -> str:
        name = match[1].lower()
        leave_out(_kind(name, BLOCK), name)
        return ""

    def shortcode(match: re.Match[str]) -> str:
        name = match[1].lower()
        if name in _KNOWN:
            return match[0]
        leave_out(_kind(name, SHORTCODE), match[0])
        names.add(name)
        return ""

    names: set[str] = set()
    text = _DYNAMIC.sub(block, content)
    text = _EMOJI.sub(lambda m: _alt(m[0]), text)
    text = _CAPTION.sub(_captioned, text)
    text = _GALLERY.sub(gallery, text)
    text = _SHORTCODE.sub(shortcode, text)
    text = _CLOSING.sub(lambda m: "" if m[1].lower() in names else m[0], text)
    return _without_gaps(_BARE.sub("", text))


def _kind(name: str, other: What) -> What:
    if "poll" in name or "survey" in name or "quiz" in name:
        return POLL
    return FORM if "form" in name else other


def _captioned(match: re.Match[str]) -> str:
    inner = match[3]
    image = _IMAGE.match(inner)
    words = inner[image.end() :] if image else ""
    if not image:
        return inner
    if not words.strip() and (given := _ATTRIBUTE.search(match[2])):
        words = given[1]
    return f"<figure>{image[1]}<figcaption>{words.strip()}</figcaption></figure>"


def _figure(image: SourceImage) -> str:
    url, alt = html.escape(image.url), html.escape(image.alt)
    caption = html.escape(image.caption)
    caption = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f'<figure><img src="{url}" alt="{alt}">{caption}</figure>'


def _alt(tag: str) -> str:
    found = _ALT.search(tag)
    return found[1] if found else ""


def _without_gaps(text: str) -> str:
    """Remove the line breaks between blocks, which are no breaks in a text."""
    kept: list[str] = []

    def keep(match: re.Match[str]) -> str:
        kept.append(match[0])
        return f"\0{len(kept) - 1}\0"

    text = _PRE.sub(keep, text.replace("\r\n", "\n").replace("\0", ""))
    text = _BETWEEN.sub(r"\1", text)
    return re.sub("\0(\\d+)\0", lambda m: kept[int(m[1])], text)
