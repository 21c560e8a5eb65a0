"""Which short lines are headings.

The form has no sign for them: they stand two blank lines below the text before, or,
where a file lost such gaps, they only look like headings.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from entries.exchange import marks
from entries.exchange.told import Item, Kind


@dataclass(frozen=True)
class Spacing:
    """How a file spaces its paragraphs.

    `usual` is the number of blank lines between two of them; `wide_parts` says that
    updates stand further apart than that.
    """

    usual: int
    wide_parts: bool

    def wide(self, item: Item) -> bool:
        """Whether an item stands further below than paragraphs do."""
        return item.gap > self.usual


def spacing(bodies: Iterable[Sequence[Item]], part_gaps: Iterable[int]) -> Spacing:
    """Return the spacing of a file from its paragraphs and the gaps above its parts."""
    gaps = Counter(
        later.gap for items in bodies for _, later in pairwise(items) if later.gap
    )
    most = max(gaps.values(), default=0)
    usual = min((gap for gap, count in gaps.items() if count == most), default=1)
    return Spacing(usual, any(gap > usual for gap in part_gaps))


def in_original(items: Sequence[Item], space: Spacing) -> tuple[list[Item], list[Item]]:
    """Return the items with headings among them, and those that are not certain."""
    found = [
        place
        for place, item in enumerate(items[:-1])
        if _stands_apart(item, items[place + 1], space)
    ]
    doubtful: list[Item] = []
    if not found:
        items = [part for item in items for part in _lines_apart(item)]
        found = [
            place
            for place, item in enumerate(items[:-1])
            if place and _looks(item, items[place + 1], space)
        ]
        doubtful = [items[place] for place in found] if space.wide_parts else []
    return _turned(items, found), doubtful


def in_update(items: Sequence[Item], space: Spacing) -> list[Item]:
    """Return an update's items, as headings only those that both stand and look so."""
    found = [
        place
        for place, item in enumerate(items[:-1])
        if _stands_apart(item, items[place + 1], space) and marks.title_case(item.text)
    ]
    return _turned(items, found)


def _turned(items: Sequence[Item], places: Iterable[int]) -> list[Item]:
    turned = set(places)
    return [
        replace(item, kind=Kind.HEADING) if place in turned else item
        for place, item in enumerate(items)
    ]


def _may_head(item: Item) -> bool:
    return (
        item.kind == Kind.TEXT and "\n" not in item.text and marks.may_head(item.text)
    )


def _stands_apart(item: Item, following: Item, space: Spacing) -> bool:
    if not (space.wide(item) and _may_head(item)):
        return False
    return not space.wide(following) or marks.title_case(item.text)


def _looks(item: Item, following: Item, space: Spacing) -> bool:
    words = len(item.text.split())
    if not _may_head(item) or words < (4 if space.wide_parts else 3):
        return False
    if not marks.title_case(item.text, 1 if space.wide_parts else 0.75):
        return False
    return following.kind != Kind.TEXT or marks.ends_like_sentence(following.text[-20:])


def _lines_apart(item: Item) -> list[Item]:
    """Divide a block in which a heading has no blank line above or below it."""
    lines = item.text.split("\n")
    if item.kind != Kind.TEXT or len(lines) == 1:
        return [item]
    places = {
        place for place, line in enumerate(lines[:-1]) if _breaks(lines, place, line)
    }
    starts = sorted({0, *places, *(place + 1 for place in places)})
    return [
        replace(
            item,
            text="\n".join(lines[start:end]),
            line=item.line + start,
            gap=0 if start else item.gap,
        )
        for start, end in pairwise([*starts, len(lines)])
    ]


def _breaks(lines: Sequence[str], place: int, line: str) -> bool:
    if not marks.may_head(line) or not marks.title_case(line) or line.count(" ") < 2:
        return False
    if place and not marks.ends_like_sentence(lines[place - 1][-20:]):
        return False
    return not lines[place + 1][0].islower()
