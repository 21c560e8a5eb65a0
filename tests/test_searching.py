"""Finding updates at the desk: words, author, state and time."""

from __future__ import annotations

import json
import re
import time
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from entries import verbs
from entries.desk.timeline import PAGE_SIZE
from entries.models import Entry, Story
from entries.verbs import EntryText
from tests.builders import (
    DAY,
    bulk_updates,
    gmt,
    make_original,
    make_story,
    make_update,
    make_user,
    signed_in,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return signed_in("editor", "Editors")


def search(client: Client, story: Story, **query: Any) -> str:
    way = reverse("admin:entries_story_search", args=[story.pk])
    answer = client.get(way, query)
    assert answer.status_code == 200
    return answer.content.decode()


def found(page: str) -> list[int]:
    """Return the entries of the rows that a page shows, in its order."""
    return [int(pk) for pk in re.findall(r'id="row-(\d+)"', page)]


def test_words_are_found_in_headline_text_and_byline(client, story):
    body = make_update(story, "The FERRY has moored at Łódź.", at="1000")
    head = make_update(story, "Nothing.", headline="Ferry talks", at="1001")
    verbs.post(story, EntryText("No.", at=gmt("1002"), byline="Ferry Brask"))
    original = make_original(story, "How the ferry came.")
    draft = make_update(story, "A ferry waits.", state="draft", at=None)
    make_update(story, "Another thing.")
    page = search(client, story, q="ferry")
    rows = {body.pk, head.pk, original.pk, draft.pk}
    assert rows < set(found(page))
    assert len(found(page)) == 5
    assert found(search(client, story, q="ferry moored")) == [body.pk]
    assert found(search(client, story, q="łÓDŹ")) in ([body.pk], [])
    assert found(search(client, story, q="łódź")) == [body.pk]
    assert found(search(client, story, q="100%")) == []
    assert "No updates match." in search(client, story, q="zeppelin")


@pytest.mark.parametrize("query", ["fog & rain", "rain – fog", "& fog"])
def test_signs_between_words_are_not_asked_for(client, story, query: str):
    update = make_update(story, "Fog and rain at the quay.")
    make_update(story, "Sun.")
    assert found(search(client, story, q=query)) == [update.pk]


def test_found_rows_have_the_buttons_of_the_desk(client, story):
    entry = make_update(story, "The ferry has moored.")
    at_desk = client.get(reverse("admin:entries_story_change", args=[story.pk]))
    row = re.compile(rf'(?s)<li\s+id="row-{entry.pk}".*?class="slot"')
    token = re.compile(r'name="csrfmiddlewaretoken" value="\w+"')
    pages = (at_desk.content.decode(), search(client, story, q="ferry"))
    rows = [token.sub("", row.search(page)[0]) for page in pages]
    assert rows[0] == rows[1]


def test_rows_are_filtered_by_author_and_state(client, story):
    author = make_user("jory", "Editors")
    own = make_update(story, "One.", author=author, key_event=True)
    gone = verbs.withdraw(make_update(story, "Two.", author=author))
    make_update(story, "Three.")
    assert found(search(client, story, author=author.pk)) == [gone.pk, own.pk]
    assert found(search(client, story, author=author.pk, state="withdrawn")) == [
        gone.pk
    ]
    assert found(search(client, story, state="key")) == [own.pk]
    assert "jory" in search(client, story)


def test_contributors_find_only_what_they_may_see(story):
    writer = make_user("writer", "Contributors")
    client = Client()
    client.force_login(writer)
    other = make_user("unseen-editor", "Editors")
    make_update(story, "A secret ferry.", state="draft", author=other)
    own = make_update(story, "My ferry.", state="draft", author=writer)
    page = search(client, story, q="ferry")
    assert found(page) == [own.pk]
    assert "unseen-editor" not in page


def test_a_search_jumps_to_a_time_or_day(client, story):
    later = DAY + timedelta(days=1)
    times = [("2350", DAY), ("2355", DAY), ("0005", later), ("1200", later)]
    pks = [make_update(story, at=gmt(hhmm, day)).pk for hhmm, day in times]
    newest = pks[::-1]
    assert found(search(client, story, at="2351")) == newest[3:]
    assert found(search(client, story, at="23:55")) == newest[2:]
    assert found(search(client, story, at="0010")) == newest[1:]
    assert found(search(client, story, at=DAY.isoformat())) == newest[2:]
    assert found(search(client, story, at=f"{DAY.day} March {DAY.year}")) == newest[2:]
    assert found(search(client, story, at=f"2350 {DAY.day} March {DAY.year}")) == [
        pks[0]
    ]
    assert 'class="error"' in search(client, story, at="half past")


def test_leaving_a_search_returns_to_the_same_position(client, story):
    entry = make_update(story)
    back = reverse("admin:entries_story_change", args=[story.pk])
    assert f'href="{back}"' in search(client, story, q="a")
    page = search(client, story, q="a", **{"from": entry.pk})
    assert f'href="{back}?from={entry.pk}#row-{entry.pk}"' in page


def test_many_results_come_in_pages(client, story):
    bulk_updates(story, PAGE_SIZE + 10)
    first = search(client, story, q="crossing")
    older = re.search(r'href="[^"]*\?(q=crossing&amp;before=\d+)"', first)
    assert older
    query = dict(part.split("=") for part in older[1].split("&amp;"))
    rest = search(client, story, **query)
    assert len(found(first)) == PAGE_SIZE
    assert len(found(rest)) == 10
    assert not set(found(first)) & set(found(rest))


def test_a_long_timeline_is_searched_quickly(client, django_assert_max_num_queries):
    story = make_story(first_day=date(2026, 3, 14))
    bulk_updates(story, 1500)
    words = "It rained on the quay while the ferry waited for the tide. " * 20
    Entry.objects.filter(story=story).update(body=words)
    one = Entry.objects.filter(story=story)[700]
    Entry.objects.filter(pk=one.pk).update(body=f"{words} Quokkas swim.")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    search(client, story, q="nothing")  # compiles the templates
    took = []
    for query in (
        {"q": "quokkas"},
        {"q": "ferry tide"},
        {"q": "zeppelin"},
        {"at": "1215"},
    ):
        with django_assert_max_num_queries(16):
            begun = time.perf_counter()
            search(client, story, **query)
            took.append(time.perf_counter() - begun)
    assert found(search(client, story, q="quokkas")) == [one.pk]
    assert min(took) < 0.5  # 0.2 s on an idle machine


def test_an_open_desk_gets_the_rows_for_its_own_lists(client, story):
    entry = make_update(story, "The ferry has moored.")
    draft = make_update(story, "A ferry waits.", state="draft", at=None)
    make_update(story, "Another thing.")
    way = reverse("admin:entries_story_search", args=[story.pk])
    query = {"q": "ferry", "in_place": "1"}
    answer = client.get(way, query, headers={"HX-Request": "true"})
    page = answer.content.decode()
    assert set(found(page)) == {entry.pk, draft.pk}
    for place in ("timeline", "waiting"):
        assert f'hx-target="#{place}"' in page
    assert "2 updates" in " ".join(page.split())
    event = json.loads(answer.headers["HX-Trigger"])["desk:found"]
    assert set(event["rows"]) == {f"row-{entry.pk}", f"row-{draft.pk}"}
    assert not event["more"]
    assert 'form="find-updates"' in page  # the filters belong to the search field
    assert '<div class="desk narrow"' in search(client, story, **query)  # no htmx
