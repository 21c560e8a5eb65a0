"""The public URLs. Other sites rely on them, so they must not change."""

from django.urls import path, re_path

from entries.images.ingest import EXTENSIONS, FORMATS
from entries.public import health, site, sitemaps, views

_STEM = "[0-9a-f]{2}/[0-9a-f]{40}"
_VARIANT = rf"{_STEM}-\d{{1,5}}\.(?:{'|'.join([*FORMATS, *EXTENSIONS.values()])})"

urlpatterns = [
    path("", views.front, name="front"),
    path("feed/", views.feed, name="feed"),
    path("search/", views.search, name="search"),
    path("authors/<slug:slug>/", views.author, name="author"),
    path("authors/<slug:slug>/feed/", views.author_feed, name="author_feed"),
    path("series/<slug:slug>/", views.series, name="series"),
    path("series/<slug:slug>/feed/", views.series_feed, name="series_feed"),
    path("stories/<slug:slug>/", views.story, name="story"),
    path("stories/<slug:slug>/feed/", views.story_feed, name="story_feed"),
    path("stories/<slug:slug>/updates/<row:pk>/", views.entry, name="entry"),
    path(
        "stories/<slug:slug>/updates/<row:pk>/history/",
        views.entry_history,
        name="entry_history",
    ),
    path("stories/<slug:slug>.json", views.story_json, name="story_json"),
    path("stories/<slug:slug>/changes", views.change_feed, name="changes"),
    path("stories/<slug:slug>/stream", views.change_feed, name="stream"),
    re_path(
        rf"^pictures/(?P<path>{_VARIANT})$",
        views.send_image,
        name="picture",
    ),
    re_path(
        rf"^pictures/(?P<stem>{_STEM})-(?P<digest>[0-9a-f]{{12}})\.vtt$",
        views.send_captions,
        name="captions",
    ),
    path(
        "favicon.ico",
        site.site_icon,
        {"name": "favicon.ico", "kind": "image/x-icon"},
        name="favicon",
    ),
    re_path(
        r"^apple-touch-icon(?:-\d{2,3}x\d{2,3})?(?:-precomposed)?\.png$",
        site.site_icon,
        {"name": "apple-touch-icon.png", "kind": "image/png"},
        name="touch_icon",
    ),
    path("robots.txt", site.robots, name="robots"),
    path("imprint/", site.imprint_page, name="imprint"),
    path("sitemap.xml", sitemaps.site_map, name="sitemap"),
    path("news-sitemap.xml", sitemaps.news_sitemap, name="news_sitemap"),
    path("healthz", health.healthz, name="healthz"),
    path("metrics", health.metrics, name="metrics"),
    path("readyz", health.readyz, name="readyz"),
]
