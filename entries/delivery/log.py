"""What changed in a story after a number, as HTML for htmx."""

import re
from dataclasses import dataclass

from django.db.models import Exists, OuterRef

from entries import drawing
from entries.delivery import numbers
from entries.models import EntryVersion, Story, StorySlug

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
    """The answer to "what changed after n?" in one story.

    `html` brings a page from `after` to `cursor`; empty where nothing changed.
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


def changes_after(story_id: int, after: str | Cursor | None, rail: int = 0) -> Changes:
    """Return what a page that shows `after` lacks, and the rail if it has another.

    The story's number is read first, and then what changed until that number: an
    answer never claims what it does not hold, and what slips in between comes next.
    """
    epoch, site_seq, found = numbers.of_stories([story_id])
    if story_id not in found:  # a backup without it was brought back just now
        return Changes("", Cursor(epoch, 0), "", site_seq, reset=True)
    story = Story.objects.get(pk=story_id)
    if found[story_id][1] != story.state:
        # It turned just now, and the rail with it: whoever hears of one has both.
        return changes_after(story_id, after, rail)
    now = Cursor(epoch, story.seq)
    known = Cursor.parse(after) if isinstance(after, str) else after
    if known is None or known.epoch != now.epoch or known.seq > now.seq:
        return Changes("", now, story.state, site_seq, reset=True)
    html, withdrew = _html(story, known.seq) if known.seq < now.seq else ("", False)
    if rail and rail != site_seq and story.public:
        html += rail_partial(story_id)
    return Changes(html, now, story.state, site_seq, withdrew=withdrew)


def _html(story: Story, after: int) -> tuple[str, bool]:
    """Return what a page lacks, and whether that takes something away."""
    if story.state == Story.State.WITHDRAWN:
        gone = drawing.withdrawn_html(story)
        return _partial("#story", "innerHTML", gone), True
    withdrew = False
    hidden = EntryVersion.objects.filter(entry=OuterRef("entry"), hidden=True)
    changed = story.postings.changed(after, story.seq).annotate(hides=Exists(hidden))
    parts = []
    rows = changed.values_list("entry_id", "html", "visible", "hides")
    for entry_id, entry, visible, hides in rows:
        withdrew = withdrew or hides
        if visible:
            parts.append(_upsert(entry))
        else:
            withdrew = True
            # Named in it too, for pages that only count it.
            name = f"entry-{entry_id}"
            parts.append(_partial(f"#{name}", "delete", name))
    if story.head_seq > after:
        parts.append(_partial("#story-head", "outerHTML", drawing.head_html(story)))
        events = drawing.key_events_html(story, drawing.key_events(story))
        parts.append(_partial("#key-events", "outerHTML", events))
    updates = story.postings.visible().updates()
    last = updates.values_list("at", flat=True).first()
    line = drawing.last_update_html(story, last)
    parts.append(_partial("#last-update", "outerHTML", line))
    return "\n".join(parts), withdrew


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
    _, seq, _ = numbers.of_stories([])
    story = Story.objects.select_related("series").get(pk=story_id)
    return _partial("#rail", "outerHTML", drawing.rail_html(story, seq))


def _upsert(html: str) -> str:
    return (
        f'<hx-upsert hx-target="#updates" key="data-key" sort="desc">{html}</hx-upsert>'
    )


def _partial(target: str, swap: str, html: str = "") -> str:
    return f'<hx-partial hx-target="{target}" hx-swap="{swap}">{html}</hx-partial>'
