"""What was understood of a file, as data for scripts."""

from collections.abc import Iterable, Sequence
from typing import Any

from entries.exchange.told import Body, Item, Kind, Told, texts


def understood(told: Told) -> dict[str, Any]:
    """Return photo, latest, feature, updates, original, sections and warnings.

    Updates stand in the order of the file; `text` is a first paragraph as typed.
    """
    feature = told.features[0] if told.features else None
    original, sections = _sections(told.original)
    return {
        "photo": told.photo,
        "latest": list(told.latest),
        "feature": {
            "label": feature.label if feature else "",
            "title": feature.title if feature else "",
        },
        "updates": [
            {
                "time": f"{update.at:%H:%M}",
                "datetime": update.at.isoformat(),
                **_parts(update.body.items),
            }
            for update in told.updates
        ],
        "original": _parts(original),
        "sections": [
            {"heading": items[0].text, **_parts(items[1:])} for items in sections
        ],
        "warnings": [str(warning) for warning in told.warnings],
    }


def _sections(body: Body) -> tuple[Sequence[Item], list[list[Item]]]:
    """Return what stands above the first heading, and the headed sections."""
    opening: list[Item] = []
    sections: list[list[Item]] = []
    for item in body.items:
        if item.kind == Kind.HEADING:
            sections.append([])
        (sections[-1] if sections else opening).append(item)
    return opening, sections


def _parts(items: Iterable[Item]) -> dict[str, Any]:
    items = list(items)
    return {
        "text": next(iter(texts(items)), ""),
        "see": _names(items, Kind.SEE),
        "images": [item.text for item in items if item.kind == Kind.PICTURE],
        "cross_posts": _names(items, Kind.CROSS_POST),
    }


def _names(items: Iterable[Item], kind: Kind) -> list[str]:
    return [name for item in items if item.kind == kind for name in item.names]
