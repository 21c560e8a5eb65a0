"""Stories without updates: editors are reminded, readers are told, nobody waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from entries import verbs
from entries.desk.access import desk_url
from entries.models import Entry, QuietRule, Series, Site, Story
from entries.pages import story_page
from entries.text import gmt as times
from entries.verbs import Permissions, Refused
from tests.builders import make_series, make_story, make_update, make_user, signed_in

pytestmark = pytest.mark.django_db


def rest(story: Story, hours: float) -> None:
    """Let a story have had no updates for some hours, and let the scheduler look."""
    at = timezone.now() - timedelta(hours=hours)
    Story.objects.filter(pk=story.pk).update(active_at=at, newest_at=at)
    verbs.mark_quiet_stories()
    story.refresh_from_db()


def get(path: str) -> str:
    story_page._frame.cache_clear()
    return Client().get(path).content.decode()


@pytest.fixture
def story() -> Story:
    story = make_story("Fog over the harbour", slug="fog", series="Tides")
    make_update(story, "The ferry has moored.")
    story.refresh_from_db()
    return story


def test_a_story_with_updates_is_live(story: Story):
    assert verbs.mark_quiet_stories() == 0
    assert story.active_at
    assert not story.quiet
    assert "No updates since" not in get("/stories/fog/")


def test_editors_are_reminded_first_and_readers_see_nothing(story: Story):
    before = (story.seq, get("/stories/fog/"))
    rest(story, 4)
    assert story.reminded_at
    assert not story.quiet
    story.newest_at = None
    assert before == (story.seq, get("/stories/fog/"))
    client = signed_in("ed", "Editors")
    page = client.get(desk_url(story)).content.decode()
    assert "No updates since" in page
    assert "Keep live" in page
    client.post(desk_url(story, "state"), {"do": "keep"})
    story.refresh_from_db()
    assert story.reminded_at is None
    assert "Keep live" not in client.get(desk_url(story)).content.decode()


def test_an_open_desk_shows_the_reminder(story: Story):
    client = signed_in("ed", "Editors")
    page = client.get(desk_url(story)).content.decode()
    have = page.split("?have=")[1].split('"')[0]
    way = f"{desk_url(story, 'timeline')}?have={have}"
    assert client.get(way).status_code == 204
    rest(story, 4)
    assert "Keep live" in client.get(way).content.decode()


def test_after_the_quiet_time_readers_see_it_everywhere(story: Story):
    cursor = f"{Site.current().epoch}-{story.seq}"
    etags = [Client().get(path)["ETag"] for path in ("/stories/fog/", "/")]
    rest(story, 13)
    assert story.quiet
    assert story.quiet_since
    told = f"No updates since {times.format_full(story.quiet_since)}"
    assert told in get("/stories/fog/")
    assert f'data-status="{told}"' in get(f"/stories/fog/changes?after={cursor}")
    for path in ("/", "/series/tides/"):
        live, rest_of_page = get(path).split('id="live-now"')[1].split("</section>", 1)
        assert "/stories/fog/" not in live, path
        assert told in rest_of_page, path
    assert told in get("/search/?q=fog")
    assert etags[0] != Client().get("/stories/fog/")["ETag"]
    assert etags[1] != Client().get("/")["ETag"]
    assert verbs.mark_quiet_stories() == 0


def test_a_new_update_makes_it_live_again(story: Story):
    rest(story, 13)
    cursor = f"{Site.current().epoch}-{story.seq}"
    make_update(story, "The ferry sails.")
    story.refresh_from_db()
    assert not story.quiet
    assert story.reminded_at is None
    changes = get(f"/stories/fog/changes?after={cursor}")
    assert 'data-status=""' in changes
    assert "The ferry sails." in changes


def test_drafts_and_edits_do_not_count_as_updates(story: Story):
    entry = story.entries.get()
    rest(story, 13)
    make_update(story, "Not yet.", state="draft")
    text = verbs.EntryText("The ferry moors.", at=entry.at)
    verbs.edit(entry, text, version=1)
    story.refresh_from_db()
    assert story.quiet


def test_readers_see_the_time_of_the_last_remaining_update(story: Story):
    first = story.entries.get()
    last = make_update(story, "The ferry sails.")
    now = timezone.now()
    for entry, hours in ((first, 20), (last, 15)):
        at = now - timedelta(hours=hours)
        verbs.edit(entry, verbs.EntryText(entry.body, at=at), version=entry.version)
    Story.objects.update(active_at=now - timedelta(hours=15))
    verbs.mark_quiet_stories()

    def told(entry: Entry) -> bool:
        since = f"No updates since {times.format_full(entry.at)}"
        pages = [get("/stories/fog/"), get("/")]
        assert (since in pages[0]) == (since in pages[1])
        return since in pages[0]

    last.refresh_from_db()
    first.refresh_from_db()
    assert told(last)
    etag = Client().get("/")["ETag"]
    verbs.withdraw(last)
    assert told(first)
    assert Client().get("/")["ETag"] != etag
    at = now - timedelta(hours=18)
    verbs.edit(first, verbs.EntryText(first.body, at=at), version=first.version)
    first.refresh_from_db()
    assert told(first)
    verbs.restore(last)
    assert told(last)


def test_keeping_it_live_restarts_the_quiet_time(story: Story):
    rest(story, 13)
    verbs.keep_live(story)
    assert not story.quiet
    assert "No updates since" not in get("/stories/fog/")
    assert verbs.mark_quiet_stories() == 0
    editors = Permissions.of(make_user("mod", "Moderators"))
    with pytest.raises(Refused):
        verbs.keep_live(story, by=editors)
    for one in (verbs.close_story(story), make_story(live=False)):
        with pytest.raises(Refused):
            verbs.keep_live(one)


def test_a_series_can_have_its_own_rule(story: Story):
    series = make_series("Tides")
    series.quiet_reminder_hours, series.quiet_hours = 0, 30
    series.quiet_action = Series.QuietAction.CLOSE
    verbs.save_series(series)
    rest(story, 29)
    assert (story.reminded_at, story.quiet) == (None, False)
    rest(story, 31)
    assert story.state == "closed"
    assert "This story ended" in get("/stories/fog/")
    verbs.reopen_story(story)
    assert verbs.mark_quiet_stories() == 0


def test_the_settings_are_defaults_for_a_series(story: Story, settings: Any):
    settings.QUIET_HOURS, settings.QUIET_ACTION = 2, "close"
    rest(story, 3)
    assert story.state == "closed"


def test_a_story_that_never_had_an_update_becomes_quiet_too():
    story = make_story("Nothing yet")
    Story.objects.update(newest_at=None)
    at = timezone.now() - timedelta(hours=13)
    Story.objects.update(active_at=at, live_at=at)
    verbs.mark_quiet_stories()
    story.refresh_from_db()
    assert story.quiet_since == at


def test_closing_withdrawing_and_restoring_reset_the_quiet_state(story: Story):
    rest(story, 13)
    verbs.withdraw_story(story)
    verbs.restore_story(story)
    assert not story.quiet
    rest(story, 13)
    verbs.close_story(story)
    assert not story.quiet_since
    ended = times.format_full(story.closed_at) if story.closed_at else ""
    assert f"Ended {ended}" in get("/stories/fog/")


def test_an_old_story_imported_as_live_is_quiet():
    story = make_story("Old news", live=False)
    make_update(story, at="1200")
    verbs.go_live(story, at=timezone.now() - timedelta(days=90))
    verbs.mark_quiet_stories()
    story.refresh_from_db()
    assert story.quiet


def test_an_editor_sets_the_quiet_hours_of_a_series():
    series = make_series("Harbour watch")
    chief = signed_in("chief", chief=True)
    url = reverse("admin:entries_series_change", args=[series.pk])
    fields = {
        "name": series.name,
        "description": "",
        "quiet_reminder_hours": "0",
        "quiet_hours": "30",
        "quiet_action": "close",
    }
    assert chief.post(url, fields).status_code == 302
    rule = QuietRule.of(Series.objects.get(pk=series.pk))
    assert rule == QuietRule(None, timedelta(hours=30), closes=True)
    refused = chief.post(url, fields | {"quiet_hours": "0"})
    assert "greater than or equal to 1" in refused.content.decode()
