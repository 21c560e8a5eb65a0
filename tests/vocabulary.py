"""schema.org's vocabulary, from a package, to validate JSON-LD."""

from __future__ import annotations

import functools
import re
from datetime import datetime
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

CONTEXT = "https://schema.org"
Where = tuple[str | int, ...]


@functools.cache
def _model(name: str) -> Any:
    """Return the class of a type; None for a type that schema.org does not know."""
    module = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    try:
        return getattr(import_module(f"schema_org.models.{module}"), name)
    except ModuleNotFoundError:
        return None


@functools.cache
def _ranges(name: str) -> dict[str, tuple[str, ...]]:
    """Return the properties of a type and what they may hold, without obsolete ones."""
    rows = _model(name).SCHEMA_PROPERTIES
    return {row.schema_name: row.ranges for row in rows if not row.superseded_by}


def _is_address(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


_LITERALS = {
    "Text": lambda value: isinstance(value, str) and bool(value.strip()),
    "URL": lambda value: isinstance(value, str) and _is_address(value),
    "DateTime": lambda value: isinstance(value, str) and _is_time(value),
    "Integer": lambda value: type(value) is int,
    "Number": lambda value: type(value) in (int, float),
    "Boolean": lambda value: type(value) is bool,
}


def problems(data: dict[str, Any]) -> list[tuple[Where, str]]:
    """Return what schema.org's vocabulary does not allow in a document, and where."""
    found = [] if data.get("@context") == CONTEXT else [((), "another context")]
    return found + _of_node(data, ("Thing",), ())


def _of_node(
    node: dict[str, Any], ranges: tuple[str, ...], where: Where
) -> list[tuple[Where, str]]:
    name = str(node.get("@type"))
    model = _model(name)
    if model is None:
        return [(where, f"no type {name}")]
    found = []
    if not set(model.SCHEMA_TYPES) & set(ranges):
        found.append((where, f"{name} is none of {', '.join(ranges)}"))
    if not _is_address(node.get("@id", "http://none")):
        found.append(((*where, "@id"), "no address"))
    known = _ranges(name)
    for key, value in node.items():
        if key.startswith("@"):
            continue
        if key not in known:
            found.append(((*where, key), f"no property of {name}"))
        else:
            found += _of_value(value, known[key], (*where, key))
    return found


def _of_value(
    value: Any, ranges: tuple[str, ...], where: Where
) -> list[tuple[Where, str]]:
    if isinstance(value, list):
        rows = enumerate(value)
        return [row for n, one in rows for row in _of_value(one, ranges, (*where, n))]
    if isinstance(value, dict):
        return _of_node(value, ranges, where)
    if any(_LITERALS[name](value) for name in ranges if name in _LITERALS):
        return []
    return [(where, f"{value!r} is none of {', '.join(ranges)}")]
