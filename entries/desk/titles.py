"""Titles as editors type them: the story that one names, or stories like it.

Only public stories are found, so that no line can lead where readers may not go.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from django.db.models import Exists, OuterRef, Q

from entries.models import Entry, Link, Story
from entries.text import words
from entries.text.folding import cased, fold_title

MAX_NEAR: Final = 3  # stories offered for one title
MAX_CANDIDATES: Final = 120  # stories, the newest, that a title is compared with
NEAR: Final = 0.62  # of 1: how much alike two titles are
# A line such as “See you tomorrow” is prose, unless it is very like a title.
NEAR_IN_PROSE: Final = 0.82


@dataclass(frozen=True)
class Offer:
    """A title that names no story, and the stories that it may mean."""

    link: Link
    stories: list[Story]


def named_story(title: str, stories: Iterable[Story]) -> Story | None:
    """Return the story with a title, ignoring typography; None unless it is unique.

    Of titles that differ only in diacritics, the one with those that were typed counts.
    """
    wanted = fold_title(title)
    found = [story for story in stories if fold_title(story.title) == wanted]
    if len(found) > 1:
        typed = cased(title)
        found = [story for story in found if cased(story.title) == typed]
    return found[0] if wanted and len(found) == 1 else None


def similar_stories(titles: Iterable[str], exclude: Collection[int]) -> list[Story]:
    """Return public stories that share a word with one of some titles, newest first."""
    alike = Q()
    for title in titles:
        for word in _words(title)[:8]:
            part = word[:5] if len(word) > 5 else word
            alike |= Q(folded__contains=part) | Q(series__folded__contains=part)
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
    found = dict.fromkeys(words.query_words(title))
    distinctive = [w for w in found if len(w) > 2 and w not in words.STOP_WORDS]
    return sorted(distinctive or found, key=len, reverse=True)


def _likeness(title: str, story: Story) -> float:
    """Return the similarity of a title and a story's title, from 0 to 1."""
    typed, given = fold_title(title), set(_words(title))
    scores = []
    for other in {fold_title(story.title), fold_title(story.headline)}:
        matcher = SequenceMatcher(None, typed, other, autojunk=False)
        scores.append(matcher.ratio() if matcher.quick_ratio() > NEAR else 0)
        # Part of a title, such as one without its series or its end.
        if len(given) > 1 and given <= set(_words(other)):
            scores.append(0.9)
    return max(scores)
