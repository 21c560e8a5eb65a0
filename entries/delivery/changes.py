"""What changed in a story after a number, piece by piece, as HTML for htmx."""

import re
from dataclasses import dataclass

from django.db.models import Exists, OuterRef

from entries.delivery import seqs
from entries.models import EntryVersion, Story, StorySlug
from entries.pages import fragments

# A piece holds at least one change. It is small so that any line which can carry one
# update makes progress; compressed it is a third of this.
BATCH_BYTES = 16 * 1024
BATCH_CHANGES = 64
_CURSOR = re.compile(r"([0-9a-z]{1,16})-([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True)
class Cursor:
    """A place in a story's history: `<epoch>-<seq>`."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> "Cursor | None":
        """Read a cursor; None for whatever is not one."""
        found = _CURSOR.fullmatch(text)
        return cls(found[1], int(found[2])) if found else None


@dataclass(frozen=True)
class Changes:
    """The answer to "what changed after n?" in one story, or the first piece of it.

    `html` brings a page from `after` to `cursor`; empty where nothing changed. `left`
    changes come after `cursor`; at 0 the page has everything up to `latest`, the
    story's seq when the rows were read, and the rail.
    `reset` means that the page's cursor is of another history: fetch it whole.
    `withdrew`: it takes something away (an entry, or words it had that are not to be
    told of any more), so nothing that was told before may be told again.
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
    """HTML of the first changes after a seq, up to `seq`; `left` come after it."""

    html: str
    seq: int
    withdrew: bool = False
    left: int = 0


def changes_after(
    story_id: int, after: str | Cursor | None, rail: int = 0, *, single: bool = False
) -> Changes:
    """Return what a page that shows `after` lacks, and the rail if it has another.

    A long answer is cut into pieces: ask again from `cursor` while some are `left`.
    With `single` a piece is one change.
    The story's number is read first, and then what changed until that number: an
    answer never claims what it does not hold, and what slips in between comes next.
    """
    epoch, site_seq, found = seqs.story_seqs([story_id])
    if story_id not in found:  # a backup without it was brought back just now
        return Changes("", Cursor(epoch, 0), "", site_seq, reset=True)
    story = Story.objects.get(pk=story_id)
    if found[story_id][1] != story.state:
        # It turned just now, and the rail with it: whoever hears of one has both.
        return changes_after(story_id, after, rail, single=single)
    latest = story.seq
    known = Cursor.parse(after) if isinstance(after, str) else after
    if known is None or known.epoch != epoch or known.seq > latest:
        now = Cursor(epoch, latest)
        return Changes("", now, story.state, site_seq, reset=True, latest=latest)
    most = 1 if single else BATCH_CHANGES
    batch = _batch(story, known.seq, most) if known.seq < latest else _Batch("", latest)
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


def _batch(story: Story, after: int, most: int) -> _Batch:
    """Return what a page lacks: as much as one piece holds, at most some changes."""
    if story.state == Story.State.WITHDRAWN:
        gone = fragments.withdrawn_html(story)
        html = _partial("#story", "innerHTML", gone)
        return _Batch(html, story.seq, withdrew=True)
    parts: list[str] = []
    size, seq, withdrew, full = 0, after, False, False
    for change in _changes(story, after, most + 1):
        size += len(change.html.encode())
        full = bool(parts) and (size > BATCH_BYTES or len(parts) == most)
        if full:
            break
        parts.append(change.html)
        seq, withdrew = change.seq, withdrew or change.withdrew
    seq = seq if full else story.seq
    if after < story.head_seq <= seq:
        parts += _head(story)
    left = _left(story, seq) if full else 0
    if not left:
        parts.append(_last_update(story))
    return _Batch("\n".join(parts), seq, withdrew, left)


def _changes(story: Story, after: int, most: int) -> list[_Batch]:
    """Return the first postings that changed after a seq, each by itself."""
    hidden = EntryVersion.objects.filter(entry=OuterRef("entry"), hidden=True)
    changed = story.postings.changed_between(after, story.seq)
    rows = changed.annotate(hides=Exists(hidden)).values_list(
        "seq", "entry_id", "html", "visible", "hides"
    )
    found = []
    for seq, entry_id, html, visible, hides in rows[:most]:
        part = _upsert(html) if visible else _delete(entry_id)
        found.append(_Batch(part, seq or 0, withdrew=hides or not visible))
    return found


def _left(story: Story, after: int) -> int:
    # At least one: it may have changed since, and so moved behind the story's seq.
    return max(1, story.postings.changed_between(after, story.seq).count())


def _head(story: Story) -> list[str]:
    events = fragments.key_events_html(story, fragments.key_events(story))
    return [
        _partial("#story-head", "outerHTML", fragments.head_html(story)),
        _partial("#key-events", "outerHTML", events),
    ]


def _last_update(story: Story) -> str:
    updates = story.postings.visible().updates()
    last = updates.values_list("at", flat=True).first()
    return _partial(
        "#last-update", "outerHTML", fragments.last_update_html(story, last)
    )


def public_story(slug: str) -> Story | None:
    """Return the story that readers know by a slug, present or old; None for others.

    A withdrawn one is returned too: its pages are to be told.
    """
    row = StorySlug.objects.select_related("story").filter(slug=slug).first()
    if row is None or row.story.state == Story.State.DRAFT:
        return None
    return row.story


def rail_partial(story_id: int) -> str:
    """Return the rail beside a story, for pages that are open."""
    _, seq, _ = seqs.story_seqs([])
    story = Story.objects.select_related("series").get(pk=story_id)
    return _partial("#rail", "outerHTML", fragments.rail_html(story, seq))


def _upsert(html: str) -> str:
    return (
        f'<hx-upsert hx-target="#updates" key="data-key" sort="desc">{html}</hx-upsert>'
    )


def _delete(entry_id: int) -> str:
    # Named in it too, for pages that only count it.
    name = f"entry-{entry_id}"
    return _partial(f"#{name}", "delete", name)


def _partial(target: str, swap: str, html: str = "") -> str:
    return f'<hx-partial hx-target="{target}" hx-swap="{swap}">{html}</hx-partial>'
