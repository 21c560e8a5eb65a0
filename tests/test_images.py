"""Pictures: what may come in, and that nothing but pixels goes out."""

from __future__ import annotations

import errno
import os
import random
import struct
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from entries import images
from entries.images import FORMATS, ImageError, Ingested, ingest, remove, variant

# pytest puts filters of its own in the place of those that the module sets
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),
    pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning"),
]

KEY = b"a key for the tests"
SECRET = b"51.5007N-SECRET"
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
SOURCES = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
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


def jpeg_of_size(width: int, height: int) -> bytes:
    """A JPEG whose header claims another size than its pixels have."""
    data = encode(noise(), "JPEG")
    at = data.index(b"\xff\xc0") + 5
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


def take(folder: Path, data: bytes, key: bytes = KEY) -> Ingested:
    return ingest(BytesIO(data), folder, key)


def load(
    folder: Path, done: Ingested, ext: str, width: int | None = None
) -> Image.Image:
    path = folder / variant(done.stem, width or done.width, ext)
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


# Names, sizes, files


@pytest.mark.parametrize(
    ("size", "widths", "largest"),
    [
        ((300, 200), (300,), (300, 200)),
        ((480, 320), (480,), (480, 320)),
        ((700, 350), (480, 700), (700, 350)),
        ((960, 10), (480, 960), (960, 10)),
        ((2000, 1000), (480, 960, 1600), (1600, 800)),
        ((1, 1), (1,), (1, 1)),
        ((1, 20_000), (1,), (1, 16_383)),
        ((20_000, 1), (480, 960, 1600), (1600, 1)),
    ],
)
def test_variants_are_never_upscaled_and_have_the_size_they_claim(
    tmp_path: Path,
    size: tuple[int, int],
    widths: tuple[int, ...],
    largest: tuple[int, int],
) -> None:
    done = take(tmp_path, encode(Image.new("RGB", size, RED)))
    assert (done.widths, (done.width, done.height)) == (widths, largest)
    for width in widths:
        height = max(1, round(done.height * width / done.width))
        for ext in FORMATS:
            picture = load(tmp_path, done, ext, width)
            assert picture.size == (width, height)
            assert near(picture, (0, 0), RED)
    assert len(files(tmp_path)) == len(widths) * len(FORMATS)


@pytest.mark.parametrize("kind", SOURCES)
def test_every_format_is_taken(tmp_path: Path, kind: str) -> None:
    done = take(tmp_path, encode(flag(RED, BLUE), kind))
    for ext in FORMATS:
        assert near(load(tmp_path, done, ext), (10, 20), RED)
        assert near(load(tmp_path, done, ext), (70, 20), BLUE)


def test_the_stem_depends_on_the_bytes_and_the_key_alone(tmp_path: Path) -> None:
    first, second = encode(Image.new("RGB", (9, 9), RED)), encode(noise(9, 9))
    stem = take(tmp_path, first).stem
    folder, name = stem.split("/")
    assert len(name) == 40
    assert name.startswith(folder)
    assert len(folder) == 2
    assert take(tmp_path / "elsewhere", first).stem == stem
    assert take(tmp_path, second).stem != stem
    assert take(tmp_path, first, b"another key").stem != stem


def test_files_that_are_there_are_left_alone_and_lost_ones_made_again(
    tmp_path: Path,
) -> None:
    data = encode(noise(700, 350))
    first = take(tmp_path, data)
    before = {path: path.stat().st_ino for path in files(tmp_path)}
    assert take(tmp_path, data) == first
    assert {path: path.stat().st_ino for path in files(tmp_path)} == before
    files(tmp_path)[0].unlink()
    assert take(tmp_path, data) == first
    assert set(files(tmp_path)) == set(before)


def test_the_same_picture_uploaded_twice_at_once_is_whole(tmp_path: Path) -> None:
    data = encode(noise(700, 350))
    with ThreadPoolExecutor(4) as pool:
        stems = {
            done.stem for done in pool.map(lambda _: take(tmp_path, data), range(4))
        }
    assert len(stems) == 1
    assert len(files(tmp_path)) == 2 * len(FORMATS)


