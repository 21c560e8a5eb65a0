"""Ingest pictures in a process of their own.

Decoding and encoding take seconds, every core and hundreds of megabytes, partly under
Python's global lock. A process that lives for one picture, at a low priority, keeps all
of that from the server's threads; its memory is free again when it ends, and a decoder
that crashes takes nobody along.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, Final

from entries.images import ingest
from entries.images.ingest import ImageError, IngestedImage

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 120.0  # where the machine has no time for it
CPU_SECONDS: Final = 40  # of all its threads; the largest pictures take 5
MAX_MEMORY_BYTES: Final = 768 * 1024 * 1024  # the largest pictures take 600 MB
_NICENESS: Final = 5  # a third of what others get where all want a core
_FIRST_KILLED: Final = "500"  # oom_score_adj: rather than the server
_ROOT: Final = Path(__file__).resolve().parents[2]
_TOO_MUCH: Final = (
    "The picture could not be processed. "
    "Make it smaller, or save it anew as JPEG, and upload that."
)


def ingest_in_process(source: BinaryIO, folder: Path, key: bytes) -> IngestedImage:
    """Publish the picture in `source` as `ingest_image` does, in another process.

    Raise what that raises; ImageError also where the process takes too long or dies.
    """
    with ingest.ingest_lock:
        return _answer(_run(key, ingest.read_upload(source), folder))


def _run(key: bytes, data: bytes, folder: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", __name__, str(folder.absolute())]
    sent = b"%s\n%s" % (key.hex().encode(), data)
    try:
        return subprocess.run(  # noqa: S603 - nothing in it comes from outside
            command,
            input=sent,
            capture_output=True,
            cwd=_ROOT,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        logger.warning("A picture took more than %s s.", TIMEOUT_SECONDS)
        raise ImageError(_TOO_MUCH) from error


def _answer(done: subprocess.CompletedProcess[bytes]) -> IngestedImage:
    for line in done.stderr.decode(errors="replace").splitlines():
        logger.warning("%s", line)
    if done.returncode < 0:
        logger.warning("The process of a picture died of signal %s.", -done.returncode)
        raise ImageError(_TOO_MUCH)
    done.check_returncode()
    answer: dict[str, Any] = json.loads(done.stdout)
    if refusal := answer.get("refused"):
        message, values = refusal
        raise ImageError(message, **values)
    if failure := answer.get("failed"):
        raise OSError(*failure)
    return IngestedImage(**answer | {"widths": tuple(answer["widths"])})


def main() -> None:
    """Ingest standard input: the key in hexadecimal on a line, then the file.

    Write the fields of what was published as JSON, or why it could not be.
    """
    _limit_itself()
    source = sys.stdin.buffer
    key = bytes.fromhex(source.readline().decode())
    answer: dict[str, Any]
    try:
        answer = asdict(ingest.ingest_image(source, Path(sys.argv[1]), key))
    except ImageError as error:
        answer = {"refused": [error.message, error.values]}
    except OSError as error:
        answer = {"failed": [error.errno, error.strerror, error.filename]}
    json.dump(answer, sys.stdout)


def _limit_itself() -> None:
    """Let others go first, bound time and memory, and be ended first for memory."""
    with suppress(OSError, AttributeError):  # not allowed, or not this system's
        os.nice(_NICENESS)
    with suppress(ImportError):  # Unix alone has it
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
        with suppress(OSError, ValueError, AttributeError):  # Linux alone has it
            limits = (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES)
            resource.prlimit(0, resource.RLIMIT_DATA, limits)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_KILLED)


if __name__ == "__main__":
    main()
