"""Verify, orient, strip and resize the images that editors upload.

Files in, files out. The uploaded file itself is never published: its pixels are decoded
and encoded again, so no other content (GPS positions, profiles, trailing bytes) reaches
readers.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import logging
import math
import os
import re
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final, Protocol

import pi_heif
from PIL import ExifTags, Image, ImageCms, ImageFile, UnidentifiedImageError
from PIL.Image import Resampling, Transpose

from entries.images import jpeg, metadata

logger = logging.getLogger(__name__)

# The variants of an image. Very high images get smaller ones than the largest width.
WIDTHS: Final = (480, 960, 1600)
_MAX_HEIGHT: Final = 16_383  # pixels; the limit of WebP
_MAX_VARIANT_PIXELS: Final = 6_000_000  # AVIF's encoder needs 45 bytes for each
FORMATS: Final = ("avif", "webp", "jpg")  # best first; the last is for every browser
_ENCODERS: Final[dict[str, dict[str, Any]]] = {
    "avif": {"format": "AVIF", "quality": 55, "speed": 8},
    "webp": {"format": "WEBP", "quality": 78, "method": 4},
    "jpg": {"format": "JPEG", "quality": 82, "optimize": True, "progressive": True},
}
# The file name extensions of recordings, by their media types.
EXTENSIONS: Final = {
    "video/mp4": "mp4",
    "video/webm": "webm",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/webm": "weba",
}
# Uploads: their formats and limits.
_DECODERS: Final = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF")
MAX_UPLOAD_BYTES: Final = 25 * 1024 * 1024  # bytes
# Cameras sold as “100 megapixels” have up to 101.9 million. The JPEG decoder scales an
# image down while it reads, so only progressive ones need memory for all pixels.
MAX_PIXELS: Final = 102_000_000
# Phones and cameras sold as “50 megapixels” have up to 50.3 million. The decoders of
# WebP and AVIF hold three or four copies of an image: 16 bytes per pixel.
MAX_PIXELS_BY_FORMAT: Final = {
    "PNG": 52_000_000,
    "GIF": 52_000_000,
    "HEIF": 52_000_000,
    "WEBP": 25_000_000,
    "AVIF": 25_000_000,
}
MAX_COEFFICIENT_BYTES: Final = 400_000_000  # of a JPEG that must be decoded at once

_STRIP: Final = 256  # rows that are converted to eight bits at once
# A server process ingests one image at a time, so that the largest allowed image
# bounds its memory.
ingest_lock: Final = threading.Lock()
_SCAN: Final = re.compile(rb"\xff\xda\0[\x06-\x0c][\1-\4]")
_MAX_SCANS: Final = 100  # usually about 10; each is a pass over the whole image
_TURNS: Final = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


def gettext_noop(message: str) -> str:
    """Mark a message for translation, which `verbs.ingest_upload` does later.

    Django's own function needs settings, which the worker process does not load.
    """
    return message


_DAMAGED: Final = gettext_noop(
    "The picture is damaged or incomplete. "
    "Open it in a picture editor, save it as JPEG or PNG, and upload that."
)
_EMPTY: Final = gettext_noop("The file is empty. Choose the picture again.")
_DISK_FULL: Final = gettext_noop(
    "The file was not saved because the disk is full. "
    "Tell whoever runs the site, then upload it again."
)
_DISK: Final = {
    errno.ENOSPC: _DISK_FULL,
    errno.EDQUOT: _DISK_FULL,
    errno.EROFS: gettext_noop(
        "The file was not saved because the disk takes nothing just now. "
        "Tell whoever runs the site, then upload it again."
    ),
}
_TOO_MANY_BYTES: Final = gettext_noop(
    "The picture has more than {megabytes} MB. Make it smaller and upload that."
)
_TOO_MANY_PIXELS: Final = gettext_noop(
    "The picture has more than {millions} million pixels. "
    "Make it smaller and upload that."
)
_TOO_MANY_OF_ITS_KIND: Final = gettext_noop(
    "The picture has more than {millions} million pixels, which is too many for "
    "this format. Make it smaller, or save it as JPEG, and upload that."
)
_TOO_LARGE_PROGRESSIVE: Final = gettext_noop(
    "This progressive JPEG has {millions} million pixels, which is too many to open "
    "at once. Save it as a baseline JPEG (without “progressive”), or make it smaller, "
    "and upload that."
)
_UNIDENTIFIED: Final = gettext_noop(
    "This file is not a picture that can be used, or it is damaged. Upload a JPEG, "
    "PNG, WebP, GIF, AVIF or HEIC picture; export an SVG or a PDF as JPEG first. "
    "Video and audio can be MP4, WebM, MP3 or M4A."
)
# For the whole process, since catch_warnings is not thread-safe. Pillow's other
# warnings are ignored: one hostile EXIF block could fill the log with them.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.simplefilter("error", Image.DecompressionBombWarning)
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


class ImageError(ValueError):
    """An image was rejected; str() tells the editor what to do.

    `message` is the text without `values` filled in, so that it can be translated.
    """

    def __init__(self, message: str, **values: int | str) -> None:
        super().__init__(message.format(**values) if values else message)
        self.message, self.values = message, values


@dataclass(frozen=True)
class IngestedImage:
    """A published image: sizes in pixels, and texts ("" if the file had none).

    Of a recording, `media_type`, `seconds` and `size` in bytes are set, and the texts
    are empty. Its one file has the width in its name, which is 0 for audio.
    """

    stem: str
    width: int
    height: int
    widths: tuple[int, ...]
    alt: str = ""
    caption: str = ""
    credit: str = ""
    media_type: str = ""
    seconds: float = 0.0
    size: int = 0


def ingest_image(source: BinaryIO, folder: Path, key: bytes) -> IngestedImage:
    """Write the variants of the image in `source` to `folder`.

    Every width is written in every format. A width that cannot be encoded is skipped.
    Animations are reduced to their first frame. The same bytes with the same key give
    the same stem, and variants that exist already are not written again. Raises
    ImageError for damaged images and full disks, and OSError if `folder` cannot be
    written for another reason.
    """
    with ingest_lock:
        return _ingest(read_upload(source), folder, key)


def _ingest(data: bytes, folder: Path, key: bytes) -> IngestedImage:
    with _refusing(), closing(_open(data)) as image:
        orientation = _orientation(image)
        source = _Heif(data) if image.format == "HEIF" else image
        sizes = _sizes(*(source.size[::-1] if orientation > 4 else source.size))
        pixels = _develop(source, orientation, sizes[-1])
        del source
        texts = metadata.read_texts(image)
    stem = stem_of([data], key)
    paths = [folder / variant_path(stem, w, ext) for w, _ in sizes for ext in FORMATS]
    if all(path.is_file() for path in paths):
        for path in paths:
            path.touch()  # `sweep` deletes only old files that have no row
    else:
        sizes = _publish(pixels, sizes, folder, stem)
    widths = tuple(width for width, _ in sizes)
    return IngestedImage(stem, *sizes[-1], widths, *texts)


def stem_of(chunks: Iterable[bytes | memoryview], key: bytes) -> str:
    """Return how the paths of a file's variants begin: with a keyed hash."""
    made = hmac.new(key, digestmod=hashlib.sha256)
    for chunk in chunks:
        made.update(chunk)
    digest = made.hexdigest()[:40]
    return f"{digest[:2]}/{digest}"


