"""Full-text search of the databases: PostgreSQL's tsvector, and SQLite's FTS5.

Both get tokens that are made already (`entries.text.words`), so nothing here parses,
stems or ignores words. A phrase is a sequence of tokens, and whether the last is only
the beginning of one. Documents are tokens by their position.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from django.contrib.postgres.search import SearchQuery
from django.db import connection
from django.db.models import FloatField, Func, Lookup, TextField

# Django's lookups are generic for type checkers, but not at runtime.
if TYPE_CHECKING:
    _Lookup = Lookup[Any]
else:
    _Lookup = Lookup
Phrases = Iterable[tuple[Sequence[str], bool]]
TokenPlaces = Sequence[Sequence[str]]
HEADLINE_WEIGHT: Final = 4.0  # of a word in a headline, to one in a body
_SEPARATOR: Final = "~"  # a token that separates others, so that they are no phrase

# The tokenizer splits at spaces alone: other scripts count as letters, and so do these.
CREATE_FTS5: Final = """CREATE VIRTUAL TABLE entries_fts USING fts5(
    headline, body, tokenize = "ascii tokenchars '~=+#'")"""


def _is_sqlite() -> bool:
    return connection.vendor == "sqlite"


# ---- queries ----------------------------------------------------------------------


def any_of(phrases: Phrases) -> str:
    """Return a query, in the database's syntax, for texts that have any phrase."""
    found = (_phrase(tokens, prefix) for tokens, prefix in phrases)
    return (" OR " if _is_sqlite() else " | ").join(found)


def all_of(queries: Iterable[str]) -> str:
    """Return a query for texts that match all queries."""
    return (" AND " if _is_sqlite() else " & ").join(f"({query})" for query in queries)


def without(query: str, tokens: Sequence[str]) -> str:
    """Return a query for texts that match another and have none of some tokens."""
    if not tokens:
        return query
    others = any_of(((token,), False) for token in tokens)
    return f"({query}) {'NOT' if _is_sqlite() else '& !'} ({others})"


def _phrase(tokens: Sequence[str], prefix: bool) -> str:
    if _is_sqlite():
        return f'"{" ".join(tokens)}"' + " *" * prefix
    return "(" + " <-> ".join(f"'{token}'" for token in tokens) + f"{':*' * prefix})"


class TokenQuery(SearchQuery):
    """A query in PostgreSQL's syntax, whose words are tokens as they are."""

    template = "(%(expressions)s)::tsquery"  # `to_tsquery` would parse the words


@TextField.register_lookup
class FullTextMatch(_Lookup):
    """The lookup `match` of FTS5."""

    lookup_name = "match"

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """Return the operator between the table's hidden column and the query."""
        column, params = self.process_lhs(compiler, connection)
        query, more = self.process_rhs(compiler, connection)
        return f"{column} MATCH {query}", [*params, *more]


class BM25(Func):
    """How well a row of FTS5 matches; the best has the lowest number."""

    function = "bm25"
    template = f"%(function)s(%(expressions)s, {HEADLINE_WEIGHT}, 1.0)"
    output_field = FloatField()


# ---- documents --------------------------------------------------------------------


def tsvector(headline: TokenPlaces, body: TokenPlaces) -> str:
    """Return a document as PostgreSQL writes it: `'fog':1A 'en~pilot':7C`."""
    start = len(headline) + 1  # no phrase goes from the headline into the body
    lexemes = [
        f"'{token}':{first + index}{weight}"
        for document, first, weight in ((headline, 1, "A"), (body, start + 1, "C"))
        for index, tokens in enumerate(document)
        for token in tokens
    ]
    return " ".join(lexemes)


def fts5_text(document: TokenPlaces) -> str:
    """Return a document as a text for FTS5: the first tokens in order, then others."""
    inline = [tokens[0] for tokens in document[:-1] if tokens]
    others = [token for tokens in document[:-1] for token in tokens[1:]]
    others += document[-1]
    marked = [
        token if _SEPARATOR in token else f"{_SEPARATOR} {token}" for token in others
    ]
    return " ".join([*inline, *([_SEPARATOR, *marked] if marked else [])])
