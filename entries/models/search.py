"""The tables behind full-text search."""

from collections.abc import Iterable
from typing import Any, Self

from django.contrib.postgres.search import SearchRank, SearchVectorField
from django.db import connection, models
from django.db.models import F, OuterRef, Q, Subquery, Value
from django.utils.translation import gettext_lazy as _

from entries.database.full_text import (
    BM25,
    TokenQuery,
    all_of,
    any_of,
    fts5_text,
    tsvector,
    without,
)
from entries.models.entries import Entry, Posting
from entries.models.stories import Story
from entries.text import words
from entries.text.words import Term


class SearchTextQuerySet(models.QuerySet["SearchText"]):
    """Queries for indexed texts by their words, and the visibility of their sources."""

    def public(self) -> Self:
        """Return the texts of public stories, and of entries visible in any story."""
        postings = Posting.objects.visible().filter(entry=OuterRef("entry"))
        # Not EXISTS: with the OR, PostgreSQL would hash all visible postings first.
        visible = Subquery(postings.values("visible")[:1])
        return self.filter(Q(story__state__in=Story.PUBLIC) | Q(visible))

    def with_sources(self) -> Self:
        """Fetch the stories and entries of the texts in the same query."""
        rows = self.select_related("story__series", "entry__story__series")
        return rows.defer("vector", "folded")

    def matching(self, terms: Iterable[Term]) -> Self:
        """Return the texts that match every term."""
        return self._matching(all_of(any_of(term.phrases) for term in terms))

    def matching_as_typed(self, terms: Iterable[Term]) -> Self:
        """Return the texts that match the first form of every term, with diacritics."""
        terms = list(terms)
        queries = [any_of(term.phrases[:1]) for term in terms]
        queries += [any_of([((token,), False)]) for t in terms for token in t.typed]
        others = [token for term in terms for token in term.folded]
        return self._matching(without(all_of(queries), others))

    def newest(self, since: int = 0) -> Self:
        """Return matching texts, newest first, from the id `since` on."""
        # FTS5 reads its rows in their order, and the texts' own ids say nothing of it.
        sqlite = connection.vendor == "sqlite"
        rows = self.filter(**{"tokens__pk__gte" if sqlite else "pk__gte": since})
        return rows.order_by("-tokens__pk" if sqlite else "-pk")

    def _matching(self, query: str) -> Self:
        if connection.vendor == "sqlite":
            return self.filter(tokens__table__match=query).annotate(
                rank=BM25("tokens__table")
            )
        tsquery = TokenQuery(query, search_type="raw")
        rank = SearchRank(F("vector"), tsquery, normalization=Value(1))
        return self.filter(vector=tsquery).annotate(rank=Value(0.0) - rank)

    def save_texts(self, texts: Iterable["SearchText"], source: str) -> None:
        """Insert or update texts by their source, `entry` or `story`, with tokens."""
        rows = list(texts)
        names = ["headline", "body", "folded", "vector"]
        for row in rows:
            row.set_tokens()
        self.bulk_create(
            rows,
            update_conflicts=True,
            update_fields=names,
            unique_fields=[source],
            batch_size=200,
        )
        if connection.vendor == "sqlite":
            FullText.objects.filter(pk__in=[row.pk for row in rows]).delete()
            FullText.objects.bulk_create([row.full_text for row in rows])


class SearchText(models.Model):
    """The plain text of either a story's head or an entry, for full-text search.

    Entries that readers do not see have one too, for the newsroom. `folded` is what the
    search in a timeline compares: an entry's headline, source and byline. PostgreSQL
    indexes `vector`, SQLite has `FullText`.
    """

    story = models.OneToOneField(
        Story, models.CASCADE, null=True, related_name="search_text"
    )
    entry = models.OneToOneField(
        Entry, models.CASCADE, null=True, related_name="search_text"
    )
    headline = models.TextField(blank=True)
    body = models.TextField(blank=True)
    folded = models.TextField(null=True)  # until it is indexed, after an upgrade
    vector = SearchVectorField(null=True)

    full_text: "FullText"
    byline = ""  # found, but in no column
    language = ""

    objects = SearchTextQuerySet.as_manager()

    class Meta:
        verbose_name = _("text of the search index")
        verbose_name_plural = _("texts of the search index")
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

    def set_tokens(self) -> None:
        """Set what the database indexes, from the texts."""
        texts = (self.headline, self.body, self.byline)
        headline, body = words.index_tokens(texts, self.language)
        if connection.vendor == "sqlite":
            tokens = {"headline": fts5_text(headline), "body": fts5_text(body)}
            self.full_text = FullText(text=self, **tokens)
        else:
            self.vector = tsvector(headline, body)


class FullTextManager(models.Manager["FullText"]):
    """A manager that finds nothing on databases without the table."""

    def get_queryset(self) -> Any:
        """Return no rows on PostgreSQL."""
        rows = super().get_queryset()
        return rows if connection.vendor == "sqlite" else rows.none()


class FullText(models.Model):
    """SQLite's full-text index (FTS5): the tokens of each text.

    `table` is FTS5's hidden column, which matches all columns in a query. Migration
    0022 creates the table, and a trigger that deletes a row with its text.
    """

    text = models.OneToOneField(
        SearchText,
        models.DO_NOTHING,
        primary_key=True,
        db_column="rowid",
        related_name="tokens",
    )
    headline = models.TextField()
    body = models.TextField()
    table = models.TextField(null=True, db_column="entries_fts")

    objects = FullTextManager()

    class Meta:
        managed = False
        db_table = "entries_fts"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.headline} {self.body}"[:60]
