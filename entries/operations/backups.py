"""Back up the whole site to one file, and restore it.

The file is a tar archive of the database, all images and, at the end, a manifest with
the row counts of all tables and the SHA-256 of all files. SQLite is copied by its
online backup API. On PostgreSQL all tables are dumped by COPY in one snapshot, which
needs no pg_dump of the server's version. Images are added after the database: those
that its rows name exist by then, and never change.
"""

import contextlib
import hashlib
import json
import secrets
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from io import BytesIO
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Model
from psycopg import Copy

from entries import delivery
from entries.database import errors
from entries.operations import data_folder

BACKUP_FORMAT: Final = 1
DATABASE_FILE: Final = "database.sqlite3"
# Sessions and reader counts are not backed up.
_TRANSIENT_TABLES: Final = {"django_session", "entries_audience"}
_STORAGE_ERRORS: Final = (OSError, sqlite3.Error, DatabaseError)
Migration = tuple[str, str]


class BackupError(Exception):
    """A backup or restore failed; the message says why and what to do."""


# --- Backup


def create_backup(target: Path) -> dict[str, Any]:
    """Write a backup to a new file and return its manifest."""
    if target.exists():
        raise BackupError(f"“{target}” exists already: name another file.")
    part = target.with_name(f"{target.name}.part")
    try:
        with TemporaryDirectory(prefix="backup-", dir=target.parent) as folder:
            manifest = _write_archive(part, Path(folder))
        part.rename(target)
    except _STORAGE_ERRORS as error:
        reason = errors.command_message(error) or error
        raise BackupError(f"“{target}” cannot be written: {reason}") from error
    finally:
        part.unlink(missing_ok=True)
    return manifest


def _write_archive(part: Path, folder: Path) -> dict[str, Any]:
    counts = _dump_database(folder)
    images = settings.IMAGES_DIR
    files: dict[str, str] = {}
    part.touch(mode=0o600)
    with tarfile.open(part, "w", dereference=True) as tar:
        for path in sorted(folder.iterdir()):
            _add(tar, path, f"database/{path.name}", files)
        # The pattern skips hidden folders, with images that are still being written.
        for path in sorted(images.glob("[0-9a-f][0-9a-f]/*")):
            with contextlib.suppress(FileNotFoundError):  # just erased
                _add(tar, path, f"pictures/{path.relative_to(images)}", files)
        manifest = {
            "form": BACKUP_FORMAT,
            "release": version("liveblog"),
            "engine": connection.vendor,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "migrations": sorted(_applied_migrations()),
            "counts": counts,
            "files": files,
        }
        data = json.dumps(manifest, indent=1).encode()
        info = tarfile.TarInfo("manifest.json")
        info.size = len(data)
        tar.addfile(info, BytesIO(data))
    return manifest


def _add(tar: tarfile.TarFile, path: Path, name: str, files: dict[str, str]) -> None:
    with path.open("rb") as file:
        files[name] = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        tar.addfile(tar.gettarinfo(arcname=name, fileobj=file), file)


def _applied_migrations() -> set[Migration]:
    return set(MigrationRecorder(connection).applied_migrations())


def _dump_database(folder: Path) -> dict[str, int]:
    """Copy a snapshot of the database into a folder; return the row counts."""
    if connection.vendor == "sqlite":
        with _opened(_sqlite_file()) as source, _opened(folder / DATABASE_FILE) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
            return _sqlite_counts(copy)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        tables = _tables()
        for table in tables:
            sql = f'COPY "{table}" ({_columns(table)}) TO STDOUT'
            path = folder / f"{table}.copy"
            with path.open("wb") as file, cursor.copy(sql) as rows:
                for row in rows:
                    file.write(row)
        return _postgres_counts(tables)


def _sqlite_file() -> Path:
    return Path(str(connection.settings_dict["NAME"]))


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, timeout=20)) as file:
        yield file


def _sqlite_counts(file: sqlite3.Connection) -> dict[str, int]:
    names = file.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' "
        "AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '%_fts%' ORDER BY name"
    ).fetchall()
    return {
        name: file.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608
        for (name,) in names
        if name not in _TRANSIENT_TABLES
    }


