"""Error pages and error handlers. A form that failed can be sent again from the page.

The pages render without a database, a session or collected static files, since one of
those may be what failed.
"""

import sys
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from functools import cache
from typing import Any, Final

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.exceptions import (
    RequestDataTooBig,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.db import DataError, IntegrityError, ProgrammingError
from django.db import Error as DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import HttpHeaders
from django.template.loader import render_to_string
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _
from django.views.defaults import page_not_found

from entries.database.errors import Problem, disk_problem, is_conflict
from entries.public import views
from entries.text import languages

DESK_ANSWER: Final = (
    "Desk-Answer"  # a header that tells the desk's responses from a proxy's
)
MESSAGES: Final[dict[int, Problem]] = {
    400: Problem(
        _("This request cannot be understood"),
        _("Something in the address or in what was sent is not as it should be."),
        _("What was sent cannot be understood. Load the page again, then try again."),
    ),
    403: Problem(
        _("This is not open to you"),
        _("Your account may not do this. Ask the chief of the desk."),
        _("Your account may not do this. Ask the chief of the desk."),
    ),
    404: Problem(
        _("Page not found"),
        _("It may have been deleted, or the address may be mistyped."),
        _("This is no longer here. Load the page again."),
    ),
    405: Problem(
        _("This page is for reading"),
        _("Nothing can be sent to it."),
        _("Nothing can be sent to this address."),
    ),
    413: Problem(
        _("This is too large"),
        _(
            "What was sent is larger than this site takes: pictures may have 25 MB, "
            "text together 2 MB. Make a video or a sound recording shorter."
        ),
        _(
            "This is too large: pictures may have 25 MB, text together 2 MB. "
            "Make a video or a sound recording shorter."
        ),
    ),
    500: Problem(
        _("Something went wrong here"),
        _("Nothing you read or wrote before is lost. Please try again in a moment."),
        _(
            "Failed: something went wrong here. The text is still in this page; press "
            "the button again, which is safe."
        ),
    ),
    503: Problem(
        _("The site cannot answer just now"),
        _("Please try again in a moment: nothing that was published is lost."),
        _(
            "Failed: the database does not answer just now. The text is still in this "
            "page; press the button again in a moment, which is safe."
        ),
    ),
}
_TYPED_FIELDS: Final = {
    *("alt", "caption", "credit", "name", "description"),
    *("headline", "body", "byline", "original", "summary", "standfirst"),
    *("begins", "correction", "label", "line", "q", "text", "title"),
}
_CONFLICT_TITLE: Final = _("Somebody else was quicker")
CONFLICT: Final = Problem(
    _CONFLICT_TITLE,
    _("What you sent does not fit the current version."),
    _(
        "Failed: somebody else has changed what this belongs to. The text is still in "
        "this page; load the page again in another tab, and compare."
    ),
)
_TOO_LARGE: Final = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)
# Bugs, not outages: trying again would not help.
_BUGS: Final = (DataError, IntegrityError, ProgrammingError)


def _stylesheet(name: str) -> str:
    """Return a style sheet's URL, whether or not static files were collected."""
    try:
        return staticfiles_storage.url(f"entries/{name}.css")
    except ValueError:
        return f"{settings.STATIC_URL}entries/{name}.css"


def error_page(problem: Problem, status: int, path: str, **extra: Any) -> str:
    """Render an error page, with a link back to the desk or the front page."""
    at_desk = path.startswith("/admin/")
    with nullcontext() if at_desk else languages.page_in():
        problem = problem.translated()
        context = {
            "title": problem.title,
            "sentence": problem.for_readers,
            "status": status,
            "site_name": settings.SITE_NAME,
            "stylesheet": _stylesheet("newsroom" if at_desk else "site"),
            "pages_stylesheet": _stylesheet("pages") if at_desk else "",
            "at_desk": at_desk,
            **extra,
        }
        return render_to_string("error.html", context)


@cache
def unavailable() -> bytes:
    """Return the page of a 503, for responses that bypass Django."""
    return error_page(MESSAGES[503], 503, "/").encode()


def from_desk(headers: HttpHeaders, path: str) -> bool:
    """Return whether htmx sent a request from the desk, which shows one sentence."""
    return path.startswith("/admin/") and "HX-Request" in headers


