"""Texts without the differences that keyboards and systems make.

`fold` is what search, pickers, the admin's lists and titles compare: without case,
diacritics and invisible characters, with one kind of apostrophe, dash, digit and space.
What it folds, beyond Unicode's compatibility forms (NFKC) and case folding:

- diacritics of Latin, Greek and Cyrillic (Nîmes: nimes, ё: е, й: и), and letters that
  Unicode does not decompose (ø: o, ł: l, đ: d, æ: ae); İ, I, ı and i are one letter;
- Arabic vowel signs and tatweel, and letters with several forms: alef with and without
  hamza, ya (ي ى ی), kaf (ك ک), ta marbuta and ha;
- Hebrew points; the Devanagari nukta, candrabindu, and nasals written as anusvara.

Vowel signs and tone marks of other scripts belong to their words and remain, as do the
two kinds of kana, and traditional and simplified Chinese characters.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

_QUOTES: Final = dict.fromkeys(
    map(ord, "'‘’‚‛′`´ʼʻʹʾʿꞌ＇׳՚\"“”„‟″«»‹›＂״「」『』《》〈〉"), "'"
)
_DASHES: Final = dict.fromkeys(map(ord, "-‐‑‒–—―−﹘﹣－־"), "-")
INVISIBLE: Final = frozenset(
    [
        *(0xAD, 0x34F, 0x61C, 0x640, 0xFEFF),
        *range(0x200B, 0x2010),  # zero-width spaces and joiners, direction marks
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
        *(*range(0x180B, 0x1810), *range(0xFE00, 0xFE10)),  # variation selectors
        *range(0xE0100, 0xE01F0),
        *range(0x1F3FB, 0x1F400),  # skin tones
        *(0x30FB, 0xFF65),  # the dot between parts of a name in katakana
    ]
)
# Marks that make no other word, by their first and last code points.
_MARKS: Final = (
    *((0x300, 0x36F), (0x483, 0x489), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF)),
    *((0x20D0, 0x20FF), (0xFE20, 0xFE2F)),  # combining, of any script
    *((0x591, 0x5BD), (0x5BF, 0x5BF), (0x5C1, 0x5C2), (0x5C4, 0x5C7)),  # Hebrew
    *((0x610, 0x61A), (0x64B, 0x65F), (0x670, 0x670), (0x6D6, 0x6DC)),  # Arabic
    *((0x6DF, 0x6E4), (0x6E7, 0x6E8), (0x6EA, 0x6ED), (0x8D3, 0x8FF)),
    *((0x711, 0x711), (0x730, 0x74A)),  # Syriac
    (0x93C, 0x93C),  # the nukta of Devanagari
)
_LETTERS: Final = {
    "ı": "i",
    "ø": "o",
    "ł": "l",
    "đ": "d",
    "ð": "d",
    "þ": "th",
    "ħ": "h",
    "æ": "ae",
    "œ": "oe",
    "ŧ": "t",
    "ŋ": "n",
    "ɓ": "b",
    "ɗ": "d",
    "ƙ": "k",
    "ƴ": "y",
    "ĸ": "k",
    "ɨ": "i",
    "ʉ": "u",
    "ƶ": "z",
    "ɛ": "e",
    "ə": "e",
    "ґ": "г",
    "և": "եւ",
    "ൺ": "ണ്",
    "ൻ": "ന്",
    "ർ": "ര്",
    "ൽ": "ല്",
    "ൾ": "ള്",
    "ൿ": "ക്",
    "ৎ": "ত্",
    "ɔ": "o",
    "ى": "ي",
    "ی": "ي",
    "ې": "ي",
    "ے": "ي",
    "ک": "ك",
    "ڪ": "ك",
    "ٱ": "ا",
    "ة": "ه",
    "ہ": "ه",
    "ھ": "ه",
    "ە": "ه",
    "ۃ": "ه",
    "ँ": "ं",
}
_NASAL: Final = re.compile("[ङञणनम]\N{DEVANAGARI SIGN VIRAMA}(?=[क-ह])")
_DOT_IN_NAME: Final = re.compile("(?<=[\u2e80-\u9fff])[·‧](?=[\u2e80-\u9fff])")
# Whatever case folding makes of them, they are the same letter.
_DOTTED: Final = str.maketrans({"İ": "i"})


class _Removal(dict[int, int | str | None]):
    """A table for `str.translate`, which learns each character when it meets it."""

    def __missing__(self, code: int) -> int | str | None:
        self[code] = value = self.value(code)
        return value

    def value(self, code: int) -> int | str | None:
        raise NotImplementedError


class _Visible(_Removal):
    """Remove invisible characters, and make digits ASCII."""

    def value(self, code: int) -> int | str | None:
        if code in INVISIBLE:
            return None
        digit = unicodedata.decimal(chr(code), None)
        return code if digit is None else str(digit)


class _Plain(_Removal):
    """Remove marks, and replace letters that Unicode does not decompose."""

    def value(self, code: int) -> int | str | None:
        if any(first <= code <= last for first, last in _MARKS):
            return None
        return _LETTERS.get(chr(code), code)


_VISIBLE, _PLAIN = _Visible(), _Plain()
_TYPOGRAPHY: Final = {**_QUOTES, **_DASHES}


def cased(text: str) -> str:
    """Return a text in one case, composed and without invisible characters.

    Its diacritics remain: İSTANBUL and istanbul are the same, Nîmes and Nimes are not.
    """
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", text.translate(_DOTTED)).casefold()
    return unicodedata.normalize("NFC", text.translate(_VISIBLE))


def unmarked(text: str) -> str:
    """Return a text that is in one case without diacritics and forms of letters."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFD", text).translate(_PLAIN)
    return _NASAL.sub("ं", unicodedata.normalize("NFC", text))


@lru_cache(maxsize=20_000)
def fold_word(word: str) -> str:
    """Fold one word, as `fold` does a text."""
    return unmarked(cased(word))


def fold(text: str) -> str:
    """Return a text as comparisons see it: see the module's docstring."""
    text = _DOT_IN_NAME.sub("", text)
    return " ".join(unmarked(cased(text.translate(_TYPOGRAPHY))).split())


def fold_title(title: str) -> str:
    """Fold a title, and drop the typography around and between its parts.

    Spaces inside quotation marks and around dashes do not count, nor does the stop at
    its end.
    """
    text = fold(re.sub(r"(?<=[«‹])\s+|\s+(?=[»›])", "", title))
    text = re.sub(r"\s*(-+|:)\s*", lambda m: "-" if m[1][0] == "-" else ": ", text)
    return text.strip("'.!?,;:…。．！？，；：।॥۔؟،؛։። ")
