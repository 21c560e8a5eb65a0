"""Read MP4, M4A and QuickTime files strictly, and write them as MP4 without metadata.

The boxes are those of ISO/IEC 14496-12, with H.264 (14496-15) and AAC (14496-3). Only
what a player needs is written, and only the samples of the kept tracks: no location,
device, author, preview, other track or trailing byte of the upload remains. The index
comes first, so that players can start at once.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Final, NamedTuple

from entries.images.ingest import ImageError, gettext_noop
from entries.images.recordings import Recording, check_size, damaged, unplayable

_FRAGMENTED: Final = gettext_noop(
    "This recording is in fragments, as browsers and streams save them. "
    "Open it in a video editor, export it as MP4, and upload that."
)
_NO_INDEX: Final = gettext_noop(
    "The recording is incomplete: its index is missing. "
    "Copy it from the camera again, or export it anew, and upload that."
)
_DEEP_COLOUR: Final = gettext_noop(
    "This H.264 video has colours that not every browser plays. "
    "Export it with 8 bits and 4:2:0 (the “High” profile), and upload that."
)
_CODECS: Final = {
    b"hvc1": "HEVC (H.265)",
    b"hev1": "HEVC (H.265)",
    b"dvh1": "Dolby Vision",
    b"dvhe": "Dolby Vision",
    b"av01": "AV1",
    b"vp09": "VP9",
    b"mp4v": "MPEG-4 Part 2",
    b"s263": "H.263",
    b"alac": "Apple Lossless",
    b"ac-3": "Dolby Digital",
    b"ec-3": "Dolby Digital Plus",
    b"Opus": "Opus",
    b"fLaC": "FLAC",
    b"samr": "AMR",
}
_VIDEO: Final = b"vide"
_SOUND: Final = b"soun"
_PROFILES: Final = frozenset({66, 77, 88, 100})  # of H.264, with 8 bits and 4:2:0
_HIGH: Final = 100  # the profile whose record may end with four bytes on colours
_AAC: Final = 0x40  # MPEG-4 Audio, in the registry of object types
_AAC_TYPES: Final = frozenset({2, 5, 29})  # LC, also with SBR and PS
# Types of units of H.264.
_SUPPLEMENTAL: Final = 6
_FILLER: Final = 12
_UNSPECIFIED: Final = 24  # and above
_RECOVERY: Final = 6  # supplemental, of a few bytes: where decoding may begin
_MAX_RECOVERY: Final = 6  # bytes
_MAX_SAMPLES: Final = 2_000_000
_UNKNOWN_LENGTH: Final = 0xFFFFFFFF


class _Box(NamedTuple):
    """A box: where its content begins and ends in the file."""

    kind: bytes
    start: int
    end: int


class _Samples(NamedTuple):
    """Where a track's data is: chunks as (offset, size), and the size of each sample.

    `tables` are the boxes that describe them, but for the chunk offsets.
    """

    chunks: list[tuple[int, int]]
    sizes: Sequence[int]
    units: int  # of the track's time scale
    tables: bytes


class _Codec(NamedTuple):
    """A sample description, and how many bytes give the length of a unit of H.264."""

    entry: bytes
    length_size: int = 0


@dataclass(frozen=True)
class _Track:
    """A track that browsers play; its boxes are those that are written."""

    handler: bytes
    header: bytes
    edits: bytes
    media_header: bytes
    description: bytes
    samples: _Samples
    spare: list[tuple[int, int]]  # where there are units that no decoder needs
    seconds: float
    width: int = 0
    height: int = 0


def remux_mp4(data: bytes) -> Recording:
    """Return a file rewritten.

    Raises ImageError for files that browsers don't play, and ImageError, struct.error
    or IndexError for damaged ones.
    """
    boxes = list(_boxes(data, _Box(b"", 0, len(data)), last_is_open=True))
    movies = [box for box in boxes if box.kind == b"moov"]
    if not movies:
        raise ImageError(_NO_INDEX)
    if len(movies) > 1:
        raise damaged()
    children = list(_boxes(data, movies[0]))
    if {b"moof", b"mvex"} & {box.kind for box in (*boxes, *children)}:
        raise ImageError(_FRAGMENTED)
    tracks = _playable(data, [box for box in children if box.kind == b"trak"])
    header, seconds = _movie_header(data, _only(children, b"mvhd"))
    seconds = max(seconds, *(track.seconds for track in tracks))
    payloads = [(box.start, box.end) for box in boxes if box.kind == b"mdat"]
    return _write(data, tracks, header, payloads, seconds)


# --- Reading


def _boxes(data: bytes, parent: _Box, *, last_is_open: bool = False) -> Iterator[_Box]:
    """Yield the boxes inside another. Raises ImageError unless they fill it exactly."""
    at = parent.start
    while at < parent.end:
        if parent.end - at < 8:
            if any(data[at : parent.end]):
                raise damaged()
            return  # QuickTime ends some lists with a zero
        size, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1:
            size, start = struct.unpack_from(">Q", data, start)[0], start + 8
        elif size == 0 and last_is_open:
            size = parent.end - at
        if not start - at <= size <= parent.end - at:
            raise damaged()
        yield _Box(kind, start, at + size)
        at += size


def _only(boxes: Iterable[_Box], kind: bytes) -> _Box:
    """Return the one box of a kind."""
    found = [box for box in boxes if box.kind == kind]
    if len(found) != 1:
        raise damaged()
    return found[0]


def _optional(boxes: Iterable[_Box], kind: bytes) -> _Box | None:
    return next((box for box in boxes if box.kind == kind), None)


def _body(data: bytes, box: _Box, least: int) -> bytearray:
    """Return the content of a box that must have at least some bytes."""
    if box.end - box.start < least:
        raise damaged()
    return bytearray(data[box.start : box.end])


def _rows(data: bytes, box: _Box, row: str) -> list[tuple[int, ...]]:
    """Return the rows of a table with a count. Raises ImageError if it is no table."""
    size = struct.calcsize(">" + row)
    count = struct.unpack_from(">I", data, box.start + 4)[0]
    if count * size != box.end - box.start - 8 or count > _MAX_SAMPLES:
        raise damaged()
    return list(struct.iter_unpack(">" + row, data[box.start + 8 : box.end]))


def _movie_header(data: bytes, box: _Box) -> tuple[bytes, float]:
    """Return `mvhd` without the times of its making, and the seconds it tells."""
    body = _body(data, box, 100)
    scale, length = _erase_times(body, 0)
    body = body[: 112 if body[0] == 1 else 100]
    _erase(body, (-74, -64), (-28, -4))
    return _box(b"mvhd", body), length / scale


def _erase(body: bytearray, *reserved: tuple[int, int]) -> None:
    """Overwrite reserved fields of a header, counted from its end, with zeros."""
    size = len(body)
    for start, end in reserved:
        body[size + start : size + end] = bytes(end - start)


def _erase_times(body: bytearray, gap: int) -> tuple[int, int]:
    """Erase creation and modification from a header; return the numbers after them.

    These are the time scale (or the track's number) and the duration, which follows
    after `gap` reserved bytes.
    """
    if body[0] == 1:
        body[4:20], body[24 : 24 + gap] = bytes(16), bytes(gap)
        scale, length = struct.unpack_from(f">I{gap}xQ", body, 20)
    else:
        body[4:12], body[16 : 16 + gap] = bytes(8), bytes(gap)
        scale, length = struct.unpack_from(f">I{gap}xI", body, 12)
    if not scale:
        raise damaged()
    return scale, 0 if length in (_UNKNOWN_LENGTH, 2**64 - 1) else length


def _playable(data: bytes, boxes: list[_Box]) -> list[_Track]:
    """Return the first video track and the first sound track that browsers play.

    Raises the ImageError of a kind of which no track is playable.
    """
    found: dict[bytes, _Track] = {}
    errors: dict[bytes, ImageError] = {}
    for box in boxes:
        children = list(_boxes(data, box))
        media = list(_boxes(data, _only(children, b"mdia")))
        handler = bytes(_body(data, _only(media, b"hdlr"), 20)[8:12])
        if handler not in (_VIDEO, _SOUND) or handler in found:
            continue
        try:
            found[handler] = _read_track(data, handler, children, media)
        except ImageError as error:
            errors.setdefault(handler, error)
    for handler, reason in errors.items():
        if handler not in found:
            raise reason
    if not found:
        raise damaged()
    return [found[handler] for handler in (_VIDEO, _SOUND) if handler in found]


def _read_track(
    data: bytes, handler: bytes, children: list[_Box], media: list[_Box]
) -> _Track:
    table = _only(_boxes(data, _only(media, b"minf")), b"stbl")
    tables = list(_boxes(data, table))
    codec = _codec(data, handler, _only(tables, b"stsd"))
    samples = _samples(data, tables)
    spare = list(_spare_units(data, samples, codec.length_size))
    media_header = _body(data, _only(media, b"mdhd"), 24)
    scale, _ = _erase_times(media_header, 0)
    media_header = media_header[: 36 if media_header[0] == 1 else 24]
    _erase(media_header, (-2, 0))
    header = _body(data, _only(children, b"tkhd"), 84)
    _erase_times(header, 4)
    header[1:4] = b"\0\0\3"  # enabled, and part of the film
    header = header[: 96 if header[0] == 1 else 84]
    _erase(header, (-60, -52), (-46, -44))
    width, height = _shown_size(header) if handler == _VIDEO else (0, 0)
    edits = _optional(children, b"edts")
    return _Track(
        handler,
        _box(b"tkhd", header),
        _edits(data, edits) if edits else b"",
        _box(b"mdhd", media_header),
        codec.entry,
        samples,
        spare,
        samples.units / scale,
        width,
        height,
    )


def _edits(data: bytes, box: _Box) -> bytes:
    found = _optional(_boxes(data, box), b"elst")
    if not found:
        return b""
    _rows(data, found, "QqI" if data[found.start] == 1 else "IiI")
    return _box(b"edts", _box(b"elst", data[found.start : found.end]))


def _shown_size(header: bytearray) -> tuple[int, int]:
    """Return width and height as they are shown, after a turn of the camera."""
    a, b, _, c, d = struct.unpack_from(">5i", header, len(header) - 44)
    width, height = (n >> 16 for n in struct.unpack(">II", header[-8:]))
    turned = not a and not d and b and c
    size = (height, width) if turned else (width, height)
    check_size(*size)
    return size


def _samples(data: bytes, tables: list[_Box]) -> _Samples:
    """Return a track's samples, once its tables agree with each other."""
    sizes_box = _only(tables, b"stsz")
    size, count = struct.unpack_from(">II", data, sizes_box.start + 4)
    if count > _MAX_SAMPLES or not count:
        raise damaged()
    sizes: Sequence[int] = [size] * count
    if not size:
        if count * 4 != sizes_box.end - sizes_box.start - 12:
            raise damaged()
        sizes = struct.unpack_from(f">{count}I", data, sizes_box.start + 12)
    times = _rows(data, _only(tables, b"stts"), "II")
    if sum(number for number, _ in times) != count:
        raise damaged()
    runs = _only(tables, b"stsc")
    wide = _optional(tables, b"co64")
    places = _rows(data, wide or _only(tables, b"stco"), "Q" if wide else "I")
    chunks = _chunks([at for (at,) in places], _rows(data, runs, "III"), sizes)
    kept = [_only(tables, b"stts"), *_further_tables(data, tables, count), runs]
    copied = b"".join(_box(box.kind, data[box.start : box.end]) for box in kept)
    table = _box(b"stsz", bytes(4), struct.pack(">II", size, count))
    if not size:
        table = _box(b"stsz", bytes(8), _u32(count), struct.pack(f">{count}I", *sizes))
    units = sum(number * delta for number, delta in times)
    return _Samples(chunks, sizes, units, copied + table)


def _further_tables(data: bytes, tables: list[_Box], count: int) -> list[_Box]:
    """Return the tables that say which samples are key frames and when they show."""
    found = []
    for kind, row in ((b"ctts", "II"), (b"stss", "I")):
        if box := _optional(tables, kind):
            if len(_rows(data, box, row)) > count:
                raise damaged()
            found.append(box)
    return found


def _chunks(
    places: list[int], runs: list[tuple[int, ...]], sizes: Sequence[int]
) -> list[tuple[int, int]]:
    """Return (offset, size) of each chunk."""
    bounds = [first for first, _, _ in runs] + [len(places) + 1]
    if bounds[0] != 1 or any(a >= b for a, b in pairwise(bounds)):
        raise damaged()
    chunks = []
    sample = 0
    for (first, number, description), end in zip(runs, bounds[1:], strict=True):
        if description != 1:
            raise damaged()
        for place in places[first - 1 : end - 1]:
            chunks.append((place, sum(sizes[sample : sample + number])))
            sample += number
    if sample != len(sizes):
        raise damaged()
    return chunks


def _spare_units(
    data: bytes, samples: _Samples, length_size: int
) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of units that no decoder needs and that may hold metadata.

    Raises ImageError unless each sample of H.264 is a row of units with lengths.
    """
    sizes = iter(samples.sizes)
    for place, chunk in samples.chunks if length_size else ():
        at, end = place, place + chunk
        if end > len(data):
            raise damaged()
        while at < end:
            sample_end = at + next(sizes)
            while at < sample_end:
                start = at + length_size
                at = start + int.from_bytes(data[at:start])
                if start < at <= sample_end and _is_spare(data, start, at):
                    yield start, at
            if at != sample_end:
                raise damaged()


def _is_spare(data: bytes, start: int, end: int) -> bool:
    """Return whether a unit is filler, of no specified type, or tells about the video.

    Such supplemental information may be the name or place of a camera. Only where a
    decoder may begin matters to players.
    """
    kind = data[start] & 0x1F
    if kind == _SUPPLEMENTAL and end - start > 1:
        return data[start + 1] != _RECOVERY or end - start > _MAX_RECOVERY
    return kind in (0, _SUPPLEMENTAL, _FILLER) or kind >= _UNSPECIFIED


# --- Codecs


def _codec(data: bytes, handler: bytes, box: _Box) -> _Codec:
    entries = list(_boxes(data, _Box(b"", box.start + 8, box.end)))
    if len(entries) != 1:
        raise damaged()
    expected = (b"avc1", b"avc3") if handler == _VIDEO else (b"mp4a",)
    if entries[0].kind not in expected:
        raise unplayable(_CODECS.get(entries[0].kind, ""))
    read = _h264 if handler == _VIDEO else _aac
    codec = read(data, entries[0])
    return codec._replace(entry=_box(b"stsd", bytes(4), _u32(1), codec.entry))


def _h264(data: bytes, box: _Box) -> _Codec:
    """Return a description without the name of the encoder, which may be a camera's."""
    body = _body(data, box, 78)
    children = list(_boxes(data, _Box(b"", box.start + 78, box.end)))
    record, length_size = _h264_record(_body(data, _only(children, b"avcC"), 7))
    width, height = struct.unpack_from(">HH", body, 24)
    check_size(width, height)
    fields = struct.pack(
        ">6xH16xHHII4xH32xHH", 1, width, height, 72 << 16, 72 << 16, 1, 24, 0xFFFF
    )
    more = []
    if shape := _optional(children, b"pasp"):
        more.append(_box(b"pasp", _body(data, shape, 8)[:8]))
    colour = _optional(children, b"colr")
    if colour and data[colour.start : colour.start + 4] == b"nclx":
        more.append(_box(b"colr", _body(data, colour, 11)[:11]))
    return _Codec(_box(box.kind, fields, _box(b"avcC", record), *more), length_size)


def _h264_record(body: bytearray) -> tuple[bytes, int]:
    """Return a decoder configuration record, cut after its last field."""
    if body[0] != 1:
        raise damaged()
    if body[1] not in _PROFILES:
        raise ImageError(_DEEP_COLOUR)
    at = 5
    for mask in (0x1F, 0xFF):  # sequence and picture parameter sets
        count, at = body[at] & mask, at + 1
        for _ in range(count):
            at += 2 + int.from_bytes(body[at : at + 2])
    if at > len(body):
        raise damaged()
    more = (
        body[at : at + 3] + b"\0" if body[1] == _HIGH and len(body) >= at + 4 else b""
    )
    if more and (more[0] & 3, more[1] & 7, more[2] & 7) != (1, 0, 0):
        raise ImageError(_DEEP_COLOUR)
    return bytes(body[:at] + more), (body[4] & 3) + 1


def _aac(data: bytes, box: _Box) -> _Codec:
    body = _body(data, box, 28)
    version, channels, bits, rate = struct.unpack_from(">8xH6xHH4xI", body)
    if version > 1:
        raise unplayable("")
    after = box.start + (44 if version else 28)  # QuickTime's form is longer
    children = list(_boxes(data, _Box(b"", after, box.end)))
    if wave := _optional(children, b"wave"):
        children = list(_boxes(data, wave))
    stream = _aac_stream(bytes(_body(data, _only(children, b"esds"), 4)[4:]))
    fields = struct.pack(">6xH8xHH4xI", 1, channels, bits, rate)
    return _Codec(_box(b"mp4a", fields, _box(b"esds", bytes(4), stream)))


def _aac_stream(body: bytes) -> bytes:
    """Return an elementary stream descriptor with the decoder's settings alone."""
    _, stream = _descriptor(body, 3)
    flags = stream[2]
    at = 3 + 2 * bool(flags & 0x80) + 2 * bool(flags & 0x20)
    if flags & 0x40:
        at += 1 + stream[at]
    _, decoder = _descriptor(stream[at:], 4)
    if decoder[0] != _AAC:
        raise unplayable("")
    _, settings = _descriptor(decoder[13:], 5)
    if settings[0] >> 3 not in _AAC_TYPES:
        raise unplayable("")
    settings = settings[:64]
    decoder = decoder[:13] + bytes([5, len(settings)]) + settings
    stream = b"\0\1\0" + bytes([4, len(decoder)]) + decoder + b"\6\1\2"
    return bytes([3, len(stream)]) + stream


def _descriptor(body: bytes, tag: int) -> tuple[int, bytes]:
    """Return where a descriptor ends, and its content."""
    if body[0] != tag:
        raise damaged()
    length, at = 0, 1
    while True:
        length = length << 7 | body[at] & 0x7F
        at += 1
        if body[at - 1] < 0x80 or at > 4:
            break
    if at + length > len(body):
        raise damaged()
    return at + length, body[at : at + length]


# --- Writing


def _u32(number: int) -> bytes:
    return struct.pack(">I", number)


def _box(kind: bytes, *content: bytes | bytearray) -> bytes:
    body = b"".join(content)
    return _u32(8 + len(body)) + kind + body


def _write(
    data: bytes,
    tracks: list[_Track],
    header: bytes,
    payloads: list[tuple[int, int]],
    seconds: float,
) -> Recording:
    places = sorted(chunk for track in tracks for chunk in track.samples.chunks)
    _check_places(places, payloads)
    is_video = tracks[0].handler == _VIDEO
    brand = b"isom" if is_video else b"M4A "
    start = _box(b"ftyp", brand, _u32(0x200), b"isomiso2mp41")
    size = len(start) + len(_movie(header, tracks, {})) + 8
    offsets: dict[int, int] = {}
    for place, length in places:
        offsets[place] = size
        size += length
    payload = sum(length for _, length in places)
    movie = _movie(header, tracks, offsets)
    view = memoryview(data)
    content: list[bytes | memoryview] = [start, movie, _u32(8 + payload) + b"mdat"]
    spare = sorted(unit for track in tracks for unit in track.spare)
    content += _with_filler(view, places, spare)
    kind = "video/mp4" if is_video else "audio/mp4"
    return Recording(kind, tracks[0].width, tracks[0].height, seconds, content)


def _check_places(
    places: list[tuple[int, int]], payloads: list[tuple[int, int]]
) -> None:
    """Raise ImageError if chunks overlap, or are not within the media data.

    Both are in the order of the file.
    """
    if any(
        at + length > following for (at, length), (following, _) in pairwise(places)
    ):
        raise damaged()
    for at, length in places:
        before = bisect_right(payloads, at, key=itemgetter(0)) - 1
        if before < 0 or at + length > payloads[before][1]:
            raise damaged()


def _with_filler(
    view: memoryview, places: list[tuple[int, int]], spare: list[tuple[int, int]]
) -> Iterator[bytes | memoryview]:
    """Yield the chunks, with filler of the same length instead of spare units."""
    units = iter(spare)
    unit = next(units, None)
    for place, length in places:
        at, end = place, place + length
        while unit and unit[0] < end:
            yield view[at : unit[0]]
            yield _filler(unit[1] - unit[0])
            at, unit = unit[1], next(units, None)
        yield view[at:end]


def _filler(size: int) -> bytes:
    return (bytes([_FILLER]) + b"\xff" * (size - 2) + b"\x80")[:size]


def _movie(header: bytes, tracks: list[_Track], offsets: dict[int, int]) -> bytes:
    return _box(b"moov", header, *(_track(track, offsets) for track in tracks))


def _track(track: _Track, offsets: dict[int, int]) -> bytes:
    chunks = [offsets.get(place, 0) for place, _ in track.samples.chunks]
    places = struct.pack(f">II{len(chunks)}I", 0, len(chunks), *chunks)
    is_video = track.handler == _VIDEO
    about = _box(b"vmhd", _u32(1), bytes(8)) if is_video else _box(b"smhd", bytes(8))
    here = _box(b"dref", bytes(4), _u32(1), _box(b"url ", _u32(1)))
    tables = _box(
        b"stbl", track.description, track.samples.tables, _box(b"stco", places)
    )
    media = _box(
        b"mdia",
        track.media_header,
        _box(b"hdlr", bytes(8), track.handler, bytes(13)),
        _box(b"minf", about, _box(b"dinf", here), tables),
    )
    return _box(b"trak", track.header, track.edits, media)
