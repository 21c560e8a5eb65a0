"""Full-text search on SQLite (FTS5) and PostgreSQL.

`search_public` serves readers, `search_entries` the newsroom, and `suggest_stories`
the pickers for links. The ledger updates the index in the transaction of each verb.
Visibility is checked against the rows themselves, so a stale index row cannot leak.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from django.db import connection
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from entries.database.full_text import any_of
from entries.models import Entry, Posting, SearchText, Story
from entries.text import rendering, words
from entries.text.folding import fold
from entries.text.words import Term

RESULTS_PAGE_SIZE = 20
MAX_RANKED = 1000  # texts that are ranked: the newest that match
MAX_HITS = 300  # texts per term that suggestions are scored on: the newest
MAX_DRAFT_WORDS = 60  # words of a draft that suggestions are scored on
SNIPPET_LENGTH = 180  # characters
SNIPPET_LEAD = 60  # characters of a snippet before its first match

# The newest texts that match a term: `(index of the term, id of the text)`.
_HITS_SQL: Final = {
    "postgresql": """
        SELECT * FROM (
            SELECT {term} AS term, id AS text FROM entries_searchtext
            WHERE vector @@ %s::tsquery
            ORDER BY id DESC LIMIT {limit}
        ) AS hit""",
    "sqlite": """
        SELECT * FROM (
            SELECT {term} AS term, rowid AS text FROM entries_fts
            WHERE entries_fts MATCH %s
            ORDER BY rowid DESC LIMIT {limit}
        ) AS hit""",
}
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
    def language(self) -> str:
        """Return the language in which it was written."""
        return self.entry.story.language if self.entry else self.story.language

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

    Erased entries are removed from the index.
    """
    entries = list(entries)
    if erased := [entry.pk for entry in entries if entry.erased_at]:
        SearchText.objects.filter(entry__in=erased).delete()
    texts = [entry_search_text(entry) for entry in entries if not entry.erased_at]
    if texts:
        SearchText.objects.all().save_texts(texts, "entry")
    if heads := [story_search_text(story) for story in stories]:
        SearchText.objects.all().save_texts(heads, "story")


def entry_search_text(entry: Entry) -> SearchText:
    """Return the unsaved index row of an entry."""
    text = SearchText(
        entry=entry,
        headline=words.compose(entry.headline),
        body=words.compose(rendering.plain_text(entry.html)),
        folded=fold("\n".join((entry.headline, entry.body, entry.byline))),
    )
    text.byline, text.language = words.compose(entry.byline), entry.story.language
    return text


def story_search_text(story: Story) -> SearchText:
    """Return the unsaved index row of a story's head."""
    # Readers see the summary of an announced story only when it is live.
    html = "" if story.announced else story.summary_html
    body = "\n".join(filter(None, (story.standfirst, rendering.plain_text(html))))
    text = SearchText(
        story=story,
        headline=words.compose(story.title),
        body=words.compose(body),
        folded="",
    )
    text.language = story.language
    return text


# ---- queries ----------------------------------------------------------------------


def search_public(query: str, start: int = 0) -> SearchPage:
    """Return the page of results for a query that begins at the result `start`.

    A result matches every term; a quoted phrase is one term. Only public texts are
    found, and each entry once: in its home story if that is public.
    """
    terms = words.parse_query(query, Story.objects.languages())
    if not terms:
        return SearchPage([], more=False)
    ids = _ranked(terms)[start : start + RESULTS_PAGE_SIZE + 1]
    rows = SearchText.objects.with_sources().in_bulk(ids[:RESULTS_PAGE_SIZE])
    shown = [rows[pk] for pk in ids[:RESULTS_PAGE_SIZE] if pk in rows]
    return SearchPage(_results(shown, terms), more=len(ids) > RESULTS_PAGE_SIZE)


def _ranked(terms: list[Term]) -> list[int]:
    """Return the ids of the texts that match, best first: those as typed before others.

    Only the newest `MAX_RANKED` matches are ranked, which bounds the cost of common
    words.
    """
    newest = SearchText.objects.matching(terms).public().newest()
    ranks = dict(newest.values_list("pk", "rank")[:MAX_RANKED])  # type: ignore[misc]
    if not ranks:
        return []
    typed = SearchText.objects.matching_as_typed(terms).newest(since=min(ranks))
    as_typed = set(typed.values_list("pk", flat=True))
    return sorted(ranks, key=lambda pk: (pk not in as_typed, ranks[pk], -pk))


