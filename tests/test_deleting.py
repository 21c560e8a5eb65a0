"""Drafts are deleted and taken over, and withdrawn rows are folded away."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from entries import verbs
from entries.desk.pulse import current_pulse
from entries.desk.timeline import timeline_window
from entries.models import Draft, Entry, Story
from entries.verbs import EntryConflict, Forbidden, Permissions, Refused
from tests.builders import DAY, gmt, make_story, make_update, make_user, signed_in

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def client() -> Client:
    return signed_in("editor", "Editors")


def press(client: Client, entry: Entry, do: str, **data: Any) -> Any:
    way = reverse("admin:entries_story_act", args=[entry.story_id, entry.pk])
    headers = HTMX if data.pop("htmx", True) else {}
    return client.post(way, {"do": do} | data, headers=headers)


def desk(client: Client, story: Story) -> str:
    way = reverse("admin:entries_story_change", args=[story.pk])
    return client.get(way).content.decode()


def poll(client: Client, story: Story, since: object) -> Any:
    way = reverse("admin:entries_story_timeline", args=[story.pk])
    return client.get(way, {"have": str(since)}, headers=HTMX)


@pytest.mark.parametrize("htmx", [True, False])
def test_a_draft_is_deleted_on_every_open_desk(client, story, htmx: bool):
    draft = make_update(story, "Never mind.", state="draft", at=None)
    make_update(story, "A ferry.")
    assert f'id="row-{draft.pk}-delete"' in desk(client, story)
    before = current_pulse(story.pk)
    answer = press(client, draft, "delete", version=1, htmx=htmx)
    gone = f'hx-target="#row-{draft.pk}" hx-swap="delete"'
    assert (gone in answer.content.decode()) == htmx
    assert htmx or answer.status_code == 302
    assert not Entry.objects.filter(pk=draft.pk).exists()
    changes = poll(signed_in("editor2", "Editors"), story, before)
    assert gone in changes.content.decode()
    line = LogEntry.objects.latest("pk")
    assert (line.object_id, line.user.username) == (str(story.pk), "editor")
    assert "Never mind." not in line.change_message
    history = reverse("admin:entries_story_history", args=[story.pk])
    assert "never public" in client.get(history).content.decode()
    assert poll(client, story, current_pulse(story.pk)).status_code == 204


@pytest.mark.parametrize("state", ["published", "withdrawn"])
def test_entries_that_were_visible_are_not_deleted(client, story, state: str):
    entry = make_update(story)
    if state == "withdrawn":
        verbs.withdraw(entry)
    assert f'id="row-{entry.pk}-delete"' not in desk(client, story)
    assert press(client, entry, "delete").status_code == 409
    assert Entry.objects.filter(pk=entry.pk).exists()


def test_a_withdrawn_draft_is_deleted_too(client, story):
    draft = verbs.withdraw(make_update(story, state="draft", at=None))
    assert f'id="row-{draft.pk}-delete"' in desk(client, story)
    assert press(client, draft, "delete").status_code == 200
    assert not Entry.objects.exists()


def test_a_draft_changed_by_a_colleague_is_not_deleted(client, story):
    draft = make_update(story, "A.", state="draft", at=None)
    verbs.edit(draft, verbs.EntryText("B."), version=1)
    assert press(client, draft, "delete", version=1).status_code == 409
    with pytest.raises(EntryConflict):
        verbs.delete_entry(draft, version=1)
    assert Entry.objects.exists()


def test_contributors_delete_only_their_own_drafts(story):
    writer = make_user("writer", "Contributors")
    client = Client()
    client.force_login(writer)
    own = make_update(story, state="draft", at=None, author=writer)
    other = make_update(story, state="draft", at=None)
    assert press(client, own, "delete").status_code == 200
    assert press(client, other, "delete").status_code == 404
    with pytest.raises(Forbidden):
        verbs.delete_entry(other, by=Permissions.of(writer))
    published = make_update(story, author=writer)
    assert press(client, published, "delete").status_code == 403


def test_a_draft_that_was_taken_over_stays_visible_to_its_writer(client, story):
    writer = make_user("writer", "Contributors")
    contributor = Client()
    contributor.force_login(writer)
    draft = make_update(story, "Half a thought.", state="draft", at=None, author=writer)
    assert "Take over" in desk(client, story)
    before = current_pulse(story.pk)
    html = press(client, draft, "take_over").content.decode()
    assert "taken over from writer" in " ".join(html.split())
    draft.refresh_from_db()
    assert draft.author.username == "editor"
    assert "Half a thought." in poll(contributor, story, before).content.decode()
    assert "taken over from" in desk(contributor, story)
    way = reverse("admin:entries_story_edit", args=[story.pk, draft.pk])
    form = {"body": "More.", "version": 1, "action": "save"}
    answer = contributor.post(way, form, headers=HTMX)
    assert answer.status_code == 403
    assert "An editor has taken over this draft." in answer.content.decode()
    assert LogEntry.objects.filter(change_message="Took over the draft.").exists()
    assert press(contributor, draft, "take_over").status_code == 403
    verbs.publish(draft)
    with pytest.raises(Refused):
        verbs.take_over(draft, author=writer)


def test_withdrawn_rows_of_a_day_are_folded_together(client, story):
    times = ["1000", "1001", "1002", "1003", "1004"]
    entries = [make_update(story, at=at) for at in times]
    for entry in entries[1:3]:
        verbs.withdraw(entry)
    verbs.withdraw(make_update(story, at=gmt("2359", DAY.replace(day=13))))
    verbs.withdraw(make_update(story, at=None, state="draft"))
    user = make_user("other", "Editors")
    window = timeline_window(story, Permissions.of(user))
    folded = [len(group.rows) for group in window.groups if group.withdrawn]
    assert folded == [1, 2, 1]
    assert sum(len(group.rows) for group in window.groups) == len(window.rows)
    page = desk(client, story)
    summaries = re.findall(r"<summary>\s*(.*?)</summary>", page, re.DOTALL)
    said = [" ".join(re.sub("<.*?>", "", one).split()) for one in summaries]
    assert [one for one in said if "withdrawn" in one] == [
        "1 withdrawn · Show",
        "2 withdrawn · Show",
        "1 withdrawn · Show",
    ]
    way = reverse("admin:entries_story_change", args=[story.pk])
    shown = client.get(f"{way}?from={entries[2].pk}").content.decode()
    assert "<details open>" in shown


def test_deleting_a_draft_changes_desks_but_no_public_page(story):
    draft = make_update(story, state="draft", at=None)
    url = story.get_absolute_url()
    before = Client().get(url).content
    verbs.delete_entry(draft)
    assert Client().get(url).content == before
    other = make_story()
    moved = make_update(other, state="draft", at=None)
    verbs.move(moved, story)
    before_other = current_pulse(other.pk)
    verbs.delete_entry(moved)
    assert not before_other.same(current_pulse(other.pk))


@pytest.mark.parametrize("state", ["scheduled", "submitted", "queued"])
def test_an_entry_that_is_no_longer_a_draft_is_not_deleted(client, story, state: str):
    if state == "queued":
        entry = make_update(make_story(live=False))
    else:
        at = gmt("1000", DAY.replace(year=2999)) if state == "scheduled" else None
        entry = make_update(story, state=state, at=at)
    answer = press(client, entry, "delete", version=1)
    assert answer.status_code == 409
    assert answer.content.decode() == "This text is not a draft any more."
    assert Entry.objects.filter(pk=entry.pk).exists()


def test_a_draft_that_a_colleague_is_editing_is_not_deleted(client, story):
    entry = make_update(story, state="draft", at=None)
    ines = make_user("ines", "Editors")
    values = {"user": ines, "story": story, "entry": entry, "typed": 1}
    draft = Draft.objects.create(form=f"edit-{entry.pk}", key="1", **values)
    answer = press(client, entry, "delete")
    assert (answer.status_code, "ines" in answer.content.decode()) == (409, True)
    assert Entry.objects.filter(pk=entry.pk).exists()
    writer = Client()
    writer.force_login(ines)
    assert press(writer, entry, "delete").status_code == 200
    assert not Draft.objects.filter(pk=draft.pk).exists()
