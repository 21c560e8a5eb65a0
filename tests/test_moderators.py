"""What moderators do: cross-post, link, set features, resolve links."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse

from entries import verbs
from entries.desk import links as desk_links
from entries.models import Entry, Link, Story
from entries.verbs import EntryText, Refused
from tests.builders import make_original, make_story, make_update, make_user, signed_in

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def client() -> Client:
    """Give a browser in which a moderator is signed in."""
    return signed_in("moderator", "Moderators")


@pytest.fixture
def editor() -> Client:
    return signed_in("editor", "Editors")


@pytest.fixture
def story() -> Story:
    return make_story("Fog over the harbour", series="Sorrava Daily")


def cross(entry: Entry, story: Story | None = None) -> str:
    args = [(story or entry.story).pk, entry.pk]
    return reverse("admin:entries_story_cross", args=args)


def html(answer: Any) -> str:
    return str(answer.content.decode())


def page(story: Story) -> str:
    return html(Client().get(story.get_absolute_url()))


def log() -> list[str]:
    """Return what was done, as the log of the admin tells it: where, what, by whom."""
    lines = LogEntry.objects.select_related("user").order_by("pk")
    return [f"{x.object_repr} | {x.change_message} | {x.user}" for x in lines]


# --- Cross-posting


def test_part_of_a_title_finds_only_live_stories(client, story):
    entry = make_update(story)
    names = ["Ice on the sound", "Ice fair opens", "Ice of last year", "Ice to come"]
    running, second, closed, draft = (make_story(name) for name in names)
    verbs.close_story(closed)
    Story.objects.filter(pk=draft.pk).update(state="draft")
    panel = html(client.get(f"{cross(entry)}?q=ice", headers=HTMX))
    offered = set(map(int, re.findall(r'name="to" value="(\d+)"', panel)))
    assert offered == {running.pk, second.pk}


def test_a_cross_post_is_two_actions_and_links_both_ways(client, story):
    entry, other = make_update(story, "Seen from both."), make_story("Ice on the sound")
    desk = html(client.get(f"/admin/entries/story/{story.pk}/change/"))
    assert f'hx-get="{cross(entry)}"' in desk
    answer = client.post(cross(entry), {"to": other.pk}, headers=HTMX)
    assert "Also in" in html(answer)
    assert "Cross-posted to Ice on the sound." in html(answer)
    assert f'(Cross-posted from <a href="{story.get_absolute_url()}">' in page(other)
    assert f'Also in <a href="{other.get_absolute_url()}">' in page(story)


def test_stories_of_one_series_name_each_other_by_headline(story):
    other = make_story("Ice on the sound", series="Sorrava Daily")
    verbs.cross_post(make_update(story), other)
    assert "Fog over the harbour</a>)" in page(other)
    assert ">Ice on the sound</a></p>" in page(story)
    verbs.edit_story(other, series=None)
    assert "Sorrava Daily</a>)" in page(other)


def test_a_cross_post_is_removed_in_its_home_row(client, story):
    entry, other = make_update(story, "Seen from both."), make_story()
    verbs.cross_post(entry, other)
    assert 'name="back"' in html(client.get(cross(entry), headers=HTMX))
    client.post(cross(entry), {"back": other.pk}, headers=HTMX)
    assert "Seen from both." not in page(other)
    assert "Seen from both." in page(story)


def test_a_refusal_shows_a_message_and_changes_nothing(client, story):
    entry, closed = make_update(story, "Seen here alone."), make_story()
    verbs.close_story(closed)
    answer = client.post(cross(entry), {"to": closed.pk}, headers=HTMX)
    assert answer.status_code == 409
    assert html(answer).startswith("This story is closed.")
    for fields in ({"to": 10**12}, {"to": "x"}, {}, {"back": story.pk}):
        assert client.post(cross(entry), fields, headers=HTMX).status_code == 409
    assert "Seen here alone." not in page(closed)
    assert "Seen here alone." in page(story)


def test_only_visible_updates_can_be_cross_posted(client, story):
    draft, original = make_update(story, state="draft"), make_original(story)
    other = make_story()
    for entry in (draft, original):
        assert client.get(cross(entry), headers=HTMX).status_code == 404
        assert client.post(cross(entry), {"to": other.pk}).status_code == 404
    assert not other.postings.exists()


def test_without_scripts_cross_posting_has_a_page(client, story):
    entry, other = make_update(story), make_story("Ice on the sound")
    assert "Ice on the sound" in html(client.get(f"{cross(entry)}?q=sound"))
    answer = client.post(cross(entry), {"to": other.pk}, follow=True)
    assert "Cross-posted to Ice on the sound." in html(answer)


def test_the_log_records_who_cross_posted_what_and_removed_it(client, story):
    entry, other = make_update(story, "Seen from both."), make_story("Ice on the sound")
    here, what = f"{entry.label} in {story.slug}", f"{entry.label} of {story.slug}"
    for data in ({"to": other.pk}, {"to": other.pk}, {"back": other.pk}):
        client.post(cross(entry), data, headers=HTMX)
    assert log() == [
        f"{here} | Cross-posted to {other.slug}. | moderator",
        f"{other} | Cross-posted here: {what}. | moderator",
        f"{here} | Took the cross-post back from {other.slug}. | moderator",
        f"{other} | Took back {what}. | moderator",
    ]
    verbs.cross_post(entry, other)
    way = reverse("admin:entries_story_act", args=[other.pk, entry.pk])
    client.post(way, {"do": "take_back"}, headers=HTMX)
    assert log()[4:] == log()[2:4]


def undo(client: Client, answer: Any, **headers: Any) -> Any:
    """Press the Undo of an answer: the button of a partial, or the form of a page."""
    text = html(answer)
    if button := re.search(
        r'class="undo[^>]*hx-post="([^"]+)" hx-vals="([^"]+)"', text
    ):
        fields = json.loads(unescape(button[2]))
        return client.post(unescape(button[1]), fields, headers=HTMX)
    form = re.search(
        r'<form class="undo"[^>]*action="([^"]+)">(.*?)</form>', text, re.S
    )
    assert form, text
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[2]))
    fields = {name: unescape(value) for name, value in fields.items()}
    return client.post(unescape(form[1]), fields, follow=True)


def test_a_cross_post_and_its_removal_can_be_undone(client, story):
    entry, other = make_update(story, "Seen from both."), make_story("Ice on the sound")
    for page_name in ("", "moderate"):
        data = {"to": other.pk, "page": page_name}
        done = undo(client, client.post(cross(entry), data, headers=HTMX))
        assert "Removed from Ice on the sound." in html(done)
        assert f'id="row-{entry.pk}"' in html(done)
        assert "Seen from both." not in page(other)
        verbs.cross_post(entry, other)
        verbs.set_marks(entry.postings.get(story=other), key_event=True)
        data = {"back": other.pk, "page": page_name}
        removed = client.post(cross(entry), data, headers=HTMX)
        verbs.close_story(Story.objects.get(pk=other.pk))
        assert "Cross-posted to Ice on the sound." in html(undo(client, removed))
        assert "Seen from both." in page(other)
        assert entry.postings.get(story=other).key_event
        verbs.reopen_story(Story.objects.get(pk=other.pk))


def test_without_scripts_a_cross_post_is_undone_on_the_next_page(client, story):
    entry, other = make_update(story, "Seen from both."), make_story("Ice on the sound")
    done = client.post(cross(entry), {"to": other.pk}, follow=True)
    done = undo(client, done)
    assert "Removed from Ice on the sound." in html(done)
    assert "Seen from both." not in page(other)
    assert "Cross-posted to" in html(undo(client, done))
    assert "Seen from both." in page(other)


def test_a_row_that_was_removed_leaves_a_line_with_undo(client, story):
    entry, other = make_update(story, "Seen from both."), make_story("Ice on the sound")
    verbs.cross_post(entry, other)
    act = reverse("admin:entries_story_act", args=[other.pk, entry.pk])
    removed = client.post(act, {"do": "take_back"}, headers=HTMX)
    assert f'id="gone-{entry.pk}"' in html(removed)
    assert "Removed from Ice on the sound." in html(removed)
    assert "Seen from both." not in page(other)
    again = html(undo(client, removed))
    assert f'id="row-{entry.pk}"' in again
    assert f'hx-target="#gone-{entry.pk}" hx-swap="delete"' in again
    assert "Seen from both." in page(other)


def test_an_undo_does_not_restore_what_a_colleague_withdrew(client, story):
    entry, other = make_update(story, "Seen from both."), make_story()
    verbs.cross_post(entry, other)
    posting = entry.postings.get(story=other)
    verbs.remove_cross_post(posting)
    verbs.withdraw(entry)
    with pytest.raises(Refused, match="Only a published update"):
        verbs.restore_cross_post(posting)


def test_contributors_do_not_cross_post(story):
    writer = Client()
    writer.force_login(make_user("writer", "Contributors"))
    entry, other = make_update(story), make_story()
    assert writer.post(cross(entry), {"to": other.pk}).status_code == 403
    assert not other.postings.exists()


def edit(editor: Client, entry: Entry, body: str, **fields: Any) -> None:
    way = reverse("admin:entries_story_edit", args=[entry.story_id, entry.pk])
    data = {"body": body, "version": entry.version, "action": "save"} | fields
    assert editor.post(way, data, headers=HTMX).status_code == 200


def lines_about(story: Story) -> QuerySet[LogEntry]:
    own = LogEntry.objects.filter(content_type__model="story")
    return own.filter(object_id=str(story.pk))


def test_a_closed_story_gets_later_edits_and_its_desk_shows_them(editor, story):
    entry, closed = make_update(story, "Four are missing."), make_story("Last winter")
    verbs.cross_post(entry, closed)
    verbs.close_story(closed)
    ended = Story.objects.get(pk=closed.pk).closed_at
    desk = f"/admin/entries/story/{closed.pk}/change/"
    assert "Edited after the story closed" not in html(editor.get(desk))
    way = reverse("admin:entries_story_edit", args=[story.pk, entry.pk])
    form = " ".join(html(editor.get(way, headers=HTMX)).split())
    assert "Last winter</a> (closed)" in form
    edit(editor, entry, "All are found.", how="correction", correction="None missing.")
    assert "All are found." in page(closed)
    assert "None missing." in page(closed)
    assert "Edited after the story closed" in html(editor.get(desk))
    closed.refresh_from_db()
    assert (closed.state, closed.closed_at) == ("closed", ended)
    line = lines_about(closed).get().get_change_message()
    assert "was corrected there" in line


def test_a_change_sent_twice_is_logged_once(editor, story):
    entry, closed = make_update(story, "Four are missing."), make_story()
    verbs.cross_post(entry, closed)
    verbs.close_story(closed)
    act = reverse("admin:entries_story_act", args=[story.pk, entry.pk])
    for _ in range(2):
        edit(editor, entry, "All are found.")
    for _ in range(2):
        editor.post(act, {"do": "withdraw"}, headers=HTMX)
    told = [line.get_change_message() for line in lines_about(closed)]
    assert ["edited there" in line for line in told] == [False, True]


def test_the_history_of_a_live_story_has_no_edits_made_elsewhere(editor, story):
    entry, other = make_update(story), make_story()
    verbs.cross_post(entry, other)
    edit(editor, entry, "Changed.")
    assert not lines_about(other).exists()


def test_edits_retimings_and_withdrawals_reach_every_story(story):
    entry, other = make_update(story, "First said."), make_story()
    verbs.cross_post(entry, other)
    text = EntryText("Then said.", at=entry.at.replace(hour=9, minute=41))
    verbs.edit(entry, text, version=1)
    for place in (story, other):
        assert "Then said." in page(place)
        assert "0941 GMT" in page(place)
        assert "First said." not in page(place)
    verbs.withdraw(entry)
    assert "Then said." not in page(story) + page(other)


# --- Links


def links(story: Story, entry: Entry | None = None) -> str:
    if entry:
        return reverse("admin:entries_story_entry_links", args=[story.pk, entry.pk])
    return reverse("admin:entries_story_links", args=[story.pk])


def offered(answer: Any) -> list[str]:
    return re.findall(r'name="target" value="([^"]+)"', html(answer))


def test_no_link_is_offered_to_a_story_that_was_withdrawn(client, story):
    other = make_story("Ice on the sound")
    way = f"{links(story)}?q=soun"
    assert f"story:{other.pk}" in offered(client.get(way, headers=HTMX))
    verbs.withdraw_story(other)
    assert f"story:{other.pk}" not in offered(client.get(way, headers=HTMX))


def test_a_link_is_added_by_part_of_a_title_and_reaches_readers(client, story):
    other = make_story("Ice on the sound")
    found = offered(client.get(f"{links(story)}?q=soun", headers=HTMX))
    assert found[0] == f"story:{other.pk}"
    data = {"kind": "previous", "q": "soun", "target": found[0]}
    answer = client.post(links(story), data, headers=HTMX)
    assert "Linked: Ice on the sound" in html(answer)
    line = f'Previous:</span> <a href="{other.get_absolute_url()}">'
    assert line in page(story)
    assert client.post(links(story), data, headers=HTMX).status_code == 409


def test_a_link_targets_a_series_a_url_or_nothing_yet(client, story):
    make_story(series="Isles Daily")
    way, kind = links(story), {"kind": "see"}
    typed = offered(client.get(f"{way}?q=isles", headers=HTMX))
    series = next(value for value in typed if value.startswith("series:"))
    client.post(way, kind | {"target": series})
    address = "https://post.example/1"
    for typed in (address, "www.post.example/1"):
        assert offered(client.get(f"{way}?q={typed}", headers=HTMX))[0] == "url"
    client.post(way, kind | {"q": address, "target": "url", "title": "The Post"})
    client.post(way, kind | {"q": "Not written yet", "target": "none"})
    text = page(story)
    assert 'href="/series/isles-daily/">Isles Daily</a>' in text
    assert f'href="{address}" rel="nofollow noopener">The Post</a>' in text
    assert "Not written yet</li>" in text.replace("\n", "")


@pytest.mark.parametrize(
    "fields",
    [
        {"target": "url", "q": "javascript:alert(1)"},
        {"target": "url", "q": f"https://news.example/?q={'a' * 500}"},
        {"target": "story:99999"},
        {"target": "none", "q": " "},
        {"target": "x"},
        {"kind": "cross-posted", "target": "none", "q": "A"},
        {"kind": "feature", "target": "none", "q": "A", "starts": "soon"},
        {"kind": "feature", "target": "none", "q": "A", "picture": "no-such"},
        {"do": "save", "link": "1"},
        {"do": "nothing"},
    ],
)
def test_an_invalid_link_is_refused_with_a_message(
    client, story, fields: dict[str, str]
):
    data = {"kind": "see"} | fields
    answer = client.post(links(story), data, headers=HTMX)
    assert answer.status_code == 409
    assert html(answer).endswith(".")
    assert not Link.objects.exists()
    assert client.post(links(story), data).status_code == 422


def test_a_feature_gets_label_and_time_in_one_form(client, story):
    data = {"kind": "feature", "target": "none", "q": "The lamp", "label": "SUNDAY"}
    times = {"starts": "1015 yesterday", "ends": "1015 tomorrow"}
    client.post(links(story), data | times)
    link = Link.objects.get()
    assert link.active
    assert '<h2 dir="auto">SUNDAY</h2>' in page(story)
    data = {"do": "save", "link": link.pk, "title": "The lamp", "label": "MONDAY"}
    client.post(links(story), data | {"ends": "1015 yesterday"})
    assert "MONDAY" not in page(story)
    assert "Ended 1015 GMT yesterday" in html(client.get(links(story)))


def fingerprint(answer: Any) -> str:
    """Return what a link's form says of the words that were read."""
    return re.findall(r'name="fingerprint"[^>]* value="([^"]+)"', html(answer))[0]


