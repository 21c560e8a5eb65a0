"""Announced stories: readers see the head and when coverage begins, nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone

from entries import verbs
from entries.desk.access import desk_url
from entries.models import Entry, Image, Posting, Site, Story
from entries.pages import story_page
from entries.pages.story_data import story_data
from entries.text import gmt as times
from entries.verbs import Permissions, Refused
from tests.builders import (
    make_original,
    make_series,
    make_story,
    make_update,
    make_user,
    signed_in,
    text,
)

pytestmark = pytest.mark.django_db
SECRET = "uokka"
LATER = timedelta(days=2)


@pytest.fixture
def begins() -> datetime:
    return times.whole_minute(timezone.now() + LATER)


@pytest.fixture
def story(begins: datetime) -> Story:
    """Return an announced story with a secret in everything but its head."""
    story = make_story(
        "The vote on the bridge",
        live=False,
        slug="vote",
        series="Tides",
        standfirst="The council decides.",
        summary="Quokkas are known.",
    )
    make_original(story, "Quokkas began it.")
    make_update(story, "Quokkas swim.", headline="Quokkas", key_event=True, pinned=True)
    make_update(story, "Quokkas wait.", state="draft")
    image = Image.objects.create(
        name="quokka", stem=f"ee/{'e' * 40}", widths=[320], width=320, height=240
    )
    other = make_story("Fog over the harbour", slug="fog", series="Tides")
    verbs.add_link("latest", story=story, title="Quokkas elsewhere")
    verbs.add_link("feature", story=story, title="Quokka", image=image)
    verbs.cross_post(make_update(other, "The ferry has moored."), story)
    return verbs.announce(story, begins)


def paths(story: Story) -> list[str]:
    """Return every public address that could tell of a story or of its entries."""
    at, site = story.get_absolute_url(), Site.current()
    found = [at, f"{at}?order=oldest", f"/stories/{story.slug}.json", f"{at}feed/"]
    for entry in Entry.objects.filter(postings__story=story):
        found += [f"{at}updates/{entry.pk}/", f"{at}updates/{entry.pk}/history/"]
        found += [f"{at}?at={entry.pk}", f"{at}?before={entry.pk}"]
        found += [f"{at}?order=oldest&from={entry.pk}"]
    found += [f"{at}changes?after=", f"{at}changes?after={site.epoch}-0&rail=1"]
    found += ["/", "/feed/", "/series/tides/", "/series/tides/feed/", "/stories/fog/"]
    found += ["/sitemap.xml", "/news-sitemap.xml", "/stories/fog.json"]
    found += ["/search/?q=bridge", "/search/?q=council", "/search/?q=quokkas"]
    return [*found, "/search/?q=ferry", "/search/?q=known"]


def get(path: str) -> str:
    story_page._frame.cache_clear()
    return Client().get(path).content.decode()


def test_its_page_shows_the_head_and_when_coverage_begins(story: Story, begins: Any):
    page = get("/stories/vote/")
    assert "The vote on the bridge" in page
    assert "The council decides." in page
    assert f"Coverage begins {times.format_full(begins)}" in page
    assert 'data-state="announced"' in page
    assert "No updates yet" not in page
    assert "<article" not in page


def test_no_url_reveals_anything_else_about_it(story: Story):
    told = [
        path
        for path in paths(story)
        if SECRET in get(path).replace('value="quokkas"', "").replace("quokkas –", "")
    ]
    assert not told
    moored = [path for path in paths(story) if "/stories/vote" in path]
    assert not [path for path in moored if "ferry" in get(path)]
    for entry in Entry.objects.filter(postings__story=story):
        path = f"/stories/vote/updates/{entry.pk}/"
        assert Client().get(path).status_code == 404
    assert "Also in" not in get("/stories/fog/")


def test_changes_in_it_change_no_public_response(story: Story):
    def answers() -> dict[str, tuple[str | None, str]]:
        story_page._frame.cache_clear()
        found = {path: Client().get(path) for path in paths(story)}
        return {p: (r.get("ETag"), r.content.decode()) for p, r in found.items()}

    entry = story.entries.get(headline="Quokkas")
    fog = Story.objects.get(slug="fog")
    acts: dict[str, Callable[[], Any]] = {
        "post": lambda: make_update(story, "More quokkas.", key_event=True),
        "edit": lambda: verbs.edit(entry, text("Quokkas!"), version=1, correction="Q"),
        "withdraw": lambda: verbs.restore(verbs.withdraw(entry)),
        "marks": lambda: verbs.set_marks(entry.postings.get(), pinned=False),
        "summary": lambda: verbs.edit_story(story, summary="Quokkas again"),
        "continue": lambda: verbs.edit_story(story, continues_in=fog),
        "link": lambda: verbs.add_link("see", story=story, target_story=fog),
        "link of entry": lambda: verbs.add_link("see", entry=entry, target_story=fog),
        "cross-post": lambda: verbs.remove_cross_post(
            Posting.objects.get(story=story, entry__story=fog)
        ),
    }
    before, moved = answers(), []
    for name, act in acts.items():
        with transaction.atomic():
            act()
            after = answers()
            transaction.set_rollback(True)
        for row in (story, entry):
            row.refresh_from_db()
        moved += [f"{name}: {path}" for path in before if after[path] != before[path]]
    assert not moved


def test_its_summary_is_sent_to_other_desks(story: Story):
    client = signed_in("ed", "Editors")
    page = client.get(desk_url(story)).content.decode()
    have = page.split("?have=")[1].split('"')[0]
    way = f"{desk_url(story, 'timeline')}?have={have}"
    assert client.get(way).status_code == 204
    verbs.edit_story(story, summary="Wombats are known.")
    assert "Wombats are known." in client.get(way).content.decode()


def test_it_cannot_be_the_home_of_a_cross_post(story: Story):
    entry = story.entries.get(headline="Quokkas")
    with pytest.raises(Refused):
        verbs.cross_post(entry, Story.objects.get(slug="fog"))


def test_an_update_moved_into_it_stays_in_its_other_story(story: Story):
    fog = Story.objects.get(slug="fog")
    third = make_story("The long strike", slug="strike")
    entry = make_update(fog, "The pier is closed.")
    verbs.cross_post(entry, third)
    verbs.move(entry, story)
    page = get(f"/stories/strike/updates/{entry.pk}/")
    assert f"/stories/strike/updates/{entry.pk}/" in page
    assert "/stories/vote/updates/" not in page
    for path in ("/feed/", "/search/?q=pier", "/sitemap.xml", "/stories/strike.json"):
        found = get(path)
        assert "/stories/vote/updates/" not in found, path
    assert "pier" in get("/feed/")
    assert "/stories/strike/" in get("/search/?q=pier")


def test_lists_show_it_as_coming_up(story: Story, begins: Any):
    for path in ("/", "/series/tides/"):
        page = get(path)
        coming = page.split('id="coming-up"')[1].split("</section>")[0]
        assert "The vote on the bridge" in coming
        assert f"Coverage begins {times.format_full(begins)}" in coming
        assert "vote" not in page.split('id="live-now"')[1].split("</section>")[0]
    assert "/stories/vote/" in get("/sitemap.xml")
    assert "/stories/vote/" not in get("/news-sitemap.xml")
    assert "/stories/vote/" not in get("/stories/fog/").split('id="rail"')[1]
    assert "Coverage begins" in get("/search/?q=bridge")


def test_structured_data_has_the_start_of_coverage(story: Story, begins: datetime):
    page = get("/stories/vote/")
    data = json.loads(page.split('ld+json">')[1].split("</script>")[0])
    assert data["@type"] == "LiveBlogPosting"
    assert datetime.fromisoformat(data["coverageStartTime"]) == begins
    assert "liveBlogUpdate" not in data
    data = json.loads(get("/stories/vote.json"))
    assert data["entries"] == data["links"] == data["pictures"] == []
    assert data["story"]["state"] == "announced"
    assert data["story"]["summary"] == ""
    assert datetime.fromisoformat(data["story"]["begins_at"]) == begins


def test_links_can_target_it(story: Story):
    entry = make_update(Story.objects.get(slug="fog"), "The mayor spoke.")
    verbs.add_link("see", entry=entry, target_story=story)
    assert 'See <a href="/stories/vote/">' in get("/stories/fog/")


def test_going_live_shows_everything(story: Story):
    cursor = f"{Site.current().epoch}-{story.seq}"
    verbs.go_live(story)
    page = get("/stories/vote/")
    for words in ("Quokkas began it.", "Quokkas swim.", "Quokkas are known."):
        assert words in page
    assert "The ferry has moored." in page
    assert "Coverage begins" not in page
    assert "Quokkas wait." not in page
    changes = get(f"/stories/vote/changes?after={cursor}")
    assert changes.count("<article") == 3
    assert 'data-state="live"' in changes
    assert "Also in" in get("/stories/fog/")
    assert "quokkas" in get("/search/?q=known").lower()


def test_the_scheduler_makes_it_live_at_its_time(story: Story):
    assert verbs.begin_due_stories() == 0
    Story.objects.update(begins_at=timezone.now() - timedelta(minutes=1))
    assert verbs.begin_due_stories() == 1
    assert verbs.begin_due_stories() == 0
    story.refresh_from_db()
    assert story.state == "live"
    assert story.live_at


def test_due_updates_wait_until_it_is_live(story: Story):
    entry = make_update(story, "At noon.", at=timezone.now() + LATER)
    Entry.objects.filter(pk=entry.pk).update(at=times.this_minute())
    assert verbs.publish_due() == 0
    verbs.go_live(story)
    assert verbs.publish_due() == 1


def test_withdrawing_it_answers_410_and_restoring_announces_it_again(story: Story):
    cursor = f"{Site.current().epoch}-{story.seq}"
    verbs.withdraw_story(story)
    assert Client().get("/stories/vote/").status_code == 410
    response = Client().get(f"/stories/vote/changes?after={cursor}")
    assert response.status_code == 410
    assert "withdrawn" in response.content.decode()
    assert "vote" not in get("/")
    verbs.restore_story(story)
    assert story.state == "announced"
    assert "Coverage begins" in get("/stories/vote/")
    with pytest.raises(Refused):
        verbs.delete_story(story)


def test_its_old_addresses_redirect(story: Story):
    verbs.edit_story(story, slug="bridge-vote")
    response = Client().get("/stories/vote/")
    assert (response.status_code, response["Location"]) == (
        301,
        "/stories/bridge-vote/",
    )


def test_invalid_announcements_are_refused(story: Story, begins: datetime):
    live = make_story("Live already")
    closed = verbs.close_story(make_story("Closed already"))
    gone = verbs.withdraw_story(make_story("Gone already"))
    for one in (live, closed, gone):
        with pytest.raises(Refused):
            verbs.announce(one, begins)
    draft = make_story("Not yet", live=False)
    for at in (None, timezone.now() - timedelta(hours=1)):
        with pytest.raises(Refused) as refused:
            verbs.announce(draft, at)
        assert refused.value.field == "begins"
    for verb in (verbs.close_story, verbs.reopen_story, verbs.keep_live):
        with pytest.raises(Refused):
            verb(story)
    permissions = Permissions.of(make_user("moderator", "Moderators"))
    with pytest.raises(Refused):
        verbs.announce(draft, begins, by=permissions)


def test_the_time_can_be_changed(story: Story):
    before = Client().get("/stories/vote/")["ETag"]
    later = timezone.now() + 2 * LATER
    verbs.announce(story, later)
    response = Client().get("/stories/vote/")
    assert response["ETag"] != before
    assert times.format_full(later) in response.content.decode()


def test_the_desk_announces_it_or_shows_what_is_wrong():
    draft = make_story("Not yet", live=False)
    client = signed_in("ed", "Editors")
    way = desk_url(draft, "state")
    client.post(way, {"do": "announce", "begins": "half past"})
    client.post(way, {"do": "announce", "begins": "2310 yesterday"})
    draft.refresh_from_db()
    assert draft.state == "draft"
    client.post(way, {"do": "announce", "begins": "0800 tomorrow"})
    draft.refresh_from_db()
    assert draft.state == "announced"
    assert draft.begins_at
    assert draft.begins_at.hour == 8
    page = client.get(desk_url(draft)).content.decode()
    assert "Coverage begins 0800 GMT" in page
    client.post(way, {"do": "live"})
    draft.refresh_from_db()
    assert draft.state == "live"


def test_contributors_cannot_see_its_texts(story: Story):
    client = signed_in("con", "Contributors")
    for path in (desk_url(story), "/admin/", "/admin/entries/story/"):
        assert SECRET not in client.get(path).content.decode(), path


def test_the_json_form_can_be_imported_on_another_site(story: Story, tmp_path: Any):
    data = story_data(story, public=False)
    assert data["story"]["state"] == "announced"
    file = tmp_path / "vote.json"
    data["story"]["slug"] = "vote-two"
    file.write_text(json.dumps(data))
    call_command("import_story", str(file), "--publish", stdout=StringIO())
    again = Story.objects.get(slug="vote-two")
    assert again.state == "announced"
    assert again.begins_at == story.begins_at
    assert not again.postings.visible().exists()
    data["story"] |= {"begins_at": "2020-01-01T08:00:00+00:00", "slug": "vote-three"}
    file.write_text(json.dumps(data))
    call_command("import_story", str(file), "--publish", stdout=StringIO())
    assert Story.objects.get(slug="vote-three").state == "draft"


def test_a_series_with_only_an_announced_story_is_in_the_sitemap(begins: datetime):
    make_series("Winds")
    verbs.announce(make_story("High winds", live=False, series="Winds"), begins)
    assert "/series/winds/" in get("/sitemap.xml")
