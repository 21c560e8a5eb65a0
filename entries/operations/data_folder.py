"""Which database a data folder belongs to: the same token stands in both.

They get it together, when a site is first migrated. A second machine whose folder is
empty, or another site's, can so be told from one that has the pictures.
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
    """Return the folder's token; nothing where there is none to be read."""
    try:
        return token_file().read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def belongs_elsewhere(wanted: str) -> bool:
    """Whether the folder is not that of a database with this token.

    A database without one, of a site not migrated yet, has any folder.
    """
    return bool(wanted) and read_token() != wanted


def claim_data_folder(**signal: Any) -> None:
    """Give database and folder their token, where the database has none yet.

    A folder that has one keeps it: its database may be new. A database that has one
    keeps it too, and the folder is left alone: it may be the wrong one. So may one
    without the pictures that the database names.
    """
    models = signal.get("apps", apps).all_models["entries"]
    site = models.get("site")
    if site is None or not hasattr(site, "folder"):
        return  # migrated in part, or back to an older release
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
    """Return a new token in a new file; nothing where somebody else makes one now."""
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    fresh = secrets.token_hex(16)
    try:
        _write(token_file(), f"{fresh}\n", os.O_EXCL)
    except FileExistsError:
        return read_token()
    return fresh


def renew_token() -> None:
    """Give database and folder a new token: a restored site is a site of its own."""
    fresh = secrets.token_hex(16)
    write_atomically(token_file(), f"{fresh}\n")
    Site.objects.filter(pk=Site.current().pk).update(folder=fresh)


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file, all of it or nothing; half of it is never found there."""
    part = path.with_name(f".{path.name}.part")
    _write(part, text, os.O_TRUNC, mode)
    part.replace(path)


def _write(path: Path, text: str, flag: int, mode: int = 0o644) -> None:
    """Open a file and write it; leave none behind where that fails."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | flag, mode)
    try:
        with os.fdopen(fd, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(fd)
    except OSError:
        path.unlink(missing_ok=True)
        raise
