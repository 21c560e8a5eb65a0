"""Language tags (BCP 47): validity, canonical spelling and writing direction.

`langcodes` contains the IANA registry of subtags, and CLDR's likely scripts.
"""

from functools import cache, lru_cache
from typing import Final

from django.conf.locale import LANG_INFO
from django.utils.translation import gettext
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