def _tables() -> list[str]:
    names = connection.introspection.django_table_names(only_existing=True)
    return sorted({*names, "django_migrations"} - _TRANSIENT_TABLES)


def _postgres_counts(tables: list[str]) -> dict[str, int]:
    with connection.cursor() as cursor:
        counts = {}
        for table in tables:
            cursor.execute(f'SELECT count(*) FROM "{table}"')  # noqa: S608
            counts[table] = cursor.fetchone()[0]
    return counts


def _columns(table: str) -> str:
    """Return a table's columns as an SQL list, without generated ones."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_schema = current_schema() AND table_name = %s "
            "AND is_generated = 'NEVER' ORDER BY column_name",
            [table],
        )
        return ", ".join(f'"{name}"' for (name,) in cursor.fetchall())


# --- Restore


def restore_backup(source: Path, *, replace: bool = False) -> dict[str, Any]:
    """Restore a backup and return its manifest.

    The site gets a new epoch, so that open pages reload. Raises BackupError if the file
    is damaged, of a newer release or of an incompatible database, or if the site has
    data and `replace` is false.
    """
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    with (
        _disk_errors_reported(source),
        TemporaryDirectory(prefix="restore-", dir=settings.DATA_DIR) as name,
    ):
        folder = Path(name)
        manifest = _unpack(source, folder)
        _check_restorable(manifest, replace=replace)
        with _images_restored(folder / "pictures"):
            if connection.vendor == "sqlite":
                counts = _restore_sqlite(folder / "database" / DATABASE_FILE)
            else:
                counts = _restore_postgres(folder / "database", manifest)
    if differing := {t for t, n in manifest["counts"].items() if counts.get(t) != n}:
        raise BackupError(
            f"After restoring, {min(differing)} has a different number of rows."
        )
    with _disk_errors_reported(source):
        call_command("migrate", verbosity=0)
        data_folder.renew_token()
    delivery.nudge()
    return manifest


@contextmanager
def _disk_errors_reported(source: Path) -> Iterator[None]:
    """Convert disk errors during a restore to BackupError."""
    try:
        yield
    except _STORAGE_ERRORS as error:
        if reason := errors.command_message(error):
            message = f"“{source}” cannot be restored: {reason}"
            raise BackupError(message) from error
        raise


def _unpack(source: Path, folder: Path) -> dict[str, Any]:
    """Extract a backup and verify every file against the manifest."""
    try:
        with tarfile.open(source) as tar:
            for member in tar:
                _extract(tar, member, folder)
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
        for name, digest in manifest["files"].items():
            with (folder / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    raise BackupError(f"“{source}” is damaged: {name} has changed.")
    except (tarfile.TarError, OSError, ValueError, KeyError, EOFError) as error:
        if errors.disk_problem(error):
            raise
        raise BackupError(f"“{source}” is not a complete backup: {error}") from error
    return manifest


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Extract one file safely: `extractall` checks paths only in newer Pythons."""
    path = PurePosixPath(member.name)
    file = tar.extractfile(member) if member.isreg() else None
    if file is None or path.is_absolute() or ".." in path.parts:
        raise BackupError(f"{member.name} is nothing that a backup holds.")
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with file, target.open("wb") as out:
        shutil.copyfileobj(file, out)


def _check_restorable(manifest: dict[str, Any], *, replace: bool) -> None:
    """Raise BackupError if the backup cannot be restored into this database."""
    if manifest["form"] != BACKUP_FORMAT:
        raise BackupError("The backup was made by a newer release: install that one.")
    if manifest["engine"] not in (connection.vendor, "sqlite"):
        raise BackupError(
            f"The backup is from {manifest['engine']}, and DATABASE_URL names "
            f"{connection.vendor}: restore into the same kind of database. (A backup "
            "from SQLite can be restored to PostgreSQL, but not the other way round.)"
        )
    migrations = {(app, name) for app, name in manifest["migrations"]}
    executor = MigrationExecutor(connection)
    known = set(executor.loader.graph.nodes) | set(executor.loader.replacements)
    if unknown := migrations - known:
        app, name = min(unknown)
        raise BackupError(
            f"The backup was made by a newer release ({app}.{name}): install that one."
        )
    applied = _applied_migrations()
    if applied and _has_data() and not replace:
        raise BackupError(
            "This site has data already. Restore to an empty site, or use --replace, "
            "which deletes everything that is here now."
        )
    if applied - migrations and connection.vendor != "sqlite":
        raise BackupError(
            "The tables here are of a newer release than the backup: restore to an "
            "empty database, which is migrated afterwards."
        )


