"""Atom feeds, read by a parser of feeds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import feedparser
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from entries import verbs
from entries.models import Story
from entries.public import feeds
from tests.builders import (
    bulk_updates,
    make_original,
    make_series,
    make_story,
    make_update,
    text,
)
from tests.test_pages import make_picture

pytestmark = pytest.mark.django_db
ATOM = "{http://www.w3.org/2005/Atom}"


def read(client: Client, path: str) -> Any:
    response = client.get(path)
    assert response.status_code == 200, path
    assert response["Content-Type"] == "application/atom+xml; charset=utf-8"
    parsed = feedparser.parse(response.content)
    assert not parsed.bozo, parsed.get("bozo_exception")
    assert parsed.version == "atom10"
    keeps_the_rules(ET.fromstring(response.content))
    return parsed


def keeps_the_rules(feed: ET.Element) -> None:
    """Hold a feed against what RFC 4287 asks in 4.1.1 to 4.1.3 and 3.3."""
    entries = feed.findall(f"{ATOM}entry")
    for part in (feed, *entries):
        for name in ("id", "title", "updated"):
            (only,) = part.findall(f"{ATOM}{name}")
            assert (only.text or "").strip(), name
        assert urlsplit(part.findtext(f"{ATOM}id")).scheme
        for name in ("published", "subtitle", "content", "rights"):
            assert len(part.findall(f"{ATOM}{name}")) <= 1, name
        for name in ("updated", "published"):
            for time in part.findall(f"{ATOM}{name}"):
                assert datetime.fromisoformat(time.text or "").tzinfo
        links = [link.attrib for link in part.findall(f"{ATOM}link")]
        assert all(urlsplit(link["href"]).netloc for link in links)
        pages = [link for link in links if link.get("rel", "alternate") == "alternate"]
        kinds = {(link.get("type"), link.get("hreflang")) for link in pages}
        assert len(kinds) == len(pages)
    assert len({entry.findtext(f"{ATOM}id") for entry in entries}) == len(entries)
    for entry in entries:
        assert entry.find(f"{ATOM}link") is not None
        assert (entry.findtext(f"{ATOM}author/{ATOM}name") or "").strip()
        assert entry.find(f"{ATOM}content").get("type") == "html"


def titles(client: Client, path: str) -> list[str]:
    return [entry.title for entry in read(client, path).entries]


@pytest.fixture
def story() -> Story:
    story = make_story("Fog", slug="fog", series="Harbour Daily")
    make_original(story, "How the fog came.")
    make_update(story, "The *pilots* wait.", at="0910")
    make_update(story, "It lifts.", at="1800", headline="Fog lifts")
    return story


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/feed/", ""),
        ("/series/harbour-daily/feed/", "Harbour Daily"),
        ("/stories/fog/feed/", "Harbour Daily: Fog"),
    ],
)
def test_a_feed_names_itself_and_its_page_by_public_urls(
    client: Client, story: Story, path: str, name: str
) -> None:
    feed = read(client, path).feed
    assert feed.title.startswith(name)
    links = {link.rel: link.href for link in feed.links}
    assert links["self"] == f"{settings.SITE_URL}{path}"
    assert links["alternate"] == f"{settings.SITE_URL}{path.removesuffix('feed/')}"


def test_an_entry_has_its_full_text_and_a_permalink(
    client: Client, story: Story
) -> None:
    make_picture("quay", alt="A crane", caption="The quay")
    update = make_update(story, "See the quay.\n\n![](image:quay)", at="1900")
    newest = next(
        e for e in read(client, "/stories/fog/feed/").entries if "See" in e.title
    )
    assert newest.link == f"{settings.SITE_URL}/stories/fog/updates/{update.pk}/"
    content = newest.content[0]
    assert content.type == "text/html"
    assert f'src="{settings.SITE_URL}/pictures/' in content.value
    assert "srcset" not in content.value
    assert newest.published == "2026-03-14T19:00:00+00:00"


def test_an_edit_changes_updated_and_keeps_the_id(client: Client, story: Story) -> None:
    def newest() -> Any:
        entries = read(client, "/stories/fog/feed/").entries
        return next(entry for entry in entries if entry.title == "Fog lifts")

    before = newest()
    update = story.entries.get(headline="Fog lifts")
    words = text("It lifts slowly.", at="1800", headline="Fog lifts")
    verbs.edit(update, words, version=1)
    type(update).objects.filter(pk=update.pk).update(
        changed_at=update.changed_at + timedelta(minutes=3)
    )
    assert newest().id == before.id
    assert newest().updated > before.updated
    assert "slowly" in newest().content[0].value
    verbs.edit_story(story, slug="sea-fog")
    assert newest_id(client, "/stories/sea-fog/feed/") == before.id


def newest_id(client: Client, path: str) -> str:
    entries = read(client, path).entries
    return str(next(entry.id for entry in entries if "Fog lifts" in entry.title))


def test_feeds_have_only_public_content(client: Client, story: Story) -> None:
    make_update(story, "Zwyngaard draft", state="draft")
    make_update(story, "Zwyngaard later", at=timezone.now() + timedelta(days=1))
    gone = make_update(story, "Zwyngaard withdrawn")
    inside = make_story("Zwyngaard", slug="z", series="Harbour Daily")
    make_update(inside, "Zwyngaard inside")
    shut = make_story(live=False, series="Harbour Daily")
    make_update(shut, "Zwyngaard waits")
    paths = ("/feed/", "/series/harbour-daily/feed/", "/stories/fog/feed/")
    assert "Zwyngaard" in client.get("/feed/").content.decode()
    verbs.withdraw(gone)
    verbs.withdraw_story(inside)
    for path in paths:
        assert "Zwyngaard" not in client.get(path).content.decode(), path
    assert client.get("/stories/z/feed/").status_code == 410
    assert client.get(f"/stories/{shut.slug}/feed/").status_code == 404


def test_a_cross_posted_update_has_one_id_in_all_feeds(
    client: Client, story: Story
) -> None:
    other = make_story("Ferries", slug="ferries", series="Harbour Daily")
    verbs.cross_post(story.entries.get(headline="Fog lifts"), other)
    entries = [
        entry
        for path in ("/feed/", "/stories/fog/feed/", "/stories/ferries/feed/")
        for entry in read(client, path).entries
        if "Fog lifts" in entry.title
    ]
    assert len(entries) == 3
    assert len({entry.id for entry in entries}) == 1
    assert {"/stories/fog/updates/" in entry.link for entry in entries} == {True}


def test_a_feed_is_sent_again_only_after_a_change(client: Client, story: Story) -> None:
    Story.objects.update(changed_at=timezone.now() - timedelta(minutes=1))
    for path in ("/feed/", "/series/harbour-daily/feed/", "/stories/fog/feed/"):
        first = client.get(path)
        tags = {"If-None-Match": first["ETag"]}
        since = {"If-Modified-Since": first["Last-Modified"]}
        assert client.get(path, headers=tags).status_code == 304
        assert client.get(path, headers=since).status_code == 304
        make_update(story)
        assert client.get(path, headers=tags).status_code == 200
        Story.objects.update(changed_at=timezone.now() - timedelta(seconds=30))
        assert client.get(path, headers=since).status_code == 200
        assert client.post(path).status_code == 405
        Story.objects.update(changed_at=timezone.now() - timedelta(minutes=1))


def test_a_feed_is_sent_again_after_a_withdrawal(client: Client) -> None:
    make_update(make_story(slug="ferries", series="Harbour Daily"))
    Story.objects.update(changed_at=timezone.now() - timedelta(minutes=9))
    gone = make_story(slug="leak", series="Harbour Daily")
    make_update(gone, "To be withdrawn.")
    Story.objects.filter(pk=gone.pk).update(
        changed_at=timezone.now() - timedelta(minutes=5)
    )
    kept = {p: client.get(p) for p in ("/feed/", "/series/harbour-daily/feed/")}
    verbs.withdraw_story(gone)
    for path, old in kept.items():
        assert b"To be withdrawn." in old.content
        since = {"If-Modified-Since": old["Last-Modified"]}
        assert client.get(path, headers=since).status_code == 200


def test_a_former_slug_redirects_to_the_feed(client: Client, story: Story) -> None:
    verbs.edit_story(story, slug="sea-fog")
    assert client.get("/stories/fog/feed/")["Location"] == "/stories/sea-fog/feed/"


def test_invalid_xml_characters_do_not_break_a_feed(client: Client) -> None:
    make_update(make_story("A bell rings", slug="bell", series="By sea"))
    with connection.cursor() as cursor:  # as an earlier release kept them
        cursor.execute("UPDATE entries_series SET name = %s", ["By\x0b sea"])
        cursor.execute("UPDATE entries_story SET standfirst = %s", ["\x1b[0m"])
    assert read(client, "/stories/bell/feed/").feed.title.startswith(
        "By sea: A bell rings"
    )
    assert read(client, "/feed/").entries[0].tags[0].term == "By sea"


@pytest.mark.parametrize("number", [1, 3])
def test_a_feed_has_the_newest_entries_and_needs_few_queries(
    client: Client, number: int, django_assert_max_num_queries: Any
) -> None:
    for _ in range(number):
        bulk_updates(make_story(series="Harbour Daily"), 60)
    with django_assert_max_num_queries(7):
        assert len(titles(client, "/feed/")) == feeds.FEED_ENTRIES


def test_pages_link_to_their_feeds(client: Client, story: Story) -> None:
    assert make_series("Harbour Daily")
    for page, path in (
        ("/", "/feed/"),
        ("/series/harbour-daily/", "/series/harbour-daily/feed/"),
        ("/stories/fog/", "/stories/fog/feed/"),
    ):
        html = client.get(page).content.decode()
        assert f'href="{path}">' in html.partition("</head>")[0], page


def test_stories_without_updates_do_not_use_up_places_in_a_feed(client: Client) -> None:
    make_update(make_story("Fog over the harbour"), "The lamp is lit.")
    for number in range(feeds.FEED_ENTRIES):
        make_story(f"Just begun, {number}")
    assert b"The lamp is lit." in client.get("/feed/").content
