"""One line a record: `key=value` for people, or JSON for machines.

Never in a line: bodies, query strings, cookies, passwords.
"""

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime

request_id: ContextVar[str] = ContextVar("request_id", default="")


def fields(record: logging.LogRecord, formatter: logging.Formatter) -> dict[str, str]:
    """Return what there is to say about a record, in the order of its columns."""
    at = datetime.fromtimestamp(record.created, UTC)
    found = {
        "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname,
        "logger": record.name,
        "message": record.getMessage(),
    }
    if request := request_id.get():
        found["request"] = request
    if record.exc_info:
        found["trace"] = formatter.formatException(record.exc_info)
    return found


class Line(logging.Formatter):
    """`key=value`, quoted where a value holds a space, a quote or a line end."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line."""
        return " ".join(f"{k}={_quoted(v)}" for k, v in fields(record, self).items())


def _quoted(value: str) -> str:
    plain = value.isprintable() and not set(value) & set(' "=')
    return value if plain and value else json.dumps(value, ensure_ascii=False)


class Json(logging.Formatter):
    """One JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line."""
        return json.dumps(fields(record, self), ensure_ascii=False)
