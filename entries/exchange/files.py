"""Read a file, text or JSON, as a document, and find out if it was imported before."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from entries.exchange.document import Document, ExchangeError
from entries.exchange.json import read_json
from entries.exchange.loading import ImportOptions, check_length
from entries.exchange.sniffing import markup
from entries.exchange.text.decoding import MAX_FILE_BYTES, TextLine, decode
from entries.exchange.text.paragraphs import Hints
from entries.exchange.text.reader import read_text
from entries.exchange.text.references import may_name_image
from entries.models import Image, ImportedFile, Series, Story
from entries.models.fields import max_length
from entries.text import rendering

_NAMES_PER_QUERY: Final = 500


def read_file(path: Path) -> bytes:
    """Return the bytes of a file. Raises ExchangeError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or error
        raise ExchangeError(f"“{path}” cannot be read: {reason}.") from error


def imported_before(content: bytes) -> Story | None:
    """Return the story that was imported from the same bytes, if it still exists."""
    row = ImportedFile.objects.filter(digest=_digest(content)).last()
    return row.story if row else None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read_document(
    content: bytes, name: str, options: ImportOptions, first_day: date | None = None
) -> Document:
    """Parse a file's content. Raises ExchangeError if it does not contain a story.

    What is neither our JSON nor plain text is refused, not imported with its markup.
    `name` is the name of the file, from which a text without a headline gets one.
    """
    name = rendering.tidy(name)
    check_length("headline", options.headline)
    document = read_json(content)
    if document is None and (kind := markup(content)):
        raise ExchangeError(
            f"This looks like {kind}, not like the text of a story. If it comes from "
            "another system, import it with “manage.py import_archive”; else save the "
            "story as plain text, and import that."
        )
    if document is None:
        document = _text_document(content, name, options, first_day)
    elif first_day:
        note = "--date says nothing here: the file has its times."
        document = replace(document, notes=(*document.notes, note))
    document = replace(document, file_name=name, digest=_digest(content))
    document = document.in_state(options.state, datetime.now(UTC))
    if options.publish and not options.publishes(document):
        note = (
            "The file says that the story is a draft: use --state live to publish it."
        )
        document = replace(document, state_note=note)
    return document


def _text_document(
    content: bytes, name: str, options: ImportOptions, first_day: date | None
) -> Document:
    lines, remarks = decode(content)
    series = tuple(Series.objects.values_list("name", flat=True))
    document = read_text(
        lines,
        now=datetime.now(UTC),
        first_day=first_day,
        hints=Hints(options.folder.names | _known_images(lines), series),
        remarks=remarks,
    )
    if options.headline and document.headline not in ("", options.headline):
        note = f"--headline replaces the file's own, “{document.headline}”."
        return replace(document, notes=(*document.notes, note))
    if options.headline or document.headline:
        return document
    title = " ".join(Path(name).stem.replace("-", " ").replace("_", " ").split())
    headline = (title[:1].upper() + title[1:])[
        : max_length(Story, "headline")
    ] or "Story"
    note = f"The file has no headline; it is called “{headline}” (see --headline)."
    return replace(document, headline=headline, notes=(*document.notes, note))


def _known_images(lines: Iterable[TextLine]) -> frozenset[str]:
    """Return the casefolded lines that name an image of this site with a file."""
    candidates = list({line.text for line in lines if may_name_image(line.text)})
    found: set[str] = set()
    for start in range(0, len(candidates), _NAMES_PER_QUERY):
        names = candidates[start : start + _NAMES_PER_QUERY]
        rows = Image.objects.filter(name__in=names).exclude(stem="")
        found.update(rows.values_list("name", flat=True))
    return frozenset(map(str.casefold, found))