def test_remove_deletes_the_variants_and_nothing_else(tmp_path: Path) -> None:
    gone, kept = take(tmp_path, encode(noise())), take(tmp_path, encode(noise(9, 9)))
    remove(tmp_path, gone.stem, (*gone.widths, 480))
    assert files(tmp_path) == sorted(
        tmp_path / variant(kept.stem, 9, ext) for ext in FORMATS
    )
    remove(tmp_path, gone.stem, gone.widths)


def test_other_users_of_the_machine_may_serve_the_files(tmp_path: Path) -> None:
    take(tmp_path, encode(noise()))
    umask = os.umask(0)
    os.umask(umask)
    assert {path.stat().st_mode & 0o777 for path in files(tmp_path)} == {0o666 & ~umask}


def test_the_source_is_read_from_where_it_stands(tmp_path: Path) -> None:
    source = BytesIO(b"before" + encode(noise()))
    source.seek(6)
    assert ingest(source, tmp_path, KEY).widths == (96,)


# Pixels


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_not_left_to_the_reader(
    tmp_path: Path, kind: str, orientation: int
) -> None:
    corners = Image.new("RGB", (64, 32), WHITE)  # red, green / blue, white
    for colour, at in ((RED, (0, 0)), (GREEN, (32, 0)), (BLUE, (0, 16))):
        corners.paste(colour, (*at, at[0] + 32, at[1] + 16))
    data = encode(corners, kind, exif=exif(Orientation=orientation))
    expected = {
        1: (RED, GREEN, BLUE, WHITE),
        2: (GREEN, RED, WHITE, BLUE),
        3: (WHITE, BLUE, GREEN, RED),
        4: (BLUE, WHITE, RED, GREEN),
        5: (RED, BLUE, GREEN, WHITE),
        6: (BLUE, RED, WHITE, GREEN),
        7: (WHITE, GREEN, BLUE, RED),
        8: (GREEN, WHITE, RED, BLUE),
    }[orientation]
    done = take(tmp_path, data)
    assert (done.width, done.height) == ((32, 64) if orientation > 4 else (64, 32))
    for ext in FORMATS:
        picture = load(tmp_path, done, ext)
        width, height = picture.size
        for at, colour in zip([(0, 0), (1, 0), (0, 1), (1, 1)], expected, strict=True):
            place = (width // 4 + at[0] * width // 2, height // 4 + at[1] * height // 2)
            assert near(picture, place, colour), (ext, at)
        assert ExifTags.Base.Orientation not in picture.getexif()


def test_a_large_photo_lying_on_its_side_gets_the_widths_of_its_upright_form(
    tmp_path: Path,
) -> None:
    picture = flag(RED, BLUE, (3000, 1200))
    done = take(tmp_path, encode(picture, "JPEG", exif=exif(Orientation=6)))
    assert (done.widths, done.height) == ((480, 960, 1200), 3000)
    assert near(load(tmp_path, done, "webp"), (600, 100), RED)
    assert near(load(tmp_path, done, "webp"), (600, 2900), BLUE)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_colours_are_converted_to_srgb(tmp_path: Path, kind: str) -> None:
    data = encode(flag(RED, BLUE), kind, icc_profile=swapped_profile())
    for picture in published(tmp_path, data):
        assert near(picture, (10, 20), GREEN)
        assert near(picture, (70, 20), BLUE)
        assert "icc_profile" not in picture.info


def test_colours_of_a_transparent_picture_are_converted_too(tmp_path: Path) -> None:
    picture = flag(RED, BLUE).convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 4, 40))
    done = take(tmp_path, encode(picture, icc_profile=swapped_profile()))
    assert near(load(tmp_path, done, "webp"), (20, 20), (*GREEN, 255))
    assert load(tmp_path, done, "webp").getchannel("A").getpixel((1, 20)) == 0


@pytest.mark.parametrize(
    "profile", [b"", b"junk", srgb()[:200], srgb()[:300] + b"\xff" * 300, b"\0" * 999]
)
def test_a_broken_profile_is_ignored(tmp_path: Path, profile: bytes) -> None:
    for picture in published(
        tmp_path, encode(flag(RED, BLUE), "JPEG", icc_profile=profile)
    ):
        assert near(picture, (10, 20), RED)


def test_a_profile_for_another_kind_of_picture_is_ignored(tmp_path: Path) -> None:
    grey = Image.new("L", (40, 40), 99)
    for picture in published(tmp_path, encode(grey, "JPEG", icc_profile=srgb())):
        assert near(picture, (10, 20), (99, 99, 99))


