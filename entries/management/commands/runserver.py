"""The command `runserver`, which is replaced by `demo` and `serve`."""

from typing import Any

from django.contrib.staticfiles.management.commands import runserver
from django.core.management import CommandError


class Command(runserver.Command):
    """Refuse to run, since Django's development server cannot serve streams."""

    help = "Not used here: run manage.py demo --reload or manage.py serve --reload."

    def handle(self, *args: Any, **options: Any) -> None:
        """Raise CommandError with the commands to run instead."""
        raise CommandError(
            "runserver can't carry live streams: run `manage.py demo --reload` (sample "
            "stories) or `manage.py serve --reload` (your own site) instead."
        )
