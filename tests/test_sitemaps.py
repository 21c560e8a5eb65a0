"""Sitemaps, read by a parser of sitemaps."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.db.models import F
from django.test import Client
from django.utils import timezone
from usp.objects.page import SitemapPage
from usp.objects.sitemap import PagesXMLSitemap
from usp.tree import sitemap_from_str

from entries import verbs
from entries.models import Story
from tests.builders import let_time_pass, make_story, make_update

pytestmark = pytest.mark.django_db


def rows(client: Client, path: str = "/sitemap.xml") -> dict[str, SitemapPage]:
    """Return the pages of a sitemap by their paths."""
    response = client.get(path, headers={"Host": "127.0.0.1"})
    assert response.status_code == 200
    assert response["Content-Type"].startswith("application/xml")
    parsed = sitemap_from_str(response.content.decode())
    assert isinstance(parsed, PagesXMLSitemap)
    found = {}
    for page in parsed.pages:
        assert page.url.startswith(settings.SITE_URL)
        assert page.last_modified.tzinfo  # a moment, not a day
        found[page.url.removeprefix(settings.SITE_URL)] = page
    assert len(found) == len(parsed.pages) == response.content.count(b"</url>")
    return found


def test_every_public_page_is_listed_once(client: Client) -> None:
    story = make_story(slug="fog", series="Harbour Daily")
    other = make_story(slug="ice", series="Harbour Daily")
    update = make_update(story)
    verbs.cross_post(update, other)
    assert set(rows(client)) == {
        "/",
        "/series/harbour-daily/",
        "/stories/fog/",
        "/stories/ice/",
        f"/stories/fog/updates/{update.pk}/",
    }


def test_what_is_not_public_is_not_listed(client: Client) -> None:
    story = make_story(slug="fog")
    gone = make_update(story)
    make_update(story, state="draft")
    make_update(story, at=timezone.now() + timedelta(hours=1))
    make_update(make_story(slug="shut", live=False, series="Shut Daily"))
    withdrawn = make_story(slug="withdrawn")
    make_update(withdrawn)
    assert len(rows(client)) == 5
    verbs.withdraw(gone)
    verbs.withdraw_story(withdrawn)
    assert set(rows(client)) == {"/", "/stories/fog/"}
    assert set(rows(client, "/news-sitemap.xml")) == {"/stories/fog/"}


def test_the_news_sitemap_has_stories_of_the_last_two_days(client: Client) -> None:
    now = timezone.now()
    make_story("Fog\x07 & ice", slug="new", language="ar")
    make_story(slug="old")
    Story.objects.filter(slug="old").update(live_at=now - timedelta(hours=49))
    Story.objects.filter(slug="new").update(live_at=now - timedelta(hours=47))
    news = rows(client, "/news-sitemap.xml")
    assert set(news) == {"/stories/new/"}
    about = news["/stories/new/"].news_story
    assert about is not None
    assert about.title == "Fog & ice"
    assert about.publication_language == "ar"
    assert about.publication_name == settings.SITE_NAME
    assert about.publish_date.tzinfo


@pytest.mark.parametrize("old", [False, True])
def test_a_news_sitemap_without_news_has_the_front_page(
    client: Client, *, old: bool
) -> None:
    if old:
        make_story(slug="old")
        let_time_pass(2 * 24 * 60 + 1)
        Story.objects.update(live_at=F("changed_at"))
    source = client.get("/news-sitemap.xml").content.decode()
    (url,) = re.findall("<url>.*</url>", source)  # a sitemap must have one
    assert f"<loc>{settings.SITE_URL}/</loc>" in url
    assert "news:news>" not in source
    if old:
        assert set(rows(client, "/news-sitemap.xml")) == {"/"}


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("pt-BR", "pt"),
        ("en", "en"),
        ("sr-Latn-RS", "sr"),
        ("zh", "zh-cn"),
        ("zh-SG", "zh-cn"),
        ("zh-Hans-TW", "zh-cn"),
        ("zh-TW", "zh-tw"),
        ("zh-HK", "zh-tw"),
        ("zh-Hant", "zh-tw"),
        ("yue", "yue"),
        ("gsw", "gsw"),
        ("no such-tag!", "no such"),  # from a release that did not check
    ],
)
def test_the_news_sitemap_names_languages_by_iso_639(
    client: Client, tag: str, code: str
) -> None:
    make_story(slug="new", language="en")
    Story.objects.update(language=tag)
    about = rows(client, "/news-sitemap.xml")["/stories/new/"].news_story
    assert about is not None
    assert about.publication_language == code


@pytest.mark.parametrize("path", ["/sitemap.xml", "/news-sitemap.xml"])
@pytest.mark.parametrize(
    ("asked", "told"),
    [("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified")],
)
def test_a_sitemap_is_sent_again_only_after_a_change(
    client: Client, path: str, asked: str, told: str
) -> None:
    story = make_story()
    let_time_pass()
    known = {asked: client.get(path)[told]}
    assert client.get(path, headers=known).status_code == 304
    make_update(story)
    assert client.get(path, headers=known).status_code == 200
    let_time_pass(0.5)
    assert client.get(path, headers=known).status_code == 200


@pytest.mark.parametrize(
    ("asked", "told"),
    [("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified")],
)
def test_the_news_sitemap_is_sent_again_once_a_story_is_old(
    client: Client, asked: str, told: str
) -> None:
    make_story(slug="new")
    let_time_pass()
    known = {asked: client.get("/news-sitemap.xml")[told]}
    assert client.get("/news-sitemap.xml", headers=known).status_code == 304
    old = timezone.now() - timedelta(days=2, seconds=10)
    Story.objects.update(live_at=old)
    assert client.get("/news-sitemap.xml", headers=known).status_code == 200
    known = {asked: client.get("/news-sitemap.xml")[told]}
    assert client.get("/news-sitemap.xml", headers=known).status_code == 304
