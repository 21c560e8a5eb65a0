"""Endpoints for monitoring: liveness, readiness and metrics."""

from concurrent.futures import ThreadPoolExecutor

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from entries import delivery
from entries.database import timeouts
from entries.operations import data_folder

_FOLDER = "SELECT folder FROM entries_site WHERE id = 1"
READYZ_TIMEOUT_SECONDS = 2.0
# A locked SQLite file blocks its thread for longer than a probe waits.
_executor = ThreadPoolExecutor(1, "readyz")


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Respond with 200 while the process is alive."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics of delivery in the format of Prometheus."""
    body, content_type = delivery.render_metrics()
    return HttpResponse(body, content_type=content_type)


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Respond with 503 if the database is down or DATA_DIR belongs to another one."""
    try:
        folder = _read_folder_token()
    except Exception:
        return HttpResponse("the database does not answer\n", status=503)
    if data_folder.belongs_elsewhere(folder):
        sentence = "DATA_DIR is not the folder of this database: pictures are missing\n"
        return HttpResponse(sentence, status=503)
    return HttpResponse("ok\n", content_type="text/plain")


def _read_folder_token() -> str:
    """Return the data folder's token; raise after `READYZ_TIMEOUT_SECONDS`."""
    if pool := getattr(connection, "pool", None):
        pool.open()
        with (
            timeouts.timeout(READYZ_TIMEOUT_SECONDS),
            pool.connection(timeout=READYZ_TIMEOUT_SECONDS) as one,
        ):
            row = one.execute(_FOLDER).fetchone()
    else:
        row = _executor.submit(_read_file).result(READYZ_TIMEOUT_SECONDS)
    return row[0] if row else ""


def _read_file() -> tuple[str] | None:
    """Read a row, since SQLite evaluates `SELECT 1` without touching the file."""
    with connection.cursor() as cursor:
        found: tuple[str] | None = cursor.execute(_FOLDER).fetchone()
        return found
