"""A database of the first release migrates with all its rows."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import httpx

from tests.servers import Newsroom
from tests.test_backups import empty


def fill_first_release() -> None:
    """Write a story as the first release kept it, past all present models."""
    from datetime import UTC, datetime, timedelta

    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    first = ("entries", "0001_initial")
    others = {n for n in executor.loader.graph.leaf_nodes() if n[0] != "entries"}
    executor.migrate([*sorted(others), first])
    state = executor.loader.project_state(first)
    models = {name: state.apps.get_model("entries", name) for name in NAMES}
    at = datetime(2026, 3, 14, 18, 4, tzinfo=UTC)
    models["Site"].objects.create(pk=1, epoch="0a1b2c3d", seq=1)
    story = models["Story"].objects.create(
        headline="Fog over the harbour", slug="fog", state="live", live_at=at, seq=2
    )
    models["StorySlug"].objects.create(slug="fog", story=story)
    entry = models["Entry"].objects.create(
        story=story,
        state="published",
        at=at,
        published_at=at,
        body="The ferry has moored.",
        html="<p>The ferry has moored.</p>",
    )
    html = f'<article id="entry-{entry.pk}"><p>The ferry has moored.</p></article>'
    models["Posting"].objects.create(
        entry=entry, story=story, seq=2, first_seq=2, html=html
    )
    old = models["Entry"].objects.create(
        story=story,
        state="published",
        at=at - timedelta(days=9),
        published_at=at - timedelta(days=9),
        body="The lamp is lit.",
        html="<p>The lamp is lit.</p>",
        version=4,
    )
    models["Posting"].objects.create(
        entry=old, story=story, seq=1, first_seq=1, html="<article></article>"
    )


def correct_before_feeds() -> None:
    """Write corrections as the release before the dates of feeds kept them."""
    from datetime import UTC, datetime, timedelta

    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    before = ("entries", "0016_people_and_audience")
    executor = MigrationExecutor(connection)
    apps = executor.migrate([before]).apps
    at = datetime(2026, 3, 14, 18, 4, tzinfo=UTC)
    entry = apps.get_model("entries", "Entry").objects.get(body="The lamp is lit.")
    for number, note in enumerate(("It is lit.", "", "Never said."), 1):
        apps.get_model("entries", "EntryVersion").objects.create(
            entry=entry,
            number=number,
            correction=note,
            hidden=number == 3,
            changed_at=at - timedelta(days=4 - number),
        )
    withdrawn = apps.get_model("entries", "Story").objects.create(
        headline="A bell", slug="bell", state="withdrawn", live_at=at, seq=2
    )
    inside = apps.get_model("entries", "Entry").objects.create(
        story=withdrawn, state="published", at=at, published_at=at, body="It rings."
    )
    apps.get_model("entries", "Posting").objects.create(
        entry=inside, story=withdrawn, seq=1, first_seq=1, at=at
    )


def seen_but_undated() -> int:
    """Count the postings that readers saw before there were dates of feeds."""
    from entries.models import Posting

    return Posting.objects.filter(first_seq__gt=0, public_at=None).count()


NAMES = ("Site", "Story", "StorySlug", "Entry", "Posting")


def test_data_of_the_first_release_is_migrated(newsroom: Newsroom) -> None:
    empty(newsroom)
    newsroom.call(fill_first_release)
    newsroom.call(correct_before_feeds)
    newsroom.manage("migrate", "--verbosity", "0")
    assert newsroom.call(seen_but_undated) == 0
    newsroom.manage("rerender")
    server = newsroom.server()
    page = httpx.get(f"{server.url}/stories/fog/").text
    assert "The ferry has moored." in page
    assert "UPDATE" in page
    assert httpx.get(f"{server.url}/search/?q=moored").status_code == 200
    feed = httpx.get(f"{server.url}/feed/").text
    made = f"{datetime.now(UTC):%Y-%m-}"
    ids = re.findall(r"<id>(tag:testserver,[\d-]+:entry-\d)</id>", feed)
    assert [one[-7:] for one in ids] == ["entry-1", "entry-2"]  # as they were
    assert all(made in one for one in ids)
    updated = re.findall(r"<updated>([^<]*)</updated>", feed)
    now, lit = "2026-03-14T18:04:00+00:00", "2026-03-11T18:04:00+00:00"
    assert updated == [now, now, lit]
