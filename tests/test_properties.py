"""Properties of slugs, cursors and imported JSON, with what nobody thought of.

Few examples each time; `pytest --hypothesis-profile=more` tries many.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import pytest
from django.test import Client
from django.utils.text import slugify
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entries import exchange, verbs
from entries.delivery.changes import Cursor
from entries.exchange import ExchangeError, ImportOptions
from entries.exchange.loading import find_series
from entries.models import Site, Story
from entries.pages.story_data import story_data
from entries.text.rendering import one_line
from entries.verbs import Refused
from tests.builders import make_story, make_update

pytestmark = pytest.mark.django_db
some = settings(
    deadline=None,
    max_examples=settings.default.max_examples // 10,  # type: ignore[union-attr]
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
ODD = ANY | st.sampled_from(["\x0b", "\ufffe", "<script>", "]]>", "&#0;", "\u2028"])
HEADLINES = st.lists(ODD, min_size=1).map("".join).filter(one_line)


@some
@given(HEADLINES.map(lambda words: words[:90]))
def test_any_headline_gets_a_unique_slug(words: str):
    series = find_series(words)
    story = verbs.go_live(verbs.create_story(words, series=series))
    again = verbs.create_story(words)
    assert story.slug
    assert story.slug == slugify(story.slug) != again.slug
    assert find_series(f" {words} ") == series
    for path in (story.get_absolute_url(), series.get_absolute_url()):
        assert Client().get(path).status_code == 200
    for path in (f"{story.get_absolute_url()}feed/", "/news-sitemap.xml"):
        ET.fromstring(Client().get(path).content)


@some
@given(ANY | st.from_regex(r"[0-9a-z]{1,16}-[0-9]{1,30}"))
def test_any_text_is_a_cursor_or_gets_a_reset(text: str):
    if cursor := Cursor.parse(text):
        assert Cursor.parse(str(cursor)) == cursor
    story = Story.objects.first() or make_story()
    answer = Client().get(
        f"{story.get_absolute_url()}changes?{urlencode({'after': text})}"
    )
    assert answer.status_code == 200
    assert answer["Live-State"] == "reset"
    assert not answer.content


@some
@given(st.integers(0, 5))
def test_a_cursor_of_this_epoch_gets_the_later_changes(seq: int):
    story = make_story()
    entries = [make_update(story, f"Crossing {n}.") for n in range(3)]
    numbers = [entry.postings.get().seq or 0 for entry in entries]
    after = f"{Site.current().epoch}-{seq}"
    html = Client().get(f"{story.get_absolute_url()}changes?after={after}").content
    shown = [n for n in range(3) if f"Crossing {n}.".encode() in html]
    assert shown == [n for n in range(3) if numbers[n] > seq]


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=20),
    st.sampled_from([[], {}, "\ud83d", "\0", "published", "2026-03-14T12:00Z"]),
)


@some
@given(st.data())
def test_any_modified_export_is_imported_or_refused_completely(data: Any):
    story = make_story("Fog")
    make_update(story, "The ferry waits.", headline="Fog")
    file = json.loads(json.dumps(story_data(story)))
    place: Any = file
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not (isinstance(place[key], dict | list) and place[key]):
            break
        place = place[key]
    place[key] = data.draw(values)
    before, said = Story.objects.count(), ""
    try:
        content = json.dumps(file).encode()
        options = ImportOptions(publish=True)
        document = exchange.read_document(content, "in.json", options)
        loaded = exchange.load(document, options, lambda *_: None)
    except (ExchangeError, Refused) as error:
        said = str(error)
    if said:
        assert said.endswith((".", "!", "?"))
        assert Story.objects.count() == before
    else:
        answer = Client().get(loaded.story.get_absolute_url())
        assert answer.status_code in (200, 404, 410)
