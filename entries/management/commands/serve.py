"""The command `serve`: the production server."""

import argparse
import hashlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvicorn
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.statreload import StatReload

from entries.operations import data_folder
from entries.public import caching

MIN_KEY_LENGTH = 32  # characters, for sites with a public URL
RELOAD_FOLDERS = [settings.BASE_DIR / n for n in ("liveblog", "entries", "templates")]
SILENT_CONNECTION_SECONDS = 60.0  # several heartbeats of a silent stream


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return an argparse type for whole numbers from `least` to `most`."""

    def parse(value: str) -> int:
        if value.isdecimal() and least <= int(value) <= most:
            return int(value)
        raise argparse.ArgumentTypeError(
            f"{value!r} is no whole number from {least} to {most}"
        )

    return parse


class ServingCommand(BaseCommand):
    """The base class of the commands that serve the site."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options of both commands."""
        parser.add_argument("--host", default="127.0.0.1", help="address to bind")
        parser.add_argument(
            "--port", type=whole_number(1, 65_535), default=8000, help="port to bind"
        )
        parser.add_argument(
            "--reload",
            action="store_true",
            help="for development: restart when Python files or templates change, "
            "serve static files from their sources, and set DEBUG (one process)",
        )

    def get_check_kwargs(self, options: dict[str, Any]) -> Any:
        """Run the database checks too."""
        return {**super().get_check_kwargs(options), "databases": ["default"]}

    def check(self, *args: Any, **options: Any) -> None:
        """Run the checks, and report an unreachable database in one sentence."""
        try:
            super().check(*args, **options)
        except DatabaseError as error:
            raise CommandError(f"The database does not answer: {error}") from error


class Command(ServingCommand):
    """Serve the site: pages, streams and the desk."""

    help = (
        "Serve the site with uvicorn. The database must be migrated; static files "
        "are collected into DATA_DIR/static first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        super().add_arguments(parser)
        parser.add_argument(
            "--workers",
            type=whole_number(1, 1000),
            default=1,
            help="processes on the same port",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Check the settings, collect static files, and serve until a signal."""
        check_settings()
        check_database()
        data_folder.claim_data_folder()
        listener = bind_socket(options["host"], options["port"])
        set_local_site_url(options["port"])
        prepare_static(reload=options["reload"])
        self.stdout.write(f"Serving on http://{options['host']}:{options['port']}/")
        self.stdout.flush()
        run_server(listener, options["workers"], reload=options["reload"])


def set_local_site_url(port: int) -> None:
    """Use this port in absolute URLs, such as those in feeds, if SITE_URL is not set.

    The URL is saved in DATA_DIR, so that other commands print the same one.
    """
    if os.environ.get("SITE_URL"):
        return
    settings.SITE_URL = f"http://127.0.0.1:{port}"
    settings.CSRF_TRUSTED_ORIGINS = [settings.SITE_URL]
    os.environ["SITE_URL"] = settings.SITE_URL  # for the workers
    settings.SITE_URL_FILE.write_text(f"{settings.SITE_URL}\n")


def prepare_static(*, reload: bool) -> None:
    """Collect the static files, or set DEBUG to serve them from their sources."""
    if not reload:
        collect_static()
    elif settings.SESSION_COOKIE_SECURE:
        raise CommandError(
            f"--reload is for development, and SITE_URL is {settings.SITE_URL}: "
            "take one of them out."
        )
    else:
        os.environ["DEBUG"] = "True"  # read by the process that serves


def collect_static() -> None:
    """Copy the static files to DATA_DIR, unless they are there already.

    Names, sizes and times show whether they are the files that were copied last. That
    they are older than the copies does not: an upgrade may bring files that were packed
    before the release they replace was started.
    """
    files = {
        name: Path(storage.path(name)).stat()
        for source in finders.get_finders()
        for name, storage in source.list([])
    }
    known = [(name, file.st_size, file.st_mtime_ns) for name, file in files.items()]
    digest = hashlib.sha256(repr(sorted(known)).encode()).hexdigest()
    folder = settings.STATIC_ROOT
    record, manifest = folder / "sources.sha256", folder / "staticfiles.json"
    if record.is_file() and record.read_text() == digest and manifest.is_file():
        return
    for name in files:  # collectstatic keeps copies that are newer than their source
        with suppress(OSError):
            os.utime(folder / name, (0, 0))
    call_command("collectstatic", interactive=False, verbosity=0)
    record.write_text(digest)


def check_settings() -> None:
    """Raise CommandError if SECRET_KEY is missing, or weak on a public site."""
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured as error:  # raised by Django if it is empty
        raise CommandError(
            "SECRET_KEY is not set. Set it to 50 random characters, and keep it."
        ) from error
    if settings.SESSION_COOKIE_SECURE and len(key) < MIN_KEY_LENGTH:
        raise CommandError(
            f"SECRET_KEY has {len(key)} characters, which can be guessed: whoever "
            "does signs in as anybody. Set it to 50 random ones, and keep it."
        )


def check_database() -> None:
    """Raise CommandError if the database is unreachable or not migrated."""
    try:
        executor = MigrationExecutor(connection)
    except DatabaseError as error:
        raise CommandError(f"The database does not answer: {error}") from error
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise CommandError("The database is not up to date: run manage.py migrate.")


def bind_socket(host: str, port: int) -> socket.socket:
    """Return a socket bound to the port. Raises CommandError if it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise CommandError(
            f"Nothing can be served on port {port} of {host}: {error.strerror}. "
            "Choose another with --port or --host."
        ) from error
    listener.set_inheritable(True)
    drop_silent_connections(listener, SILENT_CONNECTION_SECONDS)
    return listener


class Reload(StatReload):
    """Restart the server when a Python file or a template changes.

    Templates need the restart because they are cached, and so are rendered pages.
    """

    def iter_py_files(self) -> Iterator[Path]:
        """Yield every watched file."""
        yield from super().iter_py_files()
        for folder in self.config.reload_dirs:
            yield from folder.rglob("*.html")


def run_server(
    listener: socket.socket, workers: int = 1, *, reload: bool = False
) -> None:
    """Run uvicorn until a signal stops it; `reload` restarts it on changes.

    The static files must have been collected.
    """
    with suppress(DatabaseError):  # it may be full, and readers are served anyway
        caching.record_release()
    connection.close()
    with TemporaryDirectory(prefix="liveblog-metrics-") as folder:
        if workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        _run(listener, workers, reload=reload)


def _run(listener: socket.socket, workers: int, *, reload: bool) -> None:
    config = uvicorn.Config(
        "liveblog.asgi:application",
        workers=workers,
        reload=reload,
        reload_dirs=[str(folder) for folder in RELOAD_FOLDERS] if reload else None,
        loop="uvloop",
        http="liveblog.protocol:Protocol",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        proxy_headers=True,
        server_header=False,
        backlog=4096,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
    )
    server, sockets = uvicorn.Server(config), [listener]
    # uvicorn raises the signal again after a graceful shutdown.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    if reload:
        Reload(config, target=server.run, sockets=sockets).run()
        return
    if workers > 1:
        Multiprocess(config, sockets=sockets).run()
        return
    server.run(sockets=sockets)
    if not server.started:
        raise CommandError("The server did not start.")


def drop_silent_connections(listener: socket.socket, seconds: float) -> None:
    """Drop connections whose peer acknowledges no data for some seconds.

    A phone that loses its network does not close its connection. The kernel would keep
    it, and the data sent to it, for a quarter of an hour.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # only on Linux
        listener.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000)
        )
