"""What every format of archives is made of: files, stories, and what was left out."""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from bs4 import BeautifulSoup

from entries.exchange.document import Document, ExchangeError
from entries.exchange.images import ImageFolder
from entries.exchange.text.decoding import decode
from entries.exchange.text.references import image_name
from entries.models import Image
from entries.models.fields import max_length
from entries.pages.story_data import FullImageData
from entries.text import languages, rendering

logger = logging.getLogger(__name__)

START_BYTES: Final = 64 * 1024  # of a file, by which its format is recognised
MAX_ARCHIVE_FILE_BYTES: Final = 256 * 1024 * 1024  # of a file that is read as a whole
_SIZED: Final = re.compile(r"-(?:\d{2,4}x\d{2,4}|scaled|rotated)(?=\.\w+$)")
_HASH_LENGTH: Final = 8
ODD_CONTENT: Final = (  # what reading something other than expected may raise
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


class What(NamedTuple):
    """A kind of thing that has no place in a story here, in the singular and plural."""

    singular: str
    plural: str

    def counted(self, count: int) -> str:
        """Return it with its number: “3 polls”."""
        return f"{count:,} {self.noun(count)}"

    def noun(self, count: int) -> str:
        """Return the noun for a number."""
        return self.singular if count == 1 else self.plural


UNEXPECTED: Final = (
    "Its contents are not as this format has them. Export it again, or name another "
    "format with --from."
)
UNSAFE_XML: Final = (
    "The XML declares entities, which no export needs, and which are not safe to read. "
    "Export it again from the system itself."
)
READER_COMMENT: Final = What("reader’s comment", "readers’ comments")
POST: Final = What("post that is no live blog", "posts that are no live blogs")
POLL: Final = What("poll", "polls")
EMBED: Final = What("embed", "embeds")
FORM: Final = What("form", "forms")
SCRIPT: Final = What("script", "scripts")
TAG: Final = What("tag", "tags")
CATEGORY: Final = What("category", "categories")
UNPUBLISHED: Final = What("unpublished update", "unpublished updates")
DELETED: Final = What("deleted update", "deleted updates")
EARLIER: Final = What("earlier version of an update", "earlier versions of updates")


@dataclass(frozen=True)
class LeftOut:
    """One thing that has no place in a story here, with its visible text or URL."""

    what: What
    text: str = ""


@dataclass(frozen=True)
class SourceImage:
    """A picture as the source shows it."""

    url: str
    alt: str = ""
    caption: str = ""
    credit: str = ""

    @property
    def name(self) -> str:
        """Return the name of its image here: its file's, and a hash of its URL.

        Files of the same name are ordinary in archives (`2016/12/photo.jpg` and
        `2017/03/photo.jpg`), and smaller copies of one picture are the same picture.
        """
        url = canonical_image_url(self.url)
        digest = hashlib.sha256(url.encode()).hexdigest()[:_HASH_LENGTH]
        file = url.rpartition("/")[2].encode("ascii", "ignore").decode()
        length = max_length(Image, "name") - _HASH_LENGTH - 1
        return f"{image_name(file)[:length].strip('-_').lower()}-{digest}"

    def data(self) -> FullImageData:
        """Return it as an image of a document.

        A picture without a description is decorative, as it was for the readers of the
        source.
        """
        limits = {
            name: max_length(Image, name) for name in ("alt", "caption", "credit")
        }
        alt = rendering.one_line(self.alt or self.caption)[: limits["alt"]]
        return FullImageData(
            name=self.name,
            alt=alt,
            decorative=not alt,
            caption=rendering.one_line(self.caption)[: limits["caption"]],
            credit=rendering.one_line(self.credit)[: limits["credit"]],
        )


def canonical_image_url(url: str) -> str:
    """Return host and path of a picture, without the size of a smaller copy."""
    parts = urlsplit(url.strip())
    path = _SIZED.sub("", unquote(parts.path))
    return f"{(parts.hostname or '').removeprefix('www.')}/{path.lstrip('/')}"


@dataclass(frozen=True)
class ArchiveStory:
    """A story of an archive.

    `key` is its identity within its format: the id or the URL that the source gives it,
    so that another run, or a newer export, does not import it twice; without either,
    the digest of its content. `images` are all that its texts and its head show.
    `warnings` say what was assumed.
    """

    key: str
    document: Document
    left_out: tuple[LeftOut, ...] = ()
    images: tuple[SourceImage, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unreadable:
    """A file, or a story in it, that cannot be read; the reason is a sentence."""

    name: str
    reason: str


@dataclass(frozen=True)
class OtherContent:
    """What a file has beside its stories."""

    name: str
    left_out: tuple[LeftOut, ...]


ReadResult = ArchiveStory | Unreadable | OtherContent


@dataclass(frozen=True)
class ArchiveOptions:
    """What is known about an archive beside its files; `folder` has all pictures."""

    time_zone: ZoneInfo | None = None
    day: date | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    folder: ImageFolder = field(default_factory=lambda: ImageFolder(None))


class SourceFile:
    """A file of an archive; `name` is its path within the archive."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name

    def __repr__(self) -> str:
        return f"<SourceFile {self.name}>"

    def open(self) -> BinaryIO:
        """Open the file. Raises ExchangeError if it cannot be read."""
        try:
            return self.path.open("rb")
        except OSError as error:
            raise _unreadable(self.name, error) from error

    @cached_property
    def size(self) -> int:
        """The number of bytes in the file, 0 if it cannot be read."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    @cached_property
    def head(self) -> bytes:
        """The first bytes of the file. Raises ExchangeError if it cannot be read."""
        with self.open() as file:
            return _read(self.name, file, START_BYTES)

    @cached_property
    def content(self) -> bytes:
        """The bytes of the file. Raises ExchangeError if it is too large to be read."""
        if self.size > MAX_ARCHIVE_FILE_BYTES:
            limit = MAX_ARCHIVE_FILE_BYTES >> 20
            raise ExchangeError(f"“{self.name}” has more than {limit} MB: divide it.")
        with self.open() as file:
            return _read(self.name, file, -1)

    @property
    def digest(self) -> str:
        """The SHA-256 of the file: the identity of a story that has no other."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def text(self) -> str:
        """The text of the file, in whatever encoding."""
        lines, _ = decode(self.content)
        return "\n".join(line.raw for line in lines)

    @cached_property
    def data(self) -> Any:
        """The parsed JSON of the file, None if it is none."""
        start = self.head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
        if start not in (b"{", b"["):
            return None
        try:
            return json.loads(self.content.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            return None

    def release(self) -> None:
        """Free the memory that the contents of the file take."""
        for name in ("head", "content", "text", "data"):
            self.__dict__.pop(name, None)


def _read(name: str, file: BinaryIO, size: int) -> bytes:
    try:
        return file.read(size)
    except OSError as error:
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: OSError) -> ExchangeError:
    return ExchangeError(f"“{name}” cannot be read: {error.strerror or error}.")


@dataclass(frozen=True)
class Format:
    """A format of archives.

    `recognises` is cheap and raises nothing. `stories` gets all files of the format,
    sorted by name, and reads one after the other; for a story that cannot be read, it
    yields the reason and goes on. `count` returns the number of stories to expect.
    """

    name: str  # for --from
    label: str
    recognises: Callable[[SourceFile], bool]
    stories: Callable[[Sequence[SourceFile], ArchiveOptions], Iterator[ReadResult]]
    count: Callable[[Sequence[SourceFile]], int] = len


def each_file(
    files: Sequence[SourceFile], read: Callable[[SourceFile], Iterator[ReadResult]]
) -> Iterator[ReadResult]:
    """Yield the stories of each file; one that cannot be read does not stop others."""
    for file in files:
        yield from guarded(file.name, partial(read, file))
        file.release()


def guarded(
    name: str, read: Callable[[], Iterable[ReadResult]]
) -> Iterator[ReadResult]:
    """Yield stories; if one cannot be read, yield the reason, with its name."""
    try:
        yield from read()
    except ExchangeError as error:
        yield Unreadable(name, str(error))
    except ODD_CONTENT:
        logger.exception("A story of an archive cannot be read.")
        yield Unreadable(name, UNEXPECTED)


def json_digest(data: Any) -> str:
    """Return the SHA-256 of JSON: the identity of a story that has no other."""
    content = json.dumps(data, sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()


def to_minute(at: datetime) -> datetime:
    """Return a time in GMT, cut to its minute."""
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def language(value: object) -> str:
    """Return a tag for the language or locale of a source, "" if there is none.

    Systems also write locales such as “en_GB.UTF-8”.
    """
    tag = re.split("[.@]", value.strip())[0] if isinstance(value, str) else ""
    try:
        return languages.canonical_tag(tag) if tag else ""
    except languages.LanguageError:
        return ""


def plain(text: str) -> str:
    """Return the visible text of HTML, on one line."""
    if "<" not in text and "&" not in text:
        return rendering.one_line(text)
    return rendering.one_line(BeautifulSoup(text, "html.parser").get_text(" "))
