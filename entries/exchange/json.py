"""JSON that `export_story` or `/stories/<slug>.json` wrote → a document.

The fields themselves are declared in `entries/story_data.py`.
"""

import json
from dataclasses import fields
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from entries.exchange import markdown
from entries.exchange.document import (
    NO_ENTRY,
    Document,
    DocumentEntry,
    ExchangeError,
)
from entries.exchange.text.decoding import FILE_LIMIT
from entries.models import Entry
from entries.pages.story_data import FORMAT, VERSION, FullEntryData, FullStoryData
from entries.text import rendering

_WANTED: Final = {  # by pydantic's type of error
    "string_type": "this should be text",
    "string_pattern_mismatch": "this should be text",
    "string_too_long": "this should be no longer than {max_length:,} characters",
    "bool_type": "this should be true or false",
    "int_type": "this should be a whole number",
    "greater_than_equal": "this should be a whole number",
    "less_than": "this should be a whole number below 2³¹",
    "list_type": "this should be a list",
    "model_type": "this should be an object",
    "enum": "this should be one of {expected}",
    "value_error": "{error}",
    "missing": "this is missing",
}


def read_json(content: bytes) -> Document | None:
    """Return the document in JSON of ours; None for what is not a JSON object.

    Raises ExchangeError for other JSON, and for what is wrong in ours.
    """
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if len(content) > FILE_LIMIT or not start.startswith(b"{"):
        return None
    try:
        value = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        if f'"{FORMAT}"'.encode() in content[:1000]:
            raise ExchangeError(
                f"The JSON of this story is damaged: {error}."
            ) from error
        return None
    if value.get("format") != FORMAT:
        raise ExchangeError("This JSON is not a story that export_story wrote.")
    if value.get("version") != VERSION:
        raise ExchangeError(
            f"This story is in version {value.get('version')!r} of its format; this "
            f"site reads version {VERSION}."
        )
    try:
        return _document(FullStoryData.model_validate(value))
    except ValidationError as error:
        raise ExchangeError(_message(error)) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object of a file, its texts tidied; null and "" count as left out.

    Raises ValueError for a key given twice, rather than lose one of the values.
    """
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise ValueError(f"an object has “{rendering.tidy(name)}” twice")
        values[name] = (
            [_tidied(each) for each in value]
            if isinstance(value, list)
            else _tidied(value)
        )
    return {name: value for name, value in values.items() if value not in (None, "")}


def _tidied(value: Any) -> Any:
    return rendering.tidy(value) if isinstance(value, str) else value


def _message(error: ValidationError) -> str:
    """Return the first problem as a sentence: `The file, entries 2, “at”: …`."""
    problem = error.errors(include_url=False, include_input=False)[0]
    place = "The file"
    for step in problem["loc"]:
        place += f" {step + 1}" if isinstance(step, int) else f", {step}"
    head, _, name = place.rpartition(", ")
    if problem["loc"] and isinstance(problem["loc"][-1], str):
        place = f"{head}, “{name}”"
    context = problem.get("ctx", {})
    if "expected" in context:
        expected = context["expected"].replace("'", "").replace(" or ", ", ")
        context = {"expected": expected}
    wanted = _WANTED.get(problem["type"], problem["msg"]).format_map(context)
    return f"{place}: {wanted}."


def _document(data: FullStoryData) -> Document:
    head = data.story
    captions = {image.name: image.caption for image in data.images}
    series = head.series
    entries = [(each.kind, _entry(each)) for each in data.entries]
    originals = [entry for kind, entry in entries if kind == Entry.Kind.ORIGINAL]
    updates = [entry for kind, entry in entries if kind == Entry.Kind.UPDATE]
    values = _shared(head, Document) | {"series": series.name if series else ""}
    return Document(
        **values,
        series_slug=series.slug if series else "",
        series_description=series.description if series else "",
        photo=captions.get(head.lead_image or "", ""),
        summary=markdown.body(head.summary),
        updates=tuple(updates[::-1]),
        original=originals[0] if originals else NO_ENTRY,
        links=tuple(data.links),
        links_by_title=False,
        images=tuple(data.images),
    )


def _entry(data: FullEntryData) -> DocumentEntry:
    values = _shared(data, DocumentEntry) | {"version": max(1, data.version)}
    items = markdown.items(data.body)
    return DocumentEntry(items=items, source=data.body, **values)


def _shared(data: BaseModel, target: type[Document | DocumentEntry]) -> dict[str, Any]:
    """Return the fields that a document has by the same names."""
    names = {each.name for each in fields(target)}
    return {name: value for name, value in data if name in names and name != "summary"}
