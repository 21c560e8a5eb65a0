"""Match the images that a document names with files, and create their rows."""

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
from entries.exchange.text.references import IMAGE_SUFFIX, MEDIA_SUFFIX, image_name
from entries.images import ingest
from entries.models import Image
from entries.pages.story_data import FullImageData
from entries.text import urls
from entries.verbs import StaleRead

# Called with the number done, the total, and what is being counted.
Progress = Callable[[int, int, str], None]
_LEAD_NAMES: Final = ("photo", "lead")
_NAME: Final = re.compile(r"[\w-]{1,120}")


def normalize_name(text: str) -> str:
    """Return a file name in the form in which names are compared."""
    return unicodedata.normalize("NFC", text).casefold()


class ImageFolder:
    """The folder of images that belongs to a file; empty if `path` is None."""

    def __init__(self, path: Path | None) -> None:
        self.paths: dict[str, list[Path]] = {}
        for file in sorted(path.iterdir()) if path else []:
            if IMAGE_SUFFIX.fullmatch(file.suffix) and file.is_file():
                for name in {file.name, file.stem}:
                    self.paths.setdefault(normalize_name(name), []).append(file)

    @property
    def names(self) -> frozenset[str]:
        """Return the casefolded file names, with and without their extensions."""
        return frozenset(self.paths)

    def find(self, typed: str) -> Path | None:
        """Return the file with a name, in any case, with or without its extension."""
        for name in (normalize_name(typed.strip()), normalize_name(image_name(typed))):
            if found := self.paths.get(name):
                return found[0]
        return None

    def lead(self, slug: str) -> Path | None:
        """Return the file named photo, lead or like the slug, if there is just one."""
        found = {
            path
            for name in (*_LEAD_NAMES, slug)
            for path in self.paths.get(normalize_name(name), [])
            if not MEDIA_SUFFIX.fullmatch(path.suffix)
        }
        return found.pop() if len(found) == 1 else None


class Gallery:
    """The images of one import.

    Files are ingested and rows prepared before the transaction; rows are saved in it.
    """

    def __init__(self, folder: ImageFolder) -> None:
        self.folder = folder
        self.ingested: dict[Path, ingest.IngestedImage] = {}
        self.start_over()

    def start_over(self) -> None:
        """Discard the prepared rows, for another attempt with the same files."""
        self.rows: dict[str, Image] = {}  # by the name as typed
        self.by_name: dict[str, Image] = {}  # by the name of the row
        self.changed: set[str] = set()  # names of the rows to be saved
        self._looked_up: dict[str, Image] = {}
        self._found: dict[str, tuple[object, ...]] = {}  # state in the database

    def ingest_all(self, document: Document, progress: Progress) -> list[Remark]:
        """Ingest the files of a document's images; return a remark for each failure."""
        lines = document.image_lines
        files = {name: path for name in lines if (path := self.folder.find(name))}
        remarks = []
        for done, (name, path) in enumerate(files.items(), 1):
            if problem := self.ingest(path):
                remarks.append(Remark(lines[name], f"“{name}”: {problem}"))
            progress(done, len(files), "pictures")
        return remarks

    def ingest(self, path: Path | None) -> str:
        """Ingest a file; return the reason if it is not a usable image, else ""."""
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
        """Return the row of an image as it will be saved, without a file if missing.

        Name and file are derived from what was typed, unless `name` (and `path`) are
        given. A number is appended to a name that belongs to a different image.
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
        """Copy the texts of an image to a row, unless it already has any."""
        names = ("alt", "caption", "credit", *Image.MORE_TEXTS)
        texts = {name: getattr(data, name) for name in names}
        poster = self.rows.get(data.poster or "")
        texts["poster"] = None if poster and poster.media_type else poster
        described = set(texts) - {"captions_language"}
        if row.pk is None or not any(getattr(row, name) for name in described):
            for name, value in texts.items():
                setattr(row, name, value)
            row.focal_x, row.focal_y = data.focal_x, data.focal_y
            self.changed.add(row.name)

    def named(self, name: str) -> Image | None:
        """Return the image with a name, or a new one whose file is missing.

        Return None if the name is not valid for an image.
        """
        if name not in self.by_name:
            if not _NAME.fullmatch(name):
                return None
            self.by_name[name] = self._look_up(name)
            if self.by_name[name].pk is None:
                self.changed.add(name)
        return self.by_name[name]

    def free_name(self, name: str) -> str:
        """Return the name, with a number appended if an image already has it."""
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
        """Save the rows. Raises StaleRead if one has changed since it was read."""
        now = {row.name: _state(row) for row in Image.objects.locked(self.by_name)}
        if now != {n: state for n, state in self._found.items() if n in self.by_name}:
            raise StaleRead
        changed = [self.by_name[name] for name in sorted(self.changed)]
        known = [row for row in changed if row.pk]
        new = [row for row in changed if row.pk is None]
        Image.objects.bulk_create([row for row in new if not row.poster])
        Image.objects.bulk_create([row for row in new if row.poster])
        for row in known:
            verbs.save_image(row)

    def remove_unused(self) -> None:
        """Remove the ingested files that belong to no image row."""
        for image in self.ingested.values():
            if not Image.objects.filter(stem=image.stem).exists():
                ingest.remove_variants(settings.IMAGES_DIR, image.stem, image.widths)


def _state(image: Image) -> tuple[object, ...]:
    return (*image.shown_values, image.widths)


@contextmanager
def removed_on_failure(gallery: Gallery) -> Iterator[None]:
    """Remove the ingested files if the import fails."""
    try:
        yield
    except BaseException:
        gallery.remove_unused()
        raise
