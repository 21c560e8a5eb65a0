"""Describe a document as data for scripts, for `import_story --json`."""

from collections.abc import Iterable, Sequence
from typing import Any

from entries.exchange.document import Body, Document, Item, Kind, texts


def report(document: Document) -> dict[str, Any]:
    """Return the photo, links, updates, original entry, sections and warnings.

    Updates are in the order of the file; `text` is the first paragraph as typed. Time
    and datetime are empty for a draft without a time.
    """
    feature = document.features[0] if document.features else None
    original, sections = _sections(document.original)
    return {
        "photo": document.photo,
        "latest": list(document.latest),
        "feature": {
            "label": feature.label if feature else "",
            "title": (feature.text or feature.title) if feature else "",
        },
        "updates": [
            {
                "time": f"{update.at:%H:%M}" if update.at else "",
                "datetime": update.at.isoformat() if update.at else "",
                **_contents(update.items),
            }
            for update in document.updates
        ],
        "original": _contents(original),
        "sections": [
            {"heading": items[0].text, **_contents(items[1:])} for items in sections
        ],
        "warnings": [str(warning) for warning in document.warnings],
    }


def _sections(body: Body) -> tuple[Sequence[Item], list[list[Item]]]:
    """Split a body at its headings, into its opening and its sections."""
    opening: list[Item] = []
    sections: list[list[Item]] = []
    for item in body.items:
        if item.kind == Kind.HEADING:
            sections.append([])
        (sections[-1] if sections else opening).append(item)
    return opening, sections


def _contents(items: Iterable[Item]) -> dict[str, Any]:
    items = list(items)
    return {
        "text": next(iter(texts(items)), ""),
        "see": _names(items, Kind.SEE),
        "images": [item.text for item in items if item.kind == Kind.IMAGE],
        "cross_posts": _names(items, Kind.CROSS_POST),
    }


def _names(items: Iterable[Item], kind: Kind) -> list[str]:
    return [name for item in items if item.kind == kind for name in item.names]
