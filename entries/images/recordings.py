"""What the readers of video and audio files return, and the errors they share."""

from dataclasses import dataclass
from typing import Final

from entries.images.ingest import ImageError, gettext_noop

MAX_PIXELS_PER_SIDE: Final = 4096
DAMAGED: Final = gettext_noop(
    "The recording is damaged or incomplete. "
    "Open it in a video or audio editor, export it anew, and upload that."
)
UNUSABLE: Final = gettext_noop(
    "This kind of recording can't be used. Export it as MP4 (H.264 video with AAC "
    "sound), WebM, MP3 or M4A, and upload that."
)
_CODEC: Final = gettext_noop(
    "This recording is coded as {codec}, which not every browser plays. Export it as "
    "MP4 with H.264 video and AAC sound, and upload that."
)
_TOO_WIDE: Final = gettext_noop(
    "The video has more than {pixels} pixels in width or height. "
    "Export it smaller, such as 1280 × 720, and upload that."
)


@dataclass(frozen=True)
class Recording:
    """A rewritten file in chunks; width and height in pixels are 0 for audio."""

    media_type: str
    width: int
    height: int
    seconds: float
    chunks: list[bytes | memoryview]


def damaged() -> ImageError:
    """Return the error for a file that does not follow its format."""
    return ImageError(DAMAGED)


def unplayable(codec: str) -> ImageError:
    """Return the error for a codec; `codec` is its name, "" if it has none."""
    return ImageError(_CODEC, codec=codec) if codec else ImageError(UNUSABLE)


def check_size(width: int, height: int) -> None:
    """Raise ImageError if a video has no size, or too large a one."""
    if min(width, height) < 1:
        raise damaged()
    if max(width, height) > MAX_PIXELS_PER_SIDE:
        raise ImageError(_TOO_WIDE, pixels=MAX_PIXELS_PER_SIDE)
