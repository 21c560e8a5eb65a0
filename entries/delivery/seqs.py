"""The numbers that say whether anything changed: one small question to the rows.

It is asked after every commit and every second, by every process, and nothing else
is while nothing happens. So it is SQL of our own, a statement a question: building
the same from querysets costs several times what the database takes to answer.
"""

from collections.abc import Collection
from typing import Any

from django.db import connection

from entries.models import Site, Story

_STORIES = (
    "SELECT site.epoch, site.seq, story.id, story.seq, story.state "
    "FROM entries_site site LEFT JOIN entries_story story ON story.id IN ({}) "
    "WHERE site.id = 1"
)
_SLUGS = (
    "SELECT site.epoch, site.seq, named.slug, named.seq "
    "FROM entries_site site LEFT JOIN (SELECT slug.slug, story.seq "
    "FROM entries_storyslug slug JOIN entries_story story ON story.id = slug.story_id "
    "WHERE story.state IN (%s, %s) AND slug.slug IN ({})) named ON TRUE "
    "WHERE site.id = 1"
)


def story_seqs(
    story_ids: Collection[int],
) -> tuple[str, int, dict[int, tuple[int, str]]]:
    """Return the epoch, the site's number, and `(seq, state)` of some stories."""
    epoch, site_seq, rows = _query(_STORIES, story_ids)
    return epoch, site_seq, {pk: (seq, state) for pk, seq, state in rows}


def slug_seqs(slugs: Collection[str]) -> tuple[str, int, dict[str, int]]:
    """Return the epoch, the site's number, and `seq` of public stories by slug.

    The empty slug stands for all of them: its number moves with every change.
    """
    epoch, site_seq, rows = _query(_SLUGS, slugs, *Story.PUBLIC)
    found = dict(rows)
    if "" in slugs:
        found[""] = Story.objects.public().total_seq()
    return epoch, site_seq, found


def _query(
    statement: str, names: Collection[Any], *first: str
) -> tuple[str, int, list[Any]]:
    """Return the site's epoch and number, and a row for each name that was found."""
    places = ", ".join(["%s"] * len(names)) or "NULL"
    with connection.cursor() as cursor:
        cursor.execute(statement.format(places), [*first, *names])
        rows = cursor.fetchall()
    if not rows:  # a new site
        Site.current()
        return _query(statement, names, *first)
    epoch, site_seq = rows[0][:2]
    return epoch, site_seq, [row[2:] for row in rows if row[2] is not None]
