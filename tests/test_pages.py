"""The public pages: complete without JavaScript, the same for all, and small."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from io import BytesIO
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone
from PIL import Image as Picture

from entries import verbs
from entries.images import ingest
from entries.models import Entry, Image, Posting, Profile, Series, Site, Story
from entries.pages import lists
from entries.public import caching
from entries.verbs import EntryText
from tests.builders import (
    DAY,
    bulk_updates,
    gmt,
    let_time_pass,
    make_original,
    make_series,
    make_story,
    make_update,
    text,
)

pytestmark = pytest.mark.django_db

NEXT_DAY = DAY + timedelta(days=1)
SECRET = "Zwyngaard"  # stands in no text that readers may see


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    """Let no page be answered from what an earlier test kept."""
    cache.clear()
    yield
    cache.clear()


def make_picture(name: str, **words: str) -> Image:
    """Return a picture with real files, twice as wide as high."""
    upload = BytesIO()
    shade = sum(map(ord, name)) % 200  # no two names share their bytes
    Picture.new("RGB", (64, 32), (shade, 40, 60)).save(upload, "PNG")
    upload.seek(0)
    ingested = ingest.ingest_image(upload, settings.IMAGES_DIR, b"key")
    return verbs.add_image(name, ingested, **words)


def get(client: Client, address: str, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status, address
    return response.content.decode()


def plain(html: str) -> str:
    """Return what a reader without styles and scripts reads, on one line."""
    body = html.partition("<body")[2].partition(">")[2]
    return " ".join(re.sub(r"<[^>]+>", "", body).split())


def in_order(page: str, *parts: str) -> bool:
    """Say whether each part stands in the text, the next one further down."""
    places = [page.find(part) for part in parts]
    return -1 not in places and places == sorted(places)


@pytest.fixture
def story() -> Story:
    """Return a story with all that a page can have."""
    lead = make_picture(
        "quay",
        alt="A crane above an empty quay",
        caption="The north quay this morning",
        credit="Ida Brask",
    )
    story = make_story(
        "Ferry Strike Enters Its Second Day",
        series="Harbour Daily",
        slug="ferry-strike",
        standfirst="Crews and owners meet at noon.",
        lead_image=lead,
        summary="- No ferry has left since Friday",
    )
    make_original(
        story, "The crews walked out at dawn.\n\n## What they want\n\nA rest."
    )
    make_update(story, "The talks have begun.", at="1800", key_event=True)
    make_update(story, "Both sides are in the room.", at="0910")
    make_update(story, "Call the port before you travel.", at="0700", pinned=True)
    make_update(story, "A deal was signed.", at=gmt("0015", NEXT_DAY))
    return story


# --- The story page is complete without a script


def test_the_head_describes_the_story(client: Client, story: Story) -> None:
    page = plain(get(client, "/stories/ferry-strike/"))
    assert in_order(
        page,
        "Harbour Daily",
        "Ferry Strike Enters Its Second Day",
        "Crews and owners meet at noon.",
        "The north quay this morning",
        "Ida Brask",
        "What we know",
        "No ferry has left since Friday",
        "Jump to Original",
    )


def test_the_lead_image_has_its_texts_and_size(client: Client, story: Story) -> None:
    page = get(client, "/stories/ferry-strike/")
    lead = page[page.index("<figure") : page.index("</figure>")]
    assert 'alt="A crane above an empty quay"' in lead
    assert 'width="64" height="32"' in lead
    assert "image/avif" in lead
    assert "image/webp" in lead


def test_updates_are_newest_first_below_pinned_ones(
    client: Client, story: Story
) -> None:
    page = plain(get(client, "/stories/ferry-strike/"))
    assert in_order(
        page,
        "UPDATE 0700 GMT: Pinned Call the port before you travel.",
        "A deal was signed.",
        "UPDATE 1800 GMT: Key event The talks have begun.",
        "UPDATE 0910 GMT: Both sides are in the room.",
        "ORIGINAL ENTRY: The crews walked out at dawn.",
        "What they want",
    )


def test_oldest_first_reverses_the_page(client: Client, story: Story) -> None:
    page = plain(get(client, "/stories/ferry-strike/?order=oldest"))
    assert in_order(page, "ORIGINAL ENTRY:", "UPDATE 0910 GMT:", "UPDATE 1800 GMT:")


def test_times_have_a_date_except_on_the_first_day(
    client: Client, story: Story
) -> None:
    page = plain(get(client, "/stories/ferry-strike/"))
    assert "UPDATE 0015 GMT, 15 March: A deal was signed." in page
    assert "UPDATE 1800 GMT:" in page


def test_every_time_is_machine_readable(client: Client, story: Story) -> None:
    page = get(client, "/stories/ferry-strike/")
    assert '<time datetime="2026-03-14T18:00Z">1800 GMT</time>' in page


def test_a_pinned_update_appears_once(client: Client, story: Story) -> None:
    pinned = story.postings.get(pinned=True)
    page = get(client, "/stories/ferry-strike/")
    assert page.count(f'id="entry-{pinned.entry_id}"') == 1
    assert plain(page).count("Call the port before you travel.") == 1
    assert in_order(
        page, 'id="pinned"', f'id="entry-{pinned.entry_id}"', 'id="updates"'
    )


def test_a_key_event_is_listed_and_links_to_its_entry(
    client: Client, story: Story
) -> None:
    event = story.postings.get(key_event=True).entry
    page = get(client, "/stories/ferry-strike/")
    listed = page[page.index('id="key-events"') : page.index('class="order"')]
    assert f'href="/stories/ferry-strike/?at={event.pk}#entry-{event.pk}"' in listed
    assert "The talks have begun." in listed


def test_the_sections_of_the_original_are_headings(
    client: Client, story: Story
) -> None:
    page = get(client, "/stories/ferry-strike/")
    original = page[page.index('id="original"') :]
    assert "<h3>What they want</h3>" in original


def test_latest_and_feature_are_beside_the_story(client: Client, story: Story) -> None:
    other = make_story("Fog Over the Sound")
    cover = make_picture("cover", alt="A lamp", caption="A lamp")
    essay = make_story("Who Owns the Quay?", lead_image=cover)
    verbs.add_link("feature", story=story, target_story=essay, label="Friday feature")
    page = get(client, "/stories/ferry-strike/")
    rail = page[page.index('id="rail"') :]
    assert in_order(rail, "Friday feature", cover.stem, essay.get_absolute_url())
    assert in_order(rail, "LATEST", other.get_absolute_url(), "Fog Over the Sound")


def test_see_lines_link_to_their_stories(client: Client, story: Story) -> None:
    other = make_story("Fog Over the Sound", series="Sound Daily")
    entry = make_update(story, "See Sound Daily: Fog Over the Sound", at="1900")
    verbs.add_link("see", entry=entry, target_story=other)
    page = get(client, "/stories/ferry-strike/")
    assert f'See <a href="{other.get_absolute_url()}">Sound Daily: Fog' in page
    assert page.count("See <a") == 1


def test_a_cross_post_names_its_source(client: Client, story: Story) -> None:
    home = make_story("Fog Over the Sound", series="Sound Daily")
    entry = make_update(home, "The pilots stay ashore.", at="1900")
    verbs.cross_post(entry, story)
    page = get(client, "/stories/ferry-strike/")
    at_home = get(client, home.get_absolute_url())
    line = f'(Cross-posted from <a href="{home.get_absolute_url()}">Sound Daily</a>)'
    assert line in page
    assert "Cross-posted" not in at_home
    assert 'Also in <a href="/stories/ferry-strike/">Harbour Daily</a>' in at_home


def test_a_correction_is_shown_with_its_entry(client: Client, story: Story) -> None:
    entry = make_update(story, "Forty ships wait.", at="1900")
    verbs.edit(
        entry,
        text("Fourteen ships wait.", at="1900"),
        version=1,
        correction="14, not 40",
    )
    page = plain(get(client, "/stories/ferry-strike/"))
    assert re.search(r"Corrected \d{4} GMT[^:]*: 14, not 40", page)
    assert "Forty ships wait." not in page


def test_images_in_succession_are_grouped(client: Client, story: Story) -> None:
    for name in ("before", "after"):
        make_picture(name, alt=f"The quay {name} the strike")
    make_update(story, "![](image:before)\n![](image:after)", at="1900")
    page = get(client, "/stories/ferry-strike/")
    pair = page[page.index('<div class="figures">') :].partition("</div>")[0]
    assert pair.count("<figure") == 2
    assert pair.count('loading="lazy"') == 2


def test_a_closed_story_says_so_and_links_to_its_follow_up(
    client: Client, story: Story
) -> None:
    after = make_story("Ferries Sail Again", slug="ferries-sail")
    verbs.close_story(story, continues_in=after)
    page = get(client, "/stories/ferry-strike/")
    assert re.search(r"This story ended \d{4} GMT", plain(page))
    assert 'Coverage continues in <a href="/stories/ferries-sail/">' in page


def test_an_arabic_story_is_right_to_left(client: Client) -> None:
    make_story("العبّارات متوقفة", slug="strike-ar", language="ar")
    make_story("Ferries", slug="strike-en")
    assert '<html lang="ar" dir="rtl">' in get(client, "/stories/strike-ar/")
    assert '<html lang="en" dir="ltr">' in get(client, "/stories/strike-en/")


def test_an_entry_has_a_page_with_the_way_back(client: Client, story: Story) -> None:
    entry = story.entries.get(body="The talks have begun.")
    page = get(client, entry.get_absolute_url())
    assert "UPDATE 1800 GMT:" in plain(page)
    assert f'href="/stories/ferry-strike/?at={entry.pk}#entry-{entry.pk}"' in page
    assert (
        f'rel="canonical" href="{settings.SITE_URL}{entry.get_absolute_url()}"' in page
    )


def test_an_entry_looks_the_same_on_every_page(client: Client, story: Story) -> None:
    posting = story.postings.get(key_event=True)
    for address in (
        "/stories/ferry-strike/",
        "/stories/ferry-strike/?order=oldest",
        posting.entry.get_absolute_url(),
    ):
        assert posting.html in get(client, address)


def test_the_front_page_shows_live_and_closed_stories(
    client: Client, story: Story
) -> None:
    verbs.close_story(make_story("Fog Over the Sound"))
    page = plain(get(client, "/"))
    assert in_order(
        page,
        "Live now",
        "Ferry Strike Enters Its Second Day",
        "A deal was signed.",
        "Latest",
        "Fog Over the Sound",
    )


def test_a_series_page_shows_only_its_own_stories(client: Client, story: Story) -> None:
    Series.objects.filter(pk=story.series_id).update(description="The port, hourly.")
    make_story("Fog Over the Sound", series="Sound Daily")
    page = plain(get(client, "/series/harbour-daily/"))
    assert in_order(page, "Harbour Daily", "The port, hourly.", "Ferry Strike")
    assert "Fog" not in page


def test_stories_with_recent_updates_come_first_and_then_closed_ones(
    client: Client, story: Story
) -> None:
    busy, quiet = make_story("Busy Quay"), make_story("Quiet Quay")
    make_update(quiet, at=gmt("2300", NEXT_DAY))
    make_update(busy, at=gmt("2301", NEXT_DAY))
    early, late = make_story("Ended Early"), make_story("Ended Late")
    verbs.close_story(late, at=gmt("2200"))
    verbs.close_story(early, at=gmt("2100"))
    page = plain(get(client, "/"))
    order = ["Busy Quay", "Quiet Quay", "Ferry Strike", "Latest"]
    assert in_order(page, *order, "Ended Late", "Ended Early")


def test_the_front_page_stays_short_and_every_live_story_can_be_reached(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "LIVE_PAGE_SIZE", 3)
    rows = [make_story(f"Report {n}", series="Mirest Daily") for n in range(7)]
    Story.objects.update(live_at=gmt("0600"))
    make_update(rows[1], at="1200")
    for address in ("/", "/series/mirest-daily/"):
        page = get(client, address)
        assert page.count("<article") == 3
        assert in_order(page, "Report 1", "Report 6", "Report 5")
        assert f'href="/?from={rows[6].pk}"' in page
    seen, address = [], f"/?from={rows[6].pk}"
    while address:
        page = get(client, address)
        seen += re.findall(r"Report \d(?=</a>)", page)
        found = re.search(r'href="(/\?from=\d+)"', page.partition("<main")[2])
        address = found[1] if found else ""
    assert seen == [f"Report {n}" for n in reversed(range(7))]
    draft = make_story("Not yet", live=False)
    assert client.get(f"/?from={draft.pk}").status_code == 404
    verbs.close_story(rows[6])  # whoever has its address goes on from there
    assert in_order(get(client, f"/?from={rows[6].pk}"), "Report 5", "Report 3")


@pytest.mark.parametrize("size", ["ENDED_PAGE_SIZE", "ANNOUNCED_SIZE"])
def test_every_quiet_and_announced_story_can_be_reached(
    client: Client, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    monkeypatch.setattr(lists, size, 2)
    monkeypatch.setattr(lists, "LIVE_PAGE_SIZE", 3)
    rows = [make_story(f"Report {n}", series="Mirest Daily") for n in range(4)]
    if size == "ENDED_PAGE_SIZE":
        Story.objects.update(quiet_since=gmt("0600"))
    else:
        begins = timezone.now() + timedelta(days=1)
        Story.objects.update(state="announced", begins_at=begins)
    for address in ("/", "/series/mirest-daily/"):
        assert f'href="/?from={rows[3].pk}"' in get(client, address)
    seen, address = [], f"/?from={rows[3].pk}"
    while address:
        page = get(client, address)
        assert "No story is running" not in page
        seen += re.findall(r"Report \d(?=</a>)", page.partition("<main")[2])
        found = re.search(r'href="(/\?from=\d+)"', page.partition("<main")[2])
        address = found[1] if found else ""
    assert seen == ["Report 3", "Report 2", "Report 1", "Report 0"]


def test_every_story_of_a_series_can_be_reached(client: Client) -> None:
    start = date(2026, 1, 1)
    for number in range(lists.ENDED_PAGE_SIZE + 2):
        day = start + timedelta(days=number // 2)
        row = make_story(f"Report {number:02}", series="Mirest Daily", first_day=day)
        verbs.close_story(row)
    first = get(client, "/series/mirest-daily/")
    newest = '<h2 id="2026-01-21"><a href="#2026-01-21">'
    assert in_order(first, newest, "21 January 2026", "Report 41", "Report 40")
    assert in_order(first, "Report 40", "20 January 2026", "Report 39", "Report 02")
    assert "Report 01" not in first
    query = re.findall(r'href="(\?before=\d+)"', first)[0]
    second = get(client, f"/series/mirest-daily/{query}")
    assert in_order(second, "1 January 2026", "Report 01", "Report 00")
    assert "Report 02" not in second
    assert "Live now" not in second
    foreign = make_story()
    for wrong in (f"?before={foreign.pk}", "?before=x", "?before=99999"):
        assert client.get(f"/series/mirest-daily/{wrong}").status_code == 404


def test_an_empty_site_says_that_nothing_is_live(client: Client) -> None:
    assert "No story is running at the moment." in plain(get(client, "/"))


# --- One answer for everybody


def public_addresses(story: Story) -> list[str]:
    entry = story.postings.updates().visible()[0].entry
    return [
        "/",
        "/series/harbour-daily/",
        "/stories/ferry-strike/",
        "/stories/ferry-strike/?order=oldest",
        f"/stories/ferry-strike/updates/{entry.pk}/",
        "/stories/ferry-strike/changes?after=",
        "/nothing/",
    ]


def test_no_page_sets_a_cookie_or_varies_by_one(client: Client, story: Story) -> None:
    for address in public_addresses(story):
        response = client.get(address)
        assert not response.cookies, address
        assert "cookie" not in response.get("Vary", "").lower(), address


def test_a_signed_in_editor_gets_the_same_bytes(
    client: Client, admin_client: Client, story: Story
) -> None:
    for address in public_addresses(story):
        assert client.get(address).content == admin_client.get(address).content


def test_no_page_has_inline_scripts_or_styles(client: Client, story: Story) -> None:
    data = r'type="application/ld\+json"'  # which no browser runs
    own = rf"<script(?! {data}|[^>]*\bsrc=)|<style\b|\s(style|on\w+)="
    for address in public_addresses(story):
        response = client.get(address)
        page = response.content.decode()
        assert not re.search(own, page)
        assert not re.search(r'<(script|img|source)[^>]* src(set)?="(https?:)?//', page)
        assert not re.search(r'<link rel="(icon|stylesheet)" href="(https?:)?//', page)
        assert "default-src 'self'" in response["Content-Security-Policy"]


@pytest.fixture
def paths(story: Story) -> list[str]:
    """Return paths of every kind of public page."""
    entry = story.entries.filter(kind=Entry.Kind.UPDATE)[0]
    Profile.objects.create(slug="ann-lee", byline="Ann Lee")
    words = EntryText(entry.body, at=entry.at, byline="Ann Lee")
    verbs.edit(entry, words, version=entry.version, correction="By Ann Lee.")
    assert story.series
    own, series = story.get_absolute_url(), story.series.get_absolute_url()
    lists = ["/", series, "/authors/ann-lee/"]
    pages = [own, f"{own}?order=oldest", f"{own}updates/{entry.pk}/"]
    pages += [f"{own}updates/{entry.pk}/history/", f"/stories/{story.slug}.json"]
    feeds = [f"{path}feed/" for path in (*lists, own)]
    return [*lists, *pages, *feeds, "/sitemap.xml", "/news-sitemap.xml"]


def dates(client: Client, paths: list[str]) -> dict[str, str]:
    """Return when pages were last changed, by their paths."""
    return {path: client.get(path).get("Last-Modified", "") for path in paths}


def fresh(client: Client, since: dict[str, str]) -> list[str]:
    """Return the paths that are sent to a client that has them since some time."""
    asked = {p: client.get(p, headers={"If-Modified-Since": since[p]}) for p in since}
    assert {answer.status_code for answer in asked.values()} <= {200, 304}
    return [path for path, answer in asked.items() if answer.status_code == 200]


def test_pages_are_dated_once_nothing_else_can_have_that_date(
    client: Client, story: Story, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "SETTLED_AFTER", timedelta(minutes=5))
    assert set(dates(client, paths).values()) == {""}  # changed in this second
    let_time_pass(20)
    since = dates(client, paths)
    assert "" not in since.values()
    assert fresh(client, since) == []
    make_update(story, "In this second.")
    assert set(dates(client, paths).values()) == {""}
    assert fresh(client, since) == paths
    let_time_pass(10)
    assert not set(dates(client, paths).values()) & {"", *since.values()}
    assert fresh(client, since) == paths


@pytest.mark.parametrize(
    "act", ["rename", "link", "another story", "restore a backup", "another release"]
)
def test_a_change_of_what_is_around_a_text_is_a_change_of_its_page(
    client: Client, story: Story, paths: list[str], act: str
) -> None:
    caching.record_release()
    let_time_pass()
    since = dates(client, paths)
    assert fresh(client, since) == []
    if act == "rename":
        verbs.edit_story(story, headline="The strike is over")
    elif act == "link":
        verbs.add_link("feature", target_story=story)
    elif act == "another story":
        make_story("The low bridge")
    elif act == "restore a backup":
        Site.objects.update(epoch="restored")
    else:
        Site.objects.update(release="another-release")
    assert fresh(client, since) == paths
    if act in ("restore a backup", "another release"):
        caching.record_release()  # as the next start of the server does
        assert fresh(client, since) == paths
    let_time_pass(0.5)
    now = dates(client, paths)
    assert fresh(client, since) == paths
    assert fresh(client, now) == []


def test_a_page_with_the_same_etag_is_a_304(client: Client, story: Story) -> None:
    first = client.get("/stories/ferry-strike/")
    again = client.get(
        "/stories/ferry-strike/", headers={"If-None-Match": first["ETag"]}
    )
    assert again.status_code == 304
    assert again.content == b""
    assert "max-age=0" in again["Cache-Control"]


@pytest.mark.parametrize(
    "change",
    [
        lambda story: make_update(story, at="2000"),
        lambda story: verbs.edit_story(story, headline="Ferries Sail Again"),
        lambda story: verbs.withdraw(story.entries.get(at=gmt("1800"))),
        lambda story: verbs.set_marks(
            Posting.objects.get(entry__at=gmt("0910")), pinned=True
        ),
        lambda story: verbs.close_story(story),
        lambda story: make_story("A rail has something new"),
        lambda story: Site.objects.update(epoch="restored"),
    ],
    ids=["post", "rename", "withdraw", "pin", "close", "rail", "backup"],
)
def test_a_changed_page_has_another_etag(
    client: Client, story: Story, change: Callable[[Story], object]
) -> None:
    known = client.get("/stories/ferry-strike/")["ETag"]
    change(story)
    again = client.get("/stories/ferry-strike/", headers={"If-None-Match": known})
    assert again.status_code == 200
    assert again["ETag"] != known


@pytest.mark.parametrize(
    "address",
    ["ferry-strike/updates/{}/", "ferry-strike/feed/", "ferry-strike.json"],
)
def test_a_page_read_in_an_old_epoch_never_gets_an_etag_of_the_new_one(
    client: Client, story: Story, address: str
) -> None:
    address = f"/stories/{address}".format(make_update(story).pk)
    late = [lambda: Site.objects.update(epoch="restored")]

    def between(execute: Any, sql: str, *args: Any) -> Any:
        result = execute(sql, *args)
        if '"entries_storyslug"' in sql and late:
            late.pop()()
        return result

    with connection.execute_wrapper(between):
        response = client.get(address)
    assert not late
    assert "restored" not in response["ETag"]


# --- What was never published, or is no longer, is on no page or feed


@pytest.fixture
def leaky(story: Story) -> Story:
    """Return the story with texts beside it that nobody may read."""
    soon = timezone.now() + timedelta(hours=1)
    for state in (Entry.State.DRAFT, Entry.State.SUBMITTED):
        make_update(story, f"{SECRET} {state}", at="1900", state=state, key_event=True)
    make_update(story, f"{SECRET} later", at=soon, headline=SECRET, pinned=True)
    gone = make_update(story, f"{SECRET} gone", at="2330", key_event=True, pinned=True)
    verbs.withdraw(gone)
    edited = make_update(story, f"{SECRET} said it", at="2340")
    verbs.edit(edited, text("It was said.", at="2340"), version=1)
    draft = make_story(f"{SECRET} plans", live=False, series="Harbour Daily")
    make_update(draft, f"{SECRET} draft story")
    withdrawn = make_story(f"{SECRET} falls", slug="falls", series="Harbour Daily")
    crossed = make_update(withdrawn, "The harbour office is closed.", at="2345")
    verbs.cross_post(crossed, story)
    for other in (draft, withdrawn):
        verbs.add_link("latest", story=story, target_story=other, title="Elsewhere")
        verbs.add_link("feature", target_story=other, title="An essay")
        verbs.add_link("see", entry=edited, target_story=other, title="A file")
    verbs.withdraw_story(withdrawn)
    verbs.edit_story(draft, standfirst=f"{SECRET} standfirst")
    return story


def test_no_page_contains_unpublished_text(client: Client, leaky: Story) -> None:
    assert Entry.objects.filter(body__contains=SECRET).count() > 4
    epoch = Site.current().epoch
    for address in (
        *public_addresses(leaky),
        *(f"/stories/ferry-strike/changes?after={epoch}-{n}" for n in range(leaky.seq)),
        f"/stories/ferry-strike/changes?after={epoch}-0&rail=0",
    ):
        assert SECRET not in client.get(address).content.decode(), address


def test_links_to_stories_that_are_not_public_are_plain_text(
    client: Client, leaky: Story
) -> None:
    page = get(client, "/stories/ferry-strike/")
    assert "See A file" in page
    hidden = Story.objects.exclude(state__in=Story.PUBLIC)
    assert hidden.count() == 2
    assert not [row for row in hidden if row.get_absolute_url() in page]


def test_links_do_not_name_stories_that_are_not_public(
    client: Client, story: Story
) -> None:
    for state in ("draft", "withdrawn"):
        other = make_story(f"{SECRET} {state}", live=state != "draft")
        entry = make_update(story, at="1900")
        verbs.add_link("see", entry=entry, target_story=other)
        verbs.add_link("latest", story=story, target_story=other)
        verbs.add_link("feature", target_story=other)
        if state == "withdrawn":
            crossed = make_update(other)
            verbs.cross_post(crossed, story)
            verbs.withdraw_story(other)
    assert SECRET not in get(client, "/stories/ferry-strike/")
    assert SECRET not in get(client, "/")


def test_unpublished_updates_have_no_page(client: Client, leaky: Story) -> None:
    waiting = leaky.entries.filter(state__in=["draft", "submitted", "scheduled"])
    assert waiting.count() == 3
    for entry in waiting:
        assert SECRET not in get(client, entry.get_absolute_url(), status=404)


def test_a_withdrawn_update_is_410_with_a_message(client: Client, leaky: Story) -> None:
    gone = leaky.entries.get(state=Entry.State.WITHDRAWN)
    page = get(client, gone.get_absolute_url(), status=410)
    assert "This is no longer published" in page
    assert SECRET not in page


def test_all_urls_of_a_withdrawn_story_are_410(client: Client, leaky: Story) -> None:
    entry = Entry.objects.get(story__slug="falls")
    for address in (
        "/stories/falls/",
        "/stories/falls/?order=oldest",
        f"/stories/falls/updates/{entry.pk}/",
        "/stories/falls/changes?after=",
    ):
        assert SECRET not in get(client, address, status=410)


def test_a_draft_story_is_404(client: Client, leaky: Story) -> None:
    draft = Story.objects.get(state=Story.State.DRAFT)
    for path in ("", "changes", f"updates/{draft.entries.get().pk}/"):
        assert SECRET not in get(client, draft.get_absolute_url() + path, status=404)


def test_an_update_has_no_page_in_another_story(client: Client, story: Story) -> None:
    other = make_update(make_story("Fog Over the Sound"))
    get(client, f"/stories/ferry-strike/updates/{other.pk}/", status=404)
    get(client, other.get_absolute_url())


# --- Addresses that stay, and those that never were


def test_a_former_slug_redirects_to_the_current_one(
    client: Client, story: Story
) -> None:
    entry = story.entries.get(at=gmt("1800"))
    verbs.edit_story(story, slug="ferries-sail")
    for path in ("", "?order=oldest", f"updates/{entry.pk}/"):
        answer = client.get(f"/stories/ferry-strike/{path}")
        assert answer.status_code == 301
        assert answer["Location"] == f"/stories/ferries-sail/{path}"
    assert "Ferry Strike" in get(client, "/stories/ferries-sail/")


def test_a_former_slug_still_serves_open_pages(client: Client, story: Story) -> None:
    verbs.edit_story(story, slug="ferries-sail")
    response = client.get("/stories/ferry-strike/changes?after=")
    assert response.status_code == 200
    assert response["Live-State"] == "reset"


@pytest.mark.parametrize(
    "query",
    [
        "before=soon",
        "before=-1",
        "before=1.5",
        "before=٣",
        f"before={'9' * 20}",
        "before=999999",
        "before=1%00",
        "before=%27--",
        "from=999999",
        "from=x",
    ],
)
def test_an_unknown_position_is_404(client: Client, story: Story, query: str) -> None:
    get(client, f"/stories/ferry-strike/?{query}", status=404)


def test_a_position_in_another_story_is_404(client: Client, story: Story) -> None:
    other = make_update(make_story("Fog Over the Sound"))
    get(client, f"/stories/ferry-strike/?before={other.pk}", status=404)


def test_a_position_that_was_never_public_is_404(client: Client, leaky: Story) -> None:
    draft = leaky.entries.get(state=Entry.State.DRAFT)
    gone = leaky.entries.get(state=Entry.State.WITHDRAWN)
    get(client, f"/stories/ferry-strike/?before={draft.pk}", status=404)
    get(client, f"/stories/ferry-strike/?before={gone.pk}")


def test_older_updates_have_stable_urls(client: Client) -> None:
    story = make_story("Ferry Strike", slug="long-strike")
    bulk_updates(story, 120)
    match = re.search(
        r'id="older" href="([^"]+)"', get(client, "/stories/long-strike/")
    )
    assert match
    before = re.findall(r'id="entry-\d+"', get(client, match[1]))
    make_update(story, at=gmt("1000"))
    assert re.findall(r'id="entry-\d+"', get(client, match[1])) == before
    assert len(before) == 50


@pytest.mark.parametrize("address", ["/nothing/", "/series/none/", "/stories/none/"])
def test_a_404_page_offers_a_link(client: Client, address: str) -> None:
    page = get(client, address, status=404)
    assert "There is nothing at this address" in page
    assert '<a href="/">' in page


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_pages_accept_only_get_and_head(
    client: Client, story: Story, method: str
) -> None:
    for address in ("/", "/stories/ferry-strike/", "/series/harbour-daily/"):
        assert getattr(client, method)(address).status_code == 405


def test_a_series_without_stories_has_a_page(client: Client) -> None:
    make_series("Quiet Daily")
    assert "Quiet Daily" in plain(get(client, "/series/quiet-daily/"))


def test_lists_across_stories_show_dates_and_do_not_cut_sentences(client: Client):
    story = make_story("Fog over the harbour")
    words = "one two three four five six seven eight nine ten eleven twelve thirteen"
    make_update(story, f"{words} fourteen fifteen sixteen seventeen done. And more.")
    html = client.get("/").content.decode()
    assert "1200 GMT, 14 March</time>" in html
    assert "seventeen done…<" in html
