"""A file → a story: which form it has, whether it came before, what was understood."""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

from entries.exchange import json_reading, loading, reading
from entries.exchange.decoding import FILE_LIMIT, decode
from entries.exchange.json_loading import load_data
from entries.exchange.json_reading import Data
from entries.exchange.loading import Loaded, Wanted
from entries.exchange.paragraphs import Hints
from entries.exchange.pictures import Progress
from entries.exchange.told import ExchangeError, Told
from entries.models import ImportedFile, Series, Story
from entries.text import rendering


@dataclass(frozen=True)
class Understood:
    """A file that was read: what it tells, and its data where it is our own JSON."""

    told: Told
    wanted: Wanted
    data: Data | None = field(default=None, repr=False)


def read_file(path: Path) -> bytes:
    """Return the bytes of a file. Raises ExchangeError with a sentence."""
    try:
        with path.open("rb") as file:
            return file.read(FILE_LIMIT + 1)
    except OSError as error:
        reason = error.strerror or error
        raise ExchangeError(f"“{path}” cannot be read: {reason}.") from error


def imported_before(content: bytes) -> Story | None:
    """Return the story that the same file became, if it is still there."""
    row = ImportedFile.objects.filter(digest=_digest(content)).last()
    return row.story if row else None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def understand(
    content: bytes, name: str, wanted: Wanted, first_day: date | None = None
) -> Understood:
    """Read a file, and write nothing. `name` is the file's, of any bytes.

    Raises ExchangeError for what is no story.
    """
    name = rendering.tidy(name)
    loading.check_length("headline", wanted.headline)
    wanted = replace(wanted, digest=_digest(content), name=name)
    data = json_reading.parse(content)
    if data is not None:
        told = json_reading.told(data)
        if first_day:
            note = "--date says nothing here: the file has its times."
            told = replace(told, notes=(*told.notes, note))
        return Understood(told, wanted, data)
    lines, remarks = decode(content)
    hints = Hints(
        wanted.folder.names, tuple(Series.objects.values_list("name", flat=True))
    )
    now = datetime.now(UTC)
    told = reading.read(
        lines, now=now, first_day=first_day, hints=hints, remarks=remarks
    )
    if wanted.headline and told.headline not in ("", wanted.headline):
        note = f"--headline replaces the file's own, “{told.headline}”."
        told = replace(told, notes=(*told.notes, note))
    elif not (wanted.headline or told.headline):
        told = _named(told, name)
    return Understood(told, wanted)


def _named(told: Told, name: str) -> Told:
    """Name a story after its file."""
    words = " ".join(Path(name).stem.replace("-", " ").replace("_", " ").split())
    headline = (words[:1].upper() + words[1:])[:200] or "Story"
    note = f"The file has no headline; it is called “{headline}” (see --headline)."
    return replace(told, headline=headline, notes=(*told.notes, note))


def carry_out(understood: Understood, progress: Progress) -> Loaded:
    """Make the story. Raises ExchangeError or Refused, and then nothing is left."""
    if understood.data is not None:
        return load_data(understood.data, understood.wanted, progress)
    return loading.load(understood.told, understood.wanted, progress)
