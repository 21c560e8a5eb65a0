"""The words that search looks through."""

from typing import Self

from django.db import models
from django.db.models import OuterRef, Q, Subquery

from entries.models.entries import Entry, Posting
from entries.models.stories import Story


class SearchTextQuerySet(models.QuerySet["SearchText"]):
    """Search texts by who may read what they are of."""

    def public(self) -> Self:
        """Keep heads of public stories, and entries that stand in one."""
        visible = Posting.objects.visible().filter(entry=OuterRef("entry"))
        # Not EXISTS: beside an OR, PostgreSQL would read all postings to hash them.
        shown = Subquery(visible.values("visible")[:1])
        return self.filter(Q(story__state__in=Story.PUBLIC) | Q(shown))

    def with_sources(self) -> Self:
        """Fetch what a result names."""
        return self.select_related("story__series", "entry__story__series")


class SearchText(models.Model):
    """The plain words of a story's head, or of one entry; never both.

    The database itself indexes them: SQLite by triggers that fill `entries_fts`
    (FTS5), PostgreSQL in the generated column `vector`. Migration 0003 makes both.
    An alteration of this table by Django would lose the triggers.
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
