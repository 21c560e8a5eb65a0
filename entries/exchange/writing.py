"""What a story tells → the text form, which reads back as the same."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from entries.exchange import bodies, marks
from entries.exchange.chunks import begins_part
from entries.exchange.decoding import decode
from entries.exchange.paragraphs import Hints
from entries.exchange.reading import NO_HINTS, read
from entries.exchange.told import Body, Item, Kind, Told, Update
from entries.text import gmt

_FAR: Final = datetime(2199, 12, 31, tzinfo=UTC)  # no update is later
_WIDE: Final = "\n\n\n"  # two blank lines, between the parts of a page


def write(told: Told) -> str:
    """Return the text: a head of `NAME: value` lines, then the page in its form.

    Updates stand newest first, with the date on every day but the story's first.
    """
    parts = ["\n".join(_values(told)), *_furniture(told)]
    if told.summary != Body():
        parts.append(_entry("SUMMARY:", told.summary, told.markdown))
    for update in reversed(told.oldest_first):
        stamp = f"UPDATE {gmt.stamp(update.at, told.first_day)}:"
        parts.append(_entry(stamp, update.body, told.markdown))
    if told.original != Body():
        parts.append(_entry("ORIGINAL ENTRY:", told.original, told.markdown))
    return _WIDE.join(filter(None, parts)) + "\n"


def _values(told: Told) -> Iterator[str]:
    values = {
        "HEADLINE": told.headline,
        "SERIES": told.series,
        "DATE": told.first_day.isoformat() if told.first_day else "",
        "LANGUAGE": told.language,
        "MARKUP": "Markdown" if told.markdown else "",
        "STANDFIRST": told.standfirst,
    }
    return (f"{name}: {value}" for name, value in values.items() if value)


def _furniture(told: Told) -> Iterator[str]:
    if told.photo:
        yield f"PHOTO: {told.photo}"
    if told.latest:
        yield "\n\n".join(["LATEST", *told.latest])
    for feature in told.features:
        yield "\n\n".join(filter(None, [feature.label or "FEATURE", feature.title]))
    if told.original != Body():
        yield "Jump to Original"


def _entry(stamp: str, body: Body, markdown: bool) -> str:
    heads = {"HEADLINE": body.headline, "BYLINE": body.byline}
    lines = [f"{name}: {value}" for name, value in heads.items() if value]
    text = _protected(body.source) if markdown else _paragraphs(body.items)
    if not (lines or markdown) and body.items and body.items[0].kind == Kind.TEXT:
        return f"{stamp} {text}"
    return "\n".join([stamp, *lines, "", text])


def _paragraphs(items: Iterable[Item]) -> str:
    parts = []
    for item in items:
        gap = "\n" if item.kind == Kind.HEADING else ""
        parts.append(
            gap + (_picture(item.text) if item.kind == Kind.PICTURE else item.text)
        )
    return "\n\n".join(parts)


def _picture(name: str) -> str:
    """Return a picture's name so that it is known for one."""
    return name if marks.picture(name) else f"{name}.jpg"


def _protected(source: str) -> str:
    """Return Markdown in which no line would begin another part of the file."""
    return "\n".join(
        f"\\{line}" if begins_part(line.lstrip("\\")) else line
        for line in source.split("\n")
    )


def write_faithfully(told: Told, hints: Hints = NO_HINTS) -> tuple[str, bool]:
    """Return a text that reads back as the same, and whether it really does.

    Where prose looks like a mark of the form, or a heading like prose, that is a text
    whose bodies are Markdown.
    """
    candidates = [told] if told.markdown else [told, in_markdown(told)]
    text = ""
    for candidate in candidates:
        text = write(candidate)
        lines, _ = decode(text.encode())
        if read(lines, now=_FAR, hints=hints) == candidate:
            return text, True
    return text, False


def in_markdown(told: Told) -> Told:
    """Return the same with its bodies as Markdown."""

    def sourced(body: Body) -> Body:
        source = bodies.source(body.items)
        return replace(body, items=bodies.items(source), source=source)

    return replace(
        told,
        markdown=True,
        summary=sourced(told.summary),
        updates=tuple(Update(u.at, sourced(u.body)) for u in told.updates),
        original=sourced(told.original),
    )
