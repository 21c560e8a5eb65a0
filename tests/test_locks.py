"""The order of locks, which rules out deadlocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import Model

from entries import verbs
from entries.models import Entry, Link, Story
from tests.builders import make_series, make_story, make_update, text

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE = 20.0  # seconds


def ask(sql: str, *values: object) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        row = cursor.fetchone()
    return int(row[0])


def hold(row: Model) -> None:
    """Lock a row, or fail at once where somebody else holds it."""
    with transaction.atomic():
        type(row)._base_manager.select_for_update(nowait=True).get(pk=row.pk)


class Other:
    """Somebody else, with a connection of their own."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.pool = pool
        self.backend = pool.submit(ask, "SELECT pg_backend_pid()").result()

    @contextmanager
    def stops_at(self, row: Model, act: Callable[[], object]) -> Iterator[None]:
        """Let them do something as far as they get while a row is locked."""
        blocked = "SELECT cardinality(pg_blocking_pids(%s))"
        with transaction.atomic():
            hold(row)
            done, end = self.pool.submit(act), time.monotonic() + PATIENCE
            while not ask(blocked, self.backend):
                assert not done.done(), "they never asked for that lock"
                assert time.monotonic() < end
                time.sleep(0.005)
            yield
        done.result(PATIENCE)


@pytest.fixture
def other() -> Iterator[Other]:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one write at a time")
    with ThreadPoolExecutor(1) as pool:
        yield Other(pool)
        pool.submit(lambda: connection.close()).result()


def test_verbs_lock_entries_first_and_then_stories_in_ascending_order(
    other: Other,
) -> None:
    """What makes sure that no two of them ever wait for each other.

    Each verb is stopped at an entry, when it may hold no story, and at the lower of
    two stories, when it may not hold the higher.
    """
    low, high = make_story(series="Daily"), make_story(series="Daily")
    up, down = make_update(low), make_update(high)
    series = make_series("Daily")

    def link(entry: Entry, story: Story) -> None:
        verbs.add_link_both_ways(Link(kind="see", entry=entry, target_story=story))

    def edit(entry: Entry) -> None:
        words = text(at=entry.at)
        verbs.edit(entry, words, version=Entry.objects.get(pk=entry.pk).version)

    acts: list[tuple[Entry, Callable[[], object]]] = [
        (up, lambda: verbs.cross_post(up, high)),
        (down, lambda: verbs.cross_post(down, low)),
        (up, lambda: edit(up)),
        (down, lambda: verbs.set_marks(down.postings.get(story=low), pinned=True)),
        (up, lambda: link(up, high)),
        (down, lambda: link(down, low)),
        (up, lambda: verbs.edit_story(low, headline="The fog lifts")),
        (down, lambda: verbs.edit_story(high, headline="The ice breaks")),
        (up, lambda: verbs.save_series(series)),
        (down, lambda: verbs.remove_cross_post(down.postings.get(story=low))),
        (down, lambda: verbs.move(down, low)),
    ]
    for entry, act in acts:
        with other.stops_at(entry, act):
            hold(low)
            hold(high)
        with other.stops_at(low, act):
            hold(high)


def test_a_story_is_deleted_after_its_drafts_are_locked(other: Other) -> None:
    story = make_story(live=False)
    draft = make_update(story, state="draft")
    with other.stops_at(draft, lambda: verbs.delete_story(story)):
        hold(story)
    assert not Story.objects.filter(pk=story.pk).exists()


def test_an_own_story_is_created_after_the_home_story_is_locked(other: Other) -> None:
    """Otherwise it would hold its slug, which a verb with the home story may want."""
    home = make_story()
    entry = make_update(home)
    with other.stops_at(home, lambda: verbs.story_from_entry(entry, "Fog and ice")):
        verbs.create_story("Fog and ice")
    slugs = Story.objects.exclude(pk=home.pk).values_list("slug", flat=True)
    assert set(slugs) == {"fog-and-ice", "fog-and-ice-2"}


def test_a_verb_with_the_wrong_lock_order_would_be_found(
    other: Other,
) -> None:
    low, high = make_story(), make_story()

    @transaction.atomic
    def wrong() -> None:
        hold(high)
        Story.objects.select_for_update().get(pk=low.pk)

    with other.stops_at(low, wrong), pytest.raises(OperationalError):
        hold(high)
