"""Two editors of one text: merged where they can be, else one of both is chosen."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from entries import verbs
from entries.models import Draft, Entry, Story
from entries.pages.merging import merge_texts, merged_text
from entries.verbs import EntryText
from tests.builders import make_story, make_update, make_user, signed_in

HTMX = {"HX-Request": "true"}


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "merged"),
    [
        (
            "Night sailings resume from Sunday if members accept.",
            "Night sailings resume from Monday if members accept.",
            "Night sailings resume from Sunday if two thirds of members accept.",
            "Night sailings resume from Monday if two thirds of members accept.",
        ),
        ("A b c.", "A b c.\n\nMore.", "X b c.", "X b c.\n\nMore."),
        ("A b c.", "A b c.\n\nMore.", "A b d.", "A b d.\n\nMore."),
        ("A b c.\n\nD e.", "A b x.\n\nD e.", "A b c.\n\nY e.", "A b x.\n\nY e."),
        ("A b c.", "Z b c.", "Z b c.\n\nMore.", "Z b c.\n\nMore."),
        ("* a\n* b\n* c", "* a\n* c", "* a\n* b\n* c\n* d", "* a\n* c\n* d"),
        ("A b c.", "A b c.", "", ""),
        ("Ten boats.", "Eleven boats.", "Twelve boats.", None),
        ("A b c d.", "A x c d.", "A b y d.", None),  # no word between them
        ("A b c.", "A b c.\n\nMine.", "A b c.\n\nTheirs.", None),
        ("A b c d e.", "A e.", "A b X d e.", None),
    ],
)
def test_changes_that_do_not_overlap_are_merged(base, mine, theirs, merged):
    for one, other in ((mine, theirs), (theirs, mine)):
        found = merge_texts(base, one, other)
        assert (None if found is None else merged_text(found)) == merged


@pytest.fixture
def client(db: None) -> Client:
    return signed_in("editor", "Editors")


@pytest.fixture
def entry(story: Story) -> Entry:
    return make_update(story, "Ferries sail from Sunday if members accept.")


def theirs(entry: Entry, body: str, **fields: Any) -> None:
    """Let a colleague change an entry."""
    user = make_user("editor2", "Editors")
    text = EntryText(body, **{"headline": entry.headline, **fields})
    verbs.edit(Entry.objects.get(pk=entry.pk), text, version=1, author=user)


def save(client: Client, entry: Entry, body: str, **more: Any) -> Any:
    headers = HTMX if more.pop("htmx", False) else {}
    way = reverse("admin:entries_story_edit", args=[entry.story_id, entry.pk])
    data = {"body": body, "version": 1, "action": "save"} | more
    return client.post(way, data, headers=headers)


def body(entry: Entry) -> str:
    return Entry.objects.values_list("body", flat=True).get(pk=entry.pk)


def fields_in(html: str) -> dict[str, str]:
    """Return the version and the text that a page's form holds."""
    form = html[html.index('data-form="edit-') :]
    body = r'<textarea[^>]*name="body"[^>]*>\n?(.*?)</textarea>'
    text = re.search(body, form, re.DOTALL)
    version = re.search(r'name="version"[^>]* value="(\d+)"', form)
    assert text
    assert version
    return {"body": unescape(text[1]), "version": version[1]}


MERGED = "Ferries sail from Monday if two thirds of members accept."


def test_the_second_press_saves_what_was_merged(client, entry):
    theirs(entry, "Ferries sail from Sunday if two thirds of members accept.")
    answer = save(client, entry, "Ferries sail from Monday if members accept.")
    html = answer.content.decode()
    assert answer.status_code == 409
    assert re.search(r"editor2 changed this update at \d{4} GMT today", html)
    for by, words in (("mine", "Monday"), ("theirs", "two thirds of")):
        assert re.search(rf'<ins\s+class="by-{by}"[^>]*>{words}', html)
    assert "two thirds of" in body(entry)
    assert "Sunday" in body(entry)
    form = fields_in(html)
    assert form["body"] == MERGED
    assert save(client, entry, **form).status_code == 302
    assert body(entry) == MERGED


