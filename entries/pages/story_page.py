"""A story's page, assembled from cached fragments and a cached frame around them."""

import re
import secrets
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Final

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from entries.models import Site, Story
from entries.pages import fragment_cache, fragments, schema_org, timeline
from entries.pages.fragment_cache import CachedFragment
from entries.text import languages

_SLOTS: Final = (
    "modified",
    "data",
    "cursor",
    "last_update",
    "key_events",
    "pinned",
    "updates",
    "original",
)
# Placeholders of the slots in the frame; the random token keeps texts from faking one.
_TOKEN: Final = secrets.token_hex(16)
_PLACEHOLDERS: Final = {name: SafeString(f"{_TOKEN}{name};") for name in _SLOTS}
_PLACEHOLDER: Final = re.compile(f"{_TOKEN}([a-z_]+);")


def render_story_page(
    site: Site, story: Story, *, order: str = "newest", before: int = 0, start: int = 0
) -> bytes:
    """Render one page of a story's timeline (see `timeline.timeline_page`).

    `site` and `story` must have been read before anything else: the page's cursor is
    made from them, and a page may be ahead of its cursor but never behind it. Raises
    timeline.NoSuchEntry.
    """
    places = fragment_cache.cache.places(site.epoch, story)
    page = timeline.timeline_page(
        story, places, order=order, before=before, start=start
    )
    frame = _frame(site.epoch, story.head_seq, site.seq, story, page.empty)
    contents = _slot_contents(site, story, page)
    chunks: list[bytes] = []
    for index, text in enumerate(frame):
        chunks += contents[text] if index % 2 else [text.encode()]
    html = b"".join(chunks)
    if fragments.shows_full_dates(story, page.last_at):
        return fragments.with_full_dates(html.decode(), story.language).encode()
    return html


def live_url(site: Site, story: Story, entry_id: int) -> str:
    """Return the URL of the live page on which an update is now."""
    places = fragment_cache.cache.places(site.epoch, story)
    return timeline.page_url(story, places, entry_id)


def _slot_contents(
    site: Site, story: Story, page: timeline.Page
) -> dict[str, list[bytes]]:
    """Return the content of each slot of the frame, in chunks."""
    original = [page.original] if page.original else []
    wanted = [*page.updates, *page.pinned, *page.key_events, *original]
    cached = fragment_cache.cache.fragments(site.epoch, story, wanted)

    def fragments_of(places: Iterable[timeline.Place]) -> list[CachedFragment]:
        return [cached[p.posting_id] for p in places if p.posting_id in cached]

    newest = sorted([*page.updates, *page.pinned], key=lambda p: p[:2], reverse=True)
    data = [fragment.data for fragment in fragments_of(newest)]
    events = [
        fragments.KeyEvent(place.at, place.entry_id, cached[place.posting_id].title)
        for place in page.key_events
        if place.posting_id in cached
    ]
    texts = {
        "modified": schema_org.format_iso_seconds(story.changed_at) or "",
        "cursor": f"{site.epoch}-{story.seq}",
        "last_update": fragments.last_update_html(story, page.last_at),
        "key_events": fragments.key_events_html(story, events),
    }
    return {
        **{name: [text.encode()] for name, text in texts.items()},
        "data": schema_org.story_script(story, data, page.first_at),
        "pinned": [fragment.html for fragment in fragments_of(page.pinned)],
        "updates": [fragment.html for fragment in fragments_of(page.updates)],
        "original": [fragment.html for fragment in fragments_of(original)],
    }


@lru_cache(maxsize=200)
def _frame(
    epoch: str, head_seq: int, site_seq: int, story: Story, page: timeline.Page
) -> list[str]:
    """Render the page around its updates: text alternating with the names of slots.

    Cached until the head or the rail changes, which have a seq of their own; `page`
    must be `Page.empty`, so that new updates do not change the key.
    """
    with languages.page_in(story.language):
        return _PLACEHOLDER.split(_render_frame(site_seq, story, page))


def _render_frame(site_seq: int, story: Story, page: timeline.Page) -> str:
    card = schema_org.story_card(story)
    context = {
        "story": story,
        "page": page,
        "rail_seq": site_seq,
        "head": fragments.head_html(story),
        "rail": fragments.rail_html(story, site_seq),
        **_PLACEHOLDERS,
        "card": replace(card, modified=_PLACEHOLDERS["modified"]),
    }
    return render_to_string("entries/story.html", context)
