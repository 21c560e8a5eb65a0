"""What every answer of Django carries, whatever made it."""

import logging
import re
import secrets
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_only_middleware

from liveblog.logs import REQUEST_ID_KEY, request_id

logger = logging.getLogger("liveblog.writes")
Answer = Callable[[HttpRequest], HttpResponse]

# What a page of text has no use for, and a foreign script would.
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

_GIVEN = re.compile(r"[\w.-]{8,64}", re.ASCII)


@sync_only_middleware
def identified(get_response: Answer) -> Answer:
    """Name each request in the log, by the proxy's `X-Request-ID` or one of ours.

    Writes are logged. Errors and the desk's answers carry the name too; readers'
    pages do not, since their bytes are the same for everybody.
    """

    def answer(request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        name = given if _GIVEN.fullmatch(given) else secrets.token_hex(8)
        request.META[REQUEST_ID_KEY] = name
        token, began = request_id.set(name), time.monotonic()
        try:
            response = get_response(request)
            if request.method not in ("GET", "HEAD"):
                took = round((time.monotonic() - began) * 1000)
                words = f"answered {response.status_code} in {took} ms"
                logger.info("%s %s %s", request.method, request.path, words)
        finally:
            request_id.reset(token)
        if response.status_code >= 400 or request.path.startswith("/admin/"):
            response["X-Request-ID"] = name
        return response

    return answer


@sync_only_middleware
def policies(get_response: Answer) -> Answer:
    """Say which of the browser's powers no page here asks for."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["Permissions-Policy"] = PERMISSIONS
        return response

    return answer
