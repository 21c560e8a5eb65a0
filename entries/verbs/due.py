"""Scheduled work: stories begin, entries are published, features begin and end."""

from functools import cache
from typing import Any

from django.db import connection

from entries.models import Link
from entries.verbs.entries import due_entries, publish_due
from entries.verbs.links import toggle_due_features
from entries.verbs.stories import begin_due_stories, due_stories


def do_due_work() -> None:
    """Do the scheduled work that is due now."""
    if _is_anything_due():
        begin_due_stories()
        publish_due()
        toggle_due_features()


def _is_anything_due() -> bool:
    statement, parameters = _due_query()
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return any(cursor.fetchone())


@cache
def _due_query() -> tuple[str, list[Any]]:
    """Return one query for all due work.

    It is built once per process: building the querysets each second would cost more
    than all else an idle process does. The database's clock decides, so no time is in
    the parameters.
    """
    statements, parameters = [], []
    for due in (due_stories(), due_entries(), Link.objects.due()):
        statement, own = due.query.exists().sql_with_params()
        statements.append(f"EXISTS ({statement})")
        parameters += own
    return f"SELECT {', '.join(statements)}", parameters
