"""“See …” lines: stories and images suggested while writing, linked when saved."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from entries import verbs
from entries.models import Entry, Image, Link, Story
from tests.builders import make_story, make_update, signed_in

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def client() -> Client:
    return signed_in("editor", "Editors")


def find(client: Client, story: Story, q: str, what: str = "see") -> Any:
    way = reverse("admin:entries_story_find", args=[story.pk])
    return client.get(way, {"q": q, "what": what}, headers=HTMX)


def compose(client: Client, story: Story, body: str, action: str = "publish") -> str:
    way = reverse("admin:entries_story_change", args=[story.pk])
    data = {"key": str(uuid4()), "action": action, "body": body}
    return str(client.post(way, data, headers=HTMX).content.decode())


def edit(client: Client, entry: Entry, body: str) -> None:
    way = reverse("admin:entries_story_edit", args=[entry.story_id, entry.pk])
    data = {"body": body, "version": entry.version, "action": "save"}
    client.post(way, data, headers=HTMX)


def page(story: Story) -> str:
    return str(Client().get(story.get_absolute_url()).content.decode())


def line(other: Story, words: str = "See") -> str:
    return f'<p class="see">{words} <a href="{other.get_absolute_url()}">{other.title}'


def test_stories_are_found_by_part_of_their_title(client, story):
    make_story("The inquiry opens", series="Sorrava Daily")
    html = find(client, story, "inqu sorrava").content.decode()
    assert 'data-insert="See Sorrava Daily: The inquiry opens"' in html
    assert b"data-insert" not in find(client, story, "harbour").content


def test_a_story_that_readers_cannot_see_is_not_offered_and_not_linked(client, story):
    draft = make_story("A secret inquiry", live=False)
    assert "secret inquiry" not in find(client, story, "secret").content.decode()
    compose(client, story, f"Soon.\n\nSee {draft.title}")
    assert not Link.objects.exists()


def test_a_line_with_the_exact_title_is_linked_when_it_is_sent(client, story):
    other = make_story("The *inquiry* opens", series="Sorrava Daily")
    bare = make_story("Tides of the week")
    compose(client, story, f"Done.\n\nSee {other.title}\n\nSee also {bare.title}")
    html = page(story)
    assert line(other) in html
    assert line(bare, "See also") in html
    assert Link.objects.count() == 2


def test_a_title_of_no_story_stays_plain_text(client, story):
    compose(client, story, "Done.\n\nSee you tomorrow")
    assert "See you tomorrow" in page(story)
    assert not Link.objects.exists()


def test_the_preview_shows_the_line_as_readers_will_see_it(client, story):
    other = make_story("The inquiry opens")
    html = compose(client, story, f"See {other.title}", action="preview")
    assert "&lt;p class=&quot;see&quot;&gt;See &lt;a href=" in html
    assert not Link.objects.exists()


def test_an_edit_links_added_lines_and_unlinks_removed_ones(client, story):
    first, second = make_story("The inquiry opens"), make_story("Tides of the week")
    compose(client, story, f"Done.\n\nSee {first.title}")
    entry = story.entries.get()
    verbs.add_link("see", entry=entry, title="A moderator's link")
    edit(client, entry, f"Done.\n\nSee {second.title}")
    html = page(story)
    assert line(first) not in html
    assert line(second) in html
    assert "A moderator&#x27;s link" in html
    entry.refresh_from_db()
    edit(client, entry, f"Done now.\n\nSee {second.title}")
    assert Link.objects.filter(target_story=second).count() == 1


def test_a_renamed_story_keeps_the_lines_that_link_to_it(client, story):
    other = make_story("The inquiry opens")
    compose(client, story, f"Done.\n\nSee {other.title}")
    verbs.edit_story(other, headline="The inquiry closes")
    assert ">The inquiry opens</a>" in page(story)


def test_images_are_found_by_name_and_text_with_the_storys_own_first(client, story):
    for name in ("quay-old", "quay-new", "ferry", "quay-missing"):
        stem = "" if name == "quay-missing" else f"ab/{len(name):040x}"
        Image.objects.create(
            name=name, stem=stem, alt="Seen at dawn", width=9, height=6, widths=[320]
        )
    make_update(story, "![](image:quay-old)")
    html = find(client, story, "quay dawn", "picture").content.decode()
    assert html.index("quay-old") < html.index("quay-new")
    assert "![](image:quay-new)" in html
    assert "ferry" not in html
    assert "quay-missing" not in html


def test_only_writers_can_use_the_picker(story):
    assert find(signed_in("m", "Moderators"), story, "x").status_code == 403
    assert find(signed_in("c", "Contributors"), story, "x").status_code == 200
    assert find(signed_in("d", "Contributors"), story, "", "picture").status_code == 403
    assert find(Client(), story, "x").status_code == 401


# --- Titles that are not typed exactly


@pytest.mark.parametrize(
    ("title", "typed"),
    [
        ("The harbour’s “long” night — day 2", 'The harbour\'s "long" night - day 2'),
        ("The harbour's long night", "The harbour’s long night"),
        ("The harbour's long night", "the HARBOUR'S long   night."),
        ("The inquiry opens", "“The inquiry opens”"),
        ("The inquiry opens", "The inquiry\u00a0opens…"),
        ("The inquiry opens", "«\u202fThe inquiry opens\u202f»."),
        ("Who knew?", "Who knew"),
        ("Fog – and ice", "Fog—and ice"),
        ("Ağır sis: Çelik", "ağır sis : çelik"),
    ],
)
def test_typography_makes_no_difference_for_a_title(client, story, title, typed):
    other = make_story(title)
    for n, see in enumerate(("See ", "SEE ALSO: ", "see also\u00a0", "See – "), 1):
        compose(client, story, f"Done {n}.\n\n{see}{typed}")
        link = Link.objects.latest("pk")
        assert link.target_story == other, see
    assert Link.objects.count() == 4
    assert page(story).count(f'<a href="{other.get_absolute_url()}">') >= 4


def test_a_title_that_fits_two_stories_is_asked_about(client, story):
    first, second = make_story("The harbour's night"), make_story("The harbour’s night")
    html = compose(client, story, "Done.\n\nSee the harbour´s night")
    assert "matches no story. Did you mean" in html
    link = Link.objects.get()
    assert link.unresolved
    for one in (first, second):
        assert f'value="{link.pk}:{one.pk}"' in html


@pytest.mark.parametrize(
    "typed",
    [
        "The inquiry opned",
        "The Inquiry Opens Today",
        "Inquiry opens",
        "Sorrava Daily: The inquiry",
        "Sorava Daily: The inquiry opens",
        "The inquiry opens",
    ],
)
@pytest.mark.parametrize("headers", [HTMX, {}])
def test_a_near_miss_is_offered_and_can_be_linked(client, story, typed, headers):
    other = make_story("The inquiry opens", series="Sorrava Daily")
    compose(client, story, f"Done.\n\nSee {typed}")
    entry = story.entries.get()
    desk = reverse("admin:entries_story_change", args=[story.pk])
    html = client.get(desk).content.decode()
    assert f"“{typed}” matches no story. Did you mean" in html
    link = Link.objects.get()
    choice = f"{link.pk}:{other.pk}"
    assert f'value="{choice}"' in html
    assert f"See {typed}" in page(story)
    way = reverse("admin:entries_story_see", args=[story.pk, entry.pk])
    answer = client.post(way, {"see": choice}, headers=headers)
    assert answer.status_code == (200 if headers else 302)
    assert "Undo" in (answer if headers else client.get(desk)).content.decode()
    assert f'<a href="{other.get_absolute_url()}">{typed}</a>' in page(story)
    assert "matches no story" not in client.get(desk).content.decode()
    again = client.post(way, {"see": choice}, headers=HTMX)
    assert again.status_code == 409
    link.refresh_from_db()
    undo = {"do": "undo", "see": link.pk, "fingerprint": link.fingerprint}
    assert client.post(way, undo, headers=headers).status_code == answer.status_code
    assert f'<a href="{other.get_absolute_url()}">{typed}</a>' not in page(story)
    assert f"See {typed}" in page(story)
    assert "matches no story" in client.get(desk).content.decode()
    assert client.post(way, undo, headers=HTMX).status_code == 409


@pytest.mark.parametrize(
    "typed",
    [
        "you tomorrow",
        "below",
        "you at the match.",
        "page 3",
        "Reuters",
        "The weather service's warning",
    ],
)
def test_prose_and_unknown_titles_are_not_asked_about(client, story, typed):
    make_story("The inquiry opens tomorrow", series="Sorrava Daily")
    make_story("Storm tomorrow")
    html = compose(client, story, f"Done.\n\nSee {typed}")
    assert "matches no story" not in html
    assert not Link.objects.exists()


def test_a_story_that_is_not_public_is_not_offered_as_a_near_miss(client, story):
    draft = make_story("A secret inquiry", live=False)
    gone = verbs.withdraw_story(make_story("A secret enquiry"))
    html = compose(client, story, "Done.\n\nSee A secret inquery")
    assert "matches no story" not in html
    assert not Link.objects.exists()
    entry = story.entries.get()
    link = verbs.add_link("see", entry=entry, title="A secret inquery")
    way = reverse("admin:entries_story_see", args=[story.pk, entry.pk])
    for other in (draft, gone):
        client.post(way, {"see": f"{link.pk}:{other.pk}"}, headers=HTMX)
        link.refresh_from_db()
        assert link.unresolved
    for see in ("", "x", f"{link.pk}:", ":", f"{link.pk}:{10**30}"):
        assert client.post(way, {"see": see}, headers=HTMX).status_code == 409


def test_the_preview_names_the_story_of_a_near_miss(client, story):
    make_story("The inquiry opens")
    html = compose(client, story, "See The inquiry opned", action="preview")
    assert "matches no story. Did you mean “The inquiry opens”?" in html
    assert not Link.objects.exists()


def test_an_edit_corrects_a_near_miss(client, story):
    other = make_story("The inquiry opens")
    compose(client, story, "Done.\n\nSee The inquiry opned")
    entry = story.entries.get()
    edit(client, entry, "Done.\n\nSee The inquiry opens")
    assert line(other) in page(story)
    assert Link.objects.get().target_story == other


def test_a_line_finds_its_story_when_it_is_saved_again(client, story):
    make_story("The inquiry opens")
    compose(client, story, "Done.\n\nSee The inquiry closes")
    entry = story.entries.get()
    other = make_story("The inquiry closes")
    edit(client, entry, "Done at last.\n\nSee The inquiry closes")
    assert Link.objects.get().target_story == other


def test_near_misses_are_listed_as_unresolved_links_and_in_the_review(story):
    other = make_story("The inquiry opens")
    writer = signed_in("writer", "Contributors")
    compose(writer, story, "Done.\n\nSee The inquiry opned", action="submit")
    link = Link.objects.get()
    for client in (writer, signed_in("editor", "Editors")):
        html = client.get(reverse("admin:entries_entry_queue")).content.decode()
        assert "“The inquiry opned” matches no story. Did you mean" in html
        assert f'value="{link.pk}:{other.pk}"' in html
    moderator = signed_in("moderator", "Moderators")
    html = moderator.get(reverse("moderate")).content.decode()
    assert f'value="story:{other.pk}"' in html


def test_contributors_link_only_lines_of_their_own_texts(story):
    other = make_story("The inquiry opens")
    mine, theirs = signed_in("writer", "Contributors"), signed_in("w2", "Contributors")
    compose(mine, story, "Done.\n\nSee The inquiry opned", action="submit")
    entry, link = story.entries.get(), Link.objects.get()
    way = reverse("admin:entries_story_see", args=[story.pk, entry.pk])
    data = {"see": f"{link.pk}:{other.pk}"}
    assert theirs.post(way, data, headers=HTMX).status_code in (403, 404)
    assert mine.post(way, data, headers=HTMX).status_code == 200
    link.refresh_from_db()
    assert link.target_story == other


def test_the_picker_ignores_typography(client, story):
    make_story("The harbour’s long night")
    for q in ("harbour's night", "harbor's long nigth"):
        assert "data-insert" in find(client, story, q).content.decode()


def test_rows_without_unresolved_lines_need_no_extra_query(
    client, story, django_assert_max_num_queries
):
    other = make_story("The inquiry opens")
    for n in range(6):
        compose(client, story, f"Done {n}.\n\nSee {other.title}")
    desk = reverse("admin:entries_story_change", args=[story.pk])
    with django_assert_max_num_queries(20):
        client.get(desk)


def test_a_permission_revoked_in_the_meantime_links_no_line(story, monkeypatch):
    other = make_story("The inquiry opens")
    writer = signed_in("writer", "Contributors")
    compose(writer, story, "Done.\n\nSee The inquiry opned", action="submit")
    entry, link, save = story.entries.get(), Link.objects.get(), verbs.save_link

    def published_meanwhile(*args: Any, **more: Any) -> Link:
        verbs.publish(Entry.objects.get(pk=entry.pk))
        return save(*args, **more)

    monkeypatch.setattr(verbs, "save_link", published_meanwhile)
    way = reverse("admin:entries_story_see", args=[story.pk, entry.pk])
    answer = writer.post(way, {"see": f"{link.pk}:{other.pk}"}, headers=HTMX)
    assert answer.status_code == 409
    link.refresh_from_db()
    assert link.unresolved
