"""Several stories at once: moving, the review queue, continuations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from entries import verbs
from entries.delivery.audience import AudienceWriter
from entries.models import Audience, Entry, Posting, Site, Story
from entries.pages import fragments
from entries.verbs import EntryText
from tests.builders import make_original, make_story, make_update, make_user, signed_in

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def client() -> Client:
    """Give a browser in which an editor is signed in."""
    return signed_in("editor", "Editors")


def html_of(answer: Any) -> str:
    assert answer.status_code == 200
    return answer.content.decode()


def read(story: Story) -> str:
    """Return the page as readers have it."""
    return html_of(Client().get(story.get_absolute_url()))


# --- Moving


def moving(entry: Entry) -> str:
    return reverse("admin:entries_story_move", args=[entry.story_id, entry.pk])


@pytest.mark.parametrize("htmx", [True, False])
def test_an_update_is_moved_to_a_story_found_by_its_title(client, story, htmx: bool):
    rain, closed = make_story("Rain in the hills"), make_story("Rain is over")
    verbs.close_story(closed)
    entry = make_update(story, "It rains.")
    headers = HTMX if htmx else {}
    page = html_of(client.get(moving(entry), {"q": "rain"}, headers=headers))
    assert "Rain in the hills" in page
    assert "Rain is over" not in page
    assert f'value="{story.pk}"' not in page
    way = moving(entry)
    answer = client.post(way, {"to": rain.pk}, headers=headers, follow=True)
    assert "Rain in the hills" in html_of(answer)
    assert "It rains." in read(rain)
    assert "It rains." not in read(story)
    history = reverse("admin:entries_story_versions", args=[rain.pk, entry.pk])
    assert f"Moved here from {story.slug}." in html_of(client.get(history))


def test_an_invalid_move_is_refused_with_a_message(client, story):
    closed = make_story("Rain is over")
    entry = make_update(story)
    verbs.close_story(closed)
    answer = client.post(moving(entry), {"to": closed.pk}, headers=HTMX)
    assert (answer.status_code, b"closed" in answer.content) == (409, True)
    answer = client.post(moving(entry), {"to": "9" * 30}, headers=HTMX)
    assert answer.status_code == 409
    original = make_original(story)
    assert client.get(moving(original)).status_code == 403
    assert "Move to another story…" in html_of(
        client.get(f"/admin/entries/story/{story.pk}/change/")
    )


def test_only_editors_move(story):
    entry, other = make_update(story), make_story("Rain")
    for group in ("Moderators", "Contributors"):
        browser = signed_in(group, group)
        assert browser.post(moving(entry), {"to": other.pk}).status_code == 403
    assert Posting.objects.get().story == story


# --- The queue

QUEUE = "/admin/entries/entry/queue/"


@pytest.fixture
def submitted(story) -> Entry:
    writer = make_user("writer", "Contributors")
    entry = make_update(
        story, "The *mole* is closed.", at=None, author=writer, state="submitted"
    )
    assert entry.html
    return entry


def writer_of(entry: Entry) -> Client:
    client = Client()
    client.force_login(entry.author)
    return client


def test_the_queue_shows_submitted_texts_of_all_stories(client, submitted):
    other = make_update(make_story("Rain"), "It rains.", at=None, state="submitted")
    make_update(submitted.story, "A draft of a colleague.", state="draft")
    page = html_of(client.get(QUEUE))
    assert "The <em>mole</em> is closed." in page
    assert page.index("mole") < page.index("It rains.")
    assert "Rain" in page
    assert "A draft of a colleague." not in page
    assert f'id="entry-{other.pk}"' in page


def test_the_home_page_shows_how_many_texts_wait(client, submitted):
    page = html_of(client.get("/admin/"))
    assert QUEUE in page
    assert "1 waiting" in page
    make_update(submitted.story, "More.", at=None, state="submitted")
    assert "2 waiting" in html_of(client.get("/admin/"))
    moderator = signed_in("moderator", "Moderators")
    assert QUEUE not in html_of(moderator.get("/admin/"))


def test_a_contributor_cannot_change_a_text_that_an_editor_has_scheduled(submitted):
    later = verbs.EntryText(submitted.body, at=timezone.now() + timedelta(hours=1))
    verbs.publish(verbs.edit(submitted, later, version=1))
    place = [submitted.story_id, submitted.pk]
    writer = writer_of(submitted)
    assert (
        writer.get(reverse("admin:entries_story_edit", args=place)).status_code == 403
    )
    act = reverse("admin:entries_story_act", args=place)
    assert writer.post(act, {"do": "withdraw"}).status_code == 403


def test_an_editor_publishes_from_the_queue(client, submitted):
    data = {"do": "publish_own", "entry": submitted.pk, "version": 1}
    answer = client.post(QUEUE, data, follow=True)
    assert "Published in Fog over the harbour." in html_of(answer)
    assert "The <em>mole</em> is closed." in read(submitted.story)
    again = html_of(client.post(QUEUE, data, follow=True))
    assert "This entry is not waiting to be published." in again


def test_a_text_changed_since_it_was_read_is_not_published(client, submitted):
    verbs.edit(submitted, verbs.EntryText("Unread words."), version=1)
    data = {"do": "publish_own", "entry": submitted.pk, "version": 1}
    answer = client.post(QUEUE, data, follow=True)
    assert "read it again" in html_of(answer)
    submitted.refresh_from_db()
    assert submitted.state == "submitted"


def test_a_text_is_sent_back_with_a_note_and_submitted_again(client, submitted):
    writer = writer_of(submitted)
    data = {"do": "send_back", "entry": submitted.pk, "line": "Who says so?"}
    client.post(QUEUE, data)
    assert "Nothing to review" in html_of(client.get(QUEUE))
    assert "1 sent back" in html_of(writer.get("/admin/"))
    assert "Who says so?" in html_of(writer.get(QUEUE))
    desk = f"/admin/entries/story/{submitted.story_id}/change/"
    assert "Who says so?" in html_of(writer.get(desk))
    way = reverse("admin:entries_story_act", args=[submitted.story_id, submitted.pk])
    writer.post(way, {"do": "submit"}, headers=HTMX)
    page = html_of(client.get(QUEUE))
    assert "mole" in page
    assert "Who says so?" not in page


def test_a_text_is_not_sent_back_without_a_note_or_after_publication(client, submitted):
    data = {"do": "send_back", "entry": submitted.pk, "line": " "}
    assert "in a line" in html_of(client.post(QUEUE, data, follow=True))
    verbs.publish(submitted)
    answer = client.post(QUEUE, data | {"line": "Too late"}, follow=True)
    assert "any more" in html_of(answer)
    submitted.refresh_from_db()
    assert (submitted.published, submitted.sent_back) == (True, "")


def test_contributors_see_their_own_texts_in_the_queue_without_actions(
    story, submitted
):
    make_update(story, "Another writer's text.", at=None, state="submitted")
    writer = writer_of(submitted)
    make_update(story, "Published long ago.", author=submitted.author)
    page = html_of(writer.get(QUEUE))
    assert "mole" in page
    assert "Another writer" not in page
    assert "long ago" not in page
    for do in ("publish_own", "publish_now", "send_back"):
        data = {"do": do, "entry": submitted.pk, "version": 1, "line": "x"}
        assert writer.post(QUEUE, data).status_code == 403
    assert signed_in("moderator", "Moderators").get(QUEUE).status_code == 403


# --- Leading on


def turn(client: Client, story: Story, do: str, **fields: Any) -> Any:
    way = reverse("admin:entries_story_state", args=[story.pk])
    return client.post(way, {"do": do} | fields, headers=HTMX)


def link_to(story: Story) -> str:
    return f'<a href="{story.get_absolute_url()}">{story.title}</a>'


def head(story: Story) -> str:
    return read(story).partition('<div id="live"')[0]


def test_a_closed_story_and_its_follow_up_link_to_each_other(client, story):
    tomorrow = make_story("Fog lifts")
    before = tomorrow.head_seq
    turn(client, story, "close", continues_in=tomorrow.pk)
    assert f"Coverage continues in {link_to(tomorrow)}" in head(story)
    assert f"Continued from {link_to(story)}" in head(tomorrow)
    tomorrow.refresh_from_db()
    assert tomorrow.head_seq > before


def test_the_link_back_follows_the_state_of_the_first_story(story):
    tomorrow = make_story("Fog lifts")
    verbs.close_story(story, tomorrow)

    def seq() -> int:
        tomorrow.refresh_from_db()
        return tomorrow.head_seq

    for act in (
        lambda: verbs.edit_story(story, headline="Fog, day one"),
        lambda: verbs.edit_story(story, slug="day-one"),
        lambda: verbs.reopen_story(story),
        lambda: verbs.close_story(story),
        lambda: verbs.withdraw_story(story),
        lambda: verbs.restore_story(story),
        lambda: verbs.edit_story(story, continues_in=None),
    ):
        before = seq()
        act()
        assert seq() > before
        shown = story.state == "closed" and story.continues_in is not None
        assert (link_to(story) in head(tomorrow)) is shown


def test_the_follow_up_story_can_be_removed(client, story):
    verbs.edit_story(story, continues_in=make_story("Fog lifts"))
    turn(client, story, "close", continues_in="")
    assert "Coverage continues" not in head(story)
    turn(client, story, "reopen")
    story.refresh_from_db()
    assert story.state == "live"


# --- Many stories at once


@pytest.fixture
def ledgers(monkeypatch) -> list[object]:
    """Count how often locks are taken."""
    taken: list[object] = []

    class Counting(verbs.Ledger):
        def __init__(self, *args: Any) -> None:
            taken.append(args)
            super().__init__(*args)

    monkeypatch.setattr(verbs.ledger, "Ledger", Counting)
    return taken


def test_a_renamed_series_takes_all_locks_at_once(ledgers):
    one, two = (make_story(series="Sorrava Daily") for _ in range(2))
    elsewhere = make_update(make_story())
    series = one.series
    verbs.add_link("see", entry=elsewhere, target_series=series)
    crossed = make_update(one)
    verbs.cross_post(crossed, two)
    ledgers.clear()
    chief = Client()
    chief.force_login(make_user("chief", chief=True))
    way = f"/admin/entries/series/{series.pk}/change/"
    chief.post(way, {"name": "Sorrava Today", "description": ""})
    assert len(ledgers) == 1
    for story in (one, two, elsewhere.story):
        page = read(story)
        assert "Sorrava Today" in page
        assert "Sorrava Daily" not in page


def test_several_links_are_removed_under_one_set_of_locks(ledgers, story):
    entry, other = make_update(story), make_update(make_story())
    target = make_story("The lighthouse keeper")
    links = [
        verbs.add_link("see", entry=e, target_story=target) for e in (entry, other)
    ]
    links.append(verbs.add_link("latest", story=story, title="Later"))
    ledgers.clear()
    before = Site.current().seq
    verbs.remove_links(links)
    assert len(ledgers) == 1
    assert Site.current().seq == before + 1
    assert not any("keeper" in p.html for p in Posting.objects.all())
    assert "Later" not in read(story)


# --- The list of stories


def listed(client: Client, **query: str) -> str:
    return html_of(client.get("/admin/entries/story/", query))


def test_the_list_counts_readers_of_all_processes(client, story):
    other = make_story("Rain")
    here, there = AudienceWriter(), AudienceWriter()
    here.write({str(story.pk): 3})
    there.write({str(story.pk): 4, str(other.pk): 1})
    assert Audience.now() == {story.pk: 7, other.pk: 1}
    assert 'class="field-readers_now">7</td>' in listed(client)
    there.write({})
    assert Audience.now() == {story.pk: 3}


def test_readers_of_a_silent_process_are_not_counted(story):
    AudienceWriter().write({str(story.pk): 3})
    Audience.objects.update(reported_at=timezone.now() - Audience.EXPIRES_AFTER)
    assert not Audience.now()


def test_a_process_writes_its_reader_counts_only_when_they_change(story, monkeypatch):
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    writer = AudienceWriter()
    assert writer.due_counts({}) is None
    assert writer.due_counts({story.pk: 2}) == {str(story.pk): 2}
    writer.write({str(story.pk): 2})
    assert writer.due_counts({story.pk: 5}) is None
    now += 11
    assert writer.due_counts({story.pk: 2, 99: 0}) is None
    assert writer.due_counts({story.pk: 5}) == {str(story.pk): 5}
    assert writer.due_counts({}) == {}
    now += 60
    assert writer.due_counts({story.pk: 2}) == {str(story.pk): 2}


def test_the_list_shows_the_time_of_the_last_update(client, story):
    make_update(story, at="1804")
    verbs.withdraw(make_update(story, at="2200"))
    make_update(story, at="2300", state="draft")
    crossed = make_update(make_story("Rain"), at="1933")
    verbs.cross_post(crossed, story)
    page = listed(client, q="fog")
    assert 'class="field-last_update">1933, 14 March' in page
    assert 'class="field-updates">2</td>' in page


def test_the_list_needs_as_many_queries_for_many_stories(
    client, story, django_assert_max_num_queries
):
    for number in range(12):
        make_update(make_story(f"Rain {number}", series="Sorrava Daily"))
    with django_assert_max_num_queries(14):
        listed(client)


def test_the_list_is_filtered_by_state_and_series(client, story):
    make_story("Rain", series="Sorrava Daily")
    verbs.close_story(make_story("Frost"))
    assert "Rain" not in listed(client, state__exact="closed")
    series = Story.objects.get(headline="Rain").series_id
    page = listed(client, series__id__exact=str(series))
    assert "Rain" in page
    assert "Frost" not in page.partition('id="changelist-filter"')[0]


def test_a_long_story_goes_live_in_few_statements_with_the_same_fragments(
    django_assert_max_num_queries: Any,
):
    elsewhere = make_story("Elsewhere")
    story = verbs.create_story("A long night")
    for number in range(30):
        entry = verbs.post(story, EntryText(f"Report {number}."))
        verbs.add_link("see", entry=entry, target_story=elsewhere)
    with django_assert_max_num_queries(40):
        verbs.go_live(story)
    text = EntryText("Report 30.", at=entry.at)
    verbs.edit(entry, text, version=1, correction="A number.")
    with django_assert_max_num_queries(60):
        verbs.edit_story(story, slug="a-night")
    standing = Posting.objects.filter(story=story)
    assert [one.html for one in standing] == [fragments.entry_html(p) for p in standing]
    assert len({one.seq for one in standing}) == 30
    assert all("Elsewhere" in one.html for one in standing)
    assert sum("A number." in one.html for one in standing) == 1
