"""Which stories somebody means who has typed part of a title."""

from collections.abc import Iterable

from django.db.models import Q

from entries.models import Series, Story

MOST = 6
State = Story.State


def named(text: str) -> Q:
    """Return what keeps the stories whose title holds every word of a text."""
    found = Q()
    for word in text.split()[:8]:
        found &= (
            Q(headline__icontains=word)
            | Q(series__name__icontains=word)
            | Q(slug__icontains=word)
        )
    return found


def running(text: str, standing: Iterable[int]) -> list[Story]:
    """Return running stories by part of a title, in which nothing stands yet.

    `standing` are the ids of those that are no choice; without a text the newest
    stories come.
    """
    stories = Story.objects.live().exclude(pk__in=standing).filter(named(text))
    return list(stories.select_related("series").newest()[:MOST])


def open_for(text: str, standing: Iterable[int]) -> list[Story]:
    """Return the same among all stories that take updates, drafts included."""
    stories = Story.objects.filter(named(text), state__in=(State.LIVE, State.DRAFT))
    found = stories.exclude(pk__in=standing).select_related("series")
    return list(found.newest()[:MOST])


def series(text: str) -> list[Series]:
    """Return series by part of a name."""
    return list(Series.objects.filter(name__icontains=text.strip())[:3]) if text else []
