"""Read WebM files strictly, and write them anew without metadata.

The elements are those of Matroska (RFC 9559), of which WebM is a part. The file is
written from the kept tracks and their blocks alone, with a length and an index, which
recordings made by browsers lack: no tags, titles, attachments or other tracks remain.
"""

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from entries.images.ingest import ImageError, gettext_noop
from entries.images.recordings import Recording, check_size, damaged, unplayable

_MATROSKA: Final = gettext_noop(
    "This is a Matroska film (.mkv), which not every browser plays. "
    "Export it as MP4 with H.264 video and AAC sound, or as WebM, and upload that."
)
_EBML, _DOC_TYPE = 0x1A45DFA3, 0x4282
_SEGMENT, _INFO, _TRACKS, _CLUSTER = 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675
_TIMESTAMP_SCALE, _DURATION, _MUXER, _WRITER = 0x2AD7B1, 0x4489, 0x4D80, 0x5741
_TRACK, _TRACK_NUMBER, _UID, _TYPE, _CODEC = 0xAE, 0xD7, 0x73C5, 0x83, 0x86
_PRIVATE, _FRAME_NS, _ENCODINGS = 0x63A2, 0x23E383, 0x6D80
_VIDEO, _AUDIO, _COLOUR = 0xE0, 0xE1, 0x55B0
_WIDTH, _HEIGHT = 0xB0, 0xBA
_SHOWN_WIDTH, _SHOWN_HEIGHT, _SHOWN_UNIT = 0x54B0, 0x54BA, 0x54B2
_TIMESTAMP, _SIMPLE_BLOCK, _GROUP, _BLOCK = 0xE7, 0xA3, 0xA0, 0xA1
_BLOCK_DURATION, _REFERENCE = 0x9B, 0xFB
_CUES, _CUE, _CUE_TIME = 0x1C53BB6B, 0xBB, 0xB3
_CUE_PLACES, _CUE_TRACK, _CUE_CLUSTER = 0xB7, 0xF7, 0xF1
# Numbers that are copied as they are.
_TRACK_NUMBERS: Final = frozenset({0x9C, 0x56AA, 0x56BB, _FRAME_NS})
_VIDEO_NUMBERS: Final = frozenset({_WIDTH, _HEIGHT, 0x9A, 0x9D})
_AUDIO_NUMBERS: Final = frozenset({0xB5, 0x78B5, 0x9F, 0x6264})
_COLOUR_NUMBERS: Final = frozenset(range(0x55B1, 0x55BE))
_GROUP_NUMBERS: Final = frozenset({_BLOCK_DURATION, _REFERENCE, 0x75A2})
_VIDEO_TYPE, _AUDIO_TYPE = 1, 2
_CODECS: Final = {
    _VIDEO_TYPE: ("V_VP8", "V_VP9", "V_AV1"),
    _AUDIO_TYPE: ("A_OPUS", "A_VORBIS"),
}
_NAMES: Final = {
    "V_MPEG4/ISO/AVC": "H.264 in a WebM file",
    "V_MPEGH/ISO/HEVC": "HEVC (H.265)",
    "A_AAC": "AAC in a WebM file",
}
_MAX_PRIVATE_BYTES: Final = 64 * 1024  # of a codec's settings
_NS: Final = 1_000_000_000


class _Element(NamedTuple):
    """An element: where its content begins, and ends (at the file's if untold)."""

    kind: int
    start: int
    end: int


@dataclass(frozen=True)
class _Track:
    """A track that browsers play; `entry` is the element that is written."""

    number: int
    type: int
    codec: str
    entry: bytes
    frame_ns: int
    width: int = 0
    height: int = 0


@dataclass
class _Cluster:
    """Blocks with times from one start; `key_at` is the time of its first key frame."""

    at: int = 0
    blocks: list[bytes | memoryview] = field(default_factory=list)
    key_at: int | None = None


def remux_webm(data: bytes) -> Recording:
    """Return a file rewritten.

    Raises ImageError for files that browsers don't play, and ImageError, struct.error
    or IndexError for damaged ones.
    """
    found = _Contents(data)
    found.read()
    return _write(found)


# --- Reading


def _vint(data: bytes, at: int, longest: int, *, marked: bool) -> tuple[int, int]:
    """Return a variable-length number (-1 for the reserved one), and its end."""
    first = data[at]
    length = 9 - first.bit_length()
    if length > longest or at + length > len(data):
        raise damaged()
    number = int.from_bytes(data[at : at + length])
    if marked:
        return number, at + length
    number &= (1 << 7 * length) - 1
    return -1 if number == (1 << 7 * length) - 1 else number, at + length


