"""Full-text search: the words kept for it, and two ways to ask.

`search` finds for readers, `suggest_stories` for whoever links stories. The words
are kept by the ledger in the transaction of each verb; what may be seen is asked of
the rows themselves, so that a text left behind could never be found.
"""

import json
import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from django.db import connection
from django.db.models import Count
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from entries import rendering
from entries.models import Entry, Posting, SearchText, Story
from entries.models.search import SearchTextQuerySet

PAGE = 20  # results a page
LONGEST = 200  # characters of a reader's question
TERMS = 12  # of a reader's question that are looked for
WORDS = 60  # of a draft that suggestions are made from
TYPED = 8  # words: a shorter text is being typed, so its words may be unfinished
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
STOP: Final = frozenset(_STOP.split())

# Where each term was found: `(number of the term, id of the text)`. A term is a
# question in the database's own words.
_HITS: Final = {
    "postgresql": """
        SELECT term.number, text.id FROM unnest(%s::text[]) WITH ORDINALITY
            AS term (words, number)
        JOIN entries_searchtext AS text
            ON text.vector @@ to_tsquery('english', term.words)""",
    "sqlite": """
        SELECT term.key + 1, entries_fts.rowid FROM json_each(%s) AS term
        CROSS JOIN entries_fts ON entries_fts MATCH term.value""",
}
_SCORES: Final = """
    WITH hit (term, text) AS ({hits})
    SELECT hit.term, story.id, 1 FROM hit
    JOIN entries_searchtext AS text ON text.id = hit.text
    JOIN entries_story AS story ON story.id = text.story_id
    WHERE story.state IN ('live', 'closed')
    UNION ALL
    SELECT hit.term, story.id, 0 FROM hit
    JOIN entries_searchtext AS text ON text.id = hit.text
    JOIN entries_entry AS entry ON entry.id = text.entry_id
    JOIN entries_posting AS posting ON posting.entry_id = entry.id
    JOIN entries_story AS story ON story.id = posting.story_id
    WHERE entry.state = 'published' AND NOT posting.removed
        AND story.state IN ('live', 'closed')"""


@dataclass(frozen=True)
class Found:
    """One result: a story, or an entry in a story; what was found is `<mark>`ed."""

    story: Story
    entry: Entry | None
    title: SafeString
    snippet: SafeString

    @property
    def address(self) -> str:
        """Return where to read it: an update at the address of its own."""
        page = self.story.get_absolute_url()
        if self.entry is None:
            return page
        if self.entry.original:
            return f"{page}#entry-{self.entry.pk}"
        return f"{page}updates/{self.entry.pk}/"


@dataclass(frozen=True)
class Results:
    """One page of results, the best first."""

    found: list[Found]
    more: bool


# ---- what is kept -----------------------------------------------------------------


def keep(entries: Iterable[Entry] = (), stories: Iterable[Story] = ()) -> None:
    """Keep the words of entries and of story heads, as they are now."""
    entries = list(entries)
    if gone := [entry.pk for entry in entries if not entry.published]:
        SearchText.objects.filter(entry__in=gone).delete()
    _save("entry", [of_entry(entry) for entry in entries if entry.published])
    _save("story", [of_story(story) for story in stories])


def of_entry(entry: Entry) -> SearchText:
    """Return the words of an entry."""
    body = rendering.plain_text(entry.html).translate(_PLAIN)
    return SearchText(entry=entry, headline=entry.headline, body=body)


def of_story(story: Story) -> SearchText:
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


def search(query: str, start: int = 0) -> Results:
    """Return what holds all words of a question, from the result `start` on.

    Words between quotation marks stand together. Only public text is found; each
    entry once, in its own story where readers may see that.
    """
    terms = [_phrase(term) for term in _terms(query)]
    if not terms:
        return Results([], more=False)
    rows = list(_matching(terms).public().with_sources()[start : start + PAGE + 1])
    found = _found(rows[:PAGE])
    return Results(found, more=len(rows) > PAGE)


def _terms(query: str) -> list[list[str]]:
    """Return the terms of a question, each a list of words that stand together."""
    terms = [
        [word.lower() for word in _WORD.findall(quoted or bare)]
        for quoted, bare in _TERM.findall(query[:LONGEST])
    ]
    telling = [term for term in terms if term and set(term) - STOP]
    return (telling or [term for term in terms if term])[:TERMS]


def _phrase(words: list[str]) -> str:
    """Return a term in the words of the database: nothing in it is an operator."""
    if connection.vendor == "sqlite":
        return '"' + " ".join(words) + '"'
    return " <-> ".join(f"'{_quoted(word)}'" for word in words)


def _quoted(word: str) -> str:
    return word.replace("'", "''")


