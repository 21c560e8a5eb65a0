"""URLs in texts, the site's own URLs, and slugs."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from itertools import chain, count
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from anyascii import anyascii
from django.conf import settings
from django.urls import register_converter
from django.urls.converters import IntConverter
from django.utils.text import slugify
from django.utils.translation import gettext

SCHEMES: Final = frozenset({"http", "https", "mailto"})

# Stricter than any browser: a URL must begin with an allowed scheme, so that nothing
# that a browser strips or decodes can hide another scheme in front of it.
_SAFE: Final = re.compile(
    r'(?:https?://[^\s\x00-\x20/?#\\<>"]|mailto:)[^\s\x00-\x20\x7f\\<>"]+', re.I
)
# Signs inside words: middle dots (l·l, ア・イ), geresh in Hebrew, tsheg in Tibetan, and
# those that join letters or not, in Persian and in scripts of India.
_IN_WORDS: Final = frozenset("·・･׳״་\u200c\u200d")
_LONG_DASHES: Final = frozenset("—―⸺⸻")


def _ends_url(letter: str) -> bool:
    """Return whether a letter beyond ASCII ends a bare URL, as its script's signs do.

    Quotation marks, brackets and full stops of all scripts do, and the invisible
    characters that are pasted along with right-to-left text. Hyphens do not.
    """
    category = unicodedata.category(letter)
    if letter in _IN_WORDS or (category == "Pd" and letter not in _LONG_DASHES):
        return False
    if "\ufe50" <= letter <= "\uffef":
        plain = unicodedata.normalize("NFKC", letter)
        if plain.isascii() and not plain.isalnum():  # “＞”
            return True
    return category in ("Cc", "Cf", "Zs", "Zl", "Zp") or category[0] == "P"


def _ranges(letters: Iterable[str]) -> str:
    """Return letters, which are in order, as the inside of a pattern's brackets."""
    spans: list[list[str]] = []
    for letter in letters:
        if spans and ord(letter) == ord(spans[-1][1]) + 1:
            spans[-1][1] = letter
        else:
            spans.append([letter, letter])
    return "".join(f"{first}-{last}" for first, last in spans)


# Without the blocks that have letters only, such as those of Chinese and Korean.
_WITH_SIGNS: Final = chain(
    *(range(0x80, 0x3400), range(0xA000, 0xAC00), range(0xF900, 0x12000)),
    range(0x1E000, 0x1F000),
)
_ENDS_URL: Final = _ranges(filter(_ends_url, map(chr, _WITH_SIGNS)))
BARE_URL: Final = re.compile(
    r"(?<![A-Za-z0-9@/._-])(?i:https?://)"
    rf"""[^\s<>"\\^`{{|}}\[\]{_ENDS_URL}]+"""
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


# By which WordPress names a post: `/?p=12`. They are the only former URLs whose path is
# one of this site's own.
OLD_URL_PARAMETERS: Final = frozenset({"p", "page_id"})


class RowId(IntConverter):
    """A path converter for ids, which rejects numbers too large for a column."""

    regex = "[0-9]{1,18}"


register_converter(RowId, "row")


def is_safe(url: str) -> bool:
    """Return whether a URL may be linked: http, https or mailto, and well-formed."""
    return _SAFE.fullmatch(url) is not None


def without_punctuation(url: str) -> str:
    """Strip the punctuation after a bare URL, which belongs to its sentence."""
    while url:
        unpaired = url[-1] == ")" and url.count(")") > url.count("(")
        sign = url[-1] in ".,;:!?'*_~" or url[-1] in _IN_WORDS
        dash = unicodedata.category(url[-1]) == "Pd" and not url[-1].isascii()
        if not (unpaired or sign or dash):
            break
        url = url[:-1]
    return url


def platform_label(url: str) -> str | None:
    """Return a label such as “Post on x.com” if a URL is of a post or video."""
    found = platform(url)
    if not found:
        return None
    kind, host = found
    label = "Video on %(provider)s" if kind == "Video" else "Post on %(provider)s"
    return gettext(label) % {"provider": host}  # marked in `media.LABELS`


def platform(url: str) -> tuple[str, str] | None:
    """Return “Video” or “Post”, and the host, if a URL is of one."""
    if is_safe(url):
        for kind, pattern in _KINDS.items():
            if m := pattern.match(url):
                return kind, m[1].lower()
    return None


def absolute_url(path: str) -> str:
    """Return the absolute URL of a path on this site."""
    return f"{settings.SITE_URL}{path}"


def old_path(url: str) -> str:
    """Return path and query of a URL of a former site in one form; "" for its root.

    `https://old.example/2016/12/fog/?utm_source=x` is `/2016/12/fog`.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    path = "/" + unicodedata.normalize("NFC", unquote(parts.path)).strip("/")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    own = sorted(pair for pair in pairs if not pair[0].startswith("utm_"))
    found = f"{path}?{urlencode(own)}" if own else path
    return "" if found == "/" or "\0" in found else found


# As newsrooms write them where these letters cannot be used; other languages drop the
# dots, as in “naïve” or “coöperation”.
_GERMAN: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_HAN: Final = re.compile("[\u3005\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_NOT_IN_SLUG: Final = re.compile("[^A-Za-z0-9']+")


def slug(text: str, max_length: int = 100, language: str = "") -> str:
    """Return a readable ASCII slug for a text in any script; "" if it has no letters.

    `Straße` is `strasse`, `Київ` is `kiyiv`. It is cut between words. In German, which
    is the site's language or the one given, `ü` is `ue`.
    """
    text = unicodedata.normalize("NFC", text).lower()
    if (language or settings.SITE_LANGUAGE).partition("-")[0].lower() == "de":
        text = text.translate(_GERMAN)
    latin = slugify("".join(map(_latin, text)))
    names_of_emoji = anyascii(text).replace(":", " ").replace("_", "-")
    return _cut(latin or slugify(names_of_emoji), max_length).strip("-_")


def _latin(letter: str) -> str:
    """Write one letter with Latin ones; signs end a word, and emoji have no letters."""
    if letter.isascii():
        return letter
    letters = anyascii(letter)
    if letters.startswith(":") and len(letters) > 2:  # “:fire:”
        return " "
    words = _NOT_IN_SLUG.sub(" ", letters)
    # A Chinese character is a word, or part of one, that nothing separates.
    return f" {words} " if _HAN.match(letter) else words


def _cut(slug: str, max_length: int) -> str:
    """Shorten a slug between words, or in a word that is too long alone."""
    if len(slug) <= max_length:
        return slug
    cut = slug.rfind("-", 0, max_length + 1)
    return slug[: cut if cut > 0 else max_length]


def free_name(name: str, is_taken: Callable[[str], bool]) -> str:
    """Return a slug or name that is not taken, with a number if needed: `fog-2`."""
    base, free = name[:110].strip("-"), name
    for number in count(2):
        if not is_taken(free):
            break
        free = f"{base}-{number}"
    return free
