"""Recordings: what may come in, and that nothing but sound and pictures goes out."""

from __future__ import annotations

import random
import struct
import time
from io import BytesIO
from pathlib import Path

import pytest

from entries.images import worker
from entries.images.ingest import EXTENSIONS, ImageError, IngestedImage, variant_path
from entries.images.media import Limits
from entries.text.captions import CaptionsError, tidy_captions
from tests.photos import encode, noise
from tests.recordings import (
    AAC,
    AVC,
    KEY,
    MP3_FRAME,
    SAMPLE,
    SECRET,
    TURNED,
    UNIT,
    box,
    boxes,
    chunk_data,
    element,
    find,
    mp3,
    mp4,
    sound_entry,
    take,
    u32,
    video_entry,
    webm,
)

pytestmark = pytest.mark.pure
PAGE = b"<!doctype html><script>steal()</script>"


def published(folder: Path, done: IngestedImage) -> bytes:
    ext = EXTENSIONS[done.media_type]
    return (folder / variant_path(done.stem, done.widths[0], ext)).read_bytes()


def refused(folder: Path, data: bytes) -> str:
    with pytest.raises(ImageError) as error:
        take(folder, data)
    assert not [path for path in folder.rglob("*") if path.is_file()]
    return str(error.value)


GOOD = {
    "mp4": (mp4(), "video/mp4", (64, 48), 2.0),
    "index first": (mp4(index_first=True), "video/mp4", (64, 48), 2.0),
    "64-bit offsets": (mp4(wide=True), "video/mp4", (64, 48), 2.0),
    "turned": (mp4(matrix=TURNED), "video/mp4", (48, 64), 2.0),
    "silent": (mp4(sound=False), "video/mp4", (64, 48), 2.0),
    "iphone": (mp4(brand=b"qt  "), "video/mp4", (64, 48), 2.0),
    "m4a": (mp4(video=False, brand=b"M4A "), "audio/mp4", (0, 0), 2.0),
    "webm": (webm(), "video/webm", (64, 48), 2.0),
    "browser's": (webm(live=True), "video/webm", (64, 48), 1.98),
    "webm sound": (webm(video=False), "audio/webm", (0, 0), 2.0),
    "mp3": (mp3(), "audio/mpeg", (0, 0), 1.045),
    "bare mp3": (mp3(tags=False), "audio/mpeg", (0, 0), 1.045),
}


@pytest.mark.parametrize("kind", GOOD)
def test_recordings_are_taken_with_type_size_and_length(
    tmp_path: Path, kind: str
) -> None:
    data, media_type, size, seconds = GOOD[kind]
    done = take(tmp_path, data)
    assert (done.media_type, (done.width, done.height)) == (media_type, size)
    assert done.seconds == pytest.approx(seconds, abs=0.001)
    out = published(tmp_path, done)
    assert done.size == len(out)
    for secret in (
        SECRET,
        b"SECR",
        b"Secret",
        b"\x11\x11\x11\x11",
        b"\x22\x22\x22\x22",
    ):
        assert secret not in out
    again = take(tmp_path, out)  # what is published is itself a sound file
    assert (again.stem, again.seconds) == (done.stem, done.seconds)


def test_the_samples_of_a_film_are_unchanged_and_found_by_the_new_index(
    tmp_path: Path,
) -> None:
    out = published(tmp_path, take(tmp_path, mp4()))
    assert [kind for kind, _ in boxes(out)] == [b"ftyp", b"moov", b"mdat"]
    assert chunk_data(out, 0) == [SAMPLE] * 4
    assert chunk_data(out, 1) == [b"sound0", b"sound1", b"sound2", b"sound3"]
    kinds = {kind for kind, _ in boxes(find(out, b"moov"))}
    assert kinds == {b"mvhd", b"trak"}


def test_no_metadata_within_the_samples_or_headers_reaches_readers(
    tmp_path: Path,
) -> None:
    recovery = b"\x06\x06\x01\xc4\x80"
    timed = b"\x06\x01\x06PicTim\x80"
    tagged = b"\x06\x06\x01\xc4\x05" + bytes([len(SECRET)]) + SECRET + b"\x80"
    units = (
        recovery,
        b"\x06\xff\x00\x05" + bytes([len(SECRET)]) + SECRET + b"\x80",
        b"\x06\x05" + bytes([len(SECRET)]) + SECRET + b"\x80",
        tagged,
        timed,
        b"\x0c" + SECRET + b"\x80",
        b"\x18" + SECRET,
        b"\x06\x05\xff",  # cut off
        b"\x06",
        UNIT,
    )
    sample = b"".join(u32(len(unit)) + unit for unit in units)
    out = published(tmp_path, take(tmp_path, mp4(sample=sample)))
    assert SECRET not in out
    assert b"PicTim" not in out
    (kept, *_) = chunk_data(out, 0)
    assert len(kept) == len(sample)
    found, at = [], 0
    while at < len(kept):
        length = int.from_bytes(kept[at : at + 4])
        found.append(kept[at + 4 : at + 4 + length])
        at += 4 + length
    assert [unit for unit in found if unit[0] != 0x0C] == [recovery, UNIT]
    assert found[-2] == b"\x0c"
    assert set(found[1][1:-1]) == {0xFF}
    again = take(tmp_path, out)
    assert published(tmp_path, again) == out


