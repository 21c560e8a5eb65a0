"""Odd values in every parameter of every URL, as every role: no server error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from random import Random
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.http import QueryDict
from django.test import Client

from entries import verbs
from entries.models import Entry, Story
from tests import seeds
from tests.builders import gmt, make_story, make_update
from tests.test_permissions import ADDRESSES, World, _reversed, ask, people, world

__all__ = ["people", "world"]
pytestmark = pytest.mark.django_db
Asked = tuple[str, str, dict[str, Any]]

LISTS = "all o p q e target _facets _popup _to_field _changelist_filters"
COMMON = "from before at page next _popup _to_field utm_source"
PARAMETERS = {
    "front": "p page_id",
    "story": "order",
    "changes": "after rail format",
    "stream": "after rail format",
    "search": "q",
    "admin:autocomplete": "term app_label model_name field_name",
    "admin:entries_story_change": "kept",
    "admin:entries_story_timeline": "have beat me doing below then check",
    "admin:entries_story_stream": "me",
    "admin:entries_story_details": "made",
    "admin:entries_story_find": "q what",
    "admin:entries_story_audience": "hours",
    "admin:entries_story_state": "q continues_in do begins",
    "admin:entries_story_pictures": "name",
    "admin:entries_story_edit": "kept",
    "admin:entries_story_cross": "q to",
    "admin:entries_story_move": "q to",
    "admin:entries_story_search": "q author state at in_place",
    "admin:entries_story_snippets": "q",
    "admin:entries_story_notes": "reply",
    "admin:entries_story_entry_notes": "reply",
    "admin:entries_story_own_story": "key",
    "admin:entries_story_links": "q",
    "admin:entries_story_entry_links": "q",
    "moderate": "q",
    "feature": "q",
    "resolve": "q",
    "admin:entries_image_add": "name",
}
POSTED = {
    "admin:entries_story_change": "at headline body action kind key separate sure "
    "pinned picture coming",
    "admin:entries_story_edit": "at body version how correction action picture way "
    "choice next",
    "admin:entries_story_act": "do version",
    "admin:entries_story_see": "see",
    "admin:entries_story_cross": "to back page q",
    "admin:entries_story_move": "to q",
    "admin:entries_story_quote": "text name handle network at url",
    "admin:entries_story_embed": "text",
    "admin:entries_story_notes": "do note text handover key next",
    "admin:entries_story_entry_notes": "do note text handover key next",
    "admin:entries_story_own_story": "headline key next",
    "admin:entries_snippet_add": "name body order",
    "admin:entries_story_versions": "do number version correction",
    "admin:entries_story_history": "do number version",
    "admin:entries_story_draft": "form key typed at forget",
    "admin:entries_story_summary": "body version choice",
    "admin:entries_story_state": "do q continues_in",
    "admin:entries_story_notices": "body",
    "admin:entries_story_links": "target q do link order kind title seen both",
    "admin:entries_story_entry_links": "target q do link order kind title seen both",
    "admin:entries_story_add": "headline series slug begins original key action",
    "admin:entries_story_details": "headline slug series version key first_day choice",
    "admin:entries_story_changelist": "action _selected_action index",
    "admin:entries_link_add": "kind story entry target_url title starts_at order",
    "admin:entries_entry_queue": "do entry version line",
    "feature": "target q do link order kind starts ends picture",
    "resolve": "target q do",
}
LOOKUPS = ("__exact", "__in", "__isnull", "__gte", "__lt", "__id__exact")
LOOKUPS += ("__date", "__contains")
ODD = [
    *("", "-1", "0", "1", "1.5", "9" * 19, "9" * 40, "²", "١٢", "1 OR 1=1", "'", '"'),
    *("\0", "1\0", "é", "\u202e", "%", "%25", "\\", "../..", "a" * 6000, "null", "[]"),
    *("2026-02-31", "2026-13-45 25:61", "draft", "withdrawn", "id", "pk", "True", "-"),
    *("0.-1.2", "1,2,3", "a,b", "entries", "<b>", "\ud7ff", "\U0001f30a", "yes", "-3"),
    *("1-1", f"{'9' * 17}-{'9' * 18}", "1-0", "01-1", "1-1-1", f"{'9' * 18}-1"),
    *("99999-01-01", "0001-01-01", "-1.1", "edit-9" + "9" * 17, "1:1", "story:1:1"),
]


@pytest.fixture
def hidden(world: World) -> list[str]:
    """Give the ids of what is withdrawn, removed, moved, in drafts, or nowhere."""
    other, story = make_story(), world.story
    crossed = make_update(other)
    verbs.remove_cross_post(verbs.cross_post(crossed, story))
    verbs.move(make_update(story), other)
    verbs.withdraw(make_update(story, at=gmt("2359")))
    rows = chain(Entry.objects.all(), Story.objects.all())
    return sorted({str(row.pk) for row in rows}, key=int)


def names_of(address: str) -> list[str]:
    """Return what an address is asked by; a list of the admin, by its fields too."""
    own = f"{PARAMETERS.get(address, '')} {COMMON}".split()
    for model, listed in admin.site._registry.items():
        if address != f"admin:{model._meta.label_lower.replace('.', '_')}_changelist":
            continue
        named = [f[0] if isinstance(f, tuple) else f for f in listed.list_filter]
        fields = [str(f) for f in named if isinstance(f, str)]
        fields += [field.name for field in model._meta.get_fields()]
        own = [*LISTS.split(), *(f + end for f in fields for end in LOOKUPS)]
    return own


def asked_by(role: str) -> list[str]:
    """Return the addresses that say more to somebody than that they may not ask."""
    desk = re.compile("admin|moderate|feature|resolve|second")
    chiefs = re.compile("auth|axes|otp")
    if role == "chief":
        return [*ADDRESSES]
    if role == "reader":
        return [name for name in ADDRESSES if not desk.match(name)] + ["admin:login"]
    return [a for a in ADDRESSES if desk.match(a) and not chiefs.search(a)]


def odd(
    addresses: list[str], hidden: list[str], random: Random, each: int
) -> Iterator[tuple[str, Any]]:
    """Yield names of addresses, each with some parameters asked oddly."""
    values = [*ODD, *hidden]
    for address in addresses:
        names = names_of(address)
        for name in random.sample(names, min(len(names), each)):
            yield address, {name: random.choice(values)}
        some = random.sample(names, min(len(names), 8))
        yield address, {name: random.sample(values, 2) for name in some}


def gets(
    world: World, role: str, hidden: list[str], random: Random, each: int
) -> list[Asked]:
    """Return what asks every address oddly, and for rows that are not there."""
    asked: list[Asked] = []
    addresses = asked_by(role)
    for address, query in odd(addresses, hidden, random, each):
        path, _, needed = world.path(address).partition("?")
        asked.append(("get", path, QueryDict(needed).dict() | query))
    for address in addresses:
        needs = ADDRESSES[address]
        huge = dict.fromkeys(("pk", "entry_pk", "image_pk", "id"), 10**18 - 1)
        own = world.at[""] | needs.at | huge | {"object_id": "9" * 18}
        if "/" not in address and "pattern" not in address:
            path = _reversed(address, own)
            ways = (path, path.replace("9" * 18, "9" * 30))
            asked += [("get", way, {}) for way in ways]
    return asked


def posts(world: World, hidden: list[str], random: Random, each: int) -> list[Asked]:
    """Return what sends odd values to the desk's forms."""
    values, asked = [*ODD, *hidden], []
    for address, words in POSTED.items():
        path, names = world.path(address).partition("?")[0], words.split()
        forms = [data for _, data in ADDRESSES[address].posts] or [{}]
        for name in random.sample(names, min(len(names), each)):
            data = random.choice(forms) | {name: random.choice(values)}
            asked.append(("post", path, data))
    return asked


