"""Races and hostile requests that once went wrong, seen from outside."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from entries import verbs
from entries.delivery import messages
from entries.delivery.changes import Changes, Cursor
from entries.delivery.channels import Channel, Frame
from entries.delivery.hub import Hub
from entries.delivery.messages import Message
from entries.management.commands import rerender
from entries.models import Entry, Posting, Story
from entries.pages import fragment_cache
from entries.verbs import EntryText
from tests.builders import (
    bulk_updates,
    gmt,
    make_series,
    make_story,
    make_update,
    make_user,
)
from tests.networks import reader_of, replay


def hub_of(monkeypatch: pytest.MonkeyPatch, **reads: Any) -> Hub:
    """Return a hub that knows one epoch, and reads what it is told."""
    hub = Hub()
    hub.epoch, hub.site_seq = "old", 9

    async def read(function: Any, *args: Any) -> Any:
        return reads[function.__name__](*args)

    monkeypatch.setattr(hub, "run_query", read)
    return hub


def add(channel: Channel, words: str, epoch: str = "old") -> None:
    cursor = Cursor(epoch, channel.seq + 1)
    one = Message(messages.html_event(words, cursor))
    channel.append(Frame(channel.seq, cursor.seq, one))
    channel.seq = cursor.seq


def test_a_channel_clears_its_log_when_a_backup_was_restored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> str:
        changes = Changes("restored news", Cursor("new", 10), "live", 3)
        hub = hub_of(
            monkeypatch,
            story_seqs=lambda _ids: ("new", 3, {1: (9, "live")}),
            changes_after=lambda *_: changes,
            rail_partial=lambda _id: "rail",
        )
        # Somebody is connecting, so the channel stays.
        channel = hub.channels[1] = Channel(1, 8, "live", 9, streams=1)
        add(channel, "lost with the old database")
        add(channel, "lost too")
        await hub._refresh()
        await hub._advance(channel, 10, "live")
        async with asyncio.timeout(2):
            return (await replay(hub, channel, Cursor("new", 9), "2")).text

    text = asyncio.run(asyncio.wait_for(run(), 5))
    assert "restored news" in text
    assert "lost" not in text


@pytest.mark.parametrize("epoch", ["old", "new"])
def test_a_rail_of_an_older_backup_is_sent_once(
    monkeypatch: pytest.MonkeyPatch, epoch: str
) -> None:
    async def run() -> str:
        hub = hub_of(
            monkeypatch,
            story_seqs=lambda _ids: (epoch, 3, {1: (8, "live")}),
            rail_partial=lambda _id: "rail",
        )
        channel = hub.channels[1] = Channel(1, 8, "live", 9, streams=1)
        await hub._refresh()
        return (await replay(hub, channel, Cursor(epoch, 8), "2")).text

    assert asyncio.run(asyncio.wait_for(run(), 5)).count("rail") == 1


def test_no_page_uses_a_seq_of_another_epoch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> str:
        other = Changes("", Cursor("new", 12), "live", 9, reset=True)
        hub = hub_of(
            monkeypatch,
            story_seqs=lambda _ids: ("old", 9, {1: (9, "live")}),
            changes_after=lambda *_: other,
        )
        channel = hub.channels[1] = Channel(1, 8, "live", 9)
        _, network = reader_of(channel, hub)
        await hub._refresh()
        return network.text

    assert "new-12" not in asyncio.run(run())


def test_a_number_with_thousands_of_digits_is_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> str:
        channel = Channel(1, 8, "live", 9)
        hub, cursor = hub_of(monkeypatch), Cursor("old", 8)
        return (await replay(hub, channel, cursor, "9" * 5000)).text

    assert "event: ready" in asyncio.run(run())


@pytest.mark.django_db
def test_a_changed_time_between_two_reads_leaves_no_entry_out_of_order(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = make_story()
    first, second, third = (
        make_update(story, at=at) for at in ("1000", "1100", "1115")
    )
    drawn = fragment_cache._load_fragments

    def late(*args: Any) -> Any:
        version = Entry.objects.get(pk=first.pk).version
        verbs.edit(first, EntryText("Later.", at=gmt("1130")), version=version)
        verbs.withdraw(third)
        return drawn(*args)

    monkeypatch.setattr(fragment_cache, "_load_fragments", late)
    page = client.get(story.get_absolute_url()).content.decode()
    shown = re.findall(r'<article class="entry" id="entry-(\d+)"', page)
    told = re.findall(r'"@id":"[^"]*/updates/(\d+)/"', page)
    assert shown == told == [str(second.pk)]


@pytest.mark.django_db
@pytest.mark.parametrize("hidden", ["draft", "withdrawn"])
def test_a_cross_post_does_not_name_a_home_that_is_not_public(
    client: Client, hidden: str
) -> None:
    home = make_story("Zwyngaard comes")
    other, shown = make_story(live=False, headline="Zwyngaard goes"), make_story()
    entry = make_update(home)
    verbs.cross_post(entry, shown)
    if hidden == "draft":
        verbs.move(entry, other)
    else:
        verbs.withdraw_story(home)
    address = f"/stories/{shown.slug}/updates/{entry.pk}/"
    answer = client.get(address)
    assert answer.status_code == 200
    html = answer.content.decode()
    assert "zwyngaard" not in html.lower()
    assert f'rel="canonical" href="http://testserver{address}"' in html.replace(
        "http://127.0.0.1:8000", "http://testserver"
    )


@pytest.mark.django_db
def test_a_former_slug_can_become_the_current_one_again(client: Client) -> None:
    story = make_story(slug="fog")
    verbs.edit_story(story, slug="thick-fog")
    answer = client.get("/stories/fog/")
    assert answer.status_code == 301
    assert "max-age=0" in answer["Cache-Control"]


@pytest.mark.django_db
def test_a_410_is_revalidated_since_its_story_may_be_restored(client: Client) -> None:
    story = make_story()
    verbs.withdraw_story(story)
    answer = client.get(story.get_absolute_url())
    assert answer.status_code == 410
    assert "max-age=0" in answer["Cache-Control"]


@pytest.mark.django_db
@pytest.mark.parametrize("number", ["9" * 19, "9" * 40, "9" * 5000])
def test_huge_ids_are_404(client: Client, number: str) -> None:
    story = make_story()
    address = story.get_absolute_url()
    assert client.get(f"{address}updates/{number}/").status_code == 404
    assert client.get(f"{address}?before={number}").status_code == 404


@pytest.mark.django_db
def test_renaming_a_series_updates_the_lines_that_link_to_it(
    client: Client,
) -> None:
    entry, series = make_update(make_story()), make_series("Elsewhere Daily")
    verbs.add_link("see", entry=entry, target_series=series)
    client.force_login(make_user("chief", chief=True))
    words = {"name": "Everywhere Daily", "description": ""}
    client.post(f"/admin/entries/series/{series.pk}/change/", words)
    assert "Everywhere Daily" in Posting.objects.get(entry=entry).html


@pytest.mark.django_db
def test_a_live_story_stays_on_the_front_page(client: Client) -> None:
    make_story("The long strike")
    for _ in range(41):
        verbs.close_story(make_story())
    assert "The long strike" in client.get("/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_rerender_does_not_block_publishing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    story = make_story()
    bulk_updates(story, 2 * rerender.PROGRESS_STEP + 5)
    rerender_entry, turns = rerender.rerender_entry, []

    def other() -> None:
        try:
            make_update(Story.objects.get(pk=story.pk))
        finally:
            connection.close()

    def slow(entry: Entry) -> bool:
        if len(turns) % 50 == 0:
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
        turns.append(entry.pk)
        return rerender_entry(entry)

    monkeypatch.setattr(rerender, "rerender_entry", slow)
    call_command("rerender")
    assert len(turns) >= 2 * rerender.PROGRESS_STEP + 5
