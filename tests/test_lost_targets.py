"""Nothing typed is lost when its target is deleted, erased, moved or closed."""

from __future__ import annotations

import html
import re
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import reverse

from entries import verbs
from entries.desk import editing, queue
from entries.models import Draft, Entry, Image, Link, Note, Snippet, Story
from tests.builders import make_story, make_update, make_user, signed_in

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
TYPED = "The ferry is delayed & will not sail."
QUEUE = "admin:entries_entry_queue"


@pytest.fixture
def client() -> Client:
    return signed_in("editor", "Editors")


@pytest.fixture
def ana() -> Client:
    user = make_user("ana", "Editors")
    User.objects.filter(pk=user.pk).update(first_name="Ana")
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def chief() -> Client:
    return signed_in("chief", chief=True)


@pytest.fixture
def draft(story: Story) -> Entry:
    return make_update(story, "Half a thought.", state="draft", at=None)


def desk(story: Story, name: str = "change", *args: int) -> str:
    return reverse(f"admin:entries_story_{name}", args=[story.pk, *args])


def send(client: Client, url: str, htmx: bool = True, **form: Any) -> Any:
    return client.post(url, form, headers=HTMX if htmx else {})


def edit(client: Client, entry: Entry, htmx: bool = True, **form: Any) -> Any:
    form = {"body": TYPED, "version": entry.version, "action": "save"} | form
    return send(client, desk(entry.story, "edit", entry.pk), htmx, **form)


def press(client: Client, entry: Entry, do: str) -> None:
    url = desk(entry.story, "act", entry.pk)
    assert send(client, url, do=do).status_code == 200


def words(answer: Any) -> str:
    """Return what a response says, without its tags."""
    text = html.unescape(re.sub("<[^>]*>", " ", answer.content.decode()))
    return " ".join(text.split())


def value(answer: Any, name: str) -> str:
    """Return what a textarea or an input of a page holds."""
    page = answer.content.decode()
    area = rf'<textarea[^>]*name="{name}"[^>]*>\n?(.*?)</textarea>'
    field = rf'<input[^>]*name="{name}"[^>]*value="(.*?)"'
    found = re.search(area, page, re.DOTALL) or re.search(field, page, re.DOTALL)
    assert found, page
    return html.unescape(found[1])


# Edits


@pytest.mark.parametrize("htmx", [True, False])
def test_an_edit_of_a_deleted_draft_becomes_a_new_one(client, ana, draft, htmx):
    press(ana, draft, "delete")
    answer = edit(client, draft, htmx)
    assert answer.status_code == 410
    assert re.search(r"was deleted by Ana at \d{4} GMT today\.", words(answer))
    assert "Your text is still here." in words(answer)
    assert "Save as a new draft" in words(answer)
    if not htmx:
        assert value(answer, "body") == TYPED
    key = value(answer, "separate")
    for _ in range(2):
        edit(client, draft, htmx, way="new_draft", separate=key)
    entry = Entry.objects.get()
    assert (entry.body, entry.state) == (TYPED, "draft")
    assert entry.author.username == "editor"
    assert f'id="row-{entry.pk}"' in client.get(desk(draft.story)).content.decode()


def test_the_row_of_the_new_draft_takes_the_place_of_the_deleted_one(
    client, ana, draft
):
    press(ana, draft, "delete")
    answer = edit(client, draft, way="new_draft")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert f'hx-target="#row-{draft.pk}" hx-swap="delete"' in page
    assert f'id="row-{Entry.objects.get().pk}"' in page
    assert "desk:done" in answer.headers["HX-Trigger"]


@pytest.mark.parametrize("htmx", [True, False])
def test_the_correction_note_of_a_lost_edit_is_said(client, story, htmx):
    entry = verbs.erase(make_update(story))
    form = {"how": "correction", "correction": "It sails at <ten>."}
    answer = edit(client, entry, htmx, way="new_draft", **form)
    page = answer if htmx else client.get(answer.url)
    said = "Saved as a new draft. Your correction note: “It sails at &lt;ten&gt;.”"
    assert said in page.content.decode()