def suggestions() -> list[Asked]:
    """Return what asks the admin's suggestions for every field of every model."""
    way = "/admin/autocomplete/"
    return [
        (
            "get",
            way,
            {
                "app_label": model._meta.app_label,
                "model_name": str(model._meta.model_name),
                "field_name": field.name,
                "term": "fog",
            },
        )
        for model in admin.site._registry
        for field in model._meta.get_fields()
    ]


def failures(client: Client, asked: list[Asked]) -> list[str]:
    """Return what of all that is asked ends in an error of the server."""
    found = []
    for method, path, data in asked:
        answer = ask(client, method, path, data)
        if answer.status_code >= 500:
            found.append(f"{answer.status_code} {method} {path} {str(data)[:120]}")
    return found


def test_no_odd_request_causes_a_server_error(
    world: World, people: dict[str, Client], hidden: list[str]
) -> None:
    wrong, random = [], Random(f"{connection.vendor} 14")
    for role, client in people.items():
        most = {"chief": 2, "reader": 5}.get(role, 1)
        asked = gets(world, role, hidden, random, most)
        if role != "reader":
            asked += posts(world, hidden, random, most)
        if role in ("chief", "contributor"):
            asked += suggestions()
        asked = seeds.part(asked, f"{connection.vendor} {role}")
        wrong += [f"{role}: {failure}" for failure in failures(client, asked)]
    assert not wrong, "\n".join(wrong)


def test_a_withdrawn_newest_update_still_works_as_a_position(
    world: World, people: dict[str, Client], hidden: list[str]
) -> None:
    gone = Entry.objects.get(story=world.story, at=gmt("2359"))
    for query in ("", "&order=oldest"):
        way = f"{world.story.get_absolute_url()}?from={gone.pk}{query}"
        answer = people["reader"].get(way)
        assert answer.status_code == 200
        assert "The ferry has moored." in answer.content.decode()
        assert not re.search(r"stories/fog/\?[^\"]*from=0", answer.content.decode())
