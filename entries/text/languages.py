"""Languages: their tags (BCP 47) and writing direction, and that of a page.

`langcodes` contains the IANA registry of subtags, and CLDR's likely scripts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from typing import Final

from babel import Locale, UnknownLocaleError, localedata
from django.conf import settings
from django.conf.locale import LANG_INFO
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext, override
from langcodes import Language, tag_is_valid

MAX_TAG_LENGTH: Final = 100  # characters; longer input is not parsed

# Right-to-left scripts, by their ISO 15924 codes.
_RIGHT_TO_LEFT: Final = frozenset(
    {
        *("Adlm", "Arab", "Aran", "Armi", "Avst", "Chrs", "Cprt"),
        *("Elym", "Gara", "Hatr", "Hebr", "Hung", "Khar", "Lydi"),
        *("Mand", "Mani", "Mend", "Merc", "Mero", "Narb", "Nbat"),
        *("Nkoo", "Orkh", "Ougr", "Palm", "Phli", "Phlp", "Phnx"),
        *("Prti", "Rohg", "Samr", "Sarb", "Sogd", "Sogo", "Syrc"),
        *("Syre", "Syrj", "Syrn", "Thaa", "Todr", "Yezi"),
    }
)


class LanguageError(ValueError):
    """A language is not registered; the message tells the editor what to write."""


def canonical_tag(text: str) -> str:
    """Return a language tag in its canonical form: `pt-BR` for `PT_br`.

    Raises LanguageError for a tag that is not in the IANA registry or is for private
    use, which browsers and screen readers do not know.
    """
    typed = text.strip()
    tag = _registered(typed) if len(typed) <= MAX_TAG_LENGTH else ""
    if not tag:
        raise LanguageError(_message(typed))
    return tag


def _registered(typed: str) -> str:
    """Return a tag in its canonical form, or "" if it is invalid."""
    if not (typed.isascii() and tag_is_valid(typed)):
        return ""
    language = Language.get(typed, normalize=False)
    if not language.is_valid():  # such as `eng`, which is registered as `en`
        language = Language.get(typed)
    tag = language.to_tag()
    private = tag.startswith("x-") or "qaa" <= (language.language or "") <= "qtz"
    return "" if private else tag


def _message(typed: str) -> str:
    if code := _codes().get(typed.lower()):
        return gettext(
            "“%(typed)s” isn't a language code. Did you mean %(code)s (%(name)s)?"
        ) % {"typed": typed, "code": code, "name": LANG_INFO[code.lower()]["name"]}
    return gettext(
        "“%(typed)s” isn't a language code. Use one such as en (English), ar (Arabic) "
        "or pt-BR (Brazilian Portuguese)."
    ) % {"typed": typed[:40]}


@cache
def _codes() -> dict[str, str]:
    """Return language codes by lower-case name, English and native."""
    return {
        info[key].lower(): _registered(code)
        for code, info in LANG_INFO.items()
        for key in ("name", "name_local")
        if key in info and _registered(code)
    }


@cache
def own_names() -> dict[str, str]:
    """Return the names of languages by their tags, each in its own language.

    They are those that Django knows, in the order of their names.
    """
    found = {
        _registered(code): _own_name(code, info.get("name_local", ""))
        for code, info in LANG_INFO.items()
    }
    pairs = [(tag, name) for tag, name in found.items() if tag and name]
    return dict(sorted(pairs, key=lambda pair: pair[1].casefold()))


def _own_name(code: str, name: str) -> str:
    """Return a language's own name, from CLDR where it has one."""
    try:
        own = Locale.parse(code, sep="-").get_display_name()
    except (UnknownLocaleError, ValueError):
        own = None
    return own or name


@lru_cache(maxsize=500)
def direction(tag: str) -> str:
    """Return the writing direction of a language: `rtl` or `ltr`.

    The direction is that of the tag's script, or else of its language's usual script:
    `ar-Latn` is `ltr`, `pa-PK` is `rtl`. Invalid tags, which old rows may have, are
    `ltr`.
    """
    for given in (tag, tag.partition("-")[0]):
        try:
            script = Language.get(given).maximize().script
        except ValueError:
            continue
        return "rtl" if script in _RIGHT_TO_LEFT else "ltr"
    return "ltr"


def bdi(text: str, tag: str) -> SafeString:
    """Render a text in its language, isolated from the sentence or list around it."""
    return format_html('<bdi lang="{}">{}</bdi>', tag, text)


def news_code(tag: str) -> str:
    """Return a language as news sitemaps name it: by its code of ISO 639 alone.

    Chinese is `zh-cn` or `zh-tw`, by its script. An invalid tag, which old rows may
    have, is returned up to its first hyphen.
    """
    code = tag.partition("-")[0].lower()
    try:
        language = Language.get(tag).maximize()
    except ValueError:
        return code
    if language.language in ("zh", "cmn"):
        return "zh-tw" if language.script in ("Hant", "Bopo") else "zh-cn"
    return language.language or code


# --- The language of a page

# The tag of the page that is being rendered; "" for pages of the whole site.
_page: ContextVar[str] = ContextVar("page_language", default="")


@contextmanager
def page_in(tag: str = "") -> Iterator[None]:
    """Render a page in a language, inside this block: a story's, or else the site's.

    Everything that readers see is rendered in such a block, so that it depends neither
    on the request nor on the user. Our own labels are in the page's language, if there
    is a catalogue for it, and otherwise in the site's.
    """
    token = _page.set(tag)
    try:
        with override(catalogue(tag)):
            yield
    finally:
        _page.reset(token)


def page_language() -> str:
    """Return the language tag of the page that is being rendered."""
    return _page.get() or own_language()


def own_language() -> str:
    """Return the language tag of our own labels: `pt-BR` if `pt-br` is active."""
    return _tag(get_language() or settings.LANGUAGE_CODE)


def labels_differ() -> bool:
    """Return whether our own labels are in another language than the page's."""
    return not has_catalogue(page_language())


@lru_cache(maxsize=500)
def has_catalogue(tag: str) -> bool:
    """Return whether our own labels are available in a language."""
    return bool(_catalogue(tag))


@lru_cache(maxsize=500)
def catalogue(tag: str) -> str:
    """Return the language in which labels accompany texts, as Django names it.

    It may name a region too (`de-at`, `ar-ma`), which decides names of months and
    digits. Without a catalogue for the language and script it is the site's language.
    """
    return _catalogue(tag) or str(settings.SITE_LANGUAGE)


def _catalogue(tag: str) -> str:
    wanted = _likely(tag)
    for code, _name in settings.LANGUAGES:
        if wanted[0] and wanted[:2] == _likely(code)[:2]:
            regional = f"{code}-{wanted[2].lower()}"
            known = localedata.exists(regional.replace("-", "_"))
            return regional if known and code.isalpha() and code != "en" else code
    return ""


def _likely(tag: str) -> tuple[str, str, str]:
    """Return a tag's language, its likely script, and its region if it names one."""
    try:
        given = Language.get(tag)
        likely = given.maximize()
    except ValueError:
        return "", "", ""
    language = given.prefer_macrolanguage().language or ""
    return language, likely.script or "", given.territory or ""


@cache
def _tag(code: str) -> str:
    return Language.get(code).to_tag()


def in_sentence(label: str) -> str:
    """Return a label as it is inside a sentence; German nouns keep their capitals."""
    return label if (get_language() or "").startswith("de") else label.lower()
