"""Sample content for page measurements: the demo and two longer stories.

Runs in a process of the product, where Django is set up.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import cycle, islice
from typing import Any

from django.utils import timezone

from entries import verbs
from entries.demo import loading
from entries.models import Entry, Image, Series
from entries.verbs import EntryText

WATCH, LONG = "the-long-watch", "the-longest-watch"
UPDATES, MANY = 50, 160  # updates per story; the second has older pages
PICTURES = 8  # one update in eight has a picture


def fill() -> dict[str, str]:
    """Fill an empty site; return the paths to measure, keyed by page name."""
    loading.load_stories()
    series = Series.objects.get(slug="sorrava-daily")
    texts = [row["body"] for row in _updates()]
    _story("The long watch", WATCH, series, texts, UPDATES)
    _story("The longest watch", LONG, series, texts, MANY)
    pictured = Entry.objects.filter(story__slug=WATCH, html__contains="<img").first()
    assert pictured is not None
    older = Entry.objects.filter(story__slug=LONG, kind=Entry.Kind.UPDATE)
    bound = older.order_by("at", "pk")[49]
    return {
        "front page": "/",
        "story": f"/stories/{WATCH}/",
        "one update": f"/stories/{WATCH}/updates/{pictured.pk}/",
        "series": series.get_absolute_url(),
        "search": "/search/?q=bridge",
        "older page": f"/stories/{LONG}/?before={bound.pk}",
    }


def _updates() -> list[dict[str, Any]]:
    rows = loading.read_demo_file("stories.json")["stories"]
    return [update for story in rows for update in story["updates"]]


def _story(
    headline: str, slug: str, series: Series, texts: list[str], number: int
) -> None:
    names = cycle(Image.objects.order_by("name").values_list("name", flat=True))
    story = verbs.create_story(
        headline,
        slug=slug,
        series=series,
        standfirst="Two rivers, one bridge, and a town that waits.",
        lead_image=Image.objects.order_by("name").first(),
    )
    verbs.post(story, EntryText(texts[0]), kind=Entry.Kind.ORIGINAL)
    start = timezone.now() - timedelta(minutes=10 * number)
    for turn, words in enumerate(islice(cycle(texts), number)):
        if turn % PICTURES == 0:
            words = f"{words}\n\n![](image:{next(names)})"
        at = start + timedelta(minutes=10 * turn)
        verbs.post(story, EntryText(words, at=at), key_event=turn % 9 == 0)
    verbs.go_live(story)
