"""Search: what readers find, what nobody may, and suggestions for moderators."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from entries import verbs
from entries.models import Entry, SearchText, Story
from entries.pages import search
from tests.builders import make_original, make_series, make_story, make_update, text

pytestmark = pytest.mark.django_db


def found(query: str) -> list[str]:
    """Return the addresses that a question leads to."""
    return [result.url for result in search.search_public(query).found]


def test_an_update_is_found_by_its_words_with_its_permalink() -> None:
    story = make_story("Fog over the harbour", slug="fog")
    update = make_update(story, "The *pilots* have anchored off **Skerrin**.")
    make_update(story, "Nothing of the kind.")
    assert found("skerrin anchored") == [f"/stories/fog/updates/{update.pk}/"]
    assert found("pilot") == found("skerrin")  # another form of the word
    assert found("skerrin nothing") == []  # not in one text


def test_a_story_is_found_by_its_title_standfirst_and_summary() -> None:
    make_story(
        "Levee Watch",
        slug="levee",
        series="Mirest Daily",
        standfirst="The crest arrives tonight",
        summary="- Sandbags at *Osker* gate",
    )
    for query in ("levee", "mirest", "crest tonight", "osker"):
        assert found(query) == ["/stories/levee/"], query


def test_quoted_words_are_searched_as_a_phrase(client: Client) -> None:
    assert b"a phrase in quotation marks" in client.get("/search/").content
    story = make_story(slug="q")
    together = make_update(story, "The old bridge is shut.")
    make_update(story, "The bridge is old.")
    assert found('"old bridge"') == [f"/stories/q/updates/{together.pk}/"]
    assert len(found("old bridge")) == 2


def test_matches_are_highlighted_and_text_is_escaped() -> None:
    story = make_story(slug="m")
    make_update(story, "Zinc <3 at 5 & rising.", headline="Zinc < lead")
    (result,) = search.search_public("zinc").found
    assert result.title == "<mark>Zinc</mark> &lt; lead"
    assert result.snippet.startswith("<mark>Zinc</mark> &lt;3 at 5 &amp; rising")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "  ",
        '"',
        "'",
        "*",
        "a OR",
        "NEAR(",
        "x:",
        "-",
        "\\",
        "%s",
        "\x00",
        "(((",
        "it's",
    ],
)
def test_no_query_is_an_error(client: Client, query: str) -> None:
    make_update(make_story(), "It's a fine day.")
    assert client.get("/search/", {"q": query}).status_code == 200


def test_nothing_that_is_not_public_is_found() -> None:
    story, draft = make_story(slug="open"), make_story(slug="shut", live=False)
    later = timezone.now() + timedelta(days=1)
    make_update(story, "Zwyngaard draft", state="draft")
    make_update(story, "Zwyngaard submitted", state="submitted")
    make_update(story, "Zwyngaard scheduled", at=later)
    make_update(story, "Zwyngaard withdrawn")
    verbs.withdraw(story.entries.get(body="Zwyngaard withdrawn"))
    gone = make_story("Zwyngaard story", slug="gone")
    make_update(gone, "Zwyngaard inside")
    verbs.withdraw_story(gone)
    verbs.edit_story(draft, headline="Zwyngaard draft story")
    assert found("zwyngaard") == []
    assert search.suggest_stories("zwyngaard") == []
    # They could have been found: the same words are once they are public.
    verbs.restore(story.entries.get(body="Zwyngaard withdrawn"))
    verbs.restore_story(gone)
    assert len(found("zwyngaard")) == 3


def test_an_edit_is_found_and_the_old_words_are_not() -> None:
    story = make_story(slug="e")
    update = make_update(story, "The mast has fallen.")
    verbs.edit(update, text("The mast stands."), version=1)
    assert found("fallen") == []
    assert len(found("stands")) == 1


def test_a_renamed_series_is_found_by_its_new_name() -> None:
    make_story("Levee", slug="l", series="Mirest Daily")
    series = make_series("Mirest Daily")
    series.name = "Orlen Daily"
    verbs.save_series(series)
    assert found("orlen") == ["/stories/l/"]
    assert found("mirest") == []


def test_a_cross_posted_update_is_found_once_and_in_a_public_story() -> None:
    home, other = make_story(slug="home"), make_story(slug="other")
    update = make_update(home, "Cinnabar in the river.")
    verbs.cross_post(update, other)
    assert found("cinnabar") == [f"/stories/home/updates/{update.pk}/"]
    verbs.withdraw_story(home)
    assert found("cinnabar") == [f"/stories/other/updates/{update.pk}/"]


def test_an_update_left_only_in_a_withdrawn_story_is_not_found() -> None:
    home, other = make_story("Sealed", slug="home"), make_story(slug="other")
    posting = verbs.cross_post(make_update(home, "Cinnabar came."), other)
    verbs.withdraw_story(home)
    late = [lambda: verbs.remove_cross_post(posting)]

    def between(execute: Any, sql: str, *args: Any) -> Any:
        if sql.startswith('SELECT "entries_posting"') and late:
            late.pop()()
        return execute(sql, *args)

    assert found("cinnabar") == [f"/stories/other/updates/{posting.entry_id}/"]
    with connection.execute_wrapper(between):
        assert found("cinnabar") == []
    assert not late


def test_a_moved_update_is_found_in_its_new_story() -> None:
    home, other = make_story(slug="home"), make_story(slug="other")
    update = make_update(home, "Cinnabar in the river.")
    verbs.move(update, other)
    assert found("cinnabar") == [f"/stories/other/updates/{update.pk}/"]


def test_an_original_entry_is_found_on_its_story_page() -> None:
    original = make_original(make_story(slug="o"), "How cinnabar came here.")
    assert found("cinnabar") == [f"/stories/o/#entry-{original.pk}"]


def test_the_search_index_can_be_rebuilt() -> None:
    story = make_story("Fog", slug="f")
    make_update(story, "Quartz on the quay.")
    SearchText.objects.all().delete()
    assert found("quartz") == found("fog") == []
    call_command("rerender")
    assert len(found("quartz")) == len(found("fog")) == 1


def test_rerender_reports_entries_that_cannot_be_rendered() -> None:
    story = make_story("Fog", summary="Ferries **wait**.")
    update = make_update(story)
    Story.objects.update(summary_html="<p>As it was drawn before.</p>")
    Entry.objects.update(body="> " * 50 + "Too deep.")
    said = StringIO()
    with pytest.raises(CommandError, match="1 could not be drawn"):
        call_command("rerender", stdout=said, stderr=said)
    assert f"Entry {update.pk} stays as it is" in said.getvalue()
    assert "2 texts, 1 changed" in said.getvalue()
    before, story = story.head_seq, Story.objects.get()
    assert "<strong>wait</strong>" in story.summary_html
    assert story.head_seq > before


def test_results_come_in_pages(client: Client) -> None:
    story = make_story(slug="many")
    for _ in range(search.RESULTS_PAGE_SIZE + 1):
        make_update(story, "Gannets on the pier.")
    first = client.get("/search/?q=gannets").content.decode()
    assert first.count("<mark>") == search.RESULTS_PAGE_SIZE
    assert "?q=gannets&amp;page=2" in first
    second = client.get("/search/?q=gannets&page=2").content.decode()
    assert second.count("<mark>") == 1
    assert "More results" not in second


def test_a_story_is_found_by_its_headline_with_the_day_it_began(client: Client) -> None:
    story = make_story("Gannets on the Pier", slug="gannets", live=False)
    verbs.go_live(story, datetime(2026, 3, 14, tzinfo=UTC))
    page = client.get("/search/?q=gannets").content.decode()
    assert 'href="/stories/gannets/"' in page
    assert '<time datetime="2026-03-14">14 March 2026</time>' in page


def test_the_likeliest_story_is_suggested_first() -> None:
    levee = make_story("The Orlen levee breaks at Mirest", slug="levee")
    make_update(levee, "Water has reached the school in Mirest.")
    ferry = make_story("Ferry strike in its second day", slug="ferry")
    make_update(ferry, "The crews meet the owners in the harbour at noon.")
    busy = make_story("Assembly votes", slug="busy")
    for _ in range(12):
        make_update(busy, "The members of the assembly said the vote goes on.")
    draft = "Owners of the ferry said the crews will be paid for the strike days."
    assert search.suggest_stories(draft)[0] == ferry
    assert search.suggest_stories("They filled sandbags along the levee")[0] == levee
    assert search.suggest_stories("ferr") == [ferry]  # half a word, being typed
    assert ferry not in search.suggest_stories(draft, exclude=[ferry.pk])
    assert search.suggest_stories("xylophone quux") == []