def test_a_wrong_time_in_a_lost_edit_is_said_and_the_text_stays(client, ana, draft):
    press(ana, draft, "delete")
    answer = edit(client, draft, htmx=False, way="new_draft", at="half past")
    assert "half past" in words(answer)
    assert value(answer, "body") == TYPED
    assert not Entry.objects.exists()


def test_a_lost_edit_that_was_saved_and_changed_makes_another(client, ana, draft):
    press(ana, draft, "delete")
    edit(client, draft, way="new_draft")
    again = edit(client, draft, way="new_draft", body="More.")
    assert again.status_code == 409
    edit(
        client, draft, way="new_draft", body="More.", separate=value(again, "separate")
    )
    assert {entry.body for entry in Entry.objects.all()} == {TYPED, "More."}


def test_an_edit_is_lost_by_no_deletion_between_reading_and_locking(
    client, draft, monkeypatch
):
    lock = editing.locked_entry

    def too_late(entry: Entry) -> Any:
        Entry.objects.filter(pk=entry.pk).delete()
        return lock(entry)

    monkeypatch.setattr(editing, "locked_entry", too_late)
    answer = edit(client, draft)
    assert answer.status_code in (404, 410)
    assert "Save as a new draft" in words(answer)


@pytest.mark.parametrize("htmx", [True, False])
def test_an_edit_of_an_erased_text_is_kept_and_said(client, chief, story, htmx):
    entry = make_update(story)
    send(chief, desk(story, "versions", entry.pk), False, do="erase")
    entry.refresh_from_db()
    assert entry.erased_at
    answer = edit(client, entry, htmx, version=1)
    assert answer.status_code == 410
    assert re.search(r"erased for good by chief at \d{4} GMT", words(answer))
    assert "Leave out what was erased" in words(answer)
    if not htmx:
        assert value(answer, "body") == TYPED
    edit(client, entry, htmx, version=1, way="new_draft")
    assert story.entries.get(state="draft").body == TYPED


@pytest.mark.parametrize("htmx", [True, False])
def test_an_edit_of_a_moved_update_is_saved_where_it_is_now(client, ana, story, htmx):
    entry, other = make_update(story), make_story("Snow on the pass")
    send(ana, desk(story, "move", entry.pk), to=other.pk)
    answer = edit(client, entry, htmx)
    assert answer.status_code == 409
    assert "Ana moved this update to Snow on the pass" in words(answer)
    if not htmx:
        assert value(answer, "body") == TYPED
    edit(client, entry, htmx, way="at_its_story")
    entry.refresh_from_db()
    assert (entry.body, entry.story) == (TYPED, other)


def hidden_fields(answer: Any) -> dict[str, str]:
    """Return what the hidden fields of a panel add to its form."""
    found = re.findall(r"<input[^>]*hidden[^>]*>", answer.content.decode())
    return {
        name[1]: html.unescape(value[1])
        for field in found
        if (name := re.search('name="(.*?)"', field))
        and (value := re.search('value="(.*?)"', field))
    }


@pytest.mark.parametrize("overlaps", [True, False])
def test_a_conflict_in_a_moved_update_is_resolved_where_it_is_now(
    client, ana, story, overlaps
):
    entry, other = make_update(story, "It sails.\n\nAt ten."), make_story("Snow")
    theirs = "It sinks.\n\nAt ten." if overlaps else "It sails.\n\nAt nine."
    mine = "It stays.\n\nAt ten."
    edit(ana, entry, body=theirs)
    send(ana, desk(story, "move", entry.pk), to=other.pk)
    assert edit(client, entry, body=mine).status_code == 409
    answer = edit(client, entry, body=mine, way="at_its_story")
    assert answer.status_code == 409
    assert "while you were editing" in words(answer)
    entry.refresh_from_db()
    chosen = {"choice": f"mine-{entry.version}"} if overlaps else {}
    version = 1 if overlaps else entry.version
    form = {"body": mine, "version": version} | hidden_fields(answer) | chosen
    there = desk(story, "edit", entry.pk)
    assert send(client, there, action="save", **form).status_code == 200
    entry.refresh_from_db()
    assert (entry.body, entry.story) == (mine, other)