def test_the_second_of_two_moderators_sees_both_link_texts_and_chooses(client, story):
    link = verbs.add_link("latest", story=story, title="The lamp")
    data = {
        "do": "save",
        "link": link.pk,
        "fingerprint": fingerprint(client.get(links(story))),
    }
    client.post(links(story), data | {"title": "The lamp is lit"}, headers=HTMX)
    answer = client.post(links(story), data | {"title": "Lamps"}, headers=HTMX)
    assert answer.status_code == 409
    assert "The lamp is lit" in html(answer)
    assert "The lamp is lit" in page(story)
    again = data | {"title": "Lamps", "fingerprint": fingerprint(answer)}
    assert client.post(links(story), again, headers=HTMX).status_code == 200
    assert "Lamps" in page(story)
    late = client.post(links(story), data | {"title": "Lost"})
    assert late.status_code == 422
    assert "Lost" not in page(story)


def test_the_admin_asks_before_replacing_a_colleagues_link(client, story):
    link = verbs.add_link("latest", story=story, title="The lamp")
    way = f"/admin/entries/link/{link.pk}/change/"
    data = {"kind": "latest", "order": 0, "fingerprint": fingerprint(client.get(way))}
    assert client.post(way, data | {"title": "Lit"}).status_code == 302
    answer = client.post(way, data | {"title": "Lamps"})
    assert "Latest Lit” meanwhile" in html(answer)
    again = data | {"title": "Lamps", "fingerprint": fingerprint(answer), "order": 7}
    assert client.post(way, again).status_code == 302
    assert "Lamps" in page(story)
    assert Link.objects.get().order == 7


