"""What every answer of Django carries, whatever made it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_only_middleware

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


@sync_only_middleware
def policies(get_response: Answer) -> Answer:
    """Say which of the browser's powers no page here asks for."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["Permissions-Policy"] = PERMISSIONS
        return response

    return answer
