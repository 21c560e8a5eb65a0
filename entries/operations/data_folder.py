"""The data folder's token, which identifies the database that the folder belongs to.

The database and the folder get the same token when a site is first migrated. This
detects a second machine whose folder is empty or belongs to another site.
"""

import os
import secrets
from pathlib import Path
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.db.models import Model

from entries.models import Image, Site

SITE_ID_FILE: Final = "site-id"


def token_file() -> Path:
    """Return the path of the file that holds the folder's token."""
    return Path(settings.DATA_DIR) / SITE_ID_FILE


def read_token() -> str:
    """Return the folder's token, or "" if there is none or it cannot be read."""
    try:
        return token_file().read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def belongs_elsewhere(token: str) -> bool:
    """Return whether the folder belongs to another database than the one with `token`.

    A database without a token, because it is not migrated yet, matches any folder.
    """
    return bool(token) and read_token() != token


def claim_data_folder(**signal: Any) -> None:
    """Give the database and the folder a common token, if the database has none.

    A token that is in the folder already is reused, since the database may be new. The
    folder is not touched if it may be the wrong one: if the database has a token, or
    the folder lacks its images.
    """
    models = signal.get("apps", apps).all_models["entries"]
    site = models.get("site")
    if site is None or _columns(site) != _columns(Site):
        return  # partly migrated, or migrated back to an older release
    row = Site.objects.filter(pk=Site.current().pk, folder="")
    if not row.exists() or _lacks_images():
        return
    if token := read_token() or _create_token():
        row.update(folder=token)


def _columns(model: type[Model]) -> set[str]:
    return {field.name for field in model._meta.fields}


def _lacks_images() -> bool:
    """Return whether the files of the newest image are missing."""
    stems = Image.objects.exclude(stem="").order_by("-pk")
    newest = stems.values_list("stem", flat=True).first()
    return bool(newest) and not any(settings.IMAGES_DIR.glob(f"{newest}-*"))


def _create_token() -> str:
    """Create the token file, unless another process just has; return its token."""
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(16)
    try:
        _write(token_file(), f"{token}\n", os.O_EXCL)
    except FileExistsError:
        return read_token()
    return token


def renew_token() -> None:
    """Give the database and the folder a new token, because a backup was restored."""
    token = secrets.token_hex(16)
    write_atomically(token_file(), f"{token}\n")
    Site.objects.filter(pk=Site.current().pk).update(folder=token)


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file by renaming a temporary one, so that nobody reads half of it."""
    part = path.with_name(f".{path.name}.part")
    _write(part, text, os.O_TRUNC, mode)
    part.replace(path)


def _write(path: Path, text: str, flag: int, mode: int = 0o644) -> None:
    """Write a file and sync it to the disk; delete it if that fails."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | flag, mode)
    try:
        with os.fdopen(fd, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(fd)
    except OSError:
        path.unlink(missing_ok=True)
        raise
