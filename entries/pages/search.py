"""Full-text search on SQLite (FTS5) and PostgreSQL.

`search_public` serves readers, `search_entries` the newsroom, and `suggest_stories`
the pickers for links. The ledger updates the index in the transaction of each verb.
Visibility is checked against the rows themselves, so a stale index row cannot leak.
"""

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from django.db import connection
from django.db.models.expressions import RawSQL
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from entries.models import Entry, Posting, SearchText, Story
from entries.models.search import SearchTextQuerySet
from entries.text import rendering

RESULTS_PAGE_SIZE = 20
MAX_QUERY = 200  # characters of a query; the rest is ignored
MAX_TERMS = 12  # terms of a query; the rest is ignored
MAX_RANKED = 1000  # texts that are ranked: the newest that match
MAX_HITS = 300  # texts per term that suggestions are scored on: the newest
MAX_DRAFT_WORDS = 60  # words of a draft that suggestions are scored on
# A text of at most so many words is still being typed: its last may be incomplete.
MAX_TYPED_WORDS = 8
MIN_PREFIX = 3  # letters of an incomplete word that is matched as a prefix
# Delimiters of a match: control characters, which no indexed text contains.
HIGHLIGHT_START, HIGHLIGHT_END = "\x02", "\x03"
_WITHOUT_DELIMITERS = str.maketrans("", "", HIGHLIGHT_START + HIGHLIGHT_END)
_TERM = re.compile(r'"([^"]+)"|([^\s"]+)')
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
# Common English words, which PostgreSQL ignores too, and those of any live blog.
_STOP: Final = (
    "a about after all also an and any are as at be been before but by can could did "
    "do does for from gmt had has have he her his how i if in into is it its just "
    "more no not now of on only or other our out over said she so some such than "
    "that the their them then there these they this to too up update was we were "
    "what when where which while who why will with would you your"
)
STOP_WORDS: Final = frozenset(_STOP.split())

# The newest texts that match a term: `(index of the term, id of the text)`.
_HITS_SQL: Final = {
    "postgresql": """
        SELECT * FROM (
            SELECT {term} AS term, id AS text FROM entries_searchtext
            WHERE vector @@ to_tsquery('english', %s)
            ORDER BY id DESC LIMIT {limit}
        ) AS hit""",
    "sqlite": """
        SELECT * FROM (
            SELECT {term} AS term, rowid AS text FROM entries_fts
            WHERE entries_fts MATCH %s
            ORDER BY rowid DESC LIMIT {limit}
        ) AS hit""",
}
_ID_SQL: Final = {"postgresql": "entries_searchtext.id", "sqlite": "entries_fts.rowid"}
# SQLite never reorders a CROSS JOIN, so it cannot start with the large posting table.
_SCORES_SQL: Final = """
    WITH hit (term, text) AS ({hits})
    SELECT hit.term, story.id, story.seq, 1 AS title, 1 FROM hit
    CROSS JOIN entries_searchtext AS text
    CROSS JOIN entries_story AS story
    WHERE text.id = hit.text AND story.id = text.story_id
        AND story.state IN ('announced', 'live', 'closed')
    UNION ALL
    SELECT hit.term, story.id, story.seq, 0 AS title, COUNT(*) FROM hit
    CROSS JOIN entries_searchtext AS text
    CROSS JOIN entries_posting AS posting
    CROSS JOIN entries_story AS story
    WHERE text.id = hit.text AND posting.entry_id = text.entry_id
        AND posting.visible AND story.id = posting.story_id
    GROUP BY hit.term, story.id, story.seq"""


@dataclass(frozen=True)
class SearchResult:
    """A story, or an entry in a story, with matches highlighted by `<mark>`."""

    story: Story
    entry: Entry | None
    title: SafeString
    snippet: SafeString

    @property
    def url(self) -> str:
        """Return the URL of the story or entry; for an update, its permalink."""
        page = self.story.get_absolute_url()
        if self.entry is None:
            return page
        if self.entry.original:
            return f"{page}#entry-{self.entry.pk}"
        return f"{page}updates/{self.entry.pk}/"


@dataclass(frozen=True)
class SearchPage:
    """One page of results, best first; `more` is true if another page follows."""

    found: list[SearchResult]
    more: bool


# ---- the index --------------------------------------------------------------------


def index_texts(entries: Iterable[Entry] = (), stories: Iterable[Story] = ()) -> None:
    """Index the current texts of entries and story heads.

    Entries that are not published are removed from the index.
    """
    entries = list(entries)
    if gone := [entry.pk for entry in entries if not entry.published]:
        SearchText.objects.filter(entry__in=gone).delete()
    _save("entry", [entry_search_text(entry) for entry in entries if entry.published])
    _save("story", [story_search_text(story) for story in stories])


def entry_search_text(entry: Entry) -> SearchText:
    """Return the unsaved index row of an entry."""
    body = rendering.plain_text(entry.html).translate(_WITHOUT_DELIMITERS)
    return SearchText(entry=entry, headline=entry.headline, body=body)


