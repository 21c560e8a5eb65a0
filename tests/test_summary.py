"""The summary box, edited in place at the desk."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from entries import verbs
from entries.models import Story
from entries.text import limits
from tests.builders import make_story, make_user, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def story() -> Story:
    return make_story("Fog over the harbour", summary="Two boats are out.")


def save(
    client: Client,
    story: Story,
    summary: str,
    version: int = 1,
    htmx: str = "true",
    **more: str,
) -> Any:
    way = reverse("admin:entries_story_summary", args=[story.pk])
    data = {"body": summary, "version": version} | more
    return client.post(way, data, headers={"HX-Request": htmx})


def test_the_summary_is_edited_at_the_desk_and_reaches_readers(story):
    client = signed_in("editor", "Editors")
    desk = client.get(reverse("admin:entries_story_change", args=[story.pk]))
    assert "Two boats are out.</textarea>" in desk.content.decode()
    answer = save(client, story, "*One* boat is out.")
    assert "<em>One</em> boat is out." in answer.content.decode()
    assert b"<em>One</em> boat is out." in client.get(story.get_absolute_url()).content


def test_the_second_editor_sees_both_texts_and_chooses(story):
    client = signed_in("editor", "Editors")
    verbs.edit_story(story, summary="All boats are in.")
    answer = save(client, story, "Three boats are out.")
    html = answer.content.decode()
    assert answer.status_code == 409
    assert "<del>All </del>" in html
    assert "Three boats are out.</textarea>" in html
    again = save(client, story, "Three boats are out.")
    assert again.status_code == 409  # nothing is saved until one is chosen
    story.refresh_from_db()
    assert story.summary == "All boats are in."
    chosen = {"choice": f"mine-{story.version}"}
    assert save(client, story, "Three boats are out.", **chosen).status_code == 200
    story.refresh_from_db()
    assert story.summary == "Three boats are out."


def test_a_new_headline_is_no_conflict_for_the_summary(story):
    client = signed_in("editor", "Editors")
    verbs.edit_story(story, headline="Fog in the harbour", standfirst="Thick.")
    assert save(client, story, "Five boats are out.").status_code == 200
    story.refresh_from_db()
    assert story.summary == "Five boats are out."
    assert story.headline == "Fog in the harbour"
    assert save(client, story, "Six boats are out.").status_code == 409


def test_two_changes_of_a_summary_are_merged(story):
    client = signed_in("editor", "Editors")
    editor2 = make_user("editor2", "Editors")
    verbs.edit_story(
        story, summary="Two boats are out.\n\nIce is near.", author=editor2
    )
    answer = save(client, story, "Five boats are out.", htmx="")
    html = answer.content.decode()
    assert answer.status_code == 409
    assert "editor2 changed this story at" in html
    assert "Five boats are out.\n\nIce is near.</textarea>" in html
    assert f'name="version" value="{story.version}"' in html


@pytest.mark.parametrize("theirs", ["All boats are in.", ""])
def test_without_scripts_the_typed_text_is_returned_with_its_errors(story, theirs):
    client = signed_in("editor", "Editors")
    typed = "Three boats are out."
    if theirs:
        verbs.edit_story(story, summary=theirs)
    else:
        typed *= limits.MAX_BODY_LENGTH
    answer = save(client, story, typed, htmx="")
    html = answer.content.decode()
    assert answer.status_code == (409 if theirs else 422)
    assert f"{typed}</textarea>" in html
    assert ("<del>All </del>" in html) == bool(theirs)
    assert 'name="version" value="1"' in html


def test_an_older_form_does_not_empty_the_summary(story):
    client = signed_in("editor", "Editors")
    way = reverse("admin:entries_story_summary", args=[story.pk])
    answer = client.post(way, {"summary": "Typed before.", "version": 1})
    assert "Typed before.</textarea>" in answer.content.decode()
    story.refresh_from_db()
    assert story.summary == "Two boats are out."


def test_users_without_permission_cannot_change_the_summary(story):
    for name, group in (("m", "Moderators"), ("c", "Contributors")):
        assert save(signed_in(name, group), story, "Sneaked in.").status_code == 403
    story.refresh_from_db()
    assert story.summary == "Two boats are out."


def test_a_typed_summary_is_kept_until_it_is_saved(story):
    client = signed_in("editor", "Editors")
    way = reverse("admin:entries_story_draft", args=[story.pk])
    data = {"form": "summary", "key": "1", "typed": 1, "body": "Half a box."}
    assert client.post(way, data).status_code == 204
    desk = reverse("admin:entries_story_change", args=[story.pk])
    assert "Half a box." in client.get(desk).content.decode()
    page = client.get(f"{desk}?kept=1").content.decode()
    assert "Half a box.</textarea>" in page
    assert b"Half a box." not in signed_in("other", "Editors").get(desk).content
    assert save(client, story, "A whole box.").headers["HX-Trigger"]
    assert "Half a box." not in client.get(desk).content.decode()
