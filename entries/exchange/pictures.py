"""The pictures that a file names: their files, and the rows they become."""

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from django.conf import settings

from entries import images, linking
from entries.exchange import marks
from entries.exchange.told import ExchangeError, Remark
from entries.models import Image

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

    Files are ingested before the transaction, rows made inside it; `undo` takes
    away the files that no row came to need.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.ingested: dict[Path, images.Ingested] = {}
        self.rows: dict[str, Image] = {}  # by the name as typed
        self.made: set[int] = set()  # ids of those that were not there before

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
                self.ingested[path] = linking.ingest(file)
        except images.ImageError as error:
            return str(error)
        except OSError as error:
            raise ExchangeError(f"“{path}” cannot be taken in: {error}.") from error
        return ""

    def row(self, typed: str, name: str = "", path: Path | None = None) -> Image:
        """Return the row of a picture, made or filled; a missing one has no file.

        What was typed tells name and file, unless `name` (and perhaps `path`) do. A
        name that another picture has gets a number.
        """
        if typed in self.rows:
            return self.rows[typed]
        if not name:
            path, name = self.folder.find(typed), marks.picture_name(typed)
        ingested = self.ingested.get(path) if path else None
        if ingested:
            name = next(
                free for free in _numbered(name) if _may_hold(free, ingested.stem)
            )
            new = not Image.objects.filter(name=name).exists()
            row = linking.add_picture(name, ingested)
        else:
            row, new = Image.objects.get_or_create(name=name)
        if new:
            self.made.add(row.pk)
        self.rows[typed] = row
        return row

    def undo(self) -> None:
        """Remove the files that no picture of the site has."""
        for done in self.ingested.values():
            if not Image.objects.filter(stem=done.stem).exists():
                images.remove(settings.PICTURES_DIR, done.stem, done.widths)


def _may_hold(name: str, stem: str) -> bool:
    image = Image.objects.filter(name=name).first()
    return image is None or image.stem in ("", stem)


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name[:110]}-{number}"
        number += 1


def free_name(name: str) -> str:
    """Return a name that no picture has."""
    return next(
        free for free in _numbered(name) if not Image.objects.filter(name=free).exists()
    )


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
