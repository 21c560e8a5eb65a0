"""Three-way merges of two versions of a text, word by word."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from entries.pages.differences import Segment, diff_words, matching_words

MINE: Final = "mine"
THEIRS: Final = "theirs"
BOTH: Final = "both"
# Line breaks are by themselves, so that a new paragraph leaves the last word alone.
_WORD: Final = re.compile(r"\n+|\S+[^\S\n]*|[^\S\n]+")


class MergedSegment(NamedTuple):
    """A stretch of a merged text: `same`, `taken` or `added`, and by whom."""

    kind: str
    text: str
    by: str = ""


class _Edit(NamedTuple):
    """Words of the base, from `start` up to `end`, that somebody replaced."""

    start: int
    end: int
    tokens: tuple[str, ...]


def merge_texts(base: str, mine: str, theirs: str) -> list[MergedSegment] | None:
    """Return the segments of both changes of a text in one; None if they overlap.

    Changes overlap unless a word that both left alone is between them, or the second
    is a new paragraph. Segments that are not `taken` make up the merged text.
    """
    tokens = _WORD.findall(base)
    own, other = (_edits(tokens, _WORD.findall(text)) for text in (mine, theirs))
    found: list[MergedSegment] = []
    at = 0
    for edit, by in _in_order(own, other):
        if edit is None:
            return None
        found.append(MergedSegment("same", "".join(tokens[at : edit.start])))
        found.append(MergedSegment("taken", "".join(tokens[edit.start : edit.end]), by))
        found.append(MergedSegment("added", "".join(edit.tokens), by))
        at = edit.end
    found.append(MergedSegment("same", "".join(tokens[at:])))
    return [segment for segment in found if segment.text]


def merged_text(segments: Sequence[MergedSegment]) -> str:
    """Return the text that the segments of a merge make up."""
    return "".join(one.text for one in segments if one.kind != "taken")


def _edits(base: list[str], text: list[str]) -> list[_Edit]:
    """Return what turns one text into another, as replaced words of the first."""
    found, i, k = [], 0, 0
    for at, to, length in [*matching_words(base, text), (len(base), len(text), 0)]:
        if at > i or to > k:
            found.append(_Edit(i, at, tuple(text[k:to])))
        i, k = at + length, to + length
    return found


def _in_order(
    mine: list[_Edit], theirs: list[_Edit]
) -> Iterator[tuple[_Edit | None, str]]:
    """Yield the edits of both in order of position, each with its author.

    An edit that both made is yielded once. None stands for edits that overlap.
    """
    shared = set(mine) & set(theirs)
    every = [(edit, MINE) for edit in mine if edit not in shared]
    every += [(edit, THEIRS) for edit in theirs if edit not in shared]
    every += [(edit, BOTH) for edit in shared]
    last: tuple[_Edit, str] | None = None
    for edit, by in sorted(every):
        if last and last[1] != by and _overlap(last[0], edit):
            yield None, ""
            return
        last = (edit, by)
        yield edit, by


def _overlap(first: _Edit, second: _Edit) -> bool:
    if second.start != first.end or first.start == first.end:
        return second.start <= first.end
    adds = second.start == second.end and "".join(second.tokens).startswith("\n")
    return not adds


@dataclass(frozen=True)
class FieldMerge:
    """The merge of one form field that a colleague has changed too.

    `value` is the merged value, None if both changed the same words.
    """

    name: str
    label: str
    mine: Any
    theirs: Any
    value: Any
    segments: Sequence[MergedSegment] = ()

    @property
    def overlaps(self) -> bool:
        """Whether both changed it in ways that exclude each other."""
        return self.value is None

    @property
    def difference(self) -> list[Segment]:
        """Return the segments from their text to mine."""
        return diff_words(str(self.theirs or ""), str(self.mine or ""))


def merge_fields(
    base: Mapping[str, Any] | None,
    mine: Mapping[str, Any],
    theirs: Mapping[str, Any],
    labels: Mapping[str, str],
    word_by_word: Callable[[str], bool],
) -> list[FieldMerge]:
    """Merge the named fields of a form; return those in which the two versions differ.

    Without a base all of them overlap, since nothing shows who changed what.
    """
    found = []
    for name, label in labels.items():
        if mine[name] == theirs[name]:
            continue
        value, segments = None, None
        if base is not None:
            value, segments = _merge(
                base[name], mine[name], theirs[name], word_by_word=word_by_word(name)
            )
        found.append(
            FieldMerge(name, label, mine[name], theirs[name], value, segments or ())
        )
    return found


def _merge(
    base: Any, mine: Any, theirs: Any, *, word_by_word: bool
) -> tuple[Any, list[MergedSegment] | None]:
    if mine == base or theirs == base:
        by, new = (THEIRS, theirs) if mine == base else (MINE, mine)
        pieces = diff_words(str(base or ""), str(new or ""))
        marked = [
            MergedSegment(p.kind, p.text, by * (p.kind != "same")) for p in pieces
        ]
        return ("" if new is None else new), marked
    segments = merge_texts(base, mine, theirs) if word_by_word else None
    return (None, None) if segments is None else (merged_text(segments), segments)
