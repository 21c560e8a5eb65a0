"""Atom feeds, read by a parser of feeds."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import feedparser
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from entries import verbs
from entries.models import Entry, Posting, Profile, Site, Story
from entries.public import feeds
from entries.verbs import EntryText
from tests.builders import (
    bulk_updates,
    gmt,
    let_time_pass,
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


FEEDS = ("/feed/", "/series/harbour-daily/feed/", "/stories/fog/feed/")
AUTHOR = "/authors/ann-lee/feed/"


def entry_of(client: Client, path: str, title: str = "Fog lifts") -> Any:
    return next(one for one in read(client, path).entries if title in one.title)


def edit(story: Story, body: str, **options: Any) -> Entry:
    update = story.entries.get(headline="Fog lifts")
    words = text(body, at="1800", headline="Fog lifts")
    return verbs.edit(update, words, version=update.version, **options)


def test_tables_are_in_feeds_without_the_box_they_scroll_in(
    client: Client, story: Story
) -> None:
    table = "| Party | Votes |\n|---|---|\n| Tide | 12 |"
    make_update(story, f"{table}\n\nCounted.", at="1900")
    content = entry_of(client, "/stories/fog/feed/", "Counted").content[0]
    assert '<th scope="row">Tide</th><td align="right">12</td>' in content.value
    assert not re.search("tabindex|<div", content.value)


def test_a_quiet_edit_changes_the_text_alone(client: Client, story: Story) -> None:
    let_time_pass()
    make_update(story, "The newest.", at="1801")
    for path in FEEDS:
        before, first = entry_of(client, path), titles(client, path)
        feed = read(client, path).feed
        edit(story, f"It lifts slowly, {path}.")
        after = entry_of(client, path)
        assert (after.id, after.updated) == (before.id, before.updated)
        assert path in after.content[0].value
        assert titles(client, path) == first
        assert read(client, path).feed.updated == feed.updated


def test_a_correction_is_in_the_text_and_changes_updated(
    client: Client, story: Story
) -> None:
    let_time_pass()
    make_update(story, "The newest.", at="1801")
    for path in FEEDS:
        before = entry_of(client, path)
        assert "The newest." in titles(client, path)[0]
        edit(story, f"It lifts {path}.", correction=f"Not <sinks>: {path}.")
        after = entry_of(client, path)
        assert after.id == before.id
        assert after.updated > before.updated
        assert after.published == before.published
        assert read(client, path).entries[0].id == after.id
        assert read(client, path).feed.updated >= after.updated
        source = client.get(path).content.decode()
        assert f"Not &amp;lt;sinks&amp;gt;: {path}." in source  # HTML, in XML
        assert (
            f'{settings.SITE_URL}{after.link.removeprefix(settings.SITE_URL)}history/"'
            in (after.content[0].value)
        )
        let_time_pass()
        make_update(story, "The newest.", at="1801")


def test_a_hidden_correction_is_in_no_feed(client: Client, story: Story) -> None:
    before = entry_of(client, "/feed/")
    feed_updated = read(client, "/stories/fog/feed/").feed.updated
    edit(story, "It lifts slowly.", correction="Zwyngaard.")
    assert "Zwyngaard" in entry_of(client, "/feed/").content[0].value
    verbs.hide_correction(story.entries.get(headline="Fog lifts").versions.get())
    after = entry_of(client, "/feed/")
    assert "Zwyngaard" not in after.content[0].value
    assert after.updated == before.updated
    assert read(client, "/stories/fog/feed/").feed.updated == feed_updated


@pytest.mark.parametrize(
    "act", ["backdate", "correct", "cross-post", "restore", "move"]
)
def test_what_readers_see_new_is_at_the_top_of_a_full_feed(
    client: Client, story: Story, act: str
) -> None:
    person = Profile.objects.create(slug="ann-lee", byline="Ann Lee")
    elsewhere = make_story("Ferries", slug="ferries")
    other = make_update(elsewhere, "A ferry turned back.", at="0001")
    withdrawn = verbs.withdraw(make_update(story, "The bell rang.", at="0002"))
    Entry.objects.update(byline="Ann Lee", credited=person)
    let_time_pass()
    bulk_updates(story, 60, timezone.now() - timedelta(seconds=50), a_minute=9999)
    Entry.objects.update(byline="Ann Lee", credited=person)
    paths = [*FEEDS, AUTHOR]
    assert not any("Crossing" not in t for p in paths for t in titles(client, p))
    if act == "backdate":
        words = EntryText("The lamp was lit.", at=gmt("0000"), byline="Ann Lee")
        entry = verbs.post(story, words)
    elif act == "correct":
        entry = edit(story, "It sinks.", correction="It does not lift.")
        Entry.objects.update(byline="Ann Lee", credited=person)
    elif act == "cross-post":
        entry = verbs.cross_post(other, story).entry
    elif act == "restore":
        entry = verbs.restore(withdrawn)
    else:
        entry = verbs.move(other, story)
    for path in paths:
        first = read(client, path).entries[0]
        assert first.link.endswith(f"/updates/{entry.pk}/"), path
        assert read(client, path).feed.updated >= first.updated


def test_a_restored_story_is_at_the_top_in_the_order_of_its_texts(
    client: Client, story: Story
) -> None:
    newest_first = titles(client, "/stories/fog/feed/")
    verbs.withdraw_story(story)
    # As a release without the field left it.
    Posting.objects.filter(story=story).update(public_at=None)
    Story.objects.filter(pk=story.pk).update(newest_public_at=None)
    later = make_story("Ferries", slug="ferries", series="Harbour Daily")
    make_update(later, "A ferry turned back.")
    verbs.restore_story(story)
    assert titles(client, "/stories/fog/feed/") == newest_first
    for path in FEEDS[:2]:
        assert "Fog lifts" in titles(client, path)[0]
        assert "A ferry turned back" in titles(client, path)[-1]


def test_what_rerender_makes_visible_again_is_at_the_top(
    client: Client, story: Story
) -> None:
    posting = story.postings.get(entry__body__startswith="The *pilots*")
    Posting.objects.filter(pk=posting.pk).update(visible=False)
    verbs.rerender_entry(posting.entry)
    assert "pilots" in titles(client, "/stories/fog/feed/")[0]


def test_a_posting_without_a_date_does_not_undate_its_story(
    client: Client, story: Story
) -> None:
    Posting.objects.filter(entry__headline="Fog lifts").update(public_at=None)
    make_update(story, "The newest.")
    story.refresh_from_db()
    assert story.newest_public_at
    assert "The newest." in titles(client, "/series/harbour-daily/feed/")[0]


def test_an_imported_story_is_in_feeds_by_the_times_of_its_texts(
    client: Client, story: Story, tmp_path: Path
) -> None:
    edit(story, "It sinks.", correction="It does not lift.")
    file = tmp_path / "fog.json"
    call_command("export_story", "fog", format="json", output=file)
    call_command("import_story", file, slug="copy", publish=True, again=True)
    copy = Story.objects.get(slug="copy")
    found = read(client, "/stories/copy/feed/").entries
    corrected = copy.entries.get(headline="Fog lifts").versions.get().changed_at
    assert [(e.title, e.updated) for e in found if "How" not in e.title] == [
        ("Fog lifts", corrected.isoformat()),
        ("The pilots wait.", entry_of(client, FEEDS[2], "The pilots").updated),
    ]
    places = copy.postings.visible().updates().values_list("at", "public_at")
    assert list(places) == [(gmt("1800"), corrected), (gmt("0910"), gmt("0910"))]


# --- Ids and languages


def ids(client: Client) -> list[str]:
    found = [read(client, path) for path in FEEDS]
    return [feed.feed.id for feed in found] + [e.id for f in found for e in f.entries]


def test_ids_stay_whatever_becomes_of_the_site(
    client: Client, story: Story, settings: Any
) -> None:
    before = ids(client)
    assert len(set(before)) == 3 + 3
    assert all(one.startswith("tag:") for one in before)
    settings.SITE_URL = "https://elsewhere.example:8443"
    assert ids(client) == before
    Site.objects.update(epoch="restored")
    settings.SITE_NAME = "The Elsewhere Courier"
    assert ids(client) == before
    verbs.edit_story(story, slug="sea-fog")
    assert read(client, "/stories/sea-fog/feed/").feed.id == before[2]
    assert entry_of(client, "/stories/sea-fog/feed/").id in before


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://news.example.org", "news.example.org"),
        ("http://127.0.0.1:8000", ""),
        ("http://localhost:8000", ""),
        ("http://[::1]:8000", ""),
    ],
)
def test_ids_of_new_sites_have_a_name_of_their_own(
    client: Client, settings: Any, url: str, kept: str
) -> None:
    names = set()
    for _ in range(2):
        Site.objects.all().delete()
        settings.SITE_URL = url
        names.add(Site.current().feed_authority)
    assert names == {kept} if kept else len(names) == 2
    assert all(re.fullmatch(r"[a-z0-9.-]+", name) for name in names)


def test_feeds_name_the_language_of_their_texts(client: Client, story: Story) -> None:
    arabic = make_story("ضباب", slug="dabab", language="ar", series="Harbour Daily")
    update = make_update(arabic, "انقشع الضباب.")
    verbs.cross_post(update, story)
    lang = "{http://www.w3.org/XML/1998/namespace}lang"
    root = ET.fromstring(client.get("/stories/dabab/feed/").content)
    assert root.get(lang) == "ar"
    assert root.find(f"{ATOM}entry").attrib == {}
    for path in FEEDS:
        root = ET.fromstring(client.get(path).content)
        assert (root.get(lang) or "").startswith("en")
        found = {
            entry.find(f"{ATOM}title").text or "": entry.get(lang)
            for entry in root.findall(f"{ATOM}entry")
        }
        assert {tag for title, tag in found.items() if "انقشع" in title} == {"ar"}
        assert {found[title] for title in found if "Fog lifts" in title} <= {None, "en"}


# --- Pages


def walk(client: Client, path: str) -> list[Any]:
    """Return the pages of a feed, from its first to the last."""
    pages = []
    while path:
        pages.append(
            page := read(client, path).feed | {"entries": read(client, path).entries}
        )
        links = {link.rel: link.href for link in page["links"]}
        assert links["self"] == f"{settings.SITE_URL}{path}"
        assert ("first" in links) == (len(pages) > 1)
        path = links.get("next", "").removeprefix(settings.SITE_URL)
    return pages


@pytest.fixture
def long(story: Story) -> Story:
    """Fill the story, with cross-posts from two others and into one of them."""
    person = Profile.objects.create(slug="ann-lee", byline="Ann Lee")
    other = make_story("Ferries", slug="ferries", series="Harbour Daily")
    far = make_story("Far away", slug="far")
    bulk_updates(story, 70, a_minute=10)
    bulk_updates(other, 60, a_minute=1)
    bulk_updates(far, 5)
    for entry in [*other.entries.all()[:40:3], *far.entries.all()[:3]]:
        verbs.cross_post(entry, story)
    verbs.cross_post(story.entries.get(headline="Fog lifts"), other)
    Entry.objects.update(byline="Ann Lee", credited=person)
    return story


@pytest.mark.parametrize("path", [*FEEDS, AUTHOR])
def test_the_pages_of_a_feed_have_every_entry_once(
    client: Client, long: Story, path: str
) -> None:
    scope: dict[str, Any] = {}
    if "series" in path:
        scope = {"story__series__slug": "harbour-daily"}
    elif "stories" in path:
        scope = {"story": long}
    wanted = Posting.objects.visible().filter(**scope).values("entry").distinct()
    pages = walk(client, path)
    found = [entry.id for page in pages for entry in page["entries"]]
    assert len(found) == len(set(found)) == wanted.count()
    assert {len(page["entries"]) for page in pages[:-1]} == {feeds.FEED_ENTRIES}
    assert len({page["id"] for page in pages}) == 1


def every_entry_once(client: Client, path: str) -> bool:
    """Whether the pages of a feed have every entry of the site once, and are full."""
    pages = walk(client, path)
    found = [entry.id for page in pages for entry in page["entries"]]
    assert {len(page["entries"]) for page in pages[:-1]} == {feeds.FEED_ENTRIES}
    return len(found) == len(set(found)) == Entry.objects.count()


def test_a_series_has_what_more_than_a_page_of_stories_got_at_once(
    client: Client,
) -> None:
    stories = [make_story(series="Harbour Daily") for _ in range(55)]
    for one in reversed(stories):  # the oldest story has the newest entry
        bulk_updates(one, 1, gmt("0600"))
    for one in stories:
        bulk_updates(one, 1, gmt("0700"))
    assert every_entry_once(client, FEEDS[1])


def test_a_series_has_what_is_below_more_than_a_page_of_cross_posts(
    client: Client,
) -> None:
    stories = [make_story(series="Harbour Daily") for _ in range(54)]
    bulk_updates(stories[0], 3, gmt("0800"))
    bulk_updates(stories[-1], 60, gmt("0700"))
    shared, at = make_update(stories[-1], "The tide turns."), timezone.now()
    Posting.objects.bulk_create(
        Posting(entry=shared, story=one, visible=True) for one in stories[:-1]
    )
    Posting.objects.filter(entry=shared).update(public_at=at)
    Story.objects.update(newest_public_at=at)
    bulk_updates(stories[1], 50, at + timedelta(minutes=1))
    assert every_entry_once(client, FEEDS[1])


@pytest.mark.parametrize("path", [*FEEDS, AUTHOR])
def test_a_page_of_a_feed_keeps_its_entries(
    client: Client, long: Story, path: str
) -> None:
    def ids_at(path: str) -> list[str]:
        return [entry.id for entry in read(client, path).entries]

    pages = walk(client, path)
    links = {link.rel: link.href for link in pages[0]["links"]}
    older = links["next"].removeprefix(settings.SITE_URL)
    before = ids_at(older)
    make_update(long, "The newest.")
    make_update(long, "An old one.", at="0001")
    assert ids_at(older) == before
    boundary = int(older.rpartition("-")[2])  # moves to the top
    entry = Entry.objects.get(pk=boundary)
    words = EntryText(f"{entry.body} Again.", entry.headline, entry.at, entry.byline)
    verbs.edit(entry, words, version=entry.version, correction="Again.")
    assert ids_at(older) == before
    assert "ETag" not in client.get(older)  # an address that nothing leads to now
    assert len(walk(client, path)[0]["entries"]) == feeds.FEED_ENTRIES


def test_only_positions_in_the_feed_can_be_cached(client: Client, story: Story) -> None:
    posting = story.postings.visible().first()
    assert posting is not None
    place = str(feeds.FeedPosition.of(posting))
    for path in FEEDS:
        assert "ETag" in client.get(path, {"before": place})
        unknown = client.get(path, {"before": f"1{place}"})
        assert "ETag" not in unknown
        assert unknown["Cache-Control"] == "no-store"
        assert client.get(path, {"before": "1-1"}).content.count(b"<entry") == 0
        for odd in (f"0{place}", "1", "-", "x", f"{place}-1", "9" * 18 + "-1", "٣-١"):
            assert client.get(path, {"before": odd}).status_code == 404, odd


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
    let_time_pass()
    for path in ("/feed/", "/series/harbour-daily/feed/", "/stories/fog/feed/"):
        first = client.get(path)
        tags = {"If-None-Match": first["ETag"]}
        since = {"If-Modified-Since": first["Last-Modified"]}
        assert client.get(path, headers=tags).status_code == 304
        assert client.get(path, headers=since).status_code == 304
        make_update(story)
        assert client.get(path, headers=tags).status_code == 200
        assert client.get(path, headers=since).status_code == 200
        let_time_pass(0.5)
        assert client.get(path, headers=since).status_code == 200
        assert client.post(path).status_code == 405
        let_time_pass()


def test_a_feed_is_sent_again_after_a_withdrawal(client: Client) -> None:
    make_update(make_story(slug="ferries", series="Harbour Daily"))
    let_time_pass(4)
    gone = make_story(slug="leak", series="Harbour Daily")
    make_update(gone, "To be withdrawn.")
    let_time_pass(5)
    kept = {p: client.get(p) for p in ("/feed/", "/series/harbour-daily/feed/")}
    verbs.withdraw_story(gone)
    for path, old in kept.items():
        assert b"To be withdrawn." in old.content
        since = {"If-Modified-Since": old["Last-Modified"]}
        assert client.get(path, headers=since).status_code == 200
        let_time_pass()
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
