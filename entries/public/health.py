"""What machines ask of a running server: alive, ready, and its figures."""

from concurrent.futures import ThreadPoolExecutor

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from entries import delivery
from entries.database import timeouts
from entries.operations import data_folder

_FOLDER = "SELECT folder FROM entries_site WHERE id = 1"
READYZ_SECONDS = 2.0
# Where an SQLite file is locked, a thread is held longer than a probe waits.
_asking = ThreadPoolExecutor(1, "readyz")


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Show what delivery counts, to Prometheus."""
    body, kind = delivery.render_metrics()
    return HttpResponse(body, content_type=kind)


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether the database answers too, and the data folder is its own."""
    try:
        folder = _ask_database()
    except Exception:
        return HttpResponse("the database does not answer\n", status=503)
    if data_folder.belongs_elsewhere(folder):
        sentence = "DATA_DIR is not the folder of this database: pictures are missing\n"
        return HttpResponse(sentence, status=503)
    return HttpResponse("ok\n", content_type="text/plain")


def _ask_database() -> str:
    """Return the token of its folder; wait no longer for it than a probe would."""
    if pool := getattr(connection, "pool", None):
        pool.open()
        with (
            timeouts.timeout(READYZ_SECONDS),
            pool.connection(timeout=READYZ_SECONDS) as one,
        ):
            row = one.execute(_FOLDER).fetchone()
    else:
        row = _asking.submit(_read_file).result(READYZ_SECONDS)
    return row[0] if row else ""


def _read_file() -> tuple[str] | None:
    """Read something of the SQLite file: a constant would never touch it."""
    with connection.cursor() as cursor:
        found: tuple[str] | None = cursor.execute(_FOLDER).fetchone()
        return found
