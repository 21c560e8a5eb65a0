"""The command `backup`: write the whole site to one file while it runs."""

from pathlib import Path
from typing import Any

from django.core.management import CommandError
from django.core.management.base import BaseCommand, CommandParser

from entries.operations import backups


class Command(BaseCommand):
    """Write the database and all images to one file."""

    help = (
        "Write the database and all pictures, as they are at one moment, to one tar "
        "file. The site may run and be written to meanwhile. The file holds everything "
        "that is secret here, except SECRET_KEY, which you keep apart."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.epilog = "Exit codes: 0 written, 1 not possible, 2 wrong usage."
        parser.add_argument("target", type=Path, metavar="TARGET", help="a new file")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the backup, and print what it contains."""
        target: Path = options["target"].absolute()
        try:
            manifest = backups.create_backup(target)
        except backups.BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{target}: {manifest['counts']['entries_story']:,} stories, "
            f"{manifest['counts']['entries_entry']:,} entries, "
            f"{sum(n.startswith('pictures/') for n in manifest['files']):,} picture "
            f"files, {target.stat().st_size:,} bytes."
        )