def test_reserved_fields_of_headers_are_written_empty(tmp_path: Path) -> None:
    data = mp4()
    spoilt = bytearray(data)
    movie = data.index(b"mvhd") + 4
    track = data.index(b"tkhd") + 4
    media = data.index(b"mdhd") + 4
    for start, end in (
        (movie + 26, movie + 36),
        (movie + 72, movie + 96),
        (track + 16, track + 20),
        (track + 24, track + 32),
        (track + 38, track + 40),
        (media + 22, media + 24),
    ):
        spoilt[start:end] = b"S" * (end - start)
    clean = take(tmp_path, data)
    assert take(tmp_path, bytes(spoilt)).stem == clean.stem


def test_many_boxes_and_chunks_are_checked_in_one_pass(tmp_path: Path) -> None:
    data = mp4(sound=False, frames=5000, delta=1, empty=20_000)
    began = time.process_time()
    assert take(tmp_path, data).seconds == 5
    assert time.process_time() - began < 4


def test_what_surrounds_the_sound_of_an_mp3_is_left_out(tmp_path: Path) -> None:
    out = published(tmp_path, take(tmp_path, mp3(5)))
    assert out == MP3_FRAME * 5
    broken_off = take(tmp_path, MP3_FRAME * 6 + MP3_FRAME[:100])
    assert published(tmp_path, broken_off) == MP3_FRAME * 6


@pytest.mark.parametrize("kind", ["mp4", "index first", "webm", "mp3"])
def test_nothing_around_a_recording_reaches_readers(tmp_path: Path, kind: str) -> None:
    data = GOOD[kind][0]
    trailers = {"webm": element(0xEC, PAGE)}
    trailer = trailers.get(kind, box(b"free", PAGE))
    if kind == "mp3":
        data, trailer = data[:-128], b"TAG" + PAGE.ljust(125, b"\0")
    done = take(tmp_path, data + trailer)
    assert PAGE not in published(tmp_path, done)


BAD = {
    "h265": (mp4(entry=video_entry(b"hvc1")), "HEVC"),
    "unknown codec": (mp4(entry=video_entry(b"<b>x")), "can't be used"),
    "lossless sound": (mp4(sound_form=sound_entry(b"alac")), "Apple Lossless"),
    "deep colours": (
        mp4(entry=video_entry(avc=AVC.replace(b"\x01\x64", b"\x01\x6e", 1))),
        "8 bits",
    ),
    "mp3 in mp4": (
        mp4(sound_form=sound_entry(stream=AAC.replace(b"\x40\x15", b"\x6b\x15"))),
        "can't be used",
    ),
    "too wide": (mp4(size=(8000, 100)), "4096 pixels"),
    "no size": (mp4(size=(0, 0)), "damaged"),
    "not h264": (mp4(sample=PAGE), "damaged"),
    "empty": (mp4(frames=4, delta=0), "empty"),
    "fragments": (mp4(trailer=box(b"moof", b"")), "in fragments"),
    "no index": (box(b"ftyp", b"isom", u32(0), b"isom") + box(b"mdat", PAGE), "index"),
    "cut off": (mp4(index_first=True)[:-3], "damaged"),
    "huge box": (
        mp4()[:-4] + b"\0\0\0\0" + struct.pack(">I4sQ", 1, b"free", 2**63),
        "damaged",
    ),
    "trailing page": (mp4() + PAGE, "damaged"),
    "two indexes": (mp4(trailer=box(b"moov", b"")), "damaged"),
    "matroska": (webm(doc_type=b"matroska"), "Matroska"),
    "h264 in webm": (webm(codec=b"V_MPEG4/ISO/AVC"), "H.264 in a WebM file"),
    "cut off webm": (webm()[:-30], "damaged"),
    "mp3 with a page in it": (MP3_FRAME * 5 + PAGE + MP3_FRAME * 5, "damaged"),
    "only a tag": (mp3(0), "damaged"),
    "wav": (b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), "MP3 or M4A"),
    "ogg": (b"OggS" + bytes(60), "MP3 or M4A"),
    "page": (b"ID3\4\0\0\0\0\0\0" + PAGE, "damaged"),
}


@pytest.mark.parametrize("kind", BAD)
def test_other_files_are_refused_with_a_sentence(tmp_path: Path, kind: str) -> None:
    data, words = BAD[kind]
    assert words in refused(tmp_path, data)


