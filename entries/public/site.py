"""Pages about the site itself: robots.txt, the imprint and icons."""

from functools import cache
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from entries.text import rendering

CACHE = "public, max-age=3600"
ICON_CACHE = "public, max-age=604800"  # a week only, since the URL has no hash


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """Return robots.txt: the sitemap, and the URLs not to crawl."""
    lines = (
        "User-agent: *",
        "Disallow: /admin/",
        "Disallow: /search/",
        "Disallow: /stories/*/stream",
        "Disallow: /stories/*/changes",
        f"Sitemap: {settings.SITE_URL}/sitemap.xml",
    )
    response = HttpResponse("\n".join(lines) + "\n", content_type="text/plain")
    response["Cache-Control"] = CACHE
    return response


@require_safe
def imprint_page(request: HttpRequest) -> HttpResponse:
    """Show the imprint, a Markdown file named by `IMPRINT_FILE`."""
    if not settings.IMPRINT_FILE:
        raise Http404
    text = rendering.render(Path(settings.IMPRINT_FILE).read_text())
    response = render(request, "entries/imprint.html", {"text": text})
    response["Cache-Control"] = CACHE
    return response


@require_safe
def site_icon(request: HttpRequest, name: str, kind: str) -> HttpResponse:
    """Send an icon from a fixed URL, which browsers request without any HTML."""
    response = HttpResponse(_icon(name), content_type=kind)
    response["Cache-Control"] = ICON_CACHE
    return response


@cache
def _icon(name: str) -> bytes:
    return (settings.BASE_DIR / "static" / "entries" / name).read_bytes()
