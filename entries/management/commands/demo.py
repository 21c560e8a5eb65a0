"""The command `demo`: serve a site with sample stories."""

import os
import secrets
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandParser
from django.db import transaction

from entries.demo import loading, newsroom
from entries.management.commands.serve import (
    ServingCommand,
    bind_socket,
    prepare_static,
    run_server,
    set_local_site_url,
)
from entries.operations import data_folder


class Command(ServingCommand):
    """Migrate the database, fill an empty site with sample stories, and serve it."""

    help = (
        "Migrate, create sample stories and the accounts chief, editor, editor2 and "
        "moderator, then serve. Safe to run again: a site that has data is only "
        "migrated and served."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        super().add_arguments(parser)
        parser.add_argument(
            "--password", help="one password for all accounts (else random ones)"
        )
        parser.add_argument(
            "--busy",
            action="store_true",
            help="an invented newsroom posts, edits and corrects by itself",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare the site, and serve it until stopped by a signal."""
        listener = bind_socket(options["host"], options["port"])
        set_local_site_url(options["port"])
        keep_secret_key()
        call_command("migrate", verbosity=0)
        if loading.site_is_empty():
            self._fill(options["password"])
        else:
            self.stdout.write(
                "This site has data already: it is served as it is, and its accounts "
                "keep their\npasswords (manage.py changepassword NAME sets another)."
            )
        prepare_static(reload=options["reload"])
        url = f"http://{options['host']}:{options['port']}/"
        self.stdout.write(
            f"\nReaders:  {url}\nThe desk: {url}admin/\nCtrl+C ends it.\n"
        )
        self.stdout.flush()
        if options["busy"]:
            newsroom.start_newsroom()
        run_server(listener, reload=options["reload"])

    def _fill(self, password: str | None) -> None:
        self.stdout.write("Making the sample stories and their pictures …")
        self.stdout.flush()
        passwords = {
            name: password or secrets.token_urlsafe(9) for name in loading.ACCOUNTS
        }
        with transaction.atomic():
            loading.create_accounts(passwords)
            loading.load_stories()
        for name, value in passwords.items():
            self.stdout.write(f"  {name:<10} {value}")


def keep_secret_key() -> None:
    """Create a SECRET_KEY in DATA_DIR unless one is set or saved there."""
    if os.environ.get("SECRET_KEY") or settings.SECRET_KEY_FILE.is_file():
        return
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    settings.SECRET_KEY = secrets.token_urlsafe(50)
    data_folder.write_atomically(settings.SECRET_KEY_FILE, settings.SECRET_KEY, 0o600)
