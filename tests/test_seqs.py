"""The query that says whether anything changed, and the change feed."""

from __future__ import annotations

from typing import Any

import pytest

from entries import verbs
from entries.delivery import changes_after, seqs
from entries.models import Site, Story
from tests.builders import bulk_updates, make_story, text

pytestmark = pytest.mark.django_db


def test_an_unused_site_has_seqs_too():
    Site.objects.all().delete()
    epoch, seq, found = seqs.story_seqs([])
    site = Site.objects.get()
    assert (epoch, seq, found) == (site.epoch, site.seq, {})


@pytest.mark.parametrize("many", [1, 3])
def test_seqs_of_stories_are_read_at_once(django_assert_num_queries: Any, many: int):
    made = [make_story() for _ in range(many)]
    make_story()  # nobody asked for it
    verbs.post(made[0], text())
    verbs.close_story(made[0])
    with django_assert_num_queries(1):
        _, seq, found = seqs.story_seqs([one.pk for one in made] + [10**9])
    assert seq == Site.current().seq
    for one in made:
        one.refresh_from_db()
    assert found == {one.pk: (one.seq, one.state) for one in made}
    assert found[made[0].pk][1] == "closed"


def test_seqs_by_slug_include_only_public_stories(django_assert_num_queries: Any):
    shown, draft, gone = make_story(), make_story(live=False), make_story()
    verbs.withdraw_story(gone)
    slugs = [shown.slug, draft.slug, gone.slug, "x' OR 'a' = 'a"]
    with django_assert_num_queries(1):
        _, _, found = seqs.slug_seqs(slugs)
    shown.refresh_from_db()
    assert found == {shown.slug: shown.seq}
    *_, before = seqs.slug_seqs([""])
    verbs.post(shown, text())
    *_, after = seqs.slug_seqs(["", shown.slug])
    assert after[""] > before[""]
    assert after[shown.slug] > found[shown.slug]


def test_a_story_missing_from_a_restored_backup_gets_a_reset():
    story = make_story()
    cursor = f"{Site.current().epoch}-{story.seq}"
    Story.objects.filter(pk=story.pk).delete()
    assert changes_after(story.pk, cursor).reset


def test_a_poll_that_reports_the_end_has_the_current_rail(
    monkeypatch: pytest.MonkeyPatch,
):
    story, read = make_story(), seqs.story_seqs
    before = Site.current()

    def and_then_it_ends(*asked: Any) -> Any:
        found = read(*asked)
        monkeypatch.setattr(seqs, "story_seqs", read)
        verbs.close_story(story)
        return found

    monkeypatch.setattr(seqs, "story_seqs", and_then_it_ends)
    answer = changes_after(story.pk, f"{before.epoch}-{story.seq}", before.seq)
    assert (answer.state, answer.site_seq) == ("closed", Site.current().seq)
    assert f'<aside id="rail" data-seq="{answer.site_seq}"' in answer.html


@pytest.mark.parametrize("many", [100, 300])
def test_the_cost_of_a_batch_does_not_grow_with_what_is_left(
    django_assert_num_queries: Any, many: int
):
    story = make_story()
    bulk_updates(story, many)
    after = f"{Site.current().epoch}-{story.seq - many}"
    with django_assert_num_queries(4):
        piece = changes_after(story.pk, after)
    shown = piece.html.count("<article")
    assert 10 < shown <= 64
    assert piece.left == many - shown
    with django_assert_num_queries(4):
        assert (
            changes_after(story.pk, f"{piece.cursor.epoch}-{story.seq - 1}").left == 0
        )
