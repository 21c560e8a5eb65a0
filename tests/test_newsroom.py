"""What runs through several stories: moving, the contributors' queue, leading on."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from entries import stories
from entries.models import Entry, Posting, Story
from tests.builders import make_original, make_story, make_update, make_user

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def story() -> Story:
    return make_story("Fog over the harbour")


@pytest.fixture
def client(client: Client) -> Client:
    """Give a browser in which an editor is signed in."""
    client.force_login(make_user("editor", "Editors"))
    return client


def signed_in(name: str, *groups: str) -> Client:
    client = Client()
    client.force_login(make_user(name, *groups))
    return client


def html_of(answer: Any) -> str:
    assert answer.status_code == 200
    return answer.content.decode()


def read(story: Story) -> str:
    """Return the page as readers have it."""
    return html_of(Client().get(story.get_absolute_url()))


# --- Moving


def moving(entry: Entry) -> str:
    return reverse("admin:entries_story_move", args=[entry.story_id, entry.pk])


@pytest.mark.parametrize("htmx", [True, False])
def test_an_update_is_moved_to_a_story_found_by_its_title(client, story, htmx: bool):
    rain, closed = make_story("Rain in the hills"), make_story("Rain is over")
    stories.close(closed)
    entry = make_update(story, "It rains.")
    headers = HTMX if htmx else {}
    page = html_of(client.get(moving(entry), {"q": "rain"}, headers=headers))
    assert "Rain in the hills" in page
    assert "Rain is over" not in page
    assert f'value="{story.pk}"' not in page
    way = moving(entry)
    answer = client.post(way, {"to": rain.pk}, headers=headers, follow=True)
    assert "Rain in the hills" in html_of(answer)
    assert "It rains." in read(rain)
    assert "It rains." not in read(story)
    history = reverse("admin:entries_story_versions", args=[rain.pk, entry.pk])
    assert f"Moved here from {story.slug}." in html_of(client.get(history))


def test_what_cannot_be_moved_is_refused_with_a_sentence(client, story):
    closed = make_story("Rain is over")
    entry = make_update(story)
    stories.close(closed)
    answer = client.post(moving(entry), {"to": closed.pk}, headers=HTMX)
    assert (answer.status_code, b"closed" in answer.content) == (409, True)
    answer = client.post(moving(entry), {"to": "9" * 30}, headers=HTMX)
    assert answer.status_code == 409
    original = make_original(story)
    assert client.get(moving(original)).status_code == 403
    assert "Move…" in html_of(client.get(f"/admin/entries/story/{story.pk}/change/"))


def test_only_editors_move(story):
    entry, other = make_update(story), make_story("Rain")
    for group in ("Moderators", "Contributors"):
        browser = signed_in(group, group)
        assert browser.post(moving(entry), {"to": other.pk}).status_code == 403
    assert Posting.objects.get().story == story
