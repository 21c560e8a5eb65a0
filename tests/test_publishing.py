"""Verbs on entries: allowed changes of state, and sequence numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from threading import Barrier, Event
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from entries import verbs
from entries.models import Entry, Image, Link, Posting, Site, Story, StorySlug
from entries.pages import story_page
from entries.verbs import EntryConflict, EntryText, Refused, rerender_entry
from tests.builders import (
    bulk_updates,
    gmt,
    make_original,
    make_story,
    make_update,
    seqs,
    text,
)

pytestmark = pytest.mark.django_db
at_once = pytest.mark.django_db(transaction=True)


def together(*acts: Callable[[], Any]) -> list[Any]:
    """Do several things at the same time, each on a connection of its own.

    Returns what each returned or raised.
    """
    barrier = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        barrier.wait(10)
        try:
            return act()
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result(60) for future in [pool.submit(run, a) for a in acts]]


def posting_of(entry: Entry, story: Story | None = None) -> Posting:
    return Posting.objects.get(entry=entry, story=story or entry.story)


def edit(entry: Entry, body: str, **options: Any) -> Entry:
    at = options.pop("at", entry.at)
    changed = EntryText(body, headline=entry.headline, at=at)
    return verbs.edit(entry, changed, version=entry.version, **options)


def in_an_hour() -> Any:
    return timezone.now() + timedelta(hours=1)


def make_due(entry: Entry) -> None:
    """Let a scheduled entry's time come."""
    Entry.objects.filter(pk=entry.pk).update(at=gmt("0800"))


# Posting


def test_an_update_is_published_with_its_time_and_rendered():
    update = make_update(make_story(), "The *Corvina* is at anchor.", at="0915")
    assert (update.state, update.at) == ("published", gmt("0915"))
    assert "<em>Corvina</em>" in posting_of(update).html


def test_an_empty_time_is_the_current_minute():
    before = timezone.now().replace(second=0, microsecond=0)
    update = make_update(make_story(), at=None)
    assert update.at is not None
    assert before <= update.at <= timezone.now()
    assert (update.at.second, update.at.microsecond) == (0, 0)


def test_a_future_time_schedules_instead_of_publishing():
    update = make_update(make_story(), at=in_an_hour())
    assert update.state == "scheduled"
    assert posting_of(update).seq is None


def test_an_empty_text_is_refused():
    with pytest.raises(Refused, match="Write the text"):
        verbs.post(make_story(), EntryText("  \n "))
    assert not Entry.objects.exists()


def test_an_unknown_image_is_refused_by_name():
    with pytest.raises(Refused, match="moored-barge"):
        make_update(make_story(), "Look.\n\n![](image:moored-barge)")
    assert not Entry.objects.exists()


def test_nothing_is_published_in_a_closed_or_withdrawn_story():
    story = verbs.close_story(make_story())
    with pytest.raises(Refused, match="closed"):
        make_update(story)
    verbs.withdraw_story(story)
    with pytest.raises(Refused, match="withdrawn"):
        make_update(story)


def test_a_draft_may_be_written_in_a_closed_story():
    story = verbs.close_story(make_story())
    assert make_update(story, state="draft").state == "draft"


# One original a story


def test_a_second_original_entry_is_refused_with_a_message():
    story = make_story()
    make_original(story)
    with pytest.raises(Refused, match="original entry already"):
        make_original(story, "How the fog really came.")


def test_the_database_allows_one_original_entry_per_story():
    story = make_story()
    make_original(story)
    with pytest.raises(IntegrityError), transaction.atomic():
        Entry.objects.create(story=story, kind="original", body="Once more.")


def test_an_original_entry_sent_again_is_one_entry():
    story, key = make_story(), uuid4()
    sent = {"kind": "original", "key": key}
    first = verbs.post(story, EntryText("How it began."), **sent)
    again = verbs.post(story, EntryText("How it began."), **sent)
    assert again.pk == first.pk


