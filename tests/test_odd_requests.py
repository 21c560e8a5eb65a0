"""Odd values in every parameter of every address, as everybody: no server error."""

from __future__ import annotations

from itertools import chain, count, cycle, islice
from random import Random
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client

from entries import publishing
from entries.models import Entry, Story
from tests.builders import gmt, make_story, make_update
from tests.test_permissions import ADDRESSES, World, ask, people, world

__all__ = ["people", "world"]
pytestmark = pytest.mark.django_db

LISTS = "all o p q e _facets _popup _to_field _changelist_filters".split()
PARAMETERS = {
    "story": "before from order at page".split(),
    "changes": "after rail format before at".split(),
    "stream": "after rail format".split(),
    "front": "from before page".split(),
    "series": "before from page".split(),
    "search": "q page before".split(),
    "admin:login": "next".split(),
    "admin:autocomplete": "term app_label model_name field_name page".split(),
    "admin:entries_story_change": "before from kept q page".split(),
    "admin:entries_story_timeline": "have beat me doing below then".split(),
    "admin:entries_story_details": "made _popup _to_field".split(),
    "admin:entries_story_find": "q what".split(),
    "admin:entries_story_time": "at".split(),
    "admin:entries_story_state": "q continues_in do".split(),
    "admin:entries_story_pictures": "name".split(),
    "admin:entries_story_edit": "kept".split(),
    "admin:entries_story_cross": "q page".split(),
    "admin:entries_story_move": "q page".split(),
    "admin:entries_story_links": "q page".split(),
    "admin:entries_story_entry_links": "q page".split(),
    "moderate": "page q".split(),
    "feature": "q".split(),
    "resolve": "q".split(),
    "admin:entries_image_add": "name _popup _to_field".split(),
}
ANY = ["utm_source", "next", "_popup"]
LOOKUPS = "__exact __in __isnull __gte __lt __id__exact __date __contains".split()
ODD = [
    *("", "-1", "0", "1", "1.5", "9" * 19, "9" * 40, "²", "١٢", "1 OR 1=1", "'", '"'),
    *("\0", "1\0", "é", "\u202e", "%", "%25", "\\", "../..", "a" * 6000, "null", "[]"),
    *("2026-02-31", "2026-13-45 25:61", "draft", "withdrawn", "id", "pk", "True", "-"),
    *("0.-1.2", "1,2,3", "a,b", "entries", "<b>", "\ud7ff", "\U0001f30a", "yes", "-3"),
]


@pytest.fixture
def hidden(world: World) -> list[str]:
    """Give the ids of what is withdrawn, removed, moved, in drafts, or nowhere."""
    other, story = make_story(), world.story
    crossed = make_update(other)
    publishing.take_back(publishing.cross_post(crossed, story))
    publishing.move(make_update(story), other)
    newest = make_update(story, at=gmt("2359"))
    publishing.withdraw(newest)
    rows = chain(Entry.objects.all(), Story.objects.all())
    return sorted({str(row.pk) for row in rows}, key=int)


def of_lists() -> dict[str, list[str]]:
    """Return what the lists of the admin are asked by: each field, each lookup."""
    found = {}
    for model, own in admin.site._registry.items():
        fields = [f.name for f in model._meta.get_fields()]
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
        filters = [f[0] if isinstance(f, tuple) else f for f in own.list_filter]
        wanted = [f for f in filters if isinstance(f, str)] + fields
        ends = cycle(LOOKUPS)
        found[name] = [
            *LISTS,
            "target",
            *(f"{f}{end}" for f in filters if isinstance(f, str) for end in LOOKUPS),
            *(f"{f}{next(ends)}" for f in wanted),
        ]
    return found


def related() -> list[dict[str, str]]:
    """Return a query of the admin's suggestions for every field of every model."""
    return [
        {
            "app_label": model._meta.app_label,
            "model_name": str(model._meta.model_name),
            "field_name": field.name,
            "term": term,
        }
        for model in admin.site._registry
        for field in model._meta.get_fields()
        for term in ("", "fog", "\0")
    ]


def failures(client: Client, asked: Any) -> list[str]:
    found = []
    for method, path, data in asked:
        status = ask(client, method, path, data).status_code
        if status >= 500:
            found.append(f"{status} {method} {path} {str(data)[:120]}")
    return found


def odd_queries(world: World, hidden: list[str], each: int) -> list[Any]:
    """Return requests: each parameter of each address with some odd values."""
    random, own = Random(14), PARAMETERS | of_lists()
    values = [*ODD, *hidden]
    asked: list[Any] = []
    for name in ADDRESSES:
        path, names = world.path(name).partition("?")[0], own.get(name, [])
        for parameter in names:
            some = random.sample(values, min(each, len(values)))
            asked += [("get", path, {parameter: value}) for value in some]
        names = [*names, *ANY]
        asked.append(("get", path, {n: random.sample(values, 2) for n in names}))
        asked.append(("get", path, {n: random.choice(values) for n in names}))
    return asked
