"""Which updates are on which page, and that old URLs keep their content."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from entries import verbs
from entries.models import Entry, Posting, Story
from entries.pages import timeline
from entries.pages.timeline import NoSuchEntry, Page, Pager
from tests.builders import (
    DAY,
    bulk_updates,
    gmt,
    make_original,
    make_story,
    make_update,
)

pytestmark = pytest.mark.django_db
BREAKS = [0, 1, 2, 49, 50, 51, 99, 100, 101, 149, 150, 151, 199, 200, 201, 249, 260]


def filled(number: int, *, a_minute: int = 3) -> Story:
    story = make_story()
    bulk_updates(story, number, a_minute=a_minute)
    return story


def in_order(story: Story) -> list[int]:
    """Return the ids of all its updates, oldest first."""
    entries = Entry.objects.filter(story=story, kind="update", state="published")
    return list(entries.order_by("at", "pk").values_list("pk", flat=True))


def ids(page: Page) -> list[int]:
    return [posting.entry_id for posting in page.updates]


def follow(story: Story, pager: Pager) -> Page:
    """Return the page that a link leads to."""
    query = parse_qs(urlsplit(pager.url).query)
    return timeline.timeline_page(
        story,
        order=query.get("order", ["newest"])[0],
        before=int(query.get("before", ["0"])[0]),
        start=int(query.get("from", ["0"])[0]),
    )


def walk(story: Story, order: str) -> Iterator[Page]:
    """Go from the first page to the last by the links below the updates."""
    page = timeline.timeline_page(story, order=order)
    yield page
    while page.bottom:
        page = follow(story, page.bottom)
        yield page


def posting_of(entry_id: int) -> Posting:
    return Posting.objects.get(entry_id=entry_id)


@pytest.mark.parametrize("number", BREAKS)
def test_newest_first_pages_contain_every_update_once_and_in_order(number: int):
    story = filled(number)
    walked = [pk for page in walk(story, "newest") for pk in ids(page)]
    assert walked == in_order(story)[::-1]


@pytest.mark.parametrize("number", BREAKS)
def test_oldest_first_pages_contain_every_update_once_and_in_order(number: int):
    story = filled(number)
    walked = [pk for page in walk(story, "oldest") for pk in ids(page)]
    assert walked == in_order(story)


@pytest.mark.parametrize("number", BREAKS)
def test_both_orders_have_the_same_page_breaks(number: int):
    story = filled(number)
    newest = [sorted(ids(page)) for page in walk(story, "newest")]
    oldest = [ids(page) for page in walk(story, "oldest")]
    assert newest == oldest[::-1]


@pytest.mark.parametrize("number", BREAKS)
def test_links_to_newer_pages_go_through_the_same_pages(number: int):
    story = filled(number)
    for order in ("newest", "oldest"):
        pages = list(walk(story, order))
        for above, below in pairwise(pages):
            assert below.top is not None
            assert ids(follow(story, below.top)) == ids(above)
        assert pages[0].top is None


@pytest.mark.parametrize("number", BREAKS)
def test_the_first_page_has_fifty_to_ninety_nine_updates_and_older_pages_fifty(
    number: int,
):
    sizes = [len(ids(page)) for page in walk(filled(number), "newest")]
    assert sizes[1:] == [50] * (len(sizes) - 1)
    assert sizes[0] == (number if number < 100 else 50 + number % 50)


def test_an_older_page_keeps_its_content_while_updates_arrive():
    story = filled(130)
    first = timeline.timeline_page(story)
    assert first.older is not None
    before = ids(follow(story, first.older))
    bulk_updates(story, 140, gmt("2000"))
    assert ids(follow(story, first.older)) == before


def test_every_older_page_url_keeps_its_content():
    story = make_story()
    given: dict[str, tuple[Pager, list[int]]] = {}
    for round_ in range(16):
        bulk_updates(story, 17, gmt(f"{round_:02}00"))
        for page in walk(story, "newest"):
            if page.older:
                shown = ids(follow(story, page.older))
                given.setdefault(page.older.url, (page.older, shown))
    assert len(given) == 4
    assert all(ids(follow(story, pager)) == shown for pager, shown in given.values())


def test_a_page_url_works_when_its_entry_was_withdrawn():
    story = filled(130)
    older = timeline.timeline_page(story).older
    assert older is not None
    before = ids(follow(story, older))
    named = int(parse_qs(urlsplit(older.url).query)["before"][0])
    verbs.withdraw(Entry.objects.get(pk=named))
    assert ids(follow(story, older)) == before


def test_a_page_url_works_when_its_entry_was_moved():
    story = filled(130)
    older = timeline.timeline_page(story).older
    assert older is not None
    before = ids(follow(story, older))
    named = int(parse_qs(urlsplit(older.url).query)["before"][0])
    verbs.move(Entry.objects.get(pk=named), make_story())
    assert ids(follow(story, older)) == before


def test_a_page_below_the_former_newest_update_has_nothing_above_it():
    story = filled(3)
    newest = make_update(story, at="2359")
    verbs.withdraw(newest)
    for order in ("newest", "oldest"):
        page = timeline.timeline_page(story, order=order, before=newest.pk)
        assert sorted(ids(page)) == in_order(story)
    assert page.newer is None


@pytest.mark.parametrize("number", BREAKS)
@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_a_page_from_the_former_newest_update_is_the_last_one(number: int, order: str):
    story = filled(number)
    newest = make_update(story, at="2359")
    verbs.withdraw(newest)
    page = timeline.timeline_page(story, order=order, start=newest.pk)
    *_, last = walk(story, "oldest")
    assert sorted(ids(page)) == sorted(ids(last))
    assert page.newer is None


def test_a_withdrawn_update_is_on_no_page():
    story = filled(60)
    verbs.withdraw(Entry.objects.get(pk=in_order(story)[30]))
    walked = [pk for page in walk(story, "newest") for pk in ids(page)]
    assert walked == in_order(story)[::-1]
    assert len(walked) == 59


def test_a_position_that_was_never_public_is_invalid():
    story, other = filled(3), filled(1)
    draft = make_update(story, state="draft")
    for entry_id in (draft.pk, in_order(other)[0], 987_654_321):
        with pytest.raises(NoSuchEntry):
            timeline.timeline_page(story, before=entry_id)
        with pytest.raises(NoSuchEntry):
            timeline.timeline_page(story, start=entry_id)


def test_the_original_entry_is_no_position_in_the_timeline():
    story = filled(3)
    original = make_original(story)
    with pytest.raises(NoSuchEntry):
        timeline.timeline_page(story, before=original.pk)


def test_updates_of_the_same_minute_are_in_the_order_of_their_ids():
    story = make_story()
    first, second = make_update(story, at="1200"), make_update(story, at="1200")
    assert ids(timeline.timeline_page(story)) == [second.pk, first.pk]
    assert ids(timeline.timeline_page(story, order="oldest")) == [first.pk, second.pk]


def test_a_backdated_update_is_placed_by_its_time():
    story = make_story()
    late, early = make_update(story, at="1800"), make_update(story, at="0600")
    middle = make_update(story, at="1200")
    assert ids(timeline.timeline_page(story)) == [late.pk, middle.pk, early.pk]


def test_a_pinned_update_is_once_on_the_first_page_and_in_place_on_its_own():
    story = filled(130)
    old = in_order(story)[10]
    verbs.set_marks(posting_of(old), pinned=True)
    front, *rest = walk(story, "newest")
    assert [posting.entry_id for posting in front.pinned] == [old]
    assert old not in ids(front)
    assert [page.pinned for page in rest] == [[]] * len(rest)
    assert sum(old in ids(page) for page in rest) == 1


def test_a_pinned_update_is_not_in_the_list_of_the_first_page():
    story = filled(5)
    newest = in_order(story)[-1]
    verbs.set_marks(posting_of(newest), pinned=True)
    page = timeline.timeline_page(story)
    assert [posting.entry_id for posting in page.pinned] == [newest]
    assert newest not in ids(page)
    assert newest in ids(timeline.timeline_page(story, order="oldest"))


def test_pinned_updates_are_newest_first():
    story = make_story()
    late = make_update(story, at="1800", pinned=True)
    early = make_update(story, at="0600", pinned=True)
    pinned = timeline.timeline_page(story).pinned
    assert [posting.entry_id for posting in pinned] == [late.pk, early.pk]


def test_the_original_entry_is_on_the_first_and_the_oldest_page():
    story = filled(160)
    original = make_original(story)
    front, middle, last = walk(story, "newest")
    assert front.original is not None
    assert front.original.entry_id == original.pk
    assert not middle.has_original
    assert middle.original is None
    assert last.original is not None
    oldest = timeline.timeline_page(story, order="oldest")
    assert oldest.original is not None


def test_a_page_knows_its_older_and_newer_neighbours():
    story = filled(160)
    front, middle, last = walk(story, "newest")
    keys = [e.sort_key for e in Entry.objects.filter(story=story).order_by("at", "pk")]
    assert (front.newer_key, front.older_key) == ("", keys[100])
    assert (middle.newer_key, middle.older_key) == (keys[100], keys[50])
    assert (last.newer_key, last.older_key) == (keys[50], "")


def test_a_page_knows_the_time_of_the_newest_update_of_the_story():
    story = filled(160, a_minute=1)
    assert {page.last_at for page in walk(story, "newest")} == {gmt("0239", DAY)}
    assert timeline.timeline_page(make_story()).last_at is None


def test_an_empty_story_has_one_page_without_links():
    page = timeline.timeline_page(make_story())
    assert (ids(page), page.top, page.bottom) == ([], None, None)
    assert page.has_original


def test_a_link_to_an_older_update_goes_to_its_page(client: Client) -> None:
    story = filled(260)
    every = in_order(story)
    pinned = every[7]
    story.postings.filter(entry=pinned).update(pinned=True)
    for pk in [*every[::23], *every[48:53], *every[148:153], every[2], pinned]:
        answer = client.get(f"{story.get_absolute_url()}?at={pk}")
        address, _, fragment = answer["Location"].partition("#")
        assert (answer.status_code, fragment) == (302, f"entry-{pk}")
        assert f'id="entry-{pk}"' in client.get(address).content.decode()
        assert (pk in every[200:] or pk == pinned) == ("before" not in address)
    assert client.get(f"{story.get_absolute_url()}?at=99999999").status_code == 404


def test_permalinks_and_key_events_link_to_the_live_page(
    client: Client,
) -> None:
    story = make_story()
    update = make_update(story, key_event=True)
    link = f'href="{story.get_absolute_url()}?at={update.pk}#entry-{update.pk}"'
    assert link in client.get(update.get_absolute_url()).content.decode()
    assert link in client.get(story.get_absolute_url()).content.decode()
