"""Verify, orient, strip and resize the images that editors upload.

An upload is never published as it is: its pixels are decoded and encoded again, so that
nothing else in the file (locations, profiles, trailing bytes) reaches readers.
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
from typing import Any, BinaryIO, Final

from PIL import ExifTags, Image, ImageCms, ImageFile, UnidentifiedImageError
from PIL.Image import Resampling, Transpose

from entries.images import metadata

logger = logging.getLogger(__name__)

WIDTHS: Final = (480, 960, 1600)
FORMATS: Final = ("avif", "webp", "jpg")
MAX_UPLOAD_BYTES: Final = 25 * 1024 * 1024
MAX_PIXELS: Final = 40_000_000
# The decoders of these formats keep several copies: about 16 bytes per pixel.
MAX_PIXELS_BY_FORMAT: Final = {"WEBP": 25_000_000, "AVIF": 25_000_000}

_DECODERS: Final = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
_ENCODERS: Final[dict[str, dict[str, Any]]] = {
    "avif": {"format": "AVIF", "quality": 55, "speed": 8},
    "webp": {"format": "WEBP", "quality": 78, "method": 4},
    "jpg": {"format": "JPEG", "quality": 82, "optimize": True, "progressive": True},
}
_MAX_HEIGHT: Final = 16_383  # pixels: the limit of WebP
_MAX_VARIANT_PIXELS: Final = 6_000_000  # AVIF's encoder needs 45 bytes for each
_STRIP: Final = 256  # rows that are resized at once
# One image at a time per server process, including the processes that it starts, so
# that the largest image allowed also limits the memory used.
ingest_lock: Final = threading.Lock()
# The scans of a progressive JPEG. It usually has about ten; each one costs the decoder
# a pass over the whole image.
_SCAN: Final = re.compile(rb"\xff\xda\0[\x06-\x0c][\1-\4]")
_MAX_SCANS: Final = 100
_TRANSPOSITIONS: Final = {  # by EXIF orientation
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
_DAMAGED: Final = (
    "The picture is damaged or incomplete. "
    "Open it in a picture editor, save it anew as JPEG or PNG, and upload that."
)
_NOT_SAVED: Final = (
    "The picture was not saved because the disk {}. "
    "Tell whoever runs the site, then upload it again."
)
_DISK_PROBLEMS: Final = {
    errno.ENOSPC: "is full",
    errno.EDQUOT: "is full",
    errno.EROFS: "takes nothing just now",
}
_TOO_LARGE: Final = "The picture has {}. Make it smaller and upload that."
_TOO_LARGE_FOR_FORMAT: Final = (
    "The picture has more than {} million pixels, which is too many for "
    "this format. Make it smaller, or save it as JPEG, and upload that."
)
_UNIDENTIFIED: Final = (
    "This file is no picture that can be taken, or it is damaged. Upload a JPEG, PNG, "
    "WebP, GIF or AVIF picture; export a HEIC photo, an SVG or a PDF as JPEG first."
)
# For the whole process, because catch_warnings is not thread-safe. Pillow's other
# warnings are ignored: a single hostile EXIF block could fill the log with them.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.simplefilter("error", Image.DecompressionBombWarning)


class ImageError(ValueError):
    """An image that cannot be published; the message tells the editor what to do."""


@dataclass(frozen=True)
class IngestedImage:
    """A published image: sizes in pixels, and the texts embedded in the file, or ""."""

    stem: str
    width: int
    height: int
    widths: tuple[int, ...]
    alt: str
    caption: str
    credit: str


def ingest_image(source: BinaryIO, folder: Path, key: bytes) -> IngestedImage:
    """Write the variants of the image in `source` to `folder`.

    There is one for each width and format; widths that cannot be encoded are skipped.
    Animations are reduced to their first frame. The stem is an HMAC of the file, so an
    image that was published before is recognized and not written again. Raises
    ImageError if the file is not a valid image or the disk is full, and OSError if
    `folder` cannot be written for another reason.
    """
    with ingest_lock:
        return _ingest(read_upload(source), folder, key)


def _ingest(data: bytes, folder: Path, key: bytes) -> IngestedImage:
    with _image_errors(), closing(_open(data)) as image:
        orientation = _orientation(image)
        sizes = _sizes(*(image.size[::-1] if orientation > 4 else image.size))
        pixels = _decode(image, orientation, sizes[-1])
        texts = metadata.read_texts(image)
    digest = hmac.new(key, data, hashlib.sha256).hexdigest()[:40]
    stem = f"{digest[:2]}/{digest}"
    paths = [folder / variant_path(stem, w, ext) for w, _ in sizes for ext in FORMATS]
    if all(path.is_file() for path in paths):
        for path in paths:
            path.touch()  # keeps `sweep` from deleting files that have no row yet
    else:
        sizes = _publish(pixels, sizes, folder, stem)
    widths = tuple(width for width, _ in sizes)
    return IngestedImage(stem, *sizes[-1], widths, *texts)


def unsupported_formats() -> list[str]:
    """Return the formats that the installed Pillow cannot both read and write."""
    Image.init()
    names = {options["format"] for options in _ENCODERS.values()} | {"PNG"}
    return sorted(
        name for name in names if not {name} <= set(Image.SAVE) & set(Image.OPEN)
    )


def variant_path(stem: str, width: int, ext: str) -> str:
    """Return the path of a variant, relative to the image folder."""
    return f"{stem}-{width}.{ext}"


def remove_variants(folder: Path, stem: str, widths: Iterable[int]) -> None:
    """Delete the variants of an image, ignoring missing ones."""
    for width in widths:
        for ext in FORMATS:
            (folder / variant_path(stem, width, ext)).unlink(missing_ok=True)


@contextmanager
def _image_errors() -> Iterator[None]:
    """Convert any exception of Pillow, for example on a hostile file, to ImageError."""
    try:
        yield
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(_DAMAGED) from error


def read_upload(source: BinaryIO) -> bytes:
    """Read an upload. Raises ImageError if it is empty or too large."""
    data = source.read(MAX_UPLOAD_BYTES + 1)
    if not data:
        raise ImageError("The file is empty. Choose the picture again.")
    if len(data) > MAX_UPLOAD_BYTES:
        raise ImageError(_TOO_LARGE.format(f"more than {MAX_UPLOAD_BYTES >> 20} MB"))
    return data


def _open(data: bytes) -> ImageFile.ImageFile:
    """Open an image and check its header; its pixels are not decoded yet."""
    too_many = f"more than {MAX_PIXELS // 10**6} million pixels"
    try:
        image = Image.open(BytesIO(data), formats=_DECODERS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(_TOO_LARGE.format(too_many)) from error
    except UnidentifiedImageError as error:
        raise ImageError(_UNIDENTIFIED) from error
    if (pixels := image.width * image.height) > MAX_PIXELS:
        raise ImageError(_TOO_LARGE.format(too_many))
    if pixels > (limit := MAX_PIXELS_BY_FORMAT.get(image.format or "", MAX_PIXELS)):
        raise ImageError(_TOO_LARGE_FOR_FORMAT.format(limit // 10**6))
    if min(image.size) < 1 or len(_SCAN.findall(data)) > _MAX_SCANS:
        raise ImageError(_DAMAGED)
    image.verify()  # checks the checksums of a PNG, which decoding does not
    return Image.open(BytesIO(data), formats=_DECODERS)


def _orientation(image: Image.Image) -> int:
    with suppress(Exception):  # ignore a broken EXIF block
        value = image.getexif().get(ExifTags.Base.Orientation)
        return value if value in _TRANSPOSITIONS else 1
    return 1


def _sizes(width: int, height: int) -> list[tuple[int, int]]:
    """Return the width and height of every variant, ascending and never upscaled."""
    largest = min(width, WIDTHS[-1], max(1, width * _MAX_HEIGHT // height))
    largest = min(largest, max(1, math.isqrt(_MAX_VARIANT_PIXELS * width // height)))
    widths = [*(w for w in WIDTHS if w < largest), largest]
    return [(w, min(max(1, round(height * w / width)), _MAX_HEIGHT)) for w in widths]


def _decode(image: Image.Image, orientation: int, size: tuple[int, int]) -> Image.Image:
    """Decode to upright sRGB pixels of `size`, as RGB or RGBA without metadata."""
    stored = size[::-1] if orientation > 4 else size
    image.draft(None, stored)
    image.load()
    pixels = _to_srgb(_resize_in_strips(image, stored))
    if orientation in _TRANSPOSITIONS:
        pixels = pixels.transpose(_TRANSPOSITIONS[orientation])
    pixels.info.clear()
    return pixels


def _resize_in_strips(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Resize to L, RGB, CMYK or RGBA, without a second copy of the whole image.

    Each strip is first reduced by integer factors, as with `reducing_gap=2.0`.
    """
    across, down = (max(1, image.size[i] // (2 * size[i])) for i in (0, 1))
    rows = down * max(1, _STRIP // down)
    reduced: Image.Image | None = None
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        strip = _to_eight_bits(image.crop((0, top, image.width, bottom)))
        strip = strip.reduce((across, down))
        if reduced is None:
            reduced_size = (strip.width, math.ceil(image.height / down))
            reduced = Image.new(strip.mode, reduced_size)
        reduced.paste(strip, (0, top // down))
    assert reduced is not None  # noqa: S101 - every image has a row
    box = (0, 0, image.width / across, image.height / down)
    pixels = reduced.resize(size, Resampling.LANCZOS, box)
    pixels = pixels.convert("RGBA") if pixels.mode == "RGBa" else pixels
    pixels.info.update(image.info)
    return pixels


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Convert to L, RGB, CMYK or RGBa, which can be resized with interpolation.

    RGBa has its colours premultiplied by alpha, so the colours of transparent pixels,
    which somebody may have erased, are lost for good.
    """
    if image.mode.startswith("I"):  # 16 bits, which convert() would clip
        image.info.pop("transparency", None)
        return image.point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        return image.convert("RGBA").convert("RGBa")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _to_srgb(pixels: Image.Image) -> Image.Image:
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
    """Write all variants, each resized from the next larger one; return their sizes.

    Raises ImageError if no size can be encoded in every format or the disk is full. No
    files are left behind after an error.
    """
    written: list[tuple[int, int]] = []
    try:
        (folder / stem).parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".new-", dir=folder) as scratch:
            for size in reversed(sizes):
                pixels = pixels.resize(size, Resampling.LANCZOS, reducing_gap=2.0)
                try:
                    encoded = {ext: _encode(pixels, ext) for ext in FORMATS}
                except ImageError:
                    logger.warning("A picture does without the size %s x %s.", *size)
                    continue
                for ext, data in encoded.items():
                    _write(
                        Path(scratch, Path(variant_path(stem, size[0], ext)).name), data
                    )
                written.insert(0, size)
            if not written:
                raise ImageError(_DAMAGED)
            try:
                for path in Path(scratch).iterdir():
                    path.replace((folder / stem).with_name(path.name))
            except BaseException:
                remove_variants(folder, stem, (width for width, _ in sizes))
                raise
    except OSError as error:
        if reason := _DISK_PROBLEMS.get(error.errno or 0):
            raise ImageError(_NOT_SAVED.format(reason)) from error
        raise
    return written


def _encode(pixels: Image.Image, ext: str) -> bytes:
    if ext == "jpg" and pixels.mode == "RGBA":
        background = Image.new("RGB", pixels.size, "white")
        background.paste(pixels, mask=pixels.getchannel("A"))
        pixels = background
    encoded = BytesIO()
    with _image_errors():
        pixels.save(encoded, **_ENCODERS[ext])
    return encoded.getvalue()


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        # After a power cut there must be no empty file under its final name.
        os.fsync(file.fileno())
