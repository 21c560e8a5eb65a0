"""The pictures that a file names: their files, and the rows they become."""

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from django.conf import settings

from entries import verbs
from entries.database import errors
from entries.exchange import marks
from entries.exchange.told import ExchangeError, Remark
from entries.images import ingest
from entries.models import Image
from entries.text import urls
from entries.verbs import Moved

# Told how many of how many are done, and what they are.
Progress = Callable[[int, int, str], None]
SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".heic", ".tif", ".tiff"}
)
_LEADS: Final = ("photo", "lead")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


class Folder:
    """The folder of pictures that goes with a file; None for none."""

    def __init__(self, path: Path | None) -> None:
        self.paths: dict[str, list[Path]] = {}
        for file in sorted(path.iterdir()) if path else []:
            if file.suffix.lower() in SUFFIXES and file.is_file():
                for name in {file.name, file.stem}:
                    self.paths.setdefault(_folded(name), []).append(file)

    @property
    def names(self) -> frozenset[str]:
        """Return the names there, folded, with and without their extensions."""
        return frozenset(self.paths)

    def find(self, typed: str) -> Path | None:
        """Return the file of a name, whatever its case, extension given or not."""
        stem = _folded(marks.picture_name(typed))
        for name in (_folded(typed.strip()), stem):
            if found := self.paths.get(name):
                return found[0]
        return None

    def lead(self, slug: str) -> Path | None:
        """Return the file of the lead picture, if exactly one has its name."""
        found = {
            path
            for name in (*_LEADS, slug)
            for path in self.paths.get(_folded(name), [])
        }
        return found.pop() if len(found) == 1 else None


class Gallery:
    """The pictures of one import.

    Files are ingested and rows prepared before the transaction, and saved inside
    it; `undo` takes away the files that no row came to need.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.ingested: dict[Path, ingest.Ingested] = {}
        self.start_over()

    def start_over(self) -> None:
        """Forget the rows that were prepared, and keep the files."""
        self.rows: dict[str, Image] = {}  # by the name as typed
        self.by_name: dict[str, Image] = {}  # those, by the name they have here
        self.changed: set[str] = set()  # names of those to be saved
        self._looked: dict[str, Image] = {}  # what stood in the database
        self._found: dict[str, tuple[object, ...]] = {}

    def ingest_all(
        self, named: Iterable[tuple[str, int]], progress: Progress
    ) -> list[Remark]:
        """Take in the files of pictures, given with the lines that name them.

        Return what is to be said of those that are none.
        """
        wanted = [(n, line, path) for n, line in named if (path := self.folder.find(n))]
        remarks = []
        for done, (name, line, path) in enumerate(wanted, 1):
            if problem := self.ingest(path):
                remarks.append(Remark(line, f"“{name}”: {problem}"))
            progress(done, len(wanted), "pictures")
        return remarks

    def ingest(self, path: Path | None) -> str:
        """Take in a file; return why it cannot be, or nothing."""
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
        """Return the row of a picture, new or filled, as it is going to be saved.

        What was typed tells name and file, unless `name` (and perhaps `path`) do. A
        name that another picture has gets a number. A missing one has no file.
        """
        if typed in self.rows:
            return self.rows[typed]
        if not name:
            path, name = self.folder.find(typed), marks.picture_name(typed)
        ingested = self.ingested.get(path) if path else None
        if ingested:
            stems = ("", ingested.stem)
            name = next(n for n in urls.numbered(name) if self._look(n).stem in stems)
            verbs.fill_picture(self._look(name), ingested)
        row = self.rows[typed] = self.by_name[name] = self._look(name)
        if ingested or row.pk is None:
            self.changed.add(name)
        return row

    def named(self, name: str) -> Image:
        """Return the picture that a text names; a missing one where there is none."""
        if name not in self.by_name:
            self.by_name[name] = self._look(name)
            if self.by_name[name].pk is None:
                self.changed.add(name)
        return self.by_name[name]

    def free_name(self, name: str) -> str:
        """Return a name that no picture has, with a number where it must."""
        return next(
            free
            for free in urls.numbered(name)
            if free not in self.by_name and self._look(free).pk is None
        )

    def _look(self, name: str) -> Image:
        if name not in self._looked:
            found = Image.objects.filter(name=name).first()
            if found:
                self._found[name] = _state(found)
            self._looked[name] = found or Image(name=name)
        return self._looked[name]

    def save(self) -> None:
        """Write the rows. Raises Moved where one is not any more as it was found."""
        now = {row.name: _state(row) for row in Image.objects.held(self.by_name)}
        if now != {n: state for n, state in self._found.items() if n in self.by_name}:
            raise Moved
        changed = [self.by_name[name] for name in sorted(self.changed)]
        for row in changed:
            if row.pk:
                verbs.save_picture(row)
        Image.objects.bulk_create([row for row in changed if row.pk is None])

    def undo(self) -> None:
        """Remove the files that no picture of the site has."""
        for done in self.ingested.values():
            if not Image.objects.filter(stem=done.stem).exists():
                ingest.remove(settings.PICTURES_DIR, done.stem, done.widths)


def _state(image: Image) -> tuple[object, ...]:
    return (image.pk, image.stem, image.alt, image.caption, image.credit, image.widths)


@contextmanager
def kept_only_if_used(gallery: Gallery) -> Iterator[None]:
    """Take away the ingested files again if what is done with them fails."""
    try:
        yield
    except BaseException:
        gallery.undo()
        raise


def describe(images_: Iterable[Image]) -> list[str]:
    """Return the names of those that have a file and no alt text."""
    return [image.name for image in images_ if image.stem and not image.described]
