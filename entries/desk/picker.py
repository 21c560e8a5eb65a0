"""Pickers: suggest stories and link targets for part of a title or a URL.

Before anything is typed, they suggest stories similar to a given text (`about`).
"""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext

from entries.desk.access import int_or_zero
from entries.models import Link, Series, Story
from entries.models.fields import has_words, max_length
from entries.pages import search
from entries.verbs import Refused

MAX_SUGGESTIONS = 6
MAX_SERIES = 3
MAX_QUERY_LENGTH = 200
MAX_ABOUT_LENGTH = 2000
State = Story.State
LinkFields = dict[str, object]  # the target of a link, or the title if it has none


@dataclass(frozen=True)
class Target:
    """A possible target of a link; `value` identifies it in a form.

    `language` is that of its title, empty if unknown.
    """

    value: str
    title: str
    note: str = ""
    language: str = ""


def typed_query(request: HttpRequest) -> str:
    """Return the query that was typed into a picker."""
    data = request.POST or request.GET
    return data.get("q", "").strip()[:MAX_QUERY_LENGTH]


def title_matches(text: str) -> Q:
    """Match stories that have every word of a text in headline, series or slug."""
    return has_words(text, "folded", "series__folded")


def suggest_live(text: str, about: str, excluded: Collection[int]) -> list[Story]:
    """Suggest live stories, except those with the `excluded` ids."""
    found = _search(text or about, excluded)
    live = Story.objects.live().exclude(pk__in=excluded).filter(title_matches(text))
    return _merge(
        [story for story in found if story.state == State.LIVE],
        live.select_related("series").newest()[:MAX_SUGGESTIONS],
    )


def suggest_open(text: str, excluded: Collection[int], about: str = "") -> list[Story]:
    """Suggest stories that take updates: live, announced and draft ones."""
    states = (State.LIVE, *Story.UNPUBLISHED)
    stories = Story.objects.filter(title_matches(text), state__in=states)
    stories = stories.exclude(pk__in=excluded).select_related("series")
    found = _search(text or about, excluded)
    likely = [story for story in found if story.state in states]
    titled = stories.newest()[:MAX_SUGGESTIONS]
    return _merge(titled, likely) if text else _merge(likely, titled)


def chosen_story(pk: str) -> Story:
    """Return the story chosen in a picker. Raises Refused if there is none."""
    story = Story.objects.select_related("series").filter(pk=int_or_zero(pk)).first()
    if story is None:
        raise Refused(gettext("There is no such story: type part of its title."))
    return story


def suggest_targets(text: str, about: str, excluded: Collection[int]) -> list[Target]:
    """Suggest targets for a link, the likeliest first.

    These are stories, series, and what was typed: as a URL, or as the title of a link
    whose target is not known yet.
    """
    text = text.strip()
    others = Story.objects.exclude(pk__in=excluded).filter(title_matches(text))
    others = others.exclude(state=State.WITHDRAWN).select_related("series")
    likely = _search(text or about, excluded)
    stories = _merge(likely, others.newest()[:MAX_SUGGESTIONS])
    found = story_targets(stories)
    if not text:
        return found
    if url := outside_url(text):
        found.insert(0, Target("url", url, gettext("Another site")))
    named = Series.objects.filter(has_words(text, "folded"))[:MAX_SERIES]
    found += [
        Target(f"series:{row.pk}", row.name, gettext("Series"), row.language)
        for row in named
    ]
    return [*found, Target("none", f"“{text}”", gettext("Add as plain text for now"))]


def story_targets(stories: Collection[Story]) -> list[Target]:
    """Return stories as targets of a link."""
    return [
        Target(f"story:{s.pk}", s.title, _state_note(s), s.language) for s in stories
    ]


def _state_note(story: Story) -> str:
    """Return the state of a story and, if it is over, the days of its coverage."""
    return ", ".join(filter(None, (story.get_state_display(), story.days)))


def _search(text: str, excluded: Collection[int]) -> list[Story]:
    text = text[:MAX_ABOUT_LENGTH].strip()
    return search.suggest_stories(text, excluded, MAX_SUGGESTIONS) if text else []


def _merge(first: Collection[Story], second: Collection[Story]) -> list[Story]:
    both = {story.pk: story for story in (*first, *second)}
    return list(both.values())[:MAX_SUGGESTIONS]


def outside_url(text: str) -> str:
    """Return a text as a URL; empty if it is not one."""
    text = text.strip()
    if " " in text or "." not in text:
        return ""
    if text.startswith(("http://", "https://")):
        return text
    return f"https://{text}" if text.startswith("www.") else ""


def target_fields(value: str, text: str) -> LinkFields:
    """Return the fields of a link to the `Target` with a value.

    `text` is what was typed. Raises Refused if no target was chosen, or if it is gone.
    """
    kind, _, number = value.partition(":")
    pk = int_or_zero(number)
    fields: LinkFields = {"target_story": None, "target_series": None, "target_url": ""}
    if kind == "story" and (story := Story.objects.filter(pk=pk).first()):
        return fields | {"target_story": story}
    if kind == "series" and (series := Series.objects.filter(pk=pk).first()):
        return fields | {"target_series": series}
    if kind == "url":
        return fields | {"target_url": outside_url(text) or text.strip()}
    if kind == "none" and text.strip():
        return fields | {"title": text.strip()[: max_length(Link, "title")]}
    raise Refused(
        gettext("Choose where it leads: type part of a title, or an address."), "q"
    )
