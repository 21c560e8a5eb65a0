"""The command `compilemessages`: compile the catalogues, without GNU gettext."""

import re
from argparse import ArgumentParser
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

# A catalogue's header has a time: one that never changes, so that the same texts give
# the same bytes.
_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)
# Babel takes lines whose quotes are missing, and drops a letter of them.
_LINE: Final = re.compile(
    r"\s*(?:#.*|(?:(?:msgctxt|msgid|msgid_plural|msgstr(?:\[[0-9]\])?)\s+)?"
    r'"(?:[^"\\]|\\.)*"\s*)?'
)


class Command(BaseCommand):
    """Compile `django.po` of every language, as Django's command of this name does."""

    help = (
        "Compile the catalogues in locale/. It needs no tools besides pip's packages."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the option."""
        parser.add_argument(
            *("-l", "--locale"),
            action="append",
            default=[],
            help="compile this language only, such as pt_BR; can be repeated",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write a `django.mo` beside each `django.po`."""
        paths = sorted(
            path
            for folder in settings.LOCALE_PATHS
            for path in Path(folder).glob("*/LC_MESSAGES/django.po")
            if not options["locale"] or path.parts[-3] in options["locale"]
        )
        if missing := {*options["locale"]} - {path.parts[-3] for path in paths}:
            raise CommandError(f"No catalogue found for {', '.join(sorted(missing))}.")
        for path in paths:
            path.with_suffix(".mo").write_bytes(compiled(path))
            self.stdout.write(f"Compiled {path.parts[-3]}")


def compiled(path: Path) -> bytes:
    """Return a catalogue in the form that Django loads. Raises CommandError."""
    try:
        text = path.read_text(encoding="utf-8")
        for number, line in enumerate(text.split("\n"), 1):
            if not _LINE.fullmatch(line):
                raise CommandError(f"{path}, line {number} is not valid: {line}")
        catalogue = read_po(BytesIO(text.encode()), abort_invalid=True)
    except (PoFileError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} is not valid: {error}") from error
    catalogue.creation_date = catalogue.revision_date = _TIME
    buffer = BytesIO()
    write_mo(buffer, catalogue)
    return buffer.getvalue()