def test_saving_a_link_text_keeps_its_new_position(client, story):
    link, other = (verbs.add_link("see", story=story, title=t) for t in ("A", "B"))
    old = Link.objects.get(pk=link.pk)
    verbs.order_links([other, link])
    old.title = "C"
    verbs.save_link(old)
    assert [row.title for row in story.links.all()] == ["B", "C"]
    verbs.remove_link(Link.objects.get(pk=link.pk))
    with pytest.raises(Refused, match="removed"):
        verbs.save_link(old)
    assert story.links.get() == other


def test_links_are_ordered_by_keys_and_by_dragging(client, story):
    rows = [verbs.add_link("see", story=story, title=t) for t in ("A", "B", "C")]
    one, two, three = rows
    client.post(links(story), {"do": "up", "link": three.pk})
    assert [link.title for link in story.links.all()] == ["A", "C", "B"]
    client.post(links(story), {"do": "down", "link": one.pk})
    assert [link.title for link in story.links.all()] == ["C", "A", "B"]
    order = f"{two.pk},{one.pk},junk,99999"
    client.post(links(story), {"do": "order", "order": order})
    assert [link.title for link in story.links.all()] == ["B", "A", "C"]


def test_a_link_in_both_directions_is_one_checkbox(client, story):
    other = make_story("Ice on the sound")
    data = {"kind": "see", "target": f"story:{other.pk}", "both": "on"}
    client.post(links(story), data)
    assert other.links.get().target_story == story


