"""The difference between two texts, word by word."""

import difflib
import re
from typing import NamedTuple

_WORD = re.compile(r"\S+\s*|\s+")


class Piece(NamedTuple):
    """A stretch of text: `same`, `taken` away or `added`."""

    kind: str
    text: str


def difference(old: str, new: str) -> list[Piece]:
    """Return the pieces that make up both texts, in reading order."""
    before, after = _WORD.findall(old), _WORD.findall(new)
    pieces: list[Piece] = []
    matcher = difflib.SequenceMatcher(None, before, after)
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind == "equal":
            pieces.append(Piece("same", "".join(before[i:j])))
            continue
        if i < j:
            pieces.append(Piece("taken", "".join(before[i:j])))
        if k < m:
            pieces.append(Piece("added", "".join(after[k:m])))
    return pieces
