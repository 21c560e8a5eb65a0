"""The newsroom's board, and where signing in leads."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from entries import verbs
from entries.desk.presence import record_arrival, record_heartbeat
from entries.models import Draft, Entry, Mention, Note, Posting, Story
from entries.verbs import Permissions
from tests.builders import make_story, make_update, make_user, signed_in

pytestmark = pytest.mark.django_db
BOARD = "/admin/"
QUEUE = "/admin/entries/entry/queue/"


@pytest.fixture
def client() -> Client:
    return signed_in("editor", "Editors")


def html(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_the_board_lists_live_stories_and_who_is_there(client):
    fog, rain = make_story("Fog over the harbour"), make_story("Rain")
    make_update(fog, "The ferry waits.")
    colleague = make_user("ines", "Editors")
    ticket = record_arrival(Permissions.of(colleague), rain.pk)
    record_heartbeat(str(ticket), rain.pk, "new")
    page = html(client.get(BOARD))
    assert "The ferry waits." in page
    assert "ines is writing" in page
    assert page.index("Rain") < page.index("ines is writing")


def test_it_shows_how_long_a_story_has_been_quiet(client):
    story = make_story("Fog over the harbour")
    entry = make_update(story, "No wind.")
    at = timezone.now() - timedelta(hours=6, minutes=10)
    Entry.objects.filter(pk=entry.pk).update(published_at=at)
    page = html(client.get(BOARD))
    assert "6 h 10 min" in page
    assert "1 has gone quiet" in page


def test_it_is_filtered_and_sorted_without_scripts(client):
    for name in ("Rain", "Fog", "Ash"):
        make_story(name)
    page = html(client.get(BOARD, {"order": "title"}))
    assert page.index(">Ash<") < page.index(">Fog<") < page.index(">Rain<")
    found = html(client.get(BOARD, {"q": "fo"}))
    assert ">Fog<" in found
    assert ">Rain<" not in found


def test_my_stories_are_those_i_have_written_in(client):
    user = Permissions.of(client.get(BOARD).wsgi_request.user).user
    make_update(make_story("Rain"), author=user)
    make_story("Fog")
    page = html(client.get(BOARD, {"mine": "1"}))
    assert ">Rain<" in page
    assert ">Fog<" not in page


def noted(user: str, text: str, **about: Any) -> str:
    """Write a note that mentions somebody; return the address of its story's notes."""
    note = verbs.add_note(about["story"], f"@{user} {text}", entry=about.get("entry"))
    return reverse("admin:entries_story_notes", args=[note.story_id])


@pytest.mark.parametrize("group", ["Editors", "Moderators", "Contributors"])
def test_a_mention_is_marked_as_read_and_leaves_the_board(group: str):
    story, reader = make_story("Fog over the harbour"), signed_in("maren", group)
    make_user("jory", "Editors")
    way = noted("maren", "@jory call the ferry.", story=story)
    noted("maren", "call the pilot.", story=story)
    first = Note.objects.order_by("pk")[0]
    assert "Mark as read" in html(reader.get(BOARD))
    send = {"do": "read", "note": first.pk, "next": f"{BOARD}?mine=1"}
    answer = reader.post(way, send)
    assert answer["Location"] == f"{BOARD}?mine=1"
    page = html(reader.get(BOARD))
    assert "call the ferry." not in page
    assert "call the pilot." in page
    unread = Mention.objects.filter(read_at=None).values_list("user__username", "note")
    assert set(unread) == {("jory", first.pk), ("maren", first.pk + 1)}


def test_a_note_on_a_text_that_the_user_may_not_see_is_404():
    story, writer = make_story(), signed_in("writer", "Contributors")
    entry = make_update(story, "Secret.", at=None, state="draft")
    note = Note.objects.create(story=story, entry=entry, text="@writer look")
    way = reverse("admin:entries_story_notes", args=[story.pk])
    for pk in (note.pk, 99999, "x", ""):
        assert writer.post(way, {"do": "read", "note": pk}).status_code == 404


