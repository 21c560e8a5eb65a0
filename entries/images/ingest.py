"""Verify, orient, strip and resize the pictures that editors upload.

Files in, files out. An upload is never published as it came: its pixels are decoded
and encoded anew, so that nothing else it carried (places, profiles, trailing bytes)
reaches a reader.
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

WIDTHS: Final = (480, 960, 1600)
FORMATS: Final = ("avif", "webp", "jpg")
MAX_UPLOAD_BYTES: Final = 25 * 1024 * 1024  # bytes
# Cameras of “100 megapixels” have up to 101.9 million. A JPEG's decoder makes them
# smaller while it reads, so only a progressive one needs memory for all of them.
MAX_PIXELS: Final = 102_000_000
# Phones and cameras of “50 megapixels” have up to 50.3 million. The decoders of WebP
# and AVIF hold a picture three or four times at once: 16 bytes a pixel.
MAX_PIXELS_BY_FORMAT: Final = {
    "PNG": 52_000_000,
    "GIF": 52_000_000,
    "HEIF": 52_000_000,
    "WEBP": 25_000_000,
    "AVIF": 25_000_000,
}
MAX_COEFFICIENT_BYTES: Final = 400_000_000  # of a JPEG that is decoded whole

_DECODERS: Final = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF")
_ENCODERS: Final[dict[str, dict[str, Any]]] = {
    "avif": {"format": "AVIF", "quality": 55, "speed": 8},
    "webp": {"format": "WEBP", "quality": 78, "method": 4},
    "jpg": {"format": "JPEG", "quality": 82, "optimize": True, "progressive": True},
}
_MAX_HEIGHT: Final = 16_383  # pixels: WebP holds no more
_MAX_VARIANT_PIXELS: Final = (
    6_000_000  # pixels of a variant: AVIF's encoder needs 45 bytes for each
)
_STRIP: Final = 256  # rows that are brought to eight bits at once
# One picture at a time in a server's process and the processes that it starts,
# whoever brings it, so that memory is bounded by the largest that is taken.
ingest_lock: Final = threading.Lock()
_SCAN: Final = re.compile(rb"\xff\xda\0[\x06-\x0c][\1-\4]")
_SCAN_LIMIT: Final = 100  # a progressive JPEG has ten; each costs a pass over it all
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
    """Mark a message for the catalogues; `verbs.ingest_upload` translates it.

    Django's own function needs settings, which a picture's process does not load.
    """
    return message


_DAMAGED: Final = gettext_noop(
    "The picture is damaged or incomplete. "
    "Open it in a picture editor, save it as JPEG or PNG, and upload that."
)
_NOT_SAVED: Final = (
    "The picture was not saved because the disk {}. "
    "Tell whoever runs the site, then upload it again."
)
_DISK: Final = {
    errno.ENOSPC: "is full",
    errno.EDQUOT: "is full",
    errno.EROFS: "takes nothing just now",
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
    "PNG, WebP, GIF, AVIF or HEIC picture; export an SVG or a PDF as JPEG first."
)
# For the whole process, since catch_warnings is not safe between threads. What else
# Pillow finds odd goes unsaid: one hostile EXIF block would fill the log with it.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.simplefilter("error", Image.DecompressionBombWarning)
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


class ImageError(ValueError):
    """A picture that cannot be taken; str() tells the editor what to do.

    `message` is the text with `values` not yet filled in, for a translation.
    """

    def __init__(self, message: str, **values: int) -> None:
        super().__init__(message.format(**values) if values else message)
        self.message, self.values = message, values


@dataclass(frozen=True)
class IngestedImage:
    """A published picture: sizes in pixels, texts "" where the file had none."""

    stem: str
    width: int
    height: int
    widths: tuple[int, ...]
    alt: str
    caption: str
    credit: str


def ingest_image(source: BinaryIO, folder: Path, key: bytes) -> IngestedImage:
    """Publish the picture in `source` as its variants under `folder`.

    Every width is written in every format; one that cannot be is left out, and the
    picture does without it. Of an animation the first frame is taken. The same bytes
    with the same key give the same stem, and files that are all there already are
    left alone. Raise ImageError for what is no sound picture and for a full disk,
    OSError when `folder` cannot be written otherwise.
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
    digest = hmac.new(key, data, hashlib.sha256).hexdigest()[:40]
    stem = f"{digest[:2]}/{digest}"
    paths = [folder / variant_path(stem, w, ext) for w, _ in sizes for ext in FORMATS]
    if all(path.is_file() for path in paths):
        for path in paths:
            path.touch()  # `sweep` spares what is young until its row is there
    else:
        sizes = _publish(pixels, sizes, folder, stem)
    widths = tuple(width for width, _ in sizes)
    return IngestedImage(stem, *sizes[-1], widths, *texts)


