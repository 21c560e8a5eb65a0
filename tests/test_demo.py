"""The demo's busy newsroom, which posts by itself."""

import random

import pytest

from entries import verbs
from entries.demo.loading import read_demo_file
from entries.demo.newsroom import FOLLOW_UP_STEPS, Newsroom
from entries.verbs import Refused
from tests.builders import make_story

pytestmark = pytest.mark.django_db


def test_it_waits_for_a_story_that_is_live() -> None:
    make_story(slug=min(read_demo_file("busy.json")), live=False)

    assert Newsroom(random.Random(1)).step() is None


def test_it_goes_on_after_a_refusal() -> None:
    story = make_story(slug=min(read_demo_file("busy.json")))
    newsroom = Newsroom(random.Random(1))
    while not newsroom.follow_ups:
        newsroom.step()
    verbs.erase(newsroom.follow_ups[0][1])  # what it was going to correct
    refused = 0

    for _ in range(FOLLOW_UP_STEPS + 1):
        try:
            newsroom.step()
        except Refused:
            refused += 1

    assert refused == 1
    count = story.entries.count()
    newsroom.follow_ups.clear()
    newsroom.step()
    assert story.entries.count() == count + 1
