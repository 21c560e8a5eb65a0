"""The work a page costs does not grow with running stories, nor with the archive.

Work is counted in the database, without a clock: steps of SQLite's virtual machine,
rows that PostgreSQL reads. Numbers of queries say nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from entries import verbs
from entries.desk import pulse
from entries.models import Story
from entries.pages import search
from entries.verbs import EntryText
from tests.builders import bulk_updates, make_original, make_story, signed_in

pytestmark = pytest.mark.django_db
Act = Callable[[], Any]
GRAIN = 50  # steps of SQLite between two counts
FEW = {"sqlite": 8_000, "postgresql": 400}  # work that is not worth a look
# Lists that count the updates of the stories on a page, from an index alone.
COUNTING = ("stories", "stories by update", "stories, search", "contributor's stories")


def work(act: Act) -> int:
    """Return how much the database did for an act."""
    with connection.cursor() as cursor:  # a connection there is
        if connection.vendor == "postgresql":
            for plan in ("seqscan", "hashjoin", "mergejoin"):  # tables here are small
                cursor.execute(f"SET LOCAL enable_{plan} = off")
            before = _rows_read()
            act()
            return _rows_read() - before
        count = 0

        def step() -> None:
            nonlocal count
            count += GRAIN

        assert connection.connection is not None
        connection.connection.set_progress_handler(step, GRAIN)
        try:
            act()
        finally:
            connection.connection.set_progress_handler(None, GRAIN)
        return count


def _rows_read() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT SUM(seq_tup_read + COALESCE(idx_tup_fetch, 0)) "
            "FROM pg_stat_xact_user_tables"
        )
        return int(cursor.fetchone()[0])


class Site:
    """A site with a running story and its people."""

    def __init__(self) -> None:
        self.reader, self.chief = Client(), signed_in("chief", chief=True)
        self.writer = signed_in("writer", "Contributors")
        self.story = make_story("Fog over the harbour", series="Sorrava Daily")
        self.other = make_story("The low bridge", series="Sorrava Daily")
        make_original(self.story)
        for story in (self.story, self.other):  # enough to fill a page of every list
            bulk_updates(story, 100)
        verbs.post(self.story, EntryText("A zephyr at last."))
        self.ended(3)

    def ended(self, number: int) -> None:
        """Add stories that have ended."""
        for _ in range(number):
            story = make_story(series="Sorrava Daily")
            bulk_updates(story, 6)
            verbs.close_story(story)

    def acts(self) -> dict[str, Act]:
        """Return what is asked and done, by name."""
        desk = reverse("admin:entries_story_change", args=[self.story.pk])
        lists = {
            model: reverse(f"admin:entries_{model}_changelist")
            for model in ("story", "entry", "link", "image")
        }
        have = str(pulse.current_pulse(self.story.pk))
        paths = {
            "front": "/",
            "feed": "/feed/",
            "series feed": "/series/sorrava-daily/feed/",
            "series": "/series/sorrava-daily/",
            "search": "/search/?q=zephyr",
        }
        desks = {
            "/admin/": "/admin/",
            "moderate": "/admin/moderate/",
            "queue": reverse("admin:entries_entry_queue"),
            "poll": f"{desk.replace('change', 'desk/timeline')}?have={have}",
            "desk": desk,
            "stories": lists["story"],
            "stories by update": f"{lists['story']}?o=-4",
            "stories, search": f"{lists['story']}?q=bridge",
            "entries, search": f"{lists['entry']}?q=zephyr",
            "drafts": f"{lists['entry']}?state__exact=draft",
            "links": lists["link"],
        }
        asked = {
            name: lambda path=path: self.reader.get(path)
            for name, path in paths.items()
        }
        asked |= {
            name: lambda path=path: self.chief.get(path) for name, path in desks.items()
        }
        asked["contributor's stories"] = lambda: self.writer.get(lists["story"])
        return asked | self._verbs()

    def _verbs(self) -> dict[str, Act]:
        early = timezone.now() - timedelta(days=1)
        return {
            "publish": lambda: verbs.post(self.story, EntryText("One more.")),
            "backdate": lambda: verbs.post(self.story, EntryText("Late.", at=early)),
            "tick": lambda: (verbs.publish_due(), verbs.toggle_due_features()),
            "suggest": lambda: search.suggest_stories("A zephyr over the bridge"),
            "number of the site": lambda: Story.objects.public().total_seq(),
        }

    def cost(self) -> dict[str, int]:
        """Return the work of every act, each done once before."""
        for act in self.acts().values():
            act()
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL default_statistics_target = 1000")  # all
                cursor.execute("ANALYZE")
        return {name: work(act) for name, act in self.acts().items()}


def grown(before: dict[str, int], after: dict[str, int]) -> list[str]:
    """Name what costs more than twice as much."""
    few = FEW[connection.vendor]
    return [
        f"{name}: {before[name]} → {cost}"
        for name, cost in after.items()
        if cost > 2 * max(before[name], few * (10 if name in COUNTING else 1))
    ]


def test_costs_do_not_grow_with_the_length_of_live_stories() -> None:
    site = Site()
    before = site.cost()
    for story in (site.story, site.other):
        bulk_updates(story, 1500)
    assert grown(before, site.cost()) == []


def test_costs_do_not_grow_with_the_archive() -> None:
    site = Site()
    site.ended(45)  # a page of every list is full
    before = site.cost()
    site.ended(180)
    bulk_updates(Story.objects.filter(state="closed").latest("pk"), 3000)
    assert grown(before, site.cost()) == []
