"""Imported and ended stories: the state and the dates they have, wherever they show."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import feedparser
import pytest
from django.conf import settings
from django.core.management import CommandError
from django.test import Client
from django.utils import timezone

from entries import verbs
from entries.desk.access import desk_url
from entries.models import Posting, Site, Story
from tests.builders import (
    gmt,
    make_original,
    make_story,
    make_update,
    signed_in,
)
from tests.test_import_story import Ran, write
from tests.test_pages import get, plain
from tests.test_sitemaps import rows

pytestmark = pytest.mark.django_db

OLD = """HEADLINE: Fog over Ilaria
SERIES: Harbour Daily
DATE: 2016-12-20

UPDATE 1800 GMT: The ferry is alongside.

UPDATE 0910 GMT: The fog signal sounds.

ORIGINAL ENTRY: Fog closed the port."""
BEGAN = datetime(2016, 12, 20, 9, 10, tzinfo=UTC)
ENDED = datetime(2016, 12, 20, 18, 0, tzinfo=UTC)


def with_state(line: str) -> str:
    return OLD.replace("DATE:", f"{line}\nDATE:")


def imported(tmp_path: Path, text: str = OLD, *args: str) -> Story:
    Ran("import_story", write(tmp_path, text), *(args or ("--publish",)))
    return Story.objects.latest("pk")


# --- The state it comes in with


@pytest.mark.parametrize(
    ("line", "args", "state", "closed_at"),
    [
        ("", ["--publish"], "closed", ENDED),
        ("", ["--state", "closed"], "closed", ENDED),
        ("", ["--state", "live"], "live", None),
        ("", ["--publish", "--state", "withdrawn"], "withdrawn", None),
        ("", ["--state", "draft"], "draft", None),
        ("", [], "draft", None),
        ("STATE: closed", ["--publish"], "closed", ENDED),
        ("STATE: live", ["--publish"], "live", None),
        ("STATE: Closed", ["--state", "live"], "live", None),
        ("STATE: closed", [], "draft", None),
        (
            "STATE: closed 2016-12-21 0030 GMT",
            ["--publish"],
            "closed",
            datetime(2016, 12, 21, 0, 30, tzinfo=UTC),
        ),
        (
            "STATE: closed, 2330 GMT, 20 December 2016",
            ["--state", "closed"],
            "closed",
            datetime(2016, 12, 20, 23, 30, tzinfo=UTC),
        ),
        ("STATE: withdrawn", ["--publish"], "withdrawn", None),
    ],
)
def test_an_old_text_comes_in_closed_unless_a_state_is_given(
    tmp_path: Path, line: str, args: list[str], state: str, closed_at: datetime | None
):
    text = with_state(line) if line else OLD
    Ran("import_story", write(tmp_path, text), *args)
    story = Story.objects.get()
    assert (story.state, story.closed_at) == (state, closed_at)


@pytest.mark.parametrize("dry", [["--dry-run"], []])
def test_the_command_says_why_a_story_is_closed(tmp_path: Path, dry: list[str]):
    ran = Ran("import_story", write(tmp_path, OLD), "--publish", *dry)
    assert "its last update is from 1800 GMT, 20 December 2016" in ran.err
    assert "closed, ended 1800 GMT, 20 December 2016" in ran.out


def test_the_state_is_in_the_json_output(tmp_path: Path):
    path = write(tmp_path, OLD)
    assert "the story is closed" in Ran("import_story", path, "--dry-run", "--json").err
    data = Ran("import_story", path, "--publish", "--json").data
    assert (data["state"], data["closed_at"]) == ("closed", ENDED.isoformat())


def test_a_recent_text_comes_in_live(tmp_path: Path):
    at = timezone.now() - timedelta(hours=2)
    text = f"DATE: {at:%Y-%m-%d}\n\nUPDATE {at:%H%M} GMT: Fog."
    ran = Ran("import_story", write(tmp_path, text), "--publish")
    assert Story.objects.get().state == "live"
    assert "no state" not in ran.err


def test_an_unknown_state_stays_text_with_a_warning(tmp_path: Path):
    path = write(tmp_path, with_state("STATE: finished"))
    ran = Ran("import_story", path, "--publish")
    assert "line 3: “STATE: finished” stays text" in ran.err
    story = Story.objects.get()
    assert "STATE: finished" in story.standfirst
    assert story.state == "closed"


def test_publish_and_state_draft_contradict_each_other(tmp_path: Path):
    with pytest.raises(CommandError, match="contradict") as caught:
        Ran("import_story", write(tmp_path, OLD), "--publish", "--state", "draft")
    assert caught.value.returncode == 2
    assert not Story.objects.exists()


@pytest.mark.parametrize("state", ["live", "closed", "withdrawn", "draft"])
def test_a_text_export_has_the_state(tmp_path: Path, state: str):
    story = imported(tmp_path, with_state("STATE: closed 2016-12-21 0030 GMT"))
    if state == "live":
        verbs.reopen_story(story)
    elif state == "withdrawn":
        verbs.withdraw_story(story)
    elif state == "draft":
        story = imported(tmp_path, OLD + "!", "--state", "draft")
    text = Ran("export_story", story.slug, "--format", "text").out
    line = "closed 2016-12-21 0030 GMT" if state == "closed" else state
    assert f"STATE: {line}\n" in text
    args = ["--again", *(["--publish"] if state != "draft" else [])]
    again = imported(tmp_path, text, *args)
    assert (again.state, again.pk != story.pk) == (state, True)


def test_a_closed_json_without_its_end_ended_with_its_last_update(tmp_path: Path):
    data: dict[str, Any] = {
        "format": "liveblog-story",
        "version": 1,
        "story": {"headline": "Fog", "state": "closed"},
        "entries": [
            {"kind": "original", "state": "published", "body": "It began."},
            {"kind": "update", "state": "published", "at": BEGAN.isoformat(),
             "body": "Fog."},
            {"kind": "update", "state": "published", "at": ENDED.isoformat(),
             "body": "It lifts."},
        ],
    }  # fmt: skip
    story = imported(tmp_path, json.dumps(data))
    assert (story.live_at, story.closed_at) == (BEGAN, ENDED)
    assert_dated_then(story)


# --- The dates it has


def assert_dated_then(story: Story) -> None:
    """Everything of the story has the dates of 2016."""
    assert story.changed_at == ENDED
    for posting in story.postings.select_related("entry"):
        at = posting.entry.at or BEGAN
        entry = posting.entry
        dates = (posting.public_at, entry.published_at, entry.changed_at)
        assert dates == (at, at, at)


@pytest.mark.parametrize("state", ["closed", "live"])
def test_an_imported_story_has_its_dates_wherever_machines_look(
    client: Client, tmp_path: Path, state: str
):
    story = imported(tmp_path, OLD, "--state", state)
    assert story.live_at == BEGAN
    assert_dated_then(story)
    for path in (
        "/feed/",
        "/series/harbour-daily/feed/",
        f"/stories/{story.slug}/feed/",
    ):
        feed = feedparser.parse(client.get(path).content)
        assert feed.feed.updated == ENDED.isoformat()
        assert [one.updated for one in feed.entries] == [
            one.published for one in feed.entries
        ]
        assert [one.updated for one in feed.entries] == [
            at.isoformat() for at in (ENDED, BEGAN, BEGAN)
        ]
    pages = rows(client)
    assert {page.last_modified for page in pages.values()} == {ENDED, BEGAN}
    assert "/stories/" not in client.get("/news-sitemap.xml").content.decode()
    page = get(client, story.get_absolute_url())
    assert '"datePublished":"2016-12-20T09:10:00+00:00"' in page
    assert '"dateModified":"2016-12-20T18:00:00+00:00"' in page
    assert timezone.now().strftime("%Y-%m-%d") not in page


def latest_lists(client: Client, story: Story) -> list[Any]:
    """What readers and subscribers see of the newest stories."""
    page = get(client, story.get_absolute_url())
    feeds = ("/feed/", "/series/harbour-daily/feed/")
    return [
        get(client, "/"),
        re.findall(r'<section class="latest">.*?</section>', page, re.S),
        get(client, "/news-sitemap.xml"),
        *[
            [e.id for e in feedparser.parse(client.get(f).content).entries]
            for f in feeds
        ],
    ]


def make_newsroom() -> Story:
    """A small newsroom of today: a story that is running, and one that has ended."""
    now = timezone.now().replace(second=0, microsecond=0)
    today = now.date()
    ended = make_story("Ice", first_day=today, series="Harbour Daily")
    make_update(ended, "Ice.", at=now - timedelta(hours=3))
    verbs.close_story(ended)
    story = make_story("Rain", first_day=today, series="Harbour Daily")
    make_update(story, "Rain.", at=now - timedelta(hours=1))
    return story


def test_archives_change_no_list_of_the_latest(client: Client, tmp_path: Path):
    story = make_newsroom()
    before = latest_lists(client, story)
    for year in range(2010, 2018):
        imported(tmp_path, OLD.replace("2016", str(year)).replace("Fog", f"Fog {year}"))
    assert latest_lists(client, story) == before
    older = feedparser.parse(client.get("/feed/").content).feed.links
    path = next(link.href for link in older if link.rel == "next")
    path = path.removeprefix(settings.SITE_URL)
    found = feedparser.parse(client.get(path).content).entries
    assert [one.updated[:4] for one in found][:4] == ["2017", "2017", "2017", "2016"]


def test_what_was_imported_from_last_week_is_in_its_place_among_the_latest(
    client: Client, tmp_path: Path
):
    make_newsroom()
    day = (timezone.now() - timedelta(days=7)).date()
    old = imported(tmp_path, OLD.replace("2016-12-20", str(day)))
    page = get(client, "/")
    assert page.index("/stories/ice/") < page.index(old.get_absolute_url())


def test_archives_are_the_latest_where_there_is_nothing_newer(
    client: Client, tmp_path: Path
):
    story = imported(tmp_path)
    assert story.get_absolute_url() in get(client, "/")
    assert len(feedparser.parse(client.get("/feed/").content).entries) == 3


def test_an_imported_draft_has_its_dates_once_it_is_published(tmp_path: Path):
    story = imported(tmp_path, OLD, "--state", "draft")
    verbs.go_live(story)
    story.refresh_from_db()
    assert story.live_at == BEGAN
    assert set(story.postings.values_list("public_at", flat=True)) == {BEGAN, ENDED}
    verbs.close_story(story)
    assert story.closed_at == ENDED


def test_an_imported_cross_post_is_no_news_in_the_other_story(
    client: Client, tmp_path: Path
):
    story = make_newsroom()
    data: dict[str, Any] = {
        "format": "liveblog-story",
        "version": 1,
        "story": {"headline": "Fog", "slug": "fog", "state": "closed"},
        "entries": [
            {"kind": "update", "state": "published", "at": ENDED.isoformat(),
             "body": "It lifts.", "posted_in": [{"story": story.slug}]},
        ],
    }  # fmt: skip
    feed = f"{story.get_absolute_url()}feed/"
    newest = feedparser.parse(client.get(feed).content).entries[0].id
    imported(tmp_path, json.dumps(data))
    posting = Posting.objects.get(story=story, entry__body="It lifts.")
    assert posting.public_at == ENDED
    assert feedparser.parse(client.get(feed).content).entries[0].id == newest


# --- Where readers see the date


@pytest.fixture
def ended() -> Story:
    story = make_story("Fog", slug="fog", series="Harbour Daily", lead_image=None)
    make_original(story)
    make_update(story, "It lifts.", at="1800", headline="Fog lifts", key_event=True)
    make_update(story, "It is back.", at=gmt("0015") + timedelta(days=1))
    verbs.close_story(story, at=gmt("0100") + timedelta(days=1))
    return story


SHORT = ("UPDATE 1800 GMT:", "UPDATE 0015 GMT, 15 March:", "1800 GMT Fog lifts")
FULL = (
    "UPDATE 1800 GMT, 14 March 2026:",
    "UPDATE 0015 GMT, 15 March 2026:",
    "1800 GMT, 14 March 2026 Fog lifts",
)


def shows(page: str, wanted: tuple[str, ...], others: tuple[str, ...]) -> bool:
    words = plain(page)
    return all(w in words for w in wanted) and not any(w in words for w in others)


def test_an_ended_story_shows_full_dates_and_a_running_one_short_ones(
    client: Client, ended: Story
):
    assert shows(get(client, "/stories/fog/"), FULL, SHORT)
    assert "Last update 0015 GMT, 15 March 2026" in plain(get(client, "/stories/fog/"))
    assert shows(get(client, "/stories/fog/?order=oldest"), FULL, SHORT)
    verbs.reopen_story(ended)
    assert shows(get(client, "/stories/fog/"), SHORT, FULL)


def test_an_imported_story_shows_full_dates_also_while_it_runs(
    client: Client, tmp_path: Path
):
    story = imported(tmp_path, OLD, "--state", "live")
    page = get(client, story.get_absolute_url())
    assert "UPDATE 0910 GMT, 20 December 2016: The fog" in plain(page)
    assert "Fog over Ilaria (20 December 2016) – " in page
    assert "1800 GMT, 20 December 2016 The ferry" in plain(get(client, "/"))


def test_closing_changes_no_fragment(ended: Story):
    before = list(ended.postings.values("seq", "html"))
    verbs.reopen_story(ended)
    verbs.close_story(ended)
    assert list(ended.postings.values("seq", "html")) == before


def test_a_story_that_runs_over_new_year_shows_every_year(client: Client):
    eve = datetime(2025, 12, 31, 22, 0, tzinfo=UTC)
    story = make_story("Fireworks", slug="fireworks", first_day=eve.date())
    make_update(story, "It begins.", at=eve)
    assert "UPDATE 2200 GMT:" in plain(get(client, "/stories/fireworks/"))
    make_update(story, "Midnight.", at=eve + timedelta(hours=3))
    page = plain(get(client, "/stories/fireworks/"))
    assert "UPDATE 2200 GMT, 31 December 2025: It begins." in page
    assert "UPDATE 0100 GMT, 1 January 2026: Midnight." in page
    verbs.close_story(story, at=eve + timedelta(hours=4))
    page = get(client, "/stories/fireworks/")
    assert "<title>Fireworks (31 December 2025 – 1 January 2026) – " in page


def test_permalinks_and_histories_show_full_dates(client: Client, ended: Story):
    entry = ended.entries.get(headline="Fog lifts")
    text = verbs.EntryText("It lifts at last.", "Fog lifts", gmt("1801"))
    verbs.edit(entry, text, version=1, correction="At last")
    page = plain(get(client, entry.get_absolute_url()))
    assert "UPDATE 1801 GMT, 14 March 2026:" in page
    assert re.search(r"Corrected \d{4} GMT, \d+ \w+ 20\d\d: At last", page)
    history = plain(get(client, f"{entry.get_absolute_url()}history/"))
    assert "the update of 1801 GMT, 14 March 2026" in history
    verbs.reopen_story(ended)
    assert "UPDATE 1801 GMT:" in plain(get(client, entry.get_absolute_url()))


def rail_of(client: Client, path: str) -> str:
    return plain("<body>" + get(client, path).partition('<aside id="rail"')[2])


def test_titles_cards_lists_and_the_rail_have_the_days_of_an_ended_story(
    client: Client, ended: Story
):
    other = make_story("Rain", slug="rain")
    page = get(client, "/stories/fog/")
    assert "<title>Harbour Daily: Fog (14–15 March 2026) – " in page
    assert 'property="og:title" content="Harbour Daily: Fog (14–15 March 2026)"' in page
    assert 'data-title="Harbour Daily: Fog (14–15 March 2026) – ' in page
    entry = ended.entries.get(headline="Fog lifts")
    page = get(client, entry.get_absolute_url())
    assert 'property="og:title" content="Fog lifts (14 March 2026)"' in page
    for path in ("/", "/series/harbour-daily/", "/search/?q=fog"):
        assert "Ended 0100 GMT, 15 March 2026" in plain(get(client, path)), path
    rail = rail_of(client, "/stories/rain/")
    assert "Harbour Daily: Fog 14–15 March 2026" in rail
    verbs.add_link("previous", story=other, target_story=ended)
    verbs.add_link("feature", story=other, target_story=ended)
    rail = rail_of(client, "/stories/rain/")
    assert rail.count("Fog 14–15 March 2026") == 3


def test_open_rails_follow_the_days_of_a_story(ended: Story):
    seq = Site.current().seq
    verbs.edit_story(ended, first_day=gmt("0000").date() - timedelta(days=1))
    assert ended.days == "13–15 March 2026"
    assert Site.current().seq > seq


def test_a_saved_page_shows_full_dates(ended: Story):
    for close in (False, True):
        (verbs.reopen_story, verbs.close_story)[close](ended)
        page = Ran("export_story", "fog", "--format", "html").out
        assert shows(page, FULL, SHORT)


def test_older_pages_are_dated_too(client: Client, ended: Story):
    newest = ended.postings.updates().first()
    assert newest
    page = get(client, f"/stories/fog/?before={newest.entry_id}")
    assert "UPDATE 1800 GMT, 14 March 2026:" in plain(page)


def test_the_desk_shows_the_year_of_old_stories(ended: Story):
    chief, address = signed_in("chief", chief=True), desk_url(ended)
    row = get(chief, address)
    assert "Saturday 14 March 2026" in row
    assert "Ended 0100 GMT, 15 March 2026" in plain(row)
    entry = ended.entries.get(headline="Fog lifts")
    history = get(chief, desk_url(ended, "versions", entry.pk))
    assert "History of 1800 GMT, 14 March 2026" in plain(history)


def test_the_date_of_a_quoted_post_stays_as_typed_when_the_story_ends(client, story):
    post = "1015 GMT, 03 March 2026, https://bsky.app/profile/ada.example/post/3kabc"
    make_update(story, f"> Closed.\n>\n> — Ada (@ada.example) on Bluesky, {post}")
    shown = client.get(story.get_absolute_url()).content.decode()
    assert "1015 GMT, 03 March 2026</time>" in shown
    verbs.close_story(story)
    shown = client.get(story.get_absolute_url()).content.decode()
    assert "1015 GMT, 03 March 2026</time>" in shown
