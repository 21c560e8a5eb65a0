"""HTTP caching of responses that are the same for every reader.

ETags and Cache-Control headers, for browsers, proxies and the page cache
(`entries.delivery.page_cache`).
"""

import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import version
from secrets import token_hex

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import http_date, parse_http_date_safe, quote_etag

from entries.models import Site, Story

EXACT_CACHE_CONTROL = "public, max-age=0, s-maxage=1, must-revalidate"
PAGE_CACHE_CONTROL = EXACT_CACHE_CONTROL
if _STALE := settings.STALE_IF_ERROR_SECONDS:
    # A proxy may serve a stale page for a while when the site does not respond.
    PAGE_CACHE_CONTROL = f"public, max-age=0, s-maxage=1, stale-if-error={_STALE}"
IMMUTABLE_CACHE_CONTROL = "public, max-age=31536000, immutable"
_SAME_SECOND = timedelta(seconds=2)


@cache
def _release() -> str:
    """Return a hash that changes with the version and the static files.

    With DEBUG every process has its own, since the server restarts when code changes.
    """
    if settings.DEBUG:
        return token_hex(4)
    manifest = settings.STATIC_ROOT / "staticfiles.json"
    made = manifest.read_bytes() if manifest.is_file() else b""
    return f"{zlib.crc32(version('liveblog').encode() + made):x}"


def etag(tag: str) -> str:
    """Return a weak ETag, which is the same for every content coding."""
    return f"W/{quote_etag(f'{_release()}-{tag}')}"


def respond_or_304(
    request: HttpRequest,
    tag: str,
    make: Callable[[], HttpResponse],
    changed_at: datetime | None = None,
) -> HttpResponse:
    """Respond 304 if the client has the content that `tag` names, else call `make`.

    `changed_at` becomes Last-Modified once its second is over, since another change
    in the same second would go unnoticed.
    """
    quoted, modified = etag(tag), None
    if changed_at and datetime.now(UTC) - changed_at > _SAME_SECOND:
        modified = int(changed_at.timestamp())
    # If-Modified-Since must be equal, not just later: after the clock was set back,
    # newer content has an earlier date.
    given = request.headers.get("If-Modified-Since")
    known = (
        modified if given is None or parse_http_date_safe(given) == modified else None
    )
    unchanged = get_conditional_response(request, etag=quoted, last_modified=known)
    response = unchanged or make()
    response["ETag"] = quoted
    if modified:
        response["Last-Modified"] = http_date(modified)
    response["Cache-Control"] = PAGE_CACHE_CONTROL
    return response


def site_tag() -> str:
    """Return a tag that changes with every visible change of any public story."""
    site = Site.current()
    return f"{site.epoch}-{site.seq}-{Story.objects.public().total_seq()}"


def story_tag(site: Site, story: Story) -> str:
    """Return a tag that changes with every visible change of a story.

    The site's seq is part of it for the rail, which shows other stories.
    """
    return f"{site.epoch}-{story.seq}-{site.seq}"
