"""Hints beside the composer: unlikely times, recent posts, repeated links."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from entries import verbs
from entries.desk.notices import outside_urls, time_question
from entries.models import Entry, Story
from tests.builders import make_story, make_update, make_user, signed_in, text

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
SOURCE = "https://news.example/ferry?id=7"


@pytest.fixture
def story() -> Story:
    return make_story("Fog over the harbour", first_day=timezone.now().date())


@pytest.fixture
def client() -> Client:
    return signed_in("editor", "Editors")


def look(client: Client, story: Story, body: str = "Something new.") -> str:
    way = reverse("admin:entries_story_notices", args=[story.pk])
    return str(client.post(way, {"body": body}, headers=HTMX).content.decode())


def compose(client: Client, story: Story, **data: Any) -> Any:
    way = reverse("admin:entries_story_change", args=[story.pk])
    data = {"key": str(uuid4()), "action": "publish", "body": "Text."} | data
    return client.post(way, data, headers=HTMX)


def test_a_colleagues_recent_update_is_shown(client, story):
    colleague = make_user("editor2", "Editors")
    entry = verbs.post(story, text("The ferry has moored.", at=None), author=colleague)
    html = look(client, story)
    assert "<strong>editor2</strong> has just published" in html
    assert "The ferry has moored." in html
    Entry.objects.filter(pk=entry.pk).update(
        published_at=timezone.now() - timedelta(minutes=3)
    )
    assert look(client, story).strip() == ""


def test_own_and_unpublished_texts_are_not_shown(client, story):
    compose(client, story, body="Mine.")
    make_update(story, "A draft.", at=None, state="draft")
    make_update(make_story(), "Elsewhere.", at=None)
    assert look(client, story).strip() == ""


def test_a_repeated_url_is_shown_with_its_entry(client, story):
    make_update(story, f"As [the port]({SOURCE}) says.", at="1804")
    html = look(client, story, "See http://www.news.example/ferry?id=7.")
    assert "news.example/ferry?id=7" in html
    assert "As the port says." in html
    for other in ("https://news.example/ferry?id=77", "https://news.example/ferry"):
        assert "in this story already" not in look(client, story, other)


def test_a_url_in_a_draft_is_shown_only_to_users_who_may_see_it(client, story):
    make_update(story, f"A secret draft: {SOURCE}", state="draft")
    assert "secret" in look(client, story, SOURCE)
    writer = signed_in("writer", "Contributors")
    assert look(writer, story, SOURCE).strip() == ""


def test_notices_never_prevent_publishing(client, story):
    make_update(story, f"First: {SOURCE}", at=None)
    assert compose(client, story, body=f"Again: {SOURCE}").status_code == 200


def test_notices_need_few_queries(client, story, django_assert_max_num_queries):
    for _ in range(3):
        make_update(story, f"Again: {SOURCE}", at=None)
    with django_assert_max_num_queries(8):
        look(client, story, f"{SOURCE} https://other.example/a")


def test_urls_are_compared_in_normalized_form():
    body = "Here: HTTPS://WWW.News.Example/Ferry/#top, and (https://b.example/x)."
    assert outside_urls(body) == ["news.example/Ferry", "b.example/x"]


@pytest.mark.parametrize(
    ("at", "odd"),
    [
        (None, ""),
        ("2026-03-14 17:30", ""),
        ("2026-03-15 09:00", ""),
        ("2026-03-14 05:00", "was 13 hours ago. Press Publish again to confirm."),
        ("2026-03-13 23:50", "before this story began"),
    ],
)
def test_an_unlikely_time_must_be_confirmed(story, at, odd: str):
    story.first_day = datetime(2026, 3, 14, tzinfo=UTC).date()
    when = datetime.fromisoformat(f"{at}+00:00") if at else None
    now = datetime(2026, 3, 14, 18, 4, tzinfo=UTC)
    words = time_question(story, when, now)
    assert (odd in words) if odd else not words


def test_an_unlikely_time_is_confirmed_once_and_never_for_drafts(client, story):
    old = "0615 14 March 2026"
    assert compose(client, story, at=old, action="draft").status_code == 200
    first = compose(client, story, at=old)
    assert first.status_code == 422
    assert "before this story began" in first.content.decode()
    sure = datetime(2026, 3, 14, 6, 15, tzinfo=UTC).isoformat()
    assert f'value="{sure}"' in first.content.decode()
    assert compose(client, story, at=old, sure=sure).status_code == 200
    assert compose(client, story, at="0616 14 March 2026", sure=sure).status_code == 422


def test_without_htmx_the_question_has_a_button_to_confirm(client, story):
    way = reverse("admin:entries_story_change", args=[story.pk])
    data = {"key": str(uuid4()), "action": "publish", "body": "Text."}
    html = client.post(way, data | {"at": "0615 14 March 2026"}).content.decode()
    assert "Press Publish again to confirm." in html
    assert 'id="composer-sure" value="2026-03-14T06:15:00+00:00"' in html


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Let it be 2355 on the day that the story began."""
    now = datetime(2026, 3, 14, 23, 55, 20, tzinfo=UTC)
    monkeypatch.setattr(timezone, "now", lambda: now)
    return now


def test_the_hint_offers_the_coming_time_instead_of_one_long_past(client, story, clock):
    way = reverse("admin:entries_story_time", args=[story.pk])
    html = client.get(way, {"at": "0005"}, headers=HTMX).content.decode()
    assert "Dated 0005 today, 23 hours ago." in html
    assert 'data-time="0005 15 Mar 2026">0005 tomorrow, in 10 min?</button>' in html
    html = client.get(way, {"at": "2310"}, headers=HTMX).content.decode()
    assert "<button" not in html


@pytest.mark.parametrize("headers", [HTMX, {}])
def test_the_question_offers_the_coming_time_as_a_button(client, story, clock, headers):
    verbs.edit_story(story, first_day=clock.date())
    way = reverse("admin:entries_story_change", args=[story.pk])
    data = {"key": str(uuid4()), "body": "The fog bell rings.", "at": "0005"}
    answer = client.post(way, data | {"action": "publish"}, headers=headers)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "0005 GMT was 23 hours ago. Press Publish again to confirm." in html
    coming = "2026-03-15T00:05:00+00:00"
    button = f'name="coming" value="{coming}">0005 tomorrow, in 10 min?</button>'
    assert button in html
    assert not story.entries.exists()
    client.post(way, data | {"coming": coming}, headers=headers)
    entry = story.entries.get()
    assert entry.state == "scheduled"
    assert entry.at.isoformat() == coming


def test_a_contributor_is_asked_to_submit_again(story, clock):
    verbs.edit_story(story, first_day=clock.date())
    way = reverse("admin:entries_story_change", args=[story.pk])
    data = {"key": str(uuid4()), "body": "The fog bell rings.", "at": "0005"}
    client = signed_in("writer", "Contributors")
    html = client.post(way, data | {"action": "submit"}, headers=HTMX).content.decode()
    assert "Press Submit again to confirm." in html
    client.post(way, data | {"coming": "2026-03-15T00:05:00+00:00"}, headers=HTMX)
    assert story.entries.get().state == "submitted"


def test_a_draft_for_now_is_saved_without_a_time(client, story):
    compose(client, story, at="now", action="draft")
    assert story.entries.get().at is None


def test_an_invalid_offered_time_is_refused(client, story):
    answer = compose(client, story, at="0005", coming="tomorrow")
    assert answer.status_code == 422
    assert not story.entries.exists()
