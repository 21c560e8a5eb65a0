"""What machines ask of a running server: alive, ready, and its figures."""

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from entries import delivery


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Show what delivery counts, to Prometheus."""
    body, kind = delivery.metrics()
    return HttpResponse(body, content_type=kind)


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether the database answers too."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception:
        return HttpResponse("the database does not answer\n", status=503)
    return HttpResponse("ok\n", content_type="text/plain")
