"""The one place for each first publication, and the one for each submission."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from entries import verbs
from entries.models import Entry, Posting, Story
from tests.builders import (
    DAY,
    gmt,
    load_demo,
    make_original,
    make_story,
    make_update,
    make_user,
    signed_in,
    text,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record the entries that the ledger notes as published for the first time."""
    entries: list[int] = []
    real = verbs.Ledger.first_publication

    def noted(ledger: verbs.Ledger, entry: Entry) -> None:
        entries.append(entry.pk)
        real(ledger, entry)

    monkeypatch.setattr(verbs.Ledger, "first_publication", noted)
    return entries


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the bodies of the entries that are put into the review queue."""
    bodies: list[str] = []
    real = verbs.entries.mark_submitted  # type: ignore[attr-defined]

    def noted(entry: Entry) -> None:
        real(entry)
        bodies.append(entry.body)

    monkeypatch.setattr(verbs.entries, "mark_submitted", noted)  # type: ignore[attr-defined]
    return bodies


# --- First publication


def test_a_posted_entry_is_published_once(published: list[int]):
    story = make_story()
    original, update = make_original(story), make_update(story)
    assert published == [original.pk, update.pk]


@pytest.mark.parametrize("state", ["draft", "submitted"])
def test_a_text_is_published_once_when_an_editor_publishes_it(
    published: list[int], state: str
):
    entry = make_update(make_story(), state=state)
    assert published == []
    verbs.publish(entry)
    assert published == [entry.pk]


def test_a_scheduled_entry_is_published_once_when_it_is_due(published: list[int]):
    entry = make_update(make_story(), at=timezone.now() + timedelta(hours=1))
    assert published == []
    Entry.objects.filter(pk=entry.pk).update(at=gmt("0800"))
    assert (verbs.publish_due(), verbs.publish_due()) == (1, 0)
    assert published == [entry.pk]


def test_entries_of_a_draft_story_are_published_when_it_goes_live(
    published: list[int],
):
    story = make_story(live=False)
    entries = [make_original(story), make_update(story)]
    draft = make_update(story, state="draft")
    assert published == []
    verbs.go_live(story)
    assert sorted(published) == [entry.pk for entry in entries]
    verbs.publish(draft)
    assert published[2:] == [draft.pk]


def test_later_changes_are_not_a_first_publication(published: list[int]):
    one, two = make_story(), make_story()
    entry = make_update(one)
    verbs.edit(entry, text("Changed."), version=1, correction="Changed.")
    verbs.set_marks(entry.postings.get(), pinned=True, key_event=True)
    verbs.restore(verbs.withdraw(entry))
    crossed = verbs.cross_post(entry, two)
    verbs.remove_cross_post(crossed)
    verbs.move(entry, two)
    verbs.rerender_entry(entry)
    verbs.restore_story(verbs.withdraw_story(two))
    verbs.reopen_story(verbs.close_story(two))
    assert published == [entry.pk]


def test_cross_posts_into_a_draft_story_do_not_count_when_it_goes_live(
    published: list[int],
):
    entry, draft = make_update(make_story()), make_story(live=False)
    verbs.cross_post(entry, draft)
    verbs.go_live(draft)
    assert published == [entry.pk]


def test_an_update_moved_to_a_draft_story_does_not_count_when_that_goes_live(
    published: list[int],
):
    entry, draft = make_update(make_story()), make_story(live=False)
    verbs.move(entry, draft)
    verbs.go_live(draft)
    assert published == [entry.pk]


def test_an_update_moved_out_of_a_draft_story_counts(published: list[int]):
    entry = make_update(make_story(live=False))
    verbs.move(entry, make_story())
    assert published == [entry.pk]


@pytest.mark.parametrize("publish", [True, False])
def test_imported_entries_are_published_once(
    published: list[int], tmp_path: Path, publish: bool
):
    file = tmp_path / "fog.txt"
    file.write_text("UPDATE 1800 GMT: Second.\n\nUPDATE 1700 GMT: First.\n")
    options: dict[str, Any] = {"publish": publish, "date": DAY}
    call_command("import_story", str(file), **options)
    if not publish:
        assert published == []
        verbs.go_live(Story.objects.get())
    visible = Entry.objects.filter(postings__visible=True)
    assert sorted(published) == list(
        visible.order_by("pk").values_list("pk", flat=True)
    )
    assert len(published) == 2


def test_the_entries_of_the_demo_are_published_once(published: list[int]):
    load_demo()
    seen = Entry.objects.filter(postings__first_seq__isnull=False).distinct()
    assert sorted(published) == sorted(seen.values_list("pk", flat=True))


def test_entries_posted_in_bulk_are_published_once(published: list[int]):
    story = make_story()
    new = []
    for state in ("published", "draft"):
        entry = Entry(story=story, state=state)
        posting = Posting(entry=entry, story=story)
        new.append(verbs.prepare_entry(posting, text(), lambda name: None))
    verbs.bulk_post(story, new)
    assert published == [new[0].entry.pk]


# --- Submission


def test_every_submission_calls_mark_submitted(submitted: list[str]):
    story, author = make_story(), make_user("lena", "Contributors")
    verbs.post(story, text("Posted."), author=author, state="submitted")
    entry = verbs.post(story, text("Draft."), author=author, state="draft")
    assert submitted == ["Posted."]
    verbs.submit(entry)
    assert submitted[1:] == ["Draft."]
    verbs.send_back(entry, "Who says so?")
    verbs.submit(entry)
    assert submitted[2:] == ["Draft."]
    verbs.publish(entry)
    assert len(submitted) == 3


def test_a_desk_form_calls_mark_submitted(submitted: list[str]):
    story, client = make_story(), signed_in("lena", "Contributors")
    desk = f"/admin/entries/story/{story.pk}/change/"
    client.post(desk, {"body": "From the desk.", "action": "submit"})
    assert submitted == ["From the desk."]
    assert Entry.objects.get().state == "submitted"