def test_a_correction_of_a_moved_and_withdrawn_update_restores_it(client, ana, story):
    entry, other = make_update(story), make_story("Snow")
    form = {"how": "correction", "correction": "It sails at ten."}
    send(ana, desk(story, "move", entry.pk), to=other.pk)
    press(ana, Entry.objects.get(pk=entry.pk), "withdraw")
    answer = edit(client, entry, way="at_its_story", **form)
    button = re.search(
        r'name="restore" value="(\w+)"', html.unescape(answer.content.decode())
    )
    assert button
    assert edit(client, entry, restore=button[1], **form).status_code == 200
    entry.refresh_from_db()
    assert (entry.body, entry.published, entry.story) == (TYPED, True, other)


def test_a_contributor_saves_what_was_typed_for_a_published_text_anew(client, story):
    writer = make_user("writer", "Contributors")
    contributor = Client()
    contributor.force_login(writer)
    entry = make_update(story, state="submitted", at=None, author=writer)
    press(client, entry, "publish")
    answer = edit(contributor, entry)
    assert answer.status_code == 403
    assert "An editor has published this update." in words(answer)
    edit(contributor, entry, way="new_draft")
    assert story.entries.get(state="draft").author == writer


def test_a_contributor_whose_draft_was_deleted_reads_by_whom(ana, story):
    contributor = signed_in("writer", "Contributors")
    form = {"key": str(uuid4()), "body": "Mine.", "action": "draft"}
    send(contributor, desk(story), **form)
    entry = story.entries.get()
    press(ana, entry, "delete")
    assert "deleted by Ana" in words(edit(contributor, entry))


def test_nobody_learns_of_a_text_that_they_might_not_see(ana, draft):
    contributor = signed_in("writer", "Contributors")
    hidden = edit(contributor, draft)
    press(ana, draft, "delete")
    deleted = edit(contributor, draft)
    assert hidden.status_code == deleted.status_code == 404
    assert words(hidden) == words(deleted)
    moderator = signed_in("moderator", "Moderators")
    assert edit(moderator, draft).status_code == 403


@pytest.mark.parametrize("htmx", [True, False])
def test_a_correction_of_a_withdrawn_update_is_not_dropped(client, ana, story, htmx):
    entry = make_update(story)
    press(ana, entry, "withdraw")
    form = {"how": "correction", "correction": "It sails at ten."}
    answer = edit(client, entry, htmx, **form)
    assert re.search(r"withdrawn by Ana at \d{4} GMT", words(answer))
    if not htmx:
        assert value(answer, "body") == TYPED
        assert value(answer, "correction") == "It sails at ten."
    entry.refresh_from_db()
    assert entry.body != TYPED
    edit(client, entry, htmx, restore="yes", **form)
    entry.refresh_from_db()
    assert (entry.body, entry.published) == (TYPED, True)
    assert entry.versions.get().correction == "It sails at ten."


def test_a_picture_is_added_to_a_lost_edit_without_losing_it(client, ana, draft):
    press(ana, draft, "delete")
    url = desk(draft.story, "edit_picture", draft.pk)
    answer = send(client, url, False, body=TYPED, version=1)
    assert (answer.status_code, value(answer, "body")) == (410, TYPED)


# Copies that are saved while somebody types


def keep(client: Client, story: Story, entry: Entry, body: str = TYPED) -> Any:
    form = {"form": f"edit-{entry.pk}", "key": "1", "typed": 1, "body": body}
    return send(client, desk(story, "draft"), **form)


