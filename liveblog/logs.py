"""Log formats with one line per record: `key=value` for people, JSON for machines.

A line never contains bodies, query strings, cookies or passwords, nor values of rows,
which databases quote in their error messages.
"""

import json
import logging
import re
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime

from django.db import Error

request_id: ContextVar[str] = ContextVar("request_id", default="")
REQUEST_ID_KEY = (
    "liveblog.request_id"  # in META, for what Django logs after the response
)
_RESET = re.compile(r"(/admin/password/[^/\s]+)/[^\s\"]+")  # a secret link


def fields(record: logging.LogRecord, formatter: logging.Formatter) -> dict[str, str]:
    """Return the fields of a record by name, in the order of the line."""
    at = datetime.fromtimestamp(record.created, UTC)
    found = {
        "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname,
        "logger": record.name,
        "message": _clean(record.getMessage(), _errors(record)),
    }
    if request := request_id.get() or _request_id_of(record):
        found["request"] = request
    if record.exc_info:
        trace = formatter.formatException(record.exc_info)
        found["trace"] = _clean(trace, _errors(record))
    return found


def _request_id_of(record: logging.LogRecord) -> str:
    """Return the id of the request that Django attaches to a record."""
    request = getattr(record, "request", None)
    return str(getattr(request, "META", {}).get(REQUEST_ID_KEY, ""))


def _errors(record: logging.LogRecord) -> Iterator[BaseException]:
    """Yield the exceptions of a record, with their causes and contexts."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    queue = [*arguments, record.exc_info[1] if record.exc_info else None]
    seen: set[int] = set()
    while queue:
        error = queue.pop()
        if isinstance(error, BaseException) and id(error) not in seen:
            seen.add(id(error))
            yield error
            queue += [error.__cause__, error.__context__]


def _clean(text: str, errors: Iterator[BaseException]) -> str:
    """Remove secrets, and the DETAIL of PostgreSQL's errors, which quotes rows."""
    for error in errors:
        message = str(error)
        if _is_from_database(error) and "\n" in message:
            text = text.replace(message, message.partition("\n")[0])
    return _RESET.sub(r"\1/…", text)


def _is_from_database(error: BaseException) -> bool:
    return isinstance(error, Error) or type(error).__module__.startswith("psycopg")


class KeyValueFormatter(logging.Formatter):
    """`key=value` pairs; values with spaces, quotes or line breaks are quoted."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line."""
        return " ".join(f"{k}={_quoted(v)}" for k, v in fields(record, self).items())


def _quoted(value: str) -> str:
    plain = value.isprintable() and not set(value) & set(' "=')
    return value if plain and value else json.dumps(value, ensure_ascii=False)


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line."""
        return json.dumps(fields(record, self), ensure_ascii=False)