def unsupported_formats() -> list[str]:
    """Return the names of formats that the installed Pillow cannot read and write."""
    Image.init()
    names = {options["format"] for options in _ENCODERS.values()} | {"PNG"}
    return sorted(
        name for name in names if not {name} <= set(Image.SAVE) & set(Image.OPEN)
    )


def variant_path(stem: str, width: int, ext: str) -> str:
    """Return the path of a variant, relative to the images folder."""
    return f"{stem}-{width}.{ext}"


def media_type(path: str) -> str:
    """Return the media type of a published file."""
    ext = path.rpartition(".")[2]
    recordings = {known: type_ for type_, known in EXTENSIONS.items()}
    return recordings.get(ext, "image/jpeg" if ext == "jpg" else f"image/{ext}")


def remove_variants(folder: Path, stem: str, widths: Iterable[int]) -> None:
    """Delete the variants of an image, ignoring missing ones."""
    for width in widths:
        for ext in (*FORMATS, *EXTENSIONS.values()):
            (folder / variant_path(stem, width, ext)).unlink(missing_ok=True)


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn any exception of Pillow, such as for a hostile file, into an ImageError."""
    try:
        yield
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(_DAMAGED) from error


@contextmanager
def refusing_full_disks() -> Iterator[None]:
    """Turn the OSError of a full or read-only disk into an ImageError."""
    try:
        yield
    except OSError as error:
        if message := _DISK.get(error.errno or 0):
            raise ImageError(message) from error
        raise


def read_upload(source: BinaryIO) -> bytes:
    """Return the bytes of a file. Raises ImageError if it is empty or too large."""
    data = source.read(MAX_UPLOAD_BYTES + 1)
    if not data:
        raise ImageError(_EMPTY)
    if len(data) > MAX_UPLOAD_BYTES:
        raise ImageError(_TOO_MANY_BYTES, megabytes=MAX_UPLOAD_BYTES >> 20)
    return data


def _open(data: bytes) -> ImageFile.ImageFile:
    """Return the image with its header read and its pixels not yet decoded."""
    try:
        image = Image.open(BytesIO(data), formats=_DECODERS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(_TOO_MANY_PIXELS, millions=MAX_PIXELS // 10**6) from error
    except UnidentifiedImageError as error:
        raise ImageError(_UNIDENTIFIED) from error
    _check_pixels(image.width * image.height, image.format or "")
    if min(image.size) < 1 or len(_SCAN.findall(data)) > _MAX_SCANS:
        raise ImageError(_DAMAGED)
    if image.format == "JPEG":
        _check_jpeg(image, data)
    image.verify()  # decoding does not check the checksums of a PNG
    return Image.open(BytesIO(data), formats=_DECODERS)


def _check_pixels(pixels: int, kind: str) -> None:
    limit = MAX_PIXELS_BY_FORMAT.get(kind, MAX_PIXELS)
    if pixels > limit:
        message = _TOO_MANY_PIXELS if kind == "JPEG" else _TOO_MANY_OF_ITS_KIND
        raise ImageError(message, millions=limit // 10**6)


def _check_jpeg(image: Any, data: bytes) -> None:
    """Reject a JPEG whose decoder would need too much memory."""
    if "progressive" in image.info or jpeg.is_whole(data, image.layers):
        pixels = image.width * image.height
        sampling = [(across, down) for _, across, down, _ in image.layer]
        if jpeg.coefficient_bytes(pixels, sampling) > MAX_COEFFICIENT_BYTES:
            raise ImageError(_TOO_LARGE_PROGRESSIVE, millions=pixels // 10**6)


class _Source(Protocol):
    """An image that is read in strips: one of Pillow's, or a HEIF."""

    @property
    def size(self) -> tuple[int, int]: ...

    @property
    def info(self) -> dict[Any, Any]: ...

    def crop(self, box: tuple[int, int, int, int]) -> Image.Image: ...


