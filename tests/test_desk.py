"""The desk through HTTP: composer, timeline, editing, buttons, and permissions."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from entries import verbs
from entries.desk import timeline
from entries.models import (
    Entry,
    EntryVersion,
    Posting,
    Series,
    Site,
    Snippet,
    Story,
)
from tests.builders import (
    bulk_updates,
    gmt,
    make_original,
    make_series,
    make_story,
    make_update,
    make_user,
    signed_in,
    text,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def client() -> Client:
    """Give a browser in which an editor is signed in."""
    return signed_in("editor", "Editors")


def desk(story: Story) -> str:
    return f"/admin/entries/story/{story.pk}/change/"


def address(story: Story, name: str, *args: int) -> str:
    return reverse(f"admin:entries_story_{name}", args=[story.pk, *args])


def compose(
    client: Client, story: Story, body: str, *, htmx: bool = True, **fields: Any
) -> Any:
    data = {"body": body, "action": "publish", "key": str(uuid4())} | fields
    return client.post(desk(story), data, headers=HTMX if htmx else {})


def edit(client: Client, entry: Entry, **fields: Any) -> Any:
    data = {"body": entry.body, "version": entry.version, "action": "save"} | fields
    way = address(entry.story, "edit", entry.pk)
    return client.post(way, data, headers=HTMX)


def press(client: Client, entry: Entry, do: str, story: Story | None = None) -> Any:
    way = address(story or entry.story, "act", entry.pk)
    return client.post(way, {"do": do}, headers=HTMX)


def only_update(story: Story) -> Entry:
    return story.entries.get(kind="update")


# --- Composing


def test_the_desk_has_the_composer_with_its_fields_and_buttons(client, story):
    page = client.get(desk(story)).content.decode()
    composer = page[page.index('<form id="composer"') :]
    composer = composer[: composer.index("</form>")]
    for name in ("at", "headline", "body", "key_event", "pinned"):
        assert f'name="{name}"' in composer
    buttons = re.findall(r"<button[^>]*>([^<]+)</button>", composer)
    assert {"Publish", "Save draft", "Preview"} <= set(buttons)


def test_publishing_now_returns_the_new_row(client, story):
    answer = compose(client, story, "The **ferry** has moored.")
    entry = only_update(story)
    assert entry.published
    assert timezone.now() - entry.at < timedelta(minutes=2)
    html = answer.content.decode()
    assert f'id="row-{entry.pk}"' in html
    assert "The ferry has moored." in html
    assert "Published " in html


def test_without_htmx_publishing_reloads_the_desk_with_the_new_row(client, story):
    answer = compose(client, story, "The ferry has moored.", htmx=False)
    assert answer.status_code == 302
    page = client.get(answer["Location"]).content.decode()
    assert "Published " in page
    assert "The ferry has moored." in page


def test_marks_of_the_composer_are_saved_on_the_posting(client, story):
    compose(client, story, "All are ashore.", key_event="on", pinned="on")
    posting = Posting.objects.get(story=story)
    assert posting.key_event
    assert posting.pinned


def test_a_typed_time_backdates_and_a_time_long_past_must_be_confirmed(client, story):
    data = {"at": "0615 14 March 2026", "key": str(uuid4())}
    answer = compose(client, story, "The lighthouse saw it first.", **data)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "0615 GMT, 14 March was " in html
    assert " days ago. Press Publish again to confirm." in html
    assert not story.entries.exists()
    data["sure"] = re.search(r'name="sure" id="[^"]+" value="([^"]+)"', html)[1]
    compose(client, story, "The lighthouse saw it first.", **data)
    assert f"{only_update(story).at:%Y-%m-%d %H:%M}" == "2026-03-14 06:15"


def test_a_future_time_schedules_the_update_and_says_so(client, story):
    when = timezone.now() + timedelta(days=2)
    answer = compose(client, story, "The inquiry opens.", at=f"{when:%Y-%m-%d} 10:15")
    entry = only_update(story)
    assert entry.state == "scheduled"
    assert "Scheduled for 1015 GMT, " in answer.content.decode()


def test_a_draft_is_saved_but_not_published(client, story):
    answer = compose(client, story, "Notes of the press conference.", action="draft")
    assert only_update(story).state == "draft"
    html = answer.content.decode()
    assert "Draft saved" in html
    assert 'hx-target="#waiting"' in html
    assert b"press conference" not in client.get(story.get_absolute_url()).content


def test_the_same_form_sent_twice_makes_one_update(client, story):
    key = str(uuid4())
    first = compose(client, story, "Once only.", key=key)
    second = compose(client, story, "Once only.", key=key)
    assert only_update(story).body == "Once only."
    assert first.status_code == second.status_code == 200
    assert LogEntry.objects.filter(change_message__startswith="Wrote it").count() == 1


def test_the_same_form_with_another_text_shows_both_and_changes_nothing(client, story):
    key = str(uuid4())
    compose(client, story, "Two hundred people are aboard.", key=key)
    answer = compose(client, story, "Two hundred and fourteen are aboard.", key=key)
    html = answer.content.decode()
    assert answer.status_code == 409
    assert only_update(story).body == "Two hundred people are aboard."
    assert "Two hundred people are aboard." in html
    assert "Two hundred and fourteen are aboard." in html


def test_without_htmx_a_conflict_is_shown_above_the_composer(client, story):
    key = str(uuid4())
    compose(client, story, "Two hundred people are aboard.", key=key)
    answer = compose(client, story, "Nobody is aboard.", key=key, htmx=False)
    html = answer.content.decode()
    assert answer.status_code == 409
    assert "Two hundred people are aboard." in html
    assert "Nobody is aboard.</textarea>" in html


def test_a_conflict_can_be_sent_as_a_separate_update(client, story):
    key = str(uuid4())
    compose(client, story, "First text.", key=key)
    html = compose(client, story, "Second text.", key=key).content.decode()
    separate = re.search(r'name="separate" value="([^"]+)"', html)[1]
    compose(client, story, "Second text.", key=key, separate=separate)
    assert {entry.body for entry in story.entries.all()} == {
        "First text.",
        "Second text.",
    }


@pytest.mark.parametrize("htmx", [True, False])
def test_an_empty_text_is_a_field_error(client, story, htmx: bool):
    answer = compose(client, story, "  ", headline="Kept", htmx=htmx)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert not story.entries.exists()
    assert "Write the text of the entry first." in html
    if htmx:
        assert 'hx-target="#composer-body-error"' in html
    else:
        assert 'value="Kept"' in html


def test_an_invalid_time_is_refused_and_the_text_is_kept(client, story):
    answer = compose(client, story, "Typed with care.", at="2560", htmx=False)
    html = answer.content.decode()
    assert "25:60 isn&#x27;t a valid time." in html
    assert "Typed with care." in html
    assert 'value="2560"' in html
    assert not story.entries.exists()


def test_a_text_that_is_too_long_is_refused(client, story):
    answer = compose(client, story, "x" * 20_001)
    assert answer.status_code == 422
    assert "20,000 is the limit" in answer.content.decode()


def test_windows_line_breaks_are_normalized(client, story):
    compose(client, story, "First line.\r\n\r\nSecond line.")
    assert only_update(story).body == "First line.\n\nSecond line."


def test_a_closed_story_explains_why_nothing_can_be_published(client, story):
    verbs.close_story(story)
    answer = compose(client, story, "Too late.")
    assert "This story is closed." in answer.content.decode()


def test_the_original_entry_is_written_at_the_bottom_of_the_timeline(client, story):
    undo = b'class="undo text-link"'
    assert undo in compose(client, story, "News.").content
    story.entries.all().delete()
    assert undo not in compose(client, story, "It began.", kind="original").content
    assert story.entries.get().kind == "original"
    page = client.get(desk(story)).content.decode()
    assert "Write the original entry" not in page


def test_the_time_hint_explains_a_typed_time(client, story):
    answer = client.get(address(story, "time"), {"at": "yesterday 2310"})
    assert "2310 yesterday" in answer.content.decode()
    answer = client.get(address(story, "time"), {"at": "2026-03-13 2310"})
    assert "before this story began" in answer.content.decode()
    answer = client.get(address(story, "time"), {"at": "25:00"})
    assert "25:00 isn&#x27;t a valid time." in answer.content.decode()


@pytest.mark.parametrize("htmx", [True, False])
def test_the_preview_renders_like_the_page_and_saves_nothing(client, story, htmx):
    answer = compose(client, story, "A *calm* sea.", action="preview", htmx=htmx)
    html = answer.content.decode()
    assert "A &lt;em&gt;calm&lt;/em&gt; sea." in html
    assert "srcdoc=" in html
    assert not story.entries.exists()


def test_the_preview_of_an_edit_is_the_article_that_readers_will_get(client, story):
    entry = make_update(story, "Before.", headline="At sea")
    answer = edit(client, entry, body="After.", headline="At sea", action="preview")
    html = answer.content.decode()
    edit(client, entry, body="After.", headline="At sea")
    public = client.get(story.get_absolute_url()).content.decode()
    article = re.search(r'<div class="body" dir="auto">.*?</div>', public, re.S)[0]
    from django.utils.html import escape

    assert escape(article) in html


# --- The timeline


def test_rows_show_their_state_as_text(client, story):
    make_update(story, "Published text.")
    make_update(story, "Draft text.", state="draft")
    make_update(story, "Submitted text.", state="submitted")
    verbs.withdraw(make_update(story, "Withdrawn text."))
    make_update(story, "To come.", at=timezone.now() + timedelta(hours=30))
    page = client.get(desk(story)).content.decode()
    labels = re.findall(r'<span class="label"[^>]*>([^<]+)</span>', page)
    assert sorted(label.split(" for ")[0] for label in labels) == [
        "Draft",
        "Scheduled",
        "Submitted",
        "Withdrawn",
    ]


def test_the_timeline_is_newest_first_a_page_at_a_time(client, story):
    bulk_updates(story, 120)
    first = _rows(client.get(desk(story)))
    second = _rows(client.get(desk(story), {"before": first[-1]}))
    third = _rows(client.get(desk(story), {"before": second[-1]}))
    entries = list(story.entries.order_by("-at", "-pk").values_list("pk", flat=True))
    assert [len(first), len(second), len(third)] == [50, 50, 20]
    assert first + second + third == entries
    assert b"Older updates" in client.get(desk(story)).content


def _rows(answer: Any) -> list[int]:
    found = re.findall(r'<li id="row-(\d+)"', answer.content.decode())
    return [int(number) for number in found]


def test_a_url_can_start_the_timeline_at_an_entry(client, story):
    bulk_updates(story, 80)
    entry = story.entries.order_by("at")[10]
    assert _rows(client.get(desk(story), {"from": entry.pk}))[0] == entry.pk


@pytest.mark.parametrize("number", [1, 300])
def test_the_desk_needs_as_many_queries_for_one_row_as_for_300(
    client, story, number: int, django_assert_max_num_queries
):
    make_original(story)
    make_update(story, "A draft.", state="draft")
    story.refresh_from_db()
    bulk_updates(story, number)
    with django_assert_max_num_queries(20):
        client.get(desk(story))


def test_publishing_needs_few_queries(client, story):
    bulk_updates(story, 30)
    with CaptureQueriesContext(connection) as context:
        compose(client, story, "One more.")
    # Outside of a test the savepoint is the transaction itself. SQLite's index is a
    # table of its own.
    own = re.compile("SAVEPOINT|RELEASE|.*entries_fts")
    asked = [q["sql"] for q in context.captured_queries if not own.match(q["sql"])]
    assert len(asked) <= 16  # one for an exact Last-Modified if clocks differ


# --- What colleagues do


def poll(client: Client, story: Story, have: str) -> Any:
    return client.get(address(story, "timeline"), {"have": have}, headers=HTMX)


def pulse_of(answer: Any) -> str:
    return re.search(r"\?have=([^\"]+)\"", answer.content.decode())[1]


def test_a_poll_with_nothing_new_is_204_in_two_queries(
    client, story, django_assert_max_num_queries
):
    make_update(story)
    have = pulse_of(client.get(desk(story)))
    with django_assert_max_num_queries(2):
        assert poll(client, story, have).status_code == 204


@pytest.mark.parametrize("state", ["published", "draft", "submitted"])
def test_a_poll_returns_a_colleagues_entry(client, story, state: str):
    make_update(story, "Old.")
    have = pulse_of(client.get(desk(story)))
    entry = make_update(story, "News from a colleague.", at=None, state=state)
    answer = poll(client, story, have)
    assert f'id="row-{entry.pk}"' in answer.content.decode()
    assert poll(client, story, pulse_of(answer)).status_code == 204


@pytest.mark.parametrize("state", ["published", "draft", "withdrawn"])
def test_a_poll_returns_a_colleagues_mark(client, story, state: str):
    entry = make_update(story, state="draft" if state == "draft" else "published")
    if state == "withdrawn":
        verbs.withdraw(entry)
    make_update(story, "Written later.")
    Entry.objects.filter(pk=entry.pk).update(changed_at=gmt("1200"))
    have = pulse_of(client.get(desk(story)))
    verbs.set_marks(Posting.objects.get(entry=entry), pinned=True)
    html = poll(client, story, have).content.decode()
    assert 'value="unpin" aria-pressed="true"' in html


def test_a_moved_update_leaves_the_timeline(client, story):
    entry = make_update(story)
    have = pulse_of(client.get(desk(story)))
    verbs.move(entry, make_story())
    html = poll(client, story, have).content.decode()
    assert f'hx-target="#row-{entry.pk}" hx-swap="delete"' in html


def test_a_poll_shows_that_a_colleague_closed_the_story(client, story):
    have = pulse_of(client.get(desk(story)))
    verbs.close_story(story)
    html = poll(client, story, have).content.decode()
    assert 'hx-target="#story-state"' in html
    assert "Reopen" in html


def test_a_poll_returns_a_colleagues_change_of_the_summary(client, story):
    have = pulse_of(client.get(desk(story)))
    verbs.edit_story(story, summary="Two boats are out.")
    assert "Two boats are out." in poll(client, story, have).content.decode()


def poll_on(client: Client, way: str) -> list[Any]:
    """Return all parts of what a page lacks."""
    parts = [client.get(way, headers=HTMX)]
    while b"&amp;below=" in parts[-1].content:
        html = parts[-1].content.decode()
        assert 'hx-trigger="load, ' in html
        way = unescape(re.search(r'hx-get="([^"]+)"', html)[1])
        parts.append(client.get(way, headers=HTMX))
    return parts


def test_more_than_a_hundred_changes_come_in_several_polls(client, story):
    original = make_original(story)
    way = f"{address(story, 'timeline')}?have={pulse_of(client.get(desk(story)))}"
    bulk_updates(story, 230)
    parts = poll_on(client, way)
    html = "".join(part.content.decode() for part in parts)
    rows = re.findall(r'<li id="row-(\d+)"', html)
    assert len(parts) == 3
    assert len(rows) == len(set(rows)) == 230
    # The last part knows no more than what stood there at the first.
    began = re.search(r"&amp;then=([^\"&]+)", html)[1]
    assert pulse_of(parts[-1]) == began
    verbs.edit(original, text("The last word.", at=None), version=1)
    way = f"{address(story, 'timeline')}?have={began}"
    assert any(b"The last word." in part.content for part in poll_on(client, way))


def test_a_desk_of_another_epoch_gets_every_row(client, story):
    entry = make_update(story)
    have = pulse_of(client.get(desk(story)))
    Posting.objects.update(desk_seq=0)  # as an upgrade leaves those that were there
    Site.objects.update(epoch="restored")
    assert f'id="row-{entry.pk}"' in poll(client, story, have).content.decode()


def test_rows_are_updated_when_their_story_is_withdrawn_and_restored(client, story):
    entry = make_update(story)
    for act in (verbs.withdraw_story, verbs.restore_story):
        have = pulse_of(client.get(desk(story)))
        act(story)
        assert f'id="row-{entry.pk}"' in poll(client, story, have).content.decode()


def test_the_home_row_names_a_cross_post_in_a_draft_story(client, story):
    entry, draft = make_update(story), make_story("The flood", live=False)
    have = pulse_of(client.get(desk(story)))
    verbs.cross_post(entry, draft)
    assert "The flood" in poll(client, story, have).content.decode()


def test_many_waiting_texts_do_not_hide_the_original_entry(client, story, monkeypatch):
    monkeypatch.setattr(timeline, "MAX_CHANGES", 2)
    original = make_original(story)
    for _ in range(3):
        make_update(story, at=None, state="draft")
    html = client.get(desk(story)).content.decode()
    assert f'id="row-{original.pk}"' in html
    assert "Write the original entry" not in html


def test_a_forged_pulse_reveals_nothing(story):
    make_update(story, "A secret draft.", state="draft")
    for have in ("", "1.1.live.abc", "x", "9" * 60, "1.2", "-1.0.live.x"):
        answer = poll(Client(), story, have)
        assert answer.status_code == 401
        assert b"secret" not in answer.content


# --- Editing


def test_an_edit_opens_in_its_row_and_is_saved(client, story):
    entry = make_update(story, "A hundred poeple.")
    form = client.get(address(story, "edit", entry.pk), headers=HTMX).content.decode()
    assert "A hundred poeple." in form
    assert "<html" not in form
    answer = edit(client, entry, body="A hundred people.")
    entry.refresh_from_db()
    assert entry.body == "A hundred people."
    assert f'id="row-{entry.pk}"' in answer.content.decode()
    assert not EntryVersion.objects.exclude(correction="").exists()


def test_without_htmx_an_edit_has_its_own_page(client, story):
    entry = make_update(story, "Before.")
    way = address(story, "edit", entry.pk)
    assert b"<html" in client.get(way).content
    data = {"body": "After.", "version": 1, "action": "save"}
    answer = client.post(way, data)
    entry.refresh_from_db()
    assert entry.body == "After."
    assert answer["Location"] == f"{desk(story)}?from={entry.pk}#row-{entry.pk}"


def test_an_edit_keeps_the_time_shown_in_its_field(client, story):
    entry = make_update(story, "Before.", at="0805")
    form = client.get(address(story, "edit", entry.pk), headers=HTMX).content.decode()
    shown = re.search(r'name="at"[^>]* value="([^"]+)"', form)[1]
    edit(client, entry, body="After.", at=shown)
    before = entry.at
    entry.refresh_from_db()
    assert entry.at == before


def test_a_correction_has_a_note_for_readers(client, story):
    entry = make_update(story, "Three boats.")
    edit(client, entry, body="Two boats.", how="correction", correction="It was two.")
    assert entry.versions.get().correction == "It was two."
    page = client.get(story.get_absolute_url()).content.decode()
    assert "It was two." in page


def test_a_correction_without_a_note_is_refused(client, story):
    entry = make_update(story, "Three boats.")
    answer = edit(client, entry, body="Two boats.", how="correction")
    assert answer.status_code == 422
    assert "Tell readers in a line" in answer.content.decode()
    entry.refresh_from_db()
    assert entry.body == "Three boats."


def test_the_second_of_two_editors_sees_both_texts_and_chooses(client, story):
    entry = make_update(story, "The quay is closed.")
    stale = Entry.objects.get(pk=entry.pk)
    edit(client, entry, body="The east quay is closed.")
    other = signed_in("editor2", "Editors")
    answer = edit(other, stale, body="The quay is closed to cars.")
    html = answer.content.decode()
    assert answer.status_code == 409
    assert "The east quay is closed." in html
    assert "<ins" in html
    entry.refresh_from_db()
    assert entry.body == "The east quay is closed."
    merged = json.loads(unescape(re.search(r'data-merged="([^"]+)"', html)[1]))
    assert merged["body"] == "The east quay is closed to cars."
    assert edit(other, stale, **merged).status_code == 200
    entry.refresh_from_db()
    assert entry.body == merged["body"]


def test_without_htmx_the_second_editor_sees_both_texts_too(client, story):
    entry = make_update(story, "The quay is closed.")
    verbs.edit(entry, verbs.EntryText("The east quay is closed."), version=1)
    data = {"body": "The quay is closed to cars.", "version": 1, "action": "save"}
    answer = client.post(address(story, "edit", entry.pk), data)
    html = answer.content.decode()
    assert "The east quay is closed." in html
    assert "The east quay is closed to cars.</textarea>" in html
    assert 'name="version" id="edit-' in html
    assert 'value="2"' in html


def test_an_edit_sent_twice_is_no_conflict(client, story):
    entry = make_update(story, "Before.")
    stale = Entry.objects.get(pk=entry.pk)
    assert edit(client, entry, body="After.").status_code == 200
    assert edit(client, stale, body="After.").status_code == 200
    assert entry.versions.count() == 1


def test_a_draft_is_saved_and_published_in_one_step(client, story):
    draft = make_update(story, "Nearly there.", at=None, state="draft")
    edit(client, draft, body="There.", action="publish")
    draft.refresh_from_db()
    assert draft.published
    assert draft.body == "There."


def test_a_published_entry_is_not_moved_into_the_future(client, story):
    entry = make_update(story)
    when = timezone.now() + timedelta(days=1)
    answer = edit(client, entry, at=f"{when:%Y-%m-%d} 1015")
    assert answer.status_code == 422
    assert "cannot move into the future" in answer.content.decode()


# --- Buttons of a row


def test_marks_are_toggles_with_aria_pressed(client, story):
    entry = make_update(story)
    html = press(client, entry, "pin").content.decode()
    assert 'value="unpin" aria-pressed="true"' in html
    press(client, entry, "pin")
    assert Posting.objects.get(entry=entry).pinned
    press(client, entry, "unpin")
    press(client, entry, "key")
    posting = Posting.objects.get(entry=entry)
    assert (posting.pinned, posting.key_event) == (False, True)


def test_an_update_is_withdrawn_and_restored(client, story):
    entry = make_update(story, "Sent too early.")
    press(client, entry, "withdraw")
    assert b"Sent too early." not in client.get(story.get_absolute_url()).content
    html = press(client, entry, "restore").content.decode()
    assert b"Sent too early." in client.get(story.get_absolute_url()).content
    assert ">Withdraw</button>" in html


def test_undo_withdraws_the_update_and_returns_its_text(client, story):
    compose(client, story, "Oh no.")
    entry = only_update(story)
    answer = press(client, entry, "undo")
    entry.refresh_from_db()
    assert entry.state == "withdrawn"
    assert "desk:undone" in answer["HX-Trigger"]


def test_a_draft_is_published_from_its_row(client, story):
    entry = make_update(story, at=None, state="draft")
    html = press(client, entry, "publish").content.decode()
    entry.refresh_from_db()
    assert entry.published
    assert 'hx-target="#timeline"' in html


def test_a_scheduled_update_is_published_now_or_unscheduled(client, story):
    later = timezone.now() + timedelta(hours=3)
    entry = make_update(story, at=later)
    press(client, entry, "unschedule")
    entry.refresh_from_db()
    assert entry.state == "draft"
    press(client, entry, "publish")
    entry.refresh_from_db()
    assert entry.state == "scheduled"
    press(client, entry, "publish")
    entry.refresh_from_db()
    assert entry.published
    assert entry.at <= timezone.now()


def test_an_overdue_update_is_published_at_its_own_time(client, story):
    entry = make_update(story, at=timezone.now() + timedelta(hours=3))
    Entry.objects.update(at=gmt("1015"))
    press(client, entry, "publish")
    entry.refresh_from_db()
    assert (entry.published, entry.at) == (True, gmt("1015"))


def test_a_refusal_is_shown_beside_the_row(client, story):
    entry = make_update(story, at=None, state="draft")
    verbs.close_story(story)
    answer = press(client, entry, "publish")
    assert answer.status_code == 409
    assert answer.content.decode().startswith("This story is closed.")


def test_a_cross_post_is_edited_in_its_home_story_and_removed_here(client, story):
    home = make_story("At home")
    entry = make_update(home, "Seen from both.")
    verbs.cross_post(entry, story)
    page = client.get(desk(story)).content.decode()
    assert "Cross-posted from" in page
    assert client.get(address(story, "edit", entry.pk)).status_code == 403
    press(client, entry, "take_back", story)
    assert Posting.objects.get(story=story).removed
    assert Posting.objects.get(story=home).visible


# --- The story's own state and head


def test_a_story_goes_live_closes_and_is_reopened(client):
    story = make_story(live=False)
    state = address(story, "state")
    for do, expected in [
        ("live", "live"),
        ("close", "closed"),
        ("reopen", "live"),
        ("withdraw", "withdrawn"),
        ("restore", "live"),
    ]:
        client.post(state, {"do": do})
        story.refresh_from_db()
        assert story.state == expected


def test_closing_can_name_a_follow_up_story(client, story):
    other = make_story("The day after")
    client.post(address(story, "state"), {"do": "close", "continues_in": other.pk})
    story.refresh_from_db()
    assert story.continues_in == other


def test_the_follow_up_story_is_found_by_its_title(client, story):
    wanted = make_story("The day after the fog", live=False)
    for _ in range(31):
        make_story("Another matter")
    way, found = address(story, "state"), f'value="{wanted.pk}"'
    make_update(make_story("Another day"), "What came the day after.")
    ended = make_story("The day after tomorrow")
    verbs.close_story(ended)
    html = client.get(way, {"q": "day aft"}, headers=HTMX).content.decode()
    assert re.findall(r'value="(\d+)"', html)[0] == str(wanted.pk)
    assert f'value="{ended.pk}"' not in html
    # What is chosen stays a choice, and chosen, while something else is typed.
    asked = {"q": "another", "continues_in": wanted.pk}
    html = client.get(way, asked, headers=HTMX).content.decode()
    assert f"{found} checked" in html
    html = client.post(way, {"do": "find", "q": "day aft"}).content.decode()
    assert "<html" in html
    assert found in html
    story.refresh_from_db()
    assert story.state == "live"
    answer = client.post(way, {"do": "close", "continues_in": 10**6}, headers=HTMX)
    assert "is not there any more" in answer.content.decode()


def test_an_invalid_change_of_state_gets_a_message(client, story):
    answer = client.post(address(story, "state"), {"do": "live"}, headers=HTMX)
    assert "Only a draft story can go live." in answer.content.decode()
    answer = client.post(address(story, "state"), {"do": "explode"}, follow=True)
    assert "There is no such button." in answer.content.decode()


def test_story_details_are_saved_through_their_verb(client, story):
    way = address(story, "details")
    assert client.get(way).status_code == 200
    before = story.head_seq
    data = {"headline": "Fog lifts", "slug": "fog-lifts", "language": "en"}
    client.post(way, data)
    old = story.slug
    story.refresh_from_db()
    assert (story.headline, story.slug) == ("Fog lifts", "fog-lifts")
    assert story.head_seq > before
    assert client.get(f"/stories/{old}/").status_code == 301


def test_a_former_slug_of_another_story_is_a_field_error(client, story):
    other = make_story("Another")
    old = other.slug
    verbs.edit_story(other, slug="renamed")
    data = {"headline": "Fog", "slug": old, "language": "en"}
    answer = client.post(address(story, "details"), data)
    assert "Another story has, or had, this slug" in answer.content.decode()


def test_a_new_story_is_one_form_and_can_go_live_at_once(client):
    series = make_series()
    add = "/admin/entries/story/add/"
    assert client.get(add).status_code == 200
    data = {
        "headline": "Eclipse over Port Ilaria",
        "series": series.pk,
        "standfirst": "The moon takes a bite.",
        "original": "It begins at noon.",
        "action": "live",
        "key": str(uuid4()),
    }
    answer = client.post(add, data)
    story = Story.objects.get()
    assert answer["Location"] == desk(story)
    assert story.state == "live"
    assert story.entries.get().published
    client.post(add, data)
    assert Story.objects.count() == 1


def test_a_new_story_sent_twice_is_created_once_even_without_an_original_entry(client):
    add, key = "/admin/entries/story/add/", str(uuid4())
    data = {"headline": "Eclipse over Port Ilaria", "action": "draft", "key": key}
    for action in ("draft", "draft", "live"):
        answer = client.post(add, data | {"action": action})
    story = Story.objects.get()
    assert answer["Location"] == desk(story)
    assert story.state == "live"
    page = client.post(add, data | {"standfirst": "A word more."}).content.decode()
    assert "This form has made the story “Eclipse over Port Ilaria” before" in page
    assert "A word more." in page
    fresh = re.search(r'name="key" value="([^"]+)"', page)[1]
    client.post(add, data | {"standfirst": "A word more.", "key": fresh})
    assert Story.objects.count() == 2


def test_a_new_story_without_a_headline_keeps_what_was_typed(client):
    data = {"headline": "", "original": "It begins at noon.", "action": "draft"}
    answer = client.post("/admin/entries/story/add/", data)
    assert "It begins at noon." in answer.content.decode()
    assert not Story.objects.exists()


def test_a_new_story_has_the_address_that_was_typed(client):
    add = "/admin/entries/story/add/"
    data = {"headline": "Überflutung", "language": "de", "action": "draft"}
    client.post(add, data | {"key": str(uuid4())})
    assert Story.objects.get().slug == "ueberflutung"
    data |= {"slug": "flut", "key": str(uuid4())}
    client.post(add, data)
    client.post(add, data)
    assert list(Story.objects.values_list("slug", flat=True).order_by("pk")) == [
        "ueberflutung",
        "flut",
    ]


@pytest.mark.parametrize(
    "day", ["٢٠٢٦-٠٣-١٤", "２０２６－０３－１４", "\u200e2026-03-14\u200e"]
)
def test_the_first_day_may_have_digits_of_any_script(client, story, day):
    data = {"headline": "Fog", "slug": story.slug, "language": "ar", "first_day": day}
    client.post(address(story, "details"), data | {"version": story.version})
    story.refresh_from_db()
    assert f"{story.first_day:%Y-%m-%d}" == "2026-03-14"


@pytest.mark.parametrize(
    ("slug", "sentence"),
    [
        ("Hafen", "Use small letters, digits and hyphens, 120 at most."),
        ("süd-ufer", "Use small letters, digits and hyphens, 120 at most."),
        ("two words", "Use small letters, digits and hyphens, 120 at most."),
        ("港", "Use small letters, digits and hyphens, 120 at most."),
        ("harbour-fog", "Another story has, or had, this slug: choose another."),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_and_nothing_is_lost(
    client, story, slug, sentence
):
    verbs.edit_story(make_story(), slug="harbour-fog")
    data = {"headline": "Fog", "original": "It begins.", "slug": slug}
    page = client.post("/admin/entries/story/add/", data | {"key": str(uuid4())})
    assert sentence in page.content.decode()
    assert "It begins." in page.content.decode()
    assert Story.objects.count() == 2
    data |= {"language": "en", "version": story.version}
    page = client.post(address(story, "details"), data)
    assert sentence in page.content.decode()


def test_a_button_publishes_the_version_that_was_shown(client, story):
    entry = make_update(story, "The first words.", state="submitted")
    page = client.get(desk(story)).content.decode()
    way = address(story, "act", entry.pk)
    row = page.split(way)[2].split("</form>")[0]
    data = dict(re.findall(r'name="(version)" value="(\d+)"', row)) | {"do": "publish"}
    edit(signed_in("other", "Editors"), entry, body="Other words.")
    answer = client.post(way, data, headers=HTMX)
    assert answer.status_code == 409
    assert "Its writer has changed this text" in answer.content.decode()
    entry.refresh_from_db()
    assert entry.state == "submitted"
    client.post(way, data | {"version": entry.version}, headers=HTMX)
    entry.refresh_from_db()
    assert (entry.published, entry.body) == (True, "Other words.")


# --- Who may what


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    "name", ["change", "details", "timeline", "time", "state", "upload", "edit", "act"]
)
def test_htmx_without_a_session_gets_a_401_with_a_message(
    story, name: str, method: str
):
    entry = make_update(story)
    args = [entry.pk] if name in ("edit", "act") else []
    way = address(story, name, *args)
    answer = getattr(Client(), method)(way, headers=HTMX)
    if name == "timeline" and method == "post":
        assert answer.status_code == 405
        return
    assert answer.status_code == 401
    assert answer.content.decode().startswith("You are signed out.")


def test_other_requests_without_a_session_get_the_sign_in_page(story):
    answer = Client().get(desk(story))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")


def test_accounts_that_are_not_staff_are_refused(story):
    reader = User.objects.create_user("reader")
    client = Client()
    client.force_login(reader)
    assert client.get(desk(story), headers=HTMX).status_code == 401


def test_moderators_cannot_change_text_or_state_at_any_url(story):
    entry = make_update(story, "As it was.")
    draft = make_update(story, "A draft.", state="draft")
    moderator = signed_in("moderator", "Moderators")
    assert b'id="composer"' not in moderator.get(desk(story)).content
    answers = [
        compose(moderator, story, "Sneaked in."),
        compose(moderator, story, "Sneaked in.", action="draft"),
        compose(moderator, story, "Sneaked in.", action="submit"),
        edit(moderator, entry, body="Changed."),
        *(press(moderator, entry, do) for do in ("withdraw", "pin", "key", "undo")),
        *(press(moderator, draft, do) for do in ("publish", "submit", "unschedule")),
        moderator.post(address(story, "state"), {"do": "close"}, headers=HTMX),
        moderator.post(address(story, "details"), {"headline": "x"}, headers=HTMX),
        moderator.post(address(story, "upload"), {}, headers=HTMX),
        moderator.get("/admin/entries/story/add/"),
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert {e.body for e in story.entries.all()} == {"As it was.", "A draft."}
    story.refresh_from_db()
    assert story.state == "live"


def test_contributors_submit_and_never_publish(story):
    writer = signed_in("writer", "Contributors")
    page = writer.get(desk(story)).content.decode()
    assert ">Submit</button>" in page
    assert ">Publish</button>" not in page
    assert compose(writer, story, "Mine.").status_code == 403
    fields = {"action": "submit", "pinned": "on"}
    assert compose(writer, story, "Mine.", **fields).status_code == 200
    assert only_update(story).state == "submitted"
    assert not Posting.objects.get(story=story).pinned


def test_contributors_edit_their_own_texts_until_an_editor_takes_over(story):
    writer = signed_in("writer", "Contributors")
    compose(writer, story, "Mine.", action="draft")
    entry = only_update(story)
    assert edit(writer, entry, body="Mine, better.").status_code == 200
    assert press(writer, entry, "submit").status_code == 200
    entry.refresh_from_db()
    assert (entry.state, entry.body) == ("submitted", "Mine, better.")
    assert press(writer, entry, "publish").status_code == 403
    verbs.publish(entry)
    assert edit(writer, entry, body="Changed after all.").status_code == 403
    assert press(writer, entry, "withdraw").status_code == 403


def test_contributors_see_no_draft_of_others(story):
    secret = make_update(story, "A secret draft.", state="draft")
    writer = signed_in("writer", "Contributors")
    have = pulse_of(writer.get(desk(story)))
    assert b"secret" not in writer.get(desk(story)).content
    verbs.edit(secret, verbs.EntryText("A secret draft, changed."), version=1)
    assert b"secret" not in poll(writer, story, have).content
    way = address(story, "edit", secret.pk)
    assert writer.get(way, headers=HTMX).status_code == 404


def test_an_entry_is_only_reached_through_its_own_story(client, story):
    entry = make_update(make_story("Elsewhere"))
    assert client.get(address(story, "edit", entry.pk)).status_code == 404
    assert press(client, entry, "withdraw", story).status_code == 404


def test_every_write_requires_the_csrf_token(story):
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("editor", "Editors"))
    assert compose(client, story, "Forged.").status_code == 403
    assert not story.entries.exists()


def test_the_groups_are_created_once_by_the_migrations():
    call_command("migrate", verbosity=0)
    editor, moderator = make_user("e", "Editors"), make_user("m", "Moderators")
    contributor = make_user("c", "Contributors")
    assert editor.has_perm("entries.change_entry")
    assert not editor.has_perm("entries.change_link")
    assert moderator.has_perm("entries.delete_link")
    assert not moderator.has_perm("entries.change_entry")
    assert contributor.get_all_permissions() == {
        "entries.add_entry",
        "entries.view_story",
    }


def test_migrations_do_not_reset_changed_groups():
    from django.contrib.auth.models import Group

    editors = Group.objects.get(name="Editors")
    editors.permissions.remove(editors.permissions.get(codename="add_image"))
    call_command("migrate", verbosity=0)
    assert not editors.permissions.filter(codename="add_image").exists()


# --- Nothing that was public is deleted


def test_only_a_story_that_was_never_public_can_be_deleted(story):
    chief = signed_in("chief", chief=True)
    make_update(story)
    assert chief.get(f"/admin/entries/story/{story.pk}/delete/").status_code == 403
    draft = make_story(live=False)
    make_update(draft, state="draft")
    way = f"/admin/entries/story/{draft.pk}/delete/"
    assert chief.get(way).status_code == 200
    chief.post(way, {"post": "yes"})
    assert not Story.objects.filter(pk=draft.pk).exists()


def test_the_bulk_action_does_not_delete_public_stories(story):
    chief = signed_in("chief", chief=True)
    data = {"action": "delete_selected", "_selected_action": [story.pk], "post": "yes"}
    chief.post("/admin/entries/story/", data)
    assert Story.objects.filter(pk=story.pk).exists()


def test_a_series_with_stories_is_not_deleted():
    chief = signed_in("chief", chief=True)
    make_story(series="Sorrava Daily")
    series = Series.objects.get()
    assert chief.get(f"/admin/entries/series/{series.pk}/delete/").status_code == 403


def test_unusual_spellings_of_an_id_do_not_bypass_the_desk(client):
    story = make_story("Fog over the harbour")
    way = f"/admin/entries/story/+{story.pk}/change/"
    data = {"headline": "Changed past the verbs", "slug": story.slug, "language": "en"}
    for answer in (client.get(way), client.post(way, data)):
        assert answer.status_code == 404
    story.refresh_from_db()
    assert story.headline == "Fog over the harbour"


def test_rows_show_who_edited_and_what_was_corrected(client, story):
    entry = make_update(story, "Three boats.", author=make_user("writer", "Editors"))
    other = make_user("colleague", "Editors")
    verbs.edit(
        entry,
        verbs.EntryText("Two boats.", at=entry.at),
        version=1,
        author=other,
        correction="There were two.",
    )
    html = client.get(desk(story)).content.decode()
    assert re.search(r"Corrected\s+\d{4}\s", html)
    assert re.search(r"edited by colleague \d{4}", html)
    verbs.edit(
        entry, verbs.EntryText("Two.", at=entry.at), version=2, author=entry.author
    )
    html = client.get(desk(story)).content.decode()
    assert "edited by" not in html
    assert re.search(r"edited \d{4}", html)


def test_snippets_are_found_by_their_words(client, story):
    Snippet.objects.create(name="More soon", body="More soon.\r\n\r\nStay with us.")
    Snippet.objects.create(name="Closing", body="This page is no longer updated.")
    verbs.edit_story(story, language="ar")
    way = address(story, "snippets")
    listed = client.get(way, {"q": "SOON us"}, headers=HTMX).content.decode()
    assert 'data-insert="More soon.\n\nStay with us."' in listed
    assert 'lang="ar" dir="rtl"' in listed
    assert "Closing" not in listed
    nothing = client.get(way, {"q": "ferry"}, headers=HTMX).content.decode()
    assert "No snippet has “ferry” in it." in nothing
    assert "/snippet/" not in nothing  # only moderators edit the list
    names = [one["name"] for one in client.get(way).json()["snippets"]]
    assert names == ["Closing", "More soon"]