def _has_data() -> bool:
    tables = connection.introspection.table_names()
    with connection.cursor() as cursor:
        for table in ("entries_story", "auth_user"):
            if table in tables:
                cursor.execute(f'SELECT 1 FROM "{table}" LIMIT 1')  # noqa: S608
                if cursor.fetchone():
                    return True
    return False


@contextmanager
def _images_restored(unpacked: Path) -> Iterator[None]:
    """Move images into place; if the block fails, delete those that are new."""
    new = []
    try:
        for path in unpacked.glob("*/*"):
            target = settings.IMAGES_DIR / path.relative_to(unpacked)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                new.append(target)
            path.replace(target)
        yield
    except BaseException:
        for target in new:
            target.unlink(missing_ok=True)
        raise


def _restore_sqlite(file: Path) -> dict[str, int]:
    """Replace the database, even while it is in use; return the row counts."""
    with _opened(file) as copy:
        counts = _sqlite_counts(copy)
        with copy:
            for table in _TRANSIENT_TABLES & _sqlite_tables(copy):
                copy.execute(f'DELETE FROM "{table}"')  # noqa: S608
            copy.execute("UPDATE entries_site SET epoch = ?", [_new_epoch()])
        connection.close()
        with _opened(_sqlite_file()) as target:
            copy.backup(target)
    return counts


def _sqlite_tables(file: sqlite3.Connection) -> set[str]:
    rows = file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name for (name,) in rows}


def _new_epoch() -> str:
    return secrets.token_hex(4)


def _restore_postgres(folder: Path, manifest: dict[str, Any]) -> dict[str, int]:
    """Migrate to the backup's release, and load all tables in one transaction.

    Return the row counts.
    """
    executor = MigrationExecutor(connection)
    graph = executor.loader.graph
    migrations = {(app, name) for app, name in manifest["migrations"]}
    executor.migrate(
        [
            (app, name)
            for app, name in sorted(migrations)
            if not any(
                child.key in migrations and child.key[0] == app
                for child in graph.node_map[app, name].children
            )
        ]
    )
    with transaction.atomic(), connection.cursor() as cursor:
        tables = sorted(manifest["counts"])
        existing = set(connection.introspection.table_names())
        truncated = {*tables, *_TRANSIENT_TABLES & existing}
        names = ", ".join(f'"{table}"' for table in truncated)
        cursor.execute(f"TRUNCATE {names} CASCADE")
        for table in tables:
            columns = _columns(table)
            with cursor.copy(f'COPY "{table}" ({columns}) FROM STDIN') as rows:
                _copy_rows(rows, folder, table, columns)
        installed = apps.get_models(include_auto_created=True)
        models: list[type[Model]] = [MigrationRecorder.Migration, *installed]
        restored = [model for model in models if model._meta.db_table in tables]
        for sql in connection.ops.sequence_reset_sql(no_style(), restored):
            cursor.execute(sql)
        cursor.execute("UPDATE entries_site SET epoch = %s", [_new_epoch()])
        return _postgres_counts(tables)


def _copy_rows(rows: Copy, folder: Path, table: str, columns: str) -> None:
    """Copy a table's rows into PostgreSQL, from a COPY dump or a SQLite file.

    SQLite stores booleans as 0 and 1 and times as text in UTC; PostgreSQL accepts both.
    """
    if (folder / DATABASE_FILE).exists():
        query = f'SELECT {columns} FROM "{table}"'  # noqa: S608
        with _opened(folder / DATABASE_FILE) as source:
            for row in source.execute(query):
                rows.write_row(row)
        return
    with (folder / f"{table}.copy").open("rb") as file:
        while data := file.read(1 << 20):
            rows.write(data)