def _results(rows: list[SearchText], terms: list[Term]) -> list[SearchResult]:
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
            language = row.entry.story.language if row.entry else story.language
            title = highlight(row.headline, terms, language)
            snippet = make_snippet(row.body, terms, language)
            results.append(SearchResult(story, row.entry, title, snippet))
    return results


def highlight(text: str, terms: Iterable[Term], language: str) -> SafeString:
    """Return a text as HTML, with what matches in `<mark>` elements."""
    return _marked(text, words.find_matches(text, terms, language), 0, len(text))


def make_snippet(text: str, terms: Iterable[Term], language: str) -> SafeString:
    """Return the part of a text where most terms match, with matches marked."""
    matches = words.find_matches(text, terms, language)
    start = _best_start(matches)
    if start <= SNIPPET_LEAD or len(text) <= SNIPPET_LENGTH:
        start = 0
    else:
        start = words.next_word(text, start - SNIPPET_LEAD)
    end = len(text)
    if end > start + SNIPPET_LENGTH:
        end = words.last_end(text, start + SNIPPET_LENGTH)
    html = _marked(text, matches, start, end)
    return mark_safe(f"{'…' * (start > 0)}{html}{'…' * (end < len(text))}")  # noqa: S308 - escaped


def _best_start(matches: list[tuple[int, int, int]]) -> int:
    """Return where the first match begins that has most other terms after it."""
    best, start = 0, 0
    reach = SNIPPET_LENGTH - SNIPPET_LEAD
    near: Counter[int] = Counter()
    after = 0  # the first match that is out of reach
    for index, (first, _, number) in enumerate(matches):
        while after < len(matches) and matches[after][1] <= first + reach:
            near[matches[after][2]] += 1
            after += 1
        if len(+near) > best:
            best, start = len(+near), first
        if index < after:
            near[number] -= 1
        else:
            after = index + 1
    return start


def _marked(
    text: str, matches: list[tuple[int, int, int]], start: int, end: int
) -> SafeString:
    """Return a part of a text as HTML, with the matches in it marked."""
    parts, done = [], start
    for first, last, _ in matches:
        if first >= start and last <= end:
            parts += [
                escape(text[done:first]),
                f"<mark>{escape(text[first:last])}</mark>",
            ]
            done = last
    html = "".join([*parts, escape(text[done:end])])
    return mark_safe(html)  # noqa: S308 - escaped


def search_entries(query: str) -> list[int]:
    """Return the ids of the newest entries that match every term of a query.

    For the newsroom: they need not be visible to readers, and the last word may be
    incomplete.
    """
    terms = words.parse_query(query, Story.objects.languages(), typing=True)
    if not terms:
        return []
    found = SearchText.objects.matching(terms).filter(entry__isnull=False)
    newest = found.newest().values_list("entry", flat=True)
    return [pk for pk in newest[:MAX_RANKED] if pk]


# ---- suggestions ------------------------------------------------------------------


def suggest_stories(
    text: str, exclude: Collection[int] = (), limit: int = 10
) -> list[Story]:
    """Return the public stories that a text is most likely about, best first.

    `text` is a draft, or part of a title that is being typed; `exclude` has the ids of
    stories to leave out. Rare words weigh more than common ones, and words of a story's
    title more than those of its updates; long stories have no advantage.
    """
    scores = _scores(
        words.draft_terms(text, Story.objects.languages(), MAX_DRAFT_WORDS)
    )
    best = sorted(scores.items(), key=lambda item: (-item[1], -item[0]))
    ids = [pk for pk, _ in best if pk not in exclude][:limit]
    rows = Story.objects.public().select_related("series").in_bulk(ids)
    return [rows[pk] for pk in ids if pk in rows]


def _scores(terms: list[Term]) -> dict[int, float]:
    """Score stories by their relevance to some terms, after BM25; return them by id.

    The number of its changes approximates the length of a story.
    """
    in_title: dict[int, set[int]] = defaultdict(set)
    in_updates: dict[int, dict[int, int]] = defaultdict(dict)
    lengths: dict[int, int] = {}
    for term, story, length, title, count in _hits(terms):
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


def _hits(terms: list[Term]) -> list[tuple[int, int, int, int, int]]:
    """Return `(term index, story id, its seq, whether in its title, count)` of hits."""
    if not terms:
        return []
    sql = _HITS_SQL[connection.vendor]
    hits = [sql.format(term=index, limit=MAX_HITS) for index in range(len(terms))]
    queries = [any_of(term.phrases) for term in terms]
    with connection.cursor() as cursor:
        cursor.execute(_SCORES_SQL.format(hits=" UNION ALL ".join(hits)), queries)
        return list(cursor.fetchall())
