"""Ingest each image and each recording in a separate process.

Decoding and encoding take seconds, every core and hundreds of megabytes, and partly
hold Python's global lock. A short-lived process with a low priority keeps this away
from the server's threads, returns all its memory, and may crash without consequences.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO, Final

from entries.images import ingest, media
from entries.images.ingest import ImageError, IngestedImage, gettext_noop
from entries.images.media import Limits

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 120.0  # reached only on an overloaded machine
CPU_SECONDS: Final = 40  # of all its threads; the largest images take 5
MAX_MEMORY_BYTES: Final = 768 * 1024 * 1024  # the largest images take 600 MB
_NICENESS: Final = 5  # a third of the CPU share of other processes
_OOM_SCORE_ADJ: Final = "500"  # to be killed before the server when memory runs out
_ROOT: Final = Path(__file__).resolve().parents[2]
_TOO_MUCH: Final = gettext_noop(
    "The picture could not be processed. "
    "Make it smaller, or save it anew as JPEG, and upload that."
)
_TOO_MUCH_MEDIA: Final = gettext_noop(
    "The recording could not be processed. "
    "Make it shorter, or export it anew as MP4, and upload that."
)


def ingest_in_process(
    source: BinaryIO,
    folder: Path,
    key: bytes,
    limits: Limits = media.DEFAULT_LIMITS,
) -> IngestedImage:
    """Call `ingest_image` or `ingest_media` in another process, whichever fits.

    Raises the same exceptions, and ImageError if the process dies or takes too long.
    """
    with ingest.ingest_lock, TemporaryFile() as sent:
        head = source.read(media.HEAD_BYTES)
        source.seek(0)
        recording = media.is_recording(head)
        with ingest.refusing_full_disks():
            sent.write(b"%s\n" % key.hex().encode())
            if recording:  # copied by and by, since it may be large
                shutil.copyfileobj(source, sent)
            else:
                sent.write(ingest.read_upload(source))
            sent.seek(0)
        too_much = _TOO_MUCH_MEDIA if recording else _TOO_MUCH
        arguments = map(str, limits) if recording else ()
        try:
            return _parse_result(_run(sent, folder, arguments))
        except _DiedError as error:
            raise ImageError(too_much) from error


class _DiedError(Exception):
    """The process was killed, or took too long."""


def _run(
    sent: IO[bytes], folder: Path, arguments: Iterable[str]
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", __name__, str(folder.absolute()), *arguments]
    try:
        return subprocess.run(  # noqa: S603 - contains no user input
            command,
            stdin=sent,
            capture_output=True,
            cwd=_ROOT,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        logger.warning("An image took more than %s s.", TIMEOUT_SECONDS)
        raise _DiedError from error


def _parse_result(done: subprocess.CompletedProcess[bytes]) -> IngestedImage:
    for line in done.stderr.decode(errors="replace").splitlines():
        logger.warning("%s", line)
    if done.returncode < 0:
        logger.warning("An image's process died of signal %s.", -done.returncode)
        raise _DiedError
    done.check_returncode()
    result: dict[str, Any] = json.loads(done.stdout)
    if rejected := result.get("image_error"):
        message, values = rejected
        raise ImageError(message, **values)
    if failed := result.get("os_error"):
        raise OSError(*failed)
    return IngestedImage(**result | {"widths": tuple(result["widths"])})


def main() -> None:
    """Ingest a file from standard input: a line with the key in hex, then the file.

    The arguments are the folder and, for a recording, its limits. Print the fields of
    the `IngestedImage`, or the error, as JSON.
    """
    _limit_itself()
    source = sys.stdin.buffer
    key = bytes.fromhex(source.readline().decode())
    folder, *limits = sys.argv[1:]
    result: dict[str, Any]
    try:
        if limits:
            allowed = Limits(*map(int, limits))
            done = media.ingest_media(source, Path(folder), key, allowed)
        else:
            done = ingest.ingest_image(source, Path(folder), key)
        result = asdict(done)
    except ImageError as error:
        result = {"image_error": [error.message, error.values]}
    except OSError as error:
        result = {"os_error": [error.errno, error.strerror, error.filename]}
    json.dump(result, sys.stdout)


def _limit_itself() -> None:
    """Lower this process's priority, and limit its CPU time and memory."""
    with suppress(OSError, AttributeError):  # not allowed, or not on this system
        os.nice(_NICENESS)
    with suppress(ImportError):  # only on Unix
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
        with suppress(OSError, ValueError, AttributeError):  # only on Linux
            limits = (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES)
            resource.prlimit(0, resource.RLIMIT_DATA, limits)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE_ADJ)


if __name__ == "__main__":
    main()
