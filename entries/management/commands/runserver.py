"""`runserver`: name the commands that serve this site."""

from typing import Any

from django.contrib.staticfiles.management.commands import runserver
from django.core.management import CommandError


class Command(runserver.Command):
    """Refuse to run: Django's development server cannot carry event streams."""

    help = "Not used here: run manage.py demo --reload or manage.py serve --reload."

    def handle(self, *args: Any, **options: Any) -> None:
        """Say what to run instead."""
        raise CommandError(
            "runserver can't carry live streams: run `manage.py demo --reload` (sample "
            "stories) or `manage.py serve --reload` (your own site) instead."
        )
