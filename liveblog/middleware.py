"""Middleware: request ids, the language of pages, and the Permissions-Policy header."""

import logging
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.decorators import sync_only_middleware

from entries.desk import account
from entries.text import languages
from liveblog.logs import REQUEST_ID_KEY, request_id

logger = logging.getLogger("liveblog.writes")
GetResponse = Callable[[HttpRequest], HttpResponse]

# Features that our pages do not use, but that an injected script might.
PERMISSIONS = ", ".join(
    f"{name}=()"
    for name in (
        "accelerometer",
        "browsing-topics",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "usb",
    )
)

_VALID_ID = re.compile(r"[\w.-]{8,64}", re.ASCII)


@sync_only_middleware
def request_ids(get_response: GetResponse) -> GetResponse:
    """Assign an id to each request: the proxy's `X-Request-ID`, or a new one.

    Writes are logged with it. It is also a header of errors and of the desk's
    responses, but not of public pages, which are cached and the same for every reader.
    """

    def respond(request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        name = given if _VALID_ID.fullmatch(given) else secrets.token_hex(8)
        request.META[REQUEST_ID_KEY] = name
        token, began = request_id.set(name), time.monotonic()
        try:
            response = get_response(request)
            if request.method not in ("GET", "HEAD"):
                milliseconds = round((time.monotonic() - began) * 1000)
                outcome = f"answered {response.status_code} in {milliseconds} ms"
                logger.info("%s %s %s", request.method, request.path, outcome)
        finally:
            request_id.reset(token)
        if response.status_code >= 400 or request.path.startswith("/admin/"):
            response["X-Request-ID"] = name
        return response

    return respond


@sync_only_middleware
def site_language(get_response: GetResponse) -> GetResponse:
    """Render public pages in the language of the site, whatever the request says.

    The pages of a story change to that of the story.
    """

    def respond(request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/admin/"):
            return get_response(request)
        with languages.page_in():
            return get_response(request)

    return respond


@sync_only_middleware
def permissions_policy(get_response: GetResponse) -> GetResponse:
    """Add `Permissions-Policy`, which turns off features that no page uses."""

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["Permissions-Policy"] = PERMISSIONS
        return response

    return respond


class DeskLanguage:
    """Speak the user's language at the desk; never one that the browser asks for.

    People who are not signed in get the site's language. So do all before the view is
    known: a view marked `reads_no_session` must not cost a query for the user, and
    activates the language itself when it needs one.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Set the language back after the response, since threads are shared."""
        if not request.path.startswith("/admin/"):
            return self.get_response(request)
        with translation.override(account.site_language()):
            return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], *_: object
    ) -> None:
        """Activate the language of the user, before any other middleware answers."""
        at_desk = request.path.startswith("/admin/")
        if at_desk and not getattr(view, "reads_no_session", False):
            translation.activate(account.language_of(request.user))