def test_the_board_counts_all_mentions_and_opening_the_notes_reads_them():
    story, reader = make_story("Fog over the harbour"), signed_in("maren", "Editors")
    for number in range(8):
        way = noted("maren", f"call {number}.", story=story)
    assert 'Notes for you <span class="count">8</span>' in html(reader.get(BOARD))
    reader.get(way)
    assert "Notes for you" not in html(reader.get(BOARD))


def test_its_queries_do_not_grow_with_stories_and_entries(client):
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            client.get(BOARD)
        return len(captured)

    make_update(make_story())
    client.get(BOARD)
    few = queries()
    for _ in range(4):
        story = make_story()
        for _ in range(3):
            make_update(story)
    assert queries() == few


def test_it_never_publishes_texts_in_review(client):
    story = make_story("Fog over the harbour")
    writer = make_user("writer", "Contributors")
    entry = make_update(
        story, "At the quay.", at=None, author=writer, state="submitted"
    )
    page = html(client.get(BOARD))
    assert "At the quay." in page
    assert f'href="{QUEUE}?entry={entry.pk}"' in page
    assert 'value="publish' not in page


def test_my_drafts_and_unsent_texts_are_listed(client):
    story = make_story("Fog over the harbour")
    user = Permissions.of(client.get(BOARD).wsgi_request.user).user
    make_update(story, "Mine to finish.", author=user, at=None, state="draft")
    make_update(story, "Not mine.", at=None, state="draft")
    Draft.objects.create(
        user=user,
        story=story,
        form="composer",
        key="1",
        typed=1,
        values={"body": "Not sent yet."},
    )
    page = html(client.get(BOARD))
    assert "Mine to finish." in page
    assert "Not sent yet." in page
    assert "Not mine." not in page


def test_notes_that_mention_me_are_on_my_board(client):
    story = make_story("Fog over the harbour")
    author = make_user("ines", "Editors")
    verbs.add_note(story, "@editor Result about 0040.", author=author)
    assert "Result about 0040." in html(client.get(BOARD))
    assert "Notes for you" not in html(signed_in("other", "Editors").get(BOARD))


def sign_in(name: str) -> str:
    user = make_user(name, "Editors")
    user.set_password("a long password")
    user.save()
    data = {"username": name, "password": "a long password", "next": BOARD}
    return str(Client().post("/admin/login/", data)["Location"])


def test_signing_in_opens_the_live_story_last_written_in():
    assert sign_in("newcomer") == BOARD
    editor = make_user("editor", "Editors")
    editor.set_password("a long password")
    editor.save()
    story, later = make_story("Fog"), make_story("Rain")
    make_update(later, author=editor)
    make_update(story, author=editor)
    data = {"username": "editor", "password": "a long password", "next": BOARD}
    desk = reverse("admin:entries_story_change", args=[story.pk])
    assert Client().post("/admin/login/", data)["Location"] == desk
    verbs.close_story(story)
    assert Client().post("/admin/login/", data)["Location"] == BOARD
    elsewhere = data | {"next": "/admin/lists/"}
    assert Client().post("/admin/login/", elsewhere)["Location"] == "/admin/lists/"


# --- Review


@pytest.fixture
def story() -> Story:
    return make_story("Fog over the harbour")


@pytest.fixture
def submitted(story) -> Entry:
    writer = make_user("writer", "Contributors")
    return make_update(
        story, "At the *quay*.", at="1009", author=writer, state="submitted"
    )


def test_a_text_is_published_with_the_current_time_or_its_own(client, submitted, story):
    own = submitted.at
    other = make_update(story, "On the mole.", at="1010", state="submitted")
    send = {"do": "publish_own", "entry": submitted.pk, "version": 1}
    client.post(QUEUE, send)
    submitted.refresh_from_db()
    assert (submitted.state, submitted.at) == ("published", own)
    client.post(QUEUE, {"do": "publish_now", "entry": other.pk, "version": 1})
    other.refresh_from_db()
    assert other.published
    assert timezone.now() - other.at < timedelta(minutes=2)


