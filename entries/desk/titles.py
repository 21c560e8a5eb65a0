"""Titles as editors type them: the story that one names, or stories like it.

Only public stories are found, so that no line can lead where readers may not go.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from django.db.models import Exists, OuterRef, Q

from entries.models import Entry, Link, Story
from entries.pages import search

MAX_NEAR: Final = 3  # stories offered for one title
MAX_CANDIDATES: Final = 120  # stories, the newest, that a title is compared with
NEAR: Final = 0.62  # of 1: how much alike two titles are
# A line such as “See you tomorrow” is prose, unless it is very like a title.
NEAR_IN_PROSE: Final = 0.82

_QUOTES: Final = dict.fromkeys(map(ord, "'‘’‚‛′`´ʼ＇\"“”„‟″«»‹›＂"), "'")
_DASHES: Final = dict.fromkeys(map(ord, "-‐‑‒–—―−﹘﹣－"), "-")
_INVISIBLE: Final = dict.fromkeys(
    [
        *(0xAD, 0x61C, 0xFEFF),
        *range(0x200B, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
    ]
)
_TYPOGRAPHY: Final = {**_QUOTES, **_DASHES, **_INVISIBLE}
_WORD: Final = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Offer:
    """A title that names no story, and the stories that it may mean."""

    link: Link
    stories: list[Story]


def fold(title: str) -> str:
    """Normalise a title, so that typography makes no difference.

    Quotation marks, dashes, spaces, case, and the stop at its end do not count.
    """
    text = re.sub(r"(?<=[«‹])\s+|\s+(?=[»›])", "", title).translate(_TYPOGRAPHY)
    text = unicodedata.normalize("NFKC", text).casefold()
    text = re.sub(r"\s*(-+|:)\s*", lambda m: "-" if m[1][0] == "-" else ": ", text)
    return " ".join(text.split()).strip("'.!?,;: ")


def named_story(title: str, stories: Iterable[Story]) -> Story | None:
    """Return the story with a title, ignoring typography; None unless it is unique."""
    wanted = fold(title)
    found = [story for story in stories if fold(story.title) == wanted]
    return found[0] if wanted and len(found) == 1 else None


def similar_stories(titles: Iterable[str], exclude: Collection[int]) -> list[Story]:
    """Return public stories that share a word with one of some titles, newest first."""
    alike = Q()
    for title in titles:
        for word in _words(title)[:8]:
            part = word[:5] if len(word) > 5 else word
            alike |= Q(headline__icontains=part) | Q(series__name__icontains=part)
    if not alike:
        return []
    found = Story.objects.public().filter(alike).exclude(pk__in=exclude)
    return list(found.select_related("series").newest()[:MAX_CANDIDATES])


def near_stories(
    title: str, stories: Iterable[Story], least: float | None = None
) -> list[Story]:
    """Return the stories with the most similar titles, the best match first."""
    if least is None:
        first = title.lstrip("'\"“‘«„([¿¡ ")[:1]
        least = NEAR if first.upper() == first or first.isdigit() else NEAR_IN_PROSE
    scores = {story: _likeness(title, story) for story in stories}
    near = sorted(scores, key=lambda story: (-scores[story], -story.pk))
    return [story for story in near if scores[story] >= least][:MAX_NEAR]


def loose_lines(entry: str) -> Exists:
    """Return whether a row's entry, by its column, has “See” lines to ask about."""
    loose = Link.objects.unresolved().filter(kind=Link.Kind.SEE)
    return Exists(loose.filter(entry=OuterRef(entry)))


def offers(entry: Entry) -> list[Offer]:
    """Return the titles of an entry that name no story, with likely stories."""
    links = list(entry.links.unresolved().filter(kind=Link.Kind.SEE)[:MAX_NEAR])
    stories = similar_stories([link.title for link in links], [entry.story_id])
    found = (Offer(link, near_stories(link.title, stories)) for link in links)
    return [offer for offer in found if offer.stories]


def _words(title: str) -> list[str]:
    """Return the distinctive words of a title, longest first."""
    words = dict.fromkeys(_WORD.findall(fold(title)))
    distinctive = [w for w in words if len(w) > 2 and w not in search.STOP_WORDS]
    return sorted(distinctive or words, key=len, reverse=True)


def _likeness(title: str, story: Story) -> float:
    """Return the similarity of a title and a story's title, from 0 to 1."""
    typed, words = fold(title), set(_words(title))
    scores = []
    for other in {fold(story.title), fold(story.headline)}:
        matcher = SequenceMatcher(None, typed, other, autojunk=False)
        scores.append(matcher.ratio() if matcher.quick_ratio() > NEAR else 0)
        # Part of a title, such as one without its series or its end.
        if len(words) > 1 and words <= set(_words(other)):
            scores.append(0.9)
    return max(scores)