@pytest.mark.parametrize(
    ("data", "colour"),
    [
        (encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"), RED),
        (encode(Image.new("I;16", (8, 8), 0x8000)), (128, 128, 128)),
        (encode(Image.new("I;16", (8, 8), 300)), (1, 1, 1)),
        (png(8, 8, (b"\0" + b"\xff\xff\0\0\0\0" * 8) * 8, bits=16), RED),
        (png(1, 1, b"\0\x80\0", chunk(b"tRNS", b"\x80\0"), 0, 16), (128, 128, 128)),
        (encode(Image.new("1", (8, 8), 1)), WHITE),
        (encode(Image.new("L", (8, 8), 77), "JPEG"), (77, 77, 77)),
        (encode(Image.new("RGB", (8, 8), BLUE).quantize(4)), BLUE),
        (encode(Image.new("RGB", (8, 8), GREEN), "WEBP", lossless=True), GREEN),
        (encode(Image.new("L", (8, 8), 200), "AVIF"), (200, 200, 200)),
    ],
    ids=[
        "cmyk",
        "grey16",
        "dark16",
        "rgb16",
        "grey16-trns",
        "bilevel",
        "grey",
        "palette",
        "lossless-webp",
        "avif",
    ],
)
def test_every_kind_of_pixel_becomes_srgb(
    tmp_path: Path, data: bytes, colour: tuple[int, ...]
) -> None:
    for picture in published(tmp_path, data):
        assert picture.mode == "RGB"
        assert near(picture, (0, 0), colour)


def half_clear(mode: str) -> bytes:
    """Left half transparent, right half red (LA: light grey)."""
    if mode == "P":
        picture = flag(RED, BLUE).quantize(2)
        clear = picture.getpixel((0, 0))
        picture.paste(1 - int(str(clear)), (40, 0, 80, 40))
        palette = picture.getpalette() or []
        red, blue = palette[:3], palette[3:6]
        picture.putpalette(blue + red if clear == 0 else red + blue)
        return encode(picture, transparency=clear)
    picture = Image.new(mode, (80, 40), (200, 255) if mode == "LA" else (*RED, 255))
    picture.paste((0, 0) if mode == "LA" else (0, 0, 0, 0), (0, 0, 40, 40))
    return encode(picture)


@pytest.mark.parametrize(
    ("mode", "colour"), [("RGBA", RED), ("LA", (200, 200, 200)), ("P", None)]
)
def test_transparency_is_kept_where_it_can_be_and_white_elsewhere(
    tmp_path: Path, mode: str, colour: tuple[int, ...] | None
) -> None:
    done = take(tmp_path, half_clear(mode))
    for ext in ("avif", "webp"):
        picture = load(tmp_path, done, ext)
        assert picture.mode == "RGBA"
        assert picture.getchannel("A").getpixel((10, 20)) == 0
        assert picture.getchannel("A").getpixel((70, 20)) == 255
        assert colour is None or near(picture, (70, 20), colour)
    assert near(load(tmp_path, done, "jpg"), (10, 20), WHITE)
    assert not near(load(tmp_path, done, "jpg"), (70, 20), WHITE)


def test_what_was_made_transparent_cannot_be_made_visible_again(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (80, 40), (*RED, 255))
    picture.paste((*BLUE, 0), (0, 0, 40, 40))
    done = take(tmp_path, encode(picture))
    for ext in ("avif", "webp"):
        pixel = load(tmp_path, done, ext).getpixel((10, 20))
        assert isinstance(pixel, tuple)
        assert pixel[2] < 60


def test_a_single_transparent_colour_is_transparent(tmp_path: Path) -> None:
    for picture, clear in ((flag(RED, BLUE), RED), (flag(255, 0).convert("L"), 76)):
        done = take(tmp_path, encode(picture, transparency=clear))
        alpha = load(tmp_path, done, "webp").getchannel("A")
        assert (alpha.getpixel((10, 20)), alpha.getpixel((70, 20))) == (0, 255)


def test_an_opaque_alpha_channel_is_dropped(tmp_path: Path) -> None:
    opaque = Image.new("RGBA", (9, 9), (*RED, 255))
    for picture in published(tmp_path, encode(opaque, icc_profile=swapped_profile())):
        assert picture.mode == "RGB"
        assert near(picture, (4, 4), GREEN)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_an_animation_gives_its_first_frame(tmp_path: Path, kind: str) -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in (RED, GREEN, BLUE)]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)
    for picture in published(tmp_path, data):
        assert near(picture, (20, 20), RED)
        assert getattr(picture, "n_frames", 1) == 1


