"""Full-text search: the words kept for it, and two ways to ask.

`search` finds for readers, `suggest_stories` for whoever links stories. The words
are kept by the ledger in the transaction of each verb; what may be seen is asked of
the rows themselves, so that a text left behind could never be found.
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

RESULTS_PAGE_SIZE = 20  # results a page
MAX_QUERY = 200  # characters of a reader's question
MAX_TERMS = 12  # of a reader's question that are looked for
MAX_RANKED = 1000  # texts that are compared: the newest that hold all words
MAX_HITS = 300  # texts of each word that suggestions are made from: the newest
MAX_DRAFT_WORDS = 60  # of a draft that suggestions are made from
MAX_TYPED_WORDS = (
    8  # words: a shorter text is being typed, so its last may be unfinished
)
MIN_PREFIX = 3  # letters of a word that is looked for by its beginning
OPEN, CLOSE = "\x02", "\x03"  # around what was found; no text holds them
_PLAIN = str.maketrans("", "", OPEN + CLOSE)
_TERM = re.compile(r'"([^"]+)"|([^\s"]+)')
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
# English words that say nothing by themselves; PostgreSQL leaves out the same.
_STOP: Final = (
    "a about after all also an and any are as at be been before but by can could did "
    "do does for from gmt had has have he her his how i if in into is it its just "
    "more no not now of on only or other our out over said she so some such than "
    "that the their them then there these they this to too up update was we were "
    "what when where which while who why will with would you your"
)
STOP_WORDS: Final = frozenset(_STOP.split())

# The newest texts that hold a term: `(number of the term, id of the text)`.
_HITS: Final = {
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
_ID: Final = {"postgresql": "entries_searchtext.id", "sqlite": "entries_fts.rowid"}
# CROSS JOIN keeps SQLite from beginning with the postings, which are very many.
_SCORES: Final = """
    WITH hit (term, text) AS ({hits})
    SELECT hit.term, story.id, story.seq, 1 AS title, 1 FROM hit
    CROSS JOIN entries_searchtext AS text
    CROSS JOIN entries_story AS story
    WHERE text.id = hit.text AND story.id = text.story_id
        AND story.state IN ('live', 'closed')
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
    """One result: a story, or an entry in a story; what was found is `<mark>`ed."""

    story: Story
    entry: Entry | None
    title: SafeString
    snippet: SafeString

    @property
    def url(self) -> str:
        """Return where to read it: an update at the address of its own."""
        page = self.story.get_absolute_url()
        if self.entry is None:
            return page
        if self.entry.original:
            return f"{page}#entry-{self.entry.pk}"
        return f"{page}updates/{self.entry.pk}/"


@dataclass(frozen=True)
class SearchPage:
    """One page of results, the best first."""

    found: list[SearchResult]
    more: bool


# ---- what is kept -----------------------------------------------------------------


def index_texts(entries: Iterable[Entry] = (), stories: Iterable[Story] = ()) -> None:
    """Keep the words of entries and of story heads, as they are now."""
    entries = list(entries)
    if gone := [entry.pk for entry in entries if not entry.published]:
        SearchText.objects.filter(entry__in=gone).delete()
    _save("entry", [entry_search_text(entry) for entry in entries if entry.published])
    _save("story", [story_search_text(story) for story in stories])


def entry_search_text(entry: Entry) -> SearchText:
    """Return the words of an entry."""
    body = rendering.plain_text(entry.html).translate(_PLAIN)
    return SearchText(entry=entry, headline=entry.headline, body=body)


def story_search_text(story: Story) -> SearchText:
    """Return the words of a story's head."""
    summary = rendering.plain_text(story.summary_html).translate(_PLAIN)
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


# ---- what a reader asks -----------------------------------------------------------


def search_public(query: str, start: int = 0) -> SearchPage:
    """Return what holds all words of a question, from the result `start` on.

    Words between quotation marks stand together. Only public text is found; each
    entry once, in its own story where readers may see that.
    """
    terms = [_phrase(term) for term in _terms(query)]
    if not terms:
        return SearchPage([], more=False)
    ids = _ranked(terms, start)
    rows = (
        _marked_up(terms)
        .filter(pk__in=ids[:RESULTS_PAGE_SIZE])
        .with_sources()
        .in_bulk()
    )
    found = _found([rows[pk] for pk in ids[:RESULTS_PAGE_SIZE] if pk in rows])
    return SearchPage(found, more=len(ids) > RESULTS_PAGE_SIZE)