@at_once
def test_one_of_two_simultaneous_original_entries_is_refused():
    story = make_story()
    answers = together(
        lambda: make_original(story, "The first account."),
        lambda: make_original(story, "The second account."),
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["Entry", "Refused"]


# Numbers


def test_every_visible_change_takes_the_next_seq_of_the_story():
    story = make_story()
    update = make_update(story)
    before = posting_of(update).seq
    edit(update, "The ferry has turned back.")
    verbs.withdraw(update)
    verbs.restore(update)
    assert posting_of(update).seq == before + 3
    assert Story.objects.get(pk=story.pk).seq == before + 3


def test_seqs_of_stories_are_independent():
    one, other = make_story(), make_story()
    before = other.seq
    make_update(one)
    assert Story.objects.get(pk=other.pk).seq == before


def test_a_constraint_makes_seqs_unique_in_a_story():
    story = make_story()
    first, second = make_update(story), make_update(story)
    taken = posting_of(first).seq
    with pytest.raises(IntegrityError), transaction.atomic():
        Posting.objects.filter(entry=second).update(seq=taken)


def test_a_constraint_makes_postings_unique_in_a_story():
    update = make_update(make_story())
    with pytest.raises(IntegrityError), transaction.atomic():
        Posting.objects.create(entry=update, story=update.story)


@at_once
def test_two_simultaneous_posts_take_different_seqs():
    story = make_story()

    def post_five() -> list[int]:
        return [make_update(story).pk for _ in range(5)]

    answers = together(post_five, post_five, post_five)
    ids = [pk for answer in answers for pk in answer]
    assert len(set(ids)) == 15
    assert seqs(story) == list(range(story.seq + 1, story.seq + 16))


@at_once
def test_concurrent_readers_never_skip_a_seq():
    """No number appears below one that was already seen."""
    story = make_story()
    seen: list[int] = []
    until = time.monotonic() + 20

    def read() -> None:
        while len(seen) < 12 and time.monotonic() < until:
            last = max(seen, default=story.seq)
            newer = story.postings.filter(seq__gt=last).order_by("seq")
            seen.extend(newer.values_list("seq", flat=True))

    def post_six() -> None:
        for _ in range(6):
            make_update(story)

    assert together(read, post_six, post_six) == [None] * 3
    assert seen == seqs(story)


# Drafts and stories that are not public yet


def test_postings_of_a_draft_story_have_no_seq_until_it_goes_live():
    story = make_story(live=False)
    make_original(story)
    update, draft = make_update(story), make_update(story, state="draft")
    edit(update, "The ferry waits at the mole.")
    assert seqs(story) == []
    verbs.go_live(story)
    assert len(seqs(story)) == 2
    assert posting_of(draft).seq is None
    assert "waits at the mole" in posting_of(update).html


def test_going_live_assigns_seqs_from_the_original_and_the_oldest_update_on():
    story = make_story(live=False)
    late, early = make_update(story, at="1400"), make_update(story, at="0900")
    original = make_original(story)
    verbs.go_live(story)
    order = sorted([late, early, original], key=lambda e: posting_of(e).seq)
    assert order == [original, early, late]


def test_the_first_day_is_that_of_the_oldest_update():
    story = make_story(live=False, first_day=None)
    make_update(story, at=gmt("2350", date(2026, 2, 1)))
    make_update(story, at=gmt("0010", date(2026, 2, 2)))
    assert verbs.go_live(story).first_day == date(2026, 2, 1)


def test_drafts_and_their_withdrawal_take_no_seq():
    draft = make_update(make_story(), state="draft")
    edit(draft, "Not for anybody yet.")
    verbs.withdraw(draft)
    assert posting_of(draft).seq is None


def test_editing_a_draft_key_event_changes_nothing_public():
    draft = make_update(story := make_story(), state="draft", key_event=True)
    before = Story.objects.get(pk=story.pk).seq
    edit(draft, "Not for anybody yet.")
    verbs.withdraw(draft)
    assert Story.objects.get(pk=story.pk).seq == before
    verbs.restore(draft)
    verbs.publish(draft)
    assert Story.objects.get(pk=story.pk).head_seq > before


# Keys


def test_a_form_sent_twice_makes_one_entry():
    story, key = make_story(), uuid4()
    first = make_update(story, "The mole is closed.", key=key)
    again = make_update(story, "The mole is closed.", key=key)
    assert (again.pk, Entry.objects.count()) == (first.pk, 1)


def test_a_form_sent_twice_may_carry_space_around_its_headline():
    story, key = make_story(), uuid4()
    sent = EntryText("The mole is closed.", headline=" Closed ", at=gmt("1000"))
    first = verbs.post(story, sent, key=key)
    assert verbs.post(story, sent, key=key).pk == first.pk


def test_a_form_sent_again_with_another_text_is_a_conflict_with_the_first():
    story, key = make_story(), uuid4()
    first = make_update(story, "The mole is closed.", key=key)
    with pytest.raises(EntryConflict) as caught:
        make_update(story, "The mole is open.", key=key)
    assert caught.value.entry == first
    signed = EntryText("The mole is closed.", byline="Berrin Aksu")
    with pytest.raises(EntryConflict):
        verbs.post(story, signed, key=key)
    assert Entry.objects.count() == 1


def test_one_form_cannot_post_to_two_stories():
    one, other, key = make_story(), make_story(), uuid4()
    sent = text("The mole is closed.")
    first = verbs.post(one, sent, key=key)
    with pytest.raises(EntryConflict) as conflict:
        verbs.post(other, sent, key=key)
    assert conflict.value.entry == first
    verbs.move(first, other)
    assert verbs.post(one, sent, key=key) == first


@at_once
def test_one_form_sent_to_two_stories_at_once_is_one_entry_and_a_conflict():
    key, sent = uuid4(), text("The mole is closed.")
    acts = [
        lambda story=story: verbs.post(story, sent, key=key)
        for story in (make_story(), make_story())
    ]
    answers = together(*acts)
    assert {type(answer) for answer in answers} == {Entry, EntryConflict}
    assert Entry.objects.count() == 1


@at_once
def test_a_form_sent_four_times_at_once_makes_one_entry():
    story, key = make_story(), uuid4()
    sent = text("The mole is closed.")
    answers = together(*[lambda: verbs.post(story, sent, key=key)] * 4)
    assert len({answer.pk for answer in answers}) == 1
    assert Entry.objects.count() == 1


# Editing


def test_an_edit_keeps_the_previous_text_as_a_version():
    update = make_update(make_story(), "Nine boats are out.")
    edit(update, "Eight boats are out.", correction="There are eight boats.")
    kept = update.versions.get()
    assert (kept.number, kept.body) == (1, "Nine boats are out.")
    assert (update.version, kept.correction) == (2, "There are eight boats.")
    assert "There are eight boats." in posting_of(update).html


def test_the_second_of_two_editors_gets_a_conflict_and_nothing_is_overwritten():
    update = make_update(make_story(), "Nine boats are out.")
    theirs = Entry.objects.get(pk=update.pk)
    edit(update, "Eight boats are out.")
    with pytest.raises(EntryConflict) as caught:
        edit(theirs, "Ten boats are out.")
    assert caught.value.entry.body == "Eight boats are out."


@at_once
def test_one_of_two_simultaneous_edits_is_a_conflict():
    update = make_update(make_story(), "Nine boats are out.")
    answers = together(
        lambda: edit(Entry.objects.get(pk=update.pk), "Eight boats are out."),
        lambda: edit(update, "Ten boats are out."),
    )
    names = sorted(type(answer).__name__ for answer in answers)
    assert names in (["Entry", "EntryConflict"], ["Entry", "Entry"])
    versions = Entry.objects.get(pk=update.pk).version
    assert versions == 1 + names.count("Entry")


def test_a_published_update_cannot_get_a_future_time():
    update = make_update(make_story(), at="0900")
    with pytest.raises(Refused, match="cannot move into the future"):
        edit(update, update.body, at=in_an_hour())
    update.refresh_from_db()
    assert update.at == gmt("0900")


def test_a_withdrawn_update_cannot_get_a_future_time():
    update = verbs.withdraw(make_update(make_story(), at="0900"))
    with pytest.raises(Refused, match="future"):
        edit(update, update.body, at=in_an_hour())
    assert verbs.restore(update).at == gmt("0900")


def test_a_published_update_can_get_an_earlier_time():
    update = make_update(make_story(), at="0900")
    edit(update, update.body, at=gmt("0830"))
    assert "0830 GMT" in posting_of(update).html


def test_marks_do_not_change_the_version():
    update = make_update(make_story())
    verbs.set_marks(posting_of(update), pinned=True, key_event=True)
    assert edit(update, "Still the same version.").version == 2
    assert posting_of(update).pinned


def test_setting_the_same_mark_again_changes_nothing():
    update = make_update(make_story(), pinned=True)
    before = posting_of(update).seq
    verbs.set_marks(posting_of(update), pinned=True)
    assert posting_of(update).seq == before


def test_a_key_event_changes_the_head_and_a_pin_does_not():
    update = make_update(story := make_story())
    before = Story.objects.get(pk=story.pk).head_seq
    verbs.set_marks(posting_of(update), pinned=True)
    assert Story.objects.get(pk=story.pk).head_seq == before
    verbs.set_marks(posting_of(update), key_event=True)
    assert Story.objects.get(pk=story.pk).head_seq > before


# Withdrawing and restoring


def test_a_withdrawn_update_leaves_its_posting_as_a_tombstone():
    update = make_update(make_story())
    before = posting_of(update).seq
    verbs.withdraw(update)
    tombstone = posting_of(update)
    assert tombstone.seq > before
    assert not tombstone.visible


def test_a_restored_update_comes_back_to_its_readers():
    update = verbs.withdraw(make_update(make_story()))
    before = posting_of(update).seq
    verbs.restore(update)
    assert posting_of(update).visible
    assert posting_of(update).seq > before


def test_a_published_entry_never_becomes_a_draft_again():
    update = make_update(make_story())
    with pytest.raises(Refused):
        verbs.unschedule(update)
    verbs.withdraw(update)
    assert verbs.restore(update).state == "published"


def test_a_withdrawn_draft_is_restored_as_a_draft():
    draft = verbs.withdraw(make_update(make_story(), state="draft"))
    assert verbs.restore(draft).state == "draft"


def test_restoring_an_entry_that_is_not_withdrawn_changes_nothing():
    waiting = make_update(make_story(), at=in_an_hour())
    with pytest.raises(Refused):
        verbs.restore(waiting)
    waiting.refresh_from_db()
    assert waiting.state == "scheduled"


def test_withdrawing_twice_takes_one_seq():
    update = verbs.withdraw(make_update(make_story()))
    before = posting_of(update).seq
    verbs.withdraw(update)
    assert posting_of(update).seq == before


# Scheduling


def test_a_scheduled_update_is_published_at_its_time():
    update = make_update(make_story(), at=in_an_hour())
    assert verbs.publish_due() == 0
    make_due(update)
    assert verbs.publish_due() == 1
    assert posting_of(update).visible
    assert verbs.publish_due() == 0


def test_a_due_update_waits_while_its_story_is_a_draft_or_closed():
    story = make_story(live=False)
    make_due(make_update(story, at=in_an_hour()))
    assert verbs.publish_due() == 0
    verbs.close_story(verbs.go_live(story))
    assert verbs.publish_due() == 0
    verbs.reopen_story(story)
    assert verbs.publish_due() == 1


@at_once
def test_a_due_update_is_published_once_by_several_processes():
    update = make_update(make_story(), at=in_an_hour())
    make_due(update)
    answers = together(*[verbs.publish_due] * 4)
    assert sum(answers) == 1
    story = Story.objects.get(pk=update.story_id)
    assert seqs(story) == [story.seq]


def test_an_update_unscheduled_at_the_last_moment_stays_a_draft(monkeypatch):
    """It was due when the scheduler looked, and a draft when it held the lock."""
    update = make_update(make_story(), at=in_an_hour())
    make_due(update)
    real = verbs.entries.open_ledger

    def late(*args: Any, **options: Any) -> Any:
        Entry.objects.filter(pk=update.pk).update(state="draft")
        return real(*args, **options)

    monkeypatch.setattr(verbs.entries, "open_ledger", late)
    assert verbs.publish_due() == 0
    update.refresh_from_db()
    assert update.state == "draft"


def test_an_update_postponed_at_the_last_moment_stays_scheduled(monkeypatch):
    update = make_update(make_story(), at=in_an_hour())
    make_due(update)
    real = verbs.entries.open_ledger

    def late(*args: Any, **options: Any) -> Any:
        Entry.objects.filter(pk=update.pk).update(at=in_an_hour())
        return real(*args, **options)

    monkeypatch.setattr(verbs.entries, "open_ledger", late)
    assert verbs.publish_due() == 0
    update.refresh_from_db()
    assert update.state == "scheduled"


def test_an_unscheduled_update_keeps_its_time():
    update = make_update(make_story(), at=in_an_hour())
    at = update.at
    verbs.unschedule(update)
    assert (update.state, update.at) == ("draft", at)


# Standing in several stories


def test_a_cross_post_shows_its_source_and_links_back():
    home = make_story(series="Sorrava Daily")
    other = make_story(series="Kestrel Sound")
    update = make_update(home)
    posting = verbs.cross_post(update, other)
    assert "(Cross-posted from <a" in posting.html
    assert home.get_absolute_url() in posting.html
    assert other.get_absolute_url() in posting_of(update, home).html


def test_an_edit_changes_every_story_with_the_update():
    home, other = make_story(), make_story()
    update = make_update(home)
    verbs.cross_post(update, other)
    edit(update, "The mole is open again.")
    assert "open again" in posting_of(update, home).html
    assert "open again" in posting_of(update, other).html


def test_a_withdrawal_reaches_every_story_with_the_update():
    home, other = make_story(), make_story()
    update = make_update(home)
    before = verbs.cross_post(update, other).seq
    verbs.withdraw(update)
    assert posting_of(update, other).seq > before
    assert not posting_of(update, other).visible


def test_cross_posting_twice_is_one_posting():
    update, other = make_update(make_story()), make_story()
    first = verbs.cross_post(update, other)
    assert verbs.cross_post(update, other).pk == first.pk


def test_marks_belong_to_the_posting_not_the_entry():
    update, other = make_update(make_story(), key_event=True), make_story()
    verbs.set_marks(verbs.cross_post(update, other), pinned=True)
    assert not posting_of(update, other).key_event
    assert not posting_of(update).pinned


@pytest.mark.parametrize("state", ["draft", "submitted"])
def test_only_a_published_update_is_cross_posted(state: str):
    update = make_update(make_story(), state=state)
    with pytest.raises(Refused):
        verbs.cross_post(update, make_story())
    with pytest.raises(Refused):
        verbs.cross_post(make_original(make_story()), make_story())


def test_an_update_of_a_draft_story_is_not_cross_posted_into_a_public_one():
    update = make_update(make_story("Nobody knows yet", live=False))
    with pytest.raises(Refused):
        verbs.cross_post(update, make_story())


def test_removing_a_cross_post_does_not_change_the_home_story():
    home, other = make_story(), make_story()
    update = make_update(home)
    verbs.remove_cross_post(verbs.cross_post(update, other))
    assert not posting_of(update, other).visible
    assert posting_of(update, home).visible
    assert other.get_absolute_url() not in posting_of(update, home).html


def test_an_update_cannot_be_removed_from_its_own_story():
    with pytest.raises(Refused, match="own story"):
        verbs.remove_cross_post(posting_of(make_update(make_story())))


def test_a_removed_cross_post_can_be_added_again():
    update, other = make_update(make_story()), make_story()
    first = verbs.cross_post(update, other)
    verbs.remove_cross_post(first)
    again = verbs.cross_post(update, other)
    assert again.pk == first.pk
    assert again.visible
    assert again.seq > first.seq


def test_a_moved_update_leaves_one_story_and_appears_in_the_other():
    wrong, right = make_story(), make_story()
    update = make_update(wrong, key_event=True)
    before = posting_of(update, wrong).seq
    verbs.move(update, right)
    assert posting_of(update, wrong).seq > before
    assert not posting_of(update, wrong).visible
    assert posting_of(update, right).visible
    assert "Cross-posted" not in posting_of(update, right).html
    assert right.get_absolute_url() in posting_of(update, right).html


def test_an_update_can_be_moved_to_a_story_it_was_cross_posted_in():
    home, other = make_story(), make_story()
    update = make_update(home)
    verbs.cross_post(update, other)
    verbs.move(update, other)
    assert "Cross-posted" not in posting_of(update, other).html
    assert not posting_of(update, home).visible


def test_an_update_can_be_moved_away_and_back():
    home, other = make_story(), make_story()
    update = verbs.move(make_update(home), other)
    verbs.move(update, home)
    assert posting_of(update, home).visible
    assert not posting_of(update, other).visible


def test_an_original_entry_is_not_moved():
    with pytest.raises(Refused, match="stays with its story"):
        verbs.move(make_original(make_story()), make_story())


# What a story's lines elsewhere say of it


def see(update: Entry, target: Story, title: str = "") -> Link:
    return verbs.add_link("see", entry=update, target_story=target, title=title)


def test_a_see_line_in_the_text_becomes_a_link_when_its_target_is_known():
    target = make_story("The Low Bridge")
    update = make_update(make_story(), "Traffic stands.\n\nSee The Low Bridge")
    assert "<a href" not in posting_of(update).html.partition("</header>")[2]
    see(update, target, "The Low Bridge")
    line = f'See <a href="{target.get_absolute_url()}">The Low Bridge</a>'
    assert posting_of(update).html.count(line) == 1


def test_renaming_a_story_rerenders_the_lines_that_name_it():
    target, story = make_story("The Low Bridge"), make_story()
    update = make_update(story)
    see(update, target)
    before = posting_of(update).seq
    verbs.edit_story(target, headline="The High Bridge")
    assert "The High Bridge" in posting_of(update).html
    assert "The Low Bridge" not in posting_of(update).html
    assert posting_of(update).seq > before


def test_a_new_slug_updates_provenance_and_see_lines():
    home, other = make_story(), make_story()
    update = make_update(home)
    verbs.cross_post(update, other)
    pointing = make_update(other)
    see(pointing, home)
    verbs.edit_story(home, slug="the-harbour-in-fog")
    assert "/stories/the-harbour-in-fog/" in posting_of(update, other).html
    assert "/stories/the-harbour-in-fog/" in posting_of(pointing).html
    assert "/stories/the-harbour-in-fog/" in posting_of(update, home).html


def test_withdrawing_a_story_unlinks_the_lines_that_name_it():
    home, other = make_story(series="Sorrava Daily"), make_story()
    update, pointing = make_update(home), make_update(other)
    verbs.cross_post(update, other)
    see(pointing, home, "Fog at last")
    verbs.withdraw_story(home)
    assert home.get_absolute_url() not in posting_of(pointing).html
    assert "See Fog at last" in posting_of(pointing).html
    assert f'href="{home.get_absolute_url()}"' not in posting_of(update, other).html


def test_restoring_a_story_links_those_lines_again():
    home, other = make_story(), make_story()
    pointing = make_update(other)
    see(pointing, home)
    verbs.restore_story(verbs.withdraw_story(home))
    assert home.get_absolute_url() in posting_of(pointing).html


def test_closing_a_story_takes_no_seq_in_unchanged_stories():
    home, other = make_story(), make_story()
    pointing = make_update(other)
    see(pointing, home)
    before = posting_of(pointing).seq
    verbs.close_story(home)
    assert posting_of(pointing).seq == before


def test_renaming_a_follow_up_story_updates_the_story_that_links_to_it():
    ended, onward = make_story(), make_story("The morning after")
    verbs.close_story(ended, continues_in=onward)
    before = Story.objects.get(pk=ended.pk).head_seq
    verbs.edit_story(onward, headline="The week after")
    assert Story.objects.get(pk=ended.pk).head_seq > before


def test_removing_a_link_leaves_plain_text():
    update = make_update(make_story(), "Traffic stands.\n\nSee The Low Bridge")
    link = see(update, make_story("The Low Bridge"), "The Low Bridge")
    verbs.remove_link(link)
    body = posting_of(update).html.partition("</header>")[2]
    assert "See The Low Bridge" in body
    assert "<a href" not in body


def test_a_link_without_text_and_target_is_refused():
    with pytest.raises(Refused, match="title or a target"):
        verbs.add_link("see", entry=make_update(make_story()))
    with pytest.raises(Refused, match="whole address"):
        verbs.add_link("see", story=make_story(), target_url="javascript:fog")


@at_once
def test_renaming_and_editing_at_once_do_not_block_each_other():
    """An edit holds its entry and wants the story; a renaming came from there."""
    target, story = make_story("The Low Bridge"), make_story()
    update = make_update(story, "See The Low Bridge")
    see(update, target, "The Low Bridge")

    def rename() -> None:
        for number in range(12):
            verbs.edit_story(target, slug=f"bridge-number-{number}")

    def edit_often() -> None:
        for number in range(12):
            body = f"Lane {number} is open.\n\nSee The Low Bridge"
            edit(Entry.objects.get(pk=update.pk), body)

    assert together(rename, edit_often) == [None, None]
    html = posting_of(update).html
    assert "/stories/bridge-number-11/" in html
    assert "Lane 11 is open." in html


@at_once
def test_a_line_added_while_its_target_is_renamed_has_the_new_name():
    target, story = make_story("The Low Bridge"), make_story()
    updates = [make_update(story) for _ in range(6)]

    def rename() -> None:
        for number in range(6):
            verbs.edit_story(target, headline=f"Bridge number {number}")

    def link() -> None:
        for update in updates:
            see(Entry.objects.get(pk=update.pk), target)

    assert together(rename, link) == [None, None]
    assert all("Bridge number 5" in posting_of(update).html for update in updates)


@at_once
def test_cross_posting_both_ways_at_once_does_not_block():
    one, other = make_story(), make_story()
    first, second = make_update(one), make_update(other)

    def back_and_forth(entry: Entry, story: Story) -> Callable[[], None]:
        def act() -> None:
            for _ in range(6):
                verbs.remove_cross_post(verbs.cross_post(entry, story))

        return act

    answers = together(back_and_forth(first, other), back_and_forth(second, one))
    assert answers == [None, None]
    assert len(seqs(one)) == len(set(seqs(one))) == 2


# Stories


def test_a_slug_is_made_from_the_headline_and_never_given_twice():
    first = make_story("Ferries in fog")
    second = make_story("Ferries in fog")
    assert (first.slug, second.slug) == ("ferries-in-fog", "ferries-in-fog-2")


def test_a_former_slug_still_belongs_to_its_story():
    story = make_story("Ferries in fog")
    verbs.edit_story(story, slug="ferries")
    assert make_story("Ferries in fog").slug == "ferries-in-fog-2"
    with pytest.raises(Refused, match="choose another"):
        verbs.create_story("Another", slug="ferries-in-fog")
    assert StorySlug.objects.get(slug="ferries-in-fog").story == story


def test_a_story_can_use_its_own_former_slug_again():
    story = make_story("Ferries in fog")
    verbs.edit_story(story, slug="ferries")
    assert verbs.edit_story(story, slug="ferries-in-fog").slug == "ferries-in-fog"


def test_a_slug_of_other_letters_is_refused():
    with pytest.raises(Refused, match="small letters"):
        verbs.create_story("Fog", slug="Fog & Ferries")


def test_saving_an_unchanged_story_takes_no_seq():
    story = make_story("Ferries in fog")
    before = story.seq
    verbs.edit_story(story, headline="Ferries in fog")
    assert Story.objects.get(pk=story.pk).seq == before


def test_a_story_allows_only_valid_changes_of_state():
    story = make_story(live=False)
    for verb in (verbs.close_story, verbs.reopen_story, verbs.withdraw_story):
        with pytest.raises(Refused):
            verb(story)
    verbs.go_live(story)
    with pytest.raises(Refused):
        verbs.go_live(story)


def test_a_closed_story_that_was_withdrawn_is_restored_as_closed():
    story = verbs.withdraw_story(verbs.close_story(make_story()))
    assert verbs.restore_story(story).state == "closed"


def test_the_site_seq_changes_with_stories_not_with_updates():
    story = make_story()
    before = Site.current().seq
    make_update(story)
    assert Site.current().seq == before
    verbs.edit_story(story, headline="Clear at last")
    assert Site.current().seq > before


# Queries


def count(most: int, act: Callable[[], Any]) -> int:
    """Return how many queries an action takes, besides those of SQLite's own index."""
    with CaptureQueriesContext(connection) as captured:
        act()
    asked = [
        q["sql"] for q in captured.captured_queries if "entries_fts" not in q["sql"]
    ]
    assert len(asked) <= most, "\n".join(asked)
    return len(asked)


@pytest.mark.parametrize("number", [0, 120])
def test_publishing_takes_at_most_fifteen_queries(number: int):
    story = make_story()
    bulk_updates(story, number)
    count(15, lambda: make_update(story, key=uuid4()))


def test_editing_and_withdrawing_take_few_queries():
    story = make_story()
    bulk_updates(story, 120)
    update = make_update(story, key_event=True)
    count(20, lambda: edit(update, "Again."))
    count(15, lambda: verbs.withdraw(update))


@pytest.mark.parametrize("number", [1, 120])
@pytest.mark.parametrize("query", ["", "?order=oldest", "?before=last"])
def test_a_story_page_takes_at_most_eight_queries(
    number: int, query: str, django_assert_max_num_queries: Any
):
    story = make_story(series="Sorrava Daily")
    bulk_updates(story, number)
    make_original(story)
    last = make_update(story, at=gmt("2359"), pinned=True, key_event=True)
    Site.current()
    address = story.get_absolute_url() + query.replace("last", str(last.pk))
    with django_assert_max_num_queries(8):
        assert Client().get(address).status_code == 200


@at_once
@pytest.mark.parametrize("first", ["caption", "update"])
def test_a_caption_changed_while_an_update_is_posted_is_current_in_both(
    monkeypatch: pytest.MonkeyPatch, first: str
):
    story = make_story()
    files = {"stem": f"ab/{'c' * 40}", "widths": [320], "width": 320, "height": 240}
    Image.objects.create(name="quay", alt="A quay", caption="Old.", **files)
    begun = Event()

    def caption() -> None:
        image = Image.objects.get(name="quay")
        image.caption = "New."
        verbs.save_image(image)

    def update() -> None:
        make_update(story, "Look.\n\n![](image:quay)")

    def second(act: Callable[[], None]) -> Callable[[], None]:
        return lambda: act() if begun.wait(10) else None

    # Whoever is first has read, and not yet written, when the other begins.
    if first == "update":
        slow(monkeypatch, verbs.entries, "rerender_if_changed", begun)
        assert together(update, second(caption)) == [None, None]
    else:
        slow(monkeypatch, verbs.images, "_shown_in", begun)
        assert together(caption, second(update)) == [None, None]
    html = story.postings.get().html
    assert "New." in html
    assert "Old." not in html


def slow(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, reached: Event
) -> None:
    """Let a function's callers wait a moment after it, and say that it is reached."""
    real = getattr(module, name)

    def waiting(*args: Any) -> Any:
        answer = real(*args)
        reached.set()
        time.sleep(0.3)
        return answer

    monkeypatch.setattr(module, name, waiting)


def test_an_entry_restored_in_a_withdrawn_story_is_complete_afterwards(client: Client):
    """It was published in a draft story and withdrawn there: no number was its own."""
    story = make_story(live=False)
    entry = make_update(story, "The lamp is lit.")
    verbs.withdraw(entry)
    verbs.withdraw_story(verbs.go_live(story))
    verbs.restore(entry)
    verbs.restore_story(story)
    page = story.get_absolute_url()
    assert b"The lamp is lit." in client.get(page).content
    assert client.get(f"{page}updates/{entry.pk}/").status_code == 200
    before = client.get(f"{page}feed/")["ETag"]
    verbs.withdraw(entry)
    assert client.get(f"{page}feed/")["ETag"] != before


def test_a_page_rendered_during_a_withdrawal_does_not_stay_empty(client: Client):
    story = make_story()
    make_update(story, "The lamp is lit.")
    site, read = Site.current(), Story.objects.get(pk=story.pk)
    verbs.withdraw_story(story)
    story_page.render_story_page(
        site, read
    )  # by a request that had read the story before
    verbs.restore_story(story)
    assert b"The lamp is lit." in client.get(story.get_absolute_url()).content


def test_rerender_repairs_rows_of_another_release(client: Client):
    story = make_story()
    shown, gone = make_update(story, "The lamp is lit."), make_update(story, "Fog.")
    undated = make_update(story, "The bell rings.")
    Posting.objects.filter(entry=shown).update(visible=False)
    Posting.objects.filter(entry=undated).update(public_at=None)
    Entry.objects.filter(pk=gone.pk).update(state="withdrawn")
    page = story.get_absolute_url()
    assert b"The bell rings." not in client.get(f"{page}feed/").content
    assert client.get(f"{page}updates/{gone.pk}/").status_code == 410
    for entry in (shown, gone, undated):
        entry.refresh_from_db()
        assert rerender_entry(entry)
    assert b"The bell rings." in client.get(f"{page}feed/").content
    html = client.get(page).content
    assert b"The lamp is lit." in html
    assert b"Fog." not in html


def test_rerendering_an_invisible_row_takes_no_seq() -> None:
    story = make_story()
    draft = make_update(story, "A draft.", state="draft", key_event=True)
    Posting.objects.filter(entry=draft).update(at=gmt("0300"))
    story.refresh_from_db()
    before = story.seq
    assert not rerender_entry(draft)
    story.refresh_from_db()
    assert story.seq == before
    assert draft.postings.get().at == draft.placed_at
