"""Check the video and audio files that editors upload, and publish them rewritten.

A recording is not encoded anew. Its container is read strictly and written from what a
player needs, so that neither metadata nor foreign content reaches readers.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Final, NamedTuple

from entries.images import ingest, mp3, mp4, webm
from entries.images.ingest import ImageError, IngestedImage, gettext_noop
from entries.images.recordings import UNUSABLE, Recording, damaged

HEAD_BYTES: Final = 512
_STILL_BRANDS: Final = (
    frozenset(  # brands of HEIC and AVIF, which have the boxes of MP4
        {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
        | {b"mif1", b"mif2", b"msf1", b"avif", b"avis", b"miaf"}
    )
)
_BOXES: Final = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"})
# How other video and audio files begin.
_OTHERS: Final = (
    *(b"OggS", b"fLaC", b"FLV\1", b"#!AMR", b"MThd", b"FORM", b"RF64", b".snd"),
    *(b"\x30\x26\xb2\x75", b"\0\0\1\xba", b"\0\0\1\xb3", b"\xff\xf1", b"\xff\xf9"),
)
_TOO_LARGE: Final = gettext_noop(
    "The recording has more than {megabytes} MB. Make it shorter, or export it smaller "
    "(such as 720p), and upload that."
)
_TOO_LONG: Final = gettext_noop(
    "The recording is longer than {minutes} minutes. Make it shorter, and upload that."
)
_EMPTY: Final = gettext_noop("The recording is empty. Export it anew, and upload that.")


class Limits(NamedTuple):
    """How large and how long a recording may be."""

    megabytes: int
    minutes: int


DEFAULT_LIMITS: Final = Limits(megabytes=100, minutes=10)


def is_recording(head: bytes) -> bool:
    """Return whether a file begins like video or audio, whatever its name is."""
    return _remux(head) is not None


def _remux(head: bytes) -> Callable[[bytes], Recording] | None:
    """Return what reads a file that begins like this; None if it is no recording."""
    if head[4:8] in _BOXES:
        return None if head[8:12] in _STILL_BRANDS else mp4.remux_mp4
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return webm.remux_webm
    if head[:3] == b"ID3" or mp3.is_frame(head):
        return mp3.remux_mp3
    riff = head[:4] == b"RIFF" and head[8:12] in (b"WAVE", b"AVI ")
    transport = head[:1] == b"G" and head[188:189] == b"G"
    if riff or transport or head.startswith(_OTHERS):
        return _refuse
    return None


def _refuse(data: bytes) -> Recording:
    raise ImageError(UNUSABLE)


def ingest_media(
    source: BinaryIO, folder: Path, key: bytes, limits: Limits
) -> IngestedImage:
    """Write the recording in `source` to `folder`, without its metadata.

    The same content with the same key gives the same stem. Raises ImageError for files
    that are damaged, too large, too long or not for every browser, and for full disks;
    OSError if `folder` cannot be written for another reason.
    """
    limit = limits.megabytes << 20
    data = source.read(limit + 1)
    if len(data) > limit:
        raise ImageError(_TOO_LARGE, megabytes=limits.megabytes)
    recording = _read(data)
    if recording.seconds > limits.minutes * 60:
        raise ImageError(_TOO_LONG, minutes=limits.minutes)
    if recording.seconds <= 0:
        raise ImageError(_EMPTY)
    stem, width = ingest.stem_of(recording.chunks, key), recording.width
    ext = ingest.EXTENSIONS[recording.media_type]
    path = folder / ingest.variant_path(stem, width, ext)
    if path.is_file():
        path.touch()  # `sweep` deletes only old files that have no row
    else:
        _publish(recording, path, folder)
    return IngestedImage(
        stem,
        width,
        recording.height,
        (width,),
        media_type=recording.media_type,
        seconds=round(recording.seconds, 3),
        size=sum(map(len, recording.chunks)),
    )


def _read(data: bytes) -> Recording:
    """Read a file; whatever goes wrong in a hostile one becomes an ImageError."""
    remux = _remux(data[:HEAD_BYTES])
    if remux is None:
        raise damaged()
    try:
        return remux(data)
    except ImageError:
        raise
    except Exception as error:
        raise damaged() from error


def _publish(recording: Recording, path: Path, folder: Path) -> None:
    with ingest.refusing_full_disks():
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".new-", dir=folder) as scratch:
            made = Path(scratch, path.name)
            ingest.store(made, *recording.chunks)
            made.replace(path)
