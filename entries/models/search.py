"""The table behind full-text search."""

from typing import Self

from django.db import models
from django.db.models import OuterRef, Q, Subquery

from entries.models.entries import Entry, Posting
from entries.models.stories import Story


class SearchTextQuerySet(models.QuerySet["SearchText"]):
    """Queries for indexed texts by the visibility of their sources."""

    def public(self) -> Self:
        """Return the texts of public stories, and of entries visible in any story."""
        postings = Posting.objects.visible().filter(entry=OuterRef("entry"))
        # Not EXISTS: with the OR, PostgreSQL would hash all visible postings first.
        visible = Subquery(postings.values("visible")[:1])
        return self.filter(Q(story__state__in=Story.PUBLIC) | Q(visible))

    def with_sources(self) -> Self:
        """Fetch the stories and entries of the texts in the same query."""
        return self.select_related("story__series", "entry__story__series")


class SearchText(models.Model):
    """The plain text of either a story's head or an entry, for full-text search.

    The database indexes it: on SQLite triggers fill `entries_fts` (FTS5), on PostgreSQL
    `vector` is a generated column. Migration 0003 creates both. A migration that alters
    this table on SQLite must create the triggers again.
    """

    story = models.OneToOneField(
        Story, models.CASCADE, null=True, related_name="search_text"
    )
    entry = models.OneToOneField(
        Entry, models.CASCADE, null=True, related_name="search_text"
    )
    headline = models.TextField(blank=True)
    body = models.TextField(blank=True)

    objects = SearchTextQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(story__isnull=True, entry__isnull=False)
                | Q(story__isnull=False, entry__isnull=True),
                name="a_search_text_is_of_one_thing",
            )
        ]

    def __str__(self) -> str:
        return self.headline or self.body[:60]
