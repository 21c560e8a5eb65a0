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
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final
from xml.etree import ElementTree as ET

from PIL import (
    ExifTags,
    Image,
    ImageCms,
    ImageFile,
    IptcImagePlugin,
    UnidentifiedImageError,
)
from PIL.Image import Resampling, Transpose

logger = logging.getLogger(__name__)

WIDTHS: Final = (480, 960, 1600)
FORMATS: Final = ("avif", "webp", "jpg")
UPLOAD_LIMIT: Final = 25 * 1024 * 1024  # bytes
PIXEL_LIMIT: Final = 40_000_000

_DECODERS: Final = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
_ENCODERS: Final[dict[str, dict[str, Any]]] = {
    "avif": {"format": "AVIF", "quality": 55, "speed": 8},
    "webp": {"format": "WEBP", "quality": 78, "method": 4},
    "jpg": {"format": "JPEG", "quality": 82, "optimize": True, "progressive": True},
}
_TALLEST: Final = 16_383  # pixels: WebP holds no more
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
_DAMAGED: Final = (
    "The picture is damaged or incomplete. "
    "Open it in a picture editor, save it anew as JPEG or PNG, and upload that."
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
_TOO_LARGE: Final = "The picture has {}. Make it smaller and upload that."
_UNIDENTIFIED: Final = (
    "This file is no picture that can be taken, or it is damaged. Upload a JPEG, PNG, "
    "WebP, GIF or AVIF picture; export a HEIC photo, an SVG or a PDF as JPEG first."
)
# What cameras write: DSC_0123 or another word with a digit, a file's name, their own
_NO_TEXT: Final = re.compile(
    r"\A([\w().-]*\d[\w().-]*|.+\.(jpe?g|png|webp|gif|avif|heic|tiff?)"
    r"|OLYMPUS DIGITAL CAMERA|SONY DSC)\Z",
    re.ASCII | re.IGNORECASE,
)
_JOINERS: Final = "\u200c\u200d\u200e\u200f"  # not printable, but part of spelling
_TEXT_LIMITS: Final = (500, 1000, 200)  # characters of alt text, caption, credit
_XMP_LIMIT: Final = 1024 * 1024  # bytes
_RDF: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_XMP_NAMES: Final = (
    "{http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/}AltTextAccessibility",
    "{http://purl.org/dc/elements/1.1/}description",
    "{http://purl.org/dc/elements/1.1/}creator",
    "{http://ns.adobe.com/photoshop/1.0/}Credit",
)
_Words = tuple[str, str, str, str]  # alt text, caption, byline, credit

# For the whole process, since catch_warnings is not safe between threads. What else
# Pillow finds odd goes unsaid: one hostile EXIF block would fill the log with it.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.simplefilter("error", Image.DecompressionBombWarning)


class ImageError(ValueError):
    """A picture that cannot be taken; str() tells the editor what to do."""


@dataclass(frozen=True)
class Ingested:
    """A published picture: sizes in pixels, texts "" where the file had none."""

    stem: str
    width: int
    height: int
    widths: tuple[int, ...]
    alt: str
    caption: str
    credit: str


def ingest(source: BinaryIO, folder: Path, key: bytes) -> Ingested:
    """Publish the picture in `source` as its variants under `folder`.

    Every width is written in every format; one that cannot be is left out, and the
    picture does without it. Of an animation the first frame is taken. The same bytes
    with the same key give the same stem, and files that are all there already are
    left alone. Raise ImageError for what is no sound picture and for a full disk,
    OSError when `folder` cannot be written otherwise.
    """
    data = _read(source)
    with _refusing():
        image = _open(data)
        orientation = _orientation(image)
        sizes = _sizes(*(image.size[::-1] if orientation > 4 else image.size))
        picture = _develop(image, orientation, sizes[-1])
        texts = _texts(image)
    digest = hmac.new(key, data, hashlib.sha256).hexdigest()[:40]
    stem = f"{digest[:2]}/{digest}"
    paths = [folder / variant(stem, w, ext) for w, _ in sizes for ext in FORMATS]
    if all(path.is_file() for path in paths):
        for path in paths:
            path.touch()  # `sweep` spares what is young until its row is there
    else:
        sizes = _publish(picture, sizes, folder, stem)
    widths = tuple(width for width, _ in sizes)
    return Ingested(stem, *sizes[-1], widths, *texts)


def unwritable() -> list[str]:
    """Return the formats that this Pillow cannot read and write."""
    Image.init()
    names = {options["format"] for options in _ENCODERS.values()} | {"PNG"}
    return sorted(
        name for name in names if not {name} <= set(Image.SAVE) & set(Image.OPEN)
    )


def variant(stem: str, width: int, ext: str) -> str:
    """Return the path of one variant, relative to the folder of pictures."""
    return f"{stem}-{width}.{ext}"


def remove(folder: Path, stem: str, widths: Iterable[int]) -> None:
    """Delete the variants of a picture; missing ones are no error."""
    for width in widths:
        for ext in FORMATS:
            (folder / variant(stem, width, ext)).unlink(missing_ok=True)


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn whatever a hostile file makes Pillow raise into an ImageError."""
    try:
        yield
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(_DAMAGED) from error


def _read(source: BinaryIO) -> bytes:
    data = source.read(UPLOAD_LIMIT + 1)
    if not data:
        raise ImageError("The file is empty. Choose the picture again.")
    if len(data) > UPLOAD_LIMIT:
        raise ImageError(_TOO_LARGE.format(f"more than {UPLOAD_LIMIT >> 20} MB"))
    return data


def _open(data: bytes) -> ImageFile.ImageFile:
    """Return the picture with its header read and its pixels not yet decoded."""
    too_many = _TOO_LARGE.format(f"more than {PIXEL_LIMIT // 10**6} million pixels")
    try:
        image = Image.open(BytesIO(data), formats=_DECODERS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(too_many) from error
    except UnidentifiedImageError as error:
        raise ImageError(_UNIDENTIFIED) from error
    if image.width * image.height > PIXEL_LIMIT:
        raise ImageError(too_many)
    if min(image.size) < 1 or len(_SCAN.findall(data)) > _SCAN_LIMIT:
        raise ImageError(_DAMAGED)
    image.verify()  # the checksums of a PNG, which decoding passes over
    return Image.open(BytesIO(data), formats=_DECODERS)


def _orientation(image: Image.Image) -> int:
    with suppress(Exception):  # a broken EXIF block says nothing
        value = image.getexif().get(ExifTags.Base.Orientation)
        return value if value in _TURNS else 1
    return 1


def _sizes(width: int, height: int) -> list[tuple[int, int]]:
    """Return width and height of every variant, ascending, never upscaled."""
    largest = min(width, WIDTHS[-1], max(1, width * _TALLEST // height))
    widths = [*(each for each in WIDTHS if each < largest), largest]
    return [(w, min(max(1, round(height * w / width)), _TALLEST)) for w in widths]


def _develop(
    image: Image.Image, orientation: int, size: tuple[int, int]
) -> Image.Image:
    """Decode to upright sRGB pixels of `size`, mode RGB or RGBA, and nothing else."""
    stored = size[::-1] if orientation > 4 else size
    image.draft(None, stored)
    image.load()
    picture = _in_srgb(_resized(_eight_bits(image), stored))
    if orientation in _TURNS:
        picture = picture.transpose(_TURNS[orientation])
    picture.info.clear()
    return picture


def _resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture.resize(size, Resampling.LANCZOS, reducing_gap=2.0)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return the picture as L, RGB, CMYK or RGBA, which resize smoothly."""
    if image.mode.startswith("I"):  # sixteen bits, which convert() would clip
        image.info.pop("transparency", None)
        return image.point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _in_srgb(picture: Image.Image) -> Image.Image:
    mode = "RGB"
    if picture.mode == "RGBA" and picture.getchannel("A").getextrema() != (255, 255):
        # Through RGBa, so that what an eraser made transparent is gone for good
        picture, mode = picture.convert("RGBa").convert("RGBA"), "RGBA"
    with suppress(Exception):  # a broken profile says nothing
        source = ImageCms.ImageCmsProfile(BytesIO(picture.info["icc_profile"]))
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(picture, source, target, outputMode=mode)
        picture = converted or picture
    return picture.convert(mode)


def _publish(
    picture: Image.Image, sizes: list[tuple[int, int]], folder: Path, stem: str
) -> list[tuple[int, int]]:
    """Write every variant, each made from the next larger one; return their sizes.

    Raise ImageError where no size can be had in all formats; then nothing is left.
    """
    made: list[tuple[int, int]] = []
    try:
        (folder / stem).parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".new-", dir=folder) as scratch:
            for size in reversed(sizes):
                picture = _resized(picture, size)
                try:
                    encoded = {ext: _encoded(picture, ext) for ext in FORMATS}
                except ImageError:
                    logger.warning("A picture does without the size %s x %s.", *size)
                    continue
                for ext, data in encoded.items():
                    _store(Path(scratch, Path(variant(stem, size[0], ext)).name), data)
                made.insert(0, size)
            if not made:
                raise ImageError(_DAMAGED)
            try:
                for path in Path(scratch).iterdir():
                    path.replace((folder / stem).with_name(path.name))
            except BaseException:
                remove(folder, stem, (width for width, _ in sizes))
                raise
    except OSError as error:
        if words := _DISK.get(error.errno or 0):
            raise ImageError(_NOT_SAVED.format(words)) from error
        raise
    return made