def _matching(terms: list[str]) -> SearchTextQuerySet:
    if connection.vendor == "sqlite":
        return SearchText.objects.extra(  # noqa: S610 - the question is a parameter
            tables=["entries_fts"],
            where=[
                "entries_fts.rowid = entries_searchtext.id",
                "entries_fts MATCH %s",
            ],
            params=[" ".join(terms)],
            select={
                "rank": "bm25(entries_fts, 4.0, 1.0)",
                "title": f"highlight(entries_fts, 0, '{OPEN}', '{CLOSE}')",
                "snippet": f"snippet(entries_fts, 1, '{OPEN}', '{CLOSE}', '…', 30)",
            },
            order_by=["rank", "-id"],
        )
    query = " & ".join(f"({term})" for term in terms)
    marks = f"StartSel={OPEN},StopSel={CLOSE}"
    return SearchText.objects.extra(  # noqa: S610 - the question is a parameter
        where=["vector @@ to_tsquery('english', %s)"],
        params=[query],
        select={
            "rank": "-ts_rank(vector, to_tsquery('english', %s), 1)",
            "title": "ts_headline('english', entries_searchtext.headline, "
            f"to_tsquery('english', %s), '{marks},HighlightAll=true')",
            "snippet": "ts_headline('english', entries_searchtext.body, "
            f"to_tsquery('english', %s), '{marks},MaxWords=32,MinWords=18')",
        },
        select_params=[query] * 3,
        order_by=["rank", "-id"],
    )


def _found(rows: list[SearchText]) -> list[Found]:
    """Return the results of some rows, each in a story that readers may see."""
    strange = [r.entry_id for r in rows if r.entry and not r.entry.story.public]
    standing = (
        Posting.objects.visible()
        .filter(entry__in=strange)
        .select_related("story__series")
        .order_by("-story_id")
    )
    elsewhere = {posting.entry_id: posting.story for posting in standing}
    found = []
    for row in rows:
        story = row.story or (row.entry.story if row.entry else None)
        if story and not story.public:  # it may stand nowhere any more
            story = elsewhere.get(row.entry_id or 0)
        if story:
            title, snippet = _marked(row.title), _marked(row.snippet)  # type: ignore[attr-defined]
            found.append(Found(story, row.entry, title, snippet))
    return found


def _marked(text: str) -> SafeString:
    """Return a text escaped, with `<mark>` around what was found."""
    html = escape(text).replace(OPEN, "<mark>").replace(CLOSE, "</mark>")
    return mark_safe(html)  # noqa: S308 - escaped in the line above


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
    typed = len(words) <= TYPED
    terms = [word for word in words if word not in STOP or typed][:WORDS]
    scores = _scores(terms, unfinished=typed)
    best = sorted(scores.items(), key=lambda item: (-item[1], -item[0]))
    ids = [pk for pk, _ in best if pk not in exclude][:limit]
    rows = Story.objects.public().select_related("series").in_bulk(ids)
    return [rows[pk] for pk in ids if pk in rows]


def _scores(terms: list[str], *, unfinished: bool) -> dict[int, float]:
    """Return how much each story is about some words, by its id (after BM25)."""
    titled: dict[int, set[int]] = defaultdict(set)
    texts: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for term, story, title in _hits(terms, unfinished=unfinished):
        if title:
            titled[term].add(story)
        else:
            texts[term][story] += 1
    lengths = _lengths({pk for found in texts.values() for pk in found})
    usual = max(1.0, sum(lengths.values()) / max(1, len(lengths)))
    total = Story.objects.public().count()
    scores: dict[int, float] = defaultdict(float)
    for term in titled.keys() | texts.keys():
        holding = titled[term] | texts[term].keys()
        rare = math.log(1 + (total - len(holding) + 0.5) / (len(holding) + 0.5))
        for pk in holding:
            often, length = texts[term].get(pk, 0), lengths.get(pk, 1)
            weight = often * 2.2 / (often + 1.2 * (0.25 + 0.75 * length / usual))
            scores[pk] += rare * (weight + (2.5 if pk in titled[term] else 0))
    return scores


def _hits(terms: list[str], *, unfinished: bool) -> list[tuple[int, int, int]]:
    """Return `(term, story, whether in its title)` of all public texts found."""
    if connection.vendor == "sqlite":
        words = [f'"{term}"' + "*" * unfinished for term in terms]
        asked: str | list[str] = json.dumps(words)
    else:
        asked = [f"'{_quoted(term)}'" + ":*" * unfinished for term in terms]
    with connection.cursor() as cursor:
        hits = _HITS[connection.vendor]
        cursor.execute(_SCORES.format(hits=hits), [asked])
        return list(cursor.fetchall())


def _lengths(stories: set[int]) -> dict[int, int]:
    """Return how many entries each story shows."""
    rows = Posting.objects.visible().filter(story__in=stories)
    return dict(rows.values_list("story").annotate(Count("pk")).order_by())
