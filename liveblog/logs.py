"""One line a record: `key=value` for people, or JSON for machines.

Never in a line: bodies, query strings, cookies, passwords, nor the values of rows
that a database repeats when it refuses a statement.
"""

import json
import logging
import re
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime

from django.db import Error

request_id: ContextVar[str] = ContextVar("request_id", default="")
REQUEST_ID_KEY = "liveblog.request_id"  # in META, for what is logged after the answer
_RESET = re.compile(r"(/admin/password/[^/\s]+)/[^\s\"]+")  # whoever has it may sign in


def fields(record: logging.LogRecord, formatter: logging.Formatter) -> dict[str, str]:
    """Return what there is to say about a record, in the order of its columns."""
    at = datetime.fromtimestamp(record.created, UTC)
    found = {
        "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname,
        "logger": record.name,
        "message": _clean(record.getMessage(), _errors(record)),
    }
    if request := request_id.get() or _named(record):
        found["request"] = request
    if record.exc_info:
        trace = formatter.formatException(record.exc_info)
        found["trace"] = _clean(trace, _errors(record))
    return found


def _named(record: logging.LogRecord) -> str:
    """Return the id of the request that Django logs once it has been answered."""
    request = getattr(record, "request", None)
    return str(getattr(request, "META", {}).get(REQUEST_ID_KEY, ""))


def _errors(record: logging.LogRecord) -> Iterator[BaseException]:
    """Yield the errors that a record tells of, and what led to each of them."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    waiting = [*arguments, record.exc_info[1] if record.exc_info else None]
    seen: set[int] = set()
    while waiting:
        error = waiting.pop()
        if isinstance(error, BaseException) and id(error) not in seen:
            seen.add(id(error))
            yield error
            waiting += [error.__cause__, error.__context__]


def _clean(text: str, errors: Iterator[BaseException]) -> str:
    """Return a text without the words of rows (PostgreSQL's DETAIL) and of secrets."""
    for error in errors:
        words = str(error)
        if _of_database(error) and "\n" in words:
            text = text.replace(words, words.partition("\n")[0])
    return _RESET.sub(r"\1/…", text)


def _of_database(error: BaseException) -> bool:
    """Whether a database speaks, through Django or by itself."""
    return isinstance(error, Error) or type(error).__module__.startswith("psycopg")


class KeyValueFormatter(logging.Formatter):
    """`key=value`, quoted where a value holds a space, a quote or a line end."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line."""
        return " ".join(f"{k}={_quoted(v)}" for k, v in fields(record, self).items())


def _quoted(value: str) -> str:
    plain = value.isprintable() and not set(value) & set(' "=')
    return value if plain and value else json.dumps(value, ensure_ascii=False)


class JsonFormatter(logging.Formatter):
    """One JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line."""
        return json.dumps(fields(record, self), ensure_ascii=False)
