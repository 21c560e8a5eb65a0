"""Fold what keyboards of other scripts type into the ASCII that our patterns read."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

# Signs that look and work like an ASCII one, but that Unicode does not relate to it.
_SIGNS: Final = {
    **dict.fromkeys("\u2236\ua789\u02d0\u0589\u05c3\u1361\u17d6\u1804", ":"),
    **dict.fromkeys("\u066b\u3002\u0701\u0702", "."),
    **dict.fromkeys("\u060c\u3001\u055d\u1363\u1802\ua4fe", ","),
    "\u061b": ";",
}
_DASHES_AND_APOSTROPHES: Final = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"),
        **dict.fromkeys("\u2018\u2019\u02bc", "'"),
    }
)
# Most lines have none, and are not looked at letter by letter.
_ODD: Final = re.compile(
    rf"(?![0-9])\d|[^\S \t]|[{''.join(_SIGNS)}\ufe00-\ufe6b\uff01-\uff5e]"
    r"|[\u00ad\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)


def as_ascii(text: str) -> str:
    """Return a text with ASCII digits, signs and spaces, without invisible characters.

    Digits may be of any script (`１０`, `١٠`, `१०`), and letters full-width (`ｐｍ`).
    """
    folded = "".join(map(_fold_letter, text)).translate(_DASHES_AND_APOSTROPHES)
    return unicodedata.normalize("NFKC", folded)


def start_as_ascii(line: str, length: int) -> tuple[str, list[int]]:
    """Return a line whose first letters have ASCII digits, signs and spaces.

    The list says where each of its letters, and its end, was; it is empty for a line
    that is the same. Dashes stay.
    """
    start = line[:length]
    if not _ODD.search(start):
        return line, []
    folded, places = "", []
    for place, letter in enumerate(start):
        if found := _fold_letter(letter):
            folded += found
            places.append(place)
    return folded + line[length:], [*places, *range(len(start), len(line) + 1)]


@lru_cache(maxsize=1024)
def _fold_letter(letter: str) -> str:
    """Return one letter, or nothing, for one letter."""
    category = unicodedata.category(letter)
    if category == "Nd":
        return str(unicodedata.decimal(letter))
    if category == "Zs":
        return " "
    if category == "Cf" or "\ufe00" <= letter <= "\ufe0f":
        return ""
    if "\ufe10" <= letter <= "\ufe6b" or "\uff01" <= letter <= "\uff5e":
        wide = unicodedata.normalize("NFKC", letter)
        return wide if len(wide) == 1 else letter
    return _SIGNS.get(letter, letter)
