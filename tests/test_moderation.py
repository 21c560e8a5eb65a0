"""What moderators do: place updates in other stories, link, and fill the slots."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from entries import publishing, stories
from entries.models import Entry, Story
from entries.publishing import Text
from tests.builders import make_original, make_story, make_update, make_user

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def client(client: Client) -> Client:
    """Give a browser in which a moderator is signed in."""
    client.force_login(make_user("moderator", "Moderators"))
    return client


@pytest.fixture
def editor() -> Client:
    client = Client()
    client.force_login(make_user("editor", "Editors"))
    return client


@pytest.fixture
def story() -> Story:
    return make_story("Fog over the harbour", series="Sorrava Daily")


def cross(entry: Entry, story: Story | None = None) -> str:
    args = [(story or entry.story).pk, entry.pk]
    return reverse("admin:entries_story_cross", args=args)


def html(answer: Any) -> str:
    return str(answer.content.decode())


def page(story: Story) -> str:
    return html(Client().get(story.get_absolute_url()))


# --- Cross-posting


def test_part_of_a_title_finds_the_running_stories_alone(client, story):
    entry = make_update(story)
    names = ["Ice on the sound", "Ice fair opens", "Ice of last year", "Ice to come"]
    running, second, closed, draft = (make_story(name) for name in names)
    stories.close(closed)
    Story.objects.filter(pk=draft.pk).update(state="draft")
    panel = html(client.get(f"{cross(entry)}?q=ice", headers=HTMX))
    offered = set(map(int, re.findall(r'name="to" value="(\d+)"', panel)))
    assert offered == {running.pk, second.pk}


def test_a_cross_post_is_two_actions_and_links_both_ways(client, story):
    entry, other = make_update(story, "Seen from both."), make_story("Ice on the sound")
    desk = html(client.get(f"/admin/entries/story/{story.pk}/change/"))
    assert f'hx-get="{cross(entry)}"' in desk
    answer = client.post(cross(entry), {"to": other.pk}, headers=HTMX)
    assert "Also in" in html(answer)
    assert "Stands in Ice on the sound too." in html(answer)
    assert f'(Cross-posted from <a href="{story.get_absolute_url()}">' in page(other)
    assert f'Also in <a href="{other.get_absolute_url()}">' in page(story)


def test_stories_of_one_series_name_each_other_by_headline(story):
    other = make_story("Ice on the sound", series="Sorrava Daily")
    publishing.cross_post(make_update(story), other)
    assert "Fog over the harbour</a>)" in page(other)
    assert ">Ice on the sound</a></p>" in page(story)
    stories.edit_story(other, series=None)
    assert "Sorrava Daily</a>)" in page(other)


def test_a_cross_post_is_taken_back_from_its_home_row(client, story):
    entry, other = make_update(story, "Seen from both."), make_story()
    publishing.cross_post(entry, other)
    assert 'name="back"' in html(client.get(cross(entry), headers=HTMX))
    client.post(cross(entry), {"back": other.pk}, headers=HTMX)
    assert "Seen from both." not in page(other)
    assert "Seen from both." in page(story)


def test_a_refusal_is_a_sentence_and_changes_nothing(client, story):
    entry, closed = make_update(story, "Seen here alone."), make_story()
    stories.close(closed)
    answer = client.post(cross(entry), {"to": closed.pk}, headers=HTMX)
    assert answer.status_code == 409
    assert html(answer).startswith("This story is closed.")
    for fields in ({"to": 10**12}, {"to": "x"}, {}, {"back": story.pk}):
        assert client.post(cross(entry), fields, headers=HTMX).status_code == 409
    assert "Seen here alone." not in page(closed)
    assert "Seen here alone." in page(story)


def test_only_what_readers_see_can_be_cross_posted(client, story):
    draft, original = make_update(story, state="draft"), make_original(story)
    other = make_story()
    for entry in (draft, original):
        assert client.get(cross(entry), headers=HTMX).status_code == 404
        assert client.post(cross(entry), {"to": other.pk}).status_code == 404
    assert not other.postings.exists()


def test_without_scripts_cross_posting_has_a_page(client, story):
    entry, other = make_update(story), make_story("Ice on the sound")
    assert "Ice on the sound" in html(client.get(f"{cross(entry)}?q=sound"))
    answer = client.post(cross(entry), {"to": other.pk}, follow=True)
    assert "Stands in Ice on the sound too." in html(answer)


def test_contributors_do_not_cross_post(story):
    writer = Client()
    writer.force_login(make_user("writer", "Contributors"))
    entry, other = make_update(story), make_story()
    assert writer.post(cross(entry), {"to": other.pk}).status_code == 403
    assert not other.postings.exists()


def edit(editor: Client, entry: Entry, body: str, **fields: Any) -> None:
    way = reverse("admin:entries_story_edit", args=[entry.story_id, entry.pk])
    data = {"body": body, "version": entry.version, "action": "save"} | fields
    assert editor.post(way, data, headers=HTMX).status_code == 200


def test_a_closed_story_gets_later_edits_and_its_editors_are_told(editor, story):
    entry, closed = make_update(story, "Four are missing."), make_story("Last winter")
    publishing.cross_post(entry, closed)
    stories.close(closed)
    ended = Story.objects.get(pk=closed.pk).closed_at
    desk = f"/admin/entries/story/{closed.pk}/change/"
    assert "Changed after the end" not in html(editor.get(desk))
    way = reverse("admin:entries_story_edit", args=[story.pk, entry.pk])
    assert "Last winter</a> (closed)" in html(editor.get(way, headers=HTMX))
    edit(editor, entry, "All are found.", how="correction", correction="None missing.")
    assert "All are found." in page(closed)
    assert "None missing." in page(closed)
    assert "Changed after the end" in html(editor.get(desk))
    closed.refresh_from_db()
    assert (closed.state, closed.closed_at) == ("closed", ended)
    line = LogEntry.objects.get(object_id=str(closed.pk)).get_change_message()
    assert "was corrected there" in line


def test_a_running_storys_history_is_not_filled_with_edits_elsewhere(editor, story):
    entry, other = make_update(story), make_story()
    publishing.cross_post(entry, other)
    edit(editor, entry, "Changed.")
    assert not LogEntry.objects.filter(object_id=str(other.pk)).exists()


def test_edits_retimings_and_withdrawals_reach_every_story(story):
    entry, other = make_update(story, "First said."), make_story()
    publishing.cross_post(entry, other)
    text = Text("Then said.", at=entry.at.replace(hour=9, minute=41))
    publishing.edit(entry, text, version=1)
    for place in (story, other):
        assert "Then said." in page(place)
        assert "0941 GMT" in page(place)
        assert "First said." not in page(place)
    publishing.withdraw(entry)
    assert "Then said." not in page(story) + page(other)
