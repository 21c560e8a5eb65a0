"""A story's page, put together from what is kept: no part of it is drawn twice."""

import re
import secrets
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from entries import drawing, paging, parts, structured_data
from entries.models import Site, Story
from entries.parts import Part

# What stands in the frame of a page where kept bytes go; no text can hold it.
_NAMES: Final = ("data", "pinned", "updates", "original")
_TOKEN: Final = secrets.token_hex(16)
_MARKS: Final = {name: SafeString(f"{_TOKEN}{name};") for name in _NAMES}
_MARK: Final = re.compile(f"{_TOKEN}([a-z]+);")


def story_page(
    request: HttpRequest,
    site: Site,
    story: Story,
    *,
    order: str = "newest",
    before: int = 0,
    start: int = 0,
) -> bytes:
    """Return a story's live page: the front, an older one, or oldest first.

    `site` and `story` were read before: their numbers are what the page claims, and
    it may hold more. Raises paging.NoSuchPlace.
    """
    places = parts.kept.standing(site.epoch, story)
    page = paging.page(story, places, order=order, before=before, start=start)
    original = [page.original] if page.original else []
    wanted = [*page.updates, *page.pinned, *page.key_events, *original]
    kept = parts.kept.of(site.epoch, story, wanted)

    def shown(places: Iterable[paging.Place]) -> list[Part]:
        return [kept[p.posting_id] for p in places if p.posting_id in kept]

    told = sorted([*page.updates, *page.pinned], key=lambda p: p[:2], reverse=True)
    data = [part.data for part in shown(told)]
    events = [
        drawing.Event(place.at, place.entry_id, kept[place.posting_id].words)
        for place in page.key_events
        if place.posting_id in kept
    ]
    context = {
        "story": story,
        "page": page,
        "cursor": f"{site.epoch}-{story.seq}",
        "rail_seq": site.seq,
        "card": structured_data.story_card(story),
        "head": _head(site.epoch, story.head_seq, story),
        "key_events": drawing.key_events_html(story, events),
        "last_update": drawing.last_update_html(story, page.last_at),
        "rail": _rail(site.epoch, site.seq, story),
        **_MARKS,
    }
    pieces = {
        "data": structured_data.story_script(story, data, page.first_at),
        "pinned": [part.html for part in shown(page.pinned)],
        "updates": [part.html for part in shown(page.updates)],
        "original": [part.html for part in shown(original)],
    }
    return _filled(render_to_string("entries/story.html", context, request), pieces)


def address_of(site: Site, story: Story, entry_id: int) -> str:
    """Return the address at which a story's live pages show an update now."""
    places = parts.kept.standing(site.epoch, story)
    return paging.address_of(story, places, entry_id)


def _filled(frame: str, pieces: dict[str, list[bytes]]) -> bytes:
    """Return a frame with bytes in the place of its marks."""
    found: list[bytes] = []
    for number, text in enumerate(_MARK.split(frame)):
        found += pieces[text] if number % 2 else [text.encode()]
    return b"".join(found)


@lru_cache(maxsize=200)
def _head(epoch: str, head_seq: int, story: Story) -> SafeString:
    """Return the head of a story; it moves with a number of its own."""
    return drawing.head_html(story)


@lru_cache(maxsize=200)
def _rail(epoch: str, seq: int, story: Story) -> SafeString:
    """Return the rail beside a story; it stays until the site's number moves."""
    return drawing.rail_html(story, seq)
