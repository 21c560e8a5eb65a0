"""The images that a file names: their files, and the rows they become."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from django.conf import settings

from entries import verbs
from entries.database import errors
from entries.exchange.document import Document, ExchangeError, Remark
from entries.exchange.text.references import image_name
from entries.images import ingest
from entries.models import Image
from entries.pages.story_data import FullImageData
from entries.text import urls
from entries.verbs import StaleRead

# Called with how many of how many are done, and what they are.
Progress = Callable[[int, int, str], None]
SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".heic", ".tif", ".tiff"}
)
_LEADS: Final = ("photo", "lead")
_NAME: Final = re.compile(r"[\w-]{1,120}")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


class ImageFolder:
    """The folder of images that goes with a file; None for no folder."""

    def __init__(self, path: Path | None) -> None:
        self.paths: dict[str, list[Path]] = {}
        for file in sorted(path.iterdir()) if path else []:
            if file.suffix.lower() in SUFFIXES and file.is_file():
                for name in {file.name, file.stem}:
                    self.paths.setdefault(_folded(name), []).append(file)

    @property
    def names(self) -> frozenset[str]:
        """Return the casefolded names of its files, with and without extensions."""
        return frozenset(self.paths)

    def find(self, typed: str) -> Path | None:
        """Return the file of a name in any case, with or without its extension."""
        for name in (_folded(typed.strip()), _folded(image_name(typed))):
            if found := self.paths.get(name):
                return found[0]
        return None

    def lead(self, slug: str) -> Path | None:
        """Return the file of the lead image, if exactly one has its name."""
        found = {
            path
            for name in (*_LEADS, slug)
            for path in self.paths.get(_folded(name), [])
        }
        return found.pop() if len(found) == 1 else None


class Gallery:
    """The images of one import.

    Files are ingested and rows prepared before the transaction, and saved inside it.
    `remove_unused` deletes the ingested files that no row came to need.
    """

    def __init__(self, folder: ImageFolder) -> None:
        self.folder = folder
        self.ingested: dict[Path, ingest.IngestedImage] = {}
        self.start_over()

    def start_over(self) -> None:
        """Discard the rows that were prepared, and keep the ingested files."""
        self.rows: dict[str, Image] = {}  # by the name as typed
        self.by_name: dict[str, Image] = {}  # by the name of the row
        self.changed: set[str] = set()  # names of the rows to be saved
        self._looked_up: dict[str, Image] = {}
        self._found: dict[str, tuple[object, ...]] = {}  # state in the database

    def ingest_all(self, document: Document, progress: Progress) -> list[Remark]:
        """Ingest the files of a document's images; return what was wrong with some."""
        lines = document.image_lines
        files = {name: path for name in lines if (path := self.folder.find(name))}
        remarks = []
        for done, (name, path) in enumerate(files.items(), 1):
            if problem := self.ingest(path):
                remarks.append(Remark(lines[name], f"“{name}”: {problem}"))
            progress(done, len(files), "pictures")
        return remarks

    def ingest(self, path: Path | None) -> str:
        """Ingest a file; return why that is not possible, or nothing."""
        if path is None or path in self.ingested:
            return ""
        try:
            with path.open("rb") as file:
                self.ingested[path] = verbs.ingest_upload(file)
        except ingest.ImageError as error:
            return str(error)
        except OSError as error:
            reason = errors.command_message(error) or f"{error}."
            raise ExchangeError(f"“{path}” cannot be taken in: {reason}") from error
        return ""

    def row(self, typed: str, name: str = "", path: Path | None = None) -> Image:
        """Return the row of an image, new or filled, as it is going to be saved.

        What was typed gives name and file, unless `name` (and perhaps `path`) do. A
        name that another image has gets a number. A missing image has no file.
        """
        if typed in self.rows:
            return self.rows[typed]
        if not name:
            path, name = self.folder.find(typed), image_name(typed)
        ingested = self.ingested.get(path) if path else None
        if ingested:
            stems = ("", ingested.stem)
            name = urls.free_name(name, lambda n: self._look_up(n).stem not in stems)
            verbs.fill_image(self._look_up(name), ingested)
        row = self.rows[typed] = self.by_name[name] = self._look_up(name)
        if ingested or row.pk is None:
            self.changed.add(name)
        return row

    def describe(self, row: Image, data: FullImageData) -> None:
        """Give a row the texts of a file, unless it has texts here already."""
        has_texts = row.alt or row.caption or row.credit or row.decorative
        if row.pk is None or not has_texts:
            row.alt, row.decorative = data.alt, data.decorative
            row.caption, row.credit = data.caption, data.credit
            self.changed.add(row.name)

    def named(self, name: str) -> Image | None:
        """Return the image that a text names, a missing one where there is none.

        None for what cannot be the name of an image.
        """
        if name not in self.by_name:
            if not _NAME.fullmatch(name):
                return None
            self.by_name[name] = self._look_up(name)
            if self.by_name[name].pk is None:
                self.changed.add(name)
        return self.by_name[name]

    def free_name(self, name: str) -> str:
        """Return a name that no image has, with a number where necessary."""
        return urls.free_name(
            name, lambda n: n in self.by_name or self._look_up(n).pk is not None
        )

    def _look_up(self, name: str) -> Image:
        if name not in self._looked_up:
            found = Image.objects.filter(name=name).first()
            if found:
                self._found[name] = _state(found)
            self._looked_up[name] = found or Image(name=name)
        return self._looked_up[name]

    def save(self) -> None:
        """Write the rows. Raises StaleRead where one has changed since it was read."""
        now = {row.name: _state(row) for row in Image.objects.locked(self.by_name)}
        if now != {n: state for n, state in self._found.items() if n in self.by_name}:
            raise StaleRead
        changed = [self.by_name[name] for name in sorted(self.changed)]
        for row in changed:
            if row.pk:
                verbs.save_image(row)
        Image.objects.bulk_create([row for row in changed if row.pk is None])

    def remove_unused(self) -> None:
        """Remove the ingested files that no image of the site has."""
        for done in self.ingested.values():
            if not Image.objects.filter(stem=done.stem).exists():
                ingest.remove_variants(settings.IMAGES_DIR, done.stem, done.widths)


def _state(image: Image) -> tuple[object, ...]:
    return (image.pk, image.stem, image.alt, image.caption, image.credit, image.widths)


@contextmanager
def removed_on_failure(gallery: Gallery) -> Iterator[None]:
    """Remove the ingested files again if the import fails."""
    try:
        yield
    except BaseException:
        gallery.remove_unused()
        raise
