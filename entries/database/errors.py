"""What errors of the system, SQLite and PostgreSQL mean: a full disk, a conflict."""

import errno
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from django.db import Error as DatabaseError
from django.db import IntegrityError, connection

logger = logging.getLogger(__name__)


class Problem(NamedTuple):
    """What went wrong, in words."""

    title: str
    for_readers: str
    at_desk: str  # the text is still in the editor's page


FULL: Final = Problem(
    "The disk is full",
    "Nothing was saved. Whoever runs the site has to make room.",
    "Failed: the disk is full, and nothing was saved. The text is still in this page; "
    "tell whoever runs the site, then press the button again.",
)
READ_ONLY: Final = Problem(
    "The disk takes nothing",
    "Nothing was saved. Whoever runs the site has to make its disk writable again.",
    "Failed: the disk takes nothing just now, and nothing was saved. The text is still "
    "in this page; tell whoever runs the site, then press the button again.",
)
# By errno, by SQLSTATE (whatever language the server speaks), and by message.
_DISK_PROBLEMS: Final = (
    (
        FULL,
        {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, "53100"},
        ("disk is full", "No space left", "Disk quota exceeded"),
    ),
    (
        READ_ONLY,
        {errno.EROFS, errno.EIO, "58030"},
        ("readonly database", "Read-only file system", "disk I/O error"),
    ),
)
_FOREIGN_KEY: Final = {"23503", "SQLITE_CONSTRAINT_FOREIGNKEY"}
_UNIQUE: Final = {"23505", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}
# Tables whose unique columns people choose: names and slugs.
_NAMED: Final = {
    "auth_group",
    "auth_user",
    "entries_image",
    "entries_series",
    "entries_story",
    "entries_storyslug",
}


def disk_problem(error: BaseException | None) -> Problem | None:
    """Return what is wrong with the disk if that caused an error, whoever raised it."""
    while error is not None:
        number = getattr(error, "sqlstate", None) or getattr(error, "errno", None)
        for problem, numbers, sentences in _DISK_PROBLEMS:
            if number in numbers or any(one in str(error) for one in sentences):
                return problem
        error = error.__cause__
    return None


def command_message(error: BaseException) -> str:
    """Return what a command says about a disk error; "" for any other error."""
    problem = disk_problem(error)
    if problem is None:
        return ""
    remedy = "Make room" if problem is FULL else "Make it writable"
    return f"{problem.title}. {remedy}, then run the command again."


@contextmanager
def optional_write() -> Iterator[None]:
    """Skip a write that is only a convenience if the disk does not accept it.

    Inside a transaction nothing can be skipped alone: there the error is raised.
    """
    try:
        yield
    except DatabaseError as error:
        problem = disk_problem(error)
        if problem is None or connection.in_atomic_block:
            raise
        logger.warning("%s: presence or an audit log row was skipped.", problem.title)


def is_conflict(error: BaseException | None) -> bool:
    """Return whether somebody else has just taken a name or removed a row.

    Any other broken constraint is a bug of ours.
    """
    cause = error.__cause__ if isinstance(error, IntegrityError) else None
    kind = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", "")
    if kind in _FOREIGN_KEY:
        return True
    diagnostics = getattr(cause, "diag", None)  # PostgreSQL's
    named = re.search(r": (\w+)\.", str(cause))  # SQLite's message
    table = diagnostics.table_name if diagnostics else named and named[1]
    return kind in _UNIQUE and table in _NAMED