def test_the_script_gets_the_merged_text_with_its_version(client, entry):
    theirs(entry, "Ferries sail from Sunday if two thirds of members accept.")
    mine = "Ferries sail from Monday if members accept."
    answer = save(client, entry, mine, htmx=True)
    html = answer.content.decode()
    assert answer.status_code == 409
    found = re.search(r'data-merged="([^"]+)"', html)
    assert found
    merged = json.loads(unescape(found[1]))
    assert merged == {"body": MERGED, "version": "2"}
    assert 'name="version"' not in html  # an older script cannot overwrite anything


def test_overlapping_changes_are_saved_only_after_a_choice(client, entry):
    theirs(entry, "Ferries sail from Friday if members accept.")
    mine = "Ferries sail from Monday if members accept."
    for _ in range(2):
        answer = save(client, entry, mine)
        html = answer.content.decode()
        assert answer.status_code == 409
        assert "Ferries sail from Friday" in html
        assert fields_in(html) == {"body": mine, "version": "1"}
        assert "Friday" in body(entry)
    assert 'value="mine-2"' in html
    assert 'value="theirs-2"' in html
    assert save(client, entry, mine, choice="mine-2").status_code == 302
    assert body(entry) == mine


def test_the_colleagues_version_can_be_chosen(client, entry):
    theirs(entry, "Ferries sail from Friday if members accept.")
    Draft.objects.create(
        user_id=client.session["_auth_user_id"],
        story=entry.story,
        entry=entry,
        form=f"edit-{entry.pk}",
        key="1",
        typed=1,
    )
    assert save(client, entry, "Monday.", choice="theirs-2").status_code == 302
    assert "Friday" in body(entry)
    assert not Draft.objects.exists()


def test_a_version_the_editor_has_not_seen_is_never_overwritten(client, entry):
    theirs(entry, "Ferries sail from Friday if members accept.")
    now = Entry.objects.get(pk=entry.pk)
    verbs.edit(now, EntryText("Ferries sail no more."), version=2)
    for choice in ("mine-2", "theirs-2"):
        answer = save(client, entry, "Monday.", choice=choice)
        assert answer.status_code == 409
        assert "Ferries sail no more." in answer.content.decode()
    assert body(entry) == "Ferries sail no more."


def test_other_fields_of_the_form_are_merged_too(client, story):
    entry = make_update(story, "The quay is closed.", headline="Quay")
    theirs(entry, "The quay is closed.", headline="East quay", byline="Ines Quarto")
    answer = save(client, entry, "The quay is closed to cars.", headline="Quay")
    html = answer.content.decode()
    assert answer.status_code == 409
    assert 'value="East quay"' in html
    assert 'value="Ines Quarto"' in html
    assert fields_in(html)["body"] == "The quay is closed to cars."


def test_nothing_is_merged_without_the_base_version(client, entry):
    theirs(entry, "Ferries sail from Sunday if two thirds of members accept.")
    verbs.erase_version(Entry.objects.get(pk=entry.pk).versions.get())
    answer = save(client, entry, "Ferries sail from Monday if members accept.")
    assert answer.status_code == 409
    assert 'value="mine-2"' in answer.content.decode()


# --- Story details


def details(client: Client, story: Story, **fields: Any) -> Any:
    way = reverse("admin:entries_story_details", args=[story.pk])
    data = {
        "headline": story.headline,
        "slug": story.slug,
        "standfirst": "",
        "summary": "",
        "language": "en",
        "first_day": "2026-03-14",
        "version": 1,
    }
    return client.post(way, data | fields)


