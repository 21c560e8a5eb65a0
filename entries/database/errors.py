"""Classify errors of the system, SQLite and PostgreSQL: disk problems and conflicts."""

import errno
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from django.db import Error as DatabaseError
from django.db import IntegrityError, connection
from django.utils.translation import gettext

# The one that needs no settings, since commands import this module before them.
from django.utils.translation.trans_null import gettext_noop

logger = logging.getLogger(__name__)


class Problem(NamedTuple):
    """A problem with the disk, and its messages for pages, commands and the desk."""

    title: str
    for_readers: str
    at_desk: str  # shown beside the form, which still has the text

    def translated(self) -> "Problem":
        """Return it in the language of the request."""
        return Problem(*(gettext(text) if text else "" for text in self))


FULL: Final = Problem(
    gettext_noop("The disk is full"),
    gettext_noop("Nothing was saved. Ask the site’s operator to free disk space."),
    gettext_noop(
        "Failed: the disk is full, and nothing was saved. The text is still in "
        "this page; tell whoever runs the site, then press the button again."
    ),
)
READ_ONLY: Final = Problem(
    gettext_noop("The disk takes nothing"),
    gettext_noop(
        "Nothing was saved. Ask the site’s operator to make its disk writable again."
    ),
    gettext_noop(
        "Failed: the disk takes nothing just now, and nothing was saved. The text is "
        "still in this page; tell whoever runs the site, then press the button again."
    ),
)
# By errno or SQLSTATE, which do not depend on the server's language, or by message.
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
# Tables with unique names or slugs, which two people may choose at the same time.
_NAMED: Final = {
    "auth_group",
    "auth_user",
    "entries_image",
    "entries_series",
    "entries_story",
    "entries_storyslug",
}


def disk_problem(error: BaseException | None) -> Problem | None:
    """Return the problem with the disk that caused an error, or None.

    The causes of the error (`__cause__`) are examined too.
    """
    while error is not None:
        code = getattr(error, "sqlstate", None) or getattr(error, "errno", None)
        for problem, codes, messages in _DISK_PROBLEMS:
            if code in codes or any(message in str(error) for message in messages):
                return problem
        error = error.__cause__
    return None


def command_message(error: BaseException) -> str:
    """Return a command's message about a disk problem, or "" for any other error."""
    problem = disk_problem(error)
    if problem is None:
        return ""
    remedy = "Make room" if problem is FULL else "Make it writable"
    return f"{problem.title}. {remedy}, then run the command again."


@contextmanager
def optional_write() -> Iterator[None]:
    """Ignore disk problems in a block whose writes are not essential.

    Inside a transaction the error is raised, because no write can fail alone there.
    """
    try:
        yield
    except DatabaseError as error:
        problem = disk_problem(error)
        if problem is None or connection.in_atomic_block:
            raise
        logger.warning("%s: presence or an audit log row was skipped.", problem.title)


def is_conflict(error: BaseException | None) -> bool:
    """Return whether an error was caused by somebody else's change at the same time.

    They have taken the same name or slug, or deleted a row that is referred to. Any
    other violated constraint is a bug.
    """
    cause = error.__cause__ if isinstance(error, IntegrityError) else None
    kind = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", "")
    if kind in _FOREIGN_KEY:
        return True
    diagnostics = getattr(cause, "diag", None)  # PostgreSQL's
    named = re.search(r": (\w+)\.", str(cause))  # SQLite's message
    table = diagnostics.table_name if diagnostics else named and named[1]
    return kind in _UNIQUE and table in _NAMED
