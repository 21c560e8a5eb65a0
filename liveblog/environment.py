"""Strict readers of environment variables: an invalid value stops startup."""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str = "") -> str:
    """Return the variable without surrounding whitespace, or the default."""
    return os.environ.get(name, default).strip()


def name(variable: str, default: str) -> str:
    """Return a text that must not be empty."""
    value = text(variable, default)
    if not value:
        raise ImproperlyConfigured(
            f"{variable} is empty: write a name, or take it out."
        )
    return value


def flag(name: str, default: bool) -> bool:
    """Return a boolean, which must be written `True` or `False`."""
    value = text(name, str(default))
    if value not in ("True", "False"):
        raise ImproperlyConfigured(f"{name} is {value!r}: write True or False.")
    return value == "True"


def number(name: str, default: int, least: int, most: int) -> int:
    """Return a whole number from `least` to `most`, inclusive."""
    value = text(name, str(default))
    if not (value.isascii() and value.isdigit() and least <= int(value) <= most):
        raise ImproperlyConfigured(
            f"{name} is {value!r}: write a whole number from {least} to {most}."
        )
    return int(value)


def choice(name: str, *values: str) -> str:
    """Return one of some values; the first is the default."""
    value = text(name, values[0])
    if value not in values:
        raise ImproperlyConfigured(f"{name} is {value!r}: write {' or '.join(values)}.")
    return value


def comma_separated(name: str, default: str = "") -> list[str]:
    """Return the items of a comma-separated list, without empty ones."""
    return [one.strip() for one in text(name, default).split(",") if one.strip()]


def hosts(name: str) -> list[str]:
    """Return the items of a comma-separated list of host names, in lower case."""
    found = [host.lower() for host in comma_separated(name)]
    for host in found:
        if not re.fullmatch(r"(?=.*\.)[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]+)?", host):
            raise ImproperlyConfigured(
                f"{name} has {host!r}: write hosts alone, like mastodon.example."
            )
    return found


def contents(name: str) -> str:
    """Return the contents of a text file, or "" if the variable names none."""
    if not (path := text(name)):
        return ""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ImproperlyConfigured(
            f"{name}, {path}, cannot be read: {error}"
        ) from error


def folder(name: str, default: Path) -> Path:
    """Return an absolute path; a relative one is resolved in the working directory."""
    return Path(text(name) or default).expanduser().resolve()


def base_url(name: str, default: str) -> str:
    """Return an http or https URL without a path and without a trailing slash."""
    value = text(name, default).rstrip("/")
    parts = urlsplit(value)
    try:
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # the port is not a number
        valid = False
    if not valid:
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
    """Return the mail address or URL for the contact link of every page."""
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
    """Return the contents of a one-line file, or "" if there is no such file."""
    try:
        return path.read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise ImproperlyConfigured(
            f"{path} cannot be read: {error.strerror}."
        ) from error


def make_private_folder(path: Path) -> None:
    """Create a folder that only its owner can access, unless it exists."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"DATA_DIR cannot be made at {path}: {error.strerror}."
        ) from error
