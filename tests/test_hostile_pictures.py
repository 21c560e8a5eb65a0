"""Pictures that are broken, too large or made to harm, and disks that fail."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image, PngImagePlugin

from entries.images import ingest, worker
from entries.images.ingest import FORMATS, ImageError, ingest_image, remove_variants
from tests.fault_injection import DIARY, diary, inject
from tests.photos import (
    BLUE,
    HEIC,
    KEY,
    RED,
    SECRET,
    SOURCES,
    XMP_HEAD,
    XMP_TAIL,
    chunk,
    encode,
    exif,
    files,
    flag,
    iptc,
    jpeg_of_size,
    load,
    near,
    noise,
    png,
    published,
    srgb,
    take,
    webp,
    with_checksums,
    with_segment,
    xmp,
    zipped,
)

# pytest puts filters of its own in the place of those that the module sets
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),
    pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning"),
]


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


@pytest.mark.parametrize("kind", [*SOURCES, "HEIF"])
def test_variants_have_no_metadata(tmp_path: Path, kind: str) -> None:
    described = HEIC / "described.heic"
    data = described.read_bytes() if kind == "HEIF" else burdened(kind)
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
def test_trailing_bytes_are_removed(tmp_path: Path, kind: str, tail: bytes) -> None:
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
    "png-one-row-too-much": png(8_000, 6_501, b""),
    "gif-screen": b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;",
    "gif-frame": b"GIF89a\1\0\1\0\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2\2D\1\0;",
    "webp-canvas": webp(b"VP8X", b"\x10\0\0\0" + b"\xff" * 6),
    "webp-lossless": webp(b"VP8L", b"\x2f\xff\xff\xff\x0f" + b"\0" * 40),
    "webp-lossy": webp(b"VP8 ", b"\x10\0\0\x9d\x01\x2a\xff\x3f\xff\x3f" + b"\0" * 40),
    "jpeg-header": jpeg_of_size(65_500, 65_500),
    "jpeg-between-the-limits": jpeg_of_size(12_000, 12_000),
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
    "heic-signature": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 99,
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
def test_other_files_are_rejected_with_the_allowed_formats(
    tmp_path: Path, name: str
) -> None:
    assert "Upload a JPEG, PNG, WebP, GIF, AVIF or HEIC" in refusal(
        tmp_path, STRANGERS[name]
    )


@pytest.mark.parametrize("name", BOMBS)
def test_too_many_pixels_are_rejected_by_the_header(tmp_path: Path, name: str) -> None:
    limit = 52 if name in ("png-between-the-limits", "png-one-row-too-much") else 102
    assert f"more than {limit} million pixels" in refusal(tmp_path, BOMBS[name])


def test_a_very_tall_image_gets_narrower_variants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "_MAX_VARIANT_PIXELS", 60_000)
    done = take(tmp_path, encode(noise(300, 2000)))
    assert (done.width, done.height) == (94, 627)


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
def test_formats_that_need_more_memory_may_have_fewer_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(ingest, "MAX_PIXELS_BY_FORMAT", {kind: 4 * 10**6})
    words = refusal(tmp_path, encode(Image.new("RGB", (2001, 2000)), kind))
    assert "more than 4 million pixels" in words
    assert "save it as JPEG" in words
    assert take(tmp_path, encode(Image.new("RGB", (2001, 2000)), "PNG")).width == 1600


PEAK = """
import sys
from io import BytesIO
from pathlib import Path
from entries.images import ingest
from PIL import Image

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

ingest.WIDTHS = (480,)  # what the encoders need is another matter
data = BytesIO()
picture = Image.new("LA", (4000, 4000), (90, 200))
picture.save(data, "PNG")
del picture
before = peak()  # its 64 MB among it
ingest.ingest_image(BytesIO(data.getvalue()), Path(sys.argv[1]), b"key")
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the peak")
def test_a_large_picture_is_held_in_memory_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PEAK, str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True)
    assert int(done.stdout) < 64_000  # kB, which is one more copy of it


LARGE = """
import sys
from io import BytesIO
from pathlib import Path
from entries.images import worker

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

before = peak()
sys.argv[1:] = [sys.argv[1]]
worker.main()
print()
print(peak() - before)
"""


