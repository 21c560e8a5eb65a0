"""Read MP3 files strictly, and write their frames alone.

The frames are those of MPEG-1 and MPEG-2 audio, layer III (ISO/IEC 11172-3, 13818-3).
What is around them is left out: ID3, APE and Lyrics3 tags, padding, broken frames.
"""

from typing import Final, NamedTuple

from entries.images.recordings import Recording, damaged

_BITRATES: Final = {  # thousands of bits a second, by version 1 or later
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000)}
_RATES_2_5: Final = (11_025, 12_000, 8_000)
_MIN_FRAMES: Final = 3
_ID3_V1_BYTES: Final = 128
_APE_BYTES: Final = 32  # of its header and its footer
_MAX_TAGS: Final = 8


class _Frame(NamedTuple):
    size: int
    seconds: float


def remux_mp3(data: bytes) -> Recording:
    """Return the frames of a file. Raises ImageError if there is anything else."""
    start, end = _sound(data)
    at, seconds, frames = start, 0.0, 0
    while at < end:
        frame = _frame(data[at : at + 4])
        if frame is None:
            break
        if at + frame.size > end:
            end = at  # the last frame is incomplete, as in many files
            break
        at, seconds, frames = at + frame.size, seconds + frame.seconds, frames + 1
    if frames < _MIN_FRAMES or any(data[at:end]):
        raise damaged()
    return Recording("audio/mpeg", 0, 0, seconds, [memoryview(data)[start:at]])


def is_frame(head: bytes) -> bool:
    """Return whether a frame of layer III begins with these bytes."""
    return _frame(head[:4]) is not None


def _frame(head: bytes) -> _Frame | None:
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer != 1 or bitrate in (0, 15) or rate == 3:
        return None
    first = version == 3
    hertz = _RATES.get(version, _RATES_2_5)[rate]
    samples = 1152 if first else 576
    bits = _BITRATES[first][bitrate] * 1000
    return _Frame(samples // 8 * bits // hertz + (head[2] >> 1 & 1), samples / hertz)


def _sound(data: bytes) -> tuple[int, int]:
    """Return where the frames begin and end, without the tags around them."""
    start = 0
    for _ in range(_MAX_TAGS):
        if data[start : start + 3] != b"ID3":
            break
        size = 0
        for byte in data[start + 6 : start + 10]:
            size = size << 7 | byte & 0x7F
        start += 10 + size + (10 if data[start + 5] & 0x10 else 0)
    while start < len(data) and data[start] == 0:
        start += 1  # padding
    end = len(data)
    for _ in range(_MAX_TAGS):
        before = end
        end = _without_last_tag(data, start, end)
        if end == before:
            break
    return start, end


def _without_last_tag(data: bytes, start: int, end: int) -> int:
    """Return the end of what precedes a tag, or the same end if there is none."""
    if data[max(end - _ID3_V1_BYTES, 0) : end][:3] == b"TAG":
        return max(start, end - _ID3_V1_BYTES)
    footer = data[max(end - _APE_BYTES, 0) : end]
    if footer[:8] == b"APETAGEX":
        size = int.from_bytes(footer[12:16], "little")
        header = _APE_BYTES if footer[23] & 0x80 else 0
        return max(start, end - size - header)
    if data[max(end - 9, 0) : end] == b"LYRICS200":
        digits = data[end - 15 : end - 9]
        return max(start, end - 15 - int(digits)) if digits.isdigit() else end
    return end