def story_search_text(story: Story) -> SearchText:
    """Return the unsaved index row of a story's head."""
    # Readers see the summary of an announced story only when it is live.
    html = "" if story.announced else story.summary_html
    summary = rendering.plain_text(html).translate(_WITHOUT_DELIMITERS)
    body = "\n".join(filter(None, (story.standfirst, summary)))
    return SearchText(story=story, headline=story.title, body=body)


def _save(name: str, rows: list[SearchText]) -> None:
    if rows:
        SearchText.objects.bulk_create(
            rows,
            update_conflicts=True,
            update_fields=["headline", "body"],
            unique_fields=[name],
            batch_size=200,
        )


# ---- queries ----------------------------------------------------------------------


def search_public(query: str, start: int = 0) -> SearchPage:
    """Return the page of results for a query that begins at the result `start`.

    A result matches every term; a quoted phrase is one term. Only public texts are
    found, and each entry once: in its home story if that is public.
    """
    terms = [_phrase(term) for term in _terms(query)]
    if not terms:
        return SearchPage([], more=False)
    ids = _ranked(terms, start)
    rows = (
        _with_highlights(terms)
        .filter(pk__in=ids[:RESULTS_PAGE_SIZE])
        .with_sources()
        .in_bulk()
    )
    found = _results([rows[pk] for pk in ids[:RESULTS_PAGE_SIZE] if pk in rows])
    return SearchPage(found, more=len(ids) > RESULTS_PAGE_SIZE)


def _ranked(terms: list[str], start: int) -> list[int]:
    """Return the ids of one page of texts, best first, plus one to detect a next page.

    Only the newest `MAX_RANKED` matches are ranked, which bounds the cost of common
    words.
    """
    found = _matching(terms).public().annotate(number=RawSQL(_ID_SQL[_vendor()], ()))  # noqa: S611
    newest = found.order_by("-number").values_list("number", flat=True)
    if bound := newest[MAX_RANKED - 1 : MAX_RANKED].first():
        found = found.filter(number__gte=bound)
    ranked = found.annotate(rank=_rank(terms)).order_by("rank", "-pk")
    return list(
        ranked.values_list("pk", flat=True)[start : start + RESULTS_PAGE_SIZE + 1]
    )


def _terms(query: str) -> list[list[str]]:
    """Split a query into terms, each a list of adjacent words.

    Terms of stop words only are left out, unless the query has no others.
    """
    terms = [
        [word.lower() for word in _WORD.findall(quoted or bare)]
        for quoted, bare in _TERM.findall(query[:MAX_QUERY])
    ]
    significant = [term for term in terms if term and set(term) - STOP_WORDS]
    return (significant or [term for term in terms if term])[:MAX_TERMS]


def _phrase(words: list[str]) -> str:
    """Return a term in the database's query syntax, with any operators quoted."""
    if connection.vendor == "sqlite":
        return '"' + " ".join(words) + '"'
    return " <-> ".join(f"'{_quoted(word)}'" for word in words)


def _quoted(word: str) -> str:
    return word.replace("'", "''")


def _vendor() -> str:
    return connection.vendor


def _match_expression(terms: list[str]) -> str:
    """Return a query in the database's syntax that requires every term."""
    if _vendor() == "sqlite":
        return " ".join(terms)
    return " & ".join(f"({term})" for term in terms)


def _matching(terms: list[str]) -> SearchTextQuerySet:
    """Return the texts that match every term."""
    if _vendor() == "sqlite":
        return SearchText.objects.extra(
            tables=["entries_fts"],
            where=[
                "entries_fts.rowid = entries_searchtext.id",
                "entries_fts MATCH %s",
            ],
            params=[_match_expression(terms)],
        )
    return SearchText.objects.extra(
        where=["vector @@ to_tsquery('english', %s)"], params=[_match_expression(terms)]
    )


def _rank(terms: list[str]) -> RawSQL:
    """Return an expression for a text's rank; the best match has the lowest."""
    if _vendor() == "sqlite":
        return RawSQL("bm25(entries_fts, 4.0, 1.0)", ())
    rank = "-ts_rank(vector, to_tsquery('english', %s), 1)"
    return RawSQL(rank, (_match_expression(terms),))  # noqa: S611


def _with_highlights(terms: list[str]) -> SearchTextQuerySet:
    """Annotate matching texts with `title` and `snippet`, with matches delimited."""
    start, end = HIGHLIGHT_START, HIGHLIGHT_END
    if _vendor() == "sqlite":
        title = f"highlight(entries_fts, 0, '{start}', '{end}')"
        snippet = f"snippet(entries_fts, 1, '{start}', '{end}', '…', 30)"
        params: tuple[str, ...] = ()
    else:
        delimiters = f"StartSel={start},StopSel={end}"
        tsquery = "to_tsquery('english', %s)"
        headline = f"ts_headline('english', {{}}, {tsquery}, '{delimiters},{{}}')"
        title = headline.format("entries_searchtext.headline", "HighlightAll=true")
        snippet = headline.format("entries_searchtext.body", "MaxWords=32,MinWords=18")
        params = (_match_expression(terms),)
    return _matching(terms).annotate(
        title=RawSQL(title, params),  # noqa: S611
        snippet=RawSQL(snippet, params),  # noqa: S611
    )


