"""Our own forms as archives: files in our JSON, and in our text form."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any, Final

from entries.exchange.archives.base import (
    ArchiveOptions,
    ArchiveStory,
    Format,
    ReadResult,
    SourceFile,
    each_file,
)
from entries.exchange.document import Document, ExchangeError
from entries.exchange.files import read_document
from entries.exchange.loading import ImportOptions
from entries.exchange.sniffing import markup
from entries.exchange.text.decoding import decode
from entries.exchange.text.lines import blocks
from entries.pages.story_data import FORMAT as OWN_FORMAT


def _is_json(file: SourceFile) -> bool:
    data: Any = file.data
    return isinstance(data, dict) and data.get("format") == OWN_FORMAT


def _is_text(file: SourceFile) -> bool:
    """Return whether a text has any mark of our form."""
    if markup(file.head):
        return False
    try:
        lines, _ = decode(file.content)
    except ExchangeError:
        return False
    return any(block.mark for block in blocks(lines, []))


def _stories(
    files: Sequence[SourceFile], options: ArchiveOptions
) -> Iterator[ReadResult]:
    def read(file: SourceFile) -> Iterator[ReadResult]:
        name = PurePath(file.name).name
        document = read_document(
            file.content, name, ImportOptions(folder=options.folder), options.day
        )
        # As with import_story, somebody who publishes a text without a date means the
        # latest day, which a note names.
        yield ArchiveStory(_key(file, document), replace(document, guessed_day=False))

    yield from each_file(files, read)


def _key(file: SourceFile, document: Document) -> str:
    """Return the identity of a story, which a later export of it has as well."""
    if document.slug:
        began = document.created_at or document.live_at or document.first_day or ""
        return f"{document.slug} {began}".strip()
    return file.digest


JSON: Final = Format("json", "our own JSON", _is_json, _stories)
TEXT: Final = Format("text", "our own text form", _is_text, _stories)
