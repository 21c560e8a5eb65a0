"""Read the JSON that `export_story` and `/stories/<slug>.json` write.

Its fields are declared in `entries/pages/story_data.py`.
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
from entries.exchange.text.decoding import MAX_FILE_BYTES
from entries.models import Entry
from entries.pages.story_data import (
    FORMAT,
    FORMAT_VERSION,
    FullEntryData,
    FullStoryData,
    HeadData,
)
from entries.text import languages, rendering

_MESSAGES: Final = {  # by pydantic's error type
    "string_type": "must be text",
    "string_pattern_mismatch": "must not be blank",
    "string_too_long": "is too long: shorten it to {max_length:,} characters",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "greater_than_equal": "must be a whole number from {ge} on",
    "less_than": "must be a whole number below {lt:,}",
    "list_type": "must be a list",
    "model_type": "must be an object",
    "enum": "must be one of {expected}",
    "value_error": "{error}",
    "missing": "is missing: add it",
}


def read_json(content: bytes) -> Document | None:
    """Parse exported JSON; return None if the content is not a JSON object.

    Raises ExchangeError for other JSON objects, and for invalid values.
    """
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if len(content) > MAX_FILE_BYTES or not start.startswith(b"{"):
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
        raise ExchangeError(
            "This JSON is not a story that export_story wrote. If it comes from "
            "another system, import it with “manage.py import_archive”."
        )
    if value.get("version") != FORMAT_VERSION:
        raise ExchangeError(
            f"This story is in version {value.get('version')!r} of its format; this "
            f"site reads version {FORMAT_VERSION}."
        )
    try:
        data = FullStoryData.model_validate(value)
    except ValidationError as error:
        raise ExchangeError(_message(error)) from error
    _check_languages(data.story)
    return _document(data)


def _check_languages(head: HeadData) -> None:
    tags = {"story.language": head.language}
    if head.series and head.series.language:
        tags["story.series.language"] = head.series.language
    for path, tag in tags.items():
        try:
            languages.canonical_tag(tag)
        except languages.LanguageError as error:
            raise ExchangeError(f"{path}: {error}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object with tidied strings; null and "" count as left out.

    Raises ValueError for a repeated key, of which `json` would keep only the last.
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
    """Return the first error as a sentence: `entries[2].at must be a time like …`."""
    problem = error.errors(include_url=False, include_input=False)[0]
    parts = (f"[{x}]" if isinstance(x, int) else f".{x}" for x in problem["loc"])
    path = "".join(parts).lstrip(".") or "The story"
    context = problem.get("ctx", {})
    if "expected" in context:
        context["expected"] = context["expected"].replace("'", "")
    message = _MESSAGES.get(problem["type"], problem["msg"]).format_map(context)
    return f"{path} {message}."


def _document(data: FullStoryData) -> Document:
    head = data.story
    captions = {image.name: image.caption for image in data.images}
    series = head.series
    entries = [(each.kind, _entry(each)) for each in data.entries]
    originals = [entry for kind, entry in entries if kind == Entry.Kind.ORIGINAL]
    updates = [entry for kind, entry in entries if kind == Entry.Kind.UPDATE]
    values = _common_fields(head, Document) | {"series": series.name if series else ""}
    if "language" not in head.model_fields_set:
        values["language"] = ""  # that of the series or of the site
    return Document(
        **values,
        series_slug=series.slug if series else "",
        series_description=series.description if series else "",
        series_language=series.language if series else "",
        photo=captions.get(head.lead_image or "", ""),
        summary=markdown.body(head.summary),
        updates=tuple(updates[::-1]),
        original=originals[0] if originals else NO_ENTRY,
        links=tuple(data.links),
        links_by_title=False,
        images=tuple(data.images),
    )


def _entry(data: FullEntryData) -> DocumentEntry:
    values = _common_fields(data, DocumentEntry) | {"version": max(1, data.version)}
    items = markdown.items(data.body)
    return DocumentEntry(items=items, source=data.body, **values)


def _common_fields(
    data: BaseModel, target: type[Document | DocumentEntry]
) -> dict[str, Any]:
    """Return the fields that `target` has under the same names."""
    names = {each.name for each in fields(target)}
    return {name: value for name, value in data if name in names and name != "summary"}
