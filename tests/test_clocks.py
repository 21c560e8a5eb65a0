"""Clocks set back or forward: sequence numbers and database time decide."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from entries import verbs
from entries.delivery.changes import Cursor, changes_after
from entries.models import Audience, Entry, Site
from entries.public import caching
from entries.verbs import EntryText, Refused
from tests.builders import let_time_pass, make_story, make_update

pytestmark = pytest.mark.django_db


def step(monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    """Put the server's clock forward, or back; the database keeps its own."""
    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() + timedelta(hours=hours))


def test_another_release_after_the_clock_was_set_back_has_a_later_date() -> None:
    make_update(make_story())
    caching.record_release()
    let_time_pass(-180)
    before = caching.site_version().changed_at
    Site.objects.update(release=f"another-{Site.current().epoch}")
    caching.record_release()
    after = caching.site_version().changed_at
    assert before
    assert after
    assert after > before


@pytest.mark.parametrize("hours", [-3, 3])
def test_updates_around_a_clock_change_arrive_once_and_in_order(
    monkeypatch: pytest.MonkeyPatch, hours: int
):
    story = make_story()
    make_update(story, "Before.", at=None)
    after = Cursor(Site.current().epoch, 0)
    first = changes_after(story.pk, after).cursor
    step(monkeypatch, hours)
    make_update(story, "Behind.", at=None)
    html = changes_after(story.pk, first).html
    assert (html.count("Behind."), html.count("Before.")) == (1, 0)
    page = Client().get(story.get_absolute_url()).content.decode()
    below, above = ("Behind.", "Before.") if hours < 0 else ("Before.", "Behind.")
    assert page.index(f"<p>{above}") < page.index(f"<p>{below}")


@pytest.mark.parametrize("hours", [-3, 3])
def test_scheduling_uses_the_clock_of_the_database(
    monkeypatch: pytest.MonkeyPatch, hours: int
):
    story, now = make_story(), timezone.now()
    due = make_update(story, "Due.", at=now + timedelta(hours=1))
    early = make_update(story, "Early.", at=now + timedelta(hours=2))
    Entry.objects.filter(pk=due.pk).update(at=now - timedelta(minutes=1))
    step(monkeypatch, hours)
    assert verbs.publish_due() == 1
    due.refresh_from_db()
    early.refresh_from_db()
    assert due.published
    assert early.state == Entry.State.SCHEDULED


def test_a_clock_set_back_does_not_prevent_edits(
    monkeypatch: pytest.MonkeyPatch,
):
    entry = make_update(make_story(), "A tyop.", at=None)
    step(monkeypatch, -3)
    verbs.edit(entry, EntryText("A typo.", at=entry.at), version=1)
    entry.refresh_from_db()
    assert entry.body == "A typo."
    assert entry.at is not None
    later = EntryText("Later.", at=entry.at + timedelta(minutes=1))
    with pytest.raises(Refused, match="future"):
        verbs.edit(entry, later, version=2)


def test_reader_counts_expire_after_a_clock_was_set_back():
    told = timezone.now() + timedelta(hours=3)
    Audience.objects.create(process="old", counts={"7": 4}, reported_at=told)
    Audience.objects.create(process="new", counts={"7": 2}, reported_at=timezone.now())
    assert Audience.now() == {7: 2}


def test_a_feed_changed_after_the_clock_was_set_back_is_not_a_304(
    monkeypatch: pytest.MonkeyPatch,
):
    story, reader = make_story(), Client()
    make_update(story, "Before.")
    let_time_pass()
    address = f"{story.get_absolute_url()}feed/"
    shown = {"If-Modified-Since": reader.get(address)["Last-Modified"]}
    assert reader.get(address, headers=shown).status_code == 304
    step(monkeypatch, -3)
    make_update(story, "Behind.", at=None)
    answer = reader.get(address, headers=shown)
    assert answer.status_code == 200
    assert "Behind." in answer.content.decode()


@pytest.mark.parametrize("before", ["an update", "a link"])
@pytest.mark.parametrize("after", ["an update", "a link", "another story's update"])
def test_every_change_after_the_clock_was_set_back_has_a_later_date(
    monkeypatch: pytest.MonkeyPatch, before: str, after: str
):
    story, other, reader = make_story(), make_story(), Client()
    acts = {
        "an update": lambda: make_update(story),
        "a link": lambda: verbs.add_link("feature", target_story=other),
        "another story's update": lambda: make_update(other),
    }
    acts[before]()
    with monkeypatch.context() as back:
        let_time_pass(1)
        since = reader.get("/")["Last-Modified"]
        step(back, -3)
        acts[after]()
    # The clock is right again.
    known = {"If-Modified-Since": since}
    assert reader.get("/", headers=known).status_code == 200
    assert reader.get("/")["Last-Modified"] > ""