def error_response(
    request: HttpRequest, status: int, problem: Problem | None = None
) -> HttpResponse:
    """Respond with an error page, or with one sentence for htmx at the desk."""
    problem = problem or MESSAGES[status]
    if from_desk(request.headers, request.path):
        sentence = problem.translated().at_desk
        response = HttpResponse(sentence, status=status, content_type="text/plain")
        response[DESK_ANSWER] = "yes"
    else:
        html = error_page(problem, status, request.path, **_form_fields(request))
        response = HttpResponse(html, status=status)
    response["Cache-Control"] = "no-store"
    if status == 503:
        response["Retry-After"] = "5"
    return response


def _form_fields(request: HttpRequest) -> dict[str, Any]:
    """Return the fields of a desk form, so that the error page can send them again."""
    if request.method != "POST" or not request.path.startswith("/admin/entries/"):
        return {}
    try:
        fields = [(name, v) for name, vs in request.POST.lists() for v in vs]
        files = bool(request.FILES)
    except Exception:  # an unreadable form may be the error itself
        return {}
    long = [pair for pair in fields if len(pair[1]) > 60 or "\n" in pair[1]]
    return {
        "again": request.get_full_path(),
        "long": long,
        "short": [pair for pair in fields if pair not in long],
        "files": files,
    }


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Handle a malformed request (400), or one that is too large (413)."""
    return error_response(request, 413 if isinstance(exception, _TOO_LARGE) else 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Handle PermissionDenied."""
    return error_response(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Handle Http404: at the desk with a page of its own.

    A path that is none of ours may be one of a former site, which redirects.
    """
    if request.path.startswith("/admin/"):
        return error_response(request, 404)
    if request.method in ("GET", "HEAD"):
        with suppress(Http404):
            return views.old_url(request)
    return page_not_found(request, exception)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Handle a form whose CSRF token is missing or expired (CSRF_FAILURE_VIEW)."""
    if not request.path.startswith("/admin/"):
        response = error_response(request, 405)
        response["Allow"] = "GET, HEAD"
        return response
    sentence = _(
        "This form was opened before you signed in, or cookies are off. Go back, load "
        "the page again, and send it again: your browser keeps what you typed."
    )
    problem = Problem(_("This form has expired"), sentence, "")
    html = error_page(problem, 403, request.path)
    return HttpResponse(html, status=403, headers={"Cache-Control": "no-store"})


def gone_response(
    request: HttpRequest,
    sentence: str,
    status: int,
    *,
    to: str = "",
    names: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Respond that the target of a form is gone, with the text that was typed for it.

    The text can be sent `to` another address, with fields renamed by `names`.
    """
    problem = Problem(gettext("This is no longer here"), sentence, sentence)
    fields = _form_fields(request)
    sent = [*fields.get("long", ()), *fields.get("short", ())]
    pairs = [((names or {}).get(name, name), value) for name, value in sent]
    typed = [(name, value) for name, value in pairs if value and _is_typed(name)]
    fields |= {
        "long": typed,
        "short": [pair for pair in pairs if pair not in typed],
        "again": typed and (to or fields.get("again")),
        "moved_to": to,
        "gone": True,
    }
    html = error_page(problem, status, request.path, **fields)
    return HttpResponse(html, status=status, headers={"Cache-Control": "no-store"})


def _is_typed(name: str) -> bool:
    """Return whether people type in a field, by its name."""
    return name.rpartition("-")[2] in _TYPED_FIELDS


def refused_response(request: HttpRequest, sentence: str) -> HttpResponse:
    """Respond 409 after a verb refused and there is no form to show the reason in."""
    problem = Problem(_CONFLICT_TITLE, sentence, sentence)
    return error_response(request, 409, problem)


def server_error(request: HttpRequest) -> HttpResponse:
    """Handle an uncaught exception: a full disk, a conflict, no database, a bug."""
    error = sys.exc_info()[1]
    if problem := disk_problem(error):
        return error_response(request, 503, problem)
    if request.method == "POST" and is_conflict(error):
        return error_response(request, 409, CONFLICT)
    if isinstance(error, DatabaseError) and not isinstance(error, _BUGS):
        return error_response(request, 503)
    return error_response(request, 500)
