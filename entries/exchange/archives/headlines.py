"""Headlines of updates that only repeat how their text begins."""

import re
from typing import Final

from entries.text import rendering

_IMAGE: Final = re.compile(r"!\[\]\(image:[^()]*\)")
_TARGET: Final = re.compile(r"(?<=\])\((?:[^()]|\([^()]*\))*\)")
_WORD: Final = re.compile(r"[^\W_]+")
_CUT: Final = re.compile(r"\s*(?:…|\.\.\.|\[…\]|\[\.\.\.\])\s*$")
_LONG: Final = 60  # characters, from which on a headline may be cut without “…”


def without_headline(source: str, headline: str) -> tuple[str, str]:
    """Return the text and the headline of an update, with no words of it twice.

    Systems without headlines fill theirs with the first words of the text.
    """
    headline = rendering.one_line(headline)
    begun = spaced_words(headline)
    if begun.isspace() or not source:
        return source, headline
    first, *others = source.split("\n\n")
    if spaced_words(first) == begun and others and not first.startswith("!"):
        return "\n\n".join(others), headline
    repeated = begin_alike(source, headline)
    return source, "" if repeated else headline


def begin_alike(source: str, text: str) -> bool:
    """Return whether Markdown begins with the words of a text, which may be cut."""
    begun = spaced_words(text)
    cut = _CUT.search(text) or len(text) >= _LONG
    return spaced_words(source).startswith(begun.rstrip() if cut else begun)


def includes(source: str, text: str) -> bool:
    """Return whether Markdown has the words of a text, which may be cut, in a row."""
    wanted = spaced_words(_CUT.sub("", text))
    return wanted.isspace() or wanted in spaced_words(source)


def spaced_words(source: str) -> str:
    """Return the words of Markdown that readers see, with a space around each."""
    shown = _TARGET.sub("", _IMAGE.sub("", source)).casefold()
    return f" {' '.join(_WORD.findall(shown))} "
