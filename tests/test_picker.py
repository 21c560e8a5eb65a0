"""Pickers suggest the right story among the demo's stories and fifty others."""

from __future__ import annotations

from itertools import islice, product

import pytest

from entries.desk import picker
from entries.models import Story
from entries.pages import search
from tests.builders import load_demo, make_story, make_update

pytestmark = pytest.mark.django_db

FLOOD, FERRIES = "sorrava-flood", "sarro-sound-ferries"
VOTE, ELECTION = "corvane-coalition", "corvane-election-night"
ECLIPSE = "eclipse-day"
# What an editor might have just written, in words of their own.
DRAFTS = [
    (FLOOD, "Families who left the streets below the Old Bridge may fetch what they "
     "left behind tomorrow, the mayor says. The river has dropped by a hand."),
    (FLOOD, "Sandbags are being taken from the levee at Saltgate. Engineers want to "
     "see what the water has done underneath."),
    (FLOOD, "In Castren the gauge on the Queen's Bridge has begun to rise. The "
     "embankment cafés have carried their chairs upstairs."),
    (FERRIES, "The ballot boxes are aboard. Crews of the night boats vote first, and "
     "the union expects a count before the morning sailing."),
    (FERRIES, "Sarro Lines says that lorries waiting at Lowmarsh will be carried in "
     "the order in which they came, once the strike is over."),
    (VOTE, "Ms Tamarín has arrived at the Assembly on a bicycle. The six members of "
     "the Free Isles came together, by boat, and gave no interviews."),
    (VOTE, "The bill on lifeline routes has been printed. It promises Skerrin three "
     "sailings a week, whoever becomes prime minister."),
    (ELECTION, "A recount in Port Ilaria East confirms the result: the seat stays "
     "with the independent, and the Civic Union stays without a majority."),
    (ECLIPSE, "The astronomers have published their pictures of the Moon's shadow. In "
     "one of them the gulls can be seen going to the cliffs before totality."),
    (ECLIPSE, "Every pair of the cardboard glasses that were handed out from the mail "
     "van is to be collected again, for a school that has its Sun yet to come."),
]  # fmt: skip
PLACES = [
    "Ardmoor", "Bellweather", "Cold Harbour", "Dunmarrow", "Eastfold",
    "Farrowdale", "Glimmer Bay", "Hollin", "Inverash", "Jessamy",
]  # fmt: skip
MATTERS = [
    ("Tram drivers of {} meet the council",
     "The drivers want a longer break at the terminus; the council wants a shorter "
     "route. Both sides have a timetable with them."),
    ("The orchard fair opens in {}",
     "Forty kinds of apples are on the tables. The bridge over the brook is closed to "
     "carts, and visitors vote for the best cider."),
    ("Power cut in {}: the second night",
     "A substation has burned out. Families are in the school hall, where a generator "
     "runs the kettles; engineers work by lamp."),
    ("{} chooses a new harbour master",
     "Three captains have put their names forward. The boats stay in until the count, "
     "which is by show of hands on the quay."),
    ("Snow closes the pass above {}",
     "The plough has turned back. Lorries wait in a line below the tunnel, and the "
     "shop has sold its last shovel."),
]  # fmt: skip


@pytest.fixture
def stories() -> dict[str, Story]:
    load_demo()
    for place, (headline, news) in islice(product(PLACES, MATTERS), 50):
        story = make_story(headline.format(place))
        make_update(story, f"{news} So it goes in {place}.")
    assert Story.objects.public().count() == 55
    return {story.slug: story for story in Story.objects.all()}


def test_each_draft_finds_its_story_among_the_first_three(
    stories: dict[str, Story],
):
    misses = {}
    for slug, draft in DRAFTS:
        offered = [story.slug for story in search.suggest_stories(draft)[:3]]
        if slug not in offered:
            misses[draft[:50]] = (slug, offered)
    assert misses == {}
    # And what moderators see: the panel of a link, before anything is typed.
    slug, draft = DRAFTS[0]
    first = [target.value for target in picker.suggest_targets("", draft, ())[:3]]
    assert f"story:{stories[slug].pk}" in first
    # Part of a title, half a word at its end, finds it at once.
    assert picker.suggest_targets("sarro ferr", "", ())[0].value.startswith("story:")
    typed = picker.suggest_live("second vote tu", "", ())
    assert typed[0] == stories[VOTE]
