"""HTTP caching of responses that are the same for every reader.

ETags and Cache-Control headers, for browsers, proxies and the page cache
(`entries.delivery.page_cache`).
"""

import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import version
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import http_date, parse_http_date_safe, quote_etag

from entries import verbs
from entries.models import Site, Story
from entries.text import media

EXACT_CACHE_CONTROL = "public, max-age=0, s-maxage=1, must-revalidate"
IMMUTABLE_CACHE_CONTROL = "public, max-age=31536000, immutable"
# A change gets its Last-Modified this long afterwards, when no process can show what
# was before: commits take a moment to reach other processes, and clocks differ. So
# nobody was sent anything else in that second, or with that date.
SETTLED_AFTER = timedelta(seconds=4)


class Version(NamedTuple):
    """What a response shows: a tag for its ETag, and when that was last changed.

    Without `changed_at` the response gets no Last-Modified.
    """

    tag: str
    changed_at: datetime | None


def page_cache_control() -> str:
    """Return the Cache-Control of a page.

    A proxy may serve it stale for a while when the site does not respond.
    """
    if seconds := settings.STALE_IF_ERROR_SECONDS:
        return f"public, max-age=0, s-maxage=1, stale-if-error={seconds}"
    return EXACT_CACHE_CONTROL


@cache
def _release() -> str:
    """Return a hash that changes with the version, files of ours and the settings.

    With DEBUG every process has its own, since the server restarts when code changes.
    """
    if settings.DEBUG:
        return token_hex(4)
    manifest = settings.STATIC_ROOT / "staticfiles.json"
    made = manifest.read_bytes() if manifest.is_file() else b""
    names = [version("liveblog"), settings.SITE_URL, settings.SITE_NAME]
    names += [settings.SITE_LANGUAGE, *_catalogue_digests()]
    names += media.frame_sources()
    return f"{zlib.crc32(' '.join(names).encode() + made):x}"


def _catalogue_digests() -> Iterator[str]:
    """Yield a checksum of each compiled catalogue, whose labels are in all pages."""
    for folder in settings.LOCALE_PATHS:
        for path in sorted(Path(folder).glob("*/LC_MESSAGES/django.mo")):
            yield f"{zlib.crc32(path.read_bytes()):x}"


def record_release() -> None:
    """Record which release serves the site, and when that is another one than before.

    Its pages differ from those of the former one, and so does their Last-Modified. The
    epoch is part of it, so that the same happens when a backup was restored.
    """
    site = Site.current()
    if site.release != (release := f"{_release()}-{site.epoch}"):
        now = verbs.time_of_change()
        Site.objects.filter(pk=site.pk).update(release=release, changed_at=now)


@cache
def _first_seen(epoch: str) -> datetime:
    """Return when this process first saw the epoch of a restored backup."""
    return datetime.now(UTC)


def etag(tag: str) -> str:
    """Return a weak ETag, which is the same for every content coding."""
    return f"W/{quote_etag(f'{_release()}-{tag}')}"


def respond_or_304(
    request: HttpRequest,
    content: Version,
    make: Callable[[], HttpResponse],
    variant: object = "",
) -> HttpResponse:
    """Respond 304 if the client has the `content`, else call `make`.

    `variant` tells apart the responses of one URL.
    """
    quoted, modified = etag(f"{content.tag}-{variant}"), None
    if content.changed_at:
        settled_at = int((content.changed_at + SETTLED_AFTER).timestamp())
        # The page cache waits itself, since it stores the response.
        if settled_at <= time.time() or _is_stored(request):
            modified = settled_at
    # If-Modified-Since must be equal, not just later: it may be from a client's clock,
    # or from ours before it was set back.
    given = request.headers.get("If-Modified-Since")
    equal = given is None or parse_http_date_safe(given) == modified
    settled = modified if equal else None
    unchanged = get_conditional_response(request, etag=quoted, last_modified=settled)
    response = unchanged or make()
    response["ETag"] = quoted
    if modified:
        response["Last-Modified"] = http_date(modified)
    response["Cache-Control"] = page_cache_control()
    return response


def respond_uncached(response: HttpResponse) -> HttpResponse:
    """Return a response that no cache may keep."""
    response["Cache-Control"] = "no-store"
    return response


def _is_stored(request: HttpRequest) -> bool:
    """Return whether the page cache may store the response."""
    return bool(getattr(request, "scope", {}).get("page_cache"))


def site_version(site: Site | None = None) -> Version:
    """Return a version that changes with every visible change of any public story."""
    site = site or Site.current()
    tag = f"{site.epoch}-{site.seq}-{Story.objects.public().total_seq()}"
    # Withdrawn stories count too, so that a withdrawal is a change.
    newest = Story.objects.exclude(state=Story.State.DRAFT).order_by("-changed_at")
    return Version(tag, _latest(site, *newest.values_list("changed_at", flat=True)[:1]))


def story_version(site: Site, story: Story) -> Version:
    """Return a version that changes with every visible change of a story.

    The site's seq is part of it for the rail, which shows other stories.
    """
    tag = f"{site.epoch}-{story.seq}-{site.seq}"
    return Version(tag, _latest(site, story.changed_at))


def _latest(site: Site, *changed_at: datetime) -> datetime | None:
    """Return the latest of the times; None if another release serves the site too."""
    release, _, epoch = site.release.partition("-")
    if release not in ("", _release()):
        return None
    restored = [_first_seen(site.epoch)] if epoch and epoch != site.epoch else []
    return max([site.changed_at, *changed_at, *restored])