def test_a_copy_of_an_edit_of_a_deleted_draft_is_offered_as_a_new_text(
    client, ana, draft
):
    story = draft.story
    press(ana, draft, "delete")
    answer = keep(client, story, draft)
    assert answer.status_code == 410
    assert "was deleted by Ana" in words(answer)
    copy = Draft.objects.get()
    assert (copy.form, copy.key) == ("composer", answer.headers["Desk-Key"])
    page = client.get(f"{desk(story)}?kept={copy.key}")
    assert value(page, "body") == TYPED
    edit(client, draft, way="new_draft")
    assert not Draft.objects.exists()


def test_a_copy_tells_nobody_of_a_text_that_they_might_not_see(draft):
    contributor = signed_in("writer", "Contributors")
    answers = [
        keep(contributor, draft.story, Entry(pk=pk)) for pk in (draft.pk, draft.pk + 1)
    ]
    seen = [(a.status_code, words(a), "Desk-Key" in a.headers) for a in answers]
    assert seen == [(404, seen[0][1], False)] * 2
    assert not Draft.objects.exists()


def test_no_copy_of_an_erased_text_is_saved(client, story):
    entry = verbs.erase(make_update(story))
    assert keep(client, story, entry).status_code == 410
    assert not Draft.objects.exists()


@pytest.mark.parametrize("then", ["typed on", "saved", "left"])
def test_an_edit_of_a_draft_that_was_taken_over_does_not_keep_it_from_deletion(
    client, ana, story, then
):
    writer = make_user("writer", "Contributors")
    contributor = Client()
    contributor.force_login(writer)
    entry = make_update(story, "Half.", state="draft", at=None, author=writer)
    assert keep(contributor, story, entry, "Half a").status_code == 204
    answer = send(client, desk(story, "act", entry.pk), do="delete")
    assert "writer is editing this text" in words(answer)
    press(client, entry, "take_over")
    if then == "typed on":
        assert keep(contributor, story, entry, "Half a thought").status_code == 403
    elif then == "saved":
        form = {"version": 1, "body": "Half a thought", "way": "new_draft"}
        edit(contributor, entry, **form)
        assert not Draft.objects.exists()
    press(ana, entry, "delete")
    assert not Entry.objects.filter(pk=entry.pk).exists()
    if then == "saved":
        assert story.entries.get().body == "Half a thought"
    else:
        copy = Draft.objects.get()
        typed = "Half a" if then == "left" else "Half a thought"
        page = contributor.get(f"{desk(story)}?kept={copy.key}")
        assert value(page, "body") == typed


@pytest.mark.parametrize("do", ["erase", "erase_version"])
def test_erasing_deletes_the_copy_of_an_edit_that_became_a_new_text(
    client, chief, story, do
):
    writer = make_user("writer", "Contributors")
    contributor = Client()
    contributor.force_login(writer)
    entry = make_update(story, "Her name.", state="submitted", at=None, author=writer)
    press(client, entry, "publish")
    edit(client, entry, body="No name.")
    answer = keep(contributor, story, entry, "Her name. And more.")
    key = answer.headers["Desk-Key"]
    new = {"form": "composer", "key": key, "typed": 2, "body": "Her name. Restored."}
    assert send(contributor, desk(story, "draft"), **new).status_code == 204
    own = {"form": "composer", "key": str(uuid4()), "typed": 2, "body": "My own."}
    send(contributor, desk(story, "draft"), **own)
    versions = desk(story, "versions", entry.pk)
    send(chief, versions, False, do=do, number=1)
    assert [draft.values["body"] for draft in Draft.objects.all()] == ["My own."]
    assert "Her name" not in contributor.get(reverse("admin:index")).content.decode()
    if do == "erase":  # nor does an open page save it again
        answer = send(contributor, desk(story, "draft"), **new)
        assert answer.status_code == 410
        assert "erased for good by chief" in words(answer)
        assert Draft.objects.count() == 1


def test_a_copy_of_an_edit_follows_a_moved_update(client, story):
    entry, other = make_update(story), make_story()
    verbs.move(entry, other)
    assert keep(client, story, entry).status_code == 204
    page = client.get(f"{desk(other, 'edit', entry.pk)}?kept=1")
    assert value(page, "body") == TYPED