def test_changes_of_different_story_details_are_merged(client, story):
    editor2 = make_user("editor2", "Editors")
    now = Story.objects.get(pk=story.pk)
    verbs.edit_story(now, standfirst="It lifts at noon.", author=editor2)
    answer = details(client, story, headline="Fog and ice")
    html = answer.content.decode()
    assert "editor2 changed this story at" in html
    assert 'value="It lifts at noon."' in html
    assert 'name="version" value="2"' in html
    sent = {"headline": "Fog and ice", "standfirst": "It lifts at noon.", "version": 2}
    assert details(client, story, **sent).status_code == 302
    now.refresh_from_db()
    assert (now.headline, now.standfirst) == ("Fog and ice", "It lifts at noon.")


def test_the_editor_chooses_between_two_headlines(client, story):
    verbs.edit_story(Story.objects.get(pk=story.pk), headline="Thaw")
    for _ in range(2):
        page = details(client, story, headline="Ice").content.decode()
        assert "Thaw" in page
        assert 'name="version" value="1"' in page
    assert Story.objects.get().headline == "Thaw"
    details(client, story, headline="Ice", choice="theirs-2")
    assert Story.objects.get().headline == "Thaw"
    details(client, story, headline="Ice", choice="mine-2")
    assert Story.objects.get().headline == "Ice"


def test_a_detail_without_versions_is_not_overwritten_silently(client, story):
    verbs.edit_story(Story.objects.get(pk=story.pk), language="de")
    way = reverse("admin:entries_story_details", args=[story.pk])
    shown = client.get(way).content.decode()
    hidden = re.search(r'name="(initial-language)" value="(\w+)"', shown)
    assert hidden
    assert hidden[2] == "de"
    sent = {"language": "pt", "initial-language": "en"}
    page = details(client, story, **sent).content.decode()
    assert "A colleague changed this to “de” meanwhile." in page
    assert 'name="initial-language" value="de"' in page
    assert Story.objects.get().language == "de"
    sent["initial-language"] = "de"
    assert details(client, story, **sent).status_code == 302
    assert Story.objects.get().language == "pt"


# --- Forms on pages of their own lead back to where they were opened


def test_an_edit_opened_from_the_queue_returns_to_it(client, story):
    entry = make_update(story, "The firts words.", state="submitted")
    queue = reverse("admin:entries_entry_queue")
    link = re.search(r'href="([^"]+/edit/[^"]*)"', client.get(queue).content.decode())
    assert link
    page = client.get(unescape(link[1])).content.decode()
    assert f'name="next" value="{queue}"' in page
    for htmx in (True, False):
        version = Entry.objects.get().version
        text = f"The first words, {htmx}."
        answer = save(client, entry, text, version=version, next=queue, htmx=htmx)
        assert (answer.headers["HX-Redirect"] if htmx else answer.url) == queue
        assert body(entry) == text
        shown = client.get(queue)
        assert "Saved." in shown.content.decode()


@pytest.mark.parametrize("name", ["edit", "cross", "move", "entry_notes"])
def test_every_standalone_form_redirects_afterwards(client, story, name: str):
    entry, other = make_update(story, "A first."), make_story("Ice")
    way = reverse(f"admin:entries_story_{name}", args=[story.pk, entry.pk])
    page = client.get(way).content.decode()
    assert 'name="next" value=""' in page
    assert 'name="next"' not in client.get(way, headers=HTMX).content.decode()
    data = {"body": "B.", "version": 1, "to": other.pk, "text": "Call.", "do": "add"}
    data |= {"action": "save"} if name == "edit" else {}
    answer = client.post(way, data | {"next": ""}, headers=HTMX)
    assert answer.status_code == 200
    assert answer.headers["HX-Redirect"].startswith("/admin/entries/story/")
    assert "HX-Redirect" not in client.post(way, data, headers=HTMX).headers


@pytest.mark.parametrize(
    "url", ["https://evil.example/admin/", "//evil.example/admin/", "/stories/x/"]
)
def test_a_form_never_redirects_to_another_site(client, entry, url: str):
    answer = save(client, entry, "B.", next=url, htmx=True)
    assert answer.headers["HX-Redirect"].startswith("/admin/entries/story/")
    answer = save(client, entry, "C.", next=url, version=2)
    assert answer.url.startswith("/admin/entries/story/")