def unsupported_formats() -> list[str]:
    """Return the formats that this Pillow cannot read and write."""
    Image.init()
    names = {options["format"] for options in _ENCODERS.values()} | {"PNG"}
    return sorted(
        name for name in names if not {name} <= set(Image.SAVE) & set(Image.OPEN)
    )


def variant_path(stem: str, width: int, ext: str) -> str:
    """Return the path of one variant, relative to the folder of pictures."""
    return f"{stem}-{width}.{ext}"


def remove_variants(folder: Path, stem: str, widths: Iterable[int]) -> None:
    """Delete the variants of a picture; missing ones are no error."""
    for width in widths:
        for ext in FORMATS:
            (folder / variant_path(stem, width, ext)).unlink(missing_ok=True)


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn whatever a hostile file makes Pillow raise into an ImageError."""
    try:
        yield
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(_DAMAGED) from error


def read_upload(source: BinaryIO) -> bytes:
    """Return the bytes of a file; raise ImageError if it is empty or too large."""
    data = source.read(MAX_UPLOAD_BYTES + 1)
    if not data:
        raise ImageError("The file is empty. Choose the picture again.")
    if len(data) > MAX_UPLOAD_BYTES:
        raise ImageError(_TOO_MANY_BYTES, megabytes=MAX_UPLOAD_BYTES >> 20)
    return data


def _open(data: bytes) -> ImageFile.ImageFile:
    """Return the picture with its header read and its pixels not yet decoded."""
    try:
        image = Image.open(BytesIO(data), formats=_DECODERS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(_TOO_MANY_PIXELS, millions=MAX_PIXELS // 10**6) from error
    except UnidentifiedImageError as error:
        raise ImageError(_UNIDENTIFIED) from error
    _check_pixels(image.width * image.height, image.format or "")
    if min(image.size) < 1 or len(_SCAN.findall(data)) > _SCAN_LIMIT:
        raise ImageError(_DAMAGED)
    if image.format == "JPEG":
        _check_jpeg(image, data)
    image.verify()  # the checksums of a PNG, which decoding passes over
    return Image.open(BytesIO(data), formats=_DECODERS)


def _check_pixels(pixels: int, kind: str) -> None:
    limit = MAX_PIXELS_BY_FORMAT.get(kind, MAX_PIXELS)
    if pixels > limit:
        message = _TOO_MANY_PIXELS if kind == "JPEG" else _TOO_MANY_OF_ITS_KIND
        raise ImageError(message, millions=limit // 10**6)


def _check_jpeg(image: Any, data: bytes) -> None:
    """Refuse a JPEG whose decoder would keep more of it at once than may be."""
    if "progressive" in image.info or jpeg.is_whole(data, image.layers):
        pixels = image.width * image.height
        sampling = [(across, down) for _, across, down, _ in image.layer]
        if jpeg.coefficient_bytes(pixels, sampling) > MAX_COEFFICIENT_BYTES:
            raise ImageError(_TOO_LARGE_PROGRESSIVE, millions=pixels // 10**6)


class _Source(Protocol):
    """A picture to take strips from: Pillow's own, or a HEIF."""

    @property
    def size(self) -> tuple[int, int]: ...

    @property
    def info(self) -> dict[Any, Any]: ...

    def crop(self, box: tuple[int, int, int, int]) -> Image.Image: ...


