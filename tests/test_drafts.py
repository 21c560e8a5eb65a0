"""Drafts: texts being typed, saved for their writer until they are sent."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from entries import verbs
from entries.models import Draft, Entry, Story
from entries.verbs import EntryText
from tests.builders import make_story, make_update, signed_in

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def client() -> Client:
    return signed_in("editor", "Editors")


def keep(client: Client, story: Story, body: str, **fields: Any) -> Any:
    data = {"form": "composer", "key": str(uuid4()), "typed": 1, "body": body} | fields
    way = reverse("admin:entries_story_draft", args=[story.pk])
    return client.post(way, data, headers=HTMX)


def change(client: Client, story: Story, **data: Any) -> Any:
    way = reverse("admin:entries_story_change", args=[story.pk])
    return client.post(way, data, headers=HTMX) if data else client.get(way)


def edit(client: Client, entry: Entry, **data: Any) -> Any:
    way = reverse("admin:entries_story_edit", args=[entry.story_id, entry.pk])
    send = client.post if data else client.get
    return send(way, data, headers=HTMX)


def offered(answer: Any) -> list[str]:
    """Return the bodies of the unsent texts that a page brings along."""
    found = re.findall(r'data-drafts="(\[[^"]*)"', answer.content.decode())
    texts = [text for each in found for text in json.loads(html.unescape(each))]
    return [text["values"]["body"] for text in texts]


def test_the_last_version_of_a_draft_is_offered(client, story):
    key = str(uuid4())
    assert keep(client, story, "Half a", key=key).status_code == 204
    keep(client, story, "Half a thought", key=key, pinned="on", at="1015", typed=2)
    keep(client, story, "Another")
    assert offered(change(client, story)) == ["Half a thought", "Another"]
    values = Draft.objects.get(key=key).values
    assert (values["at"], values["pinned"]) == ("1015", True)


def test_a_draft_is_offered_only_to_its_writer_in_its_story(client, story):
    keep(client, story, "Not for you.")
    other = signed_in("editor2", "Editors")
    assert offered(change(other, story)) == []
    assert offered(change(client, make_story())) == []


def test_publishing_deletes_only_its_own_draft(client, story):
    key = str(uuid4())
    keep(client, story, "Sent.", key=key)
    keep(client, story, "Not sent.")
    keep(signed_in("editor2", "Editors"), story, "Theirs.", key=key)
    change(client, story, body="Sent.", key=key, action="publish")
    assert offered(change(client, story)) == ["Not sent."]
    assert Draft.objects.count() == 2


def test_the_draft_of_a_refused_text_is_kept(client, story):
    key = str(uuid4())
    keep(client, story, "x" * 20_001, key=key)
    answer = change(client, story, body="x" * 20_001, key=key, action="publish")
    assert answer.status_code == 422
    assert len(offered(change(client, story))[0]) == 20_001


def test_a_draft_that_arrives_after_its_text_is_not_offered(client, story):
    key = str(uuid4())
    change(client, story, body="Sent.", key=key, action="publish")
    keep(client, story, "Sent.", key=key)
    assert offered(change(client, story)) == []
    keep(client, story, "Changed since, and never sent.", key=key)
    assert offered(change(client, story)) == ["Changed since, and never sent."]


def test_a_draft_older_than_its_text_is_not_offered(client, story):
    key = str(uuid4())
    change(client, story, body="Sent.", key=key, action="publish")
    keep(client, story, "Se", key=key)
    Draft.objects.update(saved_at=timezone.now() - timedelta(minutes=1))
    assert offered(change(client, story)) == []


def test_the_draft_of_an_edit_is_kept_until_the_edit_is_saved(client, story):
    entry = make_update(story, "Before.")
    name = f"edit-{entry.pk}"
    keep(client, story, "Nearly", form=name, key="1")
    assert offered(edit(client, entry)) == ["Nearly"]
    assert offered(change(client, story)) == []
    edit(client, entry, body="After.", version=1, action="save")
    assert offered(edit(client, entry)) == []


def test_the_draft_of_an_edit_is_kept_when_its_entry_is_moved(client, story):
    entry = make_update(story, "Before.")
    keep(client, story, "Nearly", form=f"edit-{entry.pk}", key="1")
    verbs.move(entry, make_story())
    assert offered(edit(client, Entry.objects.get(pk=entry.pk))) == ["Nearly"]


def test_a_discarded_draft_is_deleted(client, story):
    key = str(uuid4())
    keep(client, story, "Not worth it.", key=key)
    keep(client, story, "", key=key, forget="1")
    assert not Draft.objects.exists()


def test_drafts_require_permission_to_write(story):
    secret = make_update(story, "A secret draft.", state="draft")
    public = make_update(story)
    moderator = signed_in("moderator", "Moderators")
    writer = signed_in("writer", "Contributors")
    assert keep(moderator, story, "Sneaked in.").status_code == 403
    for entry, status in ((secret, 404), (public, 403)):
        form = f"edit-{entry.pk}"
        assert keep(writer, story, "x", form=form, key="1").status_code == status
    assert keep(writer, story, "x", form="summary", key="1").status_code == 403
    assert keep(writer, story, "x", form="elsewhere").status_code == 422
    assert keep(Client(), story, "x").status_code == 401
    assert not Draft.objects.exists()


def test_saving_a_draft_needs_few_queries(client, story, django_assert_max_num_queries):
    keep(client, story, "Once")
    with django_assert_max_num_queries(7):
        keep(client, story, "Twice")


def test_a_draft_never_reaches_readers(client, story):
    keep(client, story, "A secret being typed.")
    verbs.post(story, EntryText("Public."))
    for way in (story.get_absolute_url(), f"/stories/{story.slug}.json"):
        assert b"secret" not in client.get(way).content


def test_without_scripts_a_draft_is_offered_as_a_link(client, story):
    key, entry = str(uuid4()), make_update(story, "As it stands.")
    keep(client, story, "Half a <thought>", key=key, at="1015", pinned="on")
    page = change(client, story).content.decode()
    assert "“Half a &lt;thought&gt;”" in page
    way = reverse("admin:entries_story_change", args=[story.pk])
    assert f'href="?kept={key}"' in page
    page = client.get(f"{way}?kept={key}").content.decode()
    assert "Half a &lt;thought&gt;</textarea>" in page
    assert f'name="key" id="composer-key" value="{key}"' in page
    assert f"?kept={key}" not in page
    other = signed_in("editor2", "Editors").get(f"{way}?kept={key}")
    assert b"thought" not in other.content
    keep(client, story, "As it should.", form=f"edit-{entry.pk}", key="1")
    way = reverse("admin:entries_story_edit", args=[story.pk, entry.pk])
    assert 'href="?kept=1"' in client.get(way).content.decode()
    page = client.get(f"{way}?kept=1").content.decode()
    assert "As it should.</textarea>" in page
