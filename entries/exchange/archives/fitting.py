"""Make a story of another system fit the limits that texts have here."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from entries.exchange import markdown
from entries.exchange.archives.base import What
from entries.exchange.document import Document, DocumentEntry
from entries.models import Story
from entries.models.fields import max_length
from entries.text import limits, rendering

LONG: Final = What("text was too long", "texts were too long")
_GAP: Final = re.compile(r"\n{2,}")


def fitted(document: Document) -> tuple[Document, list[str]]:
    """Return a document in Markdown with its texts divided, and a warning about it.

    The parts of an update are updates of the same minute, to be read from the top. What
    does not fit the original entry follows as the oldest update.
    """
    if not document.markdown:
        return document, []
    document = _with_short_headline(document)
    original, *more = _parts(document.original)
    at = min((u.at for u in document.updates if u.at), default=document.live_at)
    rest = [replace(part, at=at) for part in reversed(more)]
    updates = [list(_parts(update)) for update in document.updates]
    if document.newest_first:
        flat = [*(part for each in updates for part in each), *rest]
    else:
        flat = [*rest, *(part for each in updates for part in reversed(each))]
    count = bool(more) + sum(len(each) > 1 for each in updates)
    if not count:
        return document, []
    document = replace(document, original=original, updates=tuple(flat))
    return document, [f"{LONG.counted(count)} for one entry: divided into several"]


def _with_short_headline(document: Document) -> Document:
    """Move a headline that is too long into the summary, and keep its beginning."""
    headline, limit = document.headline, max_length(Story, "headline")
    if len(headline) <= limit:
        return document
    whole = f"**{rendering.escape_markdown(headline)}**\n\n{document.summary.source}"
    short = f"{headline[: limit - 1].rstrip()}…"
    return replace(document, headline=short, summary=markdown.body(whole.strip()))


def _parts(entry: DocumentEntry) -> Iterator[DocumentEntry]:
    """Yield the parts of an entry; only the first has its headline, marks and links."""
    if len(entry.source) <= limits.MAX_BODY_LENGTH:
        yield entry
        return
    first, *others = _divided(entry.source)
    yield replace(entry, items=markdown.items(first), source=first)
    for part in others:
        yield DocumentEntry(
            markdown.items(part),
            part,
            at=entry.at,
            byline=entry.byline,
            state=entry.state,
        )


def _divided(source: str) -> list[str]:
    """Divide Markdown between its paragraphs, into parts that fit an entry."""
    found = [""]
    for paragraph in _GAP.split(source):
        if found[-1] and len(found[-1]) + len(paragraph) + 2 > limits.MAX_BODY_LENGTH:
            found.append("")
        found[-1] = f"{found[-1]}\n\n{paragraph}" if found[-1] else paragraph
    return found