def developed(folder: Path, data: bytes) -> tuple[dict[str, Any], int]:
    """Return what the process of a picture answers, and the memory it took in MB."""
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(folder)],
        input=KEY.hex().encode() + b"\n" + data,
        check=True,
        capture_output=True,
    )
    answer, memory = done.stdout.decode().splitlines()
    return json.loads(answer), int(memory) // 1024


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the peak")
@pytest.mark.parametrize(
    ("options", "limit"),
    [({"subsampling": "4:4:4"}, 150), ({"progressive": True}, 370)],
)
def test_a_jpeg_of_a_hundred_megapixels_fits_into_memory(
    tmp_path: Path, options: dict[str, Any], limit: int
) -> None:
    data = encode(Image.new("RGB", (11_600, 8_700), RED), "JPEG", **options)
    answer, memory = developed(tmp_path, data)
    assert answer["width"] == 1600
    assert memory < limit


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the peak")
@pytest.mark.parametrize("kind", ["PNG", "HEIF"])
def test_a_phone_s_largest_picture_fits_into_memory(tmp_path: Path, kind: str) -> None:
    if kind == "HEIF":
        data = (HEIC / "48-megapixels.heic").read_bytes()
    else:
        data = encode(Image.new("RGB", (8_160, 6_144), RED), kind)
    answer, memory = developed(tmp_path, data)
    assert answer["width"] == 1600
    assert memory < 400