def _elements(
    data: bytes, at: int, end: int, entered: Collection[int] = ()
) -> Iterator[_Element]:
    """Yield the elements between two places, and those inside the `entered` ones."""
    while at < end:
        kind, start = _vint(data, at, 4, marked=True)
        size, start = _vint(data, start, 8, marked=False)
        if size > end - start or start > end or (size < 0 and kind not in entered):
            raise damaged()
        yield _Element(kind, start, end if size < 0 else start + size)
        at = start if kind in entered else start + size


def _inside(data: bytes, parent: _Element) -> list[_Element]:
    return list(_elements(data, parent.start, parent.end))


def _number(data: bytes, element: _Element) -> int:
    if element.end - element.start > 8:
        raise damaged()
    return int.from_bytes(data[element.start : element.end])


def _numbers(data: bytes, elements: list[_Element], kinds: Collection[int]) -> bytes:
    """Return those elements whose content is a number of at most eight bytes."""
    kept = [one for one in elements if one.kind in kinds and one.end - one.start <= 8]
    return b"".join(_element(one.kind, data[one.start : one.end]) for one in kept)


def _value(
    data: bytes, elements: list[_Element], kind: int, default: int | None = None
) -> int:
    for element in elements:
        if element.kind == kind:
            return _number(data, element)
    if default is None:
        raise damaged()
    return default


