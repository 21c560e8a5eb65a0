"""Load templates without their indentation, which readers need not download."""

import re
from typing import Final

from django.template import Origin
from django.template.loaders import filesystem

_INDENT: Final = re.compile(r"(?<=\n)[ \t]+")


class Loader(filesystem.Loader):
    """Keep every line of a template, and drop the spaces that it begins with."""

    def get_contents(self, origin: Origin) -> str:
        """Return the source of a template."""
        return _INDENT.sub("", super().get_contents(origin))