def _ranked(terms: list[str], start: int) -> list[int]:
    """Return the ids of a page of texts and of one more, the best first.

    Of a word that very many texts hold, only the newest texts are compared.
    """
    found = _matching(terms).public().annotate(number=RawSQL(_ID[_vendor()], ()))  # noqa: S611
    newest = found.order_by("-number").values_list("number", flat=True)
    if bound := newest[MAX_RANKED - 1 : MAX_RANKED].first():
        found = found.filter(number__gte=bound)
    ranked = found.annotate(rank=_rank(terms)).order_by("rank", "-pk")
    return list(
        ranked.values_list("pk", flat=True)[start : start + RESULTS_PAGE_SIZE + 1]
    )


def _terms(query: str) -> list[list[str]]:
    """Return the terms of a question, each a list of words that stand together."""
    terms = [
        [word.lower() for word in _WORD.findall(quoted or bare)]
        for quoted, bare in _TERM.findall(query[:MAX_QUERY])
    ]
    significant = [term for term in terms if term and set(term) - STOP_WORDS]
    return (significant or [term for term in terms if term])[:MAX_TERMS]


def _phrase(words: list[str]) -> str:
    """Return a term in the words of the database: nothing in it is an operator."""
    if connection.vendor == "sqlite":
        return '"' + " ".join(words) + '"'
    return " <-> ".join(f"'{_quoted(word)}'" for word in words)


def _quoted(word: str) -> str:
    return word.replace("'", "''")


def _vendor() -> str:
    return connection.vendor


def _query(terms: list[str]) -> str:
    """Return a question of terms that must all be found."""
    if _vendor() == "sqlite":
        return " ".join(terms)
    return " & ".join(f"({term})" for term in terms)


def _matching(terms: list[str]) -> SearchTextQuerySet:
    """Return the texts that hold all terms."""
    if _vendor() == "sqlite":
        return SearchText.objects.extra(
            tables=["entries_fts"],
            where=[
                "entries_fts.rowid = entries_searchtext.id",
                "entries_fts MATCH %s",
            ],
            params=[_query(terms)],
        )
    return SearchText.objects.extra(
        where=["vector @@ to_tsquery('english', %s)"], params=[_query(terms)]
    )


def _rank(terms: list[str]) -> RawSQL:
    """Return how well a text fits, the least for the best."""
    if _vendor() == "sqlite":
        return RawSQL("bm25(entries_fts, 4.0, 1.0)", ())
    rank = "-ts_rank(vector, to_tsquery('english', %s), 1)"
    return RawSQL(rank, (_query(terms),))  # noqa: S611


def _marked_up(terms: list[str]) -> SearchTextQuerySet:
    """Return texts with `title` and `snippet`, in which what was found is marked."""
    if _vendor() == "sqlite":
        title = f"highlight(entries_fts, 0, '{OPEN}', '{CLOSE}')"
        snippet = f"snippet(entries_fts, 1, '{OPEN}', '{CLOSE}', '…', 30)"
        given: tuple[str, ...] = ()
    else:
        marks = f"StartSel={OPEN},StopSel={CLOSE}"
        asked = "to_tsquery('english', %s)"
        headline = f"ts_headline('english', {{}}, {asked}, '{marks},{{}}')"
        title = headline.format("entries_searchtext.headline", "HighlightAll=true")
        snippet = headline.format("entries_searchtext.body", "MaxWords=32,MinWords=18")
        given = (_query(terms),)
    return _matching(terms).annotate(
        title=RawSQL(title, given),  # noqa: S611
        snippet=RawSQL(snippet, given),  # noqa: S611
    )


def _found(rows: list[SearchText]) -> list[SearchResult]:
    """Return the results of some rows, each in a story that readers may see."""
    strange = [r.entry_id for r in rows if r.entry and not r.entry.story.public]
    elsewhere_postings = (
        Posting.objects.visible()
        .filter(entry__in=strange)
        .select_related("story__series")
        .order_by("-story_id")
    )
    elsewhere = {posting.entry_id: posting.story for posting in elsewhere_postings}
    found = []
    for row in rows:
        story = row.story or (row.entry.story if row.entry else None)
        if story and not story.public:  # it may stand nowhere any more
            story = elsewhere.get(row.entry_id or 0)
        if story:
            title, snippet = _marked(row.title), _marked(row.snippet)  # type: ignore[attr-defined]
            found.append(SearchResult(story, row.entry, title, snippet))
    return found


