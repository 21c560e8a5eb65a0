"""What machines ask of a running server: alive, ready, and its figures."""

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from entries import delivery, folders, patience

_FOLDER = "SELECT folder FROM entries_site WHERE id = 1"
PATIENCE = 2.0  # seconds that /readyz waits for the database


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
    """Say whether the database answers too, and the data folder is its own."""
    try:
        folder = _ask_database()
    except Exception:
        return HttpResponse("the database does not answer\n", status=503)
    if folders.is_foreign(folder):
        sentence = "DATA_DIR is not the folder of this database: pictures are missing\n"
        return HttpResponse(sentence, status=503)
    return HttpResponse("ok\n", content_type="text/plain")


def _ask_database() -> str:
    """Return the token of its folder; wait no longer for it than a probe would."""
    if pool := getattr(connection, "pool", None):
        pool.open()
        with patience.only(PATIENCE), pool.connection(timeout=PATIENCE) as one:
            row = one.execute(_FOLDER).fetchone()
    else:
        with connection.cursor() as cursor:
            row = cursor.execute(_FOLDER).fetchone()
    return row[0] if row else ""
