"""Photos for the tests, valid and hostile, and a decoder to check the results."""

from __future__ import annotations

import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, ImageCms
from PIL.Image import Resampling

from entries.images.ingest import FORMATS, IngestedImage, ingest_image, variant_path

KEY = b"a key for the tests"
SECRET = b"51.5007N-SECRET"
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
SOURCES = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
# Made with an encoder that the project does without, since its licence is the GPL.
HEIC = Path(__file__).parent / "heic"
XMP_HEAD = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
    ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
    ' xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"'
    ' xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
    ' xmlns:Iptc4xmpCore="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/">'
)
XMP_TAIL = "</rdf:RDF></x:xmpmeta>"


# Making pictures


def encode(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def noise(width: int = 96, height: int = 64) -> Image.Image:
    """A picture that does not compress to nothing, the same on every run."""
    return Image.frombytes(
        "RGB", (width, height), random.Random(1).randbytes(width * height * 3)
    )


def photograph(seed: int, size: tuple[int, int] = (2000, 1500)) -> bytes:
    """An ordinary photograph as JPEG, about 150 kB, another one for each seed."""
    small = (size[0] // 36, size[1] // 36)
    grain = random.Random(seed).randbytes(small[0] * small[1] * 3)
    picture = Image.frombytes("RGB", small, grain).resize(size, Resampling.BICUBIC)
    return encode(picture, "JPEG", quality=45)


def flat_png(seed: int) -> bytes:
    """A PNG of 40 million pixels in about 150 kB, another one for each seed."""
    return encode(Image.new("RGB", (8000, 5000), (seed, 90, 200)))


def flag(left: Any, right: Any, size: tuple[int, int] = (80, 40)) -> Image.Image:
    """Two colours side by side."""
    picture = Image.new("RGB", size, left)
    picture.paste(right, (size[0] // 2, 0, *size))
    return picture


def xmp(properties: str) -> bytes:
    return f"{XMP_HEAD}{properties}{XMP_TAIL}".encode()


def exif(**tags: Any) -> Image.Exif:
    block = Image.Exif()
    for name, value in tags.items():
        block[ExifTags.Base[name]] = value
    return block


def segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def with_segment(jpeg: bytes, marker: int, body: bytes) -> bytes:
    return jpeg[:2] + segment(marker, body) + jpeg[2:]


def iptc(*datasets: tuple[int, bytes]) -> bytes:
    """An APP13 body: Photoshop's wrapping around IPTC-IIM record 2."""
    data = b"".join(
        struct.pack(">BBBH", 0x1C, 2, number, len(text)) + text
        for number, text in datasets
    )
    return (
        b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(data)) + data
    )


def chunk(name: bytes, body: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + crc


def png(
    width: int,
    height: int,
    pixels: bytes,
    extra: bytes = b"",
    kind: int = 2,
    bits: int = 8,
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(pixels))
        + chunk(b"IEND", b"")
    )


def with_checksums(data: bytearray) -> bytes:
    """A PNG with its checksums made right again, as an attacker would make them."""
    out, at = bytes(data[:8]), 8
    while at + 12 <= len(data):
        size = struct.unpack(">I", data[at : at + 4])[0]
        out += chunk(bytes(data[at + 4 : at + 8]), bytes(data[at + 8 : at + 8 + size]))
        at += 12 + size
    return out


def webp(name: bytes, body: bytes) -> bytes:
    inner = b"WEBP" + name + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def jpeg_of_size(width: int, height: int, **options: Any) -> bytes:
    """A JPEG whose header claims another size than its pixels have."""
    data = encode(noise(), "JPEG", **options)
    frame = b"\xff\xc2" if options.get("progressive") else b"\xff\xc0"
    at = data.index(frame) + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def zipped() -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("picture.txt", SECRET)
    return out.getvalue()


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """An ICC profile in which the first channel means green and the second red."""
    profile = srgb()
    table, rest = profile[:400], profile[400:]
    table = table.replace(b"rXYZ", b"?XYZ").replace(b"gXYZ", b"rXYZ")
    return table.replace(b"?XYZ", b"gXYZ") + rest


# Reading what was published


def take(folder: Path, data: bytes, key: bytes = KEY) -> IngestedImage:
    return ingest_image(BytesIO(data), folder, key)


def load(
    folder: Path, done: IngestedImage, ext: str, width: int | None = None
) -> Image.Image:
    path = folder / variant_path(done.stem, width or done.width, ext)
    kind = {"avif": "AVIF", "webp": "WEBP", "jpg": "JPEG"}[ext]
    picture = Image.open(BytesIO(path.read_bytes()), formats=[kind])
    picture.load()
    return picture


def published(folder: Path, data: bytes) -> Iterator[Image.Image]:
    """The largest variant of a picture in each format."""
    done = take(folder, data)
    return (load(folder, done, ext) for ext in FORMATS)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def near(picture: Image.Image, at: tuple[int, int], colour: tuple[int, ...]) -> bool:
    pixel = picture.convert("RGBA" if len(colour) == 4 else "RGB").getpixel(at)
    assert isinstance(pixel, tuple)
    return all(abs(a - b) <= 14 for a, b in zip(pixel, colour, strict=True))