class _Contents:
    """What is kept of a file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.scale = 1_000_000  # nanoseconds of a unit of time
        self.stated_ns = 0.0  # the duration that the file gives
        self.end_ns = 0
        self.tracks: dict[int, _Track] = {}
        self.clusters: list[_Cluster] = []

    @property
    def indexed(self) -> _Track:
        """Return the track whose key frames the index lists."""
        return min(self.tracks.values(), key=lambda track: track.type)

    def read(self) -> None:
        """Read the whole file; segment and clusters need not tell their lengths."""
        data = self.data
        for place, element in enumerate(
            _elements(data, 0, len(data), (_SEGMENT, _CLUSTER))
        ):
            if place == 0 or element.kind == _EBML:
                self._check_type(element, place)
            elif element.kind == _INFO:
                self._read_info(_inside(data, element))
            elif element.kind == _TRACKS:
                self._read_tracks(element)
            elif element.kind == _CLUSTER:
                self.clusters.append(_Cluster())
            elif element.kind == _TIMESTAMP:
                self.clusters[-1].at = _number(data, element)
            elif element.kind in (_SIMPLE_BLOCK, _GROUP):
                self._add_block(element)
        self.clusters = [one for one in self.clusters if one.blocks]
        if all(one.key_at is None for one in self.clusters):
            raise damaged()

    def _check_type(self, element: _Element, place: int) -> None:
        if place or element.kind != _EBML:
            raise damaged()
        for one in _inside(self.data, element):
            if one.kind == _DOC_TYPE:
                if self.data[one.start : one.end].rstrip(b"\0") != b"webm":
                    raise ImageError(_MATROSKA)
                return
        raise damaged()

    def _read_info(self, elements: list[_Element]) -> None:
        self.scale = _value(self.data, elements, _TIMESTAMP_SCALE, self.scale)
        if not 0 < self.scale <= _NS:
            raise damaged()
        for one in elements:
            if one.kind == _DURATION:
                form = ">f" if one.end - one.start == 4 else ">d"
                stated = struct.unpack(form, self.data[one.start : one.end])[0]
                self.stated_ns = stated * self.scale if stated < 2**53 else 0.0

    def _read_tracks(self, parent: _Element) -> None:
        """Keep the first track of each type that browsers play."""
        if self.tracks:
            raise damaged()
        errors: dict[int, ImageError] = {}
        tracks = [one for one in _inside(self.data, parent) if one.kind == _TRACK]
        for element in tracks:
            children = _inside(self.data, element)
            type_ = _value(self.data, children, _TYPE)
            kept = {track.type for track in self.tracks.values()}
            if type_ not in _CODECS or type_ in kept:
                continue
            try:
                track = _track(self.data, children, type_)
            except ImageError as error:
                errors.setdefault(type_, error)
            else:
                if track.number in self.tracks:
                    raise damaged()
                self.tracks[track.number] = track
        kept = {track.type for track in self.tracks.values()}
        unplayable_types = [type_ for type_ in errors if type_ not in kept]
        if unplayable_types:
            raise errors[unplayable_types[0]]
        if not kept:
            raise damaged()

    def _add_block(self, element: _Element) -> None:
        """Add a block to its cluster, if it is one of a kept track."""
        data, block, more = self.data, element, b""
        length_ns = 0
        if element.kind == _GROUP:
            children = _inside(data, element)
            block = next(one for one in children if one.kind == _BLOCK)
            more = _numbers(data, children, _GROUP_NUMBERS)
            length_ns = _value(data, children, _BLOCK_DURATION, 0) * self.scale
        number, at = _vint(data, block.start, 8, marked=False)
        if at + 3 > block.end:
            raise damaged()
        track = self.tracks.get(number)
        if track is None:
            return
        shift, flags = struct.unpack_from(">hB", data, at)
        if element.kind == _GROUP:
            is_key = not any(one.kind == _REFERENCE for one in children)
        else:
            is_key = bool(flags & 0x80)
        cluster = self.clusters[-1]
        time = cluster.at + shift
        if is_key and track is self.indexed and cluster.key_at is None:
            _check_key_frame(track.codec, data[at + 3 : block.end][:8])
            cluster.key_at = max(time, 0)
        self.end_ns = max(
            self.end_ns, time * self.scale + (length_ns or track.frame_ns)
        )
        content = memoryview(data)[block.start : block.end]
        if element.kind == _GROUP:
            inner = _head(_BLOCK, len(content))
            size = len(inner) + len(content) + len(more)
            cluster.blocks += [_head(_GROUP, size) + inner, content, more]
        else:
            cluster.blocks += [_head(_SIMPLE_BLOCK, len(content)), content]


def _check_key_frame(codec: str, frame: bytes) -> None:
    """Raise ImageError if a key frame does not begin as its codec says."""
    if codec == "V_VP8" and (frame[0] & 1 or frame[3:6] != b"\x9d\x01\x2a"):
        raise damaged()
    if codec == "V_VP9" and frame[0] >> 6 != 2:
        raise damaged()


# --- Tracks


def _track(data: bytes, children: list[_Element], type_: int) -> _Track:
    """Return a track. Raises ImageError if browsers don't play it."""
    ids = [data[one.start : one.end] for one in children if one.kind == _CODEC]
    codec = ids[0].rstrip(b"\0").decode("ascii", "replace") if ids else ""
    if codec not in _CODECS[type_]:
        raise unplayable(_NAMES.get(codec, ""))
    if any(one.kind == _ENCODINGS for one in children):  # compressed or encrypted
        raise unplayable("")
    number = _value(data, children, _TRACK_NUMBER)
    private = [data[one.start : one.end] for one in children if one.kind == _PRIVATE]
    settings = _private(codec, private[0] if private else b"")
    shape = _VIDEO if type_ == _VIDEO_TYPE else _AUDIO
    master = next(one for one in children if one.kind == shape)
    inner = _inside(data, master)
    width, height, described = _shape(data, inner, type_)
    entry = _element(
        _TRACK,
        _element(_TRACK_NUMBER, _uint(number)),
        _element(_UID, _uint(number)),
        _element(_TYPE, bytes([type_])),
        _element(_CODEC, codec.encode()),
        _element(_PRIVATE, settings) if settings else b"",
        _numbers(data, children, _TRACK_NUMBERS),
        _element(shape, described),
    )
    frame_ns = _value(data, children, _FRAME_NS, 0)
    return _Track(number, type_, codec, entry, frame_ns, width, height)


def _shape(data: bytes, children: list[_Element], type_: int) -> tuple[int, int, bytes]:
    """Return the size of a video as it is shown (0 for audio), and its elements."""
    if type_ == _AUDIO_TYPE:
        return 0, 0, _numbers(data, children, _AUDIO_NUMBERS)
    width, height = _value(data, children, _WIDTH), _value(data, children, _HEIGHT)
    check_size(width, height)
    described = _numbers(data, children, _VIDEO_NUMBERS)
    for one in children:
        if one.kind == _COLOUR:
            inner = _numbers(data, _inside(data, one), _COLOUR_NUMBERS)
            described += _element(_COLOUR, inner)
    if _value(data, children, _SHOWN_UNIT, 0) == 0:
        width = _value(data, children, _SHOWN_WIDTH, width)
        height = _value(data, children, _SHOWN_HEIGHT, height)
        check_size(width, height)
        described += _element(_SHOWN_WIDTH, _uint(width))
        described += _element(_SHOWN_HEIGHT, _uint(height))
    return width, height, described