def _encoded(picture: Image.Image, ext: str) -> bytes:
    if ext == "jpg" and picture.mode == "RGBA":
        paper = Image.new("RGB", picture.size, "white")
        paper.paste(picture, mask=picture.getchannel("A"))
        picture = paper
    encoded = BytesIO()
    with _refusing():
        picture.save(encoded, **_ENCODERS[ext])
    return encoded.getvalue()


def _store(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        # A power cut must not leave an empty file under a name that counts as done
        os.fsync(file.fileno())


def _texts(image: ImageFile.ImageFile) -> tuple[str, str, str]:
    """Return alt text, caption and credit, each from the first block that has it."""
    found: list[_Words] = [("", "", "", "")]
    for read in (_xmp_words, _iptc_words, _exif_words):
        with suppress(Exception):  # a broken block says nothing
            found.append(read(image))
    alt, caption, byline, credit = (
        next(filter(None, map(_clean, each)), "") for each in zip(*found, strict=True)
    )
    if byline.casefold() not in credit.casefold():
        credit = f"{byline} / {credit}" if credit else byline
    texts = zip((alt, caption, credit), _TEXT_LIMITS, strict=True)
    alt, caption, credit = (text[:limit].rstrip() for text, limit in texts)
    return _NO_TEXT.sub("", alt), _NO_TEXT.sub("", caption), credit


def _xmp_words(image: ImageFile.ImageFile) -> _Words:
    raw: bytes = image.info["xmp"]
    text = raw.decode("utf-8-sig").strip("\0\r\n\t ")
    # Entities, by which XML grows and reads files, have to be declared in a DOCTYPE
    if len(raw) > _XMP_LIMIT or "<!DOCTYPE" in text:
        raise ValueError
    root = ET.fromstring(text)  # noqa: S314
    alt, caption, byline, credit = (_xmp_text(root, name) for name in _XMP_NAMES)
    return alt, caption, byline, credit


def _xmp_text(root: ET.Element, name: str) -> str:
    """Return a property that is an attribute, a text, a list, or in languages."""
    for description in root.iter(f"{_RDF}Description"):
        if value := description.get(name):
            return value
        if (element := description.find(name)) is not None:
            items = [item.text or "" for item in element.iter(f"{_RDF}li")]
            if element.find(f"{_RDF}Alt") is not None:
                items = items[:1]  # the default language stands first
            return ", ".join(items) or element.text or ""
    return ""


def _iptc_words(image: ImageFile.ImageFile) -> _Words:
    fields = IptcImagePlugin.getiptcinfo(image) or {}
    caption, byline, credit = (fields.get((2, n)) or b"" for n in (120, 80, 110))
    parts = (x if isinstance(x, list) else [x] for x in (caption, byline, credit))
    texts = [", ".join(map(_decoded, part)) for part in parts]
    return "", texts[0], texts[1], texts[2]


def _exif_words(image: ImageFile.ImageFile) -> _Words:
    exif = image.getexif()
    tags = (ExifTags.Base.ImageDescription, ExifTags.Base.Artist)
    values = (exif.get(tag) for tag in tags)
    # Pillow reads them as Latin-1, and those who wrote them mostly meant UTF-8
    texts = [v.encode("latin-1") if isinstance(v, str) else b"" for v in values]
    return "", _decoded(texts[0]), _decoded(texts[1]), ""


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _clean(text: str) -> str:
    """Return the text on one line, without control and formatting characters."""
    kept = (c if c.isprintable() or c in _JOINERS else " " * c.isspace() for c in text)
    return " ".join("".join(kept).split())
