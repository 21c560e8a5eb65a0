"""Convert between the paragraphs of a document and the Markdown of an entry."""

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

from entries.exchange.document import Body, Item, Kind
from entries.exchange.text.references import MEDIA_SUFFIX, image_name, reference
from entries.text import rendering
from entries.text.markdown import IMAGE, IMAGE_START

_NAMED: Final = re.compile(rf"({IMAGE_START})([\w.-]+)(\))")
_HEADING: Final = re.compile(r"## (\S.*)")
_PARAGRAPHS: Final = re.compile(r"\n[ \t]*\n\s*")


def source(body: Body, names: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return a body as Markdown that renders its items exactly as they were typed.

    A body that is Markdown already is unchanged, but for its images. `names` maps
    names of images in the file to those of their rows.
    """
    if body.source or not body.items:
        return _NAMED.sub(lambda m: f"{m[1]}{names.get(m[2], m[2])}{m[3]}", body.source)
    # Escaped as a whole, since what is markup depends on the paragraphs around it.
    typed = "\n\n".join(item.text for item in body.items)
    escaped = rendering.escape_markdown(typed).split("\n\n")
    blocks = []
    for item, text in zip(body.items, escaped, strict=True):
        if item.kind == Kind.IMAGE:
            name = names.get(item.text) or image_name(item.text)
            kind = "media" if MEDIA_SUFFIX.search(item.text) else "image"
            blocks.append(f"![]({kind}:{name})")
        else:
            blocks.append(_heading(text) if item.kind == Kind.HEADING else text)
    return "\n\n".join(blocks)


def _heading(text: str) -> str:
    # A trailing number sign would be read as the closing sequence of the heading.
    return f"## {text[:-1]}\\#" if text.endswith("#") else f"## {text}"


def renamed(text: str, names: Mapping[str, str]) -> str:
    """Return Markdown with its images renamed."""
    return source(Body(source=text), names)


def items(text: str, series: Collection[str] = ()) -> tuple[Item, ...]:
    """Split Markdown into paragraphs; inline markup stays in their text.

    `series` are the names of series to recognize in cross-post lines.
    """
    paragraphs = _PARAGRAPHS.split(rendering.tidy(text).strip())
    return tuple(_item(paragraph, series) for paragraph in paragraphs if paragraph)


def _item(paragraph: str, series: Collection[str]) -> Item:
    # An image with alt text in the Markdown stays text, so that nothing is lost.
    if paragraph.startswith("![]") and (match := IMAGE.fullmatch(paragraph)):
        return Item(Kind.IMAGE, match[1])
    text = rendering.unescape_markdown(paragraph)
    if match := _HEADING.fullmatch(paragraph):
        return Item(Kind.HEADING, rendering.unescape_markdown(match[1]))
    return reference(text, series) or Item(Kind.TEXT, text)


def body(text: str, series: Collection[str] = ()) -> Body:
    """Return a body with Markdown as its source."""
    return Body(items(text, series), text)