def test_an_entry_gets_a_link_in_its_row(client, story):
    entry, other = (
        make_update(story, "The ferry waits."),
        make_story("Ice on the sound"),
    )
    panel = client.get(links(story, entry), headers=HTMX)
    assert f"story:{other.pk}" in offered(panel)
    data = {"kind": "see", "target": f"story:{other.pk}"}
    answer = client.post(links(story, entry), data, headers=HTMX)
    assert f'hx-target="#links-entry-{entry.pk}"' in html(answer)
    assert "See <a" in page(story)
    client.post(links(story, entry), {"do": "remove", "link": Link.objects.get().pk})
    assert "See <a" not in page(story)


def test_the_log_records_changes_of_links_without_quoting_text(client, story):
    entry, other = make_update(story), make_story("Ice on the sound")
    client.post(links(story, entry), {"kind": "see", "target": f"story:{other.pk}"})
    outside = {"kind": "see", "target": "url", "q": "https://news.example/secret"}
    client.post(links(story), outside | {"title": "A secret title"})
    site = reverse("feature")
    client.post(site, {"kind": "feature", "target": "none", "q": "A secret feature"})
    link = Link.objects.get(kind="feature")
    for do in ("save", "remove"):
        data = {"do": do, "link": link.pk, "title": "A secret"}
        assert client.post(site, data).status_code == 302
    here = f"{entry.label} in {story.slug}"
    assert log() == [
        f"{here} | Linked: link (See) to {other.slug}. | moderator",
        f"{story} | Linked: link (See) to news.example. | moderator",
        "Front page | Linked: link (Feature) to no known target. | moderator",
        "Front page | Saved: link (Feature) to no known target. | moderator",
        "Front page | Removed: link (Feature) to no known target. | moderator",
    ]


