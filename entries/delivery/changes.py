"""The change feed: what changed in a story after a cursor, as HTML for htmx.

A long feed is split into batches. They are small (about a third of `BATCH_BYTES` when
compressed), so that even a very slow network makes progress.
"""

import re
from dataclasses import dataclass

from django.db.models import Exists, OuterRef

from entries.delivery import seqs
from entries.models import EntryVersion, Story
from entries.pages import fragments

BATCH_BYTES = 16 * 1024  # a batch has at least one change, however large
BATCH_CHANGES = 64
_CURSOR = re.compile(r"([0-9a-z]{1,16})-([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True)
class Cursor:
    """A position in the history of a story: `<epoch>-<seq>`."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> "Cursor | None":
        """Parse a cursor; return None if it is malformed."""
        found = _CURSOR.fullmatch(text)
        return cls(found[1], int(found[2])) if found else None


@dataclass(frozen=True)
class Changes:
    """A batch of changes to a story after a cursor.

    `html` brings a page up to `cursor`; it is empty if nothing changed. `left` is the
    number of changes after `cursor`; at 0 the page has the current rail and everything
    up to `latest`, the story's seq when the rows were read.
    `reset` means that the page's cursor belongs to another epoch: reload the page.
    `withdrew` means that content was withdrawn (an entry, or a hidden version), so
    earlier messages must not be sent again.
    """

    html: str
    cursor: Cursor
    state: str
    site_seq: int
    reset: bool = False
    withdrew: bool = False
    left: int = 0
    latest: int = 0


@dataclass(frozen=True)
class _Batch:
    """The HTML of some changes up to `seq`, and the number `left` after it."""

    html: str
    seq: int
    withdrew: bool = False
    left: int = 0


def changes_after(
    story_id: int, after: str | Cursor | None, rail: int = 0, *, single: bool = False
) -> Changes:
    """Return the changes that a page at the cursor `after` lacks, or a first batch.

    The rail is included if `rail`, the site seq of the page's rail, is out of date.
    While some changes are `left`, call again with the returned cursor. With `single`
    a batch is one change.
    """
    epoch, site_seq, found = seqs.story_seqs([story_id])
    if story_id not in found:  # a backup without this story has just been restored
        return Changes("", Cursor(epoch, 0), "", site_seq, reset=True)
    story = Story.objects.get(pk=story_id)
    if found[story_id][1] != story.state:
        # The state changed between the two queries, and the rail changed with it.
        return changes_after(story_id, after, rail, single=single)
    # The story's seq is read before the changes up to it, so the returned cursor never
    # skips any: what is committed in between comes with the next call.
    latest = story.seq
    known = Cursor.parse(after) if isinstance(after, str) else after
    if known is None or known.epoch != epoch or known.seq > latest:
        now = Cursor(epoch, latest)
        return Changes("", now, story.state, site_seq, reset=True, latest=latest)
    limit = 1 if single else BATCH_CHANGES
    batch = (
        _batch(story, known.seq, limit) if known.seq < latest else _Batch("", latest)
    )
    html = batch.html
    if rail and rail != site_seq and story.public and not batch.left:
        html += rail_partial(story_id)
    return Changes(
        html,
        Cursor(epoch, batch.seq),
        story.state,
        site_seq,
        withdrew=batch.withdrew,
        left=batch.left,
        latest=latest,
    )


def _batch(story: Story, after: int, limit: int) -> _Batch:
    if story.state == Story.State.WITHDRAWN:
        html = _partial("#story", "innerHTML", fragments.withdrawn_html(story))
        return _Batch(html, story.seq, withdrew=True)
    partials: list[str] = []
    size, seq, withdrew, full = 0, after, False, False
    for change in _first_changes(story, after, limit + 1):
        size += len(change.html.encode())
        full = bool(partials) and (size > BATCH_BYTES or len(partials) == limit)
        if full:
            break
        partials.append(change.html)
        seq, withdrew = change.seq, withdrew or change.withdrew
    seq = seq if full else story.seq
    if after < story.head_seq <= seq:
        partials += _head_partials(story)
    left = _count_left(story, seq) if full else 0
    if not left:
        partials.append(_last_update_partial(story))
    return _Batch("\n".join(partials), seq, withdrew, left)


def _first_changes(story: Story, after: int, limit: int) -> list[_Batch]:
    """Return the first postings that changed after a seq, each as its own batch."""
    hidden = EntryVersion.objects.filter(entry=OuterRef("entry"), hidden=True)
    changed = story.postings.changed_between(after, story.seq)
    rows = changed.annotate(hides=Exists(hidden)).values_list(
        "seq", "entry_id", "html", "visible", "hides"
    )
    return [
        _Batch(
            _upsert(html) if visible else _delete(entry_id),
            seq or 0,
            withdrew=hides or not visible,
        )
        for seq, entry_id, html, visible, hides in rows[:limit]
    ]


def _count_left(story: Story, after: int) -> int:
    # At least one: the next posting may have changed again since, so that its seq is
    # now higher than the story's seq was.
    return max(1, story.postings.changed_between(after, story.seq).count())


def _head_partials(story: Story) -> list[str]:
    events = fragments.key_events_html(story, fragments.key_events(story))
    return [
        _partial("#story-head", "outerHTML", fragments.head_html(story)),
        _partial("#key-events", "outerHTML", events),
    ]


def _last_update_partial(story: Story) -> str:
    updates = story.postings.visible().updates()
    last = updates.values_list("at", flat=True).first()
    html = fragments.last_update_html(story, last)
    return _partial("#last-update", "outerHTML", html)


def public_story(slug: str) -> Story | None:
    """Return the story with a present or former slug, unless it is a draft.

    A withdrawn story is returned too, since its open pages must be updated.
    """
    story = Story.objects.by_slug(slug)
    return story if story and story.state != Story.State.DRAFT else None


def rail_partial(story_id: int) -> str:
    """Return HTML that replaces the rail on a story's open pages."""
    _, seq, _ = seqs.story_seqs([])
    story = Story.objects.select_related("series").get(pk=story_id)
    return _partial("#rail", "outerHTML", fragments.rail_html(story, seq))


def _upsert(html: str) -> str:
    return (
        f'<hx-upsert hx-target="#updates" key="data-key" sort="desc">{html}</hx-upsert>'
    )


def _delete(entry_id: int) -> str:
    # The entry's id is repeated as content, for pages that only count changes.
    element_id = f"entry-{entry_id}"
    return _partial(f"#{element_id}", "delete", element_id)


def _partial(target: str, swap: str, html: str = "") -> str:
    return f'<hx-partial hx-target="{target}" hx-swap="{swap}">{html}</hx-partial>'
