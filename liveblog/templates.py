"""A template loader that removes whitespace which only serves readability."""

import re
from typing import Final

from django.template import Origin
from django.template.loaders import filesystem

_INDENT: Final = re.compile(r"(?<=\n)[ \t]+")
# An HTML tag, in which template tags may contain angle brackets.
_ATTRIBUTES: Final = r"(?:\{%.*?%\}|\{\{.*?\}\}|[^<>])*"
_TAG: Final = re.compile(rf"<[a-z]{_ATTRIBUTES}>", re.DOTALL)
# These hold attributes with their space, or nothing.
_OPTIONAL: Final = r"\{\{ lang \}\}|\{% (?:own_language|text_lang)\b"
_BREAK: Final = re.compile(rf"\s+(?={_OPTIONAL})|\s*\n\s*(>?)")
# Browsers ignore whitespace at the edges of these elements.
_BLOCK: Final = r"(?:button|div|d[dt]|figcaption|h\d|li|p|script|summary|t[dh])"
_EDGE: Final = re.compile(
    rf"(<{_BLOCK}\b{_ATTRIBUTES}>)\n+|\n+(?=</{_BLOCK}>)", re.DOTALL
)


class Loader(filesystem.Loader):
    """Load templates without indentation, and with each HTML tag on one line."""

    def get_contents(self, origin: Origin) -> str:
        """Return the source of a template, without extra whitespace."""
        source = _INDENT.sub("", super().get_contents(origin))
        return _EDGE.sub(lambda at: at[1] or "", _TAG.sub(_on_one_line, source))


def _on_one_line(tag: re.Match[str]) -> str:
    return _BREAK.sub(lambda at: at[1] or ("" if at[1] is None else " "), tag[0])
