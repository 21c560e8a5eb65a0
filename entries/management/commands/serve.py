"""`serve`: the production server."""

import os
import signal
import socket
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvicorn
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from uvicorn.supervisors import Multiprocess

SILENCE = 60.0  # seconds without a sign of life; streams are pinged every 15


class Command(BaseCommand):
    """Serve the site: pages, streams and the desk."""

    help = (
        "Serve the site with uvicorn. The database must be migrated; static files "
        "are collected into DATA_DIR/static first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--host", default="127.0.0.1", help="address to bind")
        parser.add_argument("--port", type=int, default=8000, help="port to bind")
        parser.add_argument(
            "--workers", type=int, default=1, help="processes on the same port"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Check the settings, collect the static files, serve until a signal."""
        check_settings()
        check_database()
        collect_static()
        connection.close()
        self.stdout.write(f"Serving on http://{options['host']}:{options['port']}/")
        self.stdout.flush()
        serve(options["host"], options["port"], options["workers"])


def collect_static() -> None:
    """Bring the static files into DATA_DIR, unless the newest are there."""
    manifest = settings.STATIC_ROOT / "staticfiles.json"
    made = manifest.stat().st_mtime if manifest.is_file() else 0.0
    newest = max(
        Path(storage.path(name)).stat().st_mtime
        for finder in finders.get_finders()
        for name, storage in finder.list([])
    )
    if newest >= made:
        call_command("collectstatic", interactive=False, verbosity=0)


def check_settings() -> None:
    """Refuse to start on settings that would break later."""
    if not os.environ.get("SECRET_KEY") and not settings.SECRET_KEY_FILE.is_file():
        raise CommandError(
            "SECRET_KEY is not set. Set it to 50 random characters, and keep it."
        )


def check_database() -> None:
    """Refuse to start on a database that does not answer or is not migrated."""
    try:
        executor = MigrationExecutor(connection)
    except DatabaseError as error:
        raise CommandError(f"The database does not answer: {error}") from error
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise CommandError("The database is not up to date: run manage.py migrate.")


def serve(host: str, port: int, workers: int = 1) -> None:
    """Run uvicorn until a signal ends it."""
    with TemporaryDirectory(prefix="liveblog-metrics-") as folder:
        if workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        _run(host, port, workers)


def _run(host: str, port: int, workers: int) -> None:
    config = uvicorn.Config(
        "liveblog.asgi:application",
        host=host,
        port=port,
        workers=workers,
        loop="uvloop",
        http="httptools",
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
    server, sockets = uvicorn.Server(config), [config.bind_socket()]
    give_up(sockets[0], SILENCE)
    # The server sends itself the signal again when it has ended well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    if workers > 1:
        Multiprocess(config, sockets=sockets).run()
        return
    server.run(sockets=sockets)
    if not server.started:
        raise CommandError("The server did not start.")


def give_up(listener: socket.socket, seconds: float) -> None:
    """Drop each connection to a listener whose other side is silent for so long.

    A phone that loses its network says no goodbye; by itself the kernel would hold
    its connection, and what was sent to it, for a quarter of an hour.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # where the kernel is Linux
        listener.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000)
        )
