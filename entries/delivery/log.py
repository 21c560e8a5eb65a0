"""What changed in a story after a number, as HTML for htmx."""

from dataclasses import dataclass

from django.db.models import Max

from entries import drawing
from entries.models import Site, Story


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
        epoch, _, seq = text.strip().rpartition("-")
        if not (epoch and seq.isascii() and seq.isdigit() and len(seq) < 19):
            return None
        return cls(epoch, int(seq))


@dataclass(frozen=True)
class Changes:
    """The answer to "what changed after n?" in one story.

    `html` brings a page from `after` to `cursor`; empty where nothing changed.
    `reset` means that the page's cursor is of another history: fetch it whole.
    """

    html: str
    cursor: Cursor
    state: str
    site_seq: int
    reset: bool = False


def changes_after(story_id: int, after: str | Cursor | None) -> Changes:
    """Return what a page that shows `after` lacks.

    The story's number is read first and the content after it: an answer never
    claims what it does not hold, and a change that slips in between comes twice.
    """
    site = Site.current()
    story = Story.objects.select_related(
        "series", "lead_image", "continues_in__series"
    ).get(pk=story_id)
    now = Cursor(site.epoch, story.seq)
    known = Cursor.parse(after) if isinstance(after, str) else after
    reset = known is None or known.epoch != now.epoch or known.seq > now.seq
    if reset or known is None:
        return Changes("", now, story.state, site.seq, reset=True)
    html = _html(story, known.seq) if known.seq < now.seq else ""
    return Changes(html, now, story.state, site.seq)


def _html(story: Story, after: int) -> str:
    if story.state == Story.State.WITHDRAWN:
        return _partial("#story", "innerHTML", drawing.withdrawn_html(story))
    postings = story.postings.changed_after(after).select_related("entry")
    parts = []
    for posting in postings:
        posting.story = story
        if posting.visible:
            parts.append(_upsert(posting.html))
        else:
            parts.append(_partial(f"#entry-{posting.entry_id}", "delete"))
    if story.head_seq > after:
        parts.append(_partial("#story-head", "outerHTML", drawing.head_html(story)))
        events = drawing.key_events_html(story)
        parts.append(_partial("#key-events", "outerHTML", events))
    last = story.postings.visible().updates().aggregate(at=Max("entry__at"))["at"]
    line = drawing.last_update_html(story, last)
    parts.append(_partial("#last-update", "outerHTML", line))
    return "\n".join(parts)


def rail_partial(story_id: int) -> str:
    """Return the rail beside a story, for pages that are open."""
    story = Story.objects.select_related("series").get(pk=story_id)
    return _partial("#rail", "outerHTML", drawing.rail_html(story))


def _upsert(html: str) -> str:
    return (
        f'<hx-upsert hx-target="#updates" key="data-key" sort="desc">{html}</hx-upsert>'
    )


def _partial(target: str, swap: str, html: str = "") -> str:
    return f'<hx-partial hx-target="{target}" hx-swap="{swap}">{html}</hx-partial>'