def test_the_editor_of_a_place_changes_only_its_own_links(client, story):
    foreign = verbs.add_link("see", story=make_story(), title="Not yours")
    data = {"do": "remove", "link": foreign.pk}
    assert client.post(links(story), data, headers=HTMX).status_code == 409
    assert Link.objects.filter(pk=foreign.pk).exists()


def test_editors_see_links_but_cannot_change_them(editor, story):
    link = verbs.add_link("see", story=story, title="A")
    assert 'name="do"' not in html(editor.get(links(story))).split('id="links-')[1]
    for data in ({"do": "remove", "link": link.pk}, {"kind": "see", "target": "none"}):
        assert editor.post(links(story), data).status_code == 403
    assert story.links.count() == 1


def state_of(story: Story) -> list[tuple[Any, ...]]:
    """Return what editors have entered in a story's links, by kind and order."""
    names = ("kind", "title", "label", "target_story", "target_url", "image")
    found = story.links.order_by("kind", "order", "pk")
    return list(found.values_list(*names, "starts_at", "ends_at"))


def without_counters(text: str) -> str:
    """Return a page of a story without the counters of the rail."""
    return re.sub(r'(rail|seq)="?\d+', "", text)


@pytest.mark.parametrize("htmx", [True, False])
def test_every_change_of_a_link_can_be_undone(client, story, htmx: bool):
    other = make_story("Ice on the sound")
    for title in ("A", "B", "C"):
        verbs.add_link("see", story=story, title=title)
    address = "https://post.example/1"
    feature = verbs.add_link(
        "feature", story=story, target_url=address, label="SUNDAY", title="The lamp"
    )
    first = story.links.filter(kind="see").first()
    times = {"starts": "1015 yesterday", "ends": "1015 tomorrow"}
    data = {"do": "save", "link": feature.pk, "title": "The lamp", "label": "SUNDAY"}
    client.post(links(story), data | times, follow=True)
    before, shown = state_of(story), page(story)
    for data in (
        {"kind": "see", "target": f"story:{other.pk}"},
        {"kind": "see", "target": f"story:{other.pk}", "both": "on"},
        {"kind": "see", "target": "url", "q": "https://post.example/2"},
        {"do": "save", "link": feature.pk, "title": "Other", "label": "MONDAY"},
        {"do": "down", "link": first.pk},
        {"do": "order", "order": f"{story.links.get(title='C').pk}"},
        {"do": "remove", "link": first.pk},
        {"do": "remove", "link": feature.pk},
    ):
        headers = HTMX if htmx else {}
        answer = client.post(links(story), data, headers=headers, follow=not htmx)
        assert state_of(story) != before, data
        assert undo(client, answer).status_code == 200
        assert state_of(story) == before, data
        assert not other.links.exists()
        assert without_counters(page(story)) == without_counters(shown)


