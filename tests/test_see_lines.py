"""“See …” lines: stories and images suggested while writing, linked when saved."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from entries import verbs
from entries.models import Entry, Image, Link, Story
from tests.builders import make_story, make_update, signed_in

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def client() -> Client:
    return signed_in("editor", "Editors")


def find(client: Client, story: Story, q: str, what: str = "see") -> Any:
    way = reverse("admin:entries_story_find", args=[story.pk])
    return client.get(way, {"q": q, "what": what}, headers=HTMX)


def compose(client: Client, story: Story, body: str, action: str = "publish") -> str:
    way = reverse("admin:entries_story_change", args=[story.pk])
    data = {"key": str(uuid4()), "action": action, "body": body}
    return str(client.post(way, data, headers=HTMX).content.decode())


def edit(client: Client, entry: Entry, body: str) -> None:
    way = reverse("admin:entries_story_edit", args=[entry.story_id, entry.pk])
    data = {"body": body, "version": entry.version, "action": "save"}
    client.post(way, data, headers=HTMX)


def page(story: Story) -> str:
    return str(Client().get(story.get_absolute_url()).content.decode())


def line(other: Story, words: str = "See") -> str:
    return f'<p class="see">{words} <a href="{other.get_absolute_url()}">{other.title}'


def test_stories_are_found_by_part_of_their_title(client, story):
    make_story("The inquiry opens", series="Sorrava Daily")
    html = find(client, story, "inqu sorrava").content.decode()
    assert 'data-insert="See Sorrava Daily: The inquiry opens"' in html
    assert b"data-insert" not in find(client, story, "harbour").content


def test_a_story_that_readers_cannot_see_is_not_offered_and_not_linked(client, story):
    draft = make_story("A secret inquiry", live=False)
    assert "secret inquiry" not in find(client, story, "secret").content.decode()
    compose(client, story, f"Soon.\n\nSee {draft.title}")
    assert not Link.objects.exists()


def test_a_line_with_the_exact_title_leads_there_when_it_is_sent(client, story):
    other = make_story("The *inquiry* opens", series="Sorrava Daily")
    bare = make_story("Tides of the week")
    compose(client, story, f"Done.\n\nSee {other.title}\n\nSee also {bare.title}")
    html = page(story)
    assert line(other) in html
    assert line(bare, "See also") in html
    assert Link.objects.count() == 2


def test_words_that_name_no_story_stay_words(client, story):
    compose(client, story, "Done.\n\nSee you tomorrow")
    assert "See you tomorrow" in page(story)
    assert not Link.objects.exists()


def test_the_preview_shows_the_line_as_readers_will_get_it(client, story):
    other = make_story("The inquiry opens")
    html = compose(client, story, f"See {other.title}", action="preview")
    assert "&lt;p class=&quot;see&quot;&gt;See &lt;a href=" in html
    assert not Link.objects.exists()


def test_an_edit_links_what_it_adds_and_unlinks_what_it_takes(client, story):
    first, second = make_story("The inquiry opens"), make_story("Tides of the week")
    compose(client, story, f"Done.\n\nSee {first.title}")
    entry = story.entries.get()
    verbs.add_link("see", entry=entry, title="A moderator's link")
    edit(client, entry, f"Done.\n\nSee {second.title}")
    html = page(story)
    assert line(first) not in html
    assert line(second) in html
    assert "A moderator&#x27;s link" in html
    entry.refresh_from_db()
    edit(client, entry, f"Done now.\n\nSee {second.title}")
    assert Link.objects.filter(target_story=second).count() == 1


def test_a_renamed_story_keeps_the_line_that_leads_to_it(client, story):
    other = make_story("The inquiry opens")
    compose(client, story, f"Done.\n\nSee {other.title}")
    verbs.edit_story(other, headline="The inquiry closes")
    assert ">The inquiry opens</a>" in page(story)


def test_pictures_are_found_by_name_and_words_the_storys_own_first(client, story):
    for name in ("quay-old", "quay-new", "ferry", "quay-missing"):
        stem = "" if name == "quay-missing" else f"ab/{len(name):040x}"
        Image.objects.create(
            name=name, stem=stem, alt="Seen at dawn", width=9, height=6, widths=[320]
        )
    make_update(story, "![](image:quay-old)")
    html = find(client, story, "quay dawn", "picture").content.decode()
    assert html.index("quay-old") < html.index("quay-new")
    assert "![](image:quay-new)" in html
    assert "ferry" not in html
    assert "quay-missing" not in html


def test_only_those_who_write_may_look(story):
    assert find(signed_in("m", "Moderators"), story, "x").status_code == 403
    assert find(signed_in("c", "Contributors"), story, "x").status_code == 200
    assert find(signed_in("d", "Contributors"), story, "", "picture").status_code == 403
    assert find(Client(), story, "x").status_code == 401