# New texts


@pytest.mark.parametrize(("do", "hint"), [("close", "Reopen"), ("withdraw", "Restore")])
def test_a_text_for_a_story_that_closed_can_be_saved_as_a_draft(
    client, ana, story, do, hint
):
    send(ana, desk(story, "state"), do=do)
    form = {"key": str(uuid4()), "body": TYPED}
    answer = send(client, desk(story), False, action="publish", **form)
    assert re.search(rf"was {do[:5]}\w* by Ana at \d{{4}} GMT", words(answer))
    assert f"{hint} it to publish, or save your text as a draft." in words(answer)
    assert value(answer, "body") == TYPED
    send(client, desk(story), action="draft", **form)
    assert story.entries.get().body == TYPED


def delete_story(chief: Client, story: Story) -> None:
    url = reverse("admin:entries_story_delete", args=[story.pk])
    chief.post(url, {"post": "yes"})
    assert not Story.objects.filter(pk=story.pk).exists()


@pytest.mark.parametrize("name", ["change", "summary", "details", "notes"])
def test_what_was_typed_for_a_deleted_story_is_still_there(client, chief, name):
    story = make_story(live=False)
    delete_story(chief, story)
    field = {"details": "standfirst", "notes": "text"}.get(name, "body")
    form = {field: TYPED, "version": 1, "action": "publish", "key": str(uuid4())}
    answer = send(client, desk(story, name), False, **form)
    assert answer.status_code == 410
    assert "This story was deleted by chief" in words(answer)
    shown = "original" if field == "body" else field
    assert value(answer, shown) == TYPED
    answer = send(client, desk(story, name), **form)
    assert "This story was deleted by chief" in words(answer)
    assert "Your text is still here." in words(answer)


def test_a_text_for_a_deleted_story_begins_a_new_one(client, chief):
    story = make_story(live=False)
    delete_story(chief, story)
    page = send(client, desk(story), False, body=TYPED, key=str(uuid4()))
    to = re.search(r'class="again" method="post" action="([^"]*)"', words_raw(page))
    assert to
    answer = client.post(to[1], {"headline": "", "original": value(page, "original")})
    assert value(answer, "original") == TYPED


def words_raw(answer: Any) -> str:
    return html.unescape(answer.content.decode())


# Notes


@pytest.mark.parametrize("htmx", [True, False])
def test_a_note_on_a_deleted_draft_is_added_to_its_story(client, ana, draft, htmx):
    press(ana, draft, "delete")
    url = desk(draft.story, "entry_notes", draft.pk)
    answer = send(client, url, htmx, text=TYPED, do="add", key=str(uuid4()))
    assert answer.status_code == 410
    assert "was deleted by Ana" in words(answer)
    assert "Your note is still here." in words(answer)
    if not htmx:
        assert value(answer, "text") == TYPED
        url = desk(draft.story, "notes")
    do = "add_to_story" if htmx else "add"
    send(client, url, htmx, text=TYPED, do=do)
    note = Note.objects.get()
    assert (note.text, note.entry, note.story) == (TYPED, None, draft.story)


@pytest.mark.parametrize("htmx", [True, False])
@pytest.mark.parametrize("about", ["story", "entry"])
def test_a_reply_to_a_deleted_note_becomes_a_note(client, story, about, htmx):
    entry = make_update(story) if about == "entry" else None
    args = [entry.pk] if entry else []
    url = desk(story, "entry_notes" if entry else "notes", *args)
    form = {"text": TYPED, "note": 999}
    answer = send(client, url, htmx, do="reply", **form)
    assert "The note that you answer has been deleted." in words(answer)
    assert "Add it as a new note" in words(answer)
    assert htmx or value(answer, "text") == TYPED
    send(client, url, htmx, do="add", **form)
    assert (Note.objects.get().text, Note.objects.get().entry) == (TYPED, entry)


