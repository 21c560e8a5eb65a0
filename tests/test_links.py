"""Verbs on links: features with their time, both directions, order."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from entries import verbs
from entries.models import Image, Link, Site, Story
from entries.verbs import Refused
from tests.builders import make_story, make_update
from tests.test_publishing import at_once, together

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def html(path: str) -> str:
    return str(Client().get(path).content.decode())


def feature(story: Story | None = None, **fields: object) -> Link:
    fields.setdefault("title", "The lamp that never went out")
    return verbs.add_link("feature", story=story, **fields)


def site_seq() -> int:
    return Site.current().seq


def test_a_feature_shows_between_its_start_and_its_end():
    story = make_story()
    now = timezone.now()
    feature(story, title="Not yet", starts_at=now + HOUR)
    feature(story, title="Not any more", ends_at=now - HOUR)
    feature(story, title="Just now", starts_at=now - HOUR, ends_at=now + HOUR)
    page = html(story.get_absolute_url())
    assert "Just now" in page
    assert "Not yet" not in page
    assert "Not any more" not in page


def test_an_inactive_feature_is_not_in_any_response():
    story = make_story()
    feature(story, title="Embargoed words", starts_at=timezone.now() + HOUR)
    feature(None, title="Embargoed words", starts_at=timezone.now() + HOUR)
    way = story.get_absolute_url()
    site = Site.current()
    cursor = f"after={site.epoch}-{story.seq}&rail=1"
    doors = (way, f"{way[:-1]}.json", f"{way}changes?{cursor}", "/")
    for door in doors:
        assert "Embargoed" not in html(door), door
    Link.objects.update(starts_at=Now())
    verbs.toggle_due_features()
    for door in doors:
        assert "Embargoed" in html(door), door


def test_starts_and_ends_change_the_rail_once_each():
    link = feature(make_story(), starts_at=timezone.now() + HOUR)
    before = site_seq()
    assert verbs.toggle_due_features() == 0
    Link.objects.filter(pk=link.pk).update(starts_at=Now())
    assert [verbs.toggle_due_features(), verbs.toggle_due_features()] == [1, 0]
    assert site_seq() == before + 1
    Link.objects.filter(pk=link.pk).update(ends_at=Now())
    assert [verbs.toggle_due_features(), verbs.toggle_due_features()] == [1, 0]
    assert site_seq() == before + 2
    link.refresh_from_db()
    assert not link.active


@at_once
def test_several_processes_start_a_feature_once():
    link = feature(make_story(), starts_at=timezone.now() + HOUR)
    before = site_seq()
    Link.objects.filter(pk=link.pk).update(starts_at=Now())
    assert sorted(together(*[verbs.toggle_due_features] * 4)) == [0, 0, 0, 1]
    assert site_seq() == before + 1


def test_changing_the_time_of_a_feature_takes_effect():
    link = feature(make_story(), starts_at=timezone.now() + HOUR)
    assert not link.active
    link.starts_at = timezone.now() - HOUR
    assert verbs.save_link(link).active
    link.ends_at = timezone.now() + HOUR
    assert verbs.save_link(link).active


def test_only_features_have_a_start_and_a_later_end():
    now = timezone.now()
    with pytest.raises(Refused, match="Only a feature"):
        verbs.add_link("see", story=make_story(), title="A", starts_at=now)
    with pytest.raises(Refused, match="end before it begins"):
        feature(starts_at=now, ends_at=now)


def test_a_feature_has_a_picture_of_its_own():
    files = {"stem": f"ab/{'c' * 40}", "widths": [320], "width": 320, "height": 240}
    own = Image.objects.create(name="lamp", alt="A lamp", **files)
    files["stem"] = f"ab/{'d' * 40}"
    lead = Image.objects.create(name="quay", alt="A quay", **files)
    story, target = make_story(), make_story(lead_image=lead)
    link = feature(story, target_story=target)
    assert "d" * 40 in html(story.get_absolute_url())
    link.image = own
    verbs.save_link(link)
    assert "c" * 40 in html(story.get_absolute_url())
    before = site_seq()
    verbs.save_image(own)
    assert site_seq() == before + 1


def test_a_link_in_both_directions():
    story, other = make_story("Fog"), make_story("Ice")
    verbs.add_link_both_ways(Link(kind="previous", story=story, target_story=other))
    assert story.links.get().kind == "previous"
    back = other.links.get()
    assert (back.kind, back.target_story) == ("next", story)
    verbs.add_link_both_ways(Link(kind="previous", story=story, target_story=other))
    assert other.links.count() == 1


def test_a_link_of_an_entry_leads_back_to_its_story():
    story, other = make_story("Fog"), make_story("Ice")
    entry = make_update(story)
    verbs.add_link_both_ways(Link(kind="see", entry=entry, target_story=other))
    assert "See <a" in story.postings.get().html
    assert other.links.get().target_story == story
    with pytest.raises(Refused):
        verbs.add_link_both_ways(Link(kind="feature", story=story, target_story=other))


@at_once
def test_linking_both_ways_at_once_does_not_block():
    one, other = make_story(), make_story()

    def link(start: Story, end: Story) -> None:
        for _ in range(5):
            verbs.add_link_both_ways(Link(kind="see", story=start, target_story=end))

    answers = together(lambda: link(one, other), lambda: link(other, one))
    assert answers == [None, None]


def test_links_keep_their_order():
    story = make_story()
    entry = make_update(story)
    names = ["First", "Second", "Third"]
    links = [verbs.add_link("see", entry=entry, title=name) for name in names]
    before = story.postings.get().seq
    verbs.order_links(links[::-1])
    text = story.postings.get().html
    assert text.index("Third") < text.index("Second") < text.index("First")
    assert (story.postings.get().seq or 0) > (before or 0)


def test_machine_readable_links_are_never_stale(client):
    """An entry's lines may look the same while the data of its story changes."""
    story = make_story(slug="fog")
    entry = make_update(story, "(Cross-posted from The Post and The Mail)")
    links = [
        verbs.add_link("cross-posted", entry=entry, title=name)
        for name in ("The Post", "The Mail")
    ]

    def told() -> tuple[str, list[str]]:
        answer = client.get("/stories/fog.json")
        rows = answer.json()["entries"][0]["links"]
        return answer["ETag"], [row["text"] for row in rows]

    tag, titles = told()
    verbs.order_links(links[::-1])
    again, turned = told()
    assert turned == titles[::-1]
    assert again != tag
    verbs.add_link("latest", entry=entry, title="The Echo")
    assert told()[0] != again


def test_an_external_source_is_named_with_the_entry():
    entry = make_update(make_story())
    source = {"title": "The Harbour Post", "target_url": "https://post.example/1"}
    verbs.add_link("cross-posted", entry=entry, **source)
    text = entry.postings.get().html
    assert '(Cross-posted from <a href="https://post.example/1"' in text


def test_a_new_lead_image_updates_the_rails_that_feature_its_story():
    story, other = make_story(), make_story()
    feature(None, title="", target_story=other)
    stem = "ab/" + "c" * 40
    image = Image.objects.create(
        name="quay", alt="A quay", stem=stem, width=800, height=600, widths=[400, 800]
    )
    assert stem not in html(story.get_absolute_url())
    verbs.edit_story(other, lead_image=image)
    assert stem in html(story.get_absolute_url())