# What the file says


LOADED_XMP = xmp(
    '<rdf:Description photoshop:Credit="Reuters">'
    "<Iptc4xmpCore:AltTextAccessibility><rdf:Alt>"
    '<rdf:li xml:lang="x-default">Smoke over a\nmarket &amp; a square</rdf:li>'
    '<rdf:li xml:lang="de">Rauch</rdf:li>'
    "</rdf:Alt></Iptc4xmpCore:AltTextAccessibility>"
    "<dc:description><rdf:Alt><rdf:li>Mirest, Friday</rdf:li></rdf:Alt>"
    "</dc:description>"
    "<dc:creator><rdf:Seq><rdf:li>Jane Doe</rdf:li><rdf:li>Ali</rdf:li></rdf:Seq>"
    "</dc:creator></rdf:Description>"
)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_texts_are_read_from_xmp(tmp_path: Path, kind: str) -> None:
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", LOADED_XMP.decode())
        data = encode(noise(), pnginfo=info)
    else:
        data = encode(noise(), kind, xmp=LOADED_XMP)
    done = take(tmp_path, data)
    assert done.alt == "Smoke over a market & a square"
    assert done.caption == "Mirest, Friday"
    assert done.credit == "Jane Doe, Ali / Reuters"


def test_texts_are_read_from_iptc(tmp_path: Path) -> None:
    body = iptc(
        (80, b"Jane Doe"), (80, b"Ali"), (110, b"AFP"), (120, "Tolvar – dusk".encode())
    )
    done = take(tmp_path, with_segment(encode(noise(), "JPEG"), 0xED, body))
    assert (done.alt, done.caption) == ("", "Tolvar – dusk")
    assert done.credit == "Jane Doe, Ali / AFP"


def test_texts_are_read_from_exif(tmp_path: Path) -> None:
    block = exif(ImageDescription="Castren at dawn", Artist="Zoë".encode())
    done = take(tmp_path, encode(noise(), "JPEG", exif=block))
    assert (done.alt, done.caption, done.credit) == ("", "Castren at dawn", "Zoë")


def test_exif_values_of_another_type_are_no_text(tmp_path: Path) -> None:
    # ImageDescription as two SHORTs, 1 and 2
    block = b"II*\0\x08\0\0\0\1\0\x0e\1\3\0\2\0\0\0\1\0\2\0\0\0\0\0"
    done = take(tmp_path, encode(noise(), "PNG", exif=block))
    assert done.caption == ""


def test_iptc_in_an_old_encoding_is_read(tmp_path: Path) -> None:
    body = iptc((120, "“Zoë”".encode("cp1252")))
    done = take(tmp_path, with_segment(encode(noise(), "JPEG"), 0xED, body))
    assert done.caption == "“Zoë”"


def test_xmp_goes_before_iptc_and_what_it_lacks_comes_from_there(
    tmp_path: Path,
) -> None:
    words = xmp('<rdf:Description dc:description="From XMP"/>')
    body = iptc((120, b"From IPTC"), (110, b"Jane Doe/AFP"), (80, b"Jane Doe"))
    data = with_segment(encode(noise(), "JPEG", xmp=words), 0xED, body)
    done = take(tmp_path, data)
    assert (done.caption, done.credit) == ("From XMP", "Jane Doe/AFP")


def test_a_picture_that_says_nothing_has_empty_texts(tmp_path: Path) -> None:
    done = take(tmp_path, encode(noise(), "JPEG"))
    assert (done.alt, done.caption, done.credit) == ("", "", "")


@pytest.mark.parametrize(
    "name",
    [
        "DSC_0123.JPG",
        "IMG_4711",
        "riot.jpeg",
        "20161216-aleppo(2)",
        "Screenshot at 10.00.png",
        "OLYMPUS DIGITAL CAMERA",
    ],
)
def test_what_a_camera_writes_is_no_text(tmp_path: Path, name: str) -> None:
    words = xmp(
        f'<rdf:Description dc:description="{name}"'
        f' Iptc4xmpCore:AltTextAccessibility=" {name} " photoshop:Credit="France24"/>'
    )
    done = take(tmp_path, encode(noise(), "JPEG", xmp=words))
    assert (done.alt, done.caption, done.credit) == ("", "", "France24")


