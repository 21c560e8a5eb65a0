"""Tiny video and audio files for the tests, valid and hostile, made byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from PIL import Image

from entries.images.ingest import IngestedImage
from entries.images.media import DEFAULT_LIMITS, Limits, ingest_media

KEY = b"a key for the tests"
SECRET = b"+51.5007-000.1246-SECRET"
IDENTITY = (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
TURNED = (0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
CAPTIONS = "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nThe wave breaks over the wall.\n"


def take(folder: Path, data: bytes, limits: Limits = DEFAULT_LIMITS) -> IngestedImage:
    """Ingest a recording."""
    return ingest_media(BytesIO(data), folder, KEY, limits)


# --- MP4


def box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def u32(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the boxes of a file, or of a box, that is known to be sound."""
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + size]
        at += size


def find(data: bytes, *path: bytes) -> bytes:
    """Return the content of the first box at a path."""
    for kind in path:
        data = next(body for found, body in boxes(data) if found == kind)
    return data


UNIT = b"\x65frame"  # a unit of H.264: an IDR slice by its first byte
SAMPLE = u32(len(UNIT)) + UNIT
AVC = bytes.fromhex("0164001fffe100046764001f01000268eefdf8f800")
AAC = (
    b"\x03\x19\x00\x01\x00\x04\x11\x40\x15"
    + bytes(11)
    + b"\x05\x02\x12\x10\x06\x01\x02"
)


def video_entry(
    kind: bytes = b"avc1", size: tuple[int, int] = (64, 48), avc: bytes = AVC
) -> bytes:
    fields = struct.pack(">6xH16xHHII4xH", 1, *size, 72 << 16, 72 << 16, 1)
    name = (b"\x0eSecretCam MK II" + bytes(32))[:32]
    return box(kind, fields, name, b"\0\x18\xff\xff", box(b"avcC", avc))


def sound_entry(kind: bytes = b"mp4a", stream: bytes = AAC) -> bytes:
    fields = struct.pack(">6xH8xHH4xI", 1, 2, 16, 44_100 << 16)
    return box(kind, fields, box(b"esds", bytes(4), stream))


def track(
    handler: bytes,
    entry: bytes,
    samples: list[bytes],
    offsets: list[int],
    *,
    delta: int = 500,
    size: tuple[int, int] = (0, 0),
    matrix: tuple[int, ...] = IDENTITY,
    wide: bool = False,
    more: bytes = b"",
) -> bytes:
    """A track with one sample a chunk, in thousandths of a second."""
    length = delta * len(samples)
    header = u32(0x0000000F, 0x11111111, 0x22222222, 1, 0, length) + bytes(16)
    header += struct.pack(">9i", *matrix) + u32(size[0] << 16, size[1] << 16)
    places = (
        box(b"co64", u32(0, len(offsets)), struct.pack(f">{len(offsets)}Q", *offsets))
        if wide
        else box(b"stco", u32(0, len(offsets), *offsets))
    )
    table = box(
        b"stbl",
        box(b"stsd", u32(0, 1), entry),
        box(b"stts", u32(0, 1, len(samples), delta)),
        box(b"stsc", u32(0, 1, 1, 1, 1)),
        box(b"stsz", u32(0, 0, len(samples), *map(len, samples))),
        places,
    )
    media = box(
        b"mdia",
        box(b"mdhd", u32(0, 0x11111111, 0x22222222, 1000, length), b"\x55\xc4\0\0"),
        box(b"hdlr", bytes(8), handler, bytes(12), b"SecretCam handler\0"),
        box(b"minf", box(b"vmhd", bytes(12)), table),
    )
    return box(b"trak", box(b"tkhd", header), media, more)


def mp4(
    *,
    video: bool = True,
    sound: bool = True,
    frames: int = 4,
    delta: int = 500,
    size: tuple[int, int] = (64, 48),
    matrix: tuple[int, ...] = IDENTITY,
    index_first: bool = False,
    wide: bool = False,
    entry: bytes = b"",
    sound_form: bytes = b"",
    sample: bytes = SAMPLE,
    brand: bytes = b"isom",
    trailer: bytes = b"",
    empty: int = 0,
) -> bytes:
    """A film of a camera that tells where it was, in three places and a track."""
    parts = []
    if video:
        samples = [sample + bytes([]) for _ in range(frames)]
        parts.append((b"vide", entry or video_entry(size=size), samples))
    if sound:
        heard = [b"sound%d" % n for n in range(frames)]
        parts.append((b"soun", sound_form or sound_entry(), heard))
    parts.append((b"meta", box(b"gpmd", bytes(8)), [SECRET] * frames))
    start = box(b"ftyp", brand, u32(0x200), brand, b"SECRmp42")
    data = b"".join(samples[n] for n in range(frames) for _, _, samples in parts)

    def index(at: int) -> bytes:
        tracks = []
        for number, (handler, form, samples) in enumerate(parts):
            step = sum(len(row[2][0]) for row in parts)
            before = sum(len(row[2][0]) for row in parts[:number])
            offsets = [at + step * n + before for n in range(frames)]
            shown = {"size": size, "matrix": matrix} if handler == b"vide" else {}
            made = track(
                handler,
                form,
                samples,
                offsets,
                delta=delta,
                wide=wide,
                **shown,
                more=box(b"udta", box(b"\xa9nam", SECRET)),
            )
            tracks.append(made)
        head = u32(0, 0x11111111, 0x22222222, 1000, delta * frames, 0x10000)
        head += bytes(12) + struct.pack(">9i", *IDENTITY) + bytes(24) + u32(9)
        return box(
            b"moov",
            box(b"mvhd", head),
            *tracks,
            box(b"udta", box(b"\xa9xyz", SECRET)),
            box(b"meta", bytes(4), SECRET),
        )

    spare = box(b"uuid", bytes(16), SECRET) + box(b"free", SECRET)
    spare += box(b"mdat") * empty
    if index_first:
        size_of_index = len(index(0))
        movie = index(len(start) + len(spare) + size_of_index + 8)
        return start + spare + movie + box(b"mdat", data) + trailer
    movie = index(len(start) + len(spare) + 8)
    return start + spare + box(b"mdat", data) + movie + trailer