def test_a_refused_note_is_still_in_its_form(client, story):
    too_long = "x" * 1001
    for url in (
        desk(story, "notes"),
        desk(story, "entry_notes", make_update(story).pk),
    ):
        answer = send(client, url, False, do="add", text=too_long)
        assert value(answer, "text") == too_long


@pytest.mark.parametrize("about", ["story", "entry"])
def test_a_refused_reply_is_still_a_reply(client, story, about):
    entry = make_update(story) if about == "entry" else None
    note = verbs.add_note(story, "Who says so?", author=make_user("ines"), entry=entry)
    url = desk(story, *(["entry_notes", entry.pk] if entry else ["notes"]))
    form = {"do": "reply", "note": note.pk, "text": "x" * 1001}
    answer = send(client, url, False, **form)
    assert value(answer, "text") == form["text"]
    page = answer.content.decode()
    form_html = page.partition('class="note-form"')[2].partition("</form>")[0]
    assert f'name="note" value="{note.pk}"' in form_html
    assert 'name="do" value="reply"' in form_html


@pytest.mark.parametrize("ticked", [True, False])
def test_a_refused_hand_over_note_is_still_one(client, story, ticked):
    form = {"do": "add", "text": "x" * 1001} | ({"handover": "on"} if ticked else {})
    page = send(client, desk(story, "notes"), False, **form).content.decode()
    box = re.search(r'<input[^>]*name="handover"[^>]*>', page)
    assert box
    assert ("checked" in box[0]) == ticked


@pytest.mark.parametrize("ticked", [True, False])
def test_a_hand_over_for_a_text_that_is_gone_keeps_its_tick(client, story, ticked):
    form = {"do": "reply", "note": 999, "text": TYPED}
    form |= {"handover": "on"} if ticked else {}
    page = send(client, desk(story, "notes"), False, **form).content.decode()
    box = re.search(r'<input[^>]*name="handover"[^>]*>', page)
    assert box
    assert ("checked" in box[0]) == ticked


@pytest.mark.parametrize("htmx", [True, False])
@pytest.mark.parametrize("moved", [True, False])
def test_a_note_on_a_cross_post_that_was_removed_says_so(client, story, htmx, moved):
    """It was not moved from here, even if it once was from another story."""
    moderator = signed_in("moderator", "Moderators")
    entry, other = make_update(story), make_story("Snow on the pass")
    if moved:
        home = make_story("Ice on the sound")
        send(client, desk(story, "move", entry.pk), to=home.pk)
        entry.refresh_from_db()
        assert entry.story == home
    send(moderator, desk(entry.story, "cross", entry.pk), to=other.pk)
    url = desk(other, "act", entry.pk)
    assert send(moderator, url, do="take_back").status_code == 200
    url = desk(other, "entry_notes", entry.pk)
    answer = send(client, url, htmx, text=TYPED, do="add")
    assert answer.status_code == 409
    assert "This update is not in this story any more." in words(answer)
    assert "moved" not in words(answer)
    assert htmx or value(answer, "text") == TYPED


def test_a_note_on_a_moved_update_says_so(client, ana, story):
    entry, other = make_update(story), make_story("Snow on the pass")
    send(ana, desk(story, "move", entry.pk), to=other.pk)
    verbs.edit_story(story, slug="another-slug")
    answer = send(client, desk(story, "entry_notes", entry.pk), text=TYPED, do="add")
    assert "Ana moved this update to Snow on the pass" in words(answer)


# Notes to contributors


@pytest.fixture
def submitted(story: Story) -> Entry:
    writer = make_user("writer", "Contributors")
    return make_update(story, state="submitted", at=None, author=writer)


def send_back(client: Client, entry: Entry, **form: Any) -> Any:
    form = {"do": "send_back", "entry": entry.pk, "line": TYPED, "version": 1} | form
    return client.post(reverse(QUEUE), form)


