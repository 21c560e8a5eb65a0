"""Read the sequence numbers that show whether anything changed, in one small query.

Every process runs these queries after each commit and once a second, and no others
while nothing changes. So they are handwritten SQL: building them from querysets would
take several times as long as running them.
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
    "WHERE story.state IN (%s, %s, %s) AND slug.slug IN ({})) named ON TRUE "
    "WHERE site.id = 1"
)


def story_seqs(
    story_ids: Collection[int],
) -> tuple[str, int, dict[int, tuple[int, str]]]:
    """Return the epoch, the site's seq, and `(seq, state)` of stories by id."""
    epoch, site_seq, rows = _query(_STORIES, story_ids)
    return epoch, site_seq, {pk: (seq, state) for pk, seq, state in rows}


def slug_seqs(slugs: Collection[str]) -> tuple[str, int, dict[str, int]]:
    """Return the epoch, the site's seq, and the seq of public stories by slug.

    The empty slug stands for all public stories: its seq changes with any of theirs.
    """
    epoch, site_seq, rows = _query(_SLUGS, slugs, *Story.PUBLIC)
    found = dict(rows)
    if "" in slugs:
        found[""] = Story.objects.public().total_seq()
    return epoch, site_seq, found


def _query(
    statement: str, values: Collection[Any], *first: str
) -> tuple[str, int, list[Any]]:
    """Return the site's epoch and seq, and the other columns of each story found."""
    placeholders = ", ".join(["%s"] * len(values)) or "NULL"
    with connection.cursor() as cursor:
        cursor.execute(statement.format(placeholders), [*first, *values])
        rows = cursor.fetchall()
    if not rows:  # the site's row does not exist yet
        Site.current()
        return _query(statement, values, *first)
    epoch, site_seq = rows[0][:2]
    return epoch, site_seq, [row[2:] for row in rows if row[2] is not None]
