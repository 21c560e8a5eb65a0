"""Find the files of an archive, and the format of each."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from entries.exchange.archives.base import (
    ODD_CONTENT,
    Format,
    SourceFile,
    Unreadable,
)
from entries.exchange.archives.formats import ARCHIVE_FORMATS, BY_NAME
from entries.exchange.document import ExchangeError
from entries.exchange.sniffing import markup
from entries.exchange.text.decoding import decode
from entries.exchange.text.references import IMAGE_SUFFIX

MAX_FILES: Final = 100_000
# What lies beside stories: media, and the parts of saved web pages.
_OTHER_FILES: Final = re.compile(
    r"\.(?:svg|ico|mp[34]|m4[av]|webm|mov|ogg|wav|vtt|css|js|mjs|map|woff2?|ttf|otf|eot)",
    re.I,
)


@dataclass
class Archive:
    """The files of an archive by their formats, and those that cannot be read."""

    groups: list[tuple[Format, list[SourceFile]]] = field(default_factory=list)
    refused: list[Unreadable] = field(default_factory=list)

    def count(self) -> int:
        """Return how many stories to expect."""
        return sum(_count(format_, files) for format_, files in self.groups)


def _count(format_: Format, files: list[SourceFile]) -> int:
    try:
        return format_.count(files)
    except ODD_CONTENT:  # which reading the stories will report
        return len(files)


def open_archive(path: Path, format_name: str = "") -> Archive:
    """Find the files at a path, a folder or one file, and tell their formats.

    With `format_name`, all of them are read as that format. Raises ExchangeError if
    there is nothing to import.
    """
    files = list(_files(path))
    if not files:
        raise ExchangeError(f"“{path}” has no file with stories.")
    archive = Archive()
    groups: dict[str, list[SourceFile]] = {each.name: [] for each in ARCHIVE_FORMATS}
    for file in files:
        try:
            found = BY_NAME[format_name] if format_name else _recognise(file)
        except ExchangeError as error:
            archive.refused.append(Unreadable(file.name, str(error)))
        else:
            groups[found.name].append(file)
        finally:
            file.release()
    archive.groups = [(BY_NAME[name], each) for name, each in groups.items() if each]
    return archive


def _files(path: Path) -> Iterator[SourceFile]:
    if not path.is_dir():
        if not path.exists():
            raise ExchangeError(f"There is no file or folder “{path}”.")
        yield SourceFile(path, path.name)
        return
    for number, file in enumerate(sorted(path.rglob("*"))):
        if number > MAX_FILES:
            raise ExchangeError(
                f"“{path}” has more than {MAX_FILES:,} files: divide it."
            )
        name = file.relative_to(path)
        hidden = any(part.startswith((".", "__MACOSX")) for part in name.parts)
        other = IMAGE_SUFFIX.fullmatch(file.suffix) or _OTHER_FILES.fullmatch(
            file.suffix
        )
        if file.is_file() and not (hidden or other):
            yield SourceFile(file, name.as_posix())


def _recognise(file: SourceFile) -> Format:
    """Return the format of a file. Raises ExchangeError if it is none of them."""
    if not file.size:
        raise ExchangeError("The file is empty: there is nothing to import.")
    for format_ in ARCHIVE_FORMATS:
        with suppress(*ODD_CONTENT):
            if format_.recognises(file):
                return format_
    if kind := markup(file.content):
        if "JSON" in kind and file.data is None:
            raise ExchangeError(f"{_damage(file)} Export it again.")
        raise ExchangeError(
            f"This looks like {kind}, but like no story of a system that can be read. "
            f"Name its format with --from ({', '.join(BY_NAME)}), or save the story as "
            "plain text."
        )
    decode(file.content)  # which refuses what is no text
    raise ExchangeError(
        "This is text without the time of any update. If it is one story, import it "
        "with “manage.py import_story”."
    )


def _damage(file: SourceFile) -> str:
    """Return a sentence that says where the JSON of a file is damaged."""
    try:
        json.loads(file.content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return "The JSON of this file is not in UTF-8."
    except (ValueError, RecursionError) as error:
        return f"The JSON of this file is damaged or breaks off ({error})."
    return "The JSON of this file cannot be read."
