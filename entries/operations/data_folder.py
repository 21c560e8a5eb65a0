"""The data folder's token, which says which database the folder belongs to.

The database and the folder get the same token when a site is first migrated. So a
second machine whose folder is empty, or belongs to another site, is detected.
"""

import os
import secrets
from pathlib import Path
from typing import Any, Final

from django.apps import apps
from django.conf import settings

from entries.models import Image, Site

SITE_ID_FILE: Final = "site-id"


def token_file() -> Path:
    """Return the path of the file that holds the folder's token."""
    return Path(settings.DATA_DIR) / SITE_ID_FILE


def read_token() -> str:
    """Return the folder's token; "" if there is none or it cannot be read."""
    try:
        return token_file().read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def belongs_elsewhere(wanted: str) -> bool:
    """Return whether the folder does not belong to a database with this token.

    A database that has no token, because it is not migrated yet, matches any folder.
    """
    return bool(wanted) and read_token() != wanted


def claim_data_folder(**signal: Any) -> None:
    """Give the database and the folder their token, if the database has none.

    A folder's token is kept: its database may be new. If the database has a token,
    the folder is left alone, since it may be the wrong one; so it is if it lacks the
    images that the database names.
    """
    models = signal.get("apps", apps).all_models["entries"]
    site = models.get("site")
    if site is None or not hasattr(site, "folder"):
        return  # partly migrated, or migrated back to an older release
    row = Site.objects.filter(pk=Site.current().pk, folder="")
    if not row.exists() or _lacks_images():
        return
    if found := read_token() or _created():
        row.update(folder=found)


def _lacks_images() -> bool:
    stems = Image.objects.exclude(stem="").order_by("-pk")
    newest = stems.values_list("stem", flat=True).first()
    return bool(newest) and not any(settings.IMAGES_DIR.glob(f"{newest}-*"))


def _created() -> str:
    """Write a new token file and return its token, or that of another process."""
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    fresh = secrets.token_hex(16)
    try:
        _write(token_file(), f"{fresh}\n", os.O_EXCL)
    except FileExistsError:
        return read_token()
    return fresh


def renew_token() -> None:
    """Give the database and the folder a new token: a restored site is a new one."""
    fresh = secrets.token_hex(16)
    write_atomically(token_file(), f"{fresh}\n")
    Site.objects.filter(pk=Site.current().pk).update(folder=fresh)


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file through a temporary one, so that no reader finds half of it."""
    part = path.with_name(f".{path.name}.part")
    _write(part, text, os.O_TRUNC, mode)
    part.replace(path)


def _write(path: Path, text: str, flag: int, mode: int = 0o644) -> None:
    """Create and write a file; delete it if that fails."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | flag, mode)
    try:
        with os.fdopen(fd, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(fd)
    except OSError:
        path.unlink(missing_ok=True)
        raise