def _results(rows: list[SearchText]) -> list[SearchResult]:
    """Return rows as results, each in a story that readers may see."""
    homeless = [r.entry_id for r in rows if r.entry and not r.entry.story.begun]
    cross_posts = (
        Posting.objects.visible()
        .filter(entry__in=homeless)
        .select_related("story__series")
        .order_by("-story_id")
    )
    elsewhere = {posting.entry_id: posting.story for posting in cross_posts}
    results = []
    for row in rows:
        story = row.story or (row.entry.story if row.entry else None)
        if row.entry and not row.entry.story.begun:
            # No result if the entry has become invisible since the rows were ranked.
            story = elsewhere.get(row.entry_id or 0)
        if story:
            title = _highlighted(row.title)  # type: ignore[attr-defined]
            snippet = _highlighted(row.snippet)  # type: ignore[attr-defined]
            results.append(SearchResult(story, row.entry, title, snippet))
    return results


def _highlighted(text: str) -> SafeString:
    """Escape a text and turn the delimiters of its matches into `<mark>` elements."""
    html = escape(text).replace(HIGHLIGHT_START, "<mark>")
    html = html.replace(HIGHLIGHT_END, "</mark>")
    return mark_safe(html)  # noqa: S308 - escaped above


def search_entries(query: str) -> list[int]:
    """Return the ids of the newest published entries that match every term of a query.

    For the newsroom: they need not be visible to readers.
    """
    terms = [_phrase(term) for term in _terms(query)]
    if not terms:
        return []
    found = _matching(terms).annotate(number=RawSQL(_ID_SQL[_vendor()], ()))  # noqa: S611
    newest = found.filter(entry__isnull=False).order_by("-number")
    return [pk for pk in newest.values_list("entry", flat=True)[:MAX_RANKED] if pk]


# ---- suggestions ------------------------------------------------------------------


def suggest_stories(
    text: str, exclude: Collection[int] = (), limit: int = 10
) -> list[Story]:
    """Return the public stories that a text is most likely about, best first.

    `text` is a draft, or part of a title that is being typed; `exclude` has the ids of
    stories to leave out. Rare words weigh more than common ones, and words of a story's
    title more than those of its updates; long stories have no advantage.
    """
    words = list(dict.fromkeys(word.lower() for word in _WORD.findall(text)))
    significant = [word for word in words if word not in STOP_WORDS][:MAX_DRAFT_WORDS]
    scores = _scores(significant, prefix=_incomplete_word(text, words))
    best = sorted(scores.items(), key=lambda item: (-item[1], -item[0]))
    ids = [pk for pk, _ in best if pk not in exclude][:limit]
    rows = Story.objects.public().select_related("series").in_bulk(ids)
    return [rows[pk] for pk in ids if pk in rows]


def _incomplete_word(text: str, words: list[str]) -> str:
    """Return the last word if it may still be incomplete, to be matched as a prefix.

    A very short prefix would match too many words.
    """
    typed = words and len(words) <= MAX_TYPED_WORDS and text[-1:].isalnum()
    return words[-1] if typed and len(words[-1]) >= MIN_PREFIX else ""


def _scores(terms: list[str], *, prefix: str) -> dict[int, float]:
    """Score stories by their relevance to some terms, after BM25; return them by id.

    The number of its changes approximates the length of a story.
    """
    in_title: dict[int, set[int]] = defaultdict(set)
    in_updates: dict[int, dict[int, int]] = defaultdict(dict)
    lengths: dict[int, int] = {}
    for term, story, length, title, count in _hits(terms, prefix=prefix):
        lengths[story] = length
        if title:
            in_title[term].add(story)
        else:
            in_updates[term][story] = count
    average = max(1.0, sum(lengths.values()) / max(1, len(lengths)))
    total = Story.objects.public().count()
    scores: dict[int, float] = defaultdict(float)
    for term in in_title.keys() | in_updates.keys():
        matching = in_title[term] | in_updates[term].keys()
        idf = math.log(1 + (total - len(matching) + 0.5) / (len(matching) + 0.5))
        for pk in matching:
            count, length = in_updates[term].get(pk, 0), lengths[pk]
            weight = count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length / average))
            scores[pk] += idf * (weight + (2.5 if pk in in_title[term] else 0))
    return scores


def _hits(terms: list[str], *, prefix: str) -> list[tuple[int, int, int, int, int]]:
    """Return `(term index, story id, its seq, whether in its title, count)` of hits."""
    if not terms:
        return []
    if _vendor() == "sqlite":
        patterns = [f'"{term}"' + "*" * (term == prefix) for term in terms]
    else:
        patterns = [f"'{_quoted(term)}'" + ":*" * (term == prefix) for term in terms]
    sql = _HITS_SQL[_vendor()]
    hits = [sql.format(term=index, limit=MAX_HITS) for index in range(len(patterns))]
    with connection.cursor() as cursor:
        cursor.execute(_SCORES_SQL.format(hits=" UNION ALL ".join(hits)), patterns)
        return list(cursor.fetchall())