def _marked(text: str) -> SafeString:
    """Return a text escaped, with `<mark>` around what was found."""
    html = escape(text).replace(OPEN, "<mark>").replace(CLOSE, "</mark>")
    return mark_safe(html)  # noqa: S308 - escaped in the line above


def search_entries(query: str) -> list[int]:
    """Return the ids of the newest published entries that hold all words of a text.

    For the newsroom: whether readers may see them is not asked.
    """
    terms = [_phrase(term) for term in _terms(query)]
    if not terms:
        return []
    found = _matching(terms).annotate(number=RawSQL(_ID[_vendor()], ()))  # noqa: S611
    newest = found.filter(entry__isnull=False).order_by("-number")
    return [pk for pk in newest.values_list("entry", flat=True)[:MAX_RANKED] if pk]


# ---- what a moderator is offered --------------------------------------------------


def suggest_stories(
    text: str, exclude: Collection[int] = (), limit: int = 10
) -> list[Story]:
    """Return the public stories that a text is about, the likeliest first.

    `text` is a draft, or part of a title that is being typed; `exclude` are ids of
    stories not to offer. A rare word counts more than a common one, one in the
    story's title more than one in its updates, and a long story gains nothing by
    its length.
    """
    words = list(dict.fromkeys(word.lower() for word in _WORD.findall(text)))
    significant = [word for word in words if word not in STOP_WORDS][:MAX_DRAFT_WORDS]
    scores = _scores(significant, unfinished=_unfinished(text, words))
    best = sorted(scores.items(), key=lambda item: (-item[1], -item[0]))
    ids = [pk for pk, _ in best if pk not in exclude][:limit]
    rows = Story.objects.public().select_related("series").in_bulk(ids)
    return [rows[pk] for pk in ids if pk in rows]


def _unfinished(text: str, words: list[str]) -> str:
    """Return the last word of what is being typed, which may go on.

    The beginnings of short words are those of very many.
    """
    typed = words and len(words) <= MAX_TYPED_WORDS and text[-1:].isalnum()
    return words[-1] if typed and len(words[-1]) >= MIN_PREFIX else ""


def _scores(terms: list[str], *, unfinished: str) -> dict[int, float]:
    """Return how much each story is about some words, by its id (after BM25).

    The number of its changes stands for a story's length.
    """
    titled: dict[int, set[int]] = defaultdict(set)
    texts: dict[int, dict[int, int]] = defaultdict(dict)
    lengths: dict[int, int] = {}
    for term, story, length, title, often in _hits(terms, unfinished=unfinished):
        lengths[story] = length
        if title:
            titled[term].add(story)
        else:
            texts[term][story] = often
    usual = max(1.0, sum(lengths.values()) / max(1, len(lengths)))
    total = Story.objects.public().count()
    scores: dict[int, float] = defaultdict(float)
    for term in titled.keys() | texts.keys():
        holding = titled[term] | texts[term].keys()
        rare = math.log(1 + (total - len(holding) + 0.5) / (len(holding) + 0.5))
        for pk in holding:
            often, length = texts[term].get(pk, 0), lengths[pk]
            weight = often * 2.2 / (often + 1.2 * (0.25 + 0.75 * length / usual))
            scores[pk] += rare * (weight + (2.5 if pk in titled[term] else 0))
    return scores


def _hits(terms: list[str], *, unfinished: str) -> list[tuple[int, int, int, int, int]]:
    """Return `(term, story, its seq, whether in its title, how often)` of each hit."""
    if not terms:
        return []
    if _vendor() == "sqlite":
        asked = [f'"{term}"' + "*" * (term == unfinished) for term in terms]
    else:
        asked = [f"'{_quoted(w)}'" + ":*" * (w == unfinished) for w in terms]
    form = _HITS[_vendor()]
    hits = [form.format(term=number, limit=MAX_HITS) for number in range(len(asked))]
    with connection.cursor() as cursor:
        cursor.execute(_SCORES.format(hits=" UNION ALL ".join(hits)), asked)
        return list(cursor.fetchall())
