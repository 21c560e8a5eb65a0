"""What somebody means who has typed part of a title, an url, or nothing yet."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Q

from entries.desk.access import int_or_zero
from entries.models import Series, Story
from entries.pages import search
from entries.verbs import Refused

MAX_SUGGESTIONS = 6
State = Story.State
Fields = dict[str, object]  # of a link: its target, and a title where that has none


@dataclass(frozen=True)
class Target:
    """One place that a link can lead to; `value` names it in a form."""

    value: str
    title: str
    note: str = ""


def title_matches(text: str) -> Q:
    """Return what keeps the stories whose title holds every word of a text."""
    found = Q()
    for word in text.split()[:8]:
        found &= (
            Q(headline__icontains=word)
            | Q(series__name__icontains=word)
            | Q(slug__icontains=word)
        )
    return found


def suggest_live(text: str, about: str, excluded: Collection[int]) -> list[Story]:
    """Return running stories that a text, else what it is `about`, may mean.

    `excluded` are the ids of those that are no choice.
    """
    found = _by_words(text or about, excluded)
    live = Story.objects.live().exclude(pk__in=excluded).filter(title_matches(text))
    return _together(
        [story for story in found if story.state == Story.State.LIVE],
        live.select_related("series").newest()[:MAX_SUGGESTIONS],
    )


def suggest_open(text: str, excluded: Collection[int], about: str = "") -> list[Story]:
    """Return the same among all stories that take updates, drafts included."""
    states = (State.LIVE, State.DRAFT)
    stories = Story.objects.filter(title_matches(text), state__in=states)
    stories = stories.exclude(pk__in=excluded).select_related("series")
    found = _by_words(text or about, excluded)
    likely = [story for story in found if story.state in states]
    titled_so = stories.newest()[:MAX_SUGGESTIONS]
    return _together(titled_so, likely) if text else _together(likely, titled_so)


def chosen_story(pk: str) -> Story:
    """Return the story that a button names; raises Refused where it is not there."""
    story = Story.objects.select_related("series").filter(pk=int_or_zero(pk)).first()
    if story is None:
        raise Refused("There is no such story: type part of its title.")
    return story


def suggest_targets(text: str, about: str, excluded: Collection[int]) -> list[Target]:
    """Return where a link can lead, the likeliest first.

    Stories and series by words; with a typed `text` also what it is itself: an
    address outside, or words that lead nowhere yet.
    """
    text = text.strip()
    others = Story.objects.exclude(pk__in=excluded).filter(title_matches(text))
    others = others.exclude(state=Story.State.WITHDRAWN).select_related("series")
    stories = _together(
        _by_words(text or about, excluded), others.newest()[:MAX_SUGGESTIONS]
    )
    found = [Target(f"story:{s.pk}", s.title, s.get_state_display()) for s in stories]
    if not text:
        return found
    if url := outside_url(text):
        found.insert(0, Target("url", url, "Address outside"))
    named = Series.objects.filter(name__icontains=text)[:3]
    found += [Target(f"series:{row.pk}", row.name, "Series") for row in named]
    return [*found, Target("none", f"“{text}”", "Words alone, until it is known")]


def _by_words(text: str, excluded: Collection[int]) -> list[Story]:
    return (
        search.suggest_stories(text, excluded, MAX_SUGGESTIONS) if text.strip() else []
    )


def _together(first: Collection[Story], then: Collection[Story]) -> list[Story]:
    both = {story.pk: story for story in (*first, *then)}
    return list(both.values())[:MAX_SUGGESTIONS]


def outside_url(text: str) -> str:
    """Return the address that a text is, or nothing."""
    text = text.strip()
    if " " in text or "." not in text:
        return ""
    if text.startswith(("http://", "https://")):
        return text
    return f"https://{text}" if text.startswith("www.") else ""


def target_fields(value: str, text: str) -> Fields:
    """Return the fields of a link that leads where a button says.

    Raises Refused for what is not there (any more).
    """
    kind, _, named = value.partition(":")
    pk = int_or_zero(named)
    fields: Fields = {"target_story": None, "target_series": None, "target_url": ""}
    if kind == "story" and (story := Story.objects.filter(pk=pk).first()):
        return fields | {"target_story": story}
    if kind == "series" and (series := Series.objects.filter(pk=pk).first()):
        return fields | {"target_series": series}
    if kind == "url":
        return fields | {"target_url": outside_url(text) or text.strip()}
    if kind == "none" and text.strip():
        return fields | {"title": text.strip()[:300]}
    raise Refused("Choose where it leads: type part of a title, or an address.", "q")