def chunk_data(data: bytes, number: int) -> list[bytes]:
    """Return what the chunks of a track of a rewritten file hold."""
    tracks = [body for kind, body in boxes(find(data, b"moov")) if kind == b"trak"]
    table = find(tracks[number], b"mdia", b"minf", b"stbl")
    sizes = struct.unpack(">I", find(table, b"stsz")[8:12])[0]
    lengths = struct.unpack_from(f">{sizes}I", find(table, b"stsz"), 12)
    offsets = struct.unpack_from(f">{sizes}I", find(table, b"stco"), 8)
    return [data[at : at + size] for at, size in zip(offsets, lengths, strict=True)]


# --- WebM


def element(kind: int, *content: bytes, untold: bool = False) -> bytes:
    body = b"".join(content)
    size = b"\x01" + b"\xff" * 7 if untold else (len(body) | 1 << 56).to_bytes(8)
    return kind.to_bytes((kind.bit_length() + 7) // 8) + size + body


def vp8_frame(colour: str = "navy", size: tuple[int, int] = (64, 48)) -> bytes:
    """A key frame of VP8, which is what a lossy WebP has inside."""
    out = BytesIO()
    Image.new("RGB", size, colour).save(out, "WEBP", quality=40)
    data = out.getvalue()
    at = data.index(b"VP8 ")
    length = int.from_bytes(data[at + 4 : at + 8], "little")
    return data[at + 8 : at + 8 + length]


OPUS_HEAD = b"OpusHead\x01\x02" + struct.pack("<HIhB", 312, 48_000, 0, 0)
OPUS_SILENCE = b"\xfc\xff\xfe"  # 20 milliseconds


def webm(
    *,
    video: bool = True,
    sound: bool = True,
    frames: int = 4,
    gap: int = 500,
    size: tuple[int, int] = (64, 48),
    live: bool = False,
    doc_type: bytes = b"webm",
    codec: bytes = b"V_VP8",
    more: bytes = b"",
) -> bytes:
    """A film with tags; `live` as browsers record it, without lengths and index."""
    head = element(0x1A45DFA3, element(0x4282, doc_type))
    info = element(
        0x1549A966,
        element(0x2AD7B1, (1_000_000).to_bytes(3)),
        element(0x7BA9, SECRET),
        b"" if live else element(0x4489, struct.pack(">d", gap * frames)),
    )
    width, height = (side.to_bytes(2) for side in size)
    shape = element(0xE0, element(0xB0, width), element(0xBA, height))
    tracks = []
    if video:
        tracks.append(
            element(
                0xAE,
                element(0xD7, b"\1"),
                element(0x73C5, b"\1"),
                element(0x83, b"\1"),
                element(0x86, codec),
                element(0x536E, SECRET),
                shape,
            )
        )
    if sound:
        heard = element(
            0xE1, element(0xB5, struct.pack(">d", 48_000)), element(0x9F, b"\2")
        )
        tracks.append(
            element(
                0xAE,
                element(0xD7, b"\2"),
                element(0x73C5, b"\2"),
                element(0x83, b"\2"),
                element(0x86, b"A_OPUS"),
                element(0x63A2, OPUS_HEAD),
                heard,
            )
        )
    tracks.append(  # subtitles
        element(
            0xAE,
            element(0xD7, b"\3"),
            element(0x73C5, b"\3"),
            element(0x83, b"\x11"),
            element(0x86, b"S_TEXT/UTF8"),
        )
    )
    clusters = b""
    for number in range(frames):
        blocks = [element(0xE7, (gap * number).to_bytes(4))]
        if video:
            blocks.append(element(0xA3, b"\x81\0\0\x80", vp8_frame(size=size)))
        if sound:
            blocks += [
                element(0xA3, b"\x82", struct.pack(">h", shift), b"\x80", OPUS_SILENCE)
                for shift in range(0, gap, 20)
            ]
        blocks.append(
            element(0xA0, element(0xA1, b"\x83\0\0\0", SECRET), element(0x9B, b"\1"))
        )
        clusters += element(0x1F43B675, *blocks, untold=live)
    tags = element(0x1254C367, element(0x7373, SECRET))
    segment = (info, element(0x1654AE6B, *tracks), tags, clusters, more)
    return head + element(0x18538067, *segment, untold=live)


# --- MP3

MP3_FRAME = b"\xff\xfb\x90\x64" + bytes(413)  # 26 milliseconds of silence


def mp3(frames: int = 40, *, tags: bool = True) -> bytes:
    sound = MP3_FRAME * frames
    if not tags:
        return sound
    text = b"TIT2" + u32(len(SECRET) + 1) + b"\0\0\0" + SECRET
    front = b"ID3\4\0\0" + bytes([0, 0, 0, len(text)]) + text
    item = u32(0) + u32(0) + b"Title\0"
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, len(item) + 32, 1, 0) + bytes(8)
    old = b"TAG" + SECRET.ljust(125, b"\0")
    return front + sound + item + ape + old
