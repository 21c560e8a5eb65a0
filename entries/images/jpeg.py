"""Estimate from a JPEG's header how much memory its decoder needs."""

from collections.abc import Sequence
from typing import Final

_START_OF_SCAN: Final = 0xDA
_WITHOUT_LENGTH: Final = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})
_COEFFICIENT_BYTES: Final = 2


def is_whole(data: bytes, components: int) -> bool:
    """Return whether a decoder must hold the whole JPEG in memory, at any scale.

    It must if the first scan lacks a component. It must for progressive JPEGs as well,
    but those are recognised by Pillow.
    """
    at = data.find(b"\xff\xd8") + 2
    while at + 4 < len(data):
        marker = data[at + 1]
        if data[at] != 0xFF or marker == 0xFF:
            at += 1
        elif marker == _START_OF_SCAN:
            return data[at + 4] < components
        elif marker in _WITHOUT_LENGTH:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return True


def coefficient_bytes(pixels: int, sampling: Sequence[tuple[int, int]]) -> int:
    """Return the size in bytes of all coefficients of an image.

    `sampling` has the horizontal and vertical sampling factors of each component.
    """
    full = max(h for h, _ in sampling) * max(v for _, v in sampling)
    samples = pixels * sum(h * v for h, v in sampling) // full
    return samples * _COEFFICIENT_BYTES