def _private(codec: str, settings: bytes) -> bytes:
    """Return a codec's settings without the comments that Vorbis has among them."""
    if len(settings) > _MAX_PRIVATE_BYTES:
        raise damaged()
    if codec == "A_OPUS":
        if settings[:8] != b"OpusHead" or len(settings) < 19:
            raise damaged()
        return settings[: 21 + settings[9] if settings[18] else 19]
    if codec == "A_VORBIS":
        return _vorbis_settings(settings)
    return settings[:256] if codec == "V_AV1" else b""


def _vorbis_settings(settings: bytes) -> bytes:
    """Return the three headers of Vorbis, the second of which has the comments."""
    if settings[:1] != b"\2":
        raise damaged()
    at, lengths = 1, []
    for _ in range(2):
        length = 0
        while settings[at] == 255:
            length, at = length + 255, at + 1
        lengths.append(length + settings[at])
        at += 1
    first = settings[at : at + lengths[0]]
    last = settings[at + sum(lengths) :]
    if first[:7] != b"\1vorbis" or last[:7] != b"\5vorbis":
        raise damaged()
    comments = b"\3vorbis" + bytes(8) + b"\1"
    return b"\2" + bytes([len(first), len(comments)]) + first + comments + last


# --- Writing


def _uint(number: int) -> bytes:
    return number.to_bytes(max(1, -(-number.bit_length() // 8)))


def _head(kind: int, size: int) -> bytes:
    length = next(n for n in range(1, 9) if size < (1 << 7 * n) - 1)
    return _uint(kind) + (size | 1 << 7 * length).to_bytes(length)


def _element(kind: int, *content: bytes) -> bytes:
    body = b"".join(content)
    return _head(kind, len(body)) + body


def _write(found: _Contents) -> Recording:
    video = next((t for t in found.tracks.values() if t.type == _VIDEO_TYPE), None)
    seconds = max(found.end_ns, found.stated_ns) / _NS
    head = _element(
        _EBML,
        *(_element(kind, b"\1") for kind in (0x4286, 0x42F7)),  # versions to read it
        _element(0x42F2, b"\4"),  # the longest id
        _element(0x42F3, b"\x08"),  # the longest size
        _element(_DOC_TYPE, b"webm"),
        _element(0x4287, b"\4"),
        _element(0x4285, b"\2"),
    )
    about = _element(
        _INFO,
        _element(_TIMESTAMP_SCALE, _uint(found.scale)),
        _element(_MUXER, b"-"),
        _element(_WRITER, b"-"),
        _element(_DURATION, struct.pack(">d", seconds * _NS / found.scale)),
    )
    about += _element(_TRACKS, *(track.entry for track in found.tracks.values()))
    clusters = [_cluster(one) for one in found.clusters]
    cues = _cues(found, clusters, 0)
    cues = _cues(found, clusters, len(about) + len(cues))
    content = [about, cues, *(chunk for chunks in clusters for chunk in chunks)]
    segment = _head(_SEGMENT, sum(map(len, content)))
    return Recording(
        "video/webm" if video else "audio/webm",
        video.width if video else 0,
        video.height if video else 0,
        seconds,
        [head, segment, *content],
    )


def _cluster(cluster: _Cluster) -> list[bytes | memoryview]:
    time = _element(_TIMESTAMP, _uint(cluster.at))
    size = len(time) + sum(map(len, cluster.blocks))
    return [_head(_CLUSTER, size) + time, *cluster.blocks]


def _cues(
    found: _Contents, clusters: list[list[bytes | memoryview]], place: int
) -> bytes:
    """Return the index; `place` is where the clusters begin in the segment."""
    points = []
    track = _element(_CUE_TRACK, _uint(found.indexed.number))
    for cluster, chunks in zip(found.clusters, clusters, strict=True):
        if cluster.key_at is not None:
            where = _element(_CUE_CLUSTER, place.to_bytes(8))  # always of one length
            time = _element(_CUE_TIME, _uint(cluster.key_at))
            points.append(_element(_CUE, time, _element(_CUE_PLACES, track, where)))
        place += sum(map(len, chunks))
    return _element(_CUES, *points)
