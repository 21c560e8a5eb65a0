"""Send files of images and recordings, whole or in ranges (RFC 9110, section 14)."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag

from entries.public import caching

_RANGE: Final = re.compile(r"bytes=[ \t]*([0-9]{0,15})-([0-9]{0,15})[ \t]*", re.I)
_WHOLE_BYTES: Final = 1024 * 1024  # up to which a response is made in one piece
_CHUNK_BYTES: Final = 256 * 1024


def send_file(request: HttpRequest, file: Path, media_type: str) -> HttpResponseBase:
    """Send a file that never changes: its name is a hash of its content.

    One range of bytes can be asked for; several are ignored. Raises Http404 if there is
    no such file.
    """
    try:
        size = file.stat().st_size
    except OSError as error:
        raise Http404 from error
    tag = quote_etag(file.name)
    response: HttpResponseBase | None = get_conditional_response(request, etag=tag)
    if response is None:
        response = _respond(request, file, size, tag)
    response["Accept-Ranges"] = "bytes"
    if response.status_code == 416:
        response["Cache-Control"] = "no-store"
        return response
    response["Content-Type"], response["ETag"] = media_type, tag
    response["Cache-Control"] = caching.IMMUTABLE_CACHE_CONTROL
    return response


def _respond(request: HttpRequest, file: Path, size: int, tag: str) -> HttpResponseBase:
    start, end = 0, size
    asked = _asked_range(request, size, tag)
    if asked is not None:
        start, end = asked
        if start >= end:
            failed = HttpResponse(status=416, content_type="text/plain")
            failed["Content-Range"] = f"bytes */{size}"
            return failed
    response = _content(request, file, start, end)
    response["Content-Length"] = str(end - start)
    if asked is not None:
        response.status_code = 206
        response["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return response


def _asked_range(request: HttpRequest, size: int, tag: str) -> tuple[int, int] | None:
    """Return the start and end of the range to send, or None for the whole file.

    A range that cannot be read is ignored, and so is one of another file's version.
    """
    match = _RANGE.fullmatch(request.headers.get("Range", ""))
    condition = request.headers.get("If-Range", tag)
    if request.method != "GET" or match is None or condition != tag:
        return None
    first, last = match.groups()
    if not first:
        return (max(size - int(last), 0) if int(last) else size, size) if last else None
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, size) if last else size


def _content(
    request: HttpRequest, file: Path, start: int, end: int
) -> HttpResponseBase:
    if request.method == "HEAD":
        return HttpResponse()
    if end - start > _WHOLE_BYTES:
        return StreamingHttpResponse(_chunks(file, start, end))
    try:
        with file.open("rb") as opened:
            opened.seek(start)
            return HttpResponse(opened.read(end - start))
    except OSError as error:
        raise Http404 from error


async def _chunks(file: Path, start: int, end: int) -> AsyncIterator[bytes]:
    """Read a part of a file piece by piece, as fast as the reader takes it."""
    opened = await asyncio.to_thread(file.open, "rb")
    try:
        await asyncio.to_thread(opened.seek, start)
        while start < end:
            chunk = await asyncio.to_thread(opened.read, min(_CHUNK_BYTES, end - start))
            if not chunk:  # the connection ends too early, so the reader notices
                return
            start += len(chunk)
            yield chunk
    finally:
        opened.close()
