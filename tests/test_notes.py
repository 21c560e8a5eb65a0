"""Notes between colleagues: on stories and updates, with mentions, and hand-overs."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from entries import verbs
from entries.desk.notes import unread_mentions
from entries.desk.pulse import current_pulse
from entries.models import Entry, Mention, Note, Site, Story
from entries.verbs import Forbidden, Permissions, Refused
from tests.builders import make_story, make_update, make_user, signed_in

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
WORD = "Quokkas"


@pytest.fixture
def client() -> Client:
    return signed_in("editor", "Editors")


def notes_url(story: Story, entry: Entry | None = None) -> str:
    if entry:
        return reverse("admin:entries_story_entry_notes", args=[story.pk, entry.pk])
    return reverse("admin:entries_story_notes", args=[story.pk])


def desk(client: Client, story: Story) -> str:
    way = reverse("admin:entries_story_change", args=[story.pk])
    return client.get(way).content.decode()


def poll(client: Client, story: Story, since: object) -> Any:
    way = reverse("admin:entries_story_timeline", args=[story.pk])
    return client.get(way, {"have": str(since)}, headers=HTMX)


def test_a_note_is_added_answered_and_done_without_scripts(client, story):
    way = notes_url(story)
    client.post(way, {"text": "Check the <b>figure</b>."})
    note = Note.objects.get()
    page = client.get(way).content.decode()
    assert "Check the &lt;b&gt;figure&lt;/b&gt;." in page
    client.post(way, {"do": "reply", "note": note.pk, "text": "I will."})
    client.post(way, {"do": "done", "note": note.pk})
    note.refresh_from_db()
    assert (note.replies.get().text, bool(note.done_at)) == ("I will.", True)
    assert note.done_by.username == "editor"
    client.post(way, {"do": "undo", "note": note.pk})
    note.refresh_from_db()
    assert note.done_at is None


def test_a_form_sent_twice_makes_one_note(client, story):
    form = {"text": "Once.", "key": str(uuid4())}
    for _ in range(2):
        client.post(notes_url(story), form)
    other = signed_in("editor2", "Editors")
    other.post(notes_url(story), form | {"text": "My own."})
    assert {note.text for note in Note.objects.all()} == {"Once.", "My own."}


@pytest.mark.parametrize("text", ["", "  \n", "x" * 1001])
def test_an_invalid_note_is_refused(client, story, text: str):
    answer = client.post(notes_url(story), {"text": text}, headers=HTMX)
    assert answer.status_code == 409
    assert not Note.objects.exists()


def test_a_note_on_an_update_shows_in_its_row_until_it_is_done(client, story):
    entry = make_update(story, "The quay is closed.")
    answer = client.post(
        notes_url(story, entry), {"text": "Who says so?"}, headers=HTMX
    )
    assert f'id="row-{entry.pk}"' in answer.content.decode()
    assert "Who says so?" in answer.content.decode()
    assert "Who says so?" in desk(client, story)
    note = Note.objects.get()
    client.post(notes_url(story, entry), {"do": "done", "note": note.pk})
    assert "Who says so?" not in desk(client, story)
    assert "Who says so?" in client.get(notes_url(story, entry)).content.decode()


def test_a_hand_over_stays_above_the_timeline_until_it_is_done(client, story):
    form = {"text": "Ines takes the desk at 0100.", "handover": "on"}
    client.post(notes_url(story), form)
    page = desk(client, story)
    assert page.index("Ines takes the desk") < page.index('id="timeline"')
    note = Note.objects.get()
    client.post(notes_url(story), {"do": "done", "note": note.pk}, headers=HTMX)
    assert "Ines takes the desk" not in desk(client, story)


def test_polls_return_notes_and_their_changes(client, story):
    entry = make_update(story, "The quay is closed.")
    before = current_pulse(story.pk)
    verbs.add_note(story, "The result comes at 0040.", handover=True)
    note = verbs.add_note(story, "Who says so?", entry=entry)
    html = poll(client, story, before).content.decode()
    assert 'hx-target="#handover"' in html
    assert "The result comes at 0040." in html
    assert f'id="row-{entry.pk}"' in html
    between = current_pulse(story.pk)
    assert poll(client, story, between).status_code == 204
    verbs.set_note_done(note)
    verbs.delete_note(Note.objects.get(handover=True))
    html = poll(client, story, between).content.decode()
    assert "Who says so?" not in re.sub(r'(?s)<ol class="notes".*?</ol>', "", html)
    assert "The result comes at 0040." not in html
    assert 'hx-target="#handover"' in html


def test_mentions_are_counted_until_they_are_read(client, story):
    maren = make_user("maren", "Editors")
    jory = make_user("jory.vauk", "Editors")
    jory.first_name = "Jory"
    jory.save()
    away = make_user("away", "Editors")
    away.is_staff = False
    away.save()
    text = "@Maren, ask @jory.vauk. @JORY knows; @away and mail@maren do not. @editor"
    client.post(notes_url(story), {"text": text})
    assert {one.user for one in Mention.objects.all()} == {maren, jory}
    assert unread_mentions(Permissions.of(maren)).count() == 1
    reader = Client()
    reader.force_login(maren)
    assert b"@Maren" in reader.get(notes_url(story)).content
    assert unread_mentions(Permissions.of(maren)).count() == 0
    assert unread_mentions(Permissions.of(jory)).count() == 1
    verbs.set_note_done(Note.objects.get())
    assert unread_mentions(Permissions.of(jory)).count() == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("प्रिया", "@प्रिया, देखें"),
        ("Zoé", "Ask @zoe\u0301!"),
        ("Zoe\u0301", "Ask @Zoé."),
        ("Мария", "＠МАРИЯ。"),
        ("نور", "\u200f@نور\u200f؟"),
        ("港", "@港　頼む"),
    ],
)
def test_a_name_in_any_script_is_a_mention(client, story, name, text):
    user = make_user("someone", "Editors")
    user.first_name = name
    user.save()
    client.post(notes_url(story), {"text": text})
    assert Mention.objects.get().user == user


def test_mentions_do_not_reveal_texts_that_a_user_may_not_see(story):
    contributor = make_user("contributor", "Contributors")
    client = Client()
    client.force_login(contributor)
    hidden = make_update(story, "A secret.", state="draft")
    shown = make_update(story, "Shown.")
    for entry in (hidden, shown):
        verbs.add_note(story, f"{WORD} on {entry.body} @contributor", entry=entry)
    assert unread_mentions(Permissions.of(contributor)).count() == 1
    for way in (notes_url(story), notes_url(story, shown)):
        assert f"{WORD} on A secret" not in client.get(way).content.decode()
    assert f"{WORD} on Shown." in client.get(notes_url(story)).content.decode()
    assert client.get(notes_url(story, hidden)).status_code == 404
    note = Note.objects.get(entry=hidden)
    for do in ("reply", "done", "delete"):
        form = {"do": do, "note": note.pk, "text": "A"}
        assert client.post(notes_url(story), form).status_code == 404
    for act in (verbs.set_note_done, verbs.delete_note):
        with pytest.raises(Forbidden):
            act(note, by=Permissions.of(contributor))
    verbs.withdraw(shown)
    assert unread_mentions(Permissions.of(contributor)).count() == 0
    assert WORD not in client.get(notes_url(story)).content.decode()


def test_writers_add_notes_and_delete_their_own(client, story):
    moderator = signed_in("moderator", "Moderators")
    writer = signed_in("writer", "Contributors")
    assert moderator.post(notes_url(story), {"text": "A"}).status_code == 403
    assert writer.post(notes_url(story), {"text": "Mine."}).status_code == 302
    note = Note.objects.get()
    assert "Mine." in moderator.get(notes_url(story)).content.decode()
    form = {"do": "delete", "note": note.pk}
    assert client.post(notes_url(story), form, headers=HTMX).status_code == 409
    assert Note.objects.exists()
    assert writer.post(notes_url(story), form).status_code == 302
    assert not Note.objects.exists()


def test_notes_are_deleted_with_their_subject(story):
    other = make_story()
    entry = make_update(story, "The quay is closed.")
    note = verbs.add_note(story, "Who says so?", entry=entry)
    verbs.move(entry, other)
    note.refresh_from_db()
    assert note.story == other
    verbs.erase(entry)
    assert not Note.objects.exists()
    draft = make_story(live=False)
    verbs.add_note(draft, "Not yet.")
    verbs.delete_story(draft)
    assert not Note.objects.exists()


def test_notes_are_not_in_any_public_response_or_export(client, story):
    entry = make_update(story, "The quay is closed.")
    before = Site.current().seq, Story.objects.get().seq
    verbs.add_note(story, f"{WORD}?", entry=entry)
    verbs.add_note(story, f"{WORD}!", handover=True)
    assert (Site.current().seq, Story.objects.get().seq) == before
    url, reader = story.get_absolute_url(), Client()
    for rest in (
        "",
        "feed/",
        f"updates/{entry.pk}/",
        "changes?after=",
        "?order=oldest",
    ):
        assert WORD not in reader.get(f"{url}{rest}").content.decode()
    for way in (f"{url[:-1]}.json", "/", "/feed/", f"/search/?q={WORD.lower()}"):
        assert WORD not in reader.get(way).content.decode()


def test_a_deleted_note_cannot_be_answered(story):
    note = verbs.add_note(story, "Gone.")
    copy = Note.objects.get(pk=note.pk)
    verbs.delete_note(note)
    for act in (
        lambda: verbs.add_note(story, "Late.", reply_to=copy),
        lambda: verbs.set_note_done(copy),
    ):
        with pytest.raises(Refused):
            act()


def test_notes_cost_few_queries(client, story, django_assert_max_num_queries):
    for number in range(5):
        entry = make_update(story, f"Update {number}.")
        verbs.add_note(story, f"Note {number}.", entry=entry)
        verbs.add_note(story, f"Hand-over {number}.", handover=True)
    with django_assert_max_num_queries(20):
        desk(client, story)
    with django_assert_max_num_queries(14):
        client.get(notes_url(story))
    pulse = current_pulse(story.pk)
    with django_assert_max_num_queries(2):
        assert poll(client, story, pulse).status_code == 204


def test_an_old_note_shows_its_date(client, story):
    note = verbs.add_note(story, "From yesterday.", handover=True)
    at = timezone.now() - timedelta(days=1)
    Note.objects.filter(pk=note.pk).update(created_at=at)
    assert f"{at:%H%M} GMT, {at.day} {at:%B}" in desk(client, story)


@pytest.mark.parametrize("changed", [{"text": "Twice."}, {"note": "", "do": "reply"}])
def test_a_form_sent_again_with_another_text_makes_another_note(
    client, story, changed: dict[str, str]
):
    parent = verbs.add_note(story, "Parent.")
    changed = {k: v or str(parent.pk) for k, v in changed.items()}
    form = {"text": "Once.", "key": str(uuid4())}
    for data in (form, form, form | changed, form | changed, form):
        assert client.post(notes_url(story), data, headers=HTMX).status_code == 200
    notes = Note.objects.exclude(pk=parent.pk)
    assert [note.text for note in notes] == ["Once.", changed.get("text", "Once.")]
    assert bool(notes.latest("pk").parent) == ("note" in changed)


def test_notes_of_a_cross_post_are_answered_finished_and_deleted_in_its_row(
    client, story
):
    entry, other = make_update(story), make_story()
    verbs.cross_post(entry, other)
    way = notes_url(other, entry)
    client.post(way, {"text": "Who says so?"}, headers=HTMX)
    note = Note.objects.get()
    assert note.story == story
    form = {"note": note.pk, "text": "The harbour master."}
    for do in ("reply", "done", "undo"):
        answer = client.post(way, form | {"do": do}, headers=HTMX)
        assert answer.status_code == 200
        assert f'id="row-{entry.pk}"' in answer.content.decode()
        note.refresh_from_db()
        assert bool(note.done_at) == (do == "done")
    assert note.replies.get().text == "The harbour master."
    client.post(way, {"do": "delete", "note": note.pk}, headers=HTMX)
    assert not Note.objects.exists()


def test_panels_of_several_rows_have_different_ids(client, story):
    panels = []
    for entry in (make_update(story), make_update(story)):
        verbs.add_note(story, "Who says so?", entry=entry)
        panels.append(client.get(notes_url(story, entry), headers=HTMX).content)
    first, second = (re.findall(r' id="(.*?)"', one.decode()) for one in panels)
    assert not set(first) & set(second)
    for html, ids in zip(panels, (first, second), strict=True):
        uses = r' (?:for|aria-describedby|hx-target|hx-select)="#?(.*?)"'
        assert set(re.findall(uses, html.decode())) <= set(ids)


def test_a_note_form_is_cleared_only_after_its_note_was_saved(client, story):
    """What is done about other notes must not take away what is being typed."""
    entry = make_update(story)
    for about, way in (
        (None, notes_url(story)),
        (entry, notes_url(story, entry)),
    ):
        client.post(way, {"text": "Who says so?"})
        note = Note.objects.latest("pk")
        assert note.entry == about
        page = client.get(way).content.decode()
        for acts in re.findall(r'(?s)<form\s+class="acts".*?</form>', page):
            assert 'name="next"' not in acts
        for do in ("done", "undo", "delete"):
            form = {"do": do, "note": note.pk}
            answer = client.post(way, form, headers=HTMX)
            assert "HX-Redirect" not in answer.headers
            html = answer.content.decode()
            assert "<textarea" not in html
            assert f"notes-list{f'-{entry.pk}' if about else ''}" in html
    answer = client.post(notes_url(story), {"text": "A note."}, headers=HTMX)
    assert "<textarea" in answer.content.decode()


def test_standalone_pages_name_their_user(client, story):
    """So that a form is not sent under the name of who signed in after that."""
    entry = make_update(story)
    mine = f'data-user="{client.session["_auth_user_id"]}"'
    names = ("entry_notes", "own_story", "move", "cross")
    ways = [
        reverse(f"admin:entries_story_{n}", args=[story.pk, entry.pk]) for n in names
    ]
    for way in (notes_url(story), *ways):
        assert mine in client.get(way).content.decode(), way
