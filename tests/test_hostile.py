"""Careless and hostile input, and what nobody may read."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from asgiref.testing import ApplicationCommunicator
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from entries import verbs
from entries.delivery.cache_keys import CacheableRequest, CacheKeys
from entries.models import Image, Link, Series, Site, Story
from entries.verbs import EntryText
from liveblog import asgi
from liveblog.pools import POOLS, pool_of
from tests.builders import make_original, make_story, make_update, signed_in
from tests.test_admin import photo

pytestmark = pytest.mark.django_db
ODD = "Ferry\x01 \x0bby\x1b[0m\ufffe night\x85 \x7fagain"
PLAIN = "Ferry by[0m night again"
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def test_one_line_fields_lose_control_characters():
    series = verbs.save_series(Series(name=ODD, slug="sea", description=ODD))
    image = Image(name="fog", alt=ODD, caption=ODD, credit=ODD)
    verbs.save_image(image)
    story = verbs.create_story(ODD, series=series, standfirst=ODD, lead_image=image)
    verbs.go_live(story)
    entry = make_update(story, headline=ODD)
    make_original(story)
    link = verbs.add_link("feature", story=story, title=ODD, label=ODD)
    verbs.add_link("see", entry=entry, title=ODD)
    for row in (series, image, story, link):
        row.refresh_from_db()
    kept = [series.name, series.description, image.alt, image.caption, image.credit]
    kept += [story.headline, story.standfirst, link.title, link.label]
    assert kept == [PLAIN] * len(kept)
    page, reader = story.get_absolute_url(), Client()
    since = f"changes?after={Site.current().epoch}-0"
    ways = [page, page + since, f"{page}updates/{entry.pk}/", "/series/sea/", "/"]
    for way in ways:
        assert not CONTROL.search(reader.get(way).content.decode()), way
    assert not CONTROL.search(json.dumps(reader.get(f"{page[:-1]}.json").json()))
    for way in ("/feed/", "/series/sea/feed/", "/news-sitemap.xml"):
        ET.fromstring(reader.get(way).content)


def test_a_headline_of_control_characters_is_empty():
    chief = signed_in("chief", chief=True)
    answer = chief.post("/admin/entries/story/add/", {"headline": "\x01\x1b"})
    assert "headline" in answer.content.decode()
    assert not Story.objects.exists()
    story = make_story("Fog")
    with pytest.raises(verbs.Refused):
        verbs.edit_story(story, headline="\x02")


def test_a_link_text_of_control_characters_is_empty():
    with pytest.raises(verbs.Refused):
        verbs.add_link("see", story=make_story(), title="\x02")
    assert not Link.objects.exists()


# A request for each pool but that of the readers.
FLOODS = {
    "search": "/search/",
    "sign-in": "/admin/login/",
    "password-reset": "/admin/password/",
    "readyz": "/readyz",
    "healthz": "/healthz",
    "metrics": "/metrics",
    "images": "/admin/entries/story/1/desk/pictures/",
    "history": "/admin/entries/story/1/desk/entries/2/history/",
    "exports": "/stories/fog.json",
    "desk": "/admin/",
}


@pytest.mark.parametrize("name", [one.name for one in POOLS if one.name != "readers"])
def test_a_flood_of_expensive_requests_delays_no_others(
    name: str, monkeypatch: pytest.MonkeyPatch
):
    held = threading.Event()
    method, flooded = "POST" if name == "images" else "GET", FLOODS[name]
    pool = pool_of(method, flooded)
    assert pool.name == name
    desk = name in ("images", "history")
    beside = "/admin/entries/story/1/change/" if desk else "/robots.txt"

    def answer(self: Any, request: Any) -> HttpResponse:
        if request.path == flooded:
            held.wait(60)
        return HttpResponse()

    monkeypatch.setattr(asgi.ASGIHandler, "_get_response", answer)

    async def ask(address: str) -> ApplicationCommunicator:
        headers = [(b"host", b"127.0.0.1")]
        scope = {"type": "http", "method": method, "path": address, "headers": headers}
        scope |= {"http_version": "1.1", "query_string": b"", "scheme": "http"}
        one = ApplicationCommunicator(django, scope)
        await one.send_input({"type": "http.request", "body": b"", "more_body": False})
        return one

    async def flood() -> None:
        floods = [await ask(flooded) for _ in range(pool.threads + 2)]
        try:
            other = await ask(beside)
            assert (await other.receive_output(20))["status"] == 200
        finally:
            held.set()
        for one in [*floods, other]:
            await one.wait(20)

    django = asgi._Django()
    asyncio.run(flood())


def asked(
    path: str, query: str = "", host: str = "127.0.0.1", origin: str = "http"
) -> CacheableRequest | None:
    scope = {"method": "GET", "path": path, "query_string": query.encode()}
    heads = {b"host": host.encode(), b"x-forwarded-proto": origin.encode()}
    return CacheKeys().find(scope, heads)


def test_no_variation_of_a_request_multiplies_cached_pages():
    page = asked("/stories/fog/")
    assert page is not None
    for query in ("order=newest", "order=x", "before=0", "from=00", "utm_source=x"):
        assert asked("/stories/fog/", query) == page, query
    for host in ("127.0.0.1:8000", "127.0.0.1:9999", "127.0.0.1."):
        assert asked("/stories/fog/", host=host) == page, host
    older = asked("/stories/fog/", "before=7")
    assert older not in (None, page)
    assert asked("/stories/fog/", "before=0007&order=1") == older
    assert asked("/stories/fog/", "order=oldest") not in (None, page)
    assert asked("/stories/fog/", origin="https") not in (None, page)


def test_unusual_requests_are_passed_to_django():
    assert asked("/stories/fog/", host="evil.example") is None
    assert asked("/stories/fog/", host="") is None
    assert asked("/stories/fog/", origin="https, http") is None
    assert asked("/stories/fog/updates/007/") is None
    assert asked("/stories/fog/updates/7/") is not None


@pytest.mark.parametrize("huge", ["9" * 30, "9" * 5000, "\N{SUPERSCRIPT TWO}"])
def test_an_invalid_number_breaks_no_form_of_the_desk(huge: str):
    chief, story = signed_in("chief", chief=True), make_story()
    entry = make_update(story)
    desk = f"/admin/entries/story/{story.pk}"
    words = {"body": "Words.", "action": "publish", "picture": huge}
    assert chief.post(f"{desk}/change/", words).status_code < 500
    queue = "/admin/entries/entry/queue/"
    assert chief.post(queue, {"do": "publish_now", "entry": huge}).status_code == 404
    for name in ("move", "cross", "entry_links"):
        path = reverse(f"admin:entries_story_{name}", args=[story.pk, entry.pk])
        given = {"to": huge, "target": f"story:{huge}", "q": "x", "link": huge}
        assert chief.post(path, given).status_code < 500, name
    head = {"headline": "Fog", "slug": story.slug, "language": "en", "version": huge}
    assert chief.post(f"{desk}/details/", head).status_code < 500


@pytest.mark.parametrize("name", ["a b", "\0", "x" * 121, '"><script>', "a/b"])
def test_an_image_name_that_no_text_could_use_is_refused(name: str):
    chief, story = signed_in("chief", chief=True), make_story()
    path = reverse("admin:entries_story_upload", args=[story.pk])
    answer = chief.post(path, {"file": photo(), "name": name})
    assert answer.status_code == 422
    assert not Image.objects.exists()


def test_changes_of_waiting_texts_change_no_public_response():
    story = make_story(slug="fog")
    make_update(story)
    ways = ("/", "/feed/", "/sitemap.xml", "/stories/fog/", "/stories/fog.json")
    before = [Client().get(way).headers["ETag"] for way in ways]
    waiting = make_update(story, at=None, state="draft", key_event=True, pinned=True)
    text = EntryText("The ferry sinks.", at=timezone.now() + timedelta(hours=1))
    verbs.edit(waiting, text, version=1)
    verbs.publish(waiting)
    verbs.unschedule(waiting)
    verbs.submit(waiting)
    verbs.send_back(waiting, "Ask the harbour master.")
    verbs.withdraw(waiting)
    assert [Client().get(way).headers["ETag"] for way in ways] == before
    story.refresh_from_db()
    assert story.seq == story.head_seq + 1  # of the one update that stands