def test_an_undo_does_not_overwrite_a_colleagues_change(client, story):
    link = verbs.add_link("latest", story=story, title="The lamp")
    data = {"do": "save", "link": link.pk, "title": "Lit"}
    answer = client.post(links(story), data, headers=HTMX)
    client.post(links(story), data | {"title": "Lamps"}, headers=HTMX)
    assert undo(client, answer).status_code == 409
    assert story.links.get().title == "Lamps"


@pytest.mark.parametrize("htmx", [True, False])
@pytest.mark.parametrize("changed", ["link", "link back"])
def test_undoing_an_added_link_does_not_remove_a_colleagues_edit(
    client, story, htmx: bool, changed: str
):
    other = make_story("Ice on the sound")
    headers = HTMX if htmx else {}
    data = {"kind": "see", "target": f"story:{other.pk}", "both": "on"}
    answer = client.post(links(story), data, headers=headers, follow=not htmx)
    place = story if changed == "link" else other
    link = place.links.get()
    edit = {"do": "save", "link": link.pk, "title": "Their words"}
    signed_in("moderator2", "Moderators").post(links(place), edit, headers=HTMX)
    undone = undo(client, answer)
    assert "Somebody else has changed" in html(undone)
    assert place.links.get().title == "Their words"
    assert story.links.exists()
    assert other.links.exists()


@pytest.mark.parametrize("htmx", [True, False])
@pytest.mark.parametrize("mine", ["down", "order"])
def test_undoing_a_move_does_not_overwrite_a_colleagues_order(
    client, story, htmx: bool, mine: str
):
    names = ("A", "B", "C")
    a, b, c = (verbs.add_link("see", story=story, title=name) for name in names)
    data = {"do": "down", "link": a.pk}
    if mine == "order":
        data = {"do": "order", "order": f"{b.pk},{a.pk},{c.pk}"}
    headers = HTMX if htmx else {}
    answer = client.post(links(story), data, headers=headers, follow=not htmx)
    colleague = signed_in("moderator2", "Moderators")
    colleague.post(links(story), {"do": "up", "link": c.pk}, headers=HTMX)
    undone = undo(client, answer)
    assert "Somebody else has changed the order" in html(undone)
    assert [link.title for link in story.links.all()] == ["B", "C", "A"]


@pytest.mark.parametrize("do", ["remove", "up", "down", "resolve"])
def test_a_link_that_a_colleague_is_just_removing_is_refused(
    client, story, monkeypatch, do: str
):
    link = verbs.add_link("see", story=story, title="A")
    verbs.add_link("see", story=story, title="B")
    like = desk_links._links_like

    def removed_first(link: Link) -> list[Link]:
        verbs.remove_link(Link.objects.get(pk=link.pk))
        return like(link)

    monkeypatch.setattr(desk_links, "_links_like", removed_first)
    url, data = links(story), {"do": do, "link": link.pk}
    if do == "resolve":
        url, data = reverse("resolve", args=[link.pk]), {"do": "remove"}
    answer = client.post(url, data, headers=HTMX)
    assert answer.status_code == 409
    assert "Somebody else has removed this link." in html(answer)


