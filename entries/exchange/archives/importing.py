"""Import the stories of an archive, each once, whatever happens to the others."""

import hashlib
import logging
import os
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from pathlib import PurePath
from typing import Any, Final

from django.db import DataError, IntegrityError

from entries.exchange import loading
from entries.exchange.archives.base import (
    ArchiveOptions,
    ArchiveStory,
    Format,
    LeftOut,
    OtherContent,
    ReadResult,
    SourceImage,
    Unreadable,
    What,
    guarded,
)
from entries.exchange.archives.files import Archive
from entries.exchange.archives.fitting import fitted
from entries.exchange.archives.image_files import ArchiveImages
from entries.exchange.archives.workers import Job, Workers
from entries.exchange.document import Document, ExchangeError
from entries.exchange.images import ImageFolder
from entries.exchange.loading import ImportOptions
from entries.models import Image, ImportedFile, Story
from entries.text import rendering, urls
from entries.verbs import Refused

_NAMES: Final = 3  # of files, in a message
_EXPORT_ALL: Final = "export it again, with everything that belongs to its stories."
MISSING: Final = What("missing picture", "missing pictures")

logger = logging.getLogger(__name__)


class Status(StrEnum):
    """What became of a story."""

    IMPORTED = "imported"
    BEFORE = "imported before"
    READ = "read"  # in a dry run
    FAILED = "failed"
    LEFT_OUT = "left out"  # not a story


@dataclass
class StoryOutcome:
    """What became of a story, or of a file that is none."""

    status: Status
    name: str  # its headline, or the file's name
    format: str = ""
    key: str = ""
    story: Story | None = None
    document: Document | None = None
    left_out: tuple[LeftOut, ...] = ()
    warnings: list[str] = field(default_factory=list)
    error: str = ""

    @property
    def counts(self) -> Counter[What]:
        """Count the things that were left out, by their kinds."""
        return Counter(each.what for each in self.left_out)


@dataclass(frozen=True)
class ImportSettings:
    """How to import an archive."""

    publish: bool = False
    series: str = ""
    dry_run: bool = False
    images: ArchiveImages = field(default_factory=ArchiveImages)
    processes: int = 0  # 0 for as many as there are processors


def import_archive(
    archive: Archive, options: ArchiveOptions, settings: ImportSettings
) -> Iterator[StoryOutcome]:
    """Import the stories of an archive; yield what became of each, in their order.

    A story that was imported before, from this or another file, is not imported again.
    """
    for each in archive.refused:
        yield StoryOutcome(Status.FAILED, each.name, error=each.reason)
    if settings.dry_run:
        yield from _dry_run(archive, options, settings)
        return
    with Workers(settings.processes or os.cpu_count() or 1, archive.count()) as workers:
        yield from _Import(settings, workers).run(archive, options)


def _dry_run(
    archive: Archive, options: ArchiveOptions, settings: ImportSettings
) -> Iterator[StoryOutcome]:
    for format_, found in _results(archive, options):
        if not isinstance(found, ArchiveStory):
            yield _no_story(found, format_)
            continue
        outcome, document = _outcome(Status.READ, found, format_, settings)
        folder = _folder(document, found, settings)
        outcome.left_out += _missing(document, found, folder)
        try:
            loading.check_document(document)
        except ExchangeError as error:
            outcome.status, outcome.error = Status.FAILED, str(error)
        yield outcome


def _results(
    archive: Archive, options: ArchiveOptions
) -> Iterator[tuple[Format, ReadResult]]:
    """Yield what is in the files of each format, and a fault if there is nothing."""
    for format_, files in archive.groups:
        name = ", ".join(file.name for file in files[:_NAMES])
        anything = False
        for found in guarded(name, partial(format_.stories, files, options)):
            anything = True
            yield format_, found
        if not anything:
            yield format_, Unreadable(name, f"There is no story in it: {_EXPORT_ALL}")


