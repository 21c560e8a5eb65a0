"""Web addresses in a text: which are safe, where they end, what to call them; slugs."""

import re
from collections.abc import Callable
from itertools import count
from typing import Final

from django.conf import settings
from django.urls import register_converter
from django.urls.converters import IntConverter

SCHEMES: Final = frozenset({"http", "https", "mailto"})

# Stricter than any browser's reading: a URL has to begin with a scheme of ours to
# the letter, so that nothing a browser strips or decodes can stand before it.
_SAFE: Final = re.compile(
    r'(?:https?://[^\s\x00-\x20/?#\\<>"]|mailto:)[^\s\x00-\x20\x7f\\<>"]+', re.I
)
# Typographic marks and full stops of other scripts belong to the sentence, as do the
# invisible ones that are pasted along with right-to-left text.
BARE_URL: Final = re.compile(
    r"(?<![A-Za-z0-9@/._-])(?i:https?://)"
    r"""[^\s<>"\\^`{|}\[\]“”„‘’«»‹›—…،؛؟۔\u3000-\u303f！（），：；？［］"""
    r"\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+"
)
_POSTS: Final = r"""
    (?:x|twitter)\.com/\w+/status/\d | bsky\.app/profile/[^/]+/post/ | vk\.com/wall
    | threads\.(?:net|com)/@[^/]+/post/ | instagram\.com/(?:[^/]+/)?p/ | t\.me/\w+/\d
    | facebook\.com/(?:[^/]+/posts/|groups/[^/]+/posts/|permalink\.php|share/p/)
    | reddit\.com/r/\w+/comments/ | linkedin\.com/(?:posts|feed/update)/
    | [\w.-]+/@[\w.@-]+/\d+$"""
_VIDEOS: Final = r"""
    youtube\.com/(?:watch\?|shorts/|live/) | youtu\.be/\w | vimeo\.com/\d
    | tiktok\.com/@[^/]+/video/ | instagram\.com/(?:[^/]+/)?reels?/
    | facebook\.com/(?:watch|reel/|share/v/|[^/]+/videos/) | dailymotion\.com/video/"""
_KINDS: Final = {
    kind: re.compile(rf"https?://(?:www\.|m\.)?(?=(?:{paths}))([\w.-]+)", re.I | re.X)
    for kind, paths in {"Video": _VIDEOS, "Post": _POSTS}.items()
}


class RowId(IntConverter):
    """The id of a row in a URL: no more digits than a column holds."""

    regex = "[0-9]{1,18}"


register_converter(RowId, "row")


def is_safe(url: str) -> bool:
    """Say whether a reader may be led there."""
    return _SAFE.fullmatch(url) is not None


def without_punctuation(url: str) -> str:
    """Return a bare URL without what belongs to the sentence around it."""
    while url:
        unpaired = url[-1] == ")" and url.count(")") > url.count("(")
        if not unpaired and url[-1] not in ".,;:!?'*_~":
            break
        url = url[:-1]
    return url


def platform_label(url: str) -> str | None:
    """Return words such as “Post on x.com” for a post or a video, else None."""
    if is_safe(url):
        for kind, pattern in _KINDS.items():
            if m := pattern.match(url):
                return f"{kind} on {m[1].lower()}"
    return None


def absolute_url(path: str) -> str:
    """Return the public URL of a path of this site."""
    return f"{settings.SITE_URL}{path}"


def free_name(name: str, is_taken: Callable[[str], bool]) -> str:
    """Return a slug or name, with a number appended if it is taken: `fog`, `fog-2`."""
    base, free = name[:110].strip("-"), name
    for number in count(2):
        if not is_taken(free):
            break
        free = f"{base}-{number}"
    return free
