"""The command `restore`: restore a site from the file that `backup` wrote."""

from pathlib import Path
from typing import Any

from django.core.management import CommandError
from django.core.management.base import BaseCommand, CommandParser

from entries.operations import backups


class Command(BaseCommand):
    """Restore the database and all images, and verify them."""

    help = (
        "Restore what backup wrote, into an empty place of the same kind of database, "
        "and verify it: every file by its SHA-256, every table by its rows. A backup "
        "of an older release is brought up to date. The site becomes a new history: "
        "pages that readers have kept open load the restored state, and everybody "
        "signs in again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.epilog = "Exit codes: 0 restored, 1 not possible, 2 wrong usage."
        parser.add_argument("source", type=Path, metavar="SOURCE", help="the file")
        parser.add_argument(
            "--replace",
            action="store_true",
            help="also where there is data: what is there now is lost",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore the site from the file."""
        try:
            manifest = backups.restore_backup(
                options["source"], replace=options["replace"]
            )
        except backups.BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Restored the site of {manifest['made']} (release {manifest['release']}): "
            f"{len(manifest['counts'])} tables and {len(manifest['files']):,} files "
            "are as they were."
        )