class _Import:
    def __init__(self, settings: ImportSettings, workers: Workers) -> None:
        self.settings, self.workers = settings, workers
        self.waiting: deque[tuple[StoryOutcome, Job]] = deque()
        self.slugs: set[str] = set()  # of the stories that are waiting
        self.keys: set[str] = set()

    def run(self, archive: Archive, options: ArchiveOptions) -> Iterator[StoryOutcome]:
        for format_, found in _results(archive, options):
            if isinstance(found, ArchiveStory):
                yield from self.add(found, format_)
            else:
                yield _no_story(found, format_)
            while len(self.waiting) > self.workers.capacity:
                yield self.finish()
        while self.waiting:
            yield self.finish()

    def add(self, found: ArchiveStory, format_: Format) -> Iterator[StoryOutcome]:
        """Have a story prepared, unless it was imported before."""
        outcome, document = _outcome(Status.BEFORE, found, format_, self.settings)
        if document.archive_key in self.keys:
            outcome.warnings.append("It is in the archive twice.")
            yield outcome
            return
        self.keys.add(document.archive_key)
        outcome.story = _imported_before(document)
        if outcome.story:
            yield outcome
            return
        slug = loading.free_story_slug(document, taken=self.slugs)
        self.slugs.add(slug)
        folder = _folder(document, found, self.settings)
        outcome.left_out += _missing(document, found, folder)
        options = ImportOptions(
            free_slug=slug,
            series=self.settings.series,
            publish=self.settings.publish and not document.guessed_day,
            folder=folder,
        )
        self.waiting.append((outcome, self.workers.prepare(document, options)))

    def finish(self) -> StoryOutcome:
        """Save the story that has waited longest; return what became of it."""
        outcome, job = self.waiting.popleft()
        outcome.status = Status.FAILED
        outcome.warnings += _namesakes(job.document)
        try:
            loaded = loading.save(job.result())
        except (ExchangeError, Refused) as error:
            outcome.error = str(error)
        except IntegrityError:
            if story := _imported_before(job.document):
                outcome.status, outcome.story = Status.BEFORE, story
            else:
                logger.exception("A story of an archive was not imported.")
                outcome.error = "It contradicts what is in the database."
        except (
            ArithmeticError,
            DataError,
            LookupError,
            TypeError,
            ValueError,
        ):
            logger.exception("A story of an archive was not imported.")
            outcome.error = "It cannot be imported. The log says what happened."
        else:
            outcome.status, outcome.story = Status.IMPORTED, loaded.story
            outcome.warnings += map(str, loaded.remarks)
        self.slugs.discard(job.options.free_slug)
        return outcome


def _outcome(
    status: Status, found: ArchiveStory, format_: Format, settings: ImportSettings
) -> tuple[StoryOutcome, Document]:
    document, more = _document(found, format_)
    warnings = [*found.warnings, *more, *document.notes, *map(str, document.warnings)]
    if count := sum(not (each.alt or each.caption) for each in found.images):
        images = What("picture has", "pictures have").counted(count)
        warnings.append(f"{images} no alt text there, and counts as decorative here")
    if settings.publish and document.guessed_day:
        warnings.append(
            "It stays a draft, because its day is only guessed. Name the day with "
            "--date to publish it, or correct it on the desk."
        )
    outcome = StoryOutcome(
        status,
        document.headline,
        format_.name,
        found.key,
        document=document,
        left_out=found.left_out,
        warnings=warnings,
    )
    return outcome, document


def _no_story(found: Unreadable | OtherContent, format_: Format) -> StoryOutcome:
    if isinstance(found, OtherContent):
        left_out = found.left_out
        return StoryOutcome(
            Status.LEFT_OUT, found.name, format_.name, left_out=left_out
        )
    return StoryOutcome(Status.FAILED, found.name, format_.name, error=found.reason)


def _document(found: ArchiveStory, format_: Format) -> tuple[Document, list[str]]:
    """Return the document of a story, with pictures and key, and warnings about it."""
    images: dict[str, SourceImage] = {}
    for each in found.images:
        known = images.get(each.name)
        if known is None or not (known.alt or known.caption):
            images[each.name] = each
    document = found.document
    key = hashlib.sha256(f"{format_.name}\0{found.key}".encode()).hexdigest()
    document = replace(
        document,
        headline=rendering.one_line(document.headline) or "Story",
        images=(*document.images, *(each.data() for each in images.values())),
        archive_key=key,
        digest=document.digest or key,
        file_name=document.file_name or found.key,
    )
    return fitted(document)


def _folder(
    document: Document, found: ArchiveStory, settings: ImportSettings
) -> ImageFolder:
    return settings.images.of(
        found.images,
        document.image_lines,
        urls.slug(document.headline, language=document.language),
    )


def _missing(
    document: Document, found: ArchiveStory, folder: ImageFolder
) -> tuple[LeftOut, ...]:
    """Return the pictures without a file, whose captions readers do not see either."""
    names = [name for name in document.image_lines if not folder.find(name)]
    known = Image.objects.filter(name__in=names).exclude(stem="")
    here = set(known.values_list("name", flat=True))
    urls = {image.name: image.url for image in found.images}
    texts = {
        each.name: (each.alt, each.caption, each.credit) for each in document.images
    }
    return tuple(
        LeftOut(
            MISSING,
            " ".join(filter(None, dict.fromkeys([urls.get(n, n), *texts.get(n, ())]))),
        )
        for n in names
        if n not in here
    )


def _namesakes(document: Document) -> list[str]:
    """Return a warning if another file of this name has brought this headline."""
    rows = ImportedFile.objects.filter(
        name__endswith=PurePath(document.file_name).name,
        story__headline=document.headline,
    )
    slug = rows.values_list("story__slug", flat=True).first()
    if not slug:
        return []
    return [
        "A file of this name and headline, but with other content, was imported "
        f"before, as “{slug}”. If it is the same story, delete one of them."
    ]


def _imported_before(document: Document) -> Story | None:
    """Return the story that was imported from the same story or file before."""
    rows = ImportedFile.objects.select_related("story")
    row: Any = (
        rows.filter(key=document.archive_key).first()
        or rows.filter(digest=document.digest).last()
    )
    return row.story if row else None