@pytest.mark.parametrize(
    "options",
    [
        {"progressive": True, "subsampling": "4:4:4"},
        {"progressive": True, "subsampling": "4:2:2"},
    ],
)
def test_a_progressive_jpeg_that_is_too_large_is_rejected_with_advice(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    message = refusal(tmp_path, jpeg_of_size(11_600, 8_700, **options))
    assert "progressive JPEG has 100 million pixels" in message
    assert "baseline" in message


def test_a_jpeg_with_one_scan_per_colour_needs_memory_for_all_of_it(
    tmp_path: Path,
) -> None:
    data = jpeg_of_size(11_600, 8_700, subsampling="4:4:4")
    at = data.index(b"\xff\xda\0\x0c\x03")
    one = data[:at] + b"\xff\xda\0\x08\x01" + data[at + 5 : at + 7] + data[at + 11 :]
    assert "progressive JPEG has 100 million pixels" in refusal(tmp_path, one)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of Linux")
def test_processing_is_stopped_when_it_needs_too_much_memory(
    tmp_path: Path, first: Callable[[str], None]
) -> None:
    first(
        "import PIL.Image\nreal = PIL.Image.Image.save\n"
        "def save(*a, **k):\n    bytearray(1 << 30)\n    return real(*a, **k)\n"
        "PIL.Image.Image.save = save"
    )
    with pytest.raises(ImageError):
        apart(tmp_path / "pictures", encode(noise()))
    assert files(tmp_path / "pictures") == []


def test_simultaneous_uploads_are_processed_one_at_a_time(
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
def test_broken_files_are_rejected_with_advice(tmp_path: Path, name: str) -> None:
    assert "upload" in refusal(tmp_path, BROKEN[name]).lower()


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    assert "empty" in refusal(tmp_path, b"")


def test_a_file_that_is_too_long_is_rejected_before_it_is_read_completely(
    tmp_path: Path,
) -> None:
    source = BytesIO(encode(noise()) + b"\0" * (ingest.MAX_UPLOAD_BYTES + 1000))
    with pytest.raises(ImageError, match="more than 25 MB"):
        ingest_image(source, tmp_path, KEY)
    assert source.tell() == ingest.MAX_UPLOAD_BYTES + 1


@pytest.mark.parametrize("kind", [*SOURCES, "HEIF"])
def test_a_truncated_file_is_refused_wherever_it_ends(
    tmp_path: Path, kind: str
) -> None:
    heic = (HEIC / "ten-bits.heic").read_bytes()
    data = heic if kind == "HEIF" else encode(noise(), kind)
    for tenth in range(10):
        refusal(tmp_path, data[: len(data) * tenth // 10])


def test_a_truncated_progressive_jpeg_is_refused(tmp_path: Path) -> None:
    data = encode(noise(), "JPEG", progressive=True)
    for tenth in range(10):
        refusal(tmp_path, data[: len(data) * tenth // 10])


@pytest.mark.parametrize("kind", [*SOURCES, "HEIF", "burdened JPEG", "burdened PNG"])
def test_flipped_bits_give_an_image_or_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    chance = random.Random(kind)
    if kind == "HEIF":
        data = (HEIC / "described.heic").read_bytes()
    else:
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
            remove_variants(tmp_path, done.stem, done.widths)
    assert refused > 0


def test_a_png_with_one_wrong_bit_in_its_pixels_is_refused(tmp_path: Path) -> None:
    data = bytearray(encode(noise()))
    data[len(data) // 2] ^= 1
    assert "damaged" in refusal(tmp_path, bytes(data))


def test_an_exif_block_with_overlapping_values_is_cheap(tmp_path: Path) -> None:
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
def test_a_failure_leaves_no_files(
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
def test_a_size_that_cannot_be_encoded_is_skipped(
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


def test_an_image_without_any_possible_size_is_rejected(
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
def test_a_full_disk_is_reported_to_the_editor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    error = OSError(number, os.strerror(number))
    monkeypatch.setattr(os, "fsync", failing(3, error, os.fsync))
    assert words in refusal(tmp_path, encode(noise(700, 350)))


def test_an_unwritable_folder_is_not_an_image_error(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        take(tmp_path / "file", encode(noise()))


def test_a_twelve_megapixel_photo_is_processed_in_seconds(
    tmp_path: Path,
) -> None:
    data = encode(noise(500, 375).resize((4000, 3000)), "JPEG", quality=90)
    started = time.process_time()
    done = take(tmp_path, data)
    assert (done.width, done.height) == (1600, 1200)
    # About a second and a half on two cores
    assert time.process_time() - started < 10


# --- In a process of its own


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the process of a picture run some code first."""

    def run(code: str) -> None:
        (folder := tmp_path / "code").mkdir()
        for name, value in inject(folder, code).items():
            monkeypatch.setenv(name, value)

    return run


def apart(folder: Path, data: bytes) -> ingest.IngestedImage:
    return worker.ingest_in_process(BytesIO(data), folder, KEY)


def test_the_worker_process_gives_the_same_result(tmp_path: Path) -> None:
    data = encode(noise(700, 350), "JPEG", xmp=xmp(f"<x>{SECRET!r}</x>"))
    words = iptc((120, "Nebel über dem Hafen".encode()), (110, b"A. Scribe"))
    data = with_segment(data, 0xED, words)
    there = apart(tmp_path / "there", data)
    assert there == take(tmp_path / "here", data)
    assert there.caption == "Nebel über dem Hafen"
    names = [path.relative_to(tmp_path / "there") for path in files(tmp_path / "there")]
    assert [
        path.relative_to(tmp_path / "here") for path in files(tmp_path / "here")
    ] == names
    assert len(names) == 2 * len(FORMATS)


@pytest.mark.parametrize("name", ["empty", "gif-cut-off", *sorted(BROKEN)[:2]])
def test_the_worker_process_raises_the_same_error(tmp_path: Path, name: str) -> None:
    data = BROKEN.get(name, b"" if name == "empty" else b"GIF89a")
    with pytest.raises(ImageError) as error:
        apart(tmp_path, data)
    assert str(error.value) == refusal(tmp_path, data)


def test_the_worker_process_reports_an_unwritable_folder(tmp_path: Path) -> None:
    (file := tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match=str(file)) as error:
        apart(file / "pictures", encode(noise()))
    assert error.value.errno == errno.ENOTDIR


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_crash_of_the_decoder_is_an_image_error(
    tmp_path: Path,
    first: Callable[[str], None],
    caplog: pytest.LogCaptureFixture,
    number: int,
) -> None:
    first(
        "import os, signal\nimport PIL.Image\n"
        f"PIL.Image.Image.save = lambda *_, **__: os.kill(os.getpid(), {number:d})"
    )
    with pytest.raises(ImageError, match="could not be processed"):
        apart(tmp_path / "pictures", encode(noise()))
    assert f"signal {number:d}" in caplog.text
    assert files(tmp_path / "pictures") == []


def test_the_worker_process_has_a_timeout(
    tmp_path: Path, first: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = tmp_path / "pid"
    first(
        f"import os, signal\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\n"
        "signal.pause()"
    )
    monkeypatch.setattr(worker, "TIMEOUT_SECONDS", 1.0)
    with pytest.raises(ImageError, match="could not be processed"):
        apart(tmp_path / "pictures", encode(noise()))
    assert not Path(f"/proc/{pid.read_text()}").exists()


def test_the_worker_process_has_a_cpu_limit(
    tmp_path: Path, first: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    first(
        "import PIL.Image, resource\nreal = resource.setrlimit\n"
        "def shorter(what, limits):\n    real(what, (1, 2))\n"
        "def save(*_, **__):\n    while True:\n        pass\n"
        "resource.setrlimit = shorter\nPIL.Image.Image.save = save"
    )
    with pytest.raises(ImageError, match="could not be processed"):
        apart(tmp_path / "pictures", encode(noise()))
    assert f"signal {signal.SIGXCPU:d}" in caplog.text


def test_warnings_of_the_worker_are_logged_and_bugs_are_raised(
    tmp_path: Path, first: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    first("import PIL.Image\nPIL.Image.open = None\ndel PIL.Image.Image")
    with pytest.raises(subprocess.CalledProcessError):
        apart(tmp_path / "pictures", encode(noise()))
    assert "AttributeError" in caplog.text


def test_one_worker_runs_at_a_time_with_a_low_priority(
    tmp_path: Path, first: Callable[[str], None]
) -> None:
    first(DIARY.format(path=str(tmp_path / "diary")))
    shades = [encode(Image.new("RGB", (60, 40), (n, n, n))) for n in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda data: apart(tmp_path / "pictures", data), shades))
    words, niceness, _ = diary(tmp_path / "diary")
    assert words == ["begin", "end"] * 3
    assert min(niceness) >= min(19, os.getpriority(os.PRIO_PROCESS, 0) + 5)
