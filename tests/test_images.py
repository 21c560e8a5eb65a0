"""Pictures: what may come in, and that nothing but pixels goes out."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from PIL import ExifTags, Image, PngImagePlugin

from entries.images.ingest import FORMATS, ingest_image, remove_variants, variant_path
from tests.photos import (
    BLUE,
    GREEN,
    HEIC,
    KEY,
    RED,
    SOURCES,
    WHITE,
    chunk,
    encode,
    exif,
    files,
    flag,
    iptc,
    load,
    near,
    noise,
    png,
    published,
    srgb,
    swapped_profile,
    take,
    with_segment,
    xmp,
)

# pytest puts filters of its own in the place of those that the module sets
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),
    pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning"),
]


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
def test_every_format_is_accepted(tmp_path: Path, kind: str) -> None:
    done = take(tmp_path, encode(flag(RED, BLUE), kind))
    for ext in FORMATS:
        assert near(load(tmp_path, done, ext), (10, 20), RED)
        assert near(load(tmp_path, done, ext), (70, 20), BLUE)


def test_the_stem_depends_only_on_the_bytes_and_the_key(tmp_path: Path) -> None:
    first, second = encode(Image.new("RGB", (9, 9), RED)), encode(noise(9, 9))
    stem = take(tmp_path, first).stem
    folder, name = stem.split("/")
    assert len(name) == 40
    assert name.startswith(folder)
    assert len(folder) == 2
    assert take(tmp_path / "elsewhere", first).stem == stem
    assert take(tmp_path, second).stem != stem
    assert take(tmp_path, first, b"another key").stem != stem


def test_existing_files_are_not_rewritten_and_missing_ones_are(
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


def test_the_same_image_uploaded_twice_at_once_is_complete(tmp_path: Path) -> None:
    data = encode(noise(700, 350))
    with ThreadPoolExecutor(4) as pool:
        stems = {
            done.stem for done in pool.map(lambda _: take(tmp_path, data), range(4))
        }
    assert len(stems) == 1
    assert len(files(tmp_path)) == 2 * len(FORMATS)


def test_remove_deletes_the_variants_and_nothing_else(tmp_path: Path) -> None:
    gone, kept = take(tmp_path, encode(noise())), take(tmp_path, encode(noise(9, 9)))
    remove_variants(tmp_path, gone.stem, (*gone.widths, 480))
    assert files(tmp_path) == sorted(
        tmp_path / variant_path(kept.stem, 9, ext) for ext in FORMATS
    )
    remove_variants(tmp_path, gone.stem, gone.widths)


def test_files_are_readable_by_other_users(tmp_path: Path) -> None:
    take(tmp_path, encode(noise()))
    umask = os.umask(0)
    os.umask(umask)
    assert {path.stat().st_mode & 0o777 for path in files(tmp_path)} == {0o666 & ~umask}


def test_the_source_is_read_from_its_current_position(tmp_path: Path) -> None:
    source = BytesIO(b"before" + encode(noise()))
    source.seek(6)
    assert ingest_image(source, tmp_path, KEY).widths == (96,)


# Pixels


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_to_the_pixels(
    tmp_path: Path, kind: str, orientation: int
) -> None:
    corners = Image.new("RGB", (64, 32), WHITE)  # red, green / blue, white
    for colour, at in ((RED, (0, 0)), (GREEN, (32, 0)), (BLUE, (0, 16))):
        corners.paste(colour, (*at, at[0] + 32, at[1] + 16))
    if kind == "HEIF":
        data = (HEIC / f"orientation-{orientation}.heic").read_bytes()
    else:
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


def test_a_rotated_photo_gets_the_widths_of_its_upright_form(
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
def test_transparency_is_kept_or_replaced_by_white(
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


def test_transparent_pixels_lose_their_colours(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1"])
def test_a_heic_of_any_brand_is_accepted(tmp_path: Path, brand: bytes) -> None:
    data = (HEIC / "ten-bits.heic").read_bytes()
    done = take(tmp_path, data[:8] + brand + data[12:])
    for ext in FORMATS:
        assert near(load(tmp_path, done, ext), (32, 16), RED)


def test_a_heic_has_its_colours_converted_and_its_texts_read(tmp_path: Path) -> None:
    done = take(tmp_path, (HEIC / "described.heic").read_bytes())
    assert (done.caption, done.credit) == ("Smoke over a market", "Reuters")
    for ext in FORMATS:
        assert near(load(tmp_path, done, ext), (10, 20), GREEN)
        assert near(load(tmp_path, done, ext), (70, 20), BLUE)


def test_a_heic_keeps_its_transparency(tmp_path: Path) -> None:
    done = take(tmp_path, (HEIC / "clear.heic").read_bytes())
    alpha = load(tmp_path, done, "webp").getchannel("A")
    assert (alpha.getpixel((10, 20)), alpha.getpixel((70, 20))) == (0, 255)
    assert near(load(tmp_path, done, "jpg"), (10, 20), WHITE)


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


def test_exif_values_of_another_type_are_ignored(tmp_path: Path) -> None:
    # ImageDescription as two SHORTs, 1 and 2
    block = b"II*\0\x08\0\0\0\1\0\x0e\1\3\0\2\0\0\0\1\0\2\0\0\0\0\0"
    done = take(tmp_path, encode(noise(), "PNG", exif=block))
    assert done.caption == ""


def test_iptc_in_an_old_encoding_is_read(tmp_path: Path) -> None:
    body = iptc((120, "“Zoë”".encode("cp1252")))
    done = take(tmp_path, with_segment(encode(noise(), "JPEG"), 0xED, body))
    assert done.caption == "“Zoë”"


def test_xmp_takes_precedence_and_iptc_fills_gaps(
    tmp_path: Path,
) -> None:
    words = xmp('<rdf:Description dc:description="From XMP"/>')
    body = iptc((120, b"From IPTC"), (110, b"Jane Doe/AFP"), (80, b"Jane Doe"))
    data = with_segment(encode(noise(), "JPEG", xmp=words), 0xED, body)
    done = take(tmp_path, data)
    assert (done.caption, done.credit) == ("From XMP", "Jane Doe/AFP")


def test_an_image_without_metadata_has_empty_texts(tmp_path: Path) -> None:
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
def test_default_texts_of_cameras_are_ignored(tmp_path: Path, name: str) -> None:
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
