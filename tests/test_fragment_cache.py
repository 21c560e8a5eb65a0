"""The fragment cache: never stale, only what readers see, and bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import F
from django.test import Client

from entries import verbs
from entries.models import Entry, Image, Link, Posting, Series, Site, Story
from entries.pages import fragment_cache
from entries.pages.fragment_cache import FragmentCache
from tests.actions import clear_caches
from tests.builders import gmt, make_original, make_story, make_update, text
from tests.test_pages import get, make_picture

pytestmark = pytest.mark.django_db
ADDRESSES = ("/stories/fog/", "/stories/fog/?order=oldest")


@pytest.fixture
def story() -> Story:
    """Return a story that shows something of every kind of row."""
    clear_caches()
    lead = make_picture("quay", alt="A crane", caption="The quay")
    story = make_story("Fog", slug="fog", series="Harbour Daily", lead_image=lead)
    before = make_story("The day before", slug="before", series="Harbour Daily")
    verbs.close_story(before, continues_in=story)
    other = make_story("The pilots", slug="pilots", series="Sound Daily")
    make_original(story)
    make_picture("mast", alt="A mast", caption="Its lamp")
    make_update(story, "Seen at dawn.\n\n![](image:mast)", at="0700")
    led = make_update(story, "See Sound Daily: The pilots", at="0800", key_event=True)
    verbs.add_link("see", entry=led, target_story=other)
    make_update(story, "The ferry waits.", at="0900", headline="Waiting")
    verbs.cross_post(make_update(other, "All ashore.", at="1000"), story)
    make_update(story, "Call the port.", at="1100", pinned=True)
    return story


def update(at: str) -> Entry:
    return Entry.objects.get(at=gmt(at), story__slug__in=["fog", "mist", "pilots"])


def posting(at: str) -> Posting:
    return Posting.objects.select_related("entry").get(
        entry=update(at), story__slugs__slug="fog"
    )


def edit(at: str, body: str, **more: str) -> None:
    entry = update(at)
    words = text(body, at=more.get("to", at), headline=entry.headline)
    line = more.get("correction", "")
    verbs.edit(entry, words, version=entry.version, correction=line)


def caption(name: str) -> None:
    image = Image.objects.get(name=name)
    image.caption = f"{name} at noon"
    verbs.save_image(image)


def rename(known_as: str, **fields: Any) -> None:
    verbs.edit_story(Story.objects.get(slugs__slug=known_as), **fields)


def rename_series(slug: str) -> None:
    series = Series.objects.get(slug=slug)
    series.name = f"The {series.name}"
    verbs.save_series(series)


def bring_back_a_backup() -> None:
    """Do what a restore does: the same numbers are of other texts now."""
    Posting.objects.filter(entry__at=gmt("1100")).update(html="<article>Old</article>")
    Story.objects.filter(slug="fog").update(standfirst="As it was.")
    Site.objects.update(epoch="restored")


def bring_back_an_older_copy() -> None:
    """Lay an old file of the database back, past our restore."""
    Posting.objects.filter(entry__at=gmt("1200")).update(pinned=True)
    Story.objects.filter(slug="fog").update(seq=F("seq") - 1)


CHANGES: dict[str, Callable[[], object]] = {
    "edit": lambda: edit("0900", "The ferry sails."),
    "correct": lambda: edit("0900", "The ferry is gone.", correction="It left."),
    "retime": lambda: edit("0900", "The ferry is gone.", to="0630"),
    "post": lambda: make_update(Story.objects.get(slug="fog"), at="1200"),
    "caption": lambda: caption("mast"),
    "lead's caption": lambda: caption("quay"),
    "mark": lambda: verbs.set_marks(posting("0700"), key_event=True),
    "edit a key event": lambda: edit(
        "0800", "At eight.\n\nSee Sound Daily: The pilots"
    ),
    "unpin": lambda: verbs.set_marks(posting("1100"), pinned=False),
    "withdraw": lambda: verbs.withdraw(update("0700")),
    "restore": lambda: verbs.restore(update("0700")),
    "linked story renamed": lambda: rename("pilots", headline="No pilots"),
    "linked story moved": lambda: rename("pilots", slug="no-pilots"),
    "home of a cross-post withdrawn": lambda: verbs.withdraw_story(
        Story.objects.get(slug="no-pilots")
    ),
    "home of a cross-post restored": lambda: verbs.restore_story(
        Story.objects.get(slug="no-pilots")
    ),
    "link removed": lambda: verbs.remove_link(Link.objects.get(kind="see")),
    "series renamed": lambda: rename_series("harbour-daily"),
    "language": lambda: rename("fog", language="ar"),
    "first day": lambda: rename("fog", first_day=gmt("0000").date().replace(day=13)),
    "standfirst": lambda: rename("fog", standfirst="Ships wait."),
    "story before renamed": lambda: rename("before", headline="Yesterday"),
    "story before reopened": lambda: verbs.reopen_story(
        Story.objects.get(slug="before")
    ),
    "move here": lambda: verbs.move(
        make_update(Story.objects.get(slug="no-pilots"), at="1330"),
        Story.objects.get(slug="fog"),
    ),
    "move away": lambda: verbs.move(
        Entry.objects.get(at=gmt("1330")), Story.objects.get(slug="no-pilots")
    ),
    "erase": lambda: verbs.erase(update("0700")),
    "close": lambda: verbs.close_story(Story.objects.get(slug="fog")),
    "backup": bring_back_a_backup,
    "older copy": bring_back_an_older_copy,
    "slug": lambda: rename("fog", slug="mist"),
}


def test_pages_made_of_cached_fragments_show_every_change_at_once(
    client: Client, story: Story
) -> None:
    before = {address: get(client, address) for address in ADDRESSES}
    for name, change in CHANGES.items():
        change()
        if name == "slug":
            before = {path.replace("fog", "mist"): before[path] for path in before}
        kept = {address: get(client, address) for address in before}
        clear_caches()
        for address, page in kept.items():
            assert page == get(client, address), name
            assert _without_numbers(page) != _without_numbers(before[address]), name
        before = kept


def _without_numbers(page: str) -> str:
    """Return a page without what every change moves."""
    site = Site.current()
    seq = Story.objects.get(slugs__slug="fog").seq
    return page.replace(f"{site.epoch}-{seq}", "").replace(f'"{site.seq}"', "")


def texts() -> str:
    """Return all that is kept of postings."""
    return "".join(
        f"{part.html.decode()}{part.data.decode()}{part.title}"
        for kept, _ in fragment_cache.cache._stories.values()
        for part in kept.fragments.values()
    )


def test_only_visible_fragments_are_cached(client: Client, story: Story) -> None:
    clear_caches()
    address = story.get_absolute_url()
    get(client, address)
    gone = make_update(story, "Zwyngaard said so.", at="1400")
    make_update(story, "Zwyngaard draft", at="1410", state="draft", key_event=True)
    for _ in range(2):
        get(client, address)
        assert texts().count("Zwyngaard said so.") == 4  # HTML, twice in data, words
        assert "draft" not in texts()
        fragment_cache.cache.clear()
    get(client, address)
    verbs.withdraw(gone)
    get(client, address)
    assert "Zwyngaard" not in texts()
    assert "Call the port." in texts()


def test_cached_fragments_use_the_requested_slug(story: Story) -> None:
    kept = FragmentCache()
    for slug in ("fog", "mist", "fog"):
        story.slug = slug
        found = kept.fragments("epoch", story, kept.places("epoch", story)).values()
        assert all(f"/stories/{slug}/".encode() in part.data for part in found)


def test_a_changed_time_seen_by_another_page_leaves_no_entry_out_of_order(
    story: Story,
) -> None:
    kept, retimed = FragmentCache(), posting("0900").pk
    story.refresh_from_db()
    places = kept.places("epoch", story)
    kept.fragments("epoch", story, places)
    edit("0900", "The ferry is gone.", to="0630")
    story.refresh_from_db()
    kept.places("epoch", story)
    found = kept.fragments("epoch", story, places)
    assert {place.posting_id for place in places} - found.keys() == {retimed}


def test_the_cache_is_limited_and_keeps_the_last_requested_story() -> None:
    kept, asked = FragmentCache(limit=40_000), []
    for number in range(6):
        story = make_story(f"Story {number}")
        for at in ("0700", "0800"):
            make_update(story, f"Story {number}. " + "Long words. " * 200, at=at)
        story.refresh_from_db()
        asked.append(story)
        for one in (story, asked[0]):  # somebody always reads the first
            assert len(kept.fragments("epoch", one, kept.places("epoch", one))) == 2
    sizes = [size for _, size in kept._stories.values()]
    assert 20_000 < kept.size == sum(sizes) <= 40_000
    there = {pk for _, pk, _ in kept._stories}
    assert {asked[0].pk, asked[-1].pk} <= there
    assert len(there) < 6


@pytest.mark.parametrize("number", [1, 30])
def test_a_page_of_cached_fragments_needs_few_queries_for_any_number_of_updates(
    client: Client, number: int, django_assert_max_num_queries: Any
) -> None:
    story = make_story("Fog", slug="fog")
    for turn in range(number):
        make_update(story, f"Report {turn}.", at="0700", key_event=turn == 0)
    clear_caches()
    with django_assert_max_num_queries(8):
        get(client, "/stories/fog/")
    make_update(story, "The newest.", at="0800")
    with django_assert_max_num_queries(3):
        assert "The newest." in get(client, "/stories/fog/")
    with django_assert_max_num_queries(2):
        get(client, "/stories/fog/")
