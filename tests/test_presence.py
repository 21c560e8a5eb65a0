"""Presence: who is at a desk, reported by polls and shown to colleagues."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client
from django.urls import reverse

from entries import verbs
from entries.desk import presence
from entries.models import Presence, Story
from tests.builders import make_story, make_update, make_user

pytestmark = pytest.mark.django_db


class Page:
    """One open desk, which polls as its script does."""

    def __init__(self, story: Story, name: str, group: str = "Editors") -> None:
        self.client = Client()
        self.client.force_login(make_user(name, group))
        self.story = story
        self.have = self.me = self.shown = ""
        way = reverse("admin:entries_story_change", args=[story.pk])
        self.read(self.client.get(way))

    def read(self, answer: Any) -> None:
        if answer.status_code != 200:
            return
        text = html.unescape(answer.content.decode())
        self.have = re.search(r'\?have=([^"]+)"', text)[1]  # type: ignore[index]
        self.me = re.search(r'"me": "([^"]*)"', text)[1]  # type: ignore[index]
        self.shown = re.search(r'<ul id="presence".*?</ul>', text, re.S)[0]  # type: ignore[index]

    def poll(self, doing: str | None = None, **more: str) -> Any:
        data = {"have": self.have, "me": self.me, **more}
        if doing is not None:
            data |= {"beat": "1", "doing": doing}
        way = reverse("admin:entries_story_timeline", args=[self.story.pk])
        answer = self.client.get(way, data, headers={"HX-Request": "true"})
        self.read(answer)
        return answer


def test_a_colleague_is_shown_with_their_activity(story):
    entry = make_update(story, at="1804")
    mine, theirs = Page(story, "editor"), Page(story, "editor2")
    mine.poll()
    assert "editor2 is here" in mine.shown
    theirs.poll("new")
    mine.poll()
    assert "editor2 is writing" in mine.shown
    theirs.poll(f"edit-{entry.pk}")
    mine.poll()
    assert "editor2 is editing UPDATE 1804 GMT" in mine.shown
    assert f'data-entry="{entry.pk}"' in mine.shown


def test_presence_expires_even_after_the_clock_was_set_back(story):
    mine, theirs = Page(story, "editor"), Page(story, "editor2")
    mine.poll()
    assert "editor2 is here" in mine.shown
    Presence.objects.filter(user__username="editor2").update(
        seen_at=F("seen_at") + timedelta(hours=3)
    )
    mine.poll()
    assert "editor2" not in mine.shown
    theirs.poll("new")
    mine.poll()
    assert "editor2 is writing" in mine.shown


def test_presence_excludes_oneself_and_other_stories(story):
    mine = Page(story, "editor")
    Page(make_story(), "editor2").poll("new")
    assert mine.poll().status_code == 204
    assert "is" not in re.sub("<[^>]+>", "", mine.shown)


def test_presence_ends_when_a_page_leaves_or_is_silent(story):
    mine, theirs, silent = (Page(story, name) for name in ("a", "b", "c"))
    mine.poll()
    assert "b is here" in mine.shown
    theirs.poll(presence.GONE)
    mine.poll()
    assert "b is here" not in mine.shown
    assert "c is here" in mine.shown
    old = Presence.objects.filter(user__username="c")
    old.update(seen_at=F("seen_at") - presence.FRESH_FOR - timedelta(seconds=1))
    mine.poll()
    assert "c is here" not in mine.shown
    silent.poll("")
    mine.poll()
    assert "c is here" in mine.shown


def test_a_poll_that_reports_presence_is_204_in_two_queries(
    story, django_assert_max_num_queries
):
    mine = Page(story, "editor")
    Page(story, "editor2")
    mine.poll("")
    with django_assert_max_num_queries(2):
        assert mine.poll("").status_code == 204


def test_presence_does_not_name_a_draft_that_the_user_may_not_see(story):
    secret = make_update(story, "A secret draft.", at="1804", state="draft")
    editor, writer = Page(story, "editor"), Page(story, "writer", "Contributors")
    editor.poll(f"edit-{secret.pk}")
    writer.poll()
    assert "editor is writing" in writer.shown
    assert "1804" not in writer.shown


def test_presence_does_not_name_an_entry_of_another_story(story):
    """It is published where nobody sees it; the page of a public story tells nobody."""
    entry = make_update(make_story(live=False), at="1804")
    mine, theirs = Page(story, "writer", "Contributors"), Page(story, "editor2")
    theirs.poll(f"edit-{entry.pk}")
    mine.poll()
    assert "editor2 is writing" in mine.shown
    assert "1804" not in mine.shown


def test_a_forged_ticket_creates_no_presence(story):
    mine = Page(story, "editor")
    before = Presence.objects.count()
    other = Page(make_story(), "editor2")
    other.story, other.have = story, mine.have
    for ticket in ("x", other.me, mine.me[:-2]):
        other.me = ticket
        other.poll("new")
    mine.poll()
    assert "editor2" not in mine.shown
    assert Presence.objects.filter(story=story).count() == before


def test_an_old_ticket_checks_the_session_again(story, monkeypatch):
    mine = Page(story, "editor")
    monkeypatch.setattr(presence, "TICKET_SECONDS", -1)
    assert mine.poll("").status_code == 200
    mine.client.logout()
    assert mine.poll("").status_code == 401


def test_presence_ignores_an_entry_that_does_not_exist(story):
    mine = Page(story, "editor")
    for doing in ("edit-999999", "edit-x", "edit-" + "9" * 30, "?"):
        assert mine.poll(doing).status_code in (200, 204)


def test_a_page_whose_stream_was_refused_is_signed_out(story):
    mine = Page(story, "editor")
    mine.poll()
    mine.client.logout()
    assert mine.poll("").status_code == 204
    assert mine.poll("", check="1").status_code == 401


def test_simultaneous_polls_share_queries_but_not_permissions(
    story, django_assert_max_num_queries
):
    """Each still has its own session, account and permissions: five queries."""
    names = ("editor", "editor2", "writer")
    groups = ("Editors", "Editors", "Contributors")
    desks = [Page(story, *pair) for pair in zip(names, groups, strict=True)]
    for desk in desks:
        desk.poll()  # all of them have seen all of them
    secret = make_update(story, "A secret draft.", state="draft")
    assert "A secret draft." in desks[0].poll().content.decode()
    with django_assert_max_num_queries(5):
        assert "A secret draft." in desks[1].poll().content.decode()
    with django_assert_max_num_queries(5):
        text = desks[2].poll().content.decode()
    assert "secret" not in text
    assert f'hx-target="#row-{secret.pk}" hx-swap="delete"' in text


def test_simultaneous_polls_return_rows_with_each_users_own_buttons(story):
    contributors = [Page(story, name, "Contributors") for name in ("a", "b")]
    page = Page(story, "editor")
    for desk in (*contributors, page):
        desk.poll()
    writer = User.objects.get(username="a")
    draft = make_update(story, "Ferries are back.", state="draft", author=writer)
    own, other, all_buttons = (
        desk.poll().content.decode() for desk in (*contributors, page)
    )
    assert 'value="submit"' in own
    assert 'value="publish"' not in own
    assert "Ferries" not in other
    assert f'hx-target="#row-{draft.pk}" hx-swap="delete"' in other
    assert 'value="publish"' in all_buttons


def test_simultaneous_polls_return_rows_with_each_users_own_token(story):
    desks = [Page(story, name) for name in ("editor", "editor2")]
    for desk in desks:
        desk.client.handler.enforce_csrf_checks = True
        desk.poll()
    entry = make_update(story, "Ferries are back.")
    act = reverse("admin:entries_story_act", args=[story.pk, entry.pk])
    answers = [desk.poll().content.decode() for desk in desks]
    tokens = [re.findall(r'csrfmiddlewaretoken" value="(\w+)"', t)[0] for t in answers]
    for desk, token, verb in zip(desks, tokens, ("key", "pin"), strict=True):
        form = {"do": verb, "csrfmiddlewaretoken": token, "version": entry.version}
        assert desk.client.post(act, form).status_code in (200, 302)
    wrong = {"do": "unkey", "csrfmiddlewaretoken": tokens[0]}
    assert desks[1].client.post(act, wrong).status_code == 403


def test_a_deactivated_user_is_not_shown(story):
    mine, theirs = Page(story, "editor"), Page(story, "editor2")
    user = User.objects.get(username="editor2")
    verbs.set_person_active(user, False)
    theirs.poll("new")
    mine.poll()
    assert "editor2" not in mine.shown
    assert not Presence.objects.filter(user=user).exists()