def test_a_note_for_a_text_that_was_published_meanwhile_is_kept(client, ana, submitted):
    press(ana, submitted, "publish")
    answer = send_back(client, submitted)
    assert value(answer, "text") == TYPED
    url = desk(submitted.story, "entry_notes", submitted.pk)
    assert f'action="{url}"' in answer.content.decode()


def test_a_note_for_a_text_that_its_writer_changed_is_in_its_field(client, submitted):
    verbs.edit(submitted, verbs.EntryText("Changed."), version=1)
    answer = send_back(client, submitted)
    assert "Changed." in words(answer)
    assert value(answer, "line") == TYPED


@pytest.mark.parametrize("change", ["changed", "published"])
def test_a_note_is_never_put_into_the_field_of_another_text(
    client, ana, story, submitted, monkeypatch, change
):
    """A changed text goes to the end of the queue, and may be off the page."""
    monkeypatch.setattr(queue, "MAX_QUEUED", 1)
    other = make_update(story, "Another text.", state="submitted", at=None)
    verbs.edit(submitted, verbs.EntryText("Changed."), version=1)
    if change == "published":
        monkeypatch.undo()
        press(ana, submitted, "publish")
    answer = send_back(client, submitted)
    page = answer.content.decode()
    assert f'data-shown="{other.pk}"' in page
    assert value(answer, "line") == ""
    assert '<details class="confirm note" open' not in " ".join(page.split())
    assert value(answer, "text") == TYPED
    url = desk(submitted.story, "entry_notes", submitted.pk)
    assert f'action="{url}"' in page


def test_an_unsent_note_that_is_added_twice_is_one_note(client, ana, submitted):
    press(ana, submitted, "publish")
    answer = send_back(client, submitted)
    url = desk(submitted.story, "entry_notes", submitted.pk)
    form = answer.content.decode().partition(f'action="{url}"')[2]
    assert form.partition(">")[0].strip() == "data-once"
    key = re.search('name="key" value="([^"]+)"', form)
    for _ in range(2):
        fields = {"text": TYPED, "do": "add", "key": key[1] if key else ""}
        assert send(client, url, False, **fields).status_code == 302
    assert Note.objects.get().text == TYPED


def test_a_note_for_a_text_that_was_deleted_is_kept(client, ana, submitted):
    press(ana, submitted, "unschedule")
    press(ana, submitted, "delete")
    answer = send_back(client, submitted)
    assert "was deleted by Ana" in words(answer)
    assert value(answer, "text") == TYPED
    assert f'action="{desk(submitted.story, "notes")}"' in answer.content.decode()


@pytest.mark.parametrize("line", [TYPED, ""])
def test_a_note_is_kept_if_its_text_is_deleted_while_it_is_sent(
    client, submitted, monkeypatch, line
):
    sent = verbs.send_back

    def deleted_first(*args: Any, **kwargs: Any) -> Any:
        verbs.delete_entry(verbs.unschedule(Entry.objects.get(pk=submitted.pk)))
        return sent(*args, **kwargs)

    monkeypatch.setattr(verbs, "send_back", deleted_first)
    answer = send_back(client, submitted, line=line)
    if not line:
        assert answer.status_code == 302
        return
    assert value(answer, "text") == TYPED
    url = desk(submitted.story, "entry_notes", submitted.pk)
    assert f'action="{url}"' in answer.content.decode()
    answer = send(client, url, False, text=TYPED, do="add")
    assert (answer.status_code, value(answer, "text")) == (410, TYPED)


# Everything else that takes typed text


def test_a_headline_for_a_withdrawn_update_is_kept(client, ana, story):
    entry = make_update(story)
    press(ana, entry, "withdraw")
    url = desk(story, "own_story", entry.pk)
    answer = send(client, url, False, headline=TYPED)
    assert "withdrawn by Ana" in words(answer)
    assert value(answer, "headline") == TYPED
    answer = send(client, url, headline=TYPED)
    assert (answer.status_code, "withdrawn by Ana" in words(answer)) == (409, True)


