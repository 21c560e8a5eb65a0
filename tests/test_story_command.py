"""The command `story`: a story's state, for scripts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError
from django.utils import timezone

from entries import verbs
from entries.models import Story
from tests.builders import make_story, make_update
from tests.test_import_story import Ran

pytestmark = pytest.mark.django_db


def state_of(slug: str) -> str:
    return Story.objects.get(slug=slug).state


def test_a_story_goes_through_its_states():
    make_story("Fog", slug="fog", live=False)
    for action, state in (
        ("live", "live"),
        ("close", "closed"),
        ("reopen", "live"),
        ("withdraw", "withdrawn"),
        ("restore", "live"),
    ):
        ran = Ran("story", "fog", action)
        assert state_of("fog") == state
        assert f"“Fog” is {state}" in ran.out


def test_an_earlier_slug_names_the_story_too():
    verbs.edit_story(make_story("Fog", slug="fog"), slug="sea-fog")
    Ran("story", "fog", "close")
    assert state_of("sea-fog") == "closed"


def test_a_story_can_be_closed_as_of_an_earlier_time_and_lead_on():
    story, after = (
        make_story("Fog", slug="fog", live=False),
        make_story("Ice", slug="ice"),
    )
    Ran("story", "fog", "live", "--at", "2016-12-20T09:10")
    ran = Ran(
        "story", "fog", "close", "--at", "2016-12-20 18:04", "--continues-in", "ice"
    )
    story.refresh_from_db()
    assert story.live_at == datetime(2016, 12, 20, 9, 10, tzinfo=UTC)
    assert story.closed_at == datetime(2016, 12, 20, 18, 4, tzinfo=UTC)
    assert story.continues_in == after
    assert "closed, ended 1804 GMT, 20 December 2016" in ran.out


@pytest.mark.parametrize(
    ("args", "words", "code"),
    [
        (["none", "close"], "There is no story “none”", 1),
        (["draft", "close"], "“Draft” is a draft. Possible: live", 1),
        (["draft", "withdraw"], "“Draft” is a draft. Possible: live", 1),
        (["shut", "live"], "“Shut” is closed, .*Possible: reopen, withdraw", 1),
        (["fog", "restore"], "“Fog” is live already", 3),
        (["fog", "live"], "“Fog” is live already", 3),
        (["fog", "reopen"], "“Fog” is live already", 3),
        (["shut", "close"], "“Shut” is closed, .* already", 3),
        (["fog", "withdraw", "--at", "2016-12-20"], "--at says nothing", 2),
        (["fog", "close", "--at", "2016-12-20"], "“Fog” began .* later --at", 1),
        (["fog", "close", "--continues-in", "none"], "no story “none”", 1),
        (["fog", "live", "--continues-in", "shut"], "--continues-in says nothing", 2),
    ],
)
def test_what_is_not_possible_changes_nothing(args: list[str], words: str, code: int):
    make_update(make_story("Fog", slug="fog"))
    make_story("Draft", slug="draft", live=False)
    verbs.close_story(make_story("Shut", slug="shut"))
    before = list(Story.objects.order_by("pk").values())
    with pytest.raises(CommandError, match=words) as caught:
        Ran("story", *args)
    assert caught.value.returncode == code
    assert list(Story.objects.order_by("pk").values()) == before


@pytest.mark.parametrize("at", ["yesterday", "", "0001-01-01T00:00+05:00"])
def test_a_time_that_is_none_is_refused(at: str):
    make_story("Fog", slug="fog")
    with pytest.raises(CommandError, match="not a time like 2016-12-20T18:04"):
        Ran("story", "fog", "close", "--at", at)
    later = timezone.now() + timedelta(hours=1)
    with pytest.raises(CommandError, match="in the future"):
        Ran("story", "fog", "close", "--at", later.isoformat())
    assert state_of("fog") == "live"