@pytest.mark.parametrize("do", ["publish_now", "publish_own"])
def test_a_text_is_marked_in_the_step_that_publishes_it(client, submitted, do: str):
    page = html(client.get(QUEUE, {"entry": submitted.pk}))
    assert 'name="key_event"' in page
    assert 'name="pinned"' in page
    send = {"do": do, "entry": submitted.pk, "marks": "1", "key_event": "on"}
    client.post(QUEUE, send | {"pinned": "on", "version": 7})  # an earlier text
    posting = submitted.postings.get()
    assert (posting.visible, posting.pinned, posting.key_event) == (False, False, False)
    client.post(QUEUE, send | {"version": 1})
    posting.refresh_from_db()
    assert (posting.pinned, posting.key_event) == (False, True)
    assert "key-events" in html(Client().get(submitted.story.get_absolute_url()))


def test_marks_that_a_text_has_are_shown_and_can_be_taken_away(client, submitted):
    verbs.set_marks(submitted.postings.get(), pinned=True)
    page = html(client.get(QUEUE, {"entry": submitted.pk}))
    assert 'name="pinned" checked' in page
    assert 'name="key_event" checked' not in page
    send = {name: field for name, field in fields(page).items() if name != "pinned"}
    client.post(QUEUE, send | {"do": "publish_now"})
    assert not submitted.postings.get().pinned


def fields(page: str) -> dict[str, str]:
    """Return what the form that publishes would send, as the page has it."""
    form = page.partition('<form class="buttons"')[2].partition("</form>")[0]
    found: dict[str, str] = {}
    for field in re.findall(r"<input ([^>]*)>", form):
        has = dict(re.findall(r'(\w+)="([^"]*)"', field))
        if has["type"] != "checkbox" or "checked" in field.split():
            found[has["name"]] = has.get("value", "on")
    return found


def test_publishing_from_review_keeps_the_marks_of_a_colleague(client, submitted):
    pinned = fields(html(client.get(QUEUE, {"entry": submitted.pk})))
    verbs.set_marks(submitted.postings.get(), key_event=True)
    client.post(QUEUE, pinned | {"do": "publish_now", "pinned": "on"})
    posting = submitted.postings.get()
    assert (posting.visible, posting.pinned, posting.key_event) == (True, True, True)


def test_publishing_from_review_does_not_mark_again(client, submitted):
    verbs.set_marks(submitted.postings.get(), key_event=True, pinned=True)
    sent = fields(html(client.get(QUEUE, {"entry": submitted.pk})))
    verbs.set_marks(submitted.postings.get(), key_event=False)
    client.post(QUEUE, sent | {"do": "publish_own"})
    posting = submitted.postings.get()
    assert (posting.visible, posting.pinned, posting.key_event) == (True, True, False)


def test_ticks_are_kept_if_publishing_from_review_is_refused(client, submitted):
    make_update(submitted.story, "Another text.", at=None, state="submitted")
    verbs.set_marks(submitted.postings.get(), pinned=True)
    sent = fields(html(client.get(QUEUE, {"entry": submitted.pk})))
    del sent["pinned"]
    verbs.edit(submitted, verbs.EntryText("Unread words."), version=1)
    sent |= {"do": "publish_now", "key_event": "on"}
    page = html(client.post(QUEUE, sent, follow=True))
    assert f'data-shown="{submitted.pk}"' in page
    assert "read it again" in page
    again = fields(page)
    assert (again.get("key_event"), again.get("pinned")) == ("on", None)
    client.post(QUEUE, again | {"do": "publish_now"})
    posting = submitted.postings.get()
    assert (posting.visible, posting.pinned, posting.key_event) == (True, False, True)


