"""The command `makemessages`: collect the texts to translate, as this project does.

It needs the programs of GNU gettext. Everything else about catalogues does without.
"""

import re
from pathlib import Path
from typing import Any, Final

from babel import Locale
from django.core.management.base import CommandParser
from django.core.management.commands import makemessages

_FIELDS: Final = (
    *('msgid ""', 'msgstr ""', '"Language:', '"MIME-Version:', '"Content-T'),
    '"Plural-Forms:',
)
_UNTRANSLATED: Final = re.compile(r'(?:msgstr\[[0-9]\] ""\n)+(?!")')


class Command(makemessages.Command):
    """Django's command, with the options that every catalogue here is written with."""

    # A text that changed is translated anew: a guess from the old one would be wrong.
    msgmerge_options = [*makemessages.Command.msgmerge_options, "--no-fuzzy-matching"]

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare Django's options, with other defaults."""
        super().add_arguments(parser)
        parser.set_defaults(
            add_location="file",
            no_obsolete=True,
            no_wrap=True,
            extensions=["html,txt,xml,py"],
            ignore_patterns=["benchmarks", "build", "tests", "var"],
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Update the catalogues named with `--locale`, or else all of them."""
        options["all"] |= not options["locale"] and not options["exclude"]
        super().handle(*args, **options)

    def write_po_file(self, potfile: str, locale: str) -> None:
        """Write a catalogue whose header has no times, which change at every run."""
        super().write_po_file(potfile, locale)
        path = Path(potfile).parent / locale / "LC_MESSAGES" / f"{self.domain}.po"
        header, entries = path.read_text(encoding="utf-8").split("\n\n", 1)
        header = _tidy(header, locale)
        if forms := re.search(r"nplurals=([0-9])", header):
            # GNU gettext gives every new text the two forms of English.
            blank = "".join(f'msgstr[{n}] ""\n' for n in range(int(forms[1])))
            entries = _UNTRANSLATED.sub(blank, entries)
        path.write_text(f"{header}\n\n{entries}", encoding="utf-8")


def _tidy(header: str, locale: str) -> str:
    """Return a catalogue's header with the fields that this project uses."""
    lines = header.splitlines()
    kept = [line for line in lines if line.startswith(_FIELDS)]
    if "#, fuzzy" not in lines:
        return "\n".join([line for line in lines if line.startswith("# ")] + kept)
    # A new catalogue has the header of the template.
    name = Locale.parse(locale).english_name
    comment = "translation of the live blog. Not yet read by a native speaker."
    language = ('"Language: \\n"', f'"Language: {locale}\\n"')
    return f"# {name} {comment}\n" + "\n".join(kept).replace(*language)