def test_adding_a_feature_with_its_times_can_be_undone(client, story):
    data = {"kind": "feature", "target": "url", "q": "https://post.example/1"}
    data |= {
        "title": " The  lamp ",
        "label": "x",
        "starts": "1015",
        "ends": "2359 tomorrow",
    }
    answer = client.post(links(story), data, headers=HTMX)
    assert story.links.exists()
    assert undo(client, answer).status_code == 200
    assert not story.links.exists()


def test_undoing_a_move_keeps_what_colleagues_added_and_removed(client, story):
    names = ("A", "B", "C")
    a, _, c = (verbs.add_link("see", story=story, title=name) for name in names)
    data = {"do": "down", "link": a.pk}
    answer = client.post(links(story), data, headers=HTMX)
    verbs.add_link("see", story=story, title="D", order=9)
    verbs.remove_link(c)
    assert undo(client, answer).status_code == 200
    assert [link.title for link in story.links.all()] == ["A", "B", "D"]


# --- The moderators' page


def test_the_page_shows_all_live_stories_and_the_latest_updates(client, story):
    other, closed = make_story("Ice on the sound"), make_story("Last winter")
    for place in (story, other, closed):
        make_update(place, f"News of {place.headline}.")
    make_update(story, "A secret draft.", state="draft")
    verbs.cross_post(story.entries.first(), other)
    verbs.close_story(closed)
    text = html(client.get("/admin/moderate/"))
    lately = text[text.index('id="lately"') : text.index('id="running-title"')]
    for place in (story, other):
        assert lately.count(f"News of {place.headline}.") == 1
        assert f"/admin/entries/story/{place.pk}/links/" in text
    assert "News of Last winter." not in text
    assert "secret" not in text
    assert "secret" not in html(client.get("/admin/moderate/", headers=HTMX))


def test_every_time_on_the_page_has_a_date(client, story):
    make_update(story)
    text = html(client.get("/admin/moderate/"))
    times = re.findall(r">(\d{4} GMT[^<]*)<", text)
    assert len(times) == 2  # the latest updates, and the newest of each live story
    assert all(re.fullmatch(r"\d{4} GMT, \d+ [A-Z][a-z]+( \d{4})?", at) for at in times)


def test_a_cross_post_from_the_page_updates_its_row(client, story):
    entry, other = make_update(story), make_story("Ice on the sound")
    data = {"to": other.pk, "page": "moderate"}
    answer = html(client.post(cross(entry), data, headers=HTMX))
    assert f'id="row-{entry.pk}"' in answer
    assert "Cross-posted to Ice on the sound." in answer


def test_unresolved_links_have_suggestions(client, story):
    entry = make_update(story, "The ferry waits.\n\nSee Isles Daily: Ice on the Sound")
    link = verbs.add_link("see", entry=entry, title="Isles Daily: Ice on the Sound")
    other = make_story("Ice holds the ferries on the Sound", series="Isles Daily")
    assert "<a" not in entry.postings.get().html.split('class="see"')[1]
    text = html(client.get("/admin/moderate/"))
    way = reverse("resolve", args=[link.pk])
    assert f'hx-post="{way}"' in text
    loose = text[text.index(f'id="loose-{link.pk}"') :]
    found = re.findall(r'name="target" value="([^"]+)"', loose)
    assert found[0] == f"story:{other.pk}"
    client.post(way, {"target": found[0]}, headers=HTMX)
    line = entry.postings.get().html.split('class="see"')[1]
    assert f'href="{other.get_absolute_url()}">Isles Daily: Ice on the Sound' in line
    assert f'id="loose-{link.pk}"' not in html(client.get("/admin/moderate/"))


def test_an_unresolved_link_can_be_removed_or_point_to_a_url(client, story):
    one, two = (verbs.add_link("see", story=story, title=t) for t in ("One", "Two"))
    way = reverse("resolve", args=[one.pk])
    bad = {"target": "url", "q": "ftp://x.example"}
    assert client.post(way, bad, headers=HTMX).status_code == 409
    client.post(way, {"target": "url", "q": "https://x.example/1"})
    one.refresh_from_db()
    assert (one.title, one.target_url) == ("One", "https://x.example/1")
    client.post(reverse("resolve", args=[two.pk]), {"do": "remove"})
    assert story.links.get() == one
    assert log() == [
        f"{story} | Said where a line leads: x.example. | moderator",
        f"{story} | Removed a line that led nowhere yet. | moderator",
    ]