def test_texts_lose_control_characters_and_keep_their_spelling(tmp_path: Path) -> None:
    text = "\u202eM\0ir\x07est\x85 \u2066می\u200cخواهم\u2069\ufeff \ud83d"
    raw = text.encode("utf-8", "surrogatepass")
    body = iptc((120, raw.replace(b"\xed\xa0\xbd", b"") + b"\r\n\t end "))
    done = take(tmp_path, with_segment(encode(noise(), "JPEG"), 0xED, body))
    assert done.caption == "Mirest می\u200cخواهم end"


def test_texts_are_cut_to_their_limits(tmp_path: Path) -> None:
    long = "word " * 9_000
    words = xmp(
        f'<rdf:Description dc:description="{long}" photoshop:Credit="{long}"'
        f' Iptc4xmpCore:AltTextAccessibility="{"1" * 300_000} !"/>'
    )
    started = time.process_time()
    done = take(tmp_path, encode(noise(), "WEBP", xmp=words))
    assert time.process_time() - started < 5
    assert (len(done.caption), len(done.credit)) == (999, 199)
    assert len(done.alt) <= 500


ENTITY_BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "boom">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + f']>{XMP_HEAD}<rdf:Description dc:description="&j;"/>{XMP_TAIL}'
)


@pytest.mark.parametrize(
    "block",
    [
        ENTITY_BOMB.encode(),
        ENTITY_BOMB.encode("utf-16"),
        (
            '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
            f"{XMP_HEAD}<rdf:Description><dc:description>&a;</dc:description>"
            f"</rdf:Description>{XMP_TAIL}"
        ).encode(),
        b"<" * 50_000,
        b"<a>" * 300_000,
        xmp('<rdf:Description dc:description="x"/>' + " " * (1 << 20)),
        b"\xff\xfe\0\0",
        b"",
    ],
    ids=[
        "entities",
        "utf-16",
        "file",
        "open-brackets",
        "depth",
        "too-long",
        "bytes",
        "empty",
    ],
)
def test_hostile_xmp_is_ignored(tmp_path: Path, block: bytes) -> None:
    started = time.process_time()
    done = take(tmp_path, encode(noise(), "WEBP", xmp=block))
    assert (done.alt, done.caption, done.credit) == ("", "", "")
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "block",
    [
        b"Exif\0\0",
        b"Exif\0\0junk",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12\0\x03\xff\xff\xff\xff" * 9,
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0",
    ],
    ids=["empty", "junk", "offset", "count", "orientation-99"],
)
def test_broken_exif_is_ignored(tmp_path: Path, block: bytes) -> None:
    data = with_segment(encode(flag(RED, BLUE), "JPEG"), 0xE1, block)
    for picture in published(tmp_path, data):
        assert near(picture, (10, 20), RED)


# Nothing but pixels goes out


def burdened(kind: str) -> bytes:
    """A picture that tells a secret in every way its format knows."""
    block = exif(ImageDescription=SECRET.decode(), Artist="x", Orientation=1)
    gps = block.get_ifd(ExifTags.IFD.GPSInfo)
    gps[ExifTags.GPS.GPSLatitudeRef] = "N"
    gps[ExifTags.GPS.GPSLatitude] = (51.0, 30.0, 2.5)
    words = xmp(f'<rdf:Description dc:description="{SECRET.decode()}"/>')
    icc = srgb() + SECRET
    if kind == "GIF":
        return encode(noise(), kind, comment=SECRET)
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", words.decode())
        info.add_text("Comment", SECRET.decode())
        return encode(noise(), kind, exif=block, icc_profile=icc, pnginfo=info)
    if kind == "JPEG":
        data = encode(
            noise(), kind, exif=block, icc_profile=icc, xmp=words, comment=SECRET
        )
        return with_segment(data, 0xED, iptc((120, SECRET)))
    return encode(noise(), kind, exif=block, icc_profile=icc, xmp=words)


