"""Sitemaps, read by a parser of sitemaps."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from usp.objects.page import SitemapPage
from usp.objects.sitemap import PagesXMLSitemap
from usp.tree import sitemap_from_str

from entries import verbs
from entries.models import Story
from tests.builders import make_story, make_update

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


def test_a_sitemap_is_sent_again_only_after_a_change(client: Client) -> None:
    story = make_story()
    tag = client.get("/sitemap.xml")["ETag"]
    assert client.get("/sitemap.xml", headers={"If-None-Match": tag}).status_code == 304
    make_update(story)
    assert client.get("/sitemap.xml", headers={"If-None-Match": tag}).status_code == 200
