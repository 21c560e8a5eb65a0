"""The command `sweep`: list or delete image files that belong to no image row."""

import time
from argparse import ArgumentParser
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from entries.models import Image

MIN_AGE_SECONDS = 24 * 3600  # a younger file may belong to a running import


class Command(BaseCommand):
    """List or delete the files that an interrupted upload or import left behind."""

    help = (
        "List the picture files that belong to no picture and are a day old: what an "
        "upload or an import left that was killed. The site may run meanwhile."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--delete", action="store_true", help="delete them, not only list them"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """List the files, and delete them with `--delete`."""
        size, found = 0, orphaned_files(settings.IMAGES_DIR)
        for path in found:
            size += path.stat().st_size
            self.stdout.write(str(path))
            if options["delete"]:
                path.unlink(missing_ok=True)
                if path.parent.name.startswith("."):  # an unfinished upload
                    with suppress(OSError):
                        path.parent.rmdir()
        done = "deleted" if options["delete"] else "to delete (--delete)"
        self.stdout.write(f"{len(found)} files of {size:,} bytes {done}.")


def orphaned_files(folder: Path) -> list[Path]:
    """Return the files that belong to no image row and are old enough to delete."""
    cutoff = time.time() - MIN_AGE_SECONDS
    old = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.stat().st_mtime < cutoff
    ]
    # Queried after the files were listed, so that rows added meanwhile count.
    stems = set(Image.objects.values_list("stem", flat=True))
    name = {path: path.relative_to(folder).as_posix() for path in old}
    return [path for path in old if name[path].rpartition("-")[0] not in stems]