class _Heif:
    """A decoded HEIF, already upright, which Pillow does not copy as a whole."""

    def __init__(self, data: bytes) -> None:
        self._file = pi_heif.open_heif(BytesIO(data), convert_hdr_to_8bit=True)
        self._data = self._file.data  # valid only as long as `_file` exists
        self._mode, self._stride = self._file.mode, self._file.stride
        self.size: tuple[int, int] = self._file.size  # after decoding
        self.info: dict[Any, Any] = self._file.info
        _check_pixels(self.size[0] * self.size[1], "HEIF")

    def crop(self, box: tuple[int, int, int, int]) -> Image.Image:
        """Return rows of the image at full width; left and right are ignored."""
        _, top, _, bottom = box
        rows = self._data[top * self._stride : bottom * self._stride]
        size = (self.size[0], bottom - top)
        return Image.frombytes(self._mode, size, rows, "raw", self._mode, self._stride)


def _orientation(image: Image.Image) -> int:
    with suppress(Exception):  # ignore a broken EXIF block
        value = image.getexif().get(ExifTags.Base.Orientation)
        return value if value in _TURNS else 1
    return 1


def _sizes(width: int, height: int) -> list[tuple[int, int]]:
    """Return the width and height of each variant, ascending, without upscaling."""
    largest = min(width, WIDTHS[-1], max(1, width * _MAX_HEIGHT // height))
    largest = min(largest, max(1, math.isqrt(_MAX_VARIANT_PIXELS * width // height)))
    widths = [*(each for each in WIDTHS if each < largest), largest]
    return [(w, min(max(1, round(height * w / width)), _MAX_HEIGHT)) for w in widths]


def _develop(image: _Source, orientation: int, size: tuple[int, int]) -> Image.Image:
    """Decode to upright sRGB pixels of `size` in mode RGB or RGBA, without metadata."""
    stored = size[::-1] if orientation > 4 else size
    if isinstance(image, Image.Image):
        image.draft(None, stored)
        image.load()
    pixels = _in_srgb(_shrunk(image, stored))
    if orientation in _TURNS:
        pixels = pixels.transpose(_TURNS[orientation])
    pixels.info.clear()
    return pixels


def _shrunk(image: _Source, size: tuple[int, int]) -> Image.Image:
    """Resize to mode L, RGB, CMYK or RGBA without a second copy of all pixels.

    Each strip is first reduced by a whole number, as `reducing_gap=2.0` would do.
    """
    width, height = image.size
    across, down = (max(1, image.size[i] // (2 * size[i])) for i in (0, 1))
    rows = down * max(1, _STRIP // down)
    smaller: Image.Image | None = None
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        strip = _eight_bits(image.crop((0, top, width, bottom)))
        strip = strip.reduce((across, down))
        if smaller is None:
            whole = (strip.width, math.ceil(height / down))
            smaller = Image.new(strip.mode, whole)
        smaller.paste(strip, (0, top // down))
    assert smaller is not None  # noqa: S101 - every image has a row
    box = (0, 0, width / across, height / down)
    pixels = smaller.resize(size, Resampling.LANCZOS, box)
    pixels = pixels.convert("RGBA") if pixels.mode == "RGBa" else pixels
    pixels.info.update(image.info)
    return pixels


def _eight_bits(image: Image.Image) -> Image.Image:
    """Convert to mode L, RGB, CMYK or RGBa, which can be resized smoothly.

    RGBa has colours multiplied by alpha, which destroys the colours of pixels that
    somebody erased (made transparent).
    """
    if image.mode.startswith("I"):  # 16 bits per pixel, which convert() would clip
        image.info.pop("transparency", None)
        return image.point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        return image.convert("RGBA").convert("RGBa")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _in_srgb(pixels: Image.Image) -> Image.Image:
    mode = "RGB"
    if pixels.mode == "RGBA" and pixels.getchannel("A").getextrema() != (255, 255):
        mode = "RGBA"
    with suppress(Exception):  # ignore a broken profile
        source = ImageCms.ImageCmsProfile(BytesIO(pixels.info["icc_profile"]))
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(pixels, source, target, outputMode=mode)
        pixels = converted or pixels
    return pixels.convert(mode)


def _publish(
    pixels: Image.Image, sizes: list[tuple[int, int]], folder: Path, stem: str
) -> list[tuple[int, int]]:
    """Write all variants, each resized from the next larger; return their sizes.

    Raises ImageError, and leaves no files, if no size can be encoded in all formats.
    """
    made: list[tuple[int, int]] = []
    with refusing_full_disks():
        (folder / stem).parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".new-", dir=folder) as scratch:
            for size in reversed(sizes):
                pixels = pixels.resize(size, Resampling.LANCZOS, reducing_gap=2.0)
                try:
                    encoded = {ext: _encoded(pixels, ext) for ext in FORMATS}
                except ImageError:
                    logger.warning("An image has no variant of size %s x %s.", *size)
                    continue
                for ext, data in encoded.items():
                    store(
                        Path(scratch, Path(variant_path(stem, size[0], ext)).name), data
                    )
                made.insert(0, size)
            if not made:
                raise ImageError(_DAMAGED)
            try:
                for path in Path(scratch).iterdir():
                    path.replace((folder / stem).with_name(path.name))
            except BaseException:
                remove_variants(folder, stem, (width for width, _ in sizes))
                raise
    return made


def _encoded(pixels: Image.Image, ext: str) -> bytes:
    if ext == "jpg" and pixels.mode == "RGBA":
        paper = Image.new("RGB", pixels.size, "white")
        paper.paste(pixels, mask=pixels.getchannel("A"))
        pixels = paper
    encoded = BytesIO()
    with _refusing():
        pixels.save(encoded, **_ENCODERS[ext])
    return encoded.getvalue()


def store(path: Path, *chunks: bytes | memoryview) -> None:
    """Write a file, and wait until it is on the disk."""
    with path.open("wb") as file:
        file.writelines(chunks)
        file.flush()
        # After a power cut, an empty file would be taken for a finished variant.
        os.fsync(file.fileno())
