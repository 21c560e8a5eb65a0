"""System checks of a deployment, each with an id and a hint (`manage.py check`)."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError
from django.db import connection
from django.http.request import split_domain_port, validate_host

from entries.images import ingest
from entries.models import Site
from entries.operations import data_folder
from entries.text import media

NETWORK_FILE_SYSTEMS = frozenset(
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "glusterfs"]
)
POOLER_PORT = "6432"
CONNECT_TIMEOUT_SECONDS = 5


def file_system_type(path: Path, mounts: str) -> str:
    """Return the type of a path's file system; `mounts` is /proc/self/mounts."""
    found = ("", "")  # the longest mount point that contains the path, and its type
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) > 2 and path.is_relative_to(fields[1].replace("\\040", " ")):
            found = max(found, (fields[1], fields[2]), key=lambda mount: len(mount[0]))
    return found[1]


@register(Tags.files)
def check_data_directory(**_: Any) -> Sequence[CheckMessage]:
    """Check that DATA_DIR is writable, and that SQLite is not on a network share."""
    folder = settings.DATA_DIR
    nearest = next(p for p in (folder, *folder.parents) if p.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        return [
            Error(
                f"DATA_DIR, {folder}, cannot be written.",
                hint="Make the account that runs the site its owner, or set another.",
                id="entries.E001",
            )
        ]
    mounts = Path("/proc/self/mounts")
    if connection.vendor != "sqlite" or not mounts.is_file():
        return []
    database = Path(str(connection.settings_dict["NAME"]))
    kind = file_system_type(database, mounts.read_text())
    if kind not in NETWORK_FILE_SYSTEMS:
        return []
    return [
        Error(
            f"The SQLite file is on a network file system ({kind}), which does not "
            "support its locks: two writers could destroy it.",
            hint="Move DATA_DIR to a local disk, or use PostgreSQL (DATABASE_URL).",
            id="entries.E002",
        )
    ]


@register()
def check_image_formats(**_: Any) -> Sequence[CheckMessage]:
    """Check that Pillow can write every image format that pages offer."""
    return [
        Error(
            f"Pictures cannot be written as {name}.",
            hint="Install Pillow from its wheel, or build it with this library.",
            id="entries.E003",
        )
        for name in ingest.unsupported_formats()
    ]


@register(Tags.database)
def check_data_folder_token(
    databases: Sequence[str] | None = None, **_: Any
) -> Sequence[CheckMessage]:
    """Check that the data folder belongs to the database."""
    if "default" not in (databases or ()):
        return []
    try:
        token = Site.objects.filter(pk=1).values_list("folder", flat=True).first()
    except DatabaseError:  # down, or not migrated: other checks report it
        return []
    if not token or not data_folder.belongs_elsewhere(token):
        return []
    file = data_folder.token_file()
    found = "belongs to another" if data_folder.read_token() else "is missing"
    return [
        checks.Warning(
            f"DATA_DIR, {settings.DATA_DIR}, is not the folder of this database: its "
            f"{file.name} {found}. Pictures would be missing, and /readyz returns 503.",
            hint="Mount or name the folder that the other machines use. If it does "
            f"have all pictures, write this line into {file}: {token}",
            id="entries.W010",
        )
    ]


@register(Tags.database)
def check_full_text_search(**_: Any) -> Sequence[CheckMessage]:
    """Check that SQLite was built with full-text search."""
    if connection.vendor != "sqlite" or _has_fts5(sqlite3.connect(":memory:")):
        return []
    return [
        Error(
            f"This SQLite ({sqlite3.sqlite_version}) was built without FTS5, which "
            "search needs.",
            hint="Use a Python with another SQLite, or PostgreSQL (DATABASE_URL).",
            id="entries.E007",
        )
    ]


def _has_fts5(memory: sqlite3.Connection) -> bool:
    with closing(memory), suppress(sqlite3.OperationalError):
        memory.execute("CREATE VIRTUAL TABLE words USING fts5(word)")
        return True
    return False


@register()
def check_site_url(**_: Any) -> Sequence[CheckMessage]:
    """Check that ALLOWED_HOSTS includes the host of SITE_URL."""
    host, _port = split_domain_port(urlsplit(settings.SITE_URL).netloc)
    if settings.DEBUG or validate_host(host, settings.ALLOWED_HOSTS):
        return []
    return [
        Error(
            f"The host of SITE_URL, {host}, is not among ALLOWED_HOSTS: every page "
            "would return 400.",
            hint="Add it to ALLOWED_HOSTS, or remove that variable.",
            id="entries.E008",
        )
    ]


@register()
def check_imprint_file(**_: Any) -> Sequence[CheckMessage]:
    """Check that the imprint, which every page links to, can be read."""
    name = settings.IMPRINT_FILE
    if not name or os.access(name, os.R_OK):
        return []
    return [
        Error(
            f"IMPRINT_FILE, {name}, cannot be read.",
            hint="Use an absolute path, and let the site's account read the file.",
            id="entries.E009",
        )
    ]


@register()
def check_media_providers(**_: Any) -> Sequence[CheckMessage]:
    """Check the sites of MEDIA_PROVIDERS_FILE and MASTODON_HOSTS."""
    try:
        media.frame_sources()
    except ImproperlyConfigured as error:
        hint = "docs/operators.md shows such a file."
        return [Error(str(error), hint=hint, id="entries.E010")]
    return []


@register(Tags.security)
def check_debug(**_: Any) -> Sequence[CheckMessage]:
    """Check that a public site does not run with DEBUG."""
    if not (settings.DEBUG and urlsplit(settings.SITE_URL).scheme == "https"):
        return []
    return [
        Error(
            "DEBUG is on, and SITE_URL is a public address: error pages would show "
            "internal details to everybody.",
            hint="Remove DEBUG from the environment.",
            id="entries.E004",
        )
    ]


@register()
def check_pooler(**_: Any) -> Sequence[CheckMessage]:
    """Check that DATABASE_URL does not name a pooler such as PgBouncer."""
    if str(connection.settings_dict.get("PORT")) != POOLER_PORT:
        return []
    return [
        _pooler_warning("DATABASE_URL has port 6432, where PgBouncer usually listens.")
    ]


def _pooler_warning(reason: str) -> CheckMessage:
    return checks.Warning(
        f"{reason} LISTEN does not work through a pooler that gives each transaction "
        "another connection: readers would wait a second or two for each update.",
        hint="Connect to PostgreSQL directly; the site has a small pool of its own.",
        id="entries.W005",
    )


@register(Tags.database)
def check_listen_notify(
    databases: Sequence[str] | None = None, **_: Any
) -> Sequence[CheckMessage]:
    """Check that LISTEN and NOTIFY work, for `manage.py check --database default`."""
    if "default" not in (databases or ()) or connection.vendor != "postgresql":
        return []
    try:
        received = _receives_notifications()
    except (psycopg.Error, DatabaseError) as error:
        return [
            Error(
                f"The database does not respond: {str(error).strip()}",
                hint="Check DATABASE_URL, and whether PostgreSQL is running.",
                id="entries.E006",
            )
        ]
    return (
        [] if received else [_pooler_warning("Notifications do not arrive reliably.")]
    )


def _receives_notifications() -> bool:
    """Return whether a session keeps its server process and receives notifications."""
    parameters = {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        **connection.get_connection_params(),
    }
    for name in ("pool", "cursor_factory", "context"):
        parameters.pop(name, None)
    parameters |= {"autocommit": True, "prepare_threshold": None}
    with psycopg.connect(**parameters) as one, psycopg.connect(**parameters) as other:
        one.execute("LISTEN liveblog_check")
        before = _server_process(one)
        # A transaction pooler would give this one the server process that `one` used.
        with other.transaction():
            other.execute("NOTIFY liveblog_check")
            kept = _server_process(one) == before
        return kept and bool(list(one.notifies(timeout=2, stop_after=1)))


def _server_process(wire: psycopg.Connection[Any]) -> Any:
    return wire.execute("SELECT pg_backend_pid()").fetchall()
