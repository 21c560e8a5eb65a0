"""Load templates without the white space of their layout, which readers do not need."""

import re
from typing import Final

from django.template import Origin
from django.template.loaders import filesystem

_INDENT: Final = re.compile(r"(?<=\n)[ \t]+")
# An HTML tag, in which template tags may contain angle brackets.
_TAG: Final = re.compile(r"<[a-z](?:\{%.*?%\}|\{\{.*?\}\}|[^<>])*>", re.DOTALL)
_BREAK: Final = re.compile(r"\s*\n\s*(>?)")


class Loader(filesystem.Loader):
    """Load templates with unindented lines, and each HTML tag on one line."""

    def get_contents(self, origin: Origin) -> str:
        """Return the source of a template."""
        return _TAG.sub(_on_one_line, _INDENT.sub("", super().get_contents(origin)))


def _on_one_line(tag: re.Match[str]) -> str:
    return _BREAK.sub(lambda at: at[1] or " ", tag[0])