def test_ticks_of_a_refused_form_are_not_those_of_another_text(client, submitted):
    other = make_update(submitted.story, "Another text.", at=None, state="submitted")
    sent = fields(html(client.get(QUEUE, {"entry": submitted.pk})))
    verbs.publish(submitted)
    sent |= {"do": "publish_now", "key_event": "on"}
    page = html(client.post(QUEUE, sent, follow=True))
    assert f'data-shown="{other.pk}"' in page
    assert "key_event" not in fields(page)


def test_a_text_without_a_time_can_be_stamped_with_its_submission(client, story):
    entry = make_update(story, "At the quay.", at=None, state="submitted")
    when = timezone.now() - timedelta(minutes=30)
    Entry.objects.filter(pk=entry.pk).update(changed_at=when)
    client.post(QUEUE, {"do": "publish_own", "entry": entry.pk, "version": 1})
    entry.refresh_from_db()
    assert entry.published
    assert entry.at == when.replace(second=0, microsecond=0)


def test_publishing_from_the_queue_is_undone_there(client, submitted):
    client.post(QUEUE, {"do": "publish_now", "entry": submitted.pk, "version": 1})
    page = html(client.get(QUEUE))
    assert 'value="undo"' in page
    answer = client.post(QUEUE, {"do": "undo", "entry": submitted.pk}, follow=True)
    assert "Undone. The update is withdrawn." in html(answer)
    assert not Posting.objects.visible().exists()
    assert 'value="undo"' not in html(client.get(QUEUE))


def test_a_scheduled_text_goes_back_into_the_queue(client, submitted):
    at = timezone.now() + timedelta(hours=2)
    Entry.objects.filter(pk=submitted.pk).update(at=at)
    client.post(QUEUE, {"do": "publish_own", "entry": submitted.pk, "version": 1})
    submitted.refresh_from_db()
    assert submitted.state == "scheduled"
    client.post(QUEUE, {"do": "undo", "entry": submitted.pk})
    submitted.refresh_from_db()
    assert submitted.state == "submitted"


def test_an_editor_sees_who_else_has_a_text_open(client, submitted):
    signed_in("ines", "Editors").get(QUEUE, {"entry": submitted.pk})
    page = html(client.get(QUEUE, {"entry": submitted.pk}))
    assert "ines is reviewing" in page
    assert "ines also has this text open." in page
    assert "reviewing" not in html(signed_in("ines2", "Contributors").get(QUEUE))


def test_a_contributor_sees_the_reason_and_submits_again(submitted):
    verbs.send_back(submitted, "Who says so?")
    writer = Client()
    writer.force_login(submitted.author)
    page = html(writer.get(QUEUE, {"tab": "back"}))
    assert "Sent back: Who says so?" in page
    assert 'value="submit"' in page
    writer.post(QUEUE, {"do": "submit", "entry": submitted.pk})
    submitted.refresh_from_db()
    assert (submitted.state, submitted.sent_back) == ("submitted", "")


def test_contributors_submit_only_their_own_texts(story, submitted):
    verbs.send_back(submitted, "Who says so?")
    other = signed_in("other", "Contributors")
    other.post(QUEUE, {"do": "submit", "entry": submitted.pk})
    submitted.refresh_from_db()
    assert submitted.state == "draft"


# --- New story


def test_a_new_story_can_be_announced_at_once(client):
    at = timezone.now() + timedelta(hours=3)
    data = {"headline": "Budget day", "action": "announce", "begins": "nonsense"}
    add = reverse("admin:entries_story_add")
    assert "nonsense" in html(client.post(add, data))
    client.post(add, data | {"begins": ""})
    assert not Story.objects.exists()
    begins = f"{at:%H%M} {at.day} {at:%b}"
    client.post(add, data | {"begins": begins})
    story = Story.objects.get()
    assert story.announced
    assert story.begins_at == at.replace(second=0, microsecond=0)
    page = html(client.get(BOARD)).partition("Announced and drafts")[2]
    assert f"Coverage begins {at:%H%M} GMT" in page
