"""Ingest each image in a separate, short-lived process.

Decoding and encoding take seconds, all cores and hundreds of megabytes, and partly hold
the GIL. A process of low priority keeps that away from the server's threads, returns
its memory when it ends, and contains the crash of a decoder.
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

TIMEOUT_SECONDS: Final = 120.0  # wall-clock time, on a busy machine
CPU_SECONDS: Final = 40  # of all its threads; the largest images take 5
_NICENESS: Final = 5  # about a third of the CPU share of a normal process
_OOM_SCORE_ADJ: Final = "500"  # out of memory, it is killed before the server
_ROOT: Final = Path(__file__).resolve().parents[2]
_TOO_EXPENSIVE: Final = (
    "The picture could not be processed. "
    "Make it smaller, or save it anew as JPEG, and upload that."
)


def ingest_in_process(source: BinaryIO, folder: Path, key: bytes) -> IngestedImage:
    """Run `ingest_image` in another process.

    Raises what that raises, and ImageError if the process times out or crashes.
    """
    with ingest.ingest_lock:
        return _result(_run(key, ingest.read_upload(source), folder))


def _run(key: bytes, data: bytes, folder: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", __name__, str(folder.absolute())]
    stdin = b"%s\n%s" % (key.hex().encode(), data)
    try:
        return subprocess.run(  # noqa: S603 - no untrusted input in the command
            command,
            input=stdin,
            capture_output=True,
            cwd=_ROOT,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        logger.warning("A picture took more than %s s.", TIMEOUT_SECONDS)
        raise ImageError(_TOO_EXPENSIVE) from error


def _result(process: subprocess.CompletedProcess[bytes]) -> IngestedImage:
    for line in process.stderr.decode(errors="replace").splitlines():
        logger.warning("%s", line)
    if process.returncode < 0:
        number = -process.returncode
        logger.warning("The process of a picture died of signal %s.", number)
        raise ImageError(_TOO_EXPENSIVE)
    process.check_returncode()
    result: dict[str, Any] = json.loads(process.stdout)
    if message := result.get("refused"):
        raise ImageError(message)
    if arguments := result.get("failed"):
        raise OSError(*arguments)
    return IngestedImage(**result | {"widths": tuple(result["widths"])})


def main() -> None:
    """Ingest the image on standard input: a line with the key in hex, then the file.

    Write the fields of the IngestedImage to standard output as JSON, or the error.
    """
    _limit_resources()
    source = sys.stdin.buffer
    key = bytes.fromhex(source.readline().decode())
    result: dict[str, Any]
    try:
        result = asdict(ingest.ingest_image(source, Path(sys.argv[1]), key))
    except ImageError as error:
        result = {"refused": str(error)}
    except OSError as error:
        result = {"failed": [error.errno, error.strerror, error.filename]}
    json.dump(result, sys.stdout)


def _limit_resources() -> None:
    """Lower this process's priority, limit its CPU time, and raise its OOM score."""
    with suppress(OSError, AttributeError):  # not permitted, or not supported
        os.nice(_NICENESS)
    with suppress(ImportError):  # not on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE_ADJ)


if __name__ == "__main__":
    main()