class _Heif:
    """A decoded HEIF, upright already, of which Pillow never holds a whole copy."""

    def __init__(self, data: bytes) -> None:
        self._file = pi_heif.open_heif(BytesIO(data), convert_hdr_to_8bit=True)
        self._data = self._file.data  # memory of the file's, valid as long as it lives
        self._mode, self._stride = self._file.mode, self._file.stride
        self.size: tuple[int, int] = self._file.size  # known once it is decoded
        self.info: dict[Any, Any] = self._file.info
        _check_pixels(self.size[0] * self.size[1], "HEIF")

    def crop(self, box: tuple[int, int, int, int]) -> Image.Image:
        """Return some rows, in their whole width."""
        _, top, _, bottom = box
        rows = self._data[top * self._stride : bottom * self._stride]
        size = (self.size[0], bottom - top)
        return Image.frombytes(self._mode, size, rows, "raw", self._mode, self._stride)


def _orientation(image: Image.Image) -> int:
    with suppress(Exception):  # a broken EXIF block says nothing
        value = image.getexif().get(ExifTags.Base.Orientation)
        return value if value in _TURNS else 1
    return 1


def _sizes(width: int, height: int) -> list[tuple[int, int]]:
    """Return width and height of every variant, ascending, never upscaled."""
    largest = min(width, WIDTHS[-1], max(1, width * _MAX_HEIGHT // height))
    largest = min(largest, max(1, math.isqrt(_MAX_VARIANT_PIXELS * width // height)))
    widths = [*(each for each in WIDTHS if each < largest), largest]
    return [(w, min(max(1, round(height * w / width)), _MAX_HEIGHT)) for w in widths]


def _develop(image: _Source, orientation: int, size: tuple[int, int]) -> Image.Image:
    """Decode to upright sRGB pixels of `size`, mode RGB or RGBA, and nothing else."""
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
    """Resize to L, RGB, CMYK or RGBA, with no second copy of all the pixels.

    Strip after strip is made smaller by whole numbers, as `reducing_gap=2.0` would.
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
    assert smaller is not None  # noqa: S101 - every picture has a row
    box = (0, 0, width / across, height / down)
    pixels = smaller.resize(size, Resampling.LANCZOS, box)
    pixels = pixels.convert("RGBA") if pixels.mode == "RGBa" else pixels
    pixels.info.update(image.info)
    return pixels


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return the picture as L, RGB, CMYK or RGBa, which resize smoothly.

    RGBa has its colours multiplied by alpha, so that what an eraser made transparent
    is gone for good.
    """
    if image.mode.startswith("I"):  # sixteen bits, which convert() would clip
        image.info.pop("transparency", None)
        return image.point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        return image.convert("RGBA").convert("RGBa")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _in_srgb(pixels: Image.Image) -> Image.Image:
    mode = "RGB"
    if pixels.mode == "RGBA" and pixels.getchannel("A").getextrema() != (255, 255):
        mode = "RGBA"
    with suppress(Exception):  # a broken profile says nothing
        source = ImageCms.ImageCmsProfile(BytesIO(pixels.info["icc_profile"]))
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(pixels, source, target, outputMode=mode)
        pixels = converted or pixels
    return pixels.convert(mode)


def _publish(
    pixels: Image.Image, sizes: list[tuple[int, int]], folder: Path, stem: str
) -> list[tuple[int, int]]:
    """Write every variant, each made from the next larger one; return their sizes.

    Raise ImageError where no size can be had in all formats; then nothing is left.
    """
    made: list[tuple[int, int]] = []
    try:
        (folder / stem).parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".new-", dir=folder) as scratch:
            for size in reversed(sizes):
                pixels = pixels.resize(size, Resampling.LANCZOS, reducing_gap=2.0)
                try:
                    encoded = {ext: _encoded(pixels, ext) for ext in FORMATS}
                except ImageError:
                    logger.warning("A picture does without the size %s x %s.", *size)
                    continue
                for ext, data in encoded.items():
                    _store(
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
    except OSError as error:
        if words := _DISK.get(error.errno or 0):
            raise ImageError(_NOT_SAVED.format(words)) from error
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


def _store(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        # A power cut must not leave an empty file under a name that counts as done
        os.fsync(file.fileno())