@pytest.mark.parametrize("kind", SOURCES)
def test_no_metadata_comes_out(tmp_path: Path, kind: str) -> None:
    data = burdened(kind)
    assert SECRET in data
    done = take(tmp_path, data)
    for path in files(tmp_path):
        raw = path.read_bytes()
        for trace in (
            SECRET,
            b"Exif",
            b"EXIF",
            b"xmp",
            b"XMP",
            b"ICC",
            b"prof",
            b"8BIM",
        ):
            assert trace not in raw, (path.name, trace)
    for ext in FORMATS:
        picture = load(tmp_path, done, ext)
        assert not picture.getexif().get_ifd(ExifTags.IFD.GPSInfo)
        assert not dict(picture.getexif())
        assert not {"exif", "xmp", "comment", "icc_profile"} & set(picture.info)


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("tail", [zipped(), b"<html><script>SECRET</script>"])
def test_what_hangs_behind_the_picture_is_cut_off(
    tmp_path: Path, kind: str, tail: bytes
) -> None:
    try:
        take(tmp_path, encode(noise(), kind) + tail)
    except ImageError:
        assert files(tmp_path) == []
        return
    for path in files(tmp_path):
        assert b"SECRET" not in path.read_bytes()
        assert not zipfile.is_zipfile(path)


# Hostile files


def scan_bomb() -> bytes:
    """A progressive JPEG whose last scan comes a thousand times."""
    data = encode(noise(), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * 1000 + data[-2:]


def stray(kind: str) -> bytes:
    return encode(noise(), kind)


BOMB = zlib.compress(b"\0" * 50_000_000)
ROWS = (b"\0" + b"\0\0\0" * 4) * 4
STRANGERS: dict[str, bytes] = {
    "svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n",
    "pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n%%EOF",
    "html": b"<!doctype html><html><script>alert(1)</script></html>",
    "html-behind-magic": b"\xff\xd8\xff<html><script>alert(1)</script></html>",
    "php": b"GIF89a<?php system($_GET['c']); ?>",
    "zip": zipped(),
    "text": b"Mirest, Friday\n" * 50,
    "zeros": b"\0" * 5000,
    "noise": random.Random(2).randbytes(5000),
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 99,
    "tiff": stray("TIFF"),
    "bmp": stray("BMP"),
    "ppm": stray("PPM"),
    "ico": stray("ICO"),
    "jpeg2000": stray("JPEG2000"),
}
BOMBS: dict[str, bytes] = {
    "png-header": png(60_000, 60_000, b""),
    "png-header-of-2-to-31": png(2**31 - 1, 2**31 - 1, b""),
    "png-between-the-limits": png(10_000, 10_000, b""),
    "png-one-row-too-much": png(8_000, 5_001, b""),
    "gif-screen": b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;",
    "gif-frame": b"GIF89a\1\0\1\0\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2\2D\1\0;",
    "webp-canvas": webp(b"VP8X", b"\x10\0\0\0" + b"\xff" * 6),
    "webp-lossless": webp(b"VP8L", b"\x2f\xff\xff\xff\x0f" + b"\0" * 40),
    "webp-lossy": webp(b"VP8 ", b"\x10\0\0\x9d\x01\x2a\xff\x3f\xff\x3f" + b"\0" * 40),
    "jpeg-header": jpeg_of_size(65_500, 65_500),
    "jpeg-between-the-limits": jpeg_of_size(9_000, 9_000),
}
BROKEN: dict[str, bytes] = {
    "png-text-bomb": png(4, 4, ROWS, chunk(b"zTXt", b"x\0\0" + BOMB)),
    "png-itxt-bomb": png(4, 4, ROWS, chunk(b"iTXt", b"x\0\1\0\0\0" + BOMB)),
    "png-profile-bomb": png(4, 4, ROWS, chunk(b"iCCP", b"x\0\0" + BOMB)),
    "png-signature": b"\x89PNG\r\n\x1a\n",
    "png-without-size": png(0, 0, b""),
    "png-bad-checksum": png(4, 4, ROWS).replace(b"IHDR\0\0\0\4", b"IHDR\0\0\0\5"),
    "png-short-of-pixels": png(4, 4, ROWS[:9]),
    "jpeg-signature": b"\xff\xd8\xff\xe0",
    "jpeg-without-size": jpeg_of_size(0, 0),
    "jpeg-of-a-thousand-scans": scan_bomb(),
    "gif-signature": b"GIF89a",
    "gif-without-size": b"GIF89a\0\0\0\0\0\0\0,\0\0\0\0\0\0\0\0\0\2\2D\1\0;",
    "webp-signature": b"RIFF\0\0\0\0WEBPVP8 ",
    "avif-signature": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf",
}


def refusal(folder: Path, data: bytes) -> str:
    """The sentence with which a file is refused, and nothing else happens."""
    started = time.process_time()
    with pytest.raises(ImageError) as caught:
        take(folder, data)
    assert files(folder) == []
    assert time.process_time() - started < 5
    return str(caught.value)


@pytest.mark.parametrize("name", STRANGERS)
def test_what_is_no_photo_is_refused_with_what_is_allowed(
    tmp_path: Path, name: str
) -> None:
    assert "Upload a JPEG, PNG, WebP, GIF or AVIF" in refusal(tmp_path, STRANGERS[name])


@pytest.mark.parametrize("name", BOMBS)
def test_too_many_pixels_are_refused_from_the_header(tmp_path: Path, name: str) -> None:
    assert "more than 40 million pixels" in refusal(tmp_path, BOMBS[name])


def test_a_picture_that_is_very_tall_is_made_narrower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "_LARGEST", 60_000)
    done = take(tmp_path, encode(noise(300, 2000)))
    assert (done.width, done.height) == (94, 627)


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
def test_a_format_that_takes_much_memory_may_have_fewer_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(images, "PIXEL_LIMITS", {kind: 4 * 10**6})
    words = refusal(tmp_path, encode(Image.new("RGB", (2001, 2000)), kind))
    assert "more than 4 million pixels" in words
    assert "save it as JPEG" in words
    assert take(tmp_path, encode(Image.new("RGB", (2001, 2000)), "PNG")).width == 1600


