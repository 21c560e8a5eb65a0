"""Pages for what went wrong: one sentence, one way on, and no text lost.

They are drawn without a database, a session or collected static files, since one of
those may be what is missing.
"""

import errno
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.exceptions import (
    RequestDataTooBig,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.db import DataError, IntegrityError, ProgrammingError, connection
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.request import HttpHeaders
from django.template.loader import render_to_string

logger = logging.getLogger(__name__)
DESK_ANSWER: Final = "Desk-Answer"  # tells the desk's page that the desk is speaking
# Title, what readers are told, what the desk is told
WORDS: Final[dict[int, tuple[str, str, str]]] = {
    400: (
        "This request cannot be understood",
        "Something in the address or in what was sent is not as it should be.",
        "What was sent cannot be understood. Load the page again, then try again.",
    ),
    403: (
        "This is not open to you",
        "Your account may not do this. Ask the chief of the desk.",
        "Your account may not do this. Ask the chief of the desk.",
    ),
    405: (
        "This page is for reading",
        "Nothing can be sent to it.",
        "Nothing can be sent to this address.",
    ),
    413: (
        "This is too large",
        "What was sent is larger than this site takes: pictures may have 25 MB, "
        "everything else together 2 MB.",
        "This is too large: pictures may have 25 MB, everything else together 2 MB.",
    ),
    500: (
        "Something went wrong here",
        "Nothing you read or wrote before is lost. Please try again in a moment.",
        "Failed: something went wrong here. The text is still in this page; press the "
        "button again, which is safe.",
    ),
    503: (
        "The site cannot answer just now",
        "Please try again in a moment: nothing that was published is lost.",
        "Failed: the database does not answer just now. The text is still in this "
        "page; press the button again in a moment, which is safe.",
    ),
}
FULL: Final = (
    "The disk is full",
    "Nothing was saved. Whoever runs the site has to make room.",
    "Failed: the disk is full, and nothing was saved. The text is still in this page; "
    "tell whoever runs the site, then press the button again.",
)
READ_ONLY: Final = (
    "The disk takes nothing",
    "Nothing was saved. Whoever runs the site has to make its disk writable again.",
    "Failed: the disk takes nothing just now, and nothing was saved. The text is still "
    "in this page; tell whoever runs the site, then press the button again.",
)
_QUICKER: Final = "Somebody else was quicker"
MET: Final = (
    _QUICKER,
    "What was sent does not fit what stands there now.",
    "Failed: somebody else has changed what this belongs to. The text is still in this "
    "page; load the page anew in another tab, and compare.",
)
# What errors of the system, of SQLite and of PostgreSQL say of a disk: by number, by
# SQLSTATE (whatever language the server speaks), and in words.
_DISKS: Final = (
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
_TOO_LARGE: Final = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)
# Errors of a statement, not of the database: trying again would not help.
_OUR_FAULT: Final = (DataError, IntegrityError, ProgrammingError)
# What databases call a row that is gone, and a name that is taken; where names stand.
_REMOVED: Final = {"23503", "SQLITE_CONSTRAINT_FOREIGNKEY"}
_TAKEN: Final = {"23505", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}
_NAMED: Final = {
    "auth_group",
    "auth_user",
    "entries_image",
    "entries_series",
    "entries_story",
    "entries_storyslug",
}


def stylesheet() -> str:
    """Return the address of the style sheet, whether or not it was collected."""
    try:
        return staticfiles_storage.url("entries/site.css")
    except ValueError:
        return f"{settings.STATIC_URL}entries/site.css"


def page(words: tuple[str, str, str], status: int, path: str, **extra: Any) -> str:
    """Draw an error's page, which leads back to where its address belongs."""
    context = {
        "title": words[0],
        "sentence": words[1],
        "status": status,
        "site_name": settings.SITE_NAME,
        "stylesheet": stylesheet(),
        "at_desk": path.startswith("/admin/"),
        **extra,
    }
    return render_to_string("error.html", context)


def asked_by_desk(headers: HttpHeaders, path: str) -> bool:
    """Whether the desk's script asks, which shows a sentence and keeps the text."""
    return path.startswith("/admin/") and "HX-Request" in headers


def answer(
    request: HttpRequest, status: int, words: tuple[str, str, str] | None = None
) -> HttpResponse:
    """Answer an error: a page, or a sentence for the desk's script."""
    words = words or WORDS[status]
    if asked_by_desk(request.headers, request.path):
        response = HttpResponse(words[2], status=status, content_type="text/plain")
        response[DESK_ANSWER] = "yes"
    else:
        html = page(words, status, request.path, **_sent(request))
        response = HttpResponse(html, status=status)
    response["Cache-Control"] = "no-store"
    if status == 503:
        response["Retry-After"] = "5"
    return response


def _sent(request: HttpRequest) -> dict[str, Any]:
    """Return what a form of the desk has sent, so that it can be sent again."""
    if request.method != "POST" or not request.path.startswith("/admin/entries/"):
        return {}
    try:
        fields = [(name, v) for name, vs in request.POST.lists() for v in vs]
        files = bool(request.FILES)
    except Exception:  # whatever was wrong with it is why we are here
        return {}
    long = [pair for pair in fields if len(pair[1]) > 60 or "\n" in pair[1]]
    return {
        "again": request.get_full_path(),
        "long": long,
        "short": [pair for pair in fields if pair not in long],
        "files": files,
    }


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what is not understood, or too large."""
    return answer(request, 413 if isinstance(exception, _TOO_LARGE) else 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what somebody may not do."""
    return answer(request, 403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form whose token is not (any more) that of the browser."""
    if not request.path.startswith("/admin/"):
        response = answer(request, 405)
        response["Allow"] = "GET, HEAD"
        return response
    sentence = (
        "This form is older than your signing in, or cookies are off. Go back, load "
        "the page again, and send it again: your browser keeps what you typed."
    )
    words = ("This form has expired", sentence, "")
    html = page(words, 403, request.path)
    return HttpResponse(html, status=403, headers={"Cache-Control": "no-store"})


def refused(request: HttpRequest, sentence: str) -> HttpResponse:
    """Answer what was refused at the last moment, where no form is left to say so."""
    return answer(request, 409, (_QUICKER, sentence, sentence))


def failed(request: HttpRequest) -> HttpResponse:
    """Answer what nobody expected: a database that is gone, a full disk, a mistake."""
    error = sys.exc_info()[1]
    if words := of_disk(error):
        return answer(request, 503, words)
    if request.method == "POST" and _met(error):
        return answer(request, 409, MET)
    if isinstance(error, DatabaseError) and not isinstance(error, _OUR_FAULT):
        return answer(request, 503)
    return answer(request, 500)


def _met(error: BaseException | None) -> bool:
    """Whether one has just taken a name, or removed a row, that another has sent.

    Any other rule of the database that is broken is a mistake of ours.
    """
    cause = error.__cause__ if isinstance(error, IntegrityError) else None
    kind = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", "")
    if kind in _REMOVED:
        return True
    told = getattr(cause, "diag", None)
    named = re.search(r": (\w+)\.", str(cause))  # as SQLite says it
    table = told.table_name if told else named and named[1]
    return kind in _TAKEN and table in _NAMED


def of_disk(error: BaseException | None) -> tuple[str, str, str] | None:
    """Return what to say of an error of the disk, whoever noticed it."""
    while error is not None:
        number = getattr(error, "sqlstate", None) or getattr(error, "errno", None)
        for words, numbers, sentences in _DISKS:
            if number in numbers or any(one in str(error) for one in sentences):
                return words
        error = error.__cause__
    return None


def for_operator(error: BaseException) -> str:
    """Return what a command says of an error of the disk; nothing for another."""
    words = of_disk(error)
    if words is None:
        return ""
    mend = "Make room" if words is FULL else "Make it writable"
    return f"{words[0]}. {mend}, then run the command again."


@contextmanager
def optional_write() -> Iterator[None]:
    """Go on without a write that is a courtesy where the disk takes nothing.

    Inside a transaction nothing can be left out alone: there the error is raised.
    """
    try:
        yield
    except DatabaseError as error:
        words = of_disk(error)
        if words is None or connection.in_atomic_block:
            raise
        logger.warning("%s: presence or a line of the log was left out.", words[0])
