"""Bodies between what they are in a file and the Markdown that an entry keeps."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from entries.exchange import marks
from entries.exchange.told import Item, Kind
from entries.text import rendering

_IMAGE: Final = re.compile(r"!\[\]\(image:([\w-]+)\)")
_HEADING: Final = re.compile(r"## (\S.*)")
_PARAGRAPHS: Final = re.compile(r"\n[ \t]*\n\s*")


def source(
    items: Sequence[Item], names: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Return the Markdown that shows these items exactly as they were typed.

    `names` are those of the pictures' rows by what was typed.
    """
    if not items:
        return ""
    # Escaped as a whole: what is markup depends on the paragraphs around.
    typed = "\n\n".join(item.text for item in items)
    escaped = rendering.escape_markdown(typed).split("\n\n")
    parts = []
    for item, text in zip(items, escaped, strict=True):
        if item.kind == Kind.PICTURE:
            name = names.get(item.text) or marks.picture_name(item.text)
            parts.append(f"![](image:{name})")
        else:
            parts.append(_heading(text) if item.kind == Kind.HEADING else text)
    return "\n\n".join(parts)


def _heading(text: str) -> str:
    # Signs at its end would be taken for the closing half of the mark.
    return f"## {text[:-1]}\\#" if text.endswith("#") else f"## {text}"


def items(markdown: str, known: Collection[str] = ()) -> tuple[Item, ...]:
    """Return what a Markdown body is made of; other markup stays in the text.

    `known` are names of series, for cross-post lines.
    """
    paragraphs = _PARAGRAPHS.split(rendering.tidy(markdown).strip())
    return tuple(_item(paragraph, known) for paragraph in paragraphs if paragraph)


def _item(paragraph: str, known: Collection[str]) -> Item:
    if match := _IMAGE.fullmatch(paragraph):
        return Item(Kind.PICTURE, match[1])
    text = rendering.unescape_markdown(paragraph)
    if match := _HEADING.fullmatch(paragraph):
        return Item(Kind.HEADING, rendering.unescape_markdown(match[1]))
    return line(text, known) or Item(Kind.TEXT, text)


def line(text: str, known: Iterable[str] = ()) -> Item | None:
    """Return the item of a "See" or a cross-post line, None for other text."""
    if "\n" in text:
        return None
    if (seen := marks.see(text)) and seen[1]:
        return Item(Kind.SEE, text, (seen[0],))
    if names := marks.cross_posts(text, tuple(known)):
        return Item(Kind.CROSS_POST, cross_post_line(names), names)
    return None


def cross_post_line(names: Sequence[str]) -> str:
    """Return the line as our pages write it, whatever brackets it came with."""
    *most, last = names
    joined = f"{', '.join(most)} and {last}" if most else last
    return f"(Cross-posted from {joined})"