@pytest.mark.parametrize("htmx", [True, False])
def test_a_target_and_a_removal_can_be_undone(client, story, htmx: bool):
    other, entry = make_story("Ice on the sound"), make_update(story)
    verbs.add_link("see", entry=entry, title="One")
    verbs.add_link("see", entry=entry, title="Two")
    verbs.add_link("see", story=story, title="Of the story")
    verbs.add_link("feature", title="Of the site")
    for title in ("One", "Of the story", "Of the site"):
        for data in ({"target": f"story:{other.pk}"}, {"do": "remove"}):
            link = Link.objects.get(title=title)
            way = reverse("resolve", args=[link.pk])
            headers = HTMX if htmx else {}
            answer = client.post(way, data, headers=headers, follow=not htmx)
            done = undo(client, answer)
            assert "Undone." in html(done)
            again = Link.objects.get(title=title)
            assert again.unresolved
            if htmx:
                assert f'hx-target="#loose-{link.pk}"' in html(done)
                assert f'id="loose-{again.pk}"' in html(done)
            else:
                assert f'id="loose-{again.pk}"' in html(client.get("/admin/moderate/"))
    assert [link.title for link in entry.links.all()] == ["One", "Two"]


def test_an_undo_does_not_remove_a_target_that_a_colleague_has_changed(client, story):
    link = verbs.add_link("see", story=story, title="One")
    data = {"target": "url", "q": "https://x.example/1"}
    answer = client.post(reverse("resolve", args=[link.pk]), data, headers=HTMX)
    link.refresh_from_db()
    link.target_url = "https://y.example/"
    verbs.save_link(link)
    assert undo(client, answer).status_code == 409
    assert story.links.get().target_url == "https://y.example/"


def test_a_link_is_resolved_by_one_moderator_only(client, story):
    link = verbs.add_link("see", story=story, title="One")
    way, first = reverse("resolve", args=[link.pk]), "https://x.example/1"
    client.post(way, {"target": "url", "q": first}, headers=HTMX)
    for data in ({"target": "url", "q": "https://y.example/"}, {"do": "remove"}):
        answer = client.post(way, data, headers=HTMX)
        assert answer.status_code == 409
        assert first in html(answer)
    assert story.links.get().target_url == first


def test_the_page_is_for_moderators(editor, story):
    assert editor.get("/admin/moderate/").status_code == 403
    assert Client().get("/admin/moderate/").status_code == 302


# --- No dead ends


def test_deleting_a_linked_draft_warns_and_keeps_only_the_link_text(story):
    # Until now its headline, which nobody had read, became plain words for all.
    chief = Client()
    chief.force_login(make_user("chief", chief=True))
    entry, draft = make_update(story), make_story("Ice to come", live=False)
    verbs.add_link("see", entry=entry, target_story=draft)
    verbs.add_link("see", entry=entry, target_story=draft, title="More on ice")
    verbs.add_link("latest", story=story, target_story=draft)
    verbs.close_story(story, continues_in=draft)
    before = page(story)
    assert "See More on ice</p>" in before
    way = f"/admin/entries/story/{draft.pk}/delete/"
    warning = html(chief.get(way))
    assert "become unresolved links" in warning
    assert f"{entry.label}, <a" in warning
    assert "Latest, <a" in warning
    assert chief.post(way, {"post": "yes"}).status_code == 302
    assert not Story.objects.filter(pk=draft.pk).exists()
    found = Link.objects.unresolved().values_list("title", flat=True)
    assert list(found) == ["More on ice"]
    assert page(story) == before
    assert "which was deleted. | chief" in "".join(log())


def test_a_story_with_entries_that_were_visible_is_not_deleted(story):
    entry, draft = make_update(story, "Seen here."), make_story(live=False)
    verbs.move(entry, draft)
    with pytest.raises(Refused, match="withdraw it"):
        verbs.delete_story(draft)
    with pytest.raises(Refused, match="withdraw it"):
        verbs.delete_story(story)
    assert Story.objects.count() == 2


def test_withdrawing_a_linked_story_warns_too(editor, story):
    verbs.add_link("see", story=make_story("Ice"), target_story=story)
    desk = html(editor.get(f"/admin/entries/story/{story.pk}/change/"))
    assert "See, <a" in desk
    assert ">Ice</a>" in desk