PEAK = """
import sys
from io import BytesIO
from pathlib import Path
from entries import images
from PIL import Image

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

images.WIDTHS = (480,)  # what the encoders need is another matter
data = BytesIO()
picture = Image.new("LA", (4000, 4000), (90, 200))
picture.save(data, "PNG")
del picture
before = peak()  # its 64 MB among it
images.ingest(BytesIO(data.getvalue()), Path(sys.argv[1]), b"key")
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the peak")
def test_a_large_picture_is_held_in_memory_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PEAK, str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True)
    assert int(done.stdout) < 64_000  # kB, which is one more copy of it


def test_however_many_come_at_once_one_picture_is_worked_on_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, inside, most = Image.Image.save, set[int](), 0

    def save(self: Image.Image, *args: Any, **kwargs: Any) -> None:
        nonlocal most
        inside.add(threading.get_ident())
        most = max(most, len(inside))
        time.sleep(0.01)
        real(self, *args, **kwargs)
        inside.remove(threading.get_ident())

    shades = [encode(Image.new("RGB", (60, 40), (n, n, n))) for n in range(3)]
    monkeypatch.setattr(Image.Image, "save", save)
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda data: take(tmp_path, data), shades))
    assert len(done) == 3
    assert most == 1


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused_with_a_way_out(tmp_path: Path, name: str) -> None:
    assert "upload" in refusal(tmp_path, BROKEN[name]).lower()


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    assert "empty" in refusal(tmp_path, b"")


def test_a_file_too_long_is_refused_and_not_read_to_its_end(tmp_path: Path) -> None:
    source = BytesIO(encode(noise()) + b"\0" * (images.UPLOAD_LIMIT + 1000))
    with pytest.raises(ImageError, match="more than 25 MB"):
        ingest(source, tmp_path, KEY)
    assert source.tell() == images.UPLOAD_LIMIT + 1


@pytest.mark.parametrize("kind", SOURCES)
def test_a_truncated_file_is_refused_wherever_it_ends(
    tmp_path: Path, kind: str
) -> None:
    data = encode(noise(), kind)
    for tenth in range(10):
        refusal(tmp_path, data[: len(data) * tenth // 10])


def test_a_truncated_progressive_jpeg_is_refused(tmp_path: Path) -> None:
    data = encode(noise(), "JPEG", progressive=True)
    for tenth in range(10):
        refusal(tmp_path, data[: len(data) * tenth // 10])


@pytest.mark.parametrize("kind", [*SOURCES, "burdened JPEG", "burdened PNG"])
def test_flipped_bits_end_in_a_picture_or_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    chance = random.Random(kind)
    data = burdened(kind.split()[1]) if " " in kind else encode(noise(48, 32), kind)
    refused = 0
    for _ in range(200):
        mutant = bytearray(data)
        # Half of them in the first kilobyte, where the structure is
        reach = len(data) if chance.random() < 0.5 else min(1024, len(data))
        for _ in range(chance.randint(1, 4)):
            mutant[chance.randrange(reach)] ^= 1 << chance.randrange(8)
        before = files(tmp_path)
        try:
            done = take(
                tmp_path, with_checksums(mutant) if "PNG" in kind else bytes(mutant)
            )
        except ImageError:
            refused += 1
            assert files(tmp_path) == before
        else:
            assert load(tmp_path, done, "jpg").size == (done.width, done.height)
            remove(tmp_path, done.stem, done.widths)
    assert refused > 0


def test_a_png_with_one_wrong_bit_in_its_pixels_is_refused(tmp_path: Path) -> None:
    data = bytearray(encode(noise()))
    data[len(data) // 2] ^= 1
    assert "damaged" in refusal(tmp_path, bytes(data))


def test_an_exif_block_of_overlapping_values_costs_little(tmp_path: Path) -> None:
    count, size = 20_000, 100_000
    start = 8 + 2 + 12 * count + 4
    entries = b"".join(
        struct.pack("<HHII", 1000 + n, 1, size, start) for n in range(count)
    )
    block = b"II*\0" + struct.pack("<IH", 8, count) + entries + b"\0" * (4 + size)
    started = time.process_time()
    assert take(tmp_path, encode(noise(), exif=block)).widths == (96,)
    assert time.process_time() - started < 5


# When writing fails


def failing(number: int, error: BaseException, real: Callable[..., Any]) -> Any:
    """A stand-in for `real` that raises at its nth call."""
    calls = iter(range(1, 1000))

    def stand_in(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == number:
            raise error
        return real(*args, **kwargs)

    return stand_in


@pytest.mark.parametrize("number", [1, 5, 6])
@pytest.mark.parametrize("place", ["write", "rename"])
def test_a_failure_on_the_way_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, number: int
) -> None:
    error = OSError(errno.EIO, "Input/output error")
    owner, name = {
        "write": (os, "fsync"),
        "rename": (Path, "replace"),
    }[place]
    data = encode(noise(700, 350))
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failing(number, error, getattr(owner, name)))
        with pytest.raises(OSError, match="Input/output"):
            take(tmp_path, data)
    assert files(tmp_path) == []
    assert take(tmp_path, data).widths == (480, 700)


@pytest.mark.parametrize(("number", "left"), [(1, (480, 240)), (5, (700, 350))])
def test_a_size_that_cannot_be_made_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, left: tuple[int, int]
) -> None:
    data = encode(noise(700, 350))
    with monkeypatch.context() as patch:
        error = OSError("encoder error -2 when writing image file")
        patch.setattr(Image.Image, "save", failing(number, error, Image.Image.save))
        done = take(tmp_path, data)
    assert (done.width, done.height) == left
    assert done.widths == left[:1]
    assert len(files(tmp_path)) == 3
    assert take(tmp_path, data).widths == (480, 700)


def test_a_picture_of_which_no_size_can_be_made_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(*_: Any, **__: Any) -> None:
        raise MemoryError

    data = encode(noise(700, 350))
    monkeypatch.setattr(Image.Image, "save", save)
    assert "damaged" in refusal(tmp_path, data)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "disk takes nothing")],
)
def test_a_disk_that_takes_nothing_is_told_to_the_editor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    error = OSError(number, os.strerror(number))
    monkeypatch.setattr(os, "fsync", failing(3, error, os.fsync))
    assert words in refusal(tmp_path, encode(noise(700, 350)))


def test_a_folder_that_cannot_be_written_is_no_fault_of_the_picture(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        take(tmp_path / "file", encode(noise()))


def test_a_photo_of_twelve_million_pixels_is_ready_while_the_editor_waits(
    tmp_path: Path,
) -> None:
    data = encode(noise(500, 375).resize((4000, 3000)), "JPEG", quality=90)
    started = time.process_time()
    done = take(tmp_path, data)
    assert (done.width, done.height) == (1600, 1200)
    # About a second and a half on two cores
    assert time.process_time() - started < 10
