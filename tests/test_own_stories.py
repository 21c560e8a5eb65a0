"""A story of its own from an update."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from entries import verbs
from entries.desk.access import desk_url
from entries.models import Entry, Story
from tests.builders import make_original, make_story, make_update, signed_in

pytestmark = pytest.mark.django_db


def own_story(entry: Entry) -> str:
    return reverse("admin:entries_story_own_story", args=[entry.story_id, entry.pk])


def test_an_update_becomes_the_original_entry_of_a_new_draft():
    client, reader = signed_in("editor", "Editors"), Client()
    story = make_story("Fog", series="Tides", language="pt")
    body = "Ferry crews agree.\n\nThey vote on Saturday."
    entry = make_update(story, body, headline="Crews agree")
    before = reader.get(story.get_absolute_url()).content
    assert 'value="Crews agree"' in client.get(own_story(entry)).content.decode()
    form = {"headline": "The ferry strike", "key": str(uuid4())}
    answer = client.post(own_story(entry), form)
    made = Story.objects.exclude(pk=story.pk).get()
    assert answer.url == desk_url(made)
    assert (made.headline, made.state) == ("The ferry strike", "draft")
    assert (made.series, made.language) == (story.series, "pt")
    original = made.entries.get()
    assert (original.kind, original.body) == ("original", body)
    assert original.headline == "Crews agree"
    assert entry.links.get().target_story == made
    assert made.links.get().target_story == story
    assert reader.get(story.get_absolute_url()).content == before
    assert reader.get(made.get_absolute_url()).status_code == 404
    client.post(own_story(entry), form)  # a double click
    assert Story.objects.count() == 2
    for row in (entry, made):
        name = "versions" if isinstance(row, Entry) else "history"
        args = (entry.pk,) if isinstance(row, Entry) else ()
        page = client.get(desk_url(story if args else made, name, *args))
        assert "Made" in page.content.decode()
    verbs.go_live(made)
    assert "The ferry strike" in reader.get(story.get_absolute_url()).content.decode()
    assert "Ferry crews agree." in reader.get(made.get_absolute_url()).content.decode()


def test_htmx_is_redirected_to_the_new_desk():
    client = signed_in("editor", "Editors")
    entry = make_update(make_story(), "Ferry crews agree.")
    answer = client.post(own_story(entry), {}, headers={"HX-Request": "true"})
    made = Story.objects.latest("pk")
    assert answer.headers["HX-Redirect"] == desk_url(made)
    assert made.headline.startswith("Ferry crews agree")


def test_original_entries_and_erased_texts_cannot_become_stories():
    client = signed_in("editor", "Editors")
    story = make_story()
    erased = verbs.erase(make_update(story))
    for entry in (make_original(story), erased):
        assert client.post(own_story(entry), {}).status_code == 403
        with pytest.raises(verbs.Refused):
            verbs.story_from_entry(entry)
    assert Story.objects.count() == 1


def test_a_withdrawn_text_cannot_become_a_story():
    client, reader = signed_in("editor", "Editors"), Client()
    story = make_story()
    entry = verbs.withdraw(make_update(story, "Quokkas were seen."))
    assert client.get(own_story(entry)).status_code == 403
    assert "Make this a story" not in client.get(desk_url(story)).content.decode()
    made = verbs.story_from_entry(entry, "Seen")
    assert made.entries.get().state == Entry.State.DRAFT
    verbs.go_live(made)
    assert "were seen" not in reader.get(made.get_absolute_url()).content.decode()


def test_a_text_of_a_withdrawn_story_becomes_a_draft():
    client, story = signed_in("editor", "Editors"), make_story()
    entry = make_update(story, "Quokkas were seen.")
    verbs.withdraw_story(story)
    client.post(own_story(entry), {"headline": "Quokkas"})
    made = Story.objects.exclude(pk=story.pk).get()
    assert made.entries.get().state == Entry.State.DRAFT