@pytest.mark.parametrize("make", [mp4, webm, mp3])
def test_damaged_files_are_read_or_refused_but_nothing_else(
    tmp_path: Path, make: object
) -> None:
    good = make()  # type: ignore[operator]
    chance = random.Random(7)
    for _ in range(150):
        data = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            data[at : at + chance.choice((0, 1, 1, 4))] = chance.randbytes(
                chance.choice((0, 1, 4))
            )
        try:
            done = take(tmp_path, bytes(data))
        except ImageError:
            continue
        assert published(tmp_path, done)[:4] != b"<!do"


def test_limits_of_size_and_length_are_told(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="longer than 1 minutes"):
        take(tmp_path, mp4(delta=20_000), Limits(megabytes=1, minutes=1))
    with pytest.raises(ImageError, match="more than 0 MB"):
        take(tmp_path, mp3(), Limits(megabytes=0, minutes=1))


def test_a_length_that_only_the_header_tells_counts(tmp_path: Path) -> None:
    data = mp4().replace(u32(1000, 2000, 0x10000), u32(1000, 2_000_000, 0x10000))
    with pytest.raises(ImageError, match="longer than 10 minutes"):
        take(tmp_path, data)


def test_the_child_process_takes_recordings_and_pictures_by_their_content(
    tmp_path: Path,
) -> None:
    film = worker.ingest_in_process(BytesIO(webm()), tmp_path, KEY)
    assert film.media_type == "video/webm"
    picture = worker.ingest_in_process(BytesIO(encode(noise())), tmp_path, KEY)
    assert picture.media_type == ""
    with pytest.raises(ImageError, match="4096 pixels"):
        worker.ingest_in_process(BytesIO(mp4(size=(8000, 9))), tmp_path, KEY)
    with pytest.raises(ImageError, match="MP4, WebM, MP3 or M4A"):
        worker.ingest_in_process(BytesIO(PAGE), tmp_path, KEY)


# --- Captions

SRT = """1
00:00:04,500 --> 00:00:06,000 X1:40
<font color="red">Second</font> {\\an8}line

2
00:00:01,000 --> 00:00:04,000
- <i>First</i>, she said
"""
VTT = """WEBVTT - made by SecretTool

NOTE by Secret

STYLE
::cue { background: url(http://evil.example/) }

a name
00:01.000 --> 00:04.000 line:0 region:x
<v Ada>First</v> &amp; last
"""


def test_captions_become_plain_webvtt() -> None:
    assert tidy_captions(SRT) == (
        "WEBVTT\n\n00:00:01.000 --> 00:00:04.000\n- <i>First</i>, she said\n\n"
        "00:00:04.500 --> 00:00:06.000\nSecond line\n"
    )
    tidied = tidy_captions("\ufeff" + VTT.replace("\n", "\r\n"))
    assert tidied == (
        "WEBVTT\n\n00:00:01.000 --> 00:00:04.000 line:0\n<v Ada>First</v> &amp; last\n"
    )
    assert tidy_captions(tidied) == tidied
    assert tidy_captions(" \n") == ""


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("If a < b and c > d", "If a &lt; b and c > d"),
        ("<laughs> I <3 fog", "&lt;laughs> I &lt;3 fog"),
        ("if a <b and c> d", "if a &lt;b and c> d"),
        ("1 << 2, <>, </> and <", "1 &lt;&lt; 2, &lt;>, &lt;/> and &lt;"),
        ("a &lt; b &amp; c", "a &lt; b &amp; c"),
        ('<font color="red">Fog</font><br/>lifts', "Fog\nlifts"),
        ("<SPAN style=x>Fog</SPAN> <strong>now</strong>", "Fog now"),
        ("{\\an8}Above {the} quay", "Above {the} quay"),
        ("<00:01.500><c.red>Fog</c> <b>lifts</b>", None),
        ("<v.loud Ada Q.>Fog</v> <lang en-GB>lifts</lang>", None),
    ],
)
def test_only_marks_are_left_out_of_captions(typed: str, written: str | None) -> None:
    start = "WEBVTT\n\n00:00:01.000 --> 00:00:04.000\n"
    tidied = tidy_captions(start + typed)
    assert tidied == f"{start}{written or typed}\n"
    assert tidy_captions(tidied) == tidied


@pytest.mark.parametrize("marks", ["<", "<a ", "{\\", "<font ", "<v ", "</"])
def test_captions_of_marks_alone_are_read_fast(marks: str) -> None:
    typed = "00:01.000 --> 00:04.000\n" + marks * (190_000 // len(marks))
    began = time.process_time()
    tidy_captions(typed)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Just some text", "This isn't a captions file"),
        ("WEBVTT", "This isn't a captions file"),
        ("WEBVTT\n\n00:01 --> 00:04\nNo thousandths", "Line 3 of the captions"),
        ("WEBVTT\n\nx\n00:04.000 --> 00:01.000\nBack", "Line 4 .* before it begins"),
        ("WEBVTT\n\n00:01.000 --> 00:04.000\na --> b", "Line 3 of the captions"),
        ("WEBVTT\n\n" + "x" * 200_001, "too long"),
    ],
)
def test_what_is_no_captions_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(CaptionsError, match=words):
        tidy_captions(text)