def test_cross_posting_what_was_withdrawn_says_so(ana, story):
    moderator = signed_in("moderator", "Moderators")
    entry, other = make_update(story), make_story()
    press(ana, entry, "withdraw")
    answer = send(moderator, desk(story, "cross", entry.pk), to=other.pk)
    assert (answer.status_code, "withdrawn by Ana" in words(answer)) == (409, True)


def test_a_link_that_was_removed_can_be_added_again(story):
    moderator = signed_in("moderator", "Moderators")
    link = verbs.add_link(Link.Kind.SEE, story=story, title="Ferries")
    number = link.pk
    verbs.remove_link(link)
    form = {"do": "save", "link": number, "title": TYPED, "seen": ""}
    answer = send(moderator, desk(story, "links"), False, **form)
    assert "removed this link" in words(answer)
    assert value(answer, "title") == TYPED
    answer = send(moderator, desk(story, "links"), **form)
    assert (answer.status_code, "Add it again" in words(answer)) == (409, True)


def test_links_of_a_deleted_draft_say_what_happened(ana, draft):
    moderator = signed_in("moderator", "Moderators")
    press(ana, draft, "delete")
    form = {"target": "none", "kind": "see", "title": TYPED, "q": TYPED}
    url = desk(draft.story, "entry_links", draft.pk)
    assert "deleted by Ana" in words(send(moderator, url, **form))
    assert value(send(moderator, url, False, **form), "title") == TYPED


def test_words_of_a_deleted_picture_are_kept(client, chief, story):
    image = Image.objects.create(name="quay", stem="quay", widths=[])
    number = image.pk
    LogEntry.objects.create(
        user=User.objects.get(username="chief"),
        content_type=ContentType.objects.get_for_model(Image),
        object_id=str(number),
        object_repr="quay",
        action_flag=DELETION,
    )
    image.delete()
    url = desk(story, "words", number)
    form = {f"picture-{number}-alt": TYPED}
    answer = send(client, url, **form)
    assert answer.status_code == 410
    assert "This picture was deleted by chief" in words(answer)
    other = Image.objects.create(name="pier", stem="pier", alt="A pier", widths=[320])
    form |= {"body": "![](image:quay) ![](image:pier)", "picture": [number, other.pk]}
    refused = send(client, desk(story), action="publish", **form)
    assert "composer-pictures" not in refused.content.decode()  # its card stays


def test_what_was_typed_for_a_deleted_row_of_the_admin_is_shown(chief):
    snippet = Snippet.objects.create(name="More soon", body="More soon.")
    url = reverse("admin:entries_snippet_change", args=[snippet.pk])
    snippet.delete()
    answer = chief.post(url, {"name": "More soon", "body": TYPED})
    assert value(answer, "body") == TYPED


def test_a_correction_note_for_a_restored_version_is_kept(client, ana, story):
    entry = make_update(story)
    verbs.edit(entry, verbs.EntryText("Wrong."), version=1)
    press(ana, entry, "withdraw")
    url = desk(story, "versions", entry.pk)
    form = {"do": "restore", "number": 1, "version": 2, "correction": TYPED}
    answer = send(client, url, False, **form)
    assert "withdrawn by Ana" in words(answer)
    assert value(answer, "correction") == TYPED
    press(ana, entry, "restore")
    send(client, url, False, **form)
    assert entry.versions.get(number=2).correction == TYPED


@pytest.mark.parametrize("htmx", [True, False])
@pytest.mark.parametrize("what", ["update", "story"])
def test_an_edit_of_what_was_withdrawn_is_saved_and_that_is_said(
    client, ana, story, what, htmx
):
    entry = make_update(story)
    if what == "update":
        press(ana, entry, "withdraw")
    else:
        send(ana, desk(story, "state"), do="withdraw")
    answer = edit(client, entry, htmx)
    if not htmx:
        answer = client.get(desk(story))
    assert re.search(rf"Saved\. This {what} was withdrawn by Ana at", words(answer))
    entry.refresh_from_db()
    assert entry.body == TYPED
