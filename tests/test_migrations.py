"""A database of the first release migrates with all its rows."""

from __future__ import annotations

import httpx

from tests.servers import Newsroom
from tests.test_backups import empty


def fill_first_release() -> None:
    """Write a story as the first release kept it, past all present models."""
    from datetime import UTC, datetime

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


NAMES = ("Site", "Story", "StorySlug", "Entry", "Posting")


def test_data_of_the_first_release_is_migrated(newsroom: Newsroom) -> None:
    empty(newsroom)
    newsroom.call(fill_first_release)
    newsroom.manage("migrate", "--verbosity", "0")
    newsroom.manage("rerender")
    server = newsroom.server()
    page = httpx.get(f"{server.url}/stories/fog/").text
    assert "The ferry has moored." in page
    assert "UPDATE" in page
    assert httpx.get(f"{server.url}/search/?q=moored").status_code == 200
