"""Strict readers of environment variables: a bad value stops the start."""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str = "") -> str:
    """Return the variable without surrounding space, or the default."""
    return os.environ.get(name, default).strip()


def name(variable: str, default: str) -> str:
    """Return what something is called; nothing is no name."""
    value = text(variable, default)
    if not value:
        raise ImproperlyConfigured(
            f"{variable} is empty: write a name, or take it out."
        )
    return value


def flag(name: str, default: bool) -> bool:
    """Return a switch that is written `True` or `False`, nothing else."""
    value = text(name, str(default))
    if value not in ("True", "False"):
        raise ImproperlyConfigured(f"{name} is {value!r}: write True or False.")
    return value == "True"


def number(name: str, default: int, least: int, most: int) -> int:
    """Return a whole number between `least` and `most`, both included."""
    value = text(name, str(default))
    if not (value.isascii() and value.isdigit() and least <= int(value) <= most):
        raise ImproperlyConfigured(
            f"{name} is {value!r}: write a whole number from {least} to {most}."
        )
    return int(value)


def comma_separated(name: str, default: str = "") -> list[str]:
    """Return a comma-separated list without empty parts."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def folder(name: str, default: Path) -> Path:
    """Return an absolute path; a relative one counts from the working folder."""
    return Path(text(name) or default).expanduser().resolve()


def base_url(name: str, default: str) -> str:
    """Return an http or https address of a whole host, without a trailing slash."""
    value = text(name, default).rstrip("/")
    parts = urlsplit(value)
    try:
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # the port is no number
        whole = False
    if not whole:
        raise ImproperlyConfigured(
            f"{name} is {value!r}: write the whole address, like https://news.example."
        )
    if (
        value.lower() != f"{parts.scheme}://{parts.netloc}".lower()
        or "@" in parts.netloc
    ):
        raise ImproperlyConfigured(
            f"{name} is {value!r}: write scheme and host alone, like "
            "https://news.example; the site takes a host for itself."
        )
    return value


def contact(name: str) -> str:
    """Return the address of a person or a page, which a link of every page names."""
    value = text(name)
    page, mail = r"https?://[^\s/\\][^\s\\]*", r"(mailto:)?[^\s@<>\":]+@[^\s@<>\":]+"
    if re.fullmatch(f"{page}|{mail}", value):
        return value
    if value:
        raise ImproperlyConfigured(
            f"{name} is {value!r}: write a mail address, or one that begins with "
            "https://."
        )
    return ""


def stored_line(path: Path) -> str:
    """Return the line that a file keeps; nothing where there is no file."""
    try:
        return path.read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise ImproperlyConfigured(
            f"{path} cannot be read: {error.strerror}."
        ) from error


def make_private_folder(path: Path) -> None:
    """Make a folder, where it is not there yet, that only its owner may enter."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"DATA_DIR cannot be made at {path}: {error.strerror}."
        ) from error
